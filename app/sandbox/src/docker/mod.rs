//! The Docker adapter: its configuration, its connection, and the trait put together from the other files of this folder.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bollard::Docker;
use bytes::Bytes;
use gatewright_core::CommitId;
use gatewright_core::sandbox::{
    Captured, ChangesError, Command, EgressUse, ExecResult, OutputSink, Sandbox, SandboxError, SandboxHandle, SandboxKey,
    SandboxSpec, Source, Workshop,
};
use gatewright_core::survey::{Survey, SurveyWanted};
use gatewright_core::tree::FileChange;
use gatewright_core::verdict::ReportFile;
use tokio::sync::OnceCell;

use crate::cache::{CacheLimits, Caches, Plan};
use crate::egress::{Egress, Reach};
use crate::source::Sources;
use crate::wanted::Bounds;

mod cache;
mod cleanup;
mod egress;
mod error;
mod exec;
mod image;
mod lay;
mod look;
mod open;
mod read;
mod scout;
mod shape;
mod starts;
mod watch;
mod write;

use error::{unavailable, within};
use starts::Starts;
use watch::Watched;

/// Where the engine listens unless the configuration or `DOCKER_HOST` says otherwise.
const ENGINE_DEFAULT: &str = "unix:///var/run/docker.sock";

/// An answer to a small call comes in milliseconds; an engine that takes longer than this counts as not reachable.
const CALL_MAX: Duration = Duration::from_secs(30);

/// `/readyz` waits for the engine no longer than this.
const PROBE_MAX: Duration = Duration::from_secs(2);

/// The client's own limit of a call. It has to be longer than any wait of ours, each of which is named where it is used.
const CLIENT_TIMEOUT_SECS: u64 = 24 * 60 * 60;

/// How the adapter is set up. All of it comes from the service's own configuration.
#[derive(Debug, Clone)]
pub struct DockerConfig {
    /// The engine's address, `unix:///path` or `tcp://host:port`. None: `DOCKER_HOST`, or else the usual socket.
    pub engine: Option<String>,
    /// Names this service among others on the same engine. Only what bears this name is ever removed.
    pub instance: String,
    /// The folder of the mirror cache. Made if it is not there.
    pub mirrors: PathBuf,
    /// Where set, all sources come from this repository, and nothing is fetched: see [`crate::local`].
    pub local: Option<PathBuf>,
    /// The folder of what gates bring from one run to the next. Made if it is not there.
    pub caches: PathBuf,
    /// How much of that is kept.
    pub cache_limits: CacheLimits,
    /// Whether a missing image is fetched.
    pub pull: PullPolicy,
    /// The environment of every sandbox, under each one's own.
    pub env: BTreeMap<String, String>,
    /// What those may reach that may reach certain hosts.
    pub reach: Reach,
}

impl DockerConfig {
    /// The usual engine, caches beside the mirrors, missing images fetched, no further environment.
    pub fn new(instance: impl Into<String>, mirrors: impl Into<PathBuf>) -> Self {
        let mirrors = mirrors.into();
        DockerConfig {
            engine: None,
            instance: instance.into(),
            caches: mirrors.with_file_name("caches"),
            cache_limits: CacheLimits::default(),
            mirrors,
            local: None,
            pull: PullPolicy::Missing,
            env: BTreeMap::new(),
            reach: Reach::default(),
        }
    }
}

/// Whether a missing image is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullPolicy {
    /// An image that is not on the engine is pulled.
    Missing,
    /// Only images that are on the engine are used.
    Never,
}

/// Sandboxes that are Docker containers. Connects when it is first used, so that a service starts without its engine.
pub struct DockerSandbox {
    config: DockerConfig,
    sources: Sources,
    caches: Caches,
    engine: OnceCell<Engine>,
    /// How many processes of a container the kernel had killed for want of memory when its last command ended.
    oom_kills: Mutex<HashMap<String, u64>>,
    /// What is to be saved of a container once a command in it has ended well.
    to_save: Mutex<HashMap<String, Plan>>,
    /// What is known of the workspaces that somebody works in, by container.
    watched: Mutex<HashMap<String, Arc<Watched>>>,
    /// The proxies that are the ways out of sandboxes.
    proxies: Mutex<HashMap<SandboxKey, Egress>>,
    /// What the engine is making.
    starts: Starts,
    /// The sandboxes that are being closed, so that a command that ends with its sandbox is told from one that ends by itself.
    closing: Mutex<HashSet<SandboxKey>>,
}

/// A connection, and what about the engine does not change while it runs.
struct Engine {
    docker: Docker,
    /// More processors than the machine has are refused by the engine.
    cpus: f64,
}

impl DockerSandbox {
    /// Connects to nothing yet and creates nothing.
    pub fn new(config: DockerConfig) -> Self {
        let sources = Sources::new(config.mirrors.clone(), config.local.clone());
        let caches = Caches::new(config.caches.clone(), config.cache_limits);
        DockerSandbox {
            config,
            sources,
            caches,
            engine: OnceCell::new(),
            oom_kills: Mutex::default(),
            to_save: Mutex::default(),
            watched: Mutex::default(),
            proxies: Mutex::default(),
            starts: Starts::default(),
            closing: Mutex::default(),
        }
    }

    async fn engine(&self) -> Result<&Engine, SandboxError> {
        self.engine.get_or_try_init(|| within("connecting", CALL_MAX, self.connect())).await
    }

    async fn docker(&self) -> Result<&Docker, SandboxError> {
        Ok(&self.engine().await?.docker)
    }

    /// Keeps how many processes of a container the kernel has killed, and returns how many it had before.
    fn note_oom_kills(&self, container: &str, kills: u64) -> u64 {
        let mut all = self.oom_kills.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(container.to_owned(), kills).unwrap_or(0)
    }

