//! Takes servers out of the backend.

use std::time::Duration;

use gatewright_core::target::{Cut, Detached, TargetError};

use super::stat::Row;
use super::{Haproxy, file};
use crate::error::{refused, unavailable};

/// A server whose last request has just ended may have idle connections; HAProxy closes them within milliseconds. So often it is asked
/// again before the caller is told to.
const TRIES: u32 = 10;

/// Between two tries.
const TRY_EVERY: Duration = Duration::from_millis(20);

pub(super) async fn detach(this: &Haproxy, instances: &[String], cut: Cut) -> Result<Detached, TargetError> {
    let rows = ours(this, instances).await?;
    let closed = |row: &&Row| !row.in_maintenance();
    let close = |row: &Row| {
        let at = this.at(&row.name);
        // Out of service, unlike with weight 0 or `drain`, users that a cookie has tied to it get another one too.
        [format!("set server {at} state maint"), format!("set server {at} weight 0")]
    };
    this.client.tell(&rows.iter().filter(closed).flat_map(close).collect::<Vec<_>>()).await?;
    // What was handed over until a moment ago is seen only now.
    let rows = ours(this, instances).await?;
    let in_flight: u64 = rows.iter().map(|row| row.in_flight).sum();
    match cut {
        Cut::Nothing if in_flight > 0 => return Ok(Detached::Draining { in_flight }),
        Cut::Nothing if !rows.is_empty() && unseen(this).await? => return Ok(Detached::Draining { in_flight: 0 }),
        Cut::Nothing => {}
        Cut::InFlight => {
            let shut = |row: &Row| format!("shutdown sessions server {}", this.at(&row.name));
            this.client.tell(&rows.iter().map(shut).collect::<Vec<_>>()).await?;
        }
    }
    let left = delete(this, &rows).await?;
    file::keep(this, &this.backend().await?).await;
    Ok(if left == 0 { Detached::Done } else { Detached::Draining { in_flight: left } })
}

async fn ours(this: &Haproxy, instances: &[String]) -> Result<Vec<Row>, TargetError> {
    let mut rows = this.backend().await?.servers;
    rows.retain(|row| row.owner().is_some_and(|(_, instance)| instances.iter().any(|wanted| wanted == instance)));
    Ok(rows)
}

/// Whether processes from before a reload may have something in flight.
async fn unseen(this: &Haproxy) -> Result<bool, TargetError> {
    if this.config.reload_grace.is_zero() {
        return Ok(false);
    }
    let info = this.client.ask("show info").await?;
    let uptime = info.lines().find_map(|line| line.strip_prefix("Uptime_sec: ")?.trim().parse::<u64>().ok());
    let uptime = uptime.ok_or_else(|| unavailable(this.client.name(), "it does not tell its uptime"))?;
    Ok(uptime < this.config.reload_grace.as_secs())
}

/// How many are still there, since they have connections.
async fn delete(this: &Haproxy, rows: &[Row]) -> Result<u64, TargetError> {
    let mut left: Vec<&Row> = rows.iter().collect();
    for attempt in 0..TRIES {
        if attempt > 0 {
            tokio::time::sleep(TRY_EVERY).await;
        }
        let mut kept = Vec::new();
        for row in left {
            if !deleted(this, row).await? {
                kept.push(row);
            }
        }
        left = kept;
        if left.is_empty() {
            break;
        }
    }
    Ok(left.len() as u64)
}

async fn deleted(this: &Haproxy, row: &Row) -> Result<bool, TargetError> {
    let answer = this.client.ask(&format!("del server {}", this.at(&row.name))).await?;
    let gone = answer.contains("Server deleted") || answer.contains("No such server");
    if gone {
        if let Some(table) = &this.config.latency_table {
            // An instance of the same name begins with no counts. Where it has none, HAProxy says nothing to it.
            this.client.ask(&format!("clear table {table} key {}", row.name)).await?;
        }
        return Ok(true);
    }
    if answer.contains("still has connections") || answer.contains("connections attached") || answer.contains("maintenance") {
        return Ok(false);
    }
    Err(refused(this.name(), format!("server `{}` cannot be removed: {answer}", row.name)))
}
