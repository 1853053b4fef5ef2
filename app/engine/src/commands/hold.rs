//! `hold [REASON]`: keeps the pull request from being merged, whatever is pushed, until `unhold`.

use gatewright_core::command::CommandName;
use gatewright_core::order::Ordered;

use super::{Answer, Case, Granted, words};

pub(super) fn obey(case: &Case<'_>, args: &[String]) -> Answer {
    if case.pull.is_none() {
        return Err("there is nothing here that could be held.".to_owned());
    }
    let reason = Some(words(args)).filter(|reason| !reason.trim().is_empty());
    let means = reason.as_ref().map_or_else(|| "held".to_owned(), |reason| format!("held: {reason}"));
    Ok(Granted { deed: case.set(CommandName::Hold, Ordered::Hold { reason }), means })
}
