//! The service as the scenarios run it: the real parts, wired as the binary wires them, over the fakes.
//!
//! [`Service`] runs in the test's own process; for the binary itself, which can be killed, see [`process`](crate::process).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gatewright_core::forge::Forge;
use gatewright_core::model::{Model, NoModels};
use gatewright_core::notice::{Channels, NoChannels};
use gatewright_core::sandbox::Workshop;
use gatewright_core::secret::SecretString;
use gatewright_core::store::{RunFilter, RunRecord, Store, StoreStats, StoreUpkeep};
use gatewright_core::target::{Place, Site, Sites, TargetError};
use gatewright_core::{ForgeKind, Timestamp};
use gatewright_engine::{Deps, Engine, Options};
use gatewright_forge_github::{GitHub, GitHubConfig, Limits};
use gatewright_forge_gitlab::{GitLab, GitLabConfig};
use gatewright_sandbox::{DockerConfig, DockerSandbox, HostConfig, HostSandbox, HostWorkspace, PullPolicy};
use gatewright_store::EmbeddedStore;
use gatewright_webhook::github::GithubHook;
use gatewright_webhook::gitlab::GitlabHook;
use gatewright_webhook::{GitlabSecrets, WebhookConfig, WebhookSecrets, routes};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{FakeGitHub, FakeGitLab, gitlab};

/// The secret that the fake signs with in scenarios.
pub const WEBHOOK_SECRET: &str = "a secret of the scenarios";

/// The image of the scenarios' sandboxes, made by `tests/setup/image.sh`.
pub const IMAGE: &str = "gatewright-sandbox:local";

/// A scenario that is not over after so long has failed. Only what hangs is cut by it.
const PATIENCE: Duration = Duration::from_secs(120);

/// While it waits for a state, a scenario looks so often.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What a service needs to know to start.
#[derive(Clone)]
pub struct Setting {
    /// The GitHub that it serves.
    pub github: Option<GithubSetting>,
    /// The GitLab that it serves.
    pub gitlab: Option<GitlabSetting>,
    /// The folder for store and mirrors.
    pub dir: PathBuf,
    /// The container engine, where it is not the usual one.
    pub engine: Option<String>,
    /// Names its sandboxes.
    pub instance: String,
    /// Whether steps run on this machine instead of in containers: a third of the work, for scenarios of which sandboxes are no part.
    pub on_machine: bool,
    /// So many sandboxes at once.
    pub sandboxes: usize,
    /// A gate may run so long.
    pub wall_secs: u64,
    /// Steps have so long to end after a stop.
    pub grace_secs: u64,
    /// After a write of which nobody knows whether it was done, the forge is asked after so long. Fakes show at once what was written,
    /// unless told otherwise.
    pub uncertain_ms: u64,
    /// Where releases go.
    pub sites: Arc<dyn Sites>,
    /// What people are told through.
    pub channels: Arc<dyn Channels>,
    /// People are reminded of what waits after each of these.
    pub remind_after_secs: Vec<u64>,
    /// The models that agents ask.
    pub models: Arc<dyn Model>,
    /// The agents of a repository may use so many tokens in a day.
    pub agents_day_tokens: Option<u64>,
    /// Rollouts are looked at so often.
    pub measure_secs: u64,
    /// A rollout whose move fails so often goes back.
    pub move_failures_max: u32,
    /// Before a rollout shares out anything it is measured for so long what is usual.
    pub baseline_secs: u64,
    /// What runs is compared with what was released so often, beside what targets tell.
    pub drift_secs: u64,
}

/// No repository may release to anywhere.
struct NoSites;

impl Sites for NoSites {
    fn site(&self, place: &Place) -> Result<Site, TargetError> {
        Err(TargetError::Refused { what: place.to_string(), cause: "the scenario opens no target to it".to_owned() })
    }
}

/// How a service reaches a GitHub.
#[derive(Debug, Clone)]
pub struct GithubSetting {
    /// The fake's address.
    pub url: String,
    /// The App.
    pub app_id: u64,
    /// The App's key.
    pub private_key: String,
    /// New comments a minute that the service allows itself.
    pub comments_per_minute: u32,
    /// Points a minute.
    pub points_per_minute: u32,
}

impl GithubSetting {
    /// This fake.
    pub fn of(github: &FakeGitHub) -> GithubSetting {
        GithubSetting {
            url: github.url(),
            app_id: github.app_id(),
            private_key: github.private_key_pem(),
            // The fake has limits of its own; a scenario about limits sets them there.
            comments_per_minute: 100_000,
            points_per_minute: 1_000_000,
        }
    }

