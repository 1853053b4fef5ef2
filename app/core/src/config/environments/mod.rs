//! Reads `releases` and `environments`: what a release is, where it goes, how it gets there and how it is judged.
//!
//! Whether the server file opens a place to the repository is the operator's matter and is not looked at here.

use super::parse::{Fields, Reader};
use super::tree::{Place, Value, quoted};
use super::{ENVIRONMENTS_MAX, Environment, TargetConfig, needs};
use crate::ids::EnvironmentName;

mod analysis;
mod environment;
mod hooks;
pub(super) mod keys;
pub(super) mod releases;
mod strategy;
mod target;
pub(super) mod values;
mod windows;

/// An environment as far as it could be read, with where it names others.
struct Read {
    /// Its `target` is set once all are known: [`Read::target`] says what it has itself.
    config: Environment,
    after: Vec<(EnvironmentName, Place)>,
    target: Written,
    place: Place,
}

impl Read {
    fn link(&self) -> needs::Link<'_> {
        let to = self.after.iter().map(|(other, place)| (other.as_str(), *place)).collect();
        needs::Link { name: self.config.name.as_str(), to }
    }
}

/// The target that an environment's own lines name.
enum Written {
    /// This one.
    Right(TargetConfig),
    /// One that is wrong, which has been said.
    Wrong,
    /// None: it has that of those that it comes after.
    Not,
}

/// Reads the environments of a file. `image` is the file's own, for hooks that name none.
pub(super) fn environments(reader: &mut Reader, of_file: &Fields<'_>, image: Option<&str>) -> Vec<Environment> {
    let Some(node) = of_file.get("environments") else { return Vec::new() };
    if of_file.get("releases").is_none() && !of_file.meant.contains(&"releases") {
        reader.wrong(node.place, "`environments` are where releases go; the file needs `releases`, to say what one is");
    }
    let Value::Mapping(entries) = &node.value else {
        reader.wrong(node.place, format!("expected a mapping of environments by their names, found {node}"));
        return Vec::new();
    };
    if entries.is_empty() {
        reader.wrong(node.place, "`environments` has no environment in it; leave the key away if releases go nowhere");
    }
    if let Some(entry) = entries.get(ENVIRONMENTS_MAX) {
        reader.wrong(entry.place, format!("{} environments; a file may have {ENVIRONMENTS_MAX}", entries.len()));
    }
    let mut read = Vec::new();
    for entry in entries.iter().take(ENVIRONMENTS_MAX) {
        match entry.key.parse::<EnvironmentName>() {
            Ok(name) => read.extend(environment::environment(reader, name, entry.place, &entry.value, image)),
            Err(_) => {
                let message = format!("{} cannot be an environment's name: {}", quoted(&entry.key), EnvironmentName::RULE);
                reader.wrong(entry.place, message);
            }
        }
    }
    let names: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
    check(reader, &read, &names);
    with_targets(reader, read)
}

/// What environments say of each other.
fn check(reader: &mut Reader, environments: &[Read], names: &[&str]) {
    let links: Vec<needs::Link<'_>> = environments.iter().map(Read::link).collect();
    needs::check(reader, &needs::ENVIRONMENTS, &links, names);
    for read in environments.iter().filter(|read| read.config.prereleases) {
        for (before, place) in &read.after {
            if environments.iter().any(|other| other.config.name == *before && !other.config.prereleases) {
                let cause = format!("pre-releases come to `{}` and not to `{before}`, which has to come first", read.config.name);
                reader.wrong(*place, format!("{cause}; write `prereleases: true` there too"));
            }
        }
    }
}

/// What is known of the target of an environment.
#[derive(Clone)]
enum Known {
    /// It is this one. None: something about it is wrong, and has been said.
    Target(Option<TargetConfig>),
    /// Those that it comes after have to be known first.
    NotYet,
}

/// Gives those that have no target of their own that of the environments that they come after.
fn with_targets(reader: &mut Reader, read: Vec<Read>) -> Vec<Environment> {
    let mut known: Vec<Known> = read.iter().map(own_target).collect();
    // Each round settles one at least, but for those in a circle and those that come after what does not exist: both were told.
    for _ in 0..read.len() {
        for (n, environment) in read.iter().enumerate() {
            if let Known::NotYet = known[n] {
                known[n] = inherited(reader, environment, &read, &known);
            }
        }
    }
    let whole = |(read, known): (Read, Known)| match known {
        Known::Target(Some(target)) => Some(Environment { target, ..read.config }),
        Known::Target(None) | Known::NotYet => None,
    };
    read.into_iter().zip(known).filter_map(whole).collect()
}

fn own_target(read: &Read) -> Known {
    match &read.target {
        Written::Right(target) => Known::Target(Some(target.clone())),
        Written::Wrong => Known::Target(None),
        Written::Not => Known::NotYet,
    }
}

fn inherited(reader: &mut Reader, environment: &Read, all: &[Read], known: &[Known]) -> Known {
    let name = &environment.config.name;
    let mut targets = Vec::new();
    for (before, _) in &environment.after {
        match all.iter().position(|read| read.config.name == *before).map(|n| &known[n]) {
            Some(Known::Target(Some(target))) => targets.push(target),
            Some(Known::Target(None)) | None => return Known::Target(None),
            Some(Known::NotYet) => return Known::NotYet,
        }
    }
    match targets.as_slice() {
        [] => reader
            .wrong(environment.place, format!("the environment `{name}` has no `target`; it needs one with `docker` or `exec`")),
        [first, others @ ..] if others.iter().all(|other| other == first) => return Known::Target(Some((*first).clone())),
        [..] => {
            let message = format!(
                "the environment `{name}` has no `target`, and those that it comes after have different ones; write its own"
            );
            reader.wrong(environment.place, message);
        }
    }
    Known::Target(None)
}
