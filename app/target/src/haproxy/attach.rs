//! Makes sure that instances are servers of the backend.

use gatewright_core::target::{Instance, TargetError};

use super::stat::{NAME_MAX, Row, server_name};
use super::{Haproxy, file};
use crate::error::{refused, unavailable};

/// Each in service, checked, at its address; new ones with no weight. What another server has of one of these addresses is from an
/// instance that is gone or is somewhere else by now: it is taken out of service before anything else, or it would send this one what was
/// never meant for it.
pub(super) async fn attach(this: &Haproxy, instances: &[Instance]) -> Result<(), TargetError> {
    let backend = this.backend().await?;
    let wanted = instances.iter().map(wanted).collect::<Result<Vec<Wanted>, TargetError>>()?;
    let mut commands: Vec<String> = backend.servers.iter().filter_map(|row| stale(this, row, &wanted)).collect();
    for wanted in &wanted {
        match backend.servers.iter().find(|row| row.name == wanted.name) {
            Some(row) => commands.extend(kept(this, row, wanted)),
            None => commands.extend(added(this, wanted)),
        }
    }
    if backend.sticky {
        // Servers that are added get a cookie's value only by this. It changes nothing for those that have one.
        commands.push(format!("enable dynamic-cookie backend {}", this.config.backend));
    }
    this.client.tell(&commands).await?;
    file::keep(this, &this.backend().await?).await;
    Ok(())
}

struct Wanted {
    name: String,
    address: String,
}

fn wanted(instance: &Instance) -> Result<Wanted, TargetError> {
    let name = server_name(&instance.pool, &instance.id).ok_or_else(|| {
        let rule = format!("HAProxy takes letters, digits, `-`, `_` and `.`, and with its pool {NAME_MAX} of them");
        refused(format!("instance `{}`", instance.id), rule)
    })?;
    let what = || format!("instance `{}`", instance.id);
    let address = instance.address.clone().ok_or_else(|| unavailable(what(), "it has no address"))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:[]".contains(c);
    if !address.chars().all(plain) || address.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
        return Err(refused(what(), format!("its address `{address}` is not written `HOST:PORT`")));
    }
    Ok(Wanted { name, address })
}

/// Takes out of service what has an address that is another one's, or another address than its own.
fn stale(this: &Haproxy, row: &Row, wanted: &[Wanted]) -> Option<String> {
    let wrong = match wanted.iter().find(|wanted| wanted.name == row.name) {
        Some(own) => own.address != row.address,
        None => !row.in_maintenance() && wanted.iter().any(|wanted| wanted.address == row.address),
    };
    wrong.then(|| format!("set server {} state maint", this.at(&row.name)))
}

fn added(this: &Haproxy, wanted: &Wanted) -> Vec<String> {
    let at = this.at(&wanted.name);
    vec![
        // One begins out of service.
        format!("add server {at} {} {} weight 0", wanted.address, this.config.server_options),
        format!("enable health {at}"),
        format!("set server {at} state ready"),
    ]
}

/// What one that is there lacks. A crash between the steps of adding it leaves it without checks or out of service.
fn kept(this: &Haproxy, row: &Row, wanted: &Wanted) -> Vec<String> {
    let at = this.at(&row.name);
    let moved = row.address != wanted.address;
    let mut commands = Vec::new();
    if moved && let Some((host, port)) = wanted.address.rsplit_once(':') {
        let host = host.trim_matches(['[', ']']);
        commands.push(format!("set server {at} addr {host} port {port}"));
    }
    if moved || row.in_maintenance() || row.status.starts_with("no check") {
        commands.push(format!("enable health {at}"));
        commands.push(format!("set server {at} state ready"));
    }
    if moved {
        // The instance was made anew. It keeps its weight, and gets what that asks for once a check has passed.
        commands.push(format!("set server {at} health down"));
    }
    commands
}
