//! `gatewright serve`: builds the parts, serves, and stops in order.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gatewright_core::store::{StoreError, StoreUpkeep};
use gatewright_engine::{Engine, Hook};
use tokio::net::TcpListener;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

mod channels;
mod git;
pub(crate) mod html;
mod http;
mod logs;
mod metrics;
pub(crate) mod models;
mod pages;
mod parts;
mod ready;
mod sites;
mod stop;
mod trend;

use crate::args::ServeArgs;
use crate::desk::Desk;
use crate::desk::socket::Control;
use crate::failure::Failure;
use crate::load;
use crate::server_file::{Origin, Override, ServerConfig, StorePlace};
use parts::Parts;

/// From the signal to the end of everything but the last second: together the 30 s that users are promised. What is not
/// done by then is taken up by the next start.
const STOP_WITHIN: Duration = Duration::from_secs(29);

/// Whether the store can still be written to is looked at so often.
const STORE_LOOKED_AT_EVERY: Duration = Duration::from_secs(1);

/// Runs the service until it is told to stop.
pub(crate) fn run(args: &ServeArgs, hook: Hook) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    let file = &args.config.config;
    let config = load::server_config(file, flags(args))?;
    let secrets = parts::Secrets::resolve(&config).map_err(|problems| load::wrong(file, &problems))?;
    logs::start(&config.log)?;
    log_start(file, &config);
    for warning in parts::Secrets::warnings(&config) {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Outside(format!("the runtime cannot start: {error}")))?;
    let served = runtime.block_on(serve(file, &config, secrets, hook, started));
    // Whatever still blocks a thread was given its time.
    runtime.shutdown_timeout(Duration::from_secs(1));
    served
}

/// What was understood of the configuration. No secret is in it, nor where one is kept.
fn log_start(file: &Path, config: &ServerConfig) {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        config = %file.display(),
        listen = %config.server.listen,
        public_url = config.server.public_url,
        store = ?config.store.place,
        retention_days = config.store.retention_days,
        github = config.forges.github.as_ref().map(|table| table.api_url.as_str()),
        app_id = config.forges.github.as_ref().map(|table| table.app_id),
        gitlab = config.forges.gitlab.as_ref().map(|table| table.url.as_str()),
        models = config.models.len(),
        sandboxes = config.sandbox.concurrency,
        memory_mib = config.sandbox.limits.memory_mib,
        cpus = config.sandbox.limits.cpus,
        wall_secs = config.sandbox.limits.wall_secs,
        "gatewright starts"
    );
}

/// What the command line puts over the file.
fn flags(args: &ServeArgs) -> Vec<Override> {
    let over = |table: &str, key: &str, flag, text| Override {
        path: vec![table.to_owned(), key.to_owned()],
        origin: Origin::Flag(flag),
        text,
    };
    let listen = args.listen.map(|address| over("server", "listen", "--listen", address.to_string()));
    let format = args.log_format.clone().map(|format| over("log", "format", "--log-format", format));
    let level = args.log_level.clone().map(|level| over("log", "level", "--log-level", level));
    [listen, format, level].into_iter().flatten().collect()
}

