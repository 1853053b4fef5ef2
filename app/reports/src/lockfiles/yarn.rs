//! `yarn.lock`: of Yarn 1 in a form of its own, of later ones in YAML that looks the same in all that matters here.

use super::javascript;
use super::{Ecosystem, Package, Source, in_line};
use crate::error::ReportError;

/// An entry that is being read.
struct Entry {
    line: usize,
    name: String,
    version: Option<String>,
    resolved: Option<String>,
    resolution: Option<String>,
}

pub(super) fn read(text: &str) -> Result<Vec<Package>, ReportError> {
    let mut packages = Vec::new();
    let mut entry: Option<Entry> = None;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if !line.starts_with(' ') {
            packages.extend(entry.take().map(package).transpose()?.flatten());
            entry = begin(number, line)?;
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        let Some(entry) = entry.as_mut().filter(|_| indent == 2) else { continue };
        let Some((key, value)) = field(line.trim()) else { continue };
        match key {
            "version" => entry.version = Some(value.to_owned()),
            "resolved" => entry.resolved = Some(value.to_owned()),
            "resolution" => entry.resolution = Some(value.to_owned()),
            _ => {}
        }
    }
    packages.extend(entry.map(package).transpose()?.flatten());
    Ok(packages)
}

/// `"@scope/a@^1.0", "@scope/a@^1.1":`. None for what is no package.
fn begin(number: usize, line: &str) -> Result<Option<Entry>, ReportError> {
    let key = line.trim_end().strip_suffix(':').ok_or_else(|| in_line(number, "expected the name of a package and `:`"))?;
    if key == "__metadata" {
        return Ok(None);
    }
    let first = key.trim_start_matches('"').split(['"', ',']).next().unwrap_or_default();
    let (name, range) =
        name_of(first).ok_or_else(|| in_line(number, "expected a package with a version, such as `name@^1.0`"))?;
    // `here@npm:name@range`: a package that goes by another name here.
    let name = range.strip_prefix("npm:").and_then(name_of).map_or(name, |(name, _)| name).to_owned();
    Ok(Some(Entry { line: number, name, version: None, resolved: None, resolution: None }))
}

/// `@scope/name@range` in its two parts.
fn name_of(text: &str) -> Option<(&str, &str)> {
    let at = text.get(1..)?.find('@')? + 1;
    Some((&text[..at], &text[at + 1..]))
}

/// `version "1.0"` or `version: 1.0`
fn field(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(' ')?;
    Some((key.trim_end_matches(':'), value.trim().trim_matches('"')))
}

fn package(entry: Entry) -> Result<Option<Package>, ReportError> {
    let version = entry.version.ok_or_else(|| in_line(entry.line, "a package without a version"))?;
    let (name, source, version) = match (&entry.resolution, &entry.resolved) {
        (Some(resolution), _) => {
            let Some((name, reference)) = name_of(resolution) else {
                return Err(in_line(entry.line, "a resolution without a version"));
            };
            // A patched package is there a second time, as itself.
            if reference.starts_with("patch:") {
                return Ok(None);
            }
            let (source, version) = of_reference(name, reference, version);
            (name.to_owned(), source, version)
        }
        (None, Some(resolved)) => {
            // What follows `#` of a registry's file is its checksum.
            let (source, version) = javascript::source(&entry.name, resolved, &version);
            (entry.name, source, version)
        }
        (None, None) => (entry.name, Source::Unsaid, version),
    };
    Ok(Some(Package { ecosystem: Ecosystem::Npm, name, version, source, licence: None }))
}

/// `npm:1.0`, `workspace:packages/a`, `https://...#commit=...`
fn of_reference(name: &str, reference: &str, version: String) -> (Source, String) {
    match reference.strip_prefix("npm:") {
        Some(rest) => match rest.split_once("__archiveUrl=") {
            Some((_, url)) => (javascript::source(name, &url.replace("%3A", ":").replace("%2F", "/"), &version).0, version),
            None => (Source::Unsaid, version),
        },
        None => javascript::source(name, reference, &version),
    }
}
