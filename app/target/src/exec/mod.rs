//! The operator's own program as target, router and source of metrics.
//!
//! For each call the program is started, given one JSON object on its standard input, and answers with one on its standard output; the
//! protocol is described in docs/targets.md, and [`wire`] is its form. Exit code 0: done. 75: it may pass, ask again. Anything else: it will not do it,
//! and the end of its standard error says why. The program gets a minimal environment and the secrets that the operator gives it, has a time
//! limit, and ends with all that it started.

use async_trait::async_trait;
use gatewright_core::config::{Pin, TargetConfig};
use gatewright_core::secret::SecretString;
use gatewright_core::target::{
    Cut, Detached, Instance, MetricSource, Observed, Place, Planned, Pool, PoolId, Reading, Routes, Shares, Target, TargetError,
    TrafficRouter,
};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

mod run;
mod wire;

use crate::error::refused;
use wire::{Ask, Request};

/// The operator's program.
#[derive(Debug, Clone)]
pub struct Config {
    /// The program and its first arguments.
    pub command: Vec<String>,
    /// Its environment beside `PATH` and the like. Values are secrets.
    pub env: Vec<(String, SecretString)>,
    /// A call that takes longer is ended.
    pub timeout_secs: u64,
}

/// A program. One of them may be target, router and source of metrics of a site.
pub struct Program {
    config: Config,
    running: tokio::sync::Semaphore,
}

impl Program {
    /// Starts nothing yet.
    pub fn new(config: Config) -> Self {
        Program { config, running: tokio::sync::Semaphore::new(run::AT_ONCE) }
    }

    async fn ask<T: serde::de::DeserializeOwned>(&self, place: &Place, ask: Ask<'_>) -> Result<T, TargetError> {
        let request = Request::new(place, ask);
        let answer = run::run(self, &request).await?;
        serde_json::from_slice(&answer)
            .map_err(|error| refused(self.name(&request), format!("its answer is not as it should be: {error}")))
    }

    /// What errors call a call.
    fn name(&self, request: &Request<'_>) -> String {
        format!("`{}` ({})", self.config.command.first().map_or("", String::as_str), request.operation())
    }
}

/// What a pool's instances are to be told by. There is no image: it is what the repository file says.
fn config_hash(pool: &Pool) -> Result<String, TargetError> {
    match &pool.config {
        TargetConfig::Exec(config) => {
            let text = serde_json::to_vec(&(&pool.version, &config.with)).expect("texts are JSON");
            Ok(hex::encode(Sha256::digest(text)))
        }
        TargetConfig::Docker(_) => {
            Err(refused("the target", "it runs the operator's own program, and the pool is of containers"))
        }
    }
}

#[async_trait]
impl Target for Program {
    async fn plan(&self, place: &Place, pool: &Pool) -> Result<Planned, TargetError> {
        let hash = config_hash(pool)?;
        let planned: wire::Planned = self.ask(place, Ask::Plan { pool: wire::Pool::of(pool, &hash) }).await?;
        Ok(Planned { changes: planned.changes(), digest: planned.digest, config_hash: hash })
    }

    async fn deploy(&self, place: &Place, pool: &Pool, replicas: u32) -> Result<Vec<Instance>, TargetError> {
        let hash = config_hash(pool)?;
        let there: wire::Instances = self.ask(place, Ask::Deploy { pool: wire::Pool::of(pool, &hash), replicas }).await?;
        let mut instances = there.read()?;
        instances.retain(|instance| instance.pool == pool.id);
        Ok(instances)
    }

    async fn observe(&self, place: &Place) -> Result<Observed, TargetError> {
        let there: wire::Instances = self.ask(place, Ask::Observe).await?;
        Ok(Observed { instances: there.read()? })
    }

    async fn remove(&self, place: &Place, instances: &[String]) -> Result<(), TargetError> {
        let _done: wire::Done = self.ask(place, Ask::Remove { instances }).await?;
        Ok(())
    }

    async fn changed(&self) -> Result<(), TargetError> {
        // A program tells nothing by itself.
        std::future::pending().await
    }
}

#[async_trait]
impl TrafficRouter for Program {
    async fn read(&self, place: &Place) -> Result<Routes, TargetError> {
        let servers: wire::Servers = self.ask(place, Ask::Routes).await?;
        Ok(Routes { servers: servers.servers })
    }

    async fn attach(&self, place: &Place, instances: &[Instance]) -> Result<(), TargetError> {
        let instances = instances.iter().map(wire::Attached::of).collect();
        let _done: wire::Done = self.ask(place, Ask::Attach { instances }).await?;
        Ok(())
    }

    async fn split(&self, place: &Place, shares: &Shares) -> Result<Routes, TargetError> {
        let _done: wire::Done = self.ask(place, Ask::Split { shares }).await?;
        TrafficRouter::read(self, place).await
    }

    async fn detach(&self, place: &Place, instances: &[String], cut: Cut) -> Result<Detached, TargetError> {
        let detached: wire::Detached = self.ask(place, Ask::Detach { instances, cut: wire::cut(cut) }).await?;
        Ok(detached.read())
    }

    async fn pin(&self, place: &Place, pin: &Pin, pool: Option<&PoolId>) -> Result<(), TargetError> {
        let _done: wire::Done = self.ask(place, Ask::Pin { pin, pool }).await?;
        Ok(())
    }
}

#[async_trait]
impl MetricSource for Program {
    async fn read(&self, place: &Place, pools: &[PoolId]) -> Result<Reading, TargetError> {
        let measured: wire::Measured = self.ask(place, Ask::Measure { pools }).await?;
        Ok(Reading { at: Timestamp::now(), pools: measured.read()? })
    }
}
