//! What a gate says of its coverage: where its reports are, and the gates whose coverage counts together with it.

use super::keys::{Shape, Table, key};
use super::needs::{self, Kind};
use super::parse::{Fields, ReadGate, Reader};
use super::tree::{Node, Place, Value};
use super::values;
use crate::ids::GateName;

/// A gate's `coverage`, where it is more than report files.
pub(super) static COVERAGE: Table = Table {
    what: "`coverage`",
    keys: &[
        key("of", Shape::Needs, "Gates of `needs` whose coverage counts together, with what the gate itself reports."),
        key("reports", Shape::ReportGlobs, "Coverage reports that the command writes, beside those of the other gates."),
    ],
    later: &[],
};

/// Gates and the `of` of their `coverage`.
const OF: Kind = Kind { key: "of", one: "gate", many: "gates", itself: "counts itself; its own files are named by `reports`" };

/// What a gate says of its coverage.
#[derive(Default)]
pub(super) struct ReadCoverage {
    pub(super) reports: Vec<String>,
    pub(super) of: Vec<(GateName, Place)>,
}

/// Whether a gate counts what other gates have measured, and measures nothing itself.
pub(super) fn only_counts(gate: &Fields<'_>) -> bool {
    let Some(Value::Mapping(entries)) = gate.get("coverage").map(|node| &node.value) else { return false };
    entries.iter().all(|entry| entry.key != "reports")
}

impl Reader {
    pub(super) fn coverage(&mut self, node: &Node) -> ReadCoverage {
        if !matches!(node.value, Value::Mapping(_)) {
            return ReadCoverage { reports: values::report_globs(self, node), of: Vec::new() };
        }
        let Some(fields) = self.fields(node, &COVERAGE) else { return ReadCoverage::default() };
        let rule = "`coverage` has no `of`, the gates whose coverage counts; report files alone stand in `coverage` itself";
        self.lacks(node.place, &fields, "of", rule);
        ReadCoverage {
            reports: fields.get("reports").map(|node| values::report_globs(self, node)).unwrap_or_default(),
            of: fields.get("of").map(|node| values::gates(self, node, "of")).unwrap_or_default(),
        }
    }

    /// Checks whose coverage gates count, and marks those whose is counted. `names` are those of all gates that the file has, also
    /// of those that could not be read.
    pub(super) fn counted(&mut self, gates: &mut [ReadGate], names: &[&str]) {
        let named: Vec<(usize, GateName, Place)> = (gates.iter().enumerate())
            .flat_map(|(at, gate)| gate.coverage_of.iter().map(move |(name, place)| (at, name.clone(), *place)))
            .collect();
        for (at, name, place) in named {
            if self.is_full() {
                return;
            }
            if let Some(rule) = wrong(gates, at, &name, names) {
                self.wrong(place, rule);
            }
            if let Some(counted) = gates.iter_mut().find(|gate| gate.config.name == name) {
                counted.config.coverage_counted = true;
            }
        }
    }
}

/// What is wrong with a gate's counting another one's coverage.
fn wrong(gates: &[ReadGate], at: usize, name: &GateName, names: &[&str]) -> Option<String> {
    let this = &gates[at].config;
    if this.name == *name {
        return Some(format!("the gate `{name}` {}", OF.itself));
    }
    if !names.contains(&name.as_str()) {
        let others: Vec<&str> = names.iter().copied().filter(|other| *other != this.name.as_str()).collect();
        return Some(needs::missing(&OF, name.as_str(), &others));
    }
    if !this.needs.contains(name) {
        return Some(format!("`of` names the gate `{name}`, which is not in `needs`; its coverage has to be there first"));
    }
    // What could not be read has been told of.
    let counted = gates.iter().find(|gate| gate.config.name == *name)?;
    let measures = counted.has_coverage || !counted.config.coverage_of.is_empty();
    (!measures).then(|| format!("`of` names the gate `{name}`, which has no `coverage`; name its report files there"))
}
