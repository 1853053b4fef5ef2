//! `fix [TEXT]`: has agents mend what fails, or what the text says.

use gatewright_core::command::CommandName;

use super::{Answer, Case, agents};

/// What is to be done where nothing is said.
const TASK: &str = "Find out why gates fail on this pull request, and mend it.";

pub(super) fn obey(case: &Case<'_>, args: &[String]) -> Answer {
    let task = if args.is_empty() { TASK.to_owned() } else { args.join(" ") };
    agents::start(case, CommandName::Fix, task)
}
