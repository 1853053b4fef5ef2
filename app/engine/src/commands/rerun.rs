//! `rerun`: runs the gates again that did not pass.

use gatewright_core::command::CommandName;
use gatewright_core::run::Deed;

use super::{Answer, Case, Granted};
use crate::history;

pub(super) fn obey(case: &Case<'_>, _: &[String]) -> Answer {
    if let Some(why) = case.needs_approval() {
        return Err(why);
    }
    let head = case.head.short();
    let only = match case.latest_gates() {
        None => None,
        Some((run, _)) if run.finished.is_none() => {
            return Err(format!("{head} is still being checked. Wait for its end, or write `/gw cancel` first."));
        }
        // It ended before it had a plan: a broken file, a stop. There is nothing of it that could stand.
        Some((_, gates)) if gates.steps.is_empty() => None,
        Some((_, gates)) => match history::failed(gates) {
            failed if failed.is_empty() => {
                return Err(format!("no gate has failed at {head}. `/gw run` runs all of them anyway."));
            }
            failed => Some(failed),
        },
    };
    let means = match &only {
        None => "all gates run".to_owned(),
        Some(gates) => format!("{} gates run again", gates.len()),
    };
    let run = case.start(CommandName::Rerun, only);
    Ok(Granted { deed: Deed { run, ..Deed::default() }, means })
}
