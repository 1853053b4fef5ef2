//! `[[target]]`: where releases may go, and to whom it is opened.

use std::collections::BTreeMap;

use gatewright_core::ForgeKind;
use gatewright_core::ids::EnvironmentName;
use gatewright_target::prometheus::{Query, Unit};
use gatewright_target::{haproxy, probe};

use super::{LocatedSecret, Pull};

/// `[[target]]`.
#[derive(Debug, Clone)]
pub(crate) struct TargetTable {
    pub(crate) service: String,
    pub(crate) environment: EnvironmentName,
    pub(crate) repository: String,
    pub(crate) forge: Option<ForgeKind>,
    pub(crate) runs: Runs,
    pub(crate) secrets: BTreeMap<String, LocatedSecret>,
    pub(crate) router: RouterTable,
    /// At least one.
    pub(crate) metrics: Vec<MetricsTable>,
}

/// What makes instances.
#[derive(Debug, Clone)]
pub(crate) enum Runs {
    /// Containers.
    Docker { engine: Option<String>, network: String, pull: Pull },
    /// A program of the operator's.
    Exec(ProgramTable),
}

/// A program and its time limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProgramTable {
    pub(crate) command: Vec<String>,
    pub(crate) timeout_secs: u64,
}

/// `[target.router]`.
#[derive(Debug, Clone)]
pub(crate) enum RouterTable {
    Haproxy(haproxy::Config),
    Exec(ProgramTable),
}

/// `[[target.metrics]]`.
#[derive(Debug, Clone)]
pub(crate) enum MetricsTable {
    /// The router's own counters.
    Router,
    Prometheus {
        url: String,
        token: Option<LocatedSecret>,
        requests: Query,
        errors: Query,
        latency: Option<Query>,
        unit: Unit,
    },
    Probe(probe::Config),
    Exec(ProgramTable),
}
