//! The service as the scenarios run it: the real parts, wired as the binary wires them, over the fake GitHub.
//!
//! [`Service`] runs in the test's own process; [`ServiceProcess`] is the same in a process of its own, which can be killed,
//! or told to kill itself at a certain point of the engine's work.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use gatewright_core::store::{RunFilter, RunRecord, Store, StoreStats, StoreUpkeep};
use gatewright_core::{ForgeKind, Timestamp};
use gatewright_engine::{Deps, Engine, Hook, Options, Point};
use gatewright_forge_github::{GitHub, GitHubConfig, Limits};
use gatewright_sandbox::{DockerConfig, DockerSandbox, PullPolicy};
use gatewright_store::EmbeddedStore;
use gatewright_webhook::github::GithubHook;
use gatewright_webhook::{WebhookConfig, WebhookSecrets, routes};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::FakeGitHub;

/// The secret that the fake signs with in scenarios.
pub const WEBHOOK_SECRET: &str = "a secret of the scenarios";

/// The image of the scenarios' sandboxes, made by `tests/setup/image.sh`.
pub const IMAGE: &str = "gatewright-sandbox:local";

/// A scenario that is not over after so long has failed. Only what hangs is cut by it.
const PATIENCE: Duration = Duration::from_secs(120);

/// While it waits for a state, a scenario looks so often.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What a service needs to know to start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Setting {
    /// The fake's address.
    pub github: String,
    /// The App.
    pub app_id: u64,
    /// The App's key.
    pub private_key: String,
    /// The folder for store and mirrors.
    pub dir: PathBuf,
    /// The container engine, where it is not the usual one.
    pub engine: Option<String>,
    /// Names its sandboxes.
    pub instance: String,
    /// Kills the process at this place, counted from 1.
    pub crash: Option<Crash>,
    /// So many sandboxes at once.
    pub sandboxes: usize,
    /// A gate may run so long.
    pub wall_secs: u64,
    /// Steps have so long to end after a stop.
    pub grace_secs: u64,
}

/// A place at which the process kills itself.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Crash {
    /// The kind of place.
    pub point: CrashPoint,
    /// Which one, from 1.
    pub nth: u64,
}

/// See [`Point`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CrashPoint {
    /// A delivery is durable, and not yet acknowledged.
    Accepted,
    /// Something was appended to a journal.
    Appended,
    /// An effect was done, and not yet appended.
    Performed,
}

impl CrashPoint {
    fn is(self, point: Point) -> bool {
        match self {
            CrashPoint::Accepted => point == Point::Accepted,
            CrashPoint::Appended => point == Point::Appended,
            CrashPoint::Performed => point == Point::Performed,
        }
    }
}

impl Setting {
    /// The usual setting, over this fake, in this folder.
    pub fn new(github: &FakeGitHub, dir: &Path) -> Setting {
        Setting {
            github: github.url(),
            app_id: github.app_id(),
            private_key: github.private_key_pem(),
            dir: dir.to_owned(),
            engine: None,
            instance: uuid::Uuid::now_v7().to_string(),
            crash: None,
            sandboxes: 4,
            wall_secs: 60,
            grace_secs: 10,
        }
    }

    fn hook(&self) -> Hook {
        let crash = self.crash;
        let count = AtomicU64::new(0);
        Arc::new(move |point| {
            let Some(crash) = crash else { return };
            if crash.point.is(point) && count.fetch_add(1, Ordering::SeqCst) + 1 == crash.nth {
                // As `kill -9` would: nothing is flushed, nothing is dropped.
                let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            }
        })
    }

    fn deps(&self) -> (Deps, Arc<EmbeddedStore>) {
        let mut config = GitHubConfig::new(&self.github, self.app_id, self.private_key.clone().into());
        config.clone_url = Some(self.github.clone());
        // The fake has limits of its own; a scenario about limits sets them there.
        let limits =
            Limits { content_per_minute: 100_000, content_per_hour: 100_000, points_per_minute: 1_000_000, ..config.limits };
        config.limits = limits;
        let github = GitHub::new(config).expect("the setting is valid");
        let mut docker = DockerConfig::new(&self.instance, self.dir.join("mirrors"));
        docker.pull = PullPolicy::Never;
        docker.engine.clone_from(&self.engine);
        let store = EmbeddedStore::open(&self.dir.join("store"), &gatewright_store::Options::default()).expect("the store opens");
        let store = Arc::new(store);
        let deps = Deps {
            store: store.clone(),
            upkeep: store.clone(),
            blobs: store.clone(),
            forges: BTreeMap::from([(ForgeKind::Github, Arc::new(github) as _)]),
            sandbox: Arc::new(DockerSandbox::new(docker)),
        };
        (deps, store)
    }

    fn options(&self) -> Options {
        let limits =
            gatewright_core::sandbox::Limits { memory_mib: 256, cpus: 1.0, pids: 64, disk_mib: 64, wall_secs: self.wall_secs };
        Options {
            worker: "scenario".to_owned(),
            sandboxes_max: self.sandboxes,
            sandboxes_per_repo_max: self.sandboxes,
            limits,
            public_url: Some("https://ci.example.com".to_owned()),
            sweep_secs: 1,
            grace_secs: self.grace_secs,
            secrets: vec![WEBHOOK_SECRET.to_owned().into(), self.private_key.clone().into()],
            ..Options::default()
        }
    }
}

