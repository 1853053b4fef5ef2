//! `composer.lock`.

use serde::Deserialize;

use super::source::at_commit;
use super::{Ecosystem, Package, Source};
use crate::error::ReportError;

#[derive(Deserialize)]
struct Lock {
    packages: Vec<Entry>,
    #[serde(rename = "packages-dev", default)]
    dev: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    version: String,
    source: Option<Origin>,
    dist: Option<Origin>,
    /// A registry asks to be told of downloads; what comes from elsewhere has none.
    #[serde(rename = "notification-url")]
    notification: Option<String>,
    license: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Origin {
    #[serde(rename = "type")]
    kind: Option<String>,
    url: Option<String>,
    reference: Option<String>,
}

pub(super) fn composer(text: &str) -> Result<Vec<Package>, ReportError> {
    let Lock { packages, dev } = super::json(text)?;
    Ok(packages.into_iter().chain(dev.unwrap_or_default()).flat_map(package).collect())
}

/// Where the packages of Packagist and of registries like it lie: their authors' repositories.
const HOSTS: [&str; 6] = ["github.com", "api.github.com", "codeload.github.com", "gitlab.com", "bitbucket.org", "packagist.org"];

/// One for each place that it comes from. What a package says of its registry binds nobody: its files are fetched from the addresses
/// beside that.
fn package(entry: Entry) -> Vec<Package> {
    let addresses = [&entry.source, &entry.dist].map(|origin| origin.as_ref().and_then(|origin| origin.url.clone()));
    let registry = entry.notification.clone();
    let beside = |url: &String| Source::beside(registry.as_deref()?, &HOSTS, url);
    let mut others: Vec<Source> = addresses.iter().flatten().filter_map(beside).collect();
    others.sort();
    others.dedup();
    let origin = entry.source.or(entry.dist);
    let url = origin.as_ref().and_then(|origin| origin.url.clone()).unwrap_or_default();
    let commit = origin.as_ref().and_then(|origin| origin.reference.as_deref());
    let (source, version) = match (&entry.notification, origin.as_ref().and_then(|origin| origin.kind.as_deref())) {
        (Some(registry), _) if entry.version.starts_with("dev-") => {
            (Source::registry(registry), at_commit(&entry.version, commit))
        }
        (Some(registry), _) => (Source::registry(registry), entry.version.clone()),
        (None, Some("path")) => (Source::Local, entry.version.clone()),
        (None, Some("git" | "hg" | "svn")) => (Source::git(&url), at_commit(&entry.version, commit)),
        (None, Some(_)) => (Source::url(&url), entry.version.clone()),
        (None, None) => (Source::Unsaid, entry.version.clone()),
    };
    // Of several, one is to be chosen.
    let licence = entry.license.filter(|all| !all.is_empty()).map(|all| all.join(" OR "));
    let package = |source| {
        let (name, version, licence) = (entry.name.clone(), version.clone(), licence.clone());
        Package { ecosystem: Ecosystem::Composer, name, version, source, licence }
    };
    std::iter::once(source).chain(others).map(package).collect()
}
