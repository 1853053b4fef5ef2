//! `help`: lists what this user may do.

use gatewright_core::command::{COMMANDS, CommandName};

use super::{Answer, Case, usage};

pub(super) fn obey(case: &Case<'_>, _: &[String]) -> Answer {
    let lines = COMMANDS.iter().filter(|line| case.may(line.name));
    let lines: Vec<String> = lines.map(|line| format!("| {} | {} |\n", usage(line), line.about)).collect();
    let body = format!("| command | what it does |\n|---|---|\n{}", lines.concat());
    case.answer(CommandName::Help, "help".to_owned(), body)
}
