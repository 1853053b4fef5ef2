//! Shares requests out.

use std::time::Duration;

use gatewright_core::target::{Routes, Shares, TargetError};

use super::stat::{Backend, Row};
use super::weights::{self, Unable, Weight};
use super::{Haproxy, file, routes};
use crate::error::unavailable;

/// A server that is new, or was out of service, is checked at once; it is waited for this long. Beyond it, what is up has to do.
const UP_MAX: Duration = Duration::from_secs(3);

/// How often it is looked whether it is up.
const UP_EVERY: Duration = Duration::from_millis(25);

/// Opens what is to get requests, sets the weights that differ, closes what must get nothing any more, and reads back.
pub(super) async fn split(this: &Haproxy, shares: &Shares) -> Result<Routes, TargetError> {
    let backend = open(this, shares).await?;
    let wanted = weights::weights(&backend.servers, shares).map_err(|unable| cannot(this, &unable))?;
    let changes = weights::order(&backend.servers, &wanted);
    let set = |change: &Weight| format!("set server {} weight {}", this.at(&change.server), change.weight);
    let mut commands: Vec<String> = changes.iter().map(set).collect();
    commands.extend(closed(this, &backend, shares));
    this.client.tell(&commands).await?;
    let after = this.backend().await?;
    file::keep(this, &after).await;
    verify(this, &after, &wanted)?;
    Ok(routes(&after))
}

fn cannot(this: &Haproxy, unable: &Unable) -> TargetError {
    let cause = match unable {
        Unable::NoServer(pool) => format!("no server of pool `{pool}` is attached"),
        Unable::NoneUp(pool) => format!("no server of pool `{pool}` has passed a check"),
    };
    unavailable(this.name(), cause)
}

/// The backend, once the servers of each pool that is to get requests are in service and checked.
async fn open(this: &Haproxy, shares: &Shares) -> Result<Backend, TargetError> {
    let mut backend = this.backend().await?;
    let gets = |row: &Row| row.owner().is_some_and(|(pool, _)| shares.of(&pool) > 0);
    let closed = |row: &&Row| row.in_maintenance() && gets(row);
    let names: Vec<String> = backend.servers.iter().filter(closed).map(|row| row.name.clone()).collect();
    let open = |name: &String| {
        let at = this.at(name);
        // Weight from before would count at once; it is set again when the server is up.
        [format!("set server {at} weight 0"), format!("enable health {at}"), format!("set server {at} state ready")]
    };
    if !names.is_empty() {
        this.client.tell(&names.iter().flat_map(open).collect::<Vec<_>>()).await?;
        backend = this.backend().await?;
    }
    let waits = |row: &Row| (gets(row) && row.is_unchecked()) || (names.contains(&row.name) && !row.is_up());
    let started = tokio::time::Instant::now();
    // Some may be up when the time is over; whether they suffice is told by who asks for weights.
    while backend.servers.iter().any(waits) && started.elapsed() < UP_MAX {
        tokio::time::sleep(UP_EVERY).await;
        backend = this.backend().await?;
    }
    Ok(backend)
}

/// Where a cookie keeps users with their server, weight 0 does not keep them out. A server that has or had weight, and so may be in
/// cookies, is taken out of service: what it has in flight it ends, and users are given another.
fn closed(this: &Haproxy, backend: &Backend, shares: &Shares) -> Vec<String> {
    let close = |row: &&Row| {
        let nothing = row.owner().is_some_and(|(pool, _)| shares.of(&pool) == 0);
        backend.sticky && nothing && (row.weight > 0 || row.chosen > 0) && !row.in_maintenance()
    };
    backend.servers.iter().filter(close).map(|row| format!("set server {} state maint", this.at(&row.name))).collect()
}

fn verify(this: &Haproxy, after: &Backend, wanted: &[Weight]) -> Result<(), TargetError> {
    let as_wanted = |row: &Row| wanted.iter().any(|weight| weight.server == row.name && weight.weight == row.weight);
    match after.servers.iter().find(|row| !as_wanted(row)) {
        None => Ok(()),
        Some(row) => Err(unavailable(this.name(), format!("server `{}` has weight {} when read back", row.name, row.weight))),
    }
}
