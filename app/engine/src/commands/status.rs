//! `status`: says where things stand.

use gatewright_core::command::CommandName;
use gatewright_core::order::{Order, Ordered};

use super::{Answer, Case};
use crate::render::{escape, headline};

pub(super) fn obey(case: &Case<'_>, _: &[String]) -> Answer {
    let head = case.head.short();
    let mut lines = match case.latest {
        Some(run) => vec![format!("Commit {head}: {}.", escape(&headline(run))), format!("Run {}.", run.id)],
        None => vec![format!("No run of commit {head} is known; one starts now.")],
    };
    lines.extend(case.needs_approval().map(|why| format!("Nothing runs: {why}")));
    let stands = |order: &&Order| order.commit().is_none_or(|commit| commit == case.head);
    lines.extend(case.orders.iter().filter(stands).filter_map(line));
    let body: String = lines.iter().map(|line| format!("- {line}\n")).collect();
    case.answer(CommandName::Status, "status".to_owned(), body)
}

fn line(order: &Order) -> Option<String> {
    let by = escape(&order.by.login);
    match &order.what {
        Ordered::Hold { reason: Some(reason) } => Some(format!("Held by {by}: {}", escape(reason))),
        Ordered::Hold { reason: None } => Some(format!("Held by {by}.")),
        Ordered::Approval { commit } => Some(format!("Commit {} approved by {by}.", commit.short())),
        Ordered::Skip { gate, reason, .. } => Some(format!("Gate {gate} skipped by {by}: {}", escape(reason))),
        Ordered::Answer { .. }
        | Ordered::Lock
        | Ordered::Live { .. }
        | Ordered::Freeze { .. }
        | Ordered::Arrival { .. }
        | Ordered::Drift { .. } => None,
    }
}
