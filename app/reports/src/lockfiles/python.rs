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
    sdist: Option<UvFile>,
    #[serde(default)]
    wheels: Vec<UvFile>,
}

#[derive(Deserialize)]
struct UvFile {
    url: Option<String>,
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
    Ok(lock.package.into_iter().flat_map(uv_package).collect())
}

/// One for each place that it comes from: uv fetches a file from the address that stands with it, whatever the registry is.
fn uv_package(mut entry: UvEntry) -> Vec<Package> {
    let files: Vec<String> = entry.sdist.take().into_iter().chain(entry.wheels.drain(..)).filter_map(|file| file.url).collect();
    let registry = entry.source.as_ref().and_then(|source| source.registry.clone()).filter(|url| url.contains("://"));
    let hosts: &[&str] = if registry.as_deref().is_some_and(|url| Source::registry(url) == Source::registry(DEFAULT)) {
        &["files.pythonhosted.org"]
    } else {
        &[]
    };
    let beside = |url: &String| Source::beside(registry.as_deref()?, hosts, url);
    let mut others: Vec<Source> = files.iter().filter_map(beside).collect();
    others.sort();
    others.dedup();
    let (name, version) = (entry.name.clone(), entry.version.clone().unwrap_or_default());
    std::iter::once(uv_locked(entry)).chain(others.into_iter().map(|source| of(&name, version.clone(), source))).collect()
}

fn uv_locked(entry: UvEntry) -> Package {
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

/// `requirements.txt`: other files that it names are passed over. Where packages are looked for holds for all lines of it, wherever
/// that is said; each package is there once for each such place, since any of them may have it.
pub(super) fn requirements(text: &str) -> Vec<Package> {
    let joined = text.replace("\\\r\n", " ").replace("\\\n", " ");
    // A comment begins a line or follows white space.
    let lines =
        || joined.lines().map(|line| line.split(" #").next().unwrap_or(line).trim()).filter(|line| !line.starts_with('#'));
    let places = Places::of(lines());
    lines().flat_map(|line| requirement(line, &places)).collect()
}

/// Where pip looks for packages.
struct Places(Vec<Source>);

impl Places {
    fn of<'l>(lines: impl Iterator<Item = &'l str>) -> Places {
        let (mut index, mut others) = (Some(Source::registry(DEFAULT)), Vec::new());
        for line in lines {
            let value = |long: &str, short: Option<&str>| {
                let rest = line.strip_prefix(long).filter(|rest| rest.starts_with(['=', ' ', '\t']));
                let rest = rest.or_else(|| line.strip_prefix(short?).filter(|_| !line.starts_with("--")));
                rest.map(|rest| rest.trim_start_matches('=').trim())
            };
            if let Some(url) = value("--index-url", Some("-i")) {
                index = Some(Source::registry(url));
            } else if let Some(url) = value("--extra-index-url", None) {
                others.push(Source::registry(url));
            } else if let Some(page) = value("--find-links", Some("-f")) {
                others.push(if page.contains("://") { Source::url(page) } else { Source::Local });
            } else if line == "--no-index" {
                index = None;
            }
        }
        let mut places: Vec<Source> = index.into_iter().chain(others).collect();
        places.sort();
        places.dedup();
        // A folder of the repository is no reason not to ask a registry.
        if places.len() > 1 {
            places.retain(|place| *place != Source::Local);
        }
        Places(if places.is_empty() { vec![Source::Unsaid] } else { places })
    }
}

fn requirement(line: &str, places: &Places) -> Vec<Package> {
    match located(line) {
        Some(package) => vec![package],
        None => {
            let Some((name, version)) = named(line) else { return Vec::new() };
            places.0.iter().map(|place| of(name, version.clone(), place.clone())).collect()
        }
    }
}

/// A requirement with an address of its own.
fn located(line: &str) -> Option<Package> {
    let line = line.strip_prefix("-e ").or_else(|| line.strip_prefix("--editable ")).map_or(line, str::trim);
    if line.starts_with('-') {
        return None;
    }
    let line = line.split(" --").next()?.trim();
    // `name @ address`, or an address that names the package at its end.
    if let Some((name, address)) = line.split_once(" @ ") {
        return Some(of_address(name.split('[').next()?.trim(), address.split(" ;").next()?.trim()));
    }
    let (_, path) = line.split_once("://")?;
    let name = match line.split_once("egg=") {
        Some((_, name)) => name.split(['&', '[', ' ']).next()?,
        // Of `tool-1.0-py3-none-any.whl`, or of `tool.git@0123`, its beginning.
        None => {
            let file = path.split(['#', '?', '@', ' ']).next()?.trim_end_matches('/').rsplit('/').next()?;
            let file = file.strip_suffix(".git").unwrap_or(file);
            let version =
                file.match_indices('-').map(|(at, _)| at).find(|at| file[at + 1..].starts_with(|c: char| c.is_ascii_digit()));
            &file[..version.unwrap_or(file.len())]
        }
    };
    Some(of_address(name, line.split(' ').next()?))
}

/// The name and the version of one that a registry has.
fn named(line: &str) -> Option<(&str, String)> {
    if line.starts_with('-') || line.contains("://") {
        return None;
    }
    let line = line.split(" --").next()?.split(';').next()?.trim();
    let end = line.find(['=', '<', '>', '!', '~', '[', ' ']).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let rest = rest.split_once(']').map_or(rest, |(_, rest)| rest).trim();
    let named = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    let exact = rest.strip_prefix("===").or_else(|| rest.strip_prefix("==")).filter(|rest| !rest.contains([',', '*']));
    let version = exact.map_or_else(|| rest.replace(' ', ""), |exact| exact.trim().to_owned());
    named.then_some((name, version))
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