async fn serve(
    file: &Path,
    config: &ServerConfig,
    secrets: parts::Secrets,
    hook: Hook,
    started: Instant,
) -> Result<ExitCode, Failure> {
    let metrics = metrics::Metrics::install()?;
    let git = git::probe().await.map_err(|cause| Failure::Outside(format!("sources cannot be fetched: {cause}")))?;
    tracing::info!(version = git, "git can be run");
    let Parts { forges, deps, hooks, engine_options, scratch } = parts::build(file, config, secrets)?;
    let listener = listen(config).await?;
    let desk = Desk {
        store: deps.store.clone(),
        upkeep: deps.upkeep.clone(),
        environments: deps.environments.clone(),
        blobs: deps.blobs.clone(),
        engine: None,
    };
    let ready = ready::Readiness::new(desk.upkeep.clone(), deps.sandbox.clone(), forges, deps.models.clone());
    let engine = Engine::new(deps, engine_options, hook);
    engine.note_last_deliveries().await;
    let desk = Desk { engine: Some(engine.clone()), ..desk };
    let upkeep_of_store = desk.upkeep.clone();

    let stop = stop::on_signal()?;
    let control = control(config, desk.clone(), stop.clone())?;
    let app = http::app(http::Wiring {
        intake: engine.clone(),
        hooks,
        desk,
        ready: Arc::new(ready),
        metrics: metrics.clone(),
        stop: stop.clone(),
    });
    let address = listener.local_addr().map_err(|error| Failure::Outside(format!("the listener has no address: {error}")))?;
    let mut server = tokio::spawn(http::serve(listener, app, http::Bounds::of(&config.server), stop.clone()));
    let upkeep = tokio::spawn(metrics.upkeep_until(stop.clone()));
    let mut work = tokio::spawn({
        let stop = stop.clone();
        async move { engine.work(stop).await }
    });
    let start_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(%address, duration_ms = start_ms, "ready");

    let broken = tokio::select! {
        // First: after `stop` the others end, too.
        biased;
        () = stop.cancelled() => None,
        ended = &mut server => Some(format!("the server has ended{}", how(ended))),
        ended = &mut work => Some(format!("the engine has ended{}", how(ended))),
        error = broken_store(&*upkeep_of_store) => Some(format!("the store must be opened again: {error}")),
    };
    if let Some(cause) = &broken {
        // Deliveries would be refused, or taken and never worked on: whoever starts the service is to start it again.
        tracing::error!(cause, "gatewright cannot go on");
        stop.cancel();
    }
    let unfinished = |task: JoinHandle<()>| Some(task).filter(|task| !task.is_finished());
    finish([unfinished(server), Some(upkeep), unfinished(work), control]).await;
    if let Some(folder) = scratch {
        // What stays is in the folder for temporary files.
        let _ = std::fs::remove_dir_all(folder);
    }
    if let Some(cause) = broken {
        return Err(Failure::Outside(format!("{cause}; start the service again, and see what its log says before this")));
    }
    tracing::info!("gatewright has stopped");
    Ok(ExitCode::SUCCESS)
}

/// How a part of the service ended that should not have.
fn how(ended: Result<(), JoinError>) -> String {
    ended.err().map(|error| format!(": {error}")).unwrap_or_default()
}

/// Ends once the store can take nothing more.
async fn broken_store(store: &dyn StoreUpkeep) -> StoreError {
    loop {
        if let Some(error) = store.broken() {
            return error;
        }
        tokio::time::sleep(STORE_LOOKED_AT_EVERY).await;
    }
}

async fn listen(config: &ServerConfig) -> Result<TcpListener, Failure> {
    let address = config.server.listen;
    TcpListener::bind(address).await.map_err(|error| Failure::Outside(format!("cannot listen on {address}: {error}")))
}

/// The socket for the command line. A store in memory has no folder, and so none.
fn control(config: &ServerConfig, desk: Desk, stop: CancellationToken) -> Result<Option<JoinHandle<()>>, Failure> {
    let StorePlace::Folder(folder) = &config.store.place else { return Ok(None) };
    match Control::bind(folder) {
        Ok(control) => Ok(Some(tokio::spawn(control.serve(desk, stop)))),
        Err(error) => {
            // The system allows 107 bytes for a socket's path. Deliveries matter more than looking at them.
            tracing::warn!(%error, folder = %folder.display(), "there is no control socket: `gatewright runs` and the like work only while the service does not run");
            Ok(None)
        }
    }
}

async fn finish(tasks: [Option<JoinHandle<()>>; 4]) {
    let all = async {
        for task in tasks.into_iter().flatten() {
            if let Err(error) = task.await {
                tracing::error!(%error, "a part of the service ended in a panic");
            }
        }
    };
    if tokio::time::timeout(STOP_WITHIN, all).await.is_err() {
        tracing::warn!("not everything ended in time; the next start takes it up");
    }
}
