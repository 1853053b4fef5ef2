//! Sends testers to a pool whatever its part is.
//!
//! The configuration looks a tester's request up in a map under a random key of [`KEYS`], and uses the server that it names. So the
//! servers of a pool take turns.

use gatewright_core::config::Pin;
use gatewright_core::target::{PoolId, TargetError};

use super::{Haproxy, Pins, file};
use crate::error::{refused, unavailable};

/// The map's keys are `0` and so on up to one less than this, as `rand(8)` in the configuration.
const KEYS: usize = 8;

pub(super) async fn pin(this: &Haproxy, pin: &Pin, pool: Option<&PoolId>) -> Result<(), TargetError> {
    let Some(pins) = &this.config.pins else {
        return match pool {
            None => Ok(()),
            Some(_) => {
                Err(refused(this.name(), "it is configured without a map of pins, so testers cannot be sent to a new version"))
            }
        };
    };
    known(this, pins, pin, pool)?;
    let servers: Vec<String> = match pool {
        None => Vec::new(),
        Some(pool) => {
            let mut rows = this.backend().await?.servers;
            rows.retain(|row| row.owner().is_some_and(|(owner, _)| owner == *pool));
            rows.into_iter().map(|row| row.name).collect()
        }
    };
    if let (Some(pool), true) = (pool, servers.is_empty()) {
        return Err(unavailable(this.name(), format!("no server of pool `{pool}` is attached")));
    }
    let entries: Vec<(String, &String)> = (0..KEYS).map(|key| key.to_string()).zip(servers.iter().cycle()).collect();
    set(this, pins, &entries).await?;
    keep(this, pins, &entries).await;
    Ok(())
}

/// What the operator's configuration does not look at would be ignored silently.
fn known(this: &Haproxy, pins: &Pins, pin: &Pin, pool: Option<&PoolId>) -> Result<(), TargetError> {
    let (kind, wanted, there) = match pin {
        Pin::Header(name) => ("header", name, &pins.header),
        Pin::Cookie(name) => ("cookie", name, &pins.cookie),
    };
    if pool.is_none() || there.as_ref().is_some_and(|there| there.eq_ignore_ascii_case(wanted)) {
        return Ok(());
    }
    let cause = match there {
        Some(there) => format!("testers are known by the {kind} `{there}` here, not `{wanted}`"),
        None => format!("testers are not known by a {kind} here"),
    };
    Err(refused(this.name(), cause))
}

/// All entries at once: a new version of the map is filled and put in the place of the old one.
async fn set(this: &Haproxy, pins: &Pins, entries: &[(String, &String)]) -> Result<(), TargetError> {
    let map = &pins.map;
    let answer = this.client.ask(&format!("prepare map {map}")).await?;
    let version = answer.split_once("New version created:").and_then(|(_, version)| version.trim().parse::<u64>().ok());
    let Some(version) = version else {
        return Err(refused(this.name(), format!("the map `{map}` cannot be changed: {answer}")));
    };
    let add = |(key, server): &(String, &String)| format!("add map @{version} {map} {key} {server}");
    let mut commands: Vec<String> = entries.iter().map(add).collect();
    commands.push(format!("commit map @{version} {map}"));
    this.client.tell(&commands).await
}

/// For HAProxy's next start, where its files can be written.
async fn keep(this: &Haproxy, pins: &Pins, entries: &[(String, &String)]) {
    if this.config.servers_file.is_none() {
        return;
    }
    let text: String = entries.iter().map(|(key, server)| format!("{key} {server}\n")).collect();
    let path = std::path::PathBuf::from(&pins.map);
    let written = tokio::task::spawn_blocking(move || file::replace(&path, &text)).await;
    if let Ok(Err(error)) = written {
        tracing::warn!(map = pins.map, %error, "HAProxy's map of pins could not be kept: testers are not pinned after a reload");
    }
}
