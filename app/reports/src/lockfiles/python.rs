//! The lock files of Python.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::source::at_commit;
use super::{Ecosystem, Package, Source};
use crate::error::ReportError;

/// Where packages come from if nothing else is said.
const DEFAULT: &str = "https://pypi.org/simple";

#[derive(Deserialize)]
struct PoetryLock {
    #[serde(default)]
    package: Vec<PoetryEntry>,
}

#[derive(Deserialize)]
struct PoetryEntry {
    name: String,
    version: String,
    source: Option<PoetrySource>,
}

#[derive(Deserialize)]
struct PoetrySource {
    #[serde(rename = "type")]
    kind: Option<String>,
    url: Option<String>,
    resolved_reference: Option<String>,
}

/// `poetry.lock`
pub(super) fn poetry(text: &str) -> Result<Vec<Package>, ReportError> {
    let lock: PoetryLock = super::toml(text)?;
    let package = |entry: PoetryEntry| {
        let Some(PoetrySource { kind, url, resolved_reference }) = entry.source else {
            return of(&entry.name, entry.version, Source::registry(DEFAULT));
        };
        let url = url.unwrap_or_default();
        let source = match kind.as_deref() {
            Some("git") => Source::git(&url),
            Some("url") => Source::url(&url),
            Some("directory" | "file") => Source::Local,
            Some(_) | None => Source::registry(&url),
        };
        let commit = resolved_reference.filter(|_| matches!(source, Source::Git(_)));
        of(&entry.name, at_commit(&entry.version, commit.as_deref()), source)
    };
    Ok(lock.package.into_iter().map(package).collect())
}

#[derive(Deserialize)]
struct UvLock {
    #[serde(default)]
    package: Vec<UvEntry>,
}

#[derive(Deserialize)]
struct UvEntry {
    name: String,
    version: Option<String>,
    source: Option<UvSource>,
}

#[derive(Deserialize)]
struct UvSource {
    registry: Option<String>,
    git: Option<String>,
    url: Option<String>,
}

/// `uv.lock`
pub(super) fn uv(text: &str) -> Result<Vec<Package>, ReportError> {
    let lock: UvLock = super::toml(text)?;
    let package = |entry: UvEntry| {
        let version = entry.version.unwrap_or_default();
        match entry.source {
            Some(UvSource { registry: Some(url), .. }) if url.contains("://") => of(&entry.name, version, Source::registry(&url)),
            Some(UvSource { git: Some(url), .. }) => {
                let commit = url.split_once('#').map(|(_, commit)| commit);
                of(&entry.name, at_commit(&version, commit), Source::git(&url))
            }
            Some(UvSource { url: Some(url), .. }) => of(&entry.name, version, Source::url(&url)),
            // The project itself, a path, a folder that serves as a registry.
            Some(_) => of(&entry.name, version, Source::Local),
            None => of(&entry.name, version, Source::Unsaid),
        }
    };
    Ok(lock.package.into_iter().map(package).collect())
}

#[derive(Deserialize)]
struct Pipfile {
    #[serde(rename = "_meta")]
    meta: PipfileMeta,
    #[serde(flatten)]
    groups: BTreeMap<String, BTreeMap<String, PipfileEntry>>,
}

#[derive(Deserialize)]
struct PipfileMeta {
    #[serde(default)]
    sources: Vec<PipfileSource>,
}

#[derive(Deserialize)]
struct PipfileSource {
    name: String,
    url: String,
}

#[derive(Deserialize)]
struct PipfileEntry {
    version: Option<String>,
    index: Option<String>,
    git: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<String>,
    file: Option<String>,
    path: Option<String>,
}

