//! Finds and removes sandboxes by their labels, of this process and of earlier ones.

use std::collections::HashMap;
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveVolumeOptionsBuilder,
};
use gatewright_core::sandbox::{SandboxError, SandboxKey};

use super::error::{status, unavailable, within};
use super::shape::{LABEL_GATE, LABEL_INSTANCE, LABEL_RUN, key_labels};

/// Killing and removing takes a tenth of a second; on an engine under load, a few. Beyond this the caller tries again.
const CLOSE_MAX: Duration = Duration::from_secs(60);

/// How often it is looked whether a removal that somebody else began is done.
const REMOVAL_POLL: Duration = Duration::from_millis(50);

/// Kills and removes all that bears this key. Returns the ids of the containers that there were.
pub(super) async fn close(docker: &Docker, instance: &str, key: &SandboxKey) -> Result<Vec<String>, SandboxError> {
    within("removing the sandbox", CLOSE_MAX, remove_all(docker, &key_filter(instance, key))).await
}

async fn remove_all(docker: &Docker, filter: &Filter) -> Result<Vec<String>, SandboxError> {
    let (containers, networks) = tokio::join!(containers(docker, filter), networks(docker, filter));
    let mut removed = Vec::new();
    for id in containers?.into_iter().map(|(id, _)| id) {
        remove_container(docker, &id).await?;
        removed.push(id);
    }
    // A volume goes with its container. One is left only where the engine died between the two.
    for (name, _) in volumes(docker, filter).await? {
        remove_volume(docker, &name).await?;
    }
    for (name, _) in networks? {
        remove_network(docker, &name).await?;
    }
    Ok(removed)
}

/// The keys of all that this instance has on the engine.
pub(super) async fn leftovers(docker: &Docker, instance: &str) -> Result<Vec<SandboxKey>, SandboxError> {
    let filter = label_filter([format!("{LABEL_INSTANCE}={instance}")]);
    let listed = async {
        let mut found = containers(docker, &filter).await?;
        found.extend(volumes(docker, &filter).await?);
        found.extend(networks(docker, &filter).await?);
        let mut keys: Vec<SandboxKey> = found.iter().filter_map(|(_, labels)| key_of(labels)).collect();
        keys.sort_by(|a, b| (a.run, &a.gate).cmp(&(b.run, &b.gate)));
        keys.dedup();
        Ok(keys)
    };
    within("listing sandboxes", CLOSE_MAX, listed).await
}

type Filter = HashMap<String, Vec<String>>;
type Labels = HashMap<String, String>;

fn key_filter(instance: &str, key: &SandboxKey) -> Filter {
    label_filter(key_labels(instance, key).into_iter().map(|(name, value)| format!("{name}={value}")))
}

fn label_filter(labels: impl IntoIterator<Item = String>) -> Filter {
    HashMap::from([("label".to_owned(), labels.into_iter().collect())])
}

fn key_of(labels: &Labels) -> Option<SandboxKey> {
    Some(SandboxKey { run: labels.get(LABEL_RUN)?.parse().ok()?, gate: labels.get(LABEL_GATE)?.parse().ok()? })
}

async fn containers(docker: &Docker, filter: &Filter) -> Result<Vec<(String, Labels)>, SandboxError> {
    let options = ListContainersOptionsBuilder::default().all(true).filters(filter).build();
    let found = docker.list_containers(Some(options)).await.map_err(|e| unavailable(&e))?;
    Ok(found.into_iter().filter_map(|c| Some((c.id?, c.labels.unwrap_or_default()))).collect())
}

async fn volumes(docker: &Docker, filter: &Filter) -> Result<Vec<(String, Labels)>, SandboxError> {
    let options = ListVolumesOptionsBuilder::default().filters(filter).build();
    let found = docker.list_volumes(Some(options)).await.map_err(|e| unavailable(&e))?;
    Ok(found.volumes.unwrap_or_default().into_iter().map(|v| (v.name, v.labels)).collect())
}

async fn networks(docker: &Docker, filter: &Filter) -> Result<Vec<(String, Labels)>, SandboxError> {
    let options = ListNetworksOptionsBuilder::default().filters(filter).build();
    let found = docker.list_networks(Some(options)).await.map_err(|e| unavailable(&e))?;
    Ok(found.into_iter().filter_map(|network| Some((network.id?, network.labels.unwrap_or_default()))).collect())
}

async fn remove_network(docker: &Docker, id: &str) -> Result<(), SandboxError> {
    match docker.remove_network(id).await {
        Ok(()) => Ok(()),
        Err(e) if status(&e) == Some(404) => Ok(()),
        Err(e) => Err(unavailable(&e)),
    }
}

/// Kills and removes one container and its volume.
pub(super) async fn remove_container(docker: &Docker, id: &str) -> Result<(), SandboxError> {
    loop {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match docker.remove_container(id, Some(options)).await {
            Ok(()) => return Ok(()),
            Err(e) => match status(&e) {
                Some(404) => return Ok(()),
                // Somebody else is removing it: it is gone once the engine does not know it any more.
                Some(409) => tokio::time::sleep(REMOVAL_POLL).await,
                Some(_) | None => return Err(unavailable(&e)),
            },
        }
    }
}

async fn remove_volume(docker: &Docker, name: &str) -> Result<(), SandboxError> {
    let options = RemoveVolumeOptionsBuilder::default().force(true).build();
    match docker.remove_volume(name, Some(options)).await {
        Ok(()) => Ok(()),
        Err(e) if status(&e) == Some(404) => Ok(()),
        Err(e) => Err(unavailable(&e)),
    }
}
