//! `Gemfile.lock`.

use super::source::at_commit;
use super::{Ecosystem, Package, START, Source, in_line};
use crate::error::{Fault, ReportError};

/// The section at hand.
#[derive(Default)]
struct Section<'a> {
    kind: &'a str,
    remote: Option<&'a str>,
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
                section.remote = bare.strip_prefix("remote: ").or(section.remote);
                section.revision = bare.strip_prefix("revision: ").or(section.revision);
            }
            4 => packages.extend(spec(&section, bare)),
            // What a package needs.
            _ => {}
        }
    }
    if !known && !text.trim().is_empty() {
        return Err(Fault::broken("no lock file of Bundler: it has no section that is known").at(START));
    }
    Ok(packages)
}

/// `name (1.2.3)`, with the platform behind the version where there are several.
fn spec(section: &Section<'_>, line: &str) -> Option<Package> {
    let (name, version) = line.trim_end().strip_suffix(')')?.split_once(" (")?;
    let remote = section.remote.unwrap_or_default();
    let (source, version) = match section.kind {
        "GEM" => (Source::registry(remote), version.to_owned()),
        "GIT" => (Source::git(remote), at_commit(version, section.revision)),
        "PATH" => (Source::Local, version.to_owned()),
        // A plugin's or a checksum's.
        _ => return None,
    };
    Some(Package { ecosystem: Ecosystem::RubyGems, name: name.to_owned(), version, source, licence: None })
}
