//! What gates, and environments, say of each other: everything that they name exists, and nothing goes round in a circle.

use std::collections::{HashMap, HashSet};

use super::keys;
use super::parse::Reader;
use super::tree::{Place, quoted};

/// Something that names others of its kind.
pub(super) struct Link<'c> {
    pub(super) name: &'c str,
    /// Those that it names, and where.
    pub(super) to: Vec<(&'c str, Place)>,
}

/// What is looked at, in words.
pub(super) struct Kind {
    /// The key by which one names others.
    pub(super) key: &'static str,
    pub(super) one: &'static str,
    pub(super) many: &'static str,
    /// What one is told that names itself.
    pub(super) itself: &'static str,
}

/// Gates and their `needs`.
pub(super) const GATES: Kind = Kind { key: "needs", one: "gate", many: "gates", itself: "needs itself" };

/// Environments and their `after`.
pub(super) const ENVIRONMENTS: Kind =
    Kind { key: "after", one: "environment", many: "environments", itself: "comes after itself" };

/// Checks who names whom. `names` are those of all that the file has, also of those that could not be read.
pub(super) fn check(reader: &mut Reader, kind: &Kind, links: &[Link<'_>], names: &[&str]) {
    for Link { name, to } in links {
        for (other, place) in to {
            // Looking for the nearest name is dear: thousands of names that do not exist are not each worth it.
            if reader.is_full() {
                return;
            }
            if other == name {
                reader.wrong(*place, format!("the {} `{name}` {}", kind.one, kind.itself));
            } else if !names.contains(other) {
                let others: Vec<&str> = names.iter().copied().filter(|other| other != name).collect();
                reader.wrong(*place, missing(kind, other, &others));
            }
        }
    }
    let by_name = links.iter().map(|link| (link.name, link)).collect();
    let mut search = Search { kind, links: by_name, done: HashSet::new(), path: Vec::new() };
    for link in links {
        search.from(reader, link);
    }
}

pub(super) fn missing(kind: &Kind, name: &str, others: &[&str]) -> String {
    let Kind { key, one, many, .. } = kind;
    let listed = || keys::listed(others.iter().copied());
    let hint = match (keys::nearest(name, others.iter().copied()), others.len()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, 0) => format!("there is no other {one}"),
        (None, 1) => format!("the only other {one} is {}", listed()),
        (None, _) => format!("the other {many} are {}", listed()),
    };
    format!("`{key}` names the {one} {}, which does not exist; {hint}", quoted(name))
}

/// A search for circles, depth first. Its depth is at most the number of gates, or environments.
struct Search<'l, 'c> {
    kind: &'l Kind,
    links: HashMap<&'c str, &'l Link<'c>>,
    /// Those from which every way was followed.
    done: HashSet<&'c str>,
    /// The way to where the search is.
    path: Vec<&'c str>,
}

impl<'l, 'c> Search<'l, 'c> {
    fn from(&mut self, reader: &mut Reader, link: &'l Link<'c>) {
        if self.done.contains(link.name) {
            return;
        }
        self.path.push(link.name);
        for (other, place) in &link.to {
            if *other == link.name {
                continue;
            }
            match self.path.iter().position(|on_path| on_path == other) {
                Some(begin) => self.circle(reader, begin, *place),
                None => {
                    if let Some(next) = self.links.get(other).copied() {
                        self.from(reader, next);
                    }
                }
            }
        }
        self.path.pop();
        self.done.insert(link.name);
    }

    fn circle(&self, reader: &mut Reader, begin: usize, place: Place) {
        let mut way = self.path[begin..].to_vec();
        way.push(self.path[begin]);
        reader.wrong(place, format!("these {} wait for each other: {}", self.kind.many, way.join(" -> ")));
    }
}
