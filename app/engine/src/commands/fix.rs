//! `fix [TEXT]`: has agents mend what fails, or what the text says.

use gatewright_core::command::CommandName;

use super::{Answer, Case, agents};

/// What is to be done where nothing is said.
const TASK: &str = "Find out why gates fail on this pull request, and mend it.";

pub(super) fn obey(case: &Case<'_>, args: &[String]) -> Answer {
    agents::start(case, CommandName::Fix, args, |text| Ok(if text.is_empty() { TASK } else { text }.to_owned()))
}
