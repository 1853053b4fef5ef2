//! Turns deliveries into runs and drives them.
//!
//! [`Engine::take`](Intake::take) says what a delivery starts or stops and makes that durable. [`Engine::work`] leases
//! runs and drives each with the loop of [`drive`](crate::drive): perform the next action, append what happened, apply it.
//! Whatever the engine touches, it touches through the traits of `gatewright-core`; it names no forge, no store and no
//! sandbox driver. The binary wires it together; the tests run it over fakes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use gatewright_core::forge::Forge;
use gatewright_core::model::Model;
use gatewright_core::notice::Channels;
use gatewright_core::sandbox::{Limits, SandboxKey, Workshop};
use gatewright_core::store::{Acceptance, Accepted, Blobs, Environments, Store, StoreError, StoreUpkeep};
use gatewright_core::target::Sites;
use gatewright_core::{ForgeKind, GateName, RunId, Timestamp};
use secrecy::SecretString;
use tokio::sync::Notify;

pub mod agents;
mod catch_up;
pub mod commands;
mod counted;
mod drift;
mod drive;
mod flood;
pub mod gates;
mod history;
mod live;
pub mod local;
pub mod log;
mod notices;
pub mod operator;
pub mod overview;
mod past;
mod perform;
mod permit;
pub mod redact;
pub mod release;
pub mod render;
pub mod rollout;
mod slots;
pub mod statistics;
pub mod step;
mod sweep;
mod take;
mod waits;
mod worker;

pub use catch_up::CaughtUp;
pub use sweep::SweepReport;
pub use waits::Wait;

/// What the engine works with.
pub struct Deps {
    /// Runs and journals.
    pub store: Arc<dyn Store>,
    /// The store's upkeep.
    pub upkeep: Arc<dyn StoreUpkeep>,
    /// What runs where.
    pub environments: Arc<dyn Environments>,
    /// Logs.
    pub blobs: Arc<dyn Blobs>,
    /// The forges that are configured.
    pub forges: BTreeMap<ForgeKind, Arc<dyn Forge>>,
    /// Where steps run.
    pub sandbox: Arc<dyn Workshop>,
    /// Where releases go.
    pub sites: Arc<dyn Sites>,
    /// What people are told through.
    pub channels: Arc<dyn Channels>,
    /// The models that agents ask. `NoModels` where there are none.
    pub models: Arc<dyn Model>,
}

/// Four hours, a day, three days: then it is known, or nobody wants to know.
const REMIND_AFTER_SECS: [u64; 3] = [4 * 3600, 24 * 3600, 3 * 24 * 3600];

/// The engine's limits and ways.
#[derive(Debug, Clone)]
pub struct Options {
    /// This process's name in leases and journals.
    pub worker: String,
    /// So many runs are driven at once. Driving is cheap: what costs are sandboxes.
    pub runs_max: usize,
    /// So many runs of one repository are driven at once.
    pub runs_per_repo_max: u32,
    /// So many sandboxes are open at once; further steps wait.
    pub sandboxes_max: usize,
    /// So many sandboxes of one repository are open at once.
    pub sandboxes_per_repo_max: usize,
    /// A lease lasts so long and is renewed after a third of it.
    pub lease_secs: u32,
    /// A run is set aside after so many attempts that got nowhere.
    pub attempts_max: u32,
    /// The bounds of a sandbox, but for what a gate sets itself.
    pub limits: Limits,
    /// Where the service's own pages are, without a slash at the end. None: checks have no details link.
    pub public_url: Option<String>,
    /// Finished runs and their logs are kept so long.
    pub retention_secs: u64,
    /// Missed deliveries and leftovers are looked for so often.
    pub sweep_secs: u64,
    /// After a write of which nobody knows whether it was done, the forge is asked only after so long: its lists lag a little behind its
    /// writes, and what is not yet listed would be made twice.
    pub uncertain_ms: u64,
    /// After SIGTERM, steps have so long to end before they are handed back.
    pub grace_secs: u64,
    /// What must never be in a log.
    pub secrets: Vec<SecretString>,
    /// A rollout is looked at so often.
    pub measure_secs: u64,
    /// Before a rollout shares out anything it is measured for so long what is usual.
    pub baseline_secs: u64,
    /// What an instance that is taken away has in flight is waited for so long.
    pub drain_secs: u64,
    /// A rollout whose move on the way forth fails so often goes back. Tries come once a minute in the end.
    pub move_failures_max: u32,
    /// What runs is compared with what was released so often, where nothing tells of a change.
    pub drift_secs: u64,
    /// Where a rollout waits for somebody or for a time, people are reminded after each of these, in seconds since it began to wait.
    pub remind_after_secs: Vec<u64>,
    /// So many agents are at work at once; further ones wait.
    pub agents_max: usize,
    /// An answer to an agent may have so many tokens.
    pub agent_tokens_max: u32,
    /// The agents of one repository may cost so much in a day (UTC), in millionths of a US dollar. None: no limit of the service's.
    pub agents_day_micro_usd: Option<u64>,
    /// The agents of one repository may use so many tokens in a day (UTC). None: no limit of the service's.
    pub agents_day_tokens: Option<u64>,
    /// What gates said of earlier commits on this machine, for pipelines that run here. The service's own store knows what it needs.
    pub here: Option<local::PastsHere>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            worker: "worker".to_owned(),
            runs_max: 256,
            runs_per_repo_max: 128,
            sandboxes_max: 4,
            sandboxes_per_repo_max: 2,
            lease_secs: 30,
            attempts_max: 5,
            limits: Limits::default(),
            public_url: None,
            retention_secs: 30 * 24 * 3600,
            sweep_secs: 180,
            uncertain_ms: 3_000,
            grace_secs: 20,
            secrets: Vec::new(),
            measure_secs: 10,
            baseline_secs: 60,
            drain_secs: 30,
            move_failures_max: 60,
            drift_secs: 30,
            remind_after_secs: REMIND_AFTER_SECS.to_vec(),
            agents_max: 10,
            agent_tokens_max: 16_384,
            agents_day_micro_usd: None,
            agents_day_tokens: None,
            here: None,
        }
    }
}

