//! What the engine has of a place.

use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::{InspectContainerOptions, ListContainersOptionsBuilder};
use futures_util::{StreamExt, TryStreamExt, stream};
use gatewright_core::target::{Instance, Observed, Place, PoolId, TargetError};

use super::error::{called, status, within};
use super::{AT_ONCE, CALL_MAX, DockerTarget, health, labels, made};

/// A place may have so many containers: more than any configuration can ask for. The rest is not looked at.
const CONTAINERS_MAX: usize = 1000;

pub(super) async fn observe(this: &DockerTarget, place: &Place) -> Result<Observed, TargetError> {
    let containers = containers(this, place, None).await?;
    let instances: Vec<_> = containers.iter().map(|container| instance(this, container)).collect();
    let mut instances: Vec<Instance> = stream::iter(instances).buffered(AT_ONCE).filter_map(std::future::ready).collect().await;
    instances.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(Observed { instances })
}

/// All containers of a place, or of one of its pools, running or not.
pub(super) async fn containers(
    this: &DockerTarget,
    place: &Place,
    pool: Option<&PoolId>,
) -> Result<Vec<ContainerInspectResponse>, TargetError> {
    let docker = this.docker().await?;
    let listed = async {
        let options = ListContainersOptionsBuilder::default().all(true).filters(&labels::filter(place, pool)).build();
        docker.list_containers(Some(options)).await.map_err(|e| called(&e))
    };
    let found = within("listing containers", CALL_MAX, listed).await?;
    let ids: Vec<String> = found.into_iter().take(CONTAINERS_MAX).filter_map(|container| container.id).collect();
    let inspected: Vec<_> = ids.iter().map(|id| inspect(this, id)).collect();
    let inspected = stream::iter(inspected).buffered(AT_ONCE);
    // One may go between the list and the look.
    inspected.try_filter_map(|container| std::future::ready(Ok(container))).try_collect().await
}

/// None where it is not there.
pub(super) async fn inspect(this: &DockerTarget, container: &str) -> Result<Option<ContainerInspectResponse>, TargetError> {
    let docker = this.docker().await?;
    let asked = async {
        match docker.inspect_container(container, None::<InspectContainerOptions>).await {
            Ok(found) => Ok(Some(found)),
            Err(e) if status(&e) == Some(404) => Ok(None),
            Err(e) => Err(called(&e)),
        }
    };
    within("looking at a container", CALL_MAX, asked).await
}

/// None for what has no label of a pool: somebody gave it our label of a place.
pub(super) async fn instance(this: &DockerTarget, container: &ContainerInspectResponse) -> Option<Instance> {
    let labels = container.config.as_ref().and_then(|config| config.labels.clone()).unwrap_or_default();
    let address = address(this, container, labels.get(labels::PORT)?);
    Some(Instance {
        id: name(container),
        pool: labels.get(labels::POOL)?.parse().ok()?,
        health: health::of(this, container, address.as_deref()).await,
        address,
        config_hash: made::of(container).hash(&this.config.hash_key),
        digest: labels.get(labels::DIGEST).cloned(),
    })
}

/// Its name, without the slash that the engine puts before it.
pub(super) fn name(container: &ContainerInspectResponse) -> String {
    container.name.as_deref().unwrap_or_default().trim_start_matches('/').to_owned()
}

fn address(this: &DockerTarget, container: &ContainerInspectResponse, port: &str) -> Option<String> {
    let networks = container.network_settings.as_ref()?.networks.as_ref()?;
    let address = networks.get(&this.config.network)?.ip_address.clone()?;
    (!address.is_empty()).then(|| format!("{address}:{port}"))
}
