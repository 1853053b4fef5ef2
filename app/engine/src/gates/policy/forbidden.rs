//! `forbidden`: files that a change must not add, change or remove.

use gatewright_core::config::Policy;
use gatewright_core::plan::PathRules;
use gatewright_core::survey::{Changed, FileChange, Survey, SurveyWanted};
use gatewright_core::verdict::{Annotation, AnnotationLevel};

use super::{Found, NAMED_MAX, Rule, counted, remark, word};

pub(super) const RULE: Rule = Rule {
    name: "forbidden",
    asked: |policy| {
        let forbidden = &policy.forbidden;
        ![&forbidden.added, &forbidden.changed, &forbidden.removed].iter().all(|globs| globs.is_empty())
    },
    wanted: |_| SurveyWanted { changes: true, ..SurveyWanted::default() },
    check,
};

/// A file to which something was done that must not be.
struct Deed<'a> {
    path: &'a str,
    what: &'static str,
    /// Whether the file is there, so that something can be said at it.
    there: bool,
}

fn check(policy: &Policy, survey: &Survey) -> Found {
    let Some(changes) = &survey.changes else { return Found::nothing_to_compare() };
    let rules = |globs: &[String]| (!globs.is_empty()).then(|| PathRules::new(globs));
    let forbidden = &policy.forbidden;
    let rules = [rules(&forbidden.added), rules(&forbidden.changed), rules(&forbidden.removed)];
    let deeds: Vec<Deed<'_>> = changes.iter().flat_map(|change| deeds(change, &rules)).collect();
    if deeds.is_empty() {
        return Found::kept("the change touches no file that it must not");
    }
    let lines: Vec<String> =
        deeds.iter().take(NAMED_MAX * 2).map(|deed| format!("- {} is {}", word(deed.path), deed.what)).collect();
    let more = deeds.len().saturating_sub(lines.len());
    let more = if more > 0 { format!("\n- and {more} more") } else { String::new() };
    Found::broken(
        format!("{} must not be touched like that", counted(deeds.len(), "file", "files")),
        "Take them out of the change (`git checkout BASE -- FILE`, `git rm FILE`). Where it has to be, somebody with the right \
         to can pass the gate: `/gw skip GATE REASON`.",
    )
    .titled()
    .with_details(format!("What must not be:\n\n{}{more}", lines.join("\n")))
    .with_annotations(deeds.iter().filter(|deed| deed.there).map(annotation).collect())
}

/// What was done to a file, of what must not be. A file that was moved is one removed and one added.
fn deeds<'a>(change: &'a FileChange, rules: &[Option<PathRules>; 3]) -> Vec<Deed<'a>> {
    let [added, changed, removed] = rules;
    let meant = |rules: &Option<PathRules>, path: &str| rules.as_ref().is_some_and(|rules| rules.matches(path));
    let path = change.path.as_str();
    let mut deeds = Vec::new();
    match &change.how {
        Changed::Added if meant(added, path) => deeds.push(Deed { path, what: "added", there: true }),
        Changed::Modified if meant(changed, path) => deeds.push(Deed { path, what: "changed", there: true }),
        Changed::Removed if meant(removed, path) => deeds.push(Deed { path, what: "removed", there: false }),
        Changed::Renamed { from } => {
            if meant(added, path) {
                deeds.push(Deed { path, what: "added, under a new name", there: true });
            }
            if meant(removed, from) {
                deeds.push(Deed { path: from, what: "removed, by giving it another name", there: false });
            }
        }
        Changed::Added | Changed::Modified | Changed::Removed => {}
    }
    deeds
}

fn annotation(deed: &Deed<'_>) -> Annotation {
    let message = format!("This file is {} by the change, which the repository's policy forbids.", deed.what);
    remark(deed.path, 1, AnnotationLevel::Failure, "Forbidden", message)
}
