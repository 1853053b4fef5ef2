//! Makes the parts that the service consists of from its configuration.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatewright_core::ForgeKind;
use gatewright_core::forge::Forge;
use gatewright_core::sandbox::Workshop;
use gatewright_core::secret::SecretString;
use gatewright_engine::{Deps, Options};
use gatewright_forge_github::{GitHub, GitHubConfig, Limits};
use gatewright_forge_gitlab::{GitLab, GitLabConfig};
use gatewright_sandbox::{DockerConfig, DockerSandbox, HostConfig, HostSandbox, HostWorkspace, PullPolicy};
use gatewright_store::EmbeddedStore;
use gatewright_webhook::github::GithubHook;
use gatewright_webhook::gitlab::GitlabHook;
use gatewright_webhook::{GitlabSecrets, SecretsError, WebhookSecrets};
use uuid::Uuid;

use super::{channels, models, sites};
use crate::failure::Failure;
use crate::load;
use crate::secrets;
use crate::server_file::{
    Driver, GithubTable, GitlabTable, LocatedSecret, Origin, Problem, Pull, SandboxTable, ServerConfig, StorePlace,
};

/// Where the service's own name among others on one container engine is kept, in the store's folder.
const INSTANCE_FILE: &str = "instance";

/// The secrets of a configuration, read and found good enough.
pub(super) struct Secrets {
    github: Option<GithubSecrets>,
    gitlab: Option<GitlabHookSecrets>,
    /// All of them, as they must never be in a log.
    all: Vec<SecretString>,
}

struct GithubSecrets {
    private_key: SecretString,
    webhook: WebhookSecrets,
}

struct GitlabHookSecrets {
    token: SecretString,
    clone_token: Option<SecretString>,
    webhook: GitlabSecrets,
}

impl Secrets {
    /// Reads all of them, and names every one that is missing or not good enough.
    pub(super) fn resolve(config: &ServerConfig) -> Result<Secrets, Vec<Problem>> {
        let mut reader = SecretReader::default();
        let github = config.forges.github.as_ref().and_then(|table| {
            let private_key = reader.one(&table.private_key);
            let webhook = reader.checked(&table.webhook_secrets, &table.origin, WebhookSecrets::new);
            Some(GithubSecrets { private_key: private_key?, webhook: webhook? })
        });
        let gitlab = config.forges.gitlab.as_ref().and_then(|table| {
            let token = reader.one(&table.token);
            let webhook = reader.checked(&table.webhook_secrets, &table.origin, GitlabSecrets::new);
            let clone_token = table.clone_token.as_ref().and_then(|secret| reader.one(secret));
            Some(GitlabHookSecrets { token: token?, clone_token, webhook: webhook? })
        });
        for secret in sites::secrets(config).chain(models::secrets(config)).chain(channels::secrets(config)) {
            reader.one(secret);
        }
        if reader.problems.is_empty() { Ok(Secrets { github, gitlab, all: reader.read }) } else { Err(reader.problems) }
    }

    /// What the operator should mend, though it works.
    pub(super) fn warnings(config: &ServerConfig) -> Vec<String> {
        let github = config.forges.github.iter().flat_map(|table| table.webhook_secrets.iter().chain([&table.private_key]));
        let gitlab = config
            .forges
            .gitlab
            .iter()
            .flat_map(|table| table.webhook_secrets.iter().chain([&table.token]).chain(&table.clone_token));
        github
            .chain(gitlab)
            .chain(sites::secrets(config))
            .chain(models::secrets(config))
            .chain(channels::secrets(config))
            .filter_map(secrets::exposure)
            .collect()
    }
}

/// Reads secrets, and keeps what is wrong with them.
#[derive(Default)]
struct SecretReader {
    problems: Vec<Problem>,
    read: Vec<SecretString>,
}

