//! The server file: what it may hold, and how it is read together with the environment and the command line.
//!
//! It is read strictly. A key that is not known or a wrong type is a [`Problem`] with its place, its cause and the nearest
//! valid name. Secrets are references; what they refer to is read by `secrets.rs`, when the service starts.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use gatewright_core::sandbox::Limits;
use gatewright_core::secret::SecretRef;
use gatewright_sandbox::CacheLimits;

mod keys;
mod model;
mod notify;
mod overlay;
mod read;
mod schema;
mod target;
mod tree;

pub(crate) use model::{AgentsTable, ModelKind, ModelTable};
pub(crate) use notify::{MailTable, NotifyTable, NotifyWay};
pub(crate) use overlay::{Override, of_variables};
pub(crate) use schema::schema;
pub(crate) use target::{MetricsTable, ProgramTable, RouterTable, Runs, TargetTable};
pub(crate) use tree::{Origin, Problem};

/// A server file may have so many bytes.
pub(crate) const BYTES_MAX: u64 = 256 * 1024;

/// So many problems are named. Who mends these will see the rest.
const PROBLEMS_MAX: usize = 50;

/// A valid configuration of the service.
#[derive(Debug, Clone)]
pub(crate) struct ServerConfig {
    pub(crate) server: ServerTable,
    pub(crate) store: StoreTable,
    pub(crate) forges: ForgeTables,
    pub(crate) sandbox: SandboxTable,
    pub(crate) engine: EngineTable,
    pub(crate) rollout: RolloutTable,
    pub(crate) targets: Vec<TargetTable>,
    pub(crate) models: Vec<ModelTable>,
    pub(crate) agents: AgentsTable,
    pub(crate) channels: Vec<NotifyTable>,
    pub(crate) log: LogTable,
}

/// `[server]`.
#[derive(Debug, Clone)]
pub(crate) struct ServerTable {
    pub(crate) listen: SocketAddr,
    /// Without a slash at its end.
    pub(crate) public_url: Option<String>,
    pub(crate) connections_max: usize,
    pub(crate) header_secs: u64,
}

/// `[store]`.
#[derive(Debug, Clone)]
pub(crate) struct StoreTable {
    pub(crate) place: StorePlace,
    pub(crate) retention_days: u64,
    pub(crate) options: gatewright_store::Options,
}

/// Where the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StorePlace {
    /// In this folder.
    Folder(PathBuf),
    /// In the process.
    Memory,
}

/// A secret's reference, and where it was written.
#[derive(Debug, Clone)]
pub(crate) struct LocatedSecret {
    /// The key, for messages.
    pub(crate) key: &'static str,
    pub(crate) origin: Origin,
    pub(crate) reference: SecretRef,
}

/// `[[forge]]` of the kind `github`.
#[derive(Debug, Clone)]
pub(crate) struct GithubTable {
    pub(crate) origin: Origin,
    pub(crate) api_url: String,
    pub(crate) clone_url: Option<String>,
    pub(crate) comments_per_minute: u32,
    pub(crate) comments_per_hour: u32,
    pub(crate) points_per_minute: u32,
    pub(crate) app_id: u64,
    pub(crate) private_key: LocatedSecret,
    pub(crate) webhook_secrets: Vec<LocatedSecret>,
}

/// `[[forge]]` of the kind `gitlab`.
#[derive(Debug, Clone)]
pub(crate) struct GitlabTable {
    pub(crate) origin: Origin,
    pub(crate) url: String,
    pub(crate) clone_url: Option<String>,
    pub(crate) notes_per_minute: u32,
    pub(crate) requests_per_minute: u32,
    pub(crate) token: LocatedSecret,
    pub(crate) clone_token: Option<LocatedSecret>,
    pub(crate) webhook_secrets: Vec<LocatedSecret>,
}

/// The forges, at least one of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct ForgeTables {
    pub(crate) github: Option<GithubTable>,
    pub(crate) gitlab: Option<GitlabTable>,
}

/// `[sandbox]`.
#[derive(Debug, Clone)]
pub(crate) struct SandboxTable {
    pub(crate) driver: Driver,
    pub(crate) engine: Option<String>,
    pub(crate) pull: Pull,
    pub(crate) limits: Limits,
    pub(crate) concurrency: usize,
    pub(crate) concurrency_per_repo: usize,
    pub(crate) caches: CacheLimits,
}

/// What makes sandboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Driver {
    Docker,
    /// The machine itself. The operator has said that all code is trusted.
    Host,
}

/// Whether a missing image is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pull {
    Missing,
    Never,
}

/// `[engine]`.
#[derive(Debug, Clone)]
pub(crate) struct EngineTable {
    pub(crate) runs_max: usize,
    pub(crate) runs_per_repo_max: u32,
    pub(crate) lease_secs: u32,
    pub(crate) attempts_max: u32,
    pub(crate) sweep_secs: u64,
    pub(crate) grace_secs: u64,
}

impl ForgeTables {
    /// Whether there is none: then only `gatewright agent run` can do something with the file.
    pub(crate) fn is_empty(&self) -> bool {
        self.github.is_none() && self.gitlab.is_none()
    }
}

/// `[rollout]`.
#[derive(Debug, Clone)]
pub(crate) struct RolloutTable {
    pub(crate) measure_secs: u64,
    pub(crate) baseline_secs: u64,
    pub(crate) drain_secs: u64,
    pub(crate) drift_secs: u64,
    /// In their order.
    pub(crate) remind_after_secs: Vec<u64>,
}

/// `[log]`.
#[derive(Debug, Clone)]
pub(crate) struct LogTable {
    pub(crate) format: LogFormat,
    pub(crate) level: String,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Human,
    Json,
}

/// What a server file is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    /// The service, which needs a forge.
    Service,
    /// Its models alone: it need not have a forge.
    Models,
    /// Whoever can do something with it: one with models need not have a forge.
    Anybody,
}

/// Reads a server file with what goes over it, weakest first. Paths in the file are relative to `folder`. Every problem
/// that can be told apart is named, in the order of the file.
pub(crate) fn parse(text: &str, folder: &Path, overrides: &[Override], wanted: For) -> Result<ServerConfig, Vec<Problem>> {
    let mut root = tree::read(text.strip_prefix('\u{feff}').unwrap_or(text))?;
    let mut problems: Vec<Problem> = overrides.iter().filter_map(|over| overlay::lay(&mut root, over).err()).collect();
    let config = read::config(&root, folder, wanted, &mut problems);
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        Some(_) | None => {
            problems.sort_by_key(|problem| match problem.origin {
                Origin::File { line, column } => (line, column),
                Origin::Variable(_) | Origin::Flag(_) => (u64::MAX, 0),
            });
            problems.truncate(PROBLEMS_MAX);
            Err(problems)
        }
    }
}
