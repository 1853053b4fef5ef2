//! Makes the parts that the service consists of from its configuration.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatewright_core::ForgeKind;
use gatewright_core::forge::Forge;
use gatewright_core::secret::SecretString;
use gatewright_engine::{Deps, Options};
use gatewright_forge_github::{GitHub, GitHubConfig, Limits};
use gatewright_sandbox::{DockerConfig, DockerSandbox, PullPolicy};
use gatewright_store::EmbeddedStore;
use gatewright_webhook::WebhookSecrets;
use gatewright_webhook::github::GithubHook;
use uuid::Uuid;

use crate::failure::Failure;
use crate::load;
use crate::secrets;
use crate::server_file::{Problem, Pull, ServerConfig, StorePlace};

/// Where the service's own name among others on one container engine is kept, in the store's folder.
const INSTANCE_FILE: &str = "instance";

/// The secrets of a configuration, read and found good enough.
pub(super) struct Secrets {
    private_key: SecretString,
    webhook: Vec<SecretString>,
    checked: WebhookSecrets,
}

impl Secrets {
    /// Reads all of them, and names every one that is missing or not good enough.
    pub(super) fn resolve(config: &ServerConfig) -> Result<Secrets, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut read = |secret| secrets::resolve(secret).map_err(|problem| problems.push(problem)).ok();
        let private_key = read(&config.github.private_key);
        let webhook: Vec<Option<SecretString>> = config.github.webhook_secrets.iter().map(&mut read).collect();
        let (Some(private_key), Some(webhook)) = (private_key, webhook.into_iter().collect::<Option<Vec<_>>>()) else {
            return Err(problems);
        };
        match WebhookSecrets::new(webhook.iter().cloned()) {
            Ok(checked) => Ok(Secrets { private_key, webhook, checked }),
            Err(error) => {
                let origin = config.github.webhook_secrets.first().map_or(&config.github.origin, |secret| &secret.origin);
                Err(vec![origin.problem(error.to_string())])
            }
        }
    }

    /// What the operator should mend, though it works.
    pub(super) fn warnings(&self, config: &ServerConfig) -> Vec<String> {
        let all = std::iter::once(&config.github.private_key).chain(&config.github.webhook_secrets);
        all.filter_map(secrets::exposure).collect()
    }
}

/// The service's parts.
pub(super) struct Parts {
    pub(super) github: Arc<GitHub>,
    pub(super) deps: Deps,
    pub(super) hook_config: GithubHook,
    pub(super) engine_options: Options,
    /// A folder that is to go with the process: that of a store in memory.
    pub(super) scratch: Option<PathBuf>,
}

/// Makes the parts. Opens the store; asks nobody outside of this machine.
pub(super) fn build(file: &Path, config: &ServerConfig, secrets: Secrets) -> Result<Parts, Failure> {
    let (store, folder) = open_store(config)?;
    let github = Arc::new(github(file, config, &secrets)?);
    let sandbox = DockerSandbox::new(DockerConfig {
        engine: config.sandbox.engine.clone(),
        pull: match config.sandbox.pull {
            Pull::Missing => PullPolicy::Missing,
            Pull::Never => PullPolicy::Never,
        },
        ..DockerConfig::new(instance(&folder)?, folder.join("mirrors"))
    });
    let forges = BTreeMap::from([(ForgeKind::Github, Arc::clone(&github) as Arc<dyn Forge>)]);
    let engine_options = engine_options(config, &secrets);
    Ok(Parts {
        github,
        deps: Deps { store: store.clone(), upkeep: store.clone(), blobs: store, forges, sandbox: Arc::new(sandbox) },
        hook_config: GithubHook { secrets: secrets.checked, app_id: config.github.app_id },
        engine_options,
        scratch: (config.store.place == StorePlace::Memory).then_some(folder),
    })
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

fn github(file: &Path, config: &ServerConfig, secrets: &Secrets) -> Result<GitHub, Failure> {
    let table = &config.github;
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
        grace_secs: config.engine.grace_secs,
        secrets: std::iter::once(&secrets.private_key).chain(&secrets.webhook).cloned().collect(),
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
