//! What is written to the program and read from it. Fields that are not known are left alone, so that a program may say more.

use std::collections::BTreeMap;

use gatewright_core::ForgeKind;
use gatewright_core::config::{Pin, TargetConfig};
use gatewright_core::target::{self, Cut, Health, PoolId, Server, Shares, TargetError, Totals};
use serde::{Deserialize, Serialize};

use crate::error::{cut as bounded, refused};

/// The version of the protocol.
const PROTOCOL: u32 = 1;

/// A plan may have so many lines; the rest is left out.
const CHANGES_MAX: usize = 200;

/// What is written.
#[derive(Serialize)]
pub(super) struct Request<'a> {
    protocol: u32,
    place: Place<'a>,
    #[serde(flatten)]
    ask: Ask<'a>,
}

/// The place.
#[derive(Serialize)]
struct Place<'a> {
    forge: ForgeKind,
    repository: &'a str,
    repository_id: u64,
    environment: &'a str,
    service: &'a str,
}

/// What is to be done.
#[derive(Serialize)]
#[serde(rename_all = "snake_case", tag = "operation")]
pub(super) enum Ask<'a> {
    Plan { pool: Pool<'a> },
    Deploy { pool: Pool<'a>, replicas: u32 },
    Observe,
    Remove { instances: &'a [String] },
    Routes,
    Attach { instances: Vec<Attached<'a>> },
    Split { shares: &'a Shares },
    Detach { instances: &'a [String], cut: &'static str },
    Pin { pin: &'a Pin, pool: Option<&'a PoolId> },
    Measure { pools: &'a [PoolId] },
}

/// A pool.
#[derive(Serialize)]
pub(super) struct Pool<'a> {
    id: &'a PoolId,
    version: &'a str,
    config_hash: &'a str,
    digest: Option<&'a str>,
    with: BTreeMap<&'a str, &'a str>,
}

impl<'a> Pool<'a> {
    pub(super) fn of(pool: &'a target::Pool, config_hash: &'a str) -> Self {
        let with = match &pool.config {
            TargetConfig::Exec(config) => config.with.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
            TargetConfig::Docker(_) => BTreeMap::new(),
        };
        Pool { id: &pool.id, version: &pool.version, config_hash, digest: pool.digest.as_deref(), with }
    }
}

/// An instance that is to be routed to.
#[derive(Serialize)]
pub(super) struct Attached<'a> {
    id: &'a str,
    pool: &'a PoolId,
    address: Option<&'a str>,
}

impl<'a> Attached<'a> {
    pub(super) fn of(instance: &'a target::Instance) -> Self {
        Attached { id: &instance.id, pool: &instance.pool, address: instance.address.as_deref() }
    }
}

impl<'a> Request<'a> {
    pub(super) fn new(place: &'a target::Place, ask: Ask<'a>) -> Self {
        let place = Place {
            forge: place.repo.forge,
            repository: &place.repo.path,
            repository_id: place.repo.id,
            environment: place.environment.as_str(),
            service: &place.service,
        };
        Request { protocol: PROTOCOL, place, ask }
    }

    /// Its name in the protocol.
    pub(super) fn operation(&self) -> &'static str {
        match self.ask {
            Ask::Plan { .. } => "plan",
            Ask::Deploy { .. } => "deploy",
            Ask::Observe => "observe",
            Ask::Remove { .. } => "remove",
            Ask::Routes => "routes",
            Ask::Attach { .. } => "attach",
            Ask::Split { .. } => "split",
            Ask::Detach { .. } => "detach",
            Ask::Pin { .. } => "pin",
            Ask::Measure { .. } => "measure",
        }
    }
}

/// Whether what is in flight may be cut off.
pub(super) fn cut(cut: Cut) -> &'static str {
    match cut {
        Cut::Nothing => "nothing",
        Cut::InFlight => "in_flight",
    }
}

/// An answer that says nothing more: `{}`.
#[derive(Deserialize)]
pub(super) struct Done {}

#[derive(Deserialize)]
pub(super) struct Planned {
    #[serde(default)]
    pub(super) digest: Option<String>,
    #[serde(default)]
    changes: Vec<String>,
}

impl Planned {
    pub(super) fn changes(&self) -> Vec<String> {
        self.changes.iter().take(CHANGES_MAX).map(|line| bounded(line)).collect()
    }
}

#[derive(Deserialize)]
pub(super) struct Instances {
    instances: Vec<Instance>,
}

#[derive(Deserialize)]
struct Instance {
    id: String,
    pool: PoolId,
    #[serde(default)]
    address: Option<String>,
    health: Word,
    #[serde(default)]
    because: String,
    config_hash: String,
    #[serde(default)]
    digest: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Starting,
    Ready,
    Unhealthy,
    Dead,
}

impl Instances {
    pub(super) fn read(self) -> Result<Vec<target::Instance>, TargetError> {
        let instance = |instance: Instance| {
            let because = bounded(&instance.because);
            target::Instance {
                id: instance.id,
                pool: instance.pool,
                address: instance.address,
                health: match instance.health {
                    Word::Starting => Health::Starting,
                    Word::Ready => Health::Ready,
                    Word::Unhealthy => Health::Unhealthy { because },
                    Word::Dead => Health::Dead { because },
                },
                config_hash: instance.config_hash,
                digest: instance.digest,
            }
        };
        let mut instances: Vec<target::Instance> = self.instances.into_iter().map(instance).collect();
        instances.sort_by(|a, b| a.id.cmp(&b.id));
        match instances.windows(2).find(|two| two[0].id == two[1].id) {
            Some(two) => Err(refused("the program's answer", format!("instance `{}` is in it twice", two[0].id))),
            None => Ok(instances),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Servers {
    pub(super) servers: Vec<Server>,
}

#[derive(Deserialize)]
pub(super) struct Detached {
    done: bool,
    #[serde(default)]
    in_flight: u64,
}

impl Detached {
    pub(super) fn read(&self) -> target::Detached {
        if self.done { target::Detached::Done } else { target::Detached::Draining { in_flight: self.in_flight } }
    }
}

#[derive(Deserialize)]
pub(super) struct Measured {
    pools: BTreeMap<PoolId, Totals>,
}

impl Measured {
    pub(super) fn read(self) -> Result<BTreeMap<PoolId, Totals>, TargetError> {
        let wrong = |pool: &PoolId, what: &str| Err(refused("the program's answer", format!("pool `{pool}`: {what}")));
        for (pool, totals) in &self.pools {
            if totals.errors > totals.requests {
                return wrong(pool, "more errors than requests");
            }
            let Some(latency) = &totals.latency else { continue };
            if latency.counts.len() != latency.bounds_ms.len() + 1 {
                return wrong(pool, "a histogram has one more count than bounds");
            }
            if !latency.bounds_ms.windows(2).all(|two| two[0] < two[1]) {
                return wrong(pool, "the bounds of a histogram ascend");
            }
        }
        Ok(self.pools)
    }
}