impl SecretReader {
    fn one(&mut self, secret: &LocatedSecret) -> Option<SecretString> {
        match secrets::resolve(secret) {
            Ok(read) => {
                self.read.push(read.clone());
                Some(read)
            }
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    /// Webhook secrets, as one checks whether they are good enough.
    fn checked<T>(
        &mut self,
        secrets: &[LocatedSecret],
        forge: &Origin,
        check: impl FnOnce(Vec<SecretString>) -> Result<T, SecretsError>,
    ) -> Option<T> {
        let read: Vec<Option<SecretString>> = secrets.iter().map(|secret| self.one(secret)).collect();
        let read = read.into_iter().collect::<Option<Vec<_>>>()?;
        match check(read) {
            Ok(checked) => Some(checked),
            Err(error) => {
                let origin = secrets.first().map_or(forge, |secret| &secret.origin);
                self.problems.push(origin.problem(error.to_string()));
                None
            }
        }
    }
}

/// The service's parts.
pub(super) struct Parts {
    pub(super) forges: Forges,
    pub(super) deps: Deps,
    pub(super) hooks: Hooks,
    pub(super) engine_options: Options,
    /// A folder that is to go with the process: that of a store in memory.
    pub(super) scratch: Option<PathBuf>,
}

/// The forges that are served.
#[derive(Clone, Default)]
pub(super) struct Forges {
    pub(super) github: Option<Arc<GitHub>>,
    pub(super) gitlab: Option<Arc<GitLab>>,
}

/// The webhooks that are taken.
pub(super) struct Hooks {
    pub(super) github: Option<GithubHook>,
    pub(super) gitlab: Option<GitlabHook>,
}

/// Makes the parts. Opens the store; asks nobody outside of this machine.
pub(super) fn build(file: &Path, config: &ServerConfig, secrets: Secrets) -> Result<Parts, Failure> {
    let (store, folder) = open_store(config)?;
    let sites = sites::sites(file, config, &SecretString::from(instance(&folder)?))?;
    let models = models::models(file, config)?;
    let channels = channels::channels(file, config)?;
    let engine_options = engine_options(config, &secrets);
    let (forges, hooks) = forges(file, config, secrets)?;
    let sandbox = sandbox(&config.sandbox, &folder)?;
    let mut served: BTreeMap<ForgeKind, Arc<dyn Forge>> = BTreeMap::new();
    served.extend(forges.github.iter().map(|github| (ForgeKind::Github, Arc::clone(github) as _)));
    served.extend(forges.gitlab.iter().map(|gitlab| (ForgeKind::Gitlab, Arc::clone(gitlab) as _)));
    Ok(Parts {
        forges,
        deps: Deps {
            store: store.clone(),
            upkeep: store.clone(),
            environments: store.clone(),
            blobs: store,
            forges: served,
            sandbox,
            sites,
            channels,
            models,
        },
        hooks,
        engine_options,
        scratch: (config.store.place == StorePlace::Memory).then_some(folder),
    })
}

fn sandbox(config: &SandboxTable, folder: &Path) -> Result<Arc<dyn Workshop>, Failure> {
    let (instance, mirrors) = (instance(folder)?, folder.join("mirrors"));
    Ok(match config.driver {
        Driver::Docker => Arc::new(DockerSandbox::new(DockerConfig {
            engine: config.engine.clone(),
            pull: match config.pull {
                Pull::Missing => PullPolicy::Missing,
                Pull::Never => PullPolicy::Never,
            },
            cache_limits: config.caches,
            ..DockerConfig::new(instance, mirrors)
        })),
        Driver::Host => {
            let workspace = HostWorkspace::Fresh(folder.join("workspaces"));
            Arc::new(HostSandbox::new(HostConfig { workspace, instance, mirrors, local: None, env: BTreeMap::new() }))
        }
    })
}

fn forges(file: &Path, config: &ServerConfig, secrets: Secrets) -> Result<(Forges, Hooks), Failure> {
    let mut forges = Forges::default();
    let mut hooks = Hooks { github: None, gitlab: None };
    if let (Some(table), Some(secrets)) = (&config.forges.github, secrets.github) {
        forges.github = Some(Arc::new(github(file, table, &secrets)?));
        hooks.github = Some(GithubHook { secrets: secrets.webhook, app_id: table.app_id });
    }
    if let (Some(table), Some(secrets)) = (&config.forges.gitlab, secrets.gitlab) {
        forges.gitlab = Some(Arc::new(gitlab(file, table, &secrets)?));
        hooks.gitlab = Some(GitlabHook { secrets: secrets.webhook });
    }
    Ok((forges, hooks))
}

/// The store, and a folder for what else is kept. A store in memory keeps it where temporary files are.
fn open_store(config: &ServerConfig) -> Result<(Arc<EmbeddedStore>, PathBuf), Failure> {
    match &config.store.place {
        StorePlace::Folder(folder) => {
            // Logs and payloads of private repositories lie in it.
            make_private(folder)?;
            let store =
                EmbeddedStore::open(folder, &config.store.options).map_err(|error| Failure::Outside(error.to_string()))?;
            tracing::info!(folder = %folder.display(), "the store is open");
            Ok((Arc::new(store), folder.clone()))
        }
        StorePlace::Memory => {
            tracing::warn!("the store is in memory: deliveries and runs are gone when the process ends");
            let folder = std::env::temp_dir().join(format!("gatewright-{}", Uuid::now_v7()));
            make_private(&folder)?;
            Ok((Arc::new(EmbeddedStore::in_memory()), folder))
        }
    }
}

/// Makes a folder, where it is missing, that nobody else may look into.
fn make_private(folder: &Path) -> Result<(), Failure> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| cannot_write(folder, &error))
}