/// The service in this process.
pub struct Service {
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub url: String,
    /// Its engine.
    pub engine: Arc<Engine>,
    /// Its store.
    pub store: Arc<EmbeddedStore>,
    stop: CancellationToken,
    working: JoinHandle<()>,
    listening: JoinHandle<()>,
}

impl Service {
    /// Starts it, and has the fake send its webhooks to it.
    pub async fn start(github: &FakeGitHub, setting: &Setting) -> Service {
        let service = Self::listen(setting).await;
        github.set_webhook(&format!("{}/webhooks/github", service.url), WEBHOOK_SECRET);
        service
    }

    /// Starts it.
    pub async fn listen(setting: &Setting) -> Service {
        let (deps, store) = setting.deps();
        let engine = Engine::new(deps, setting.options(), setting.hook());
        let stop = CancellationToken::new();
        let working = tokio::spawn({
            let (engine, stop) = (engine.clone(), stop.clone());
            async move { engine.work(stop).await }
        });
        let secrets = WebhookSecrets::new([WEBHOOK_SECRET.to_owned().into()]).expect("the secret is long enough");
        let hook = GithubHook { secrets, app_id: setting.app_id };
        let config = WebhookConfig { intake: engine.clone(), github: hook, limits: gatewright_webhook::Limits::default() };
        let stats = axum::Router::new().route("/stats", get(stats)).with_state(store.clone());
        let router = routes(config).merge(stats);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let listening = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("serving goes on until the task is aborted");
        });
        Service { url, engine, store, stop, working, listening }
    }

    /// Stops it as SIGTERM does.
    pub async fn stop(self) {
        self.listening.abort();
        self.stop.cancel();
        self.working.await.expect("the engine ends by itself");
    }

    /// Waits until every delivery was taken and every run is over.
    pub async fn idle(&self, github: &FakeGitHub) {
        idle(github, || async { self.store.stats(Timestamp::now()).await.ok() }).await;
    }

    /// All runs, newest first.
    pub async fn runs(&self) -> Vec<RunRecord> {
        self.store.list(&RunFilter::default(), 10_000).await.expect("the store answers")
    }
}

async fn stats(State(store): State<Arc<EmbeddedStore>>) -> Json<StoreStats> {
    Json(store.stats(Timestamp::now()).await.expect("the store answers"))
}

/// Waits until every delivery was taken and no run is open, twice in a row: a run's own writes make deliveries too.
async fn idle<F, S>(github: &FakeGitHub, stats: F)
where
    F: Fn() -> S,
    S: Future<Output = Option<StoreStats>>,
{
    until("every run is over", || async {
        for _ in 0..2 {
            github.deliveries_settled().await;
            // One that was missed is asked for by the service's sweep, sooner or later.
            if !github.deliveries().iter().all(|delivery| delivery.attempts.iter().any(crate::github::Attempt::taken)) {
                return false;
            }
            let open = stats().await.map(|stats| stats.ready + stats.leased + stats.waiting);
            if open != Some(0) {
                return false;
            }
        }
        true
    })
    .await;
}

/// Waits until something is so.
///
/// # Panics
/// Where it is not so for two minutes.
pub async fn until<F, S>(what: &str, is_so: F)
where
    F: Fn() -> S,
    S: Future<Output = bool>,
{
    let looking = async {
        while !is_so().await {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, looking).await.is_ok(), "this never came to be: {what}");
}

/// The service in a process of its own.
pub struct ServiceProcess {
    /// Where it listens.
    pub url: String,
    child: Child,
}

impl ServiceProcess {
    /// Starts the test binary `service-under-test` at `program`, and has the fake send its webhooks to it. None where it
    /// died before it was ready, as a crash early in its work makes it do.
    pub async fn start(program: &str, github: &FakeGitHub, setting: &Setting) -> Option<ServiceProcess> {
        let setting = serde_json::to_string(setting).expect("a setting is plain data");
        let mut child = Command::new(program)
            .env("GATEWRIGHT_TEST_SETTING", setting)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the test binary was built");
        let stdout = child.stdout.take().expect("it is piped");
        let line = BufReader::new(stdout).lines().next_line().await.expect("its output is text")?;
        let url = line.strip_prefix("ready ").expect("it says where it listens").to_owned();
        github.set_webhook(&format!("{url}/webhooks/github"), WEBHOOK_SECRET);
        Some(ServiceProcess { url, child })
    }

    /// Kills it, as `kill -9` does.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    /// Waits until it is dead, or until nothing is left to do. True if it died.
    pub async fn dies_or_idles(&mut self, github: &FakeGitHub) -> bool {
        let client = reqwest::Client::new();
        let url = format!("{}/stats", self.url);
        let stats = || async { client.get(&url).send().await.ok()?.json::<StoreStats>().await.ok() };
        tokio::select! {
            status = self.child.wait() => status.is_ok(),
            () = idle(github, stats) => false,
        }
    }
}

/// What the binary `service-under-test` does.
pub async fn serve_under_test() {
    let setting = std::env::var("GATEWRIGHT_TEST_SETTING").expect("started by a scenario");
    let setting: Setting = serde_json::from_str(&setting).expect("a setting");
    let service = Service::listen(&setting).await;
    #[expect(clippy::print_stdout, reason = "this line is what the scenario waits for")]
    {
        println!("ready {}", service.url);
    }
    std::future::pending::<()>().await;
}