/// `Pipfile.lock`: `default`, `develop` and other groups.
pub(super) fn pipfile(text: &str) -> Result<Vec<Package>, ReportError> {
    let Pipfile { meta, groups } = super::json(text)?;
    let index = |name: &str| meta.sources.iter().find(|source| source.name == name).map(|source| source.url.as_str());
    let package = |(name, entry): (String, PipfileEntry)| {
        let version = entry.version.unwrap_or_default();
        let version = version.strip_prefix("==").unwrap_or(&version).to_owned();
        match (entry.git, entry.file, entry.path) {
            (Some(url), _, _) => of(&name, at_commit(&version, entry.reference.as_deref()), Source::git(&url)),
            (None, Some(url), _) if url.contains("://") => of(&name, version, Source::url(&url)),
            (None, Some(_), _) | (None, None, Some(_)) => of(&name, version, Source::Local),
            (None, None, None) => {
                let first = meta.sources.first().map(|source| source.url.as_str());
                let url = entry.index.as_deref().and_then(index).or(first).unwrap_or(DEFAULT);
                of(&name, version, Source::registry(url))
            }
        }
    };
    Ok(groups.into_values().flatten().map(package).collect())
}

/// `requirements.txt`: what is no requirement (options, other files) is passed over.
pub(super) fn requirements(text: &str) -> Vec<Package> {
    let mut packages = Vec::new();
    let mut index = DEFAULT.to_owned();
    let joined = text.replace("\\\r\n", " ").replace("\\\n", " ");
    for line in joined.lines() {
        // A comment begins a line or follows white space.
        let line = line.split(" #").next().unwrap_or(line).trim();
        if let Some(rest) = line.strip_prefix("--index-url").or_else(|| line.strip_prefix("-i ")) {
            index = rest.trim_start_matches(['=', ' ']).trim().to_owned();
        } else if !line.is_empty() && !line.starts_with('#') {
            packages.extend(requirement(line, &index));
        }
    }
    packages
}

fn requirement(line: &str, index: &str) -> Option<Package> {
    let line = line.strip_prefix("-e ").or_else(|| line.strip_prefix("--editable ")).map_or(line, str::trim);
    if line.starts_with('-') {
        return None;
    }
    let line = line.split(" --").next()?.trim();
    // `name @ address`, or an address that names the package at its end.
    if let Some((name, address)) = line.split_once(" @ ") {
        return Some(of_address(name.split('[').next()?.trim(), address.split(" ;").next()?.trim()));
    }
    if line.contains("://") {
        let (_, name) = line.split_once("egg=")?;
        return Some(of_address(name.split(['&', '[', ' ']).next()?, line));
    }
    let line = line.split(';').next()?.trim();
    let end = line.find(['=', '<', '>', '!', '~', '[', ' ']).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let rest = rest.split_once(']').map_or(rest, |(_, rest)| rest).trim();
    let named = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    let exact = rest.strip_prefix("===").or_else(|| rest.strip_prefix("==")).filter(|rest| !rest.contains([',', '*']));
    let version = exact.map_or_else(|| rest.replace(' ', ""), |exact| exact.trim().to_owned());
    named.then(|| of(name, version, Source::registry(index)))
}

fn of_address(name: &str, address: &str) -> Package {
    match address.strip_prefix("git+") {
        Some(url) => {
            let bare = url.split('#').next().unwrap_or(url);
            let path = bare.split_once("://").map_or(bare, |(_, rest)| rest);
            // The commit stands behind an `@` of the path; one before the first `/` belongs to a login.
            let commit = path.split_once('/').and_then(|(_, path)| path.rsplit_once('@')).map(|(_, commit)| commit);
            let bare = commit.and_then(|commit| bare.strip_suffix(commit)?.strip_suffix('@')).unwrap_or(bare);
            of(name, at_commit("", commit), Source::git(bare))
        }
        None if address.starts_with("file:") => of(name, String::new(), Source::Local),
        None => of(name, String::new(), Source::url(address)),
    }
}

fn of(name: &str, version: String, source: Source) -> Package {
    Package { ecosystem: Ecosystem::PyPi, name: normal(name), version, source, licence: None }
}

/// One name for all its ways to be written: <https://packaging.python.org/en/latest/specifications/name-normalization/>.
fn normal(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_lowercase()
}
