//! The fake GitHub: state, API, git and webhooks behind one handle.
//!
//! | file | what |
//! |---|---|
//! | `look` | what people do and see: the handle's verbs |
//! | `world`, `people` | the state, and how what people do changes it |
//! | `issues` | issues, labels, and the texts of issues and pull requests: state and verbs |
//! | `talk`, `who` | comments and reactions; accounts, what they may do, and teams: state and verbs of each |
//! | `shipping` | tags, releases and deployments: state and verbs |
//! | `server`, `auth`, `limits` | one request's way: fault, judgement, credential, limit, handler, log |
//! | `api/` | the REST operations: a table, and a file for each kind of thing |
//! | `shape*` | the JSON of things, for answers and payloads alike |
//! | `graphql` | what REST has not |
//! | `openapi/` | GitHub's own description, by which requests, answers and payloads are judged |
//! | `git`, `diff`, `git_http` | bare repositories, and `git http-backend` before them |
//! | `lfs` | what lies beside git, of both forges |
//! | `payload`, `hooks` | what is told by webhook, and how it gets there or does not |
//! | `faults` | bad days on command |

mod api;
mod auth;
pub(crate) mod diff;
mod faults;
pub(crate) mod git;
pub(crate) mod git_http;
mod graphql;
mod hooks;
mod issues;
pub(crate) mod lfs;
mod limits;
mod look;
mod openapi;
mod payload;
mod people;
pub(crate) mod server;
mod shape;
mod shape_check;
mod shape_pull;
mod shape_shipping;
mod shipping;
mod talk;
mod who;
mod world;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;

pub(crate) use api::decoded;
pub use faults::{Effect, Fault, HookEffect, HookFault, When};
pub use git::Edit;
pub use hooks::{Attempt, Delivery};
pub use issues::Thread;
pub use limits::Limits;
pub use look::{CheckRun, Scanned};
pub use openapi::DESCRIPTION_VERSION;
pub use people::{MergeGroup, PullSpec};
pub use server::Seen;
pub use talk::Comment;
pub use world::Level;

use hooks::Deliverer;
use server::Shared;
use world::{App, Hook, Kind, World, lock};

/// The App's id, unless a test wants another.
const APP_ID: u64 = 4711;

/// A test that waits longer than this, for webhooks or for what a bot does, waits for ever.
const SETTLE: Duration = Duration::from_secs(60);

/// How the fake is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// The App's name; its comments are by `SLUG[bot]`.
    pub slug: String,
    /// What the App may do: `checks: write` and the like.
    pub permissions: BTreeMap<String, String>,
    /// What the App is told about, beside what every App is told.
    pub events: Vec<String>,
    /// Whether what the App itself writes causes webhooks, as on GitHub.
    pub own_writes_tell: bool,
    /// The port; 0 takes a free one.
    pub port: u16,
}

impl Default for Options {
    fn default() -> Self {
        let permissions =
            [("checks", "write"), ("contents", "write"), ("issues", "write"), ("metadata", "read"), ("pull_requests", "write")];
        let more = [
            ("deployments", "write"),
            ("members", "read"),
            ("merge_queues", "read"),
            ("security_events", "write"),
            ("statuses", "write"),
        ];
        let owned = |(name, access): (&str, &str)| (name.to_owned(), access.to_owned());
        let events =
            ["check_run", "check_suite", "issue_comment", "merge_group", "pull_request", "pull_request_review_comment", "push"];
        let events = events.into_iter().chain(["deployment_protection_rule", "issues"]);
        Options {
            slug: "gatewright".to_owned(),
            permissions: permissions.into_iter().chain(more).map(owned).collect(),
            events: events.map(str::to_owned).collect(),
            own_writes_tell: true,
            port: 0,
        }
    }
}

/// Which permission an App must have to be told of an event (GitHub's "Webhook events and payloads"). A comment on a pull
/// request is an `issue_comment` all the same.
const EVENT_PERMISSIONS: [(&str, &str); 12] = [
    ("check_run", "checks"),
    ("check_suite", "checks"),
    ("create", "contents"),
    ("delete", "contents"),
    ("deployment_protection_rule", "deployments"),
    ("issue_comment", "issues"),
    ("issues", "issues"),
    ("merge_group", "merge_queues"),
    ("pull_request", "pull_requests"),
    ("pull_request_review_comment", "pull_requests"),
    ("push", "contents"),
    ("status", "statuses"),
];

impl Options {
    /// An App as a manifest has it (`default_permissions`, `default_events`), with the other options as usual.
    ///
    /// # Panics
    /// Where it is no manifest.
    pub fn from_manifest(manifest: &str) -> Self {
        #[derive(serde::Deserialize)]
        struct Manifest {
            default_permissions: BTreeMap<String, String>,
            default_events: Vec<String>,
        }
        let manifest: Manifest = serde_json::from_str(manifest).expect("it is an App's manifest");
        Options { permissions: manifest.default_permissions, events: manifest.default_events, ..Options::default() }
    }

