//! `go.mod` and `go.sum`.

use std::collections::HashMap;

use super::{Ecosystem, Package, START, Source, in_line};
use crate::error::{Fault, ReportError};

/// What is written about a module.
struct Replacement<'a> {
    version: Option<&'a str>,
    path: &'a str,
    by: Option<&'a str>,
}

/// `go.mod`: what it requires, as it is replaced.
pub(super) fn module(text: &str) -> Result<Vec<Package>, ReportError> {
    let mut block: Option<&str> = None;
    let mut required: Vec<(&str, &str)> = Vec::new();
    let mut replaced: HashMap<&str, Vec<Replacement<'_>>> = HashMap::new();
    let mut named = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.split("//").next().unwrap_or(line).trim();
        let words: Vec<&str> = line.split_whitespace().map(|word| word.trim_matches(['"', '`'])).collect();
        let (verb, rest) = match (block, words.as_slice()) {
            (_, []) => continue,
            (Some(_), [")"]) => {
                block = None;
                continue;
            }
            (None, [verb, "("]) => {
                block = Some(verb);
                continue;
            }
            (Some(verb), rest) => (verb, rest),
            (None, [verb, rest @ ..]) => (*verb, rest),
        };
        let wrong = |cause| in_line(index + 1, cause);
        match (verb, rest) {
            ("module", _) => named = true,
            ("require", [path, version]) => required.push((path, version)),
            ("require", _) => return Err(wrong("expected a module and its version")),
            ("replace", rest) => {
                let arrow = rest.iter().position(|word| *word == "=>").ok_or_else(|| wrong("expected `=>`"))?;
                let (old, new) = (&rest[..arrow], &rest[arrow + 1..]);
                let (Some(name), Some(path)) = (old.first(), new.first()) else { return Err(wrong("expected two modules")) };
                let one = Replacement { version: old.get(1).copied(), path, by: new.get(1).copied() };
                replaced.entry(name).or_default().push(one);
            }
            // `go`, `toolchain`, `exclude`, `retract` and what comes after them.
            _ => {}
        }
    }
    if !named {
        return Err(Fault::broken("no `go.mod`: it names no module").at(START));
    }
    Ok(required.into_iter().map(|(path, version)| of(path, version, replaced.get(path))).collect())
}

fn of(path: &str, version: &str, replaced: Option<&Vec<Replacement<'_>>>) -> Package {
    let by = replaced.and_then(|all| all.iter().find(|one| one.version.is_none_or(|of| of == version)));
    match by {
        None => package(path, version, Source::Unsaid),
        Some(Replacement { path: to, by: Some(version), .. }) if *to == path => package(path, version, Source::Unsaid),
        Some(Replacement { path: to, by: Some(version), .. }) => package(path, version, Source::url(to)),
        Some(Replacement { by: None, .. }) => package(path, version, Source::Local),
    }
}

/// `go.sum`: the modules that the build may look at. Of those of which only `go.mod` was looked at nothing is built.
pub(super) fn sums(text: &str) -> Result<Vec<Package>, ReportError> {
    let mut packages = Vec::new();
    for (index, line) in text.lines().enumerate() {
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            [] => {}
            [_, version, _] if version.ends_with("/go.mod") => {}
            [path, version, _] => packages.push(package(path, version, Source::Unsaid)),
            [..] => return Err(in_line(index + 1, "expected a module, a version and a checksum")),
        }
    }
    Ok(packages)
}

fn package(path: &str, version: &str, source: Source) -> Package {
    Package { ecosystem: Ecosystem::Go, name: path.to_owned(), version: version.to_owned(), source, licence: None }
}
