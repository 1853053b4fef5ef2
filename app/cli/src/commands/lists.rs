//! `gatewright deliveries` and `gatewright audit`

use std::process::ExitCode;

use crate::args::ListArgs;
use crate::failure::Failure;
use crate::print::{self, Tone};
use crate::words;

pub(super) async fn deliveries(args: ListArgs) -> Result<ExitCode, Failure> {
    let found = super::source(&args.config).await?.deliveries(args.limit).await?;
    if args.json {
        print::json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |delivery: &gatewright_core::store::DeliveryRecord| {
        let event = match &delivery.action {
            Some(action) => format!("{}.{action}", delivery.name),
            None => delivery.name.clone(),
        };
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

pub(super) async fn audit(args: ListArgs) -> Result<ExitCode, Failure> {
    let found = super::source(&args.config).await?.audited(args.limit).await?;
    if args.json {
        print::json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |entry: &gatewright_core::store::AuditEntry| {
        let entry = entry.clone();
        (Tone::Quiet, vec![words::time(entry.at), entry.actor, entry.action, entry.target, entry.outcome])
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    print::table(&["when (UTC)", "who", "what", "on", "outcome"], &rows, "nothing was done by anybody")?;
    Ok(ExitCode::SUCCESS)
}
