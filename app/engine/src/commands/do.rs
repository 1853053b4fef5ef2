//! `do TEXT`: has agents do what the text says.

use gatewright_core::command::CommandName;

use super::{Answer, Case, agents, wrong_args};

pub(super) fn obey(case: &Case<'_>, args: &[String]) -> Answer {
    if args.is_empty() {
        return Err(wrong_args(CommandName::Do));
    }
    agents::start(case, CommandName::Do, args, |text| {
        let says_something = !text.is_empty();
        says_something.then(|| text.to_owned()).ok_or_else(|| "say behind the inputs what is to be done.".to_owned())
    })
}