    async fn connect(&self) -> Result<Engine, SandboxError> {
        let address = address(self.config.engine.as_deref(), std::env::var("DOCKER_HOST").ok().as_deref());
        let version = bollard::API_DEFAULT_VERSION;
        let docker = if address.starts_with("unix://") {
            Docker::connect_with_unix(&address, CLIENT_TIMEOUT_SECS, version)
        } else if address.starts_with("tcp://") || address.starts_with("http://") {
            Docker::connect_with_http(&address, CLIENT_TIMEOUT_SECS, version)
        } else {
            let cause = format!("the address `{address}` is neither unix:///path nor tcp://host:port");
            return Err(SandboxError::Unavailable(cause));
        };
        let docker = docker.map_err(|e| at(&address, &e))?.negotiate_version().await.map_err(|e| at(&address, &e))?;
        let info = docker.info().await.map_err(|e| at(&address, &e))?;
        let cpus = info.ncpu.unwrap_or(1).max(1) as f64;
        tracing::debug!(engine = %address, version = info.server_version, "connected to the container engine");
        Ok(Engine { docker, cpus })
    }
}

/// The engine's address: the configured one, or the environment's, or the usual one.
fn address(configured: Option<&str>, environment: Option<&str>) -> String {
    let environment = environment.filter(|host| !host.is_empty());
    configured.or(environment).unwrap_or(ENGINE_DEFAULT).to_owned()
}

fn at(address: &str, error: &bollard::errors::Error) -> SandboxError {
    SandboxError::Unavailable(format!("{} (at {address})", error::words(error)))
}

/// A sandbox that is being closed, until this is dropped.
struct Closing<'a> {
    all: &'a Mutex<HashSet<SandboxKey>>,
    key: &'a SandboxKey,
}

impl<'a> Closing<'a> {
    fn begin(all: &'a Mutex<HashSet<SandboxKey>>, key: &'a SandboxKey) -> Self {
        all.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        Closing { all, key }
    }
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(self.key);
    }
}

#[async_trait]
impl Sandbox for DockerSandbox {
    async fn open(&self, spec: &SandboxSpec) -> Result<SandboxHandle, SandboxError> {
        open::open(self, spec).await
    }

    async fn exec(
        &self,
        sandbox: &SandboxHandle,
        command: &Command,
        output: &dyn OutputSink,
    ) -> Result<ExecResult, SandboxError> {
        exec::exec(self, sandbox, command, output).await
    }

    async fn read(
        &self,
        sandbox: &SandboxHandle,
        glob: &str,
        files_max: usize,
        bytes_max: u64,
    ) -> Result<Vec<ReportFile>, SandboxError> {
        read::read(self.docker().await?, sandbox, glob, Bounds { files_max, bytes_max }, &self.config.mirrors).await
    }

    async fn survey(&self, source: &Source, since: Option<&CommitId>, wanted: &SurveyWanted) -> Result<Survey, SandboxError> {
        self.sources.survey(source, since, wanted).await
    }

    async fn write(&self, sandbox: &SandboxHandle, path: &str, content: Bytes) -> Result<(), SandboxError> {
        write::write(self.docker().await?, sandbox, path, &content).await
    }

    async fn close(&self, key: &SandboxKey) -> Result<(), SandboxError> {
        let docker = self.docker().await?;
        let _closing = Closing::begin(&self.closing, key);
        egress::close(self, key);
        self.starts.over(key).await;
        let removed = cleanup::close(docker, &self.config.instance, key).await?;
        let mut seen = self.oom_kills.lock().unwrap_or_else(PoisonError::into_inner);
        let mut to_save = self.to_save.lock().unwrap_or_else(PoisonError::into_inner);
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        for container in &removed {
            seen.remove(container);
            to_save.remove(container);
            watched.remove(container);
        }
        Ok(())
    }

    async fn leftovers(&self) -> Result<Vec<SandboxKey>, SandboxError> {
        cleanup::leftovers(self.docker().await?, &self.config.instance).await
    }

    async fn probe(&self) -> Result<String, SandboxError> {
        let asked = async {
            let version = self.docker().await?.version().await.map_err(|e| unavailable(&e))?;
            Ok(format!("Docker {}", version.version.unwrap_or_default()))
        };
        within("the engine's version", PROBE_MAX, asked).await
    }
}

#[async_trait]
impl Workshop for DockerSandbox {
    async fn lay(&self, sandbox: &SandboxHandle, changes: &[FileChange]) -> Result<(), SandboxError> {
        lay::lay(self.docker().await?, sandbox, changes).await
    }

    async fn changes(&self, sandbox: &SandboxHandle, source: &Source, leave: &[String]) -> Result<Vec<FileChange>, ChangesError> {
        watch::changes(self, sandbox, source, leave).await
    }

    async fn look(&self, sandbox: &SandboxHandle, look: &Command, bytes_max: usize) -> Result<Captured, SandboxError> {
        watch::look(self, sandbox, look, bytes_max).await
    }

    fn egress(&self, key: &SandboxKey) -> Vec<EgressUse> {
        egress::used(self, key)
    }

    async fn diff(&self, source: &Source, since: &CommitId, bytes_max: usize) -> Result<String, SandboxError> {
        self.sources.diff(source, since, bytes_max).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configured_engine_goes_before_the_environment_and_both_before_the_usual_one() {
        assert_eq!(address(Some("tcp://a:1"), Some("tcp://b:2")), "tcp://a:1");
        assert_eq!(address(None, Some("tcp://b:2")), "tcp://b:2");
        assert_eq!(address(None, Some("")), ENGINE_DEFAULT);
        assert_eq!(address(None, None), ENGINE_DEFAULT);
    }
}
