//! `reviewers`: who has to approve of which files. An approval counts as the forge has it now, and only of somebody who may
//! write; the author's own never does.

use std::collections::BTreeMap;

use gatewright_core::command::Who;
use gatewright_core::config::{Policy, Review, Reviewers};
use gatewright_core::plan::PathRules;
use gatewright_core::survey::{Approval, ContentWanted, FileChange, Side, Survey, SurveyWanted, Which};

use super::owners::{Owners, PATHS};
use super::{Found, NAMED_MAX, Rule, counted, named};

pub(super) const RULE: Rule = Rule { name: "reviewers", asked: |policy| policy.reviewers.is_some(), wanted, check };

/// What to do where an approval is missing.
const NEXT: &str = "Ask them for a review; once they have approved, `/gw rerun` looks again.";

fn wanted(policy: &Policy) -> SurveyWanted {
    let owners = || ContentWanted { globs: PATHS.map(str::to_owned).to_vec(), which: Which::Base };
    let contents = match policy.reviewers {
        Some(Reviewers::CodeOwners) => vec![owners()],
        Some(Reviewers::Rules { .. }) | None => Vec::new(),
    };
    SurveyWanted { changes: true, contents, ..SurveyWanted::default() }
}

/// The teams of whose members it has to be known. `owners` is the base branch's `CODEOWNERS`, if there is one.
pub(super) fn teams(policy: &Policy, owners: Option<&str>) -> Vec<String> {
    match &policy.reviewers {
        None => Vec::new(),
        Some(Reviewers::CodeOwners) => owners.map(|text| Owners::read(text).teams()).unwrap_or_default(),
        Some(Reviewers::Rules { rules }) => {
            let of_rules = rules.iter().flat_map(|rule| &rule.from).filter_map(|who| match who {
                Who::Team(team) => Some(team.clone()),
                Who::User(_) | Who::Role(_) => None,
            });
            let mut teams: Vec<String> = of_rules.collect();
            teams.sort_unstable();
            teams.dedup();
            teams
        }
    }
}

fn check(policy: &Policy, survey: &Survey) -> Found {
    let Some(pull) = &survey.pull else { return Found::not_judged("there is no pull request here that could be reviewed") };
    let Some(approvals) = &pull.approvals else { return Found::not_judged("it is not known who approves of the pull request") };
    let Some(changes) = &survey.changes else { return Found::nothing_to_compare() };
    let approvals: Vec<&Approval> = approvals.iter().filter(|approval| approval.by.id != pull.author.id).collect();
    let paths: Vec<&str> = changes.iter().flat_map(|change| both(change)).collect();
    match &policy.reviewers {
        Some(Reviewers::Rules { rules }) => by_rules(rules, &paths, &approvals),
        Some(Reviewers::CodeOwners) => by_owners(survey, &paths, &approvals),
        None => Found::kept("nobody has to approve"),
    }
}

/// Both paths of a file that was moved.
fn both(change: &FileChange) -> Vec<&str> {
    let mut paths: Vec<&str> = change.path_before().into_iter().chain(change.path_now()).collect();
    paths.dedup();
    paths
}

fn by_rules(rules: &[Review], paths: &[&str], approvals: &[&Approval]) -> Found {
    let applies = |rule: &&Review| {
        let globs = PathRules::new(&rule.paths);
        rule.paths.is_empty() || paths.iter().any(|path| globs.matches(path))
    };
    let rules: Vec<&Review> = rules.iter().filter(applies).collect();
    let mut missing = Vec::new();
    for rule in &rules {
        let counts = approvals.iter().filter(|approval| rule.from.is_empty() || is_one_of(approval, &rule.from)).count() as u64;
        if counts < rule.count {
            let of = if rule.from.is_empty() { "anybody who may write".to_owned() } else { named(rule.from.iter().map(written)) };
            let of_files = if rule.paths.is_empty() { String::new() } else { format!(" for {}", named(rule.paths.iter())) };
            missing.push(format!(
                "- {counts} of {} by {of}{of_files}",
                counted(usize::try_from(rule.count).unwrap_or(usize::MAX), "approval", "approvals")
            ));
        }
    }
    if missing.is_empty() {
        return kept(rules.is_empty(), approvals);
    }
    let says = format!(
        "{} still missing",
        if missing.len() == 1 { "an approval is".to_owned() } else { format!("approvals for {} rules are", missing.len()) }
    );
    Found::broken(says, NEXT).titled().with_details(format!("There are:\n\n{}", missing.join("\n")))
}

fn by_owners(survey: &Survey, paths: &[&str], approvals: &[&Approval]) -> Found {
    let Some(text) = PATHS.iter().find_map(|path| survey.content(Side::Base, path)) else {
        let next = format!(
            "Add one to the base branch ({}), or take `reviewers: codeowners` out of the repository file.",
            named(PATHS.iter())
        );
        return Found::broken("the base branch has no `CODEOWNERS`", next);
    };
    let owners = Owners::read(&String::from_utf8_lossy(text));
    let mut missing: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut owned = false;
    for path in paths {
        for of in owners.of(path) {
            owned = true;
            if !approvals.iter().any(|approval| is_one_of(approval, of)) {
                missing.entry(named(of.iter().map(written))).or_default().push(path);
            }
        }
    }
    if missing.is_empty() {
        return kept(!owned, approvals);
    }
    let line = |(owners, paths): (&String, &Vec<&str>)| format!("- {owners} of {}", named(paths.iter()));
    let lines: Vec<String> = missing.iter().take(NAMED_MAX * 2).map(line).collect();
    Found::broken("not every changed file has an owner's approval", NEXT)
        .titled()
        .with_details(format!("One of these owners is missing:\n\n{}", lines.join("\n")))
}

fn kept(nobody: bool, approvals: &[&Approval]) -> Found {
    match (nobody, approvals) {
        (true, _) => Found::kept("nobody has to approve of these files"),
        (false, approvals) => Found::kept(format!("approved by {}", named(approvals.iter().map(|approval| &approval.by.login)))),
    }
}

fn is_one_of(approval: &Approval, these: &[Who]) -> bool {
    these.iter().any(|who| match who {
        Who::User(name) => name.eq_ignore_ascii_case(&approval.by.login),
        Who::Team(team) => approval.teams.iter().any(|of| of.eq_ignore_ascii_case(team)),
        Who::Role(_) => false,
    })
}

/// As the file has it. In a code span nobody is called by it.
fn written(who: &Who) -> String {
    match who {
        Who::User(name) | Who::Team(name) => format!("@{name}"),
        Who::Role(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::word;
    use super::*;

    #[test]
    fn a_name_in_a_sentence_calls_nobody() {
        assert_eq!(word(&written(&Who::User("me".to_owned()))), "`@me`");
    }
}
