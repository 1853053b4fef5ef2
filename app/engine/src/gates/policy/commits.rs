//! `commits`: what every commit of a change has to be. Merges are not looked at: git writes them.

use gatewright_core::config::{CommitRule, Policy};
use gatewright_core::survey::{CommitFacts, Commits, Survey, SurveyWanted};

use super::conventional::{EXAMPLE, fault};
use super::{Found, NAMED_MAX, Rule, counted, word};

pub(super) const CONVENTIONAL: Rule = Rule {
    name: "commits: conventional",
    asked: |policy| policy.commits.contains(&CommitRule::Conventional),
    wanted,
    check: |policy, survey| {
        check(
            survey,
            "conventional",
            |commit| unconventional(commit, &policy.types),
            || format!("Write their messages anew (`git rebase --interactive`) and push again. Right are {EXAMPLE}."),
        )
    },
};

pub(super) const SIGNED_OFF: Rule = Rule {
    name: "commits: signed-off",
    asked: |policy| policy.commits.contains(&CommitRule::SignedOff),
    wanted,
    check: |_, survey| {
        check(survey, "signed off", unsigned, || {
            "Sign them off (`git rebase --signoff BASE`, or `git commit --amend --signoff` for one) and push again.".to_owned()
        })
    },
};

fn wanted(_: &Policy) -> SurveyWanted {
    SurveyWanted { commits: true, ..SurveyWanted::default() }
}

fn check(survey: &Survey, what: &str, fault: impl Fn(&CommitFacts) -> Option<String>, next: impl Fn() -> String) -> Found {
    let Some(commits) = &survey.commits else { return Found::nothing_to_compare() };
    let own: Vec<&CommitFacts> = commits.list.iter().filter(|commit| commit.parents < 2).collect();
    let faulty: Vec<(&CommitFacts, String)> = own.iter().filter_map(|commit| Some((*commit, fault(commit)?))).collect();
    let all = counted(own.len(), "commit", "commits");
    if !faulty.is_empty() {
        let count = faulty.len();
        return Found::broken(format!("{count} of {all} {} not {what}", if count == 1 { "is" } else { "are" }), next())
            .with_details(details(&faulty, what))
            .titled();
    }
    if commits.incomplete {
        // That the first ones are right says nothing of the others.
        return Found::broken(
            format!(
                "the change has more commits than can be looked at ({}), or its history has no beginning in common",
                Commits::MAX
            ),
            "Bring the branch up to date with its base, or split the change.",
        )
        .titled();
    }
    match own.as_slice() {
        [] => Found::kept("the change has no commit of its own"),
        [_] => Found::kept(format!("its commit is {what}")),
        [..] => Found::kept(format!("all of its {all} are {what}")),
    }
    .titled()
}

fn details(faulty: &[(&CommitFacts, String)], what: &str) -> String {
    let line = |(commit, fault): &(&CommitFacts, String)| format!("- {} {}: {fault}", commit.id.short(), word(subject(commit)));
    let lines: Vec<String> = faulty.iter().take(NAMED_MAX * 2).map(line).collect();
    let more = faulty.len().saturating_sub(lines.len());
    let more = if more > 0 { format!("\n- and {more} more") } else { String::new() };
    format!("Not {what}:\n\n{}{more}", lines.join("\n"))
}

fn subject(commit: &CommitFacts) -> &str {
    commit.message.lines().next().unwrap_or_default()
}

fn unconventional(commit: &CommitFacts, types: &[String]) -> Option<String> {
    let subject = subject(commit);
    // Git writes it, and it says what it undoes.
    if subject.starts_with("Revert \"") || subject.starts_with("Reapply \"") {
        return None;
    }
    if ["fixup!", "squash!", "amend!"].iter().any(|mark| subject.starts_with(mark)) {
        return Some("it is to be squashed (`git rebase --autosquash`)".to_owned());
    }
    // What stands below the subject is not looked at: a footer that is written otherwise is no fault.
    fault(subject, types)
}

/// As the DCO has it: a line `Signed-off-by: NAME <ADDRESS>` with the author's address. Programs sign nothing.
fn unsigned(commit: &CommitFacts) -> Option<String> {
    if commit.author.ends_with("[bot]") {
        return None;
    }
    let signers: Vec<&str> = commit.message.lines().filter_map(signer).collect();
    if signers.iter().any(|address| address.eq_ignore_ascii_case(&commit.email)) {
        return None;
    }
    Some(match signers.first() {
        Some(other) => format!("it is signed off by {}, and its author is {}", word(other), word(&commit.email)),
        None => format!("it has no line `Signed-off-by:` of {}", word(&commit.email)),
    })
}

/// The address of a line that signs off.
fn signer(line: &str) -> Option<&str> {
    let (key, rest) = line.split_once(':')?;
    let rest = rest.trim().strip_suffix('>').filter(|_| key.eq_ignore_ascii_case("Signed-off-by"))?;
    rest.rsplit_once('<').map(|(_, address)| address.trim())
}
