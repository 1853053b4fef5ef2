//! `Cargo.lock`.

use serde::Deserialize;

use super::source::at_commit;
use super::{Ecosystem, Package, Source};
use crate::error::ReportError;

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    package: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    version: String,
    source: Option<String>,
}

pub(super) fn cargo(text: &str) -> Result<Vec<Package>, ReportError> {
    let lock: Lock = super::toml(text)?;
    Ok(lock.package.into_iter().map(package).collect())
}

fn package(entry: Entry) -> Package {
    let Entry { name, version, source } = entry;
    let (source, version) = match source.as_deref().map(|source| source.split_once('+').unwrap_or(("", source))) {
        None => (Source::Local, version),
        Some(("git", url)) => (Source::git(url), at_commit(&version, url.split_once('#').map(|(_, commit)| commit))),
        Some((_, url)) => (Source::registry(url), version),
    };
    Package { ecosystem: Ecosystem::Cargo, name, version, source, licence: None }
}
