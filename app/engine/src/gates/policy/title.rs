//! `title`: how the pull request's title is to be written. Where merges are squashed, it becomes the message of the commit.

use gatewright_core::config::Policy;
use gatewright_core::survey::{Survey, SurveyWanted};

use super::conventional::{EXAMPLE, fault};
use super::{Found, Rule, word};

pub(super) const RULE: Rule =
    Rule { name: "title", asked: |policy| policy.title.is_some(), wanted: |_| SurveyWanted::default(), check };

/// What forges put before the title of what is not to be merged yet.
const DRAFT: [&str; 4] = ["Draft:", "[Draft]", "(Draft)", "WIP:"];

fn check(policy: &Policy, survey: &Survey) -> Found {
    let Some(pull) = &survey.pull else { return Found::not_judged("there is no pull request here that could have a title") };
    let title = DRAFT.iter().find_map(|draft| pull.title.strip_prefix(draft)).unwrap_or(&pull.title).trim();
    match fault(title, &policy.types) {
        None => Found::kept(format!("the title is conventional: {}", word(title))),
        Some(fault) => Found::broken(
            format!("the title {} is not conventional: {fault}", word(title)),
            format!(
                "Give the pull request another title, such as {EXAMPLE}; then `/gw rerun`, if the gate does not run by itself."
            ),
        ),
    }
}