    /// The server file's table for it; the key is written into this folder.
    pub fn table(&self, dir: &Path) -> String {
        std::fs::write(dir.join("app.pem"), &self.private_key).expect("the folder is ours");
        format!(
            "[[forge]]\nkind = \"github\"\napi_url = \"{url}\"\nclone_url = \"{url}\"\napp_id = {app}\n\
             private_key = \"file:./app.pem\"\nwebhook_secret = \"env:TEST_WEBHOOK_SECRET\"\n\n",
            url = self.url,
            app = self.app_id,
        )
    }

    fn adapter(&self) -> GitHub {
        let mut config = GitHubConfig::new(&self.url, self.app_id, self.private_key.clone().into());
        config.clone_url = Some(self.url.clone());
        config.limits = Limits {
            content_per_minute: self.comments_per_minute,
            content_per_hour: 100_000,
            points_per_minute: self.points_per_minute,
            ..config.limits
        };
        GitHub::new(config).expect("the setting is valid")
    }

    fn hook(&self) -> GithubHook {
        let secrets = WebhookSecrets::new([WEBHOOK_SECRET.to_owned().into()]).expect("the secret is long enough");
        GithubHook { secrets, app_id: self.app_id }
    }
}

/// How a service reaches a GitLab.
#[derive(Debug, Clone)]
pub struct GitlabSetting {
    /// The fake's address.
    pub url: String,
    /// The bot's token.
    pub token: String,
    /// New notes a minute that the service allows itself.
    pub notes_per_minute: u32,
    /// Requests a minute.
    pub requests_per_minute: u32,
}

impl GitlabSetting {
    /// This fake.
    pub fn of(gitlab: &FakeGitLab) -> GitlabSetting {
        GitlabSetting {
            url: gitlab.url(),
            token: gitlab::TOKEN.to_owned(),
            // The fake has limits of its own; a scenario about limits sets them there.
            notes_per_minute: 100_000,
            requests_per_minute: 1_000_000,
        }
    }

    /// The server file's table for it; the token is written into this folder.
    pub fn table(&self, dir: &Path) -> String {
        std::fs::write(dir.join("gitlab.token"), &self.token).expect("the folder is ours");
        format!(
            "[[forge]]\nkind = \"gitlab\"\nurl = \"{url}\"\ntoken = \"file:./gitlab.token\"\n\
             webhook_secret = \"env:TEST_WEBHOOK_SECRET\"\nnotes_per_minute = {notes}\nrequests_per_minute = {requests}\n\n",
            url = self.url,
            notes = self.notes_per_minute,
            requests = self.requests_per_minute,
        )
    }

    fn adapter(&self) -> GitLab {
        let mut config = GitLabConfig::new(&self.url, self.token.clone().into());
        config.limits.notes_per_minute = self.notes_per_minute;
        config.limits.requests_per_minute = self.requests_per_minute;
        GitLab::new(config).expect("the setting is valid")
    }

    fn hook() -> GitlabHook {
        let secrets = GitlabSecrets::new([WEBHOOK_SECRET.to_owned().into()]).expect("the secret is long enough");
        GitlabHook { secrets }
    }
}

impl Setting {
    /// The usual setting, over this fake, in this folder.
    pub fn new(github: &FakeGitHub, dir: &Path) -> Setting {
        Setting { github: Some(GithubSetting::of(github)), ..Setting::without_forge(dir) }
    }

    /// The usual setting, in this folder.
    pub fn without_forge(dir: &Path) -> Setting {
        Setting {
            github: None,
            gitlab: None,
            dir: dir.to_owned(),
            engine: None,
            instance: uuid::Uuid::now_v7().to_string(),
            on_machine: false,
            sandboxes: 4,
            wall_secs: 60,
            grace_secs: 10,
            uncertain_ms: 200,
            sites: Arc::new(NoSites),
            channels: Arc::new(NoChannels),
            remind_after_secs: Vec::new(),
            models: Arc::new(NoModels),
            agents_day_tokens: None,
            measure_secs: 1,
            move_failures_max: 60,
            baseline_secs: 1,
            drift_secs: 3600,
        }
    }

    fn deps(&self) -> (Deps, Arc<EmbeddedStore>) {
        let mut forges: BTreeMap<ForgeKind, Arc<dyn Forge>> = BTreeMap::new();
        if let Some(github) = &self.github {
            forges.insert(ForgeKind::Github, Arc::new(github.adapter()));
        }
        if let Some(gitlab) = &self.gitlab {
            forges.insert(ForgeKind::Gitlab, Arc::new(gitlab.adapter()));
        }
        let store = EmbeddedStore::open(&self.dir.join("store"), &gatewright_store::Options::default()).expect("the store opens");
        let store = Arc::new(store);
        let deps = Deps {
            store: store.clone(),
            upkeep: store.clone(),
            environments: store.clone(),
            blobs: store.clone(),
            forges,
            sandbox: self.sandbox(),
            sites: Arc::clone(&self.sites),
            channels: Arc::clone(&self.channels),
            models: Arc::clone(&self.models),
        };
        (deps, store)
    }

