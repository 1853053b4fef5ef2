//! `gatewright deliveries` and `gatewright audit`

use std::process::ExitCode;

use gatewright_core::store::{AuditEntry, DeliveryRecord};

use crate::args::{AuditArgs, DeliveriesArgs};
use crate::desk::{AuditQuery, DeliveriesQuery};
use crate::failure::Failure;
use crate::print::{self, Tone};
use crate::words;

pub(super) async fn deliveries(args: DeliveriesArgs) -> Result<ExitCode, Failure> {
    let query = DeliveriesQuery { limit: args.list.limit, before: args.before };
    let found = super::source(&args.list.config).await?.deliveries(&query).await?;
    if args.list.json {
        print::json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |delivery: &DeliveryRecord| {
        let event = words::event_name(&delivery.name, delivery.action.as_deref());
        let came_of_it = match (&delivery.run, &delivery.unused) {
            (Some(run), _) => format!("run {run}"),
            (None, Some(reason)) => format!("not used: {reason}"),
            (None, None) => "no run".to_owned(),
        };
        let tone = if delivery.run.is_some() { Tone::Good } else { Tone::Quiet };
        (tone, vec![words::time(delivery.received_at), delivery.id.to_string(), event, came_of_it])
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    print::table(&["received (UTC)", "delivery", "event", "what came of it"], &rows, "no deliveries")?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn audit(args: AuditArgs) -> Result<ExitCode, Failure> {
    let query = AuditQuery { limit: args.list.limit, before: args.before };
    let found = super::source(&args.list.config).await?.audited(&query).await?;
    if args.list.json {
        print::json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |entry: &AuditEntry| {
        let entry = entry.clone();
        let commit = entry.commit.map(|commit| commit.short().to_owned()).unwrap_or_default();
        (Tone::Quiet, vec![words::time(entry.at), entry.actor, entry.action, entry.target, commit, entry.outcome])
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    print::table(&["when (UTC)", "who", "what", "on", "commit", "outcome"], &rows, "nothing was done by anybody")?;
    Ok(ExitCode::SUCCESS)
}
