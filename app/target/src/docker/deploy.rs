//! Makes and removes containers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum as Status};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions, StopContainerOptions,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use gatewright_core::config::{DockerConfig, EnvValue, TargetConfig};
use gatewright_core::secret::ExposeSecret;
use gatewright_core::target::{Instance, Place, Pool, TargetError};

use super::error::{called, status, within, words};
use super::image::{self, Image};
use super::made::{self, Made};
use super::observe::{self, containers, inspect};
use super::shape::{self, Surroundings};
use super::{AT_ONCE, DockerTarget, labels};
use crate::error::{refused, unavailable};

/// A start takes a fifth of a second; many at once on a small machine, a few seconds.
const START_MAX: Duration = Duration::from_secs(60);

/// Beyond the time that a container has to stop, for the engine to kill and remove it.
const REMOVE_MAX: Duration = Duration::from_secs(60);

/// The engine's own limit where a container has none.
const STOP_SECS_DEFAULT: i64 = 10;

/// How often it is looked whether a removal that somebody else began is done.
const REMOVAL_POLL: Duration = Duration::from_millis(50);

/// What the containers of a pool are made of.
pub(super) struct Blueprint<'a> {
    pub(super) config: &'a DockerConfig,
    pub(super) image: Image,
    env: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    cpus_milli: u64,
    network: &'a str,
}

impl Blueprint<'_> {
    fn around(&self) -> Surroundings<'_> {
        Surroundings {
            network: self.network,
            cpus_milli: self.cpus_milli,
            image: &self.image,
            env: &self.env,
            labels: self.labels.clone(),
        }
    }

    pub(super) fn made(&self) -> Made {
        shape::made(self.config, &self.around())
    }
}

/// With the image on the engine and every secret read.
pub(super) async fn blueprint<'a>(this: &'a DockerTarget, place: &Place, pool: &'a Pool) -> Result<Blueprint<'a>, TargetError> {
    let config = match &pool.config {
        TargetConfig::Docker(config) => config,
        TargetConfig::Exec(_) => {
            return Err(refused(place.to_string(), "the target here makes containers, and the pool is none of them"));
        }
    };
    let engine = this.engine().await?;
    let image = pool.digest.as_deref().unwrap_or(&config.image);
    let image = image::ensure(&engine.docker, image, this.config.pull).await?;
    let digest = pool.digest.clone().unwrap_or_else(|| image.pinned());
    Ok(Blueprint {
        config,
        env: env(this, place, config)?,
        labels: labels::of(place, pool, config, &digest),
        image,
        cpus_milli: engine.cpus_milli,
        network: &this.config.network,
    })
}

fn env(this: &DockerTarget, place: &Place, config: &DockerConfig) -> Result<BTreeMap<String, String>, TargetError> {
    let value = |(name, value): (&String, &EnvValue)| {
        let value = match value {
            EnvValue::Plain(text) => text.clone(),
            EnvValue::Secret(secret) => this.config.secrets.resolve(place, secret)?.expose_secret().to_owned(),
        };
        if name.is_empty() || name.contains('=') || name.contains('\0') || value.contains('\0') {
            return Err(refused(
                format!("variable `{name}`"),
                "it cannot be given to a program: a name has no `=`, and neither has a zero byte",
            ));
        }
        Ok((name.clone(), value))
    };
    config.env.iter().map(value).collect()
}

/// Makes sure that a pool has exactly so many containers that are what they should be, started.
pub(super) async fn deploy(this: &DockerTarget, place: &Place, pool: &Pool, replicas: u32) -> Result<Vec<Instance>, TargetError> {
    let blueprint = blueprint(this, place, pool).await?;
    let wanted: Vec<String> = (1..=replicas).map(|nth| labels::name(place, &pool.id, nth)).collect();
    let there = containers(this, place, Some(&pool.id)).await?;
    let made = blueprint.made();
    let (good, bad): (Vec<_>, Vec<_>) =
        there.into_iter().partition(|container| wanted.contains(&observe::name(container)) && is_good(this, container, &made));
    remove_all(this, &bad).await?;
    let good: BTreeSet<String> = good.iter().map(observe::name).collect();
    let missing = wanted.iter().filter(|name| !good.contains(*name));
    all(missing.map(|name| create(this, place, &blueprint, name)).collect()).await?;
    all(wanted.iter().map(|name| start(this, name)).collect()).await?;
    let mut instances = Vec::new();
    for container in containers(this, place, Some(&pool.id)).await? {
        instances.extend(observe::instance(this, &container).await);
    }
    instances.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(instances)
}

/// Whether a container runs, or could, and is what it should be: made from the same, and not changed since.
fn is_good(this: &DockerTarget, container: &ContainerInspectResponse, wanted: &Made) -> bool {
    let state = container.state.as_ref().and_then(|state| state.status);
    let runs = matches!(state, Some(Status::RUNNING | Status::CREATED | Status::RESTARTING));
    let labels = container.config.as_ref().and_then(|config| config.labels.as_ref());
    let recorded = labels.and_then(|labels| labels.get(labels::CONFIG_HASH));
    let made = made::of(container);
    // One that was never started has no network yet.
    let unstarted = state == Some(Status::CREATED);
    let key = &this.config.hash_key;
    let unchanged = unstarted || recorded == Some(&made.hash(key));
    let mut comparable = made.without_secrets();
    if unstarted {
        comparable.networks.clone_from(&wanted.networks);
    }
    runs && unchanged && comparable == wanted.without_secrets()
}

