//! `Gemfile.lock`.

use super::source::at_commit;
use super::{Ecosystem, Package, START, Source, in_line};
use crate::error::{Fault, ReportError};

/// The section at hand.
#[derive(Default)]
struct Section<'a> {
    kind: &'a str,
    /// Where its packages may come from: Bundler writes several registries into one section, and does not say which has what.
    remotes: Vec<&'a str>,
    revision: Option<&'a str>,
}

pub(super) fn gemfile(text: &str) -> Result<Vec<Package>, ReportError> {
    let mut section = Section::default();
    let mut packages = Vec::new();
    let mut known = false;
    for (index, line) in text.lines().enumerate() {
        let bare = line.trim_start();
        match line.len() - bare.len() {
            _ if bare.is_empty() => {}
            0 if bare.starts_with(['<', '=', '>']) => return Err(in_line(index + 1, "a conflict that was not resolved")),
            0 => {
                section = Section { kind: bare.trim_end(), ..Section::default() };
                known |= matches!(section.kind, "GEM" | "GIT" | "PATH" | "PLATFORMS" | "DEPENDENCIES");
            }
            2 => {
                section.remotes.extend(bare.strip_prefix("remote: "));
                section.revision = bare.strip_prefix("revision: ").or(section.revision);
            }
            4 => packages.extend(spec(&section, bare).unwrap_or_default()),
            // What a package needs.
            _ => {}
        }
    }
    if !known && !text.trim().is_empty() {
        return Err(Fault::broken("no lock file of Bundler: it has no section that is known").at(START));
    }
    Ok(packages)
}

/// `name (1.2.3)`, with the platform behind the version where there are several. One for each place that it may come from.
fn spec(section: &Section<'_>, line: &str) -> Option<Vec<Package>> {
    let (name, version) = line.trim_end().strip_suffix(')')?.split_once(" (")?;
    let last = section.remotes.last().copied().unwrap_or_default();
    let (sources, version) = match section.kind {
        "GEM" if section.remotes.is_empty() => (vec![Source::registry("")], version.to_owned()),
        "GEM" => (section.remotes.iter().map(|remote| Source::registry(remote)).collect(), version.to_owned()),
        "GIT" => (vec![Source::git(last)], at_commit(version, section.revision)),
        "PATH" => (vec![Source::Local], version.to_owned()),
        // A plugin's or a checksum's.
        _ => return None,
    };
    let package = |source| {
        let (name, version) = (name.to_owned(), version.clone());
        Package { ecosystem: Ecosystem::RubyGems, name, version, source, licence: None }
    };
    Some(sources.into_iter().map(package).collect())
}
