//! `touched`: one of these files has to be among those that the change touches.

use gatewright_core::config::Policy;
use gatewright_core::plan::PathRules;
use gatewright_core::survey::{FileChange, Survey, SurveyWanted};

use super::{Found, Rule, named};

pub(super) const RULE: Rule = Rule {
    name: "touched",
    asked: |policy| !policy.touched.is_empty(),
    wanted: |_| SurveyWanted { changes: true, ..SurveyWanted::default() },
    check,
};

fn check(policy: &Policy, survey: &Survey) -> Found {
    let Some(changes) = &survey.changes else { return Found::nothing_to_compare() };
    let rules = PathRules::new(&policy.touched);
    let is_meant =
        |change: &&FileChange| change.path_before().into_iter().chain(change.path_now()).any(|path| rules.matches(path));
    let found: Vec<&str> = changes.iter().filter(is_meant).map(|change| change.path.as_str()).collect();
    if found.is_empty() {
        let globs = named(policy.touched.iter());
        let says = match changes.len() {
            1 => format!("the one changed file matches none of {globs}"),
            files => format!("none of {files} changed files matches {globs}"),
        };
        return Found::broken(
            says,
            "Change one of these files too. Where there is nothing to change, somebody with the right to can pass the gate: \
             `/gw skip GATE REASON`.",
        )
        .titled();
    }
    Found::kept(format!("the change touches {}", named(found.into_iter())))
}
