//! `approve [SHA]`: lets a fork's code run, at exactly one commit.
//!
//! The commit is the head that the person can have seen: the one named, or the one that was the head before the comment
//! was written ([`Case::was_seen`]).

use gatewright_core::command::CommandName;
use gatewright_core::order::{Order, OrderChange, OrderKey, Ordered};
use gatewright_core::run::Deed;

use super::{Answer, Case, Granted, wrong_args};
use crate::render::escape;

/// Fewer digits of a commit do not name one.
const DIGITS_MIN: usize = 7;

pub(super) fn obey(case: &Case<'_>, args: &[String]) -> Answer {
    let Some(pull) = case.pull else { return Err("there is nothing here to approve.".to_owned()) };
    if !pull.fork {
        return Err("this does not come from a fork, so there is nothing to approve.".to_owned());
    }
    match args {
        [] => case.was_seen("approve")?,
        [sha] => named(case, sha)?,
        _ => return Err(wrong_args(CommandName::Approve)),
    }
    let head = case.head.short();
    if case.order(&OrderKey::Approval).is_some() && case.busy {
        return Err(format!("{head} is approved already, and being checked."));
    }
    let what = Ordered::Approval { commit: case.head.clone() };
    let order = Order { by: case.by.clone(), at: case.now, run: case.run, what };
    let run = case.start(CommandName::Approve, None);
    let deed = Deed { run, orders: vec![OrderChange::Set { order }], ..Deed::default() };
    Ok(Granted { deed, means: format!("{head} may run") })
}

fn named(case: &Case<'_>, sha: &str) -> Result<(), String> {
    let sha = sha.to_ascii_lowercase();
    let digits = sha.len() >= DIGITS_MIN && sha.bytes().all(|b| b.is_ascii_hexdigit());
    if digits && case.head.as_str().starts_with(&sha) {
        return Ok(());
    }
    let head = case.head.short();
    let shown: String = sha.chars().take(64).collect();
    if digits {
        return Err(format!("the head is {head}, not {}. Look at it, then write `/gw approve {head}`.", escape(&shown)));
    }
    Err(format!("{} is not a commit: give at least {DIGITS_MIN} of its digits, as in `/gw approve {head}`.", escape(&shown)))
}
