//! Where releases go: the instances of a version, the router before them, and what is measured there; and the traits that
//! adapters implement.
//!
//! A version as it runs somewhere is a *pool*: so many instances of one release with one configuration. The same release
//! with another configuration is another pool. Traffic is shared out among pools, never among instances.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::{Pin, TargetConfig};
use crate::ids::{EnvironmentName, InvalidId, RepoRef};

/// One service of one environment of one repository: what pools, weights and counters belong to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The repository.
    pub repo: RepoRef,
    /// The environment.
    pub environment: EnvironmentName,
    /// The service, as the repository file names it and the server file knows it.
    pub service: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} of {}", self.service, self.environment, self.repo)
    }
}

/// Names a pool within its place: the version and the start of its configuration's hash, such as `1.4.0-3f2a9c01`. It becomes
/// part of names of containers and servers: 1 to 60 lower-case letters, digits, `-`, `_` or `.`, starting with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PoolId(String);

impl PoolId {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PoolId {
    type Err = InvalidId;
    fn from_str(s: &str) -> Result<Self, InvalidId> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
        if s.is_empty() || s.len() > 60 || s.starts_with(['-', '_', '.']) || !s.chars().all(plain) {
            return Err(crate::ids::invalid("pool", s, "1 to 60 lower-case letters, digits, '-', '_' or '.'"));
        }
        Ok(PoolId(s.to_owned()))
    }
}

impl TryFrom<String> for PoolId {
    type Error = InvalidId;
    fn try_from(s: String) -> Result<Self, InvalidId> {
        s.parse()
    }
}

impl From<PoolId> for String {
    fn from(id: PoolId) -> String {
        id.0
    }
}

impl fmt::Display for PoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything that decides what the instances of a pool are. All of it comes from the repository file at the released commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Its name.
    pub id: PoolId,
    /// The version, for people and for the instances' labels.
    pub version: String,
    /// What an instance is, with templates already filled in. Secrets are names in it.
    pub config: TargetConfig,
    /// The image's digest, pinned when the pool was first deployed, so that a moved tag changes nothing later.
    pub digest: Option<String>,
}

/// One running copy of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// The adapter's own name for it, the same for ever.
    pub id: String,
    /// Its pool.
    pub pool: PoolId,
    /// Where the router reaches it, `HOST:PORT`. None while it has no address.
    pub address: Option<String>,
    /// How it is.
    pub health: Health,
    /// The hash of what it was made from: image digest, command, environment. What differs from its pool's is drift.
    pub config_hash: String,
    /// The digest of its image, where there is one.
    pub digest: Option<String>,
}

/// How an instance is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "health")]
pub enum Health {
    /// It was started and has not answered yet.
    Starting,
    /// It answers as it should.
    Ready,
    /// It runs and does not answer as it should.
    Unhealthy {
        /// What it says instead. Untrusted text, bounded.
        because: String,
    },
    /// It does not run.
    Dead {
        /// How it ended, such as `exit code 1` or `out of memory`.
        because: String,
    },
}

/// What a target has at a place now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Every instance, of whichever pool, in the order of their names.
    pub instances: Vec<Instance>,
}

/// What a router does at a place now, read back from the router itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routes {
    /// Every server, in the router's own order.
    pub servers: Vec<Server>,
}

/// A server as the router has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// The instance behind it, by its id.
    pub instance: String,
    /// Its pool.
    pub pool: PoolId,
    /// Where the router reaches it.
    pub address: String,
    /// Its weight, in the router's own unit.
    pub weight: u32,
    /// Whether the router sends anything there.
    pub up: bool,
    /// Requests and connections that it has now.
    pub in_flight: u64,
}

impl Routes {
    /// The share of new requests that a pool gets, in thousandths of a percent of all weight of servers that are up. Zero where
    /// nothing is up.
    pub fn share_millipercent(&self, pool: &PoolId) -> u64 {
        let weight = |server: &&Server| if server.up { u64::from(server.weight) } else { 0 };
        let all: u64 = self.servers.iter().map(|server| weight(&server)).sum();
        let own: u64 = self.servers.iter().filter(|server| &server.pool == pool).map(|server| weight(&server)).sum();
        (own * 100_000).checked_div(all).unwrap_or(0)
    }

    /// Whether a pool gets every new request.
    pub fn is_all(&self, pool: &PoolId) -> bool {
        self.share_millipercent(pool) == 100_000
    }

    /// Requests and connections of a pool's servers.
    pub fn in_flight(&self, pool: &PoolId) -> u64 {
        self.servers.iter().filter(|server| &server.pool == pool).map(|server| server.in_flight).sum()
    }
}

/// How new requests are to be shared out: a percentage for each pool, 100 in all. A pool that is not named gets none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shares(BTreeMap<PoolId, u32>);

impl Shares {
    /// Everything to one pool.
    pub fn all_to(pool: PoolId) -> Shares {
        Shares(BTreeMap::from([(pool, 100)]))
    }

    /// So many percent, 100 at most, to the first, and the rest to the second.
    pub fn split(first: PoolId, percent: u32, second: PoolId) -> Shares {
        let percent = percent.min(100);
        let mut shares = BTreeMap::from([(second, 100 - percent)]);
        shares.insert(first, percent);
        Shares(shares)
    }

    /// The percentage of a pool.
    pub fn of(&self, pool: &PoolId) -> u32 {
        self.0.get(pool).copied().unwrap_or(0)
    }

