//! A backend of HAProxy as the router of a place, by the runtime API, and its counters as a source of metrics.
//!
//! Each instance is a server of its own, added to the backend while HAProxy runs (2.6 or later) and named `POOL:INSTANCE`, so that the
//! router itself tells whose it is. What was added so is gone after a reload; therefore the lines of the backend's servers are also kept
//! in a file that HAProxy reads when it starts ([`Config::servers_file`]), and a reload or restart finds servers, weights and
//! maintenance as they were. Without the file the backend is empty after a reload until instances are attached again.
//!
//! It deliberately reloads nothing, writes no other part of HAProxy's configuration, and touches no other backend.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use gatewright_core::config::Pin;
use gatewright_core::target::{
    Cut, Detached, Instance, MetricSource, Place, PoolId, Reading, Routes, Server, Shares, TargetError, TrafficRouter,
};
use jiff::Timestamp;

mod attach;
mod client;
mod counters;
mod detach;
mod file;
mod pin;
mod split;
mod stat;
mod weights;

use crate::error::refused;
use client::Client;
pub use client::{Address, InvalidAddress};
use stat::{Backend, Row};

/// How servers are checked unless the configuration says otherwise. A new server takes requests after one good check, at once after it
/// began to listen; one that fails two checks takes none.
pub const SERVER_OPTIONS: &str = "check inter 1s fastinter 200ms downinter 500ms rise 1 fall 2";

/// How a place's router is set up. All of it is the operator's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where the runtime API listens, with `level admin`.
    pub address: Address,
    /// The backend. It is the place's alone.
    pub backend: String,
    /// What each server is added with, after its address. Neither `weight` nor `slowstart`.
    pub server_options: String,
    /// The file in which the lines of the backend's servers are kept for HAProxy's next start.
    pub servers_file: Option<PathBuf>,
    /// The stick table that counts answers by how long they took.
    pub latency_table: Option<String>,
    /// What sends testers to a new version.
    pub pins: Option<Pins>,
    /// After a reload, processes of before end what they have in flight within this (`hard-stop-after`), unseen by the new one. No server
    /// that could have some of it is taken out before.
    pub reload_grace: Duration,
}

impl Config {
    /// A backend without file, latencies and pins.
    pub fn new(address: Address, backend: impl Into<String>) -> Self {
        Config {
            address,
            backend: backend.into(),
            server_options: SERVER_OPTIONS.to_owned(),
            servers_file: None,
            latency_table: None,
            pins: None,
            reload_grace: Duration::ZERO,
        }
    }
}

/// What HAProxy's configuration has for testers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pins {
    /// The map, as the configuration names it: the path of a file.
    pub map: String,
    /// The header that the configuration looks at.
    pub header: Option<String>,
    /// The cookie that the configuration looks at.
    pub cookie: Option<String>,
}

/// A backend as router and source of metrics.
pub struct Haproxy {
    config: Config,
    client: Client,
    /// One change at a time: each begins with reading what is there.
    changing: tokio::sync::Mutex<()>,
    unanswered: Mutex<counters::Unanswered>,
}

impl Haproxy {
    /// Connects to nothing yet.
    pub fn new(config: Config) -> Self {
        let client = Client::new(config.address.clone());
        Haproxy { config, client, changing: tokio::sync::Mutex::default(), unanswered: Mutex::default() }
    }

    /// What errors call the backend.
    fn name(&self) -> String {
        format!("backend `{}` of {}", self.config.backend, self.client.name())
    }

    /// A server, as commands name it.
    fn at(&self, server: &str) -> String {
        format!("{}/{server}", self.config.backend)
    }

    /// The backend now. Refused where it is none that parts could be exact in.
    async fn backend(&self) -> Result<Backend, TargetError> {
        let answer = self.client.ask(&format!("show stat {} 6 -1", self.config.backend)).await?;
        if answer.contains("No such proxy") {
            return Err(refused(self.name(), "HAProxy's configuration has no such backend"));
        }
        let mut backend = stat::backend(&answer).ok_or_else(|| refused(self.name(), format!("no statistics: {answer}")))?;
        if backend.balance != "roundrobin" {
            let cause = format!("`balance {}` does not follow weights exactly; it needs `balance roundrobin`", backend.balance);
            return Err(refused(self.name(), cause));
        }
        let foreign = |row: &&Row| row.owner().is_none() && !row.backup && row.weight > 0 && !row.in_maintenance();
        if let Some(row) = backend.servers.iter().find(foreign) {
            let cause = format!(
                "server `{}` is not Gatewright's and takes part of the requests; remove it, or make it `backup`",
                row.name
            );
            return Err(refused(self.name(), cause));
        }
        backend.servers.retain(|row| row.owner().is_some());
        Ok(backend)
    }

    async fn routes(&self) -> Result<Routes, TargetError> {
        Ok(routes(&self.backend().await?))
    }
}

fn routes(backend: &Backend) -> Routes {
    let server = |row: &Row| {
        let (pool, instance) = row.owner()?;
        Some(Server {
            instance: instance.to_owned(),
            pool,
            address: row.address.clone(),
            weight: row.weight,
            up: row.is_up(),
            in_flight: row.in_flight,
        })
    };
    Routes { servers: backend.servers.iter().filter_map(server).collect() }
}

#[async_trait]
impl TrafficRouter for Haproxy {
    async fn read(&self, _place: &Place) -> Result<Routes, TargetError> {
        self.routes().await
    }

    async fn attach(&self, _place: &Place, instances: &[Instance]) -> Result<(), TargetError> {
        let _one = self.changing.lock().await;
        attach::attach(self, instances).await
    }

    async fn split(&self, _place: &Place, shares: &Shares) -> Result<Routes, TargetError> {
        let _one = self.changing.lock().await;
        split::split(self, shares).await
    }

    async fn detach(&self, _place: &Place, instances: &[String], cut: Cut) -> Result<Detached, TargetError> {
        let _one = self.changing.lock().await;
        detach::detach(self, instances, cut).await
    }

    async fn pin(&self, _place: &Place, pin: &Pin, pool: Option<&PoolId>) -> Result<(), TargetError> {
        let _one = self.changing.lock().await;
        pin::pin(self, pin, pool).await
    }
}

#[async_trait]
impl MetricSource for Haproxy {
    async fn read(&self, _place: &Place, pools: &[PoolId]) -> Result<Reading, TargetError> {
        Ok(Reading { at: Timestamp::now(), pools: counters::read(self, pools).await? })
    }
}
