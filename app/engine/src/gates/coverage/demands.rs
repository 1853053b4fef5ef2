//! What the repository file asks for, against what there is.

use gatewright_core::config::{GateConfig, Percent};
use gatewright_reports::coverage::{Ratio, Totals};

use super::Found;

/// What the lines are called that a change adds.
pub(super) const CHANGED: &str = "changed lines";

const LINES: &str = "lines";
const BRANCHES: &str = "branches";

/// Something that the repository file asks for, and what there is.
pub(super) struct Demand {
    pub(super) what: &'static str,
    pub(super) least: Percent,
    pub(super) is: Ratio,
}

impl Demand {
    pub(super) fn is_met(&self) -> bool {
        self.is.is_at_least(u64::from(self.least.hundredths))
    }
}

/// What is asked for and can be told.
pub(super) fn demands(config: &GateConfig, found: &Found) -> Vec<Demand> {
    let Totals { lines, branches } = found.coverage.totals();
    let changed = found.changed.as_ref().map(|changed| changed.lines);
    let demand = |what, least: Option<Percent>, is: Option<Ratio>| Some(Demand { what, least: least?, is: is? });
    let require = config.require;
    let demands = [
        demand(LINES, require.lines, Some(lines)),
        demand(BRANCHES, require.branches, Some(branches)),
        demand(CHANGED, require.changed_lines, changed),
    ];
    demands.into_iter().flatten().collect()
}

/// What is asked for of something that the reports say nothing of at all: no percentage of that can be met. A change without any
/// line that can be run is another matter, as long as there are such lines elsewhere.
pub(super) fn of_nothing(config: &GateConfig, found: &Found) -> Vec<String> {
    let Totals { lines, branches } = found.coverage.totals();
    let require = config.require;
    let asked = |what: &str, keys: &[(&str, bool)], is: Ratio| {
        let keys: Vec<String> = keys.iter().filter(|(_, asked)| *asked).map(|(key, _)| format!("`{key}`")).collect();
        (is.total == 0 && !keys.is_empty()).then(|| {
            format!(
                "The reports have no {what} in them, so {} cannot be judged. Have the tool report {what}, or take it out of `require`.",
                keys.join(", ")
            )
        })
    };
    let of_lines = [
        ("lines", require.lines.is_some()),
        ("changed-lines", require.changed_lines.is_some()),
        ("drop-at-most", require.drop_at_most.is_some()),
    ];
    let problems = [
        asked("lines that can be run", &of_lines, lines),
        asked(BRANCHES, &[("branches", require.branches.is_some())], branches),
    ];
    problems.into_iter().flatten().collect()
}
