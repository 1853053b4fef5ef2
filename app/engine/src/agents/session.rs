//! The sandboxes that agents are at work in: one a stage, kept open from turn to turn, and opened anew with the last tree where it is
//! gone.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use gatewright_core::config::Checkout;
use gatewright_core::forge::ForgeError;
use gatewright_core::run::{AgentPrepared, Run, StageRun, StageState};
use gatewright_core::sandbox::{Network, SandboxError, SandboxHandle, SandboxKey, SandboxSpec, Source};
use gatewright_core::tree::{FileChange, FileNow, Tree};
use gatewright_core::{CommitId, GateName, RunId};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::Engine;

/// Where a stage's sandbox is, if it is open. One hand at a time.
type Place = Arc<Mutex<Option<Session>>>;

/// The sandboxes of agents that this process has open.
pub(crate) struct Sessions {
    open: std::sync::Mutex<HashMap<(RunId, u16), Place>>,
    room: Arc<Semaphore>,
}

/// An agent's sandbox.
pub(crate) struct Session {
    pub(crate) handle: SandboxHandle,
    /// The source that it was opened with, without what was laid over it.
    pub(crate) source: Source,
    /// Held as long as the agent is at work.
    _room: OwnedSemaphorePermit,
}

/// Why there is no sandbox.
pub(crate) enum NoSession {
    /// Trying again may help.
    Later(String),
    /// It would not: why, for people.
    Never(String),
}

impl From<SandboxError> for NoSession {
    fn from(error: SandboxError) -> NoSession {
        let failure = crate::step::Failure::from(error);
        if failure.may_pass { NoSession::Later(failure.cause) } else { NoSession::Never(failure.cause) }
    }
}

impl Sessions {
    /// Room for so many agents at once.
    pub(crate) fn new(agents_max: usize) -> Sessions {
        Sessions { open: std::sync::Mutex::default(), room: Arc::new(Semaphore::new(agents_max.max(1))) }
    }

    /// The place of a stage's sandbox. One hand at a time.
    pub(super) fn of(&self, run: RunId, stage: u16) -> Place {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(open.entry((run, stage)).or_default())
    }

    /// Knows nothing of a run any more, whatever becomes of its sandboxes.
    pub(crate) fn forget(&self, run: RunId) {
        self.take(run, |_| true);
    }

    fn take(&self, run: RunId, wanted: impl Fn(u16) -> bool) -> Vec<(u16, Place)> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.extract_if(|(of, n), _| *of == run && wanted(*n)).map(|((_, n), place)| (n, place)).collect()
    }
}

/// Opens the sandbox of a stage, if it is not open. False where it was stopped before it began. A start that was begun is never cut
/// short: the sandbox would go on to be started, and nobody would be there to remove it.
pub(super) async fn open(
    engine: &Engine,
    run: &Run,
    prepared: &AgentPrepared,
    (n, stage): (u16, &StageRun),
    place: &mut Option<Session>,
    stop: &CancellationToken,
) -> Result<bool, NoSession> {
    if place.is_some() {
        return Ok(true);
    }
    close_what_is_over(engine, run).await;
    let Some(room) = stop.run_until_cancelled(Arc::clone(&engine.sessions.room).acquire_owned()).await else { return Ok(false) };
    let room = room.map_err(|error| NoSession::Later(error.to_string()))?;
    let source = source(engine, run, prepared, &stage.tree).await?;
    let spec = SandboxSpec {
        key: key(run.id, n),
        image: prepared.pipeline.image.clone(),
        env: Default::default(),
        limits: engine.options.limits,
        network: if prepared.pipeline.network { Network::Open } else { Network::None },
        source: Some(source.clone()),
        base: None,
        cache: None,
        watched: stage.may_change(),
    };
    let handle = engine.deps.sandbox.open(&spec).await?;
    *place = Some(Session { handle, source, _room: room });
    Ok(true)
}

