//! `do TEXT`: has agents do what the text says.

use gatewright_core::command::CommandName;

use super::{Answer, Case, agents, wrong_args};

pub(super) fn obey(case: &Case<'_>, args: &[String]) -> Answer {
    let task = args.join(" ");
    if task.trim().is_empty() {
        return Err(wrong_args(CommandName::Do));
    }
    agents::start(case, CommandName::Do, task)
}
