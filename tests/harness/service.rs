//! The service as the scenarios run it: the real parts, wired as the binary wires them, over the fake GitHub.
//!
//! [`Service`] runs in the test's own process; for the binary itself, which can be killed, see [`process`](crate::process).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gatewright_core::store::{RunFilter, RunRecord, Store, StoreStats, StoreUpkeep};
use gatewright_core::{ForgeKind, Timestamp};
use gatewright_engine::{Deps, Engine, Options};
use gatewright_forge_github::{GitHub, GitHubConfig, Limits};
use gatewright_sandbox::{DockerConfig, DockerSandbox, PullPolicy};
use gatewright_store::EmbeddedStore;
use gatewright_webhook::github::GithubHook;
use gatewright_webhook::{WebhookConfig, WebhookSecrets, routes};
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
#[derive(Debug, Clone)]
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
    /// So many sandboxes at once.
    pub sandboxes: usize,
    /// A gate may run so long.
    pub wall_secs: u64,
    /// Steps have so long to end after a stop.
    pub grace_secs: u64,
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
            sandboxes: 4,
            wall_secs: 60,
            grace_secs: 10,
        }
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
        let engine = Engine::new(deps, setting.options(), Arc::new(|_| {}));
        let stop = CancellationToken::new();
        let working = tokio::spawn({
            let (engine, stop) = (engine.clone(), stop.clone());
            async move { engine.work(stop).await }
        });
        let secrets = WebhookSecrets::new([WEBHOOK_SECRET.to_owned().into()]).expect("the secret is long enough");
        let hook = GithubHook { secrets, app_id: setting.app_id };
        let config = WebhookConfig { intake: engine.clone(), github: hook, limits: gatewright_webhook::Limits::default() };
        let router = routes(config);
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
        let open = |stats: StoreStats| stats.ready + stats.leased + stats.waiting;
        idle(github, || async { self.store.stats(Timestamp::now()).await.ok().map(open) }).await;
    }

    /// All runs, newest first.
    pub async fn runs(&self) -> Vec<RunRecord> {
        self.store.list(&RunFilter::default(), 10_000).await.expect("the store answers")
    }
}

/// Waits until every delivery was taken and no run is open (`open` counts them), twice in a row: a run's own writes make deliveries too.
pub(crate) async fn idle<F, S>(github: &FakeGitHub, open: F)
where
    F: Fn() -> S,
    S: Future<Output = Option<u64>>,
{
    until("every run is over", || async {
        for _ in 0..2 {
            github.deliveries_settled().await;
            // One that was missed is asked for by the service's sweep, sooner or later.
            if !github.deliveries().iter().all(|delivery| delivery.attempts.iter().any(crate::github::Attempt::taken)) {
                return false;
            }
            if open().await != Some(0) {
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
