//! `package-lock.json`, and what the lock files of JavaScript share.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::source::at_commit;
use super::{Ecosystem, Package, START, Source};
use crate::error::{Fault, ReportError};

/// Of version 1 there is `dependencies` only, of version 3 `packages` only, of version 2 both, which say the same.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Lock {
    lockfile_version: Option<u64>,
    packages: Option<BTreeMap<String, Entry>>,
    dependencies: Option<BTreeMap<String, Nested>>,
}

#[derive(Deserialize)]
struct Entry {
    name: Option<String>,
    version: Option<String>,
    resolved: Option<String>,
    #[serde(default)]
    link: bool,
    license: Option<Value>,
}

#[derive(Deserialize)]
struct Nested {
    version: Option<String>,
    resolved: Option<String>,
    dependencies: Option<BTreeMap<String, Nested>>,
}

pub(super) fn npm(text: &str) -> Result<Vec<Package>, ReportError> {
    let Lock { lockfile_version, packages, dependencies } = super::json(text)?;
    if lockfile_version.is_none() && packages.is_none() && dependencies.is_none() {
        return Err(
            Fault::broken("no lock file of npm: it has neither `lockfileVersion`, `packages` nor `dependencies`").at(START)
        );
    }
    if let Some(packages) = packages {
        return Ok(packages.into_iter().filter_map(|(path, entry)| of_path(&path, entry)).collect());
    }
    let mut all = Vec::new();
    nested(dependencies.unwrap_or_default(), &mut all);
    Ok(all)
}

/// An entry of `packages`: its key is where it is installed. What is not below `node_modules` is the repository's own, and
/// installed by a link.
fn of_path(path: &str, entry: Entry) -> Option<Package> {
    let (_, installed) = path.rsplit_once("node_modules/")?;
    let name = entry.name.unwrap_or_else(|| installed.to_owned());
    let version = entry.version.unwrap_or_default();
    let (source, version) = match &entry.resolved {
        _ if entry.link => (Source::Local, version),
        Some(resolved) => source(&name, resolved, &version),
        None => (Source::Unsaid, version),
    };
    let licence = entry.license.as_ref().and_then(licence);
    Some(Package { ecosystem: Ecosystem::Npm, name, version, source, licence })
}

/// Entries of version 1 hold those that are installed for them alone. serde bounds how deep.
fn nested(entries: BTreeMap<String, Nested>, all: &mut Vec<Package>) {
    for (name, entry) in entries {
        let version = entry.version.unwrap_or_default();
        // What no registry has, has its address for a version.
        let (source, version) = match &entry.resolved {
            Some(resolved) => source(&name, resolved, &version),
            None if version.contains(':') => source(&name, &version, ""),
            None => (Source::Unsaid, version),
        };
        all.push(Package { ecosystem: Ecosystem::Npm, name, version, source, licence: None });
        nested(entry.dependencies.unwrap_or_default(), all);
    }
}

/// A text, or as in older packages an object or a list of objects.
fn licence(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.trim().is_empty()),
        Value::Object(fields) => licence(fields.get("type")?),
        Value::Array(all) => {
            let all: Vec<String> = all.iter().filter_map(licence).collect();
            Some(all.join(" OR ")).filter(|text| !text.is_empty())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// Where an address leads, and the version with the commit if there is one.
pub(super) fn source(name: &str, address: &str, version: &str) -> (Source, String) {
    let (bare, fragment) = address.split_once('#').map_or((address, None), |(bare, fragment)| (bare, Some(fragment)));
    if ["file:", "link:", "workspace:", "portal:", "./", "../"].iter().any(|local| bare.starts_with(local)) {
        return (Source::Local, version.to_owned());
    }
    let short_form = bare.strip_prefix("github:").map(|path| format!("https://github.com/{path}"));
    if bare.starts_with("git") || bare.ends_with(".git") {
        let address = short_form.as_deref().unwrap_or(bare);
        let commit = fragment.map(|fragment| fragment.strip_prefix("commit=").unwrap_or(fragment));
        return (Source::git(address), at_commit(version, commit));
    }
    // Registries serve `NAME/-/NAME-VERSION.tgz`, also of a package that goes by another name here.
    match bare.split_once("/-/").and_then(|(before, _)| before.strip_suffix(name).or_else(|| without_package(before))) {
        Some(registry) => (Source::registry(registry), version.to_owned()),
        None => (Source::url(bare), version.to_owned()),
    }
}

fn without_package(address: &str) -> Option<&str> {
    let (registry, _) = address.rsplit_once('/')?;
    match registry.rsplit_once('/') {
        Some((before, scope)) if scope.starts_with('@') => Some(before),
        Some(_) | None => Some(registry),
    }
}