fn github(file: &Path, table: &GithubTable, secrets: &GithubSecrets) -> Result<GitHub, Failure> {
    let github = GitHubConfig::new(table.api_url.clone(), table.app_id, secrets.private_key.clone());
    let limits = Limits {
        content_per_minute: table.comments_per_minute,
        content_per_hour: table.comments_per_hour,
        points_per_minute: table.points_per_minute,
        ..github.limits
    };
    let github = GitHubConfig { clone_url: table.clone_url.clone(), limits, ..github };
    GitHub::new(github).map_err(|error| load::wrong(file, &[table.origin.problem(error.to_string())]))
}

fn gitlab(file: &Path, table: &GitlabTable, secrets: &GitlabHookSecrets) -> Result<GitLab, Failure> {
    let gitlab = GitLabConfig::new(table.url.clone(), secrets.token.clone());
    let limits = gatewright_forge_gitlab::Limits {
        notes_per_minute: table.notes_per_minute,
        requests_per_minute: table.requests_per_minute,
        ..gitlab.limits
    };
    let clone_token = secrets.clone_token.clone();
    let gitlab = GitLabConfig { clone_url: table.clone_url.clone(), clone_token, limits, ..gitlab };
    GitLab::new(gitlab).map_err(|error| load::wrong(file, &[table.origin.problem(error.to_string())]))
}

fn engine_options(config: &ServerConfig, secrets: &Secrets) -> Options {
    Options {
        worker: worker_name(),
        runs_max: config.engine.runs_max,
        runs_per_repo_max: config.engine.runs_per_repo_max,
        sandboxes_max: config.sandbox.concurrency,
        sandboxes_per_repo_max: config.sandbox.concurrency_per_repo,
        lease_secs: config.engine.lease_secs,
        attempts_max: config.engine.attempts_max,
        limits: config.sandbox.limits,
        public_url: config.server.public_url.clone(),
        retention_secs: config.store.retention_days * 24 * 3600,
        sweep_secs: config.engine.sweep_secs,
        uncertain_ms: Options::default().uncertain_ms,
        grace_secs: config.engine.grace_secs,
        secrets: secrets.all.clone(),
        measure_secs: config.rollout.measure_secs,
        baseline_secs: config.rollout.baseline_secs,
        drain_secs: config.rollout.drain_secs,
        move_failures_max: Options::default().move_failures_max,
        drift_secs: config.rollout.drift_secs,
        remind_after_secs: config.rollout.remind_after_secs.clone(),
        agents_max: config.agents.concurrent,
        agent_tokens_max: config.agents.answer_tokens_max,
        agents_day_micro_usd: config.agents.day_micro_usd,
        agents_day_tokens: config.agents.day_tokens,
        here: None,
    }
}

/// `host/pid`, for people who look at leases.
fn worker_name() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = Some(host.trim()).filter(|host| !host.is_empty()).unwrap_or("gatewright");
    format!("{host}/{}", std::process::id())
}

/// The service's name on the container engine, made once and kept with the store: a service that starts again finds its
/// own leftovers, and never those of another.
fn instance(folder: &Path) -> Result<String, Failure> {
    let file = folder.join(INSTANCE_FILE);
    match fs::read_to_string(&file) {
        Ok(name) if Uuid::try_parse(name.trim()).is_ok() => return Ok(name.trim().to_owned()),
        // One that was cut short by a crash names nothing yet.
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(cannot_write(&file, &error)),
    }
    let name = Uuid::now_v7().to_string();
    fs::write(&file, &name).map_err(|error| cannot_write(&file, &error))?;
    Ok(name)
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::Outside(format!("{} cannot be written: {error}", path.display()))
}
