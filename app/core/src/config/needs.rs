//! What gates say of each other: every need exists, and none goes round in a circle.

use std::collections::{HashMap, HashSet};

use super::keys;
use super::parse::{ReadGate, Reader};
use super::tree::{Place, quoted};

/// Checks the needs of all gates. `names` are the names of all gates of the file, also of those that could not be read.
pub(super) fn check(reader: &mut Reader, gates: &[ReadGate], names: &[&str]) {
    for gate in gates {
        let name = gate.config.name.as_str();
        for (need, place) in &gate.needs {
            // Looking for the nearest name is dear: thousands of needs that do not exist are not each worth it.
            if reader.is_full() {
                return;
            }
            if need.as_str() == name {
                reader.wrong(*place, format!("the gate `{name}` needs itself"));
            } else if !names.contains(&need.as_str()) {
                reader.wrong(*place, missing(need.as_str(), name, names));
            }
        }
    }
    let mut search = Search { gates: HashMap::new(), done: HashSet::new(), path: Vec::new() };
    search.gates.extend(gates.iter().map(|gate| (gate.config.name.as_str(), gate)));
    for gate in gates {
        search.from(reader, gate);
    }
}

fn missing(need: &str, gate: &str, names: &[&str]) -> String {
    let others = || names.iter().copied().filter(|name| *name != gate);
    let hint = match keys::nearest(need, others()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if others().next().is_none() => "there is no other gate".to_owned(),
        None if others().count() == 1 => format!("the only other gate is {}", keys::listed(others())),
        None => format!("the other gates are {}", keys::listed(others())),
    };
    format!("`needs` names the gate {}, which does not exist; {hint}", quoted(need))
}

/// A search for circles, depth first. Its depth is at most the number of gates.
struct Search<'g> {
    gates: HashMap<&'g str, &'g ReadGate>,
    /// Gates from which every way was followed.
    done: HashSet<&'g str>,
    /// The way to where the search is.
    path: Vec<&'g str>,
}

impl<'g> Search<'g> {
    fn from(&mut self, reader: &mut Reader, gate: &'g ReadGate) {
        let name = gate.config.name.as_str();
        if self.done.contains(name) {
            return;
        }
        self.path.push(name);
        for (need, place) in &gate.needs {
            if need.as_str() == name {
                continue;
            }
            match self.path.iter().position(|on_path| *on_path == need.as_str()) {
                Some(begin) => self.circle(reader, begin, *place),
                None => {
                    if let Some(next) = self.gates.get(need.as_str()).copied() {
                        self.from(reader, next);
                    }
                }
            }
        }
        self.path.pop();
        self.done.insert(name);
    }

    fn circle(&self, reader: &mut Reader, begin: usize, place: Place) {
        let mut way = self.path[begin..].to_vec();
        way.push(self.path[begin]);
        reader.wrong(place, format!("these gates wait for each other: {}", way.join(" -> ")));
    }
}
