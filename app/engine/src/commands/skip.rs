//! `skip GATE REASON`: has a gate count as passed at this commit, which is the one that the person can have seen. Who and
//! why is shown on the check.

use gatewright_core::command::CommandName;
use gatewright_core::order::Ordered;

use super::{Answer, Case, Granted, words, wrong_args};

pub(super) fn obey(case: &Case<'_>, args: &[String]) -> Answer {
    let [gate, reason @ ..] = args else { return Err(wrong_args(CommandName::Skip)) };
    let gate = case.gate(gate)?;
    let reason = words(reason);
    if reason.trim().is_empty() {
        return Err(format!("it needs a reason, which is shown on the check: `/gw skip {gate} REASON`."));
    }
    case.was_seen(&format!("skip {gate} REASON"))?;
    let what = Ordered::Skip { gate: gate.clone(), commit: case.head.clone(), reason: reason.clone() };
    Ok(Granted { deed: case.set(CommandName::Skip, what), means: format!("{gate} counts as passed: {reason}") })
}