    /// The pools that are named, with their percentages.
    pub fn iter(&self) -> impl Iterator<Item = (&PoolId, u32)> {
        self.0.iter().map(|(pool, percent)| (pool, *percent))
    }
}

/// What instances are being taken from a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Detached {
    /// They are out of it, with nothing in flight.
    Done,
    /// They get nothing new, and still have so much in flight. To be asked again.
    Draining {
        /// Requests and connections.
        in_flight: u64,
    },
}

/// Counters of a pool since some moment that does not move. What is less than before was reset, with a router or an instance.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Requests that were answered, or should have been.
    pub requests: u64,
    /// Those of them that failed: 5xx, or no answer at all.
    pub errors: u64,
    /// How long they took, where the source can tell.
    pub latency: Option<Latency>,
}

/// A histogram of how long requests took.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The upper bounds of all but the last bucket, in milliseconds, ascending. The last bucket has no bound.
    pub bounds_ms: Vec<f64>,
    /// Requests in each bucket, one more than bounds; not cumulative.
    pub counts: Vec<u64>,
}

/// One look at the counters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// When.
    pub at: Timestamp,
    /// The counters of each pool that there are any of.
    pub pools: BTreeMap<PoolId, Totals>,
}

/// What a failed call means for what comes next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It may pass: no connection, a timeout. It may have been done; asking again is harmless.
    #[error("{what} did not answer as it should: {cause}")]
    Unavailable {
        /// What was asked: an engine, a router, a program.
        what: String,
        /// What happened, without any secret.
        cause: String,
    },
    /// It will not do it, and asking again will not change that: no such image, no such backend, a wrong configuration.
    #[error("{what}: {cause}")]
    Refused {
        /// What was asked.
        what: String,
        /// Why not, and what to do about it, without any secret.
        cause: String,
    },
}

/// Where instances run.
#[async_trait]
pub trait Target: Send + Sync {
    /// Pins what a pool is made of, changing nothing: the image's digest (fetching the image where that is allowed), the hash of its
    /// configuration, that every secret that it names exists. What it would change is told for people, a line each.
    async fn plan(&self, place: &Place, pool: &Pool) -> Result<Planned, TargetError>;

    /// Makes sure that a pool has exactly so many instances, started, and returns them. Those there are too many of are removed, and
    /// so is what does not run or was made from something else. Does not wait until they are ready.
    async fn deploy(&self, place: &Place, pool: &Pool, replicas: u32) -> Result<Vec<Instance>, TargetError>;

    /// What is there.
    async fn observe(&self, place: &Place) -> Result<Observed, TargetError>;

    /// Removes instances. One that is gone is removed already.
    async fn remove(&self, place: &Place, instances: &[String]) -> Result<(), TargetError>;

    /// Returns once something at any place may have changed: an instance ended, was made, was renamed. Where the target tells nothing
    /// by itself it never returns; what it does not tell is found by looking now and then.
    async fn changed(&self) -> Result<(), TargetError>;
}

/// What deploying a pool would come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// The image's digest, where there is one.
    pub digest: Option<String>,
    /// What an instance's [`Instance::config_hash`] will be.
    pub config_hash: String,
    /// What would change, a line each, for people. No secret in it.
    pub changes: Vec<String>,
}

/// What shares requests out among pools.
#[async_trait]
pub trait TrafficRouter: Send + Sync {
    /// What it does now.
    async fn read(&self, place: &Place) -> Result<Routes, TargetError>;

    /// Makes sure that these instances can be routed to. One that is new gets nothing yet.
    async fn attach(&self, place: &Place, instances: &[Instance]) -> Result<(), TargetError>;

    /// Shares new requests out, and returns what was read back afterwards. Weights that lower a pool's part are set before those that
    /// raise one's are, unless nothing would be left to take the requests.
    async fn split(&self, place: &Place, shares: &Shares) -> Result<Routes, TargetError>;

    /// Takes instances out, without cutting anything off: they get nothing new first, and are removed once nothing is in flight. With
    /// `now` they are removed whatever is in flight.
    async fn detach(&self, place: &Place, instances: &[String], cut: Cut) -> Result<Detached, TargetError>;

    /// Sends requests of testers, known by the pin, to a pool, whatever its part is: none at all too. With no pool they get what everybody
    /// gets. Refused where the router does not know testers by this.
    async fn pin(&self, place: &Place, pin: &Pin, pool: Option<&PoolId>) -> Result<(), TargetError>;
}

/// Whether what is in flight may be cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// It is waited for.
    Nothing,
    /// It has been waited for long enough.
    InFlight,
}

/// What counts requests and errors.
#[async_trait]
pub trait MetricSource: Send + Sync {
    /// The counters of these pools now. That it could not be measured is an error and says nothing of the release.
    async fn read(&self, place: &Place, pools: &[PoolId]) -> Result<Reading, TargetError>;
}

/// What an environment of a repository is made of on this service.
#[derive(Clone)]
pub struct Site {
    /// Where instances run.
    pub target: Arc<dyn Target>,
    /// What shares requests out.
    pub router: Arc<dyn TrafficRouter>,
    /// What is measured. The first one decides; where another shows the new version to be worse, it does not go on by itself.
    pub metrics: Vec<Arc<dyn MetricSource>>,
}

/// The sites that the operator has opened to repositories.
pub trait Sites: Send + Sync {
    /// The site of a place. An error, for people, where the operator has opened none for that repository, environment and service.
    fn site(&self, place: &Place) -> Result<Site, TargetError>;
}