    /// As GitHub does when it makes an App.
    fn check(&self) {
        for event in &self.events {
            let permission = EVENT_PERMISSIONS.iter().find(|(name, _)| name == event).map(|(_, permission)| *permission);
            let permission = permission.unwrap_or_else(|| panic!("the fake sends no event {event}"));
            assert!(
                self.permissions.contains_key(permission),
                "Default events are not supported by permissions: {event} needs {permission}"
            );
        }
    }
}

/// A GitHub on this machine. Handles are cheap to clone; it ends with the runtime that it was started on, or when its last
/// handle is dropped.
///
/// ```no_run
/// # async fn example() {
/// use gatewright_tests::FakeGitHub;
/// use gatewright_tests::github::PullSpec;
///
/// let github = FakeGitHub::start().await;
/// github.create_repo("octo/app");
/// github.set_webhook("http://127.0.0.1:8080/webhooks/github", "a secret of some length");
/// let head = github.commit("octo/app", "topic", "alice", "add a test", [("tests/a.sh", "true\n")]);
/// let number = github.open_pull("octo/app", PullSpec::of("alice", "topic"));
/// github.deliveries_settled().await;
/// assert!(github.check_runs("octo/app", &head).is_empty());
/// assert!(github.comments("octo/app", number).is_empty());
/// github.assert_valid();
/// # }
/// ```
#[derive(Clone)]
pub struct FakeGitHub {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    hook_faults: Arc<Mutex<Vec<HookFault>>>,
    at_once: Arc<Semaphore>,
    tasks: Vec<AbortHandle>,
    /// Removed with everything in it when the last handle goes.
    _dir: tempfile::TempDir,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl FakeGitHub {
    /// Starts one with the usual [`Options`].
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    /// Starts one.
    ///
    /// # Panics
    /// Where the port is taken, and where GitHub would not make such an App.
    pub async fn start_with(options: Options) -> Self {
        options.check();
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", options.port)).await.expect("the port is free");
        let base = format!("http://{}", listener.local_addr().expect("it is bound"));
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let (queue, deliverer) = Deliverer::new();
        let world = Arc::new(Mutex::new(new_world(options, base, dir.path().to_owned(), queue)));
        let (hook_faults, at_once) = (deliverer.faults.clone(), deliverer.at_once.clone());
        let shared = Arc::new(Shared {
            world: world.clone(),
            faults: Mutex::default(),
            meter: Mutex::default(),
            log: Mutex::default(),
            under_way: server::UnderWay::default(),
        });
        let tasks = vec![
            tokio::spawn(server::listen(shared.clone(), listener)).abort_handle(),
            tokio::spawn(deliverer.run(world)).abort_handle(),
        ];
        FakeGitHub { inner: Arc::new(Inner { shared, hook_faults, at_once, tasks, _dir: dir }) }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.inner.shared.world)
    }

    /// `http://127.0.0.1:PORT`: the API's address and that of git.
    pub fn url(&self) -> String {
        self.world().base.clone()
    }

    /// The same API under the path that a GitHub Enterprise Server has it: `http://127.0.0.1:PORT/api/v3`.
    pub fn enterprise_url(&self) -> String {
        format!("{}/api/v3", self.url())
    }

    /// The App's id.
    pub fn app_id(&self) -> u64 {
        self.world().app.id
    }

    /// The login of the App's account: `SLUG[bot]`.
    pub fn bot_login(&self) -> String {
        let world = self.world();
        world.account(world.app.bot).login.clone()
    }

    /// The App's private key, PEM.
    pub fn private_key_pem(&self) -> String {
        auth::app_key().private_pem.clone()
    }

    /// Sets where webhooks go, and sends a `ping` there. Without it, none are sent.
    pub fn set_webhook(&self, url: &str, secret: &str) {
        let mut world = self.world();
        world.hook = Some(Hook { url: url.to_owned(), secret: secret.to_owned() });
        world.tell_ping();
    }

    /// Sets where webhooks go without a word, as when the receiver has moved.
    pub fn move_webhook(&self, url: &str) {
        let mut world = self.world();
        let hook = world.hook.as_mut().expect("a webhook was set before");
        hook.url = url.to_owned();
    }

    /// How many webhooks are under way at once: one, unless a test wants more. Can only be raised.
    pub fn deliver_at_once(&self, most: usize) {
        self.inner.at_once.add_permits(most.saturating_sub(1));
    }

    /// Waits until every webhook so far has been tried, those held back by a fault included.
    ///
    /// # Panics
    /// After a minute.
    pub async fn deliveries_settled(&self) {
        let mut pending = self.world().queue.pending();
        let settled = tokio::time::timeout(SETTLE, pending.wait_for(|n| *n == 0)).await;
        drop(settled.expect("webhooks are tried within a minute").expect("the queue lives as long as the fake"));
    }

    /// Waits until `probe` finds what it looks for. It looks again after every request that the fake answers and every
    /// webhook that it tries, since nothing else changes what can be seen.
    ///
    /// # Panics
    /// After a minute, with `what` and the last requests.
    pub async fn eventually<T>(&self, what: &str, probe: impl Fn(&FakeGitHub) -> Option<T>) -> T {
        let mut ticks = self.world().ticks.subscribe();
        let found = async {
            loop {
                ticks.mark_unchanged();
                if let Some(found) = probe(self) {
                    return found;
                }
                ticks.changed().await.expect("the world lives as long as the fake");
            }
        };
        match tokio::time::timeout(SETTLE, found).await {
            Ok(found) => found,
            Err(_) => panic!("waited in vain for {what}; the last requests:\n{}", self.last_requests()),
        }
    }