async fn create(this: &DockerTarget, place: &Place, blueprint: &Blueprint<'_>, name: &str) -> Result<(), TargetError> {
    let docker = this.docker().await?;
    let hash = blueprint.made().hash(&this.config.hash_key);
    let body = shape::container(blueprint.config, &blueprint.around(), &hash);
    let created = async {
        loop {
            let options = CreateContainerOptionsBuilder::default().name(name).build();
            match docker.create_container(Some(options), body.clone()).await {
                Ok(_) => return Ok(()),
                Err(e) if status(&e) == Some(409) => match inspect(this, name).await? {
                    // Another call of this one has just made it.
                    Some(container) if is_of(&container, place) => return Ok(()),
                    Some(_) => return Err(taken(name)),
                    // A call that was cut off is still making or removing it.
                    None => tokio::time::sleep(REMOVAL_POLL).await,
                },
                Err(e) if status(&e) == Some(404) => return Err(refused(format!("container `{name}`"), words(&e))),
                Err(e) => return Err(called(&e)),
            }
        }
    };
    within("making a container", START_MAX, created).await
}

fn taken(name: &str) -> TargetError {
    let cause = "its name is taken by a container that is not Gatewright's, or of another place; remove or rename that one";
    refused(format!("container `{name}`"), cause)
}

fn is_of(container: &ContainerInspectResponse, place: &Place) -> bool {
    let labels = container.config.as_ref().and_then(|config| config.labels.as_ref());
    labels.and_then(|labels| labels.get(labels::PLACE)) == Some(&labels::place(place))
}

/// One that runs stays as it is.
async fn start(this: &DockerTarget, name: &str) -> Result<(), TargetError> {
    let docker = this.docker().await?;
    let started = async {
        match docker.start_container(name, None::<StartContainerOptions>).await {
            Ok(()) => Ok(()),
            Err(e) if status(&e) == Some(304) => Ok(()),
            Err(e) if is_for_good(&e) => Err(refused(format!("container `{name}`"), words(&e))),
            Err(e) => Err(called(&e)),
        }
    };
    within("starting a container", START_MAX, started).await
}

/// 400 and 404 when starting: no such program in the image, no such network, a limit that the kernel does not take. That the container itself
/// is not there is another matter: a call that was cut off was still removing it.
fn is_for_good(error: &bollard::errors::Error) -> bool {
    let words = words(error);
    let answered = matches!(status(error), Some(400 | 404)) && !words.contains("No such container");
    answered || words.contains("OCI runtime create failed")
}

/// Removes those of these names that are the place's.
pub(super) async fn remove(this: &DockerTarget, place: &Place, instances: &[String]) -> Result<(), TargetError> {
    let mut found = Vec::new();
    for name in instances {
        match inspect(this, name).await? {
            Some(container) if !is_of(&container, place) => {
                return Err(refused(
                    format!("container `{name}`"),
                    format!("it does not belong to {place}, so it is not removed"),
                ));
            }
            Some(container) => found.push(container),
            None => {}
        }
    }
    remove_all(this, &found).await
}

async fn remove_all(this: &DockerTarget, containers: &[ContainerInspectResponse]) -> Result<(), TargetError> {
    all(containers.iter().map(|container| remove_one(this, container)).collect()).await
}

/// Some at once, up to the first error.
async fn all(calls: Vec<impl Future<Output = Result<(), TargetError>>>) -> Result<(), TargetError> {
    stream::iter(calls).buffer_unordered(AT_ONCE).try_collect::<()>().await
}

/// Tells it to stop, and removes it when it has, or has not within its time.
async fn remove_one(this: &DockerTarget, container: &ContainerInspectResponse) -> Result<(), TargetError> {
    let docker = this.docker().await?;
    let id = container.id.clone().unwrap_or_default();
    let stop_secs = container.config.as_ref().and_then(|config| config.stop_timeout).unwrap_or(STOP_SECS_DEFAULT);
    let limit = REMOVE_MAX + Duration::from_secs(u64::try_from(stop_secs).unwrap_or(0));
    let removed = async {
        match docker.stop_container(&id, None::<StopContainerOptions>).await {
            Err(e) if !matches!(status(&e), Some(304 | 404 | 409)) => return Err(called(&e)),
            Ok(()) | Err(_) => {}
        }
        loop {
            let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
            match docker.remove_container(&id, Some(options)).await {
                Ok(()) => return Ok(()),
                Err(e) if status(&e) == Some(404) => return Ok(()),
                // Somebody else is removing it: it is gone once the engine does not know it any more.
                Err(e) if status(&e) == Some(409) => tokio::time::sleep(REMOVAL_POLL).await,
                Err(e) => return Err(called(&e)),
            }
        }
    };
    let name = observe::name(container);
    within(&format!("removing container `{name}`"), limit, removed)
        .await
        .map_err(|error| unavailable(format!("container `{name}`"), error.to_string()))
}