    fn sandbox(&self) -> Arc<dyn Workshop> {
        let mirrors = self.dir.join("mirrors");
        if self.on_machine {
            let workspace = HostWorkspace::Fresh(self.dir.join("workspaces"));
            let instance = self.instance.clone();
            return Arc::new(HostSandbox::new(HostConfig { workspace, instance, mirrors, local: None, env: BTreeMap::new() }));
        }
        let mut docker = DockerConfig::new(&self.instance, mirrors);
        docker.pull = PullPolicy::Never;
        docker.engine.clone_from(&self.engine);
        Arc::new(DockerSandbox::new(docker))
    }

    /// The server file's tables for the forges; what they refer to is written into this folder.
    pub fn tables(&self, dir: &Path) -> String {
        let github = self.github.iter().map(|github| github.table(dir));
        github.chain(self.gitlab.iter().map(|gitlab| gitlab.table(dir))).collect()
    }

    fn secrets(&self) -> Vec<SecretString> {
        let key = self.github.iter().map(|github| github.private_key.clone().into());
        let token = self.gitlab.iter().map(|gitlab| gitlab.token.clone().into());
        key.chain(token).chain([WEBHOOK_SECRET.to_owned().into()]).collect()
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
            uncertain_ms: self.uncertain_ms,
            grace_secs: self.grace_secs,
            measure_secs: self.measure_secs,
            move_failures_max: self.move_failures_max,
            baseline_secs: self.baseline_secs,
            drain_secs: 5,
            drift_secs: self.drift_secs,
            remind_after_secs: self.remind_after_secs.clone(),
            agents_day_tokens: self.agents_day_tokens,
            secrets: self.secrets(),
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
    closing: CancellationToken,
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
        let config = WebhookConfig {
            intake: engine.clone(),
            github: setting.github.as_ref().map(GithubSetting::hook),
            gitlab: setting.gitlab.as_ref().map(|_| GitlabSetting::hook()),
            limits: gatewright_webhook::Limits::default(),
        };
        let router = routes(config);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let closing = CancellationToken::new();
        let closed = closing.clone().cancelled_owned();
        let listening = tokio::spawn(async move {
            axum::serve(listener, router).with_graceful_shutdown(closed).await.expect("serving goes on until it is to end");
        });
        Service { url, engine, store, stop, working, closing, listening }
    }

    /// Stops it as SIGTERM does.
    pub async fn stop(self) {
        self.closing.cancel();
        self.stop.cancel();
        self.working.await.expect("the engine ends by itself");
        // Whoever still has a connection has the store too, which the next service is to open.
        self.listening.await.expect("it ends by itself");
    }

    /// Waits until every delivery was taken and every run is over.
    pub async fn idle(&self, github: &FakeGitHub) {
        idle(|| delivered(github), || self.open_runs()).await;
    }

    /// The number of runs that are not over. None where the store does not answer.
    pub async fn open_runs(&self) -> Option<u64> {
        let open = |stats: StoreStats| stats.ready + stats.leased + stats.waiting;
        self.store.stats(Timestamp::now()).await.ok().map(open)
    }

    /// All runs, newest first.
    pub async fn runs(&self) -> Vec<RunRecord> {
        self.store.list(&RunFilter::default(), 10_000).await.expect("the store answers")
    }
}

/// Whether every delivery of this fake was taken. One that was missed is asked for by the service's sweep, sooner or later.
pub(crate) async fn delivered(github: &FakeGitHub) -> bool {
    github.deliveries_settled().await;
    github.deliveries().iter().all(|delivery| delivery.attempts.iter().any(crate::github::Attempt::taken))
}

/// Waits until every delivery was taken and no run is open (`open` counts them), twice in a row: a run's own writes make
/// deliveries too.
pub(crate) async fn idle<D, E, F, S>(delivered: D, open: F)
where
    D: Fn() -> E,
    E: Future<Output = bool>,
    F: Fn() -> S,
    S: Future<Output = Option<u64>>,
{
    idle_within(PATIENCE, delivered, open).await;
}

/// The same, with another patience.
pub(crate) async fn idle_within<D, E, F, S>(patience: Duration, delivered: D, open: F)
where
    D: Fn() -> E,
    E: Future<Output = bool>,
    F: Fn() -> S,
    S: Future<Output = Option<u64>>,
{
    until_within(patience, "every run is over", || async {
        for _ in 0..2 {
            if !delivered().await {
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
    until_within(PATIENCE, what, is_so).await;
}

async fn until_within<F, S>(patience: Duration, what: &str, is_so: F)
where
    F: Fn() -> S,
    S: Future<Output = bool>,
{
    let looking = async {
        while !is_so().await {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    assert!(tokio::time::timeout(patience, looking).await.is_ok(), "this never came to be: {what}");
}
