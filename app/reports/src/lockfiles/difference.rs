//! What differs between two states of a repository's lock files.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::versions::compare;
use super::{Ecosystem, Package, Source};

/// What has become of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its ecosystem.
    pub ecosystem: Ecosystem,
    /// Its name.
    pub name: String,
    /// What has become of it.
    pub kind: ChangeKind,
    /// What there was, and is not any more. A package can be there in several versions at once.
    pub before: Vec<Package>,
    /// What is there now, and was not.
    pub after: Vec<Package>,
    /// Whether what is there now comes from a place that the package did not come from before. Never of one that came in.
    pub elsewhere: bool,
}

/// What has become of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// There was none of that name.
    CameIn,
    /// There is none of that name any more.
    Left,
    /// A later version, or one more that is later.
    Up,
    /// An earlier version, or one less.
    Down,
    /// The same version from another place, or of another commit.
    Moved,
}

/// What has changed, by ecosystem and name. The repository's own packages are not dependencies: they count only where one
/// takes the place of what came from outside, or the other way round.
pub fn difference(before: &[Package], after: &[Package]) -> Vec<Change> {
    let mut by_name: BTreeMap<(Ecosystem, &str), Both<'_>> = BTreeMap::new();
    for package in before {
        by_name.entry((package.ecosystem, &package.name)).or_default().was.push(package);
    }
    for package in after {
        by_name.entry((package.ecosystem, &package.name)).or_default().is.push(package);
    }
    by_name.into_iter().filter_map(|((ecosystem, name), both)| change(ecosystem, name, &both.was, &both.is)).collect()
}

/// The packages of one name.
#[derive(Default)]
struct Both<'a> {
    was: Vec<&'a Package>,
    is: Vec<&'a Package>,
}

fn change(ecosystem: Ecosystem, name: &str, was: &[&Package], is: &[&Package]) -> Option<Change> {
    if was.iter().chain(is).all(|package| package.source == Source::Local) {
        return None;
    }
    let only = |these: &[&Package], those: &[&Package]| -> Vec<Package> {
        let new = these.iter().filter(|one| !those.iter().any(|other| same(one, other)));
        new.map(|package| (*package).clone()).collect()
    };
    let (before, after) = (only(was, is), only(is, was));
    if before.is_empty() && after.is_empty() {
        return None;
    }
    let foreign = |package: &Package| !was.iter().any(|old| same_source(&old.source, &package.source));
    let elsewhere = !was.is_empty() && after.iter().any(foreign);
    let kind = kind(was, is, &before, &after);
    Some(Change { ecosystem, name: name.to_owned(), kind, before, after, elsewhere })
}

fn kind(was: &[&Package], is: &[&Package], before: &[Package], after: &[Package]) -> ChangeKind {
    let latest = |all: &[Package]| all.iter().map(|one| one.version.clone()).max_by(|a, b| compare(a, b));
    match (latest(before), latest(after)) {
        _ if was.is_empty() => ChangeKind::CameIn,
        _ if is.is_empty() => ChangeKind::Left,
        // One less of several.
        (_, None) => ChangeKind::Down,
        (None, Some(_)) => ChangeKind::Up,
        (Some(old), Some(new)) => match compare(without_commit(&new), without_commit(&old)) {
            Ordering::Less => ChangeKind::Down,
            Ordering::Equal => ChangeKind::Moved,
            Ordering::Greater => ChangeKind::Up,
        },
    }
}

/// Nothing tells which of two commits is the later one.
fn without_commit(version: &str) -> &str {
    version.split(" at ").next().unwrap_or(version)
}

fn same(a: &Package, b: &Package) -> bool {
    a.version == b.version && same_source(&a.source, &b.source)
}

/// Where nothing is said, nothing has changed.
fn same_source(a: &Source, b: &Source) -> bool {
    a == b || *a == Source::Unsaid || *b == Source::Unsaid
}