    /// Waits until a check of this name is completed on a commit.
    pub async fn completed_check(&self, repo: &str, commit: &str, name: &str) -> CheckRun {
        let what = format!("check {name:?} on {commit} of {repo} to be completed");
        let done = |github: &FakeGitHub| github.check_runs(repo, commit).remove(name).filter(|c| c.conclusion.is_some());
        self.eventually(&what, done).await
    }

    fn last_requests(&self) -> String {
        let log = lock(&self.inner.shared.log);
        let lines = log.iter().rev().take(20).rev().map(|s| format!("{} {} {} {:?}", s.status, s.method, s.path, s.fault));
        lines.chain(self.violations()).collect::<Vec<_>>().join("\n")
    }

    /// Adds a fault of the API or of git; returns its number.
    pub fn fault(&self, fault: Fault) -> u64 {
        let id = self.world().new_id();
        lock(&self.inner.shared.faults).push((id, fault));
        id
    }

    /// How often a fault has struck.
    pub fn fault_hits(&self, id: u64) -> u64 {
        lock(&self.inner.shared.faults).iter().find(|(n, _)| *n == id).map_or(0, |(_, fault)| fault.struck())
    }

    /// Adds a fault of the webhooks.
    pub fn hook_fault(&self, fault: HookFault) {
        lock(&self.inner.hook_faults).push(fault);
    }

    /// Removes all faults: of the API, of git and of the webhooks.
    pub fn clear_faults(&self) {
        lock(&self.inner.shared.faults).clear();
        lock(&self.inner.hook_faults).clear();
    }

    /// Sets the rate limits.
    pub fn set_limits(&self, limits: Limits) {
        lock(&self.inner.shared.meter).limits = limits;
    }

    /// Sets how long tokens live that are made from now on; an hour else.
    pub fn set_token_life(&self, life: SignedDuration) {
        self.world().token_life = life;
    }

    /// Has lists show comments and checks only so long after they were made.
    pub fn set_lists_lag(&self, lag: std::time::Duration) {
        self.world().lag.of_lists = lag;
    }

    /// Sets GitHub's clock ahead by so many seconds more, as if they had passed: of what happens from now on, not of
    /// credentials, limits and deliveries. GitHub's times are whole seconds, so this is how a comment is later than a push.
    pub fn advance(&self, secs: u64) {
        let secs = i64::try_from(secs).expect("no scenario lasts longer than the age of the universe");
        self.world().ahead += SignedDuration::from_secs(secs);
    }

    /// From here on GitHub's clock moves by `advance` alone, so that two things that follow each other surely happen in
    /// the same second.
    pub fn stop_clock(&self) {
        let mut world = self.world();
        world.stopped = Some(world.machine_now());
    }

    /// What GitHub's clock shows: the second that the next event gets.
    pub fn now(&self) -> Timestamp {
        self.world().now()
    }

    /// Has somebody push a content with Git LFS. Returns the pointer that a commit has of it.
    pub fn keep_in_lfs(&self, content: &[u8]) -> String {
        lfs::keep(&mut self.world().lfs, content)
    }

    /// Every installation's token that was given out is refused from now on.
    pub fn expire_tokens(&self) {
        let now = Timestamp::now();
        self.world().tokens.values_mut().for_each(|token| token.expires_at = now);
    }
}

fn new_world(options: Options, base: String, dir: PathBuf, queue: hooks::HookQueue) -> World {
    let created_at = Timestamp::now();
    let app = App {
        id: APP_ID,
        slug: options.slug.clone(),
        owner: 0,
        bot: 0,
        hook_id: 1,
        permissions: options.permissions,
        events: options.events,
        created_at,
    };
    let mut world = World {
        base,
        dir,
        app,
        accounts: Vec::new(),
        teams: Vec::new(),
        installations: Vec::new(),
        repos: Vec::new(),
        tokens: Default::default(),
        user_tokens: Default::default(),
        comments: Vec::new(),
        reactions: Vec::new(),
        suites: Vec::new(),
        checks: Vec::new(),
        statuses: Vec::new(),
        scans: Vec::new(),
        scans_fail: Vec::new(),
        shipping: Default::default(),
        lfs: Default::default(),
        deliveries: Vec::new(),
        queue,
        hook: None,
        own_writes_tell: options.own_writes_tell,
        violations: Vec::new(),
        last_id: 1000,
        ticks: watch::Sender::new(0),
        token_life: SignedDuration::from_hours(1),
        lag: shape_check::Lag::default(),
        ahead: SignedDuration::ZERO,
        stopped: None,
    };
    world.app.owner = world.account_id("gatewright-makers", Kind::Organization);
    world.app.bot = world.account_id(&format!("{}[bot]", options.slug), Kind::Bot);
    world
}