/// Removes the sandboxes of stages that have ended, however they have: what they hold is not waited for by the stages after them.
async fn close_what_is_over(engine: &Engine, run: &Run) {
    let Some(of) = run.agent() else { return };
    let works = |stage: u16| of.stage(stage).is_some_and(|stage| stage.state == StageState::Working);
    close_all(engine, run.id, engine.sessions.take(run.id, |stage| !works(stage))).await;
}

/// Removes the sandboxes of a run, or of one of its stages.
pub(crate) async fn close(engine: &Engine, run: RunId, stage: Option<u16>) {
    close_all(engine, run, engine.sessions.take(run, |n| stage.is_none_or(|stage| n == stage))).await;
}

async fn close_all(engine: &Engine, run: RunId, places: Vec<(u16, Place)>) {
    for (n, place) in places {
        let had = place.lock().await.take();
        if had.is_some()
            && let Err(error) = engine.deps.sandbox.close(&key(run, n)).await
        {
            tracing::warn!(run.id = %run, stage = n, %error, "an agent's sandbox could not be removed");
        }
    }
}

/// Names a stage's sandbox.
pub(super) fn key(run: RunId, stage: u16) -> SandboxKey {
    SandboxKey { run, gate: name(&format!("agent.{stage}")) }
}

/// A name for a sandbox that is no gate's.
pub(super) fn name(of: &str) -> GateName {
    of.parse().expect("letters, digits and dots")
}

/// What a stage works on: the pinned commit with this tree over it.
pub(super) async fn source(engine: &Engine, run: &Run, prepared: &AgentPrepared, tree: &Tree) -> Result<Source, NoSession> {
    source_of(engine, run, &prepared.commit, &laid(engine, tree).await?).await
}

/// A commit with changes over it.
pub(super) async fn source_of(
    engine: &Engine,
    run: &Run,
    commit: &CommitId,
    changes: &[FileChange],
) -> Result<Source, NoSession> {
    let forge = engine.forge(run.repo.forge).ok_or_else(|| NoSession::Never(format!("{} is not configured", run.repo.forge)))?;
    let credential = forge.credential(&run.repo).await.map_err(|error| {
        let cause = format!("no access to the source: {error}");
        match error {
            ForgeError::Unavailable { .. } | ForgeError::RateLimited { .. } | ForgeError::LockedOut { .. } => {
                NoSession::Later(cause)
            }
            ForgeError::Missing { .. } | ForgeError::Refused { .. } => NoSession::Never(cause),
        }
    })?;
    let (repo, commit) = (run.repo.clone(), commit.clone());
    Ok(Source { repo, commit, credential, checkout: Checkout::default(), overlay: changes.into() })
}

/// The files of a tree, with what is in them.
pub(super) async fn laid(engine: &Engine, tree: &Tree) -> Result<Vec<FileChange>, NoSession> {
    let mut changes = Vec::with_capacity(tree.files.len());
    for (path, now) in &tree.files {
        let now = match now {
            FileNow::Gone => None,
            FileNow::There { mode, content, .. } => {
                let bytes = engine.deps.blobs.get(content).await.map_err(|error| NoSession::Later(error.to_string()))?;
                let bytes = bytes.ok_or_else(|| NoSession::Never(format!("what was written to {path} has been pruned")))?;
                Some((*mode, bytes))
            }
        };
        changes.push(FileChange { path: path.clone(), now });
    }
    Ok(changes)
}

/// Keeps what is in files, and names it.
pub(super) async fn kept(engine: &Engine, changes: Vec<FileChange>) -> Result<Tree, NoSession> {
    let mut tree = Tree::default();
    for FileChange { path, now } in changes {
        let now = match now {
            None => FileNow::Gone,
            Some((mode, bytes)) => {
                let length = bytes.len() as u64;
                let content = engine.deps.blobs.put(bytes).await.map_err(|error| NoSession::Later(error.to_string()))?;
                FileNow::There { mode, content, bytes: length }
            }
        };
        tree.files.insert(path, now);
    }
    Ok(tree)
}
