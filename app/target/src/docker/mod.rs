//! Instances that are containers of one engine.
//!
//! A container is named and labelled after its place and pool, and carries the hash of what it was made from. What the engine says that it is
//! is hashed in the same way, so a container that was changed or put in another's place by hand is told apart. Secrets are asked for when a
//! container is made and given to nothing but the engine: labels, logs and errors hold none, hashes only under the service's own key.
//!
//! It deliberately removes nothing that does not bear the labels of its place, waits for no instance to become ready, and never restarts one that
//! the engine restarts by itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bollard::Docker;
use gatewright_core::secret::SecretString;
use gatewright_core::target::{Instance, Observed, Place, Planned, Pool, Target, TargetError};
use jiff::Timestamp;
use tokio::sync::OnceCell;

mod deploy;
mod error;
mod events;
mod health;
mod image;
mod labels;
mod made;
mod observe;
mod plan;
mod shape;

use crate::error::refused;
use error::{at, within};

/// Where the engine listens unless the configuration or `DOCKER_HOST` says otherwise.
const ENGINE_DEFAULT: &str = "unix:///var/run/docker.sock";

/// An answer to a small call comes in milliseconds; an engine that takes longer than this counts as not reachable.
const CALL_MAX: Duration = Duration::from_secs(30);

/// The client's own limit of a call. It has to be longer than any wait of ours, each of which is named where it is used.
const CLIENT_TIMEOUT_SECS: u64 = 24 * 60 * 60;

/// So many containers are asked about, made or stopped at once.
const AT_ONCE: usize = 8;

/// Gives a place's secrets by the names that the repository file uses for them.
pub trait Secrets: Send + Sync {
    /// The secret, read anew. Refused where the operator has given the place none of this name. The error holds no part of it.
    fn resolve(&self, place: &Place, name: &str) -> Result<SecretString, TargetError>;
}

/// How the adapter is set up. All of it is the operator's.
#[derive(Clone)]
pub struct Config {
    /// The engine's address, `unix:///path` or `tcp://host:port`. None: `DOCKER_HOST`, or else the usual socket.
    pub engine: Option<String>,
    /// The engine's network that instances are in. The router reaches them by their addresses there.
    pub network: String,
    /// Whether a missing image is fetched.
    pub pull: PullPolicy,
    /// Where secrets come from.
    pub secrets: Arc<dyn Secrets>,
    /// What hashes of configurations are made under, so that nobody finds out a short secret by trying. The same for ever: with another one
    /// everything that runs looks changed.
    pub hash_key: SecretString,
}

/// Whether a missing image is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullPolicy {
    /// An image that is not on the engine is pulled.
    Missing,
    /// Only images that are on the engine are used.
    Never,
}

/// Containers as a target. Connects when it is first used, so that a service starts without its engine.
pub struct DockerTarget {
    config: Config,
    engine: OnceCell<Engine>,
    /// Containers that have answered since they were started.
    answered: Mutex<HashMap<String, health::Answered>>,
    /// Up to when events were seen.
    seen: Mutex<Option<events::Seen>>,
}

/// A connection, and what about the engine does not change while it runs.
struct Engine {
    docker: Docker,
    /// More processors than the machine has are refused by the engine.
    cpus_milli: u64,
    /// When it was connected to, by the engine's own clock: events are told by that.
    connected_at: Timestamp,
}

impl DockerTarget {
    /// Connects to nothing yet.
    pub fn new(config: Config) -> Self {
        DockerTarget { config, engine: OnceCell::new(), answered: Mutex::default(), seen: Mutex::default() }
    }

    async fn engine(&self) -> Result<&Engine, TargetError> {
        self.engine.get_or_try_init(|| within("connecting", CALL_MAX, self.connect())).await
    }

    async fn docker(&self) -> Result<&Docker, TargetError> {
        Ok(&self.engine().await?.docker)
    }

    async fn connect(&self) -> Result<Engine, TargetError> {
        let address = address(self.config.engine.as_deref(), std::env::var("DOCKER_HOST").ok().as_deref());
        let version = bollard::API_DEFAULT_VERSION;
        let docker = if address.starts_with("unix://") {
            Docker::connect_with_unix(&address, CLIENT_TIMEOUT_SECS, version)
        } else if address.starts_with("tcp://") || address.starts_with("http://") {
            Docker::connect_with_http(&address, CLIENT_TIMEOUT_SECS, version)
        } else {
            let cause = format!("the address `{address}` is neither unix:///path nor tcp://host:port");
            return Err(refused("the container engine", cause));
        };
        let docker = docker.map_err(|e| at(&address, &e))?.negotiate_version().await.map_err(|e| at(&address, &e))?;
        let info = docker.info().await.map_err(|e| at(&address, &e))?;
        let cpus = u64::try_from(info.ncpu.unwrap_or(1)).unwrap_or(1).max(1);
        let connected_at = info.system_time.as_deref().and_then(|time| time.parse().ok());
        Ok(Engine { docker, cpus_milli: cpus.saturating_mul(1000), connected_at: connected_at.unwrap_or_else(Timestamp::now) })
    }
}

/// The engine's address: the configured one, or the environment's, or the usual one.
fn address(configured: Option<&str>, environment: Option<&str>) -> String {
    let environment = environment.filter(|host| !host.is_empty());
    configured.or(environment).unwrap_or(ENGINE_DEFAULT).to_owned()
}

#[async_trait]
impl Target for DockerTarget {
    async fn plan(&self, place: &Place, pool: &Pool) -> Result<Planned, TargetError> {
        plan::plan(self, place, pool).await
    }

    async fn deploy(&self, place: &Place, pool: &Pool, replicas: u32) -> Result<Vec<Instance>, TargetError> {
        deploy::deploy(self, place, pool, replicas).await
    }

    async fn observe(&self, place: &Place) -> Result<Observed, TargetError> {
        observe::observe(self, place).await
    }

    async fn remove(&self, place: &Place, instances: &[String]) -> Result<(), TargetError> {
        deploy::remove(self, place, instances).await
    }

    async fn changed(&self) -> Result<(), TargetError> {
        events::changed(self).await
    }
}