/// A place in the engine's work where a crash is tried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// A delivery is durable, and its 2xx not yet sent.
    Accepted,
    /// Events were appended to a journal.
    Appended,
    /// An effect was done, and what came of it not yet appended.
    Performed,
}

/// Called at each [`Point`]. The service passes one that does nothing; crash tests pass one that kills the process.
pub type Hook = Arc<dyn Fn(Point) + Send + Sync>;

/// Drives runs.
pub struct Engine {
    deps: Deps,
    options: Options,
    hook: Hook,
    /// Told when a run may have become ready.
    ready: Notify,
    /// Told when a rollout has given an environment back: what runs there can be compared with what was released again.
    settled: Notify,
    /// The runs that this process drives, each with what tells its driver to look for signals.
    driven: Mutex<HashMap<RunId, Arc<Notify>>>,
    slots: slots::Slots,
    comments: slots::KeyedLocks,
    floods: flood::Floods,
    waits: waits::Waits,
    live_logs: live::LiveLogs,
    /// When the last delivery of each forge had been taken when the process began, once that was looked up.
    began: Mutex<Option<BTreeMap<ForgeKind, Timestamp>>>,
    /// Tags that were seen on a forge while nothing is known of a delivery, for catching up.
    tags_seen: Mutex<BTreeSet<String>>,
    sessions: agents::session::Sessions,
    timetables: agents::start::Timetables,
    promises: agents::day::Promises,
    /// How often drivers have looked what their runs want.
    turns: AtomicU64,
}

impl Engine {
    /// An engine. It does nothing until [`Engine::work`] is called.
    pub fn new(deps: Deps, options: Options, hook: Hook) -> Arc<Engine> {
        let slots = slots::Slots::new(options.sandboxes_max, options.sandboxes_per_repo_max);
        let sessions = agents::session::Sessions::new(options.agents_max);
        Arc::new(Engine {
            deps,
            options,
            hook,
            ready: Notify::new(),
            settled: Notify::new(),
            driven: Mutex::new(HashMap::new()),
            slots,
            comments: slots::KeyedLocks::default(),
            floods: flood::Floods::default(),
            waits: waits::Waits::default(),
            live_logs: live::LiveLogs::default(),
            began: Mutex::default(),
            tags_seen: Mutex::default(),
            sessions,
            timetables: agents::start::Timetables::default(),
            promises: agents::day::Promises::default(),
            turns: AtomicU64::new(0),
        })
    }

    /// How often drivers have looked what their runs want: some dozen times a run. One that looks again and again without
    /// anything having happened would show here, and nowhere else but in the processor's heat.
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// What a run waits for that this process drives: what failed and is to be tried again.
    pub fn waits_of(&self, run: RunId) -> Vec<Wait> {
        self.waits.of(run)
    }

    /// What a gate that runs in this process has written so far.
    pub fn log_so_far(&self, run: RunId, gate: &GateName) -> Option<Bytes> {
        self.live_logs.so_far(&SandboxKey { run, gate: gate.clone() })
    }

    /// Makes a set-aside run ready again. False where it was not set aside.
    pub async fn retry(&self, run: RunId, now: Timestamp) -> Result<bool, StoreError> {
        let done = self.deps.upkeep.retry(run, now).await?;
        self.ready.notify_one();
        Ok(done)
    }

    /// Accepts, and tells the workers and the drivers concerned.
    async fn accept(&self, acceptance: Acceptance) -> Result<Accepted, StoreError> {
        let starts = acceptance.run.is_some();
        let accepted = self.deps.store.accept(acceptance).await?;
        if let Accepted::New { signalled } = &accepted {
            let driven = self.driven.lock().unwrap_or_else(PoisonError::into_inner);
            for driver in signalled.iter().filter_map(|run| driven.get(run)) {
                driver.notify_one();
            }
            if starts {
                self.ready.notify_one();
            }
        }
        Ok(accepted)
    }

    fn forge(&self, kind: ForgeKind) -> Option<&Arc<dyn Forge>> {
        self.deps.forges.get(&kind)
    }
}
