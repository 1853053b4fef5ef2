//! `review [TEXT]`: has agents review the change, with an eye on what the text says.

use gatewright_core::command::CommandName;

use super::{Answer, Case, agents};

/// What is to be done, whatever else is said.
const TASK: &str = "Review this pull request.";

pub(super) fn obey(case: &Case<'_>, args: &[String]) -> Answer {
    agents::start(case, CommandName::Review, args, |text| {
        Ok(if text.is_empty() { TASK.to_owned() } else { format!("{TASK} Look above all at this: {text}") })
    })
}
