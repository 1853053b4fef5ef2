//! The workspaces that somebody works in: what is known of each, from its opening on.

use std::sync::{Arc, PoisonError};

use gatewright_core::sandbox::{
    Captured, ChangesError, Command, Ends, ExecEnd, ExecResult, Folder, OutputSink, SandboxError, SandboxHandle, Source, Workshop,
};
use gatewright_core::tree::FileChange;
use tokio::sync::Mutex;

use super::look::{Scouting, Told, Workspace};
use super::{DockerSandbox, exec};
use crate::changes::{Look, Watch, told};

/// A workspace that somebody works in.
#[derive(Default)]
pub(super) struct Watched {
    scouting: Mutex<Scouting>,
    watch: Mutex<Option<Watch>>,
}

/// Takes note of a workspace in which nothing has run yet.
pub(super) async fn begin(this: &DockerSandbox, sandbox: &SandboxHandle, source: &Source) -> Result<(), SandboxError> {
    let watched = watched(this, sandbox);
    let mut watch = Watch::new(source.commit.clone(), this.sources.base(source).await?);
    let docker = this.docker().await?;
    let listing = Workspace { docker, sandbox, scouting: &watched.scouting }.list(&[]).await;
    let listing = listing.map_err(|error| match error {
        ChangesError::Failed(error) => error,
        ChangesError::Refused(refused) => SandboxError::SourceUnusable(refused.to_string()),
    })?;
    watch.note(listing, &source.overlay);
    *watched.watch.lock().await = Some(watch);
    Ok(())
}

/// How a workspace differs from the commit of its source.
pub(super) async fn changes(
    this: &DockerSandbox,
    sandbox: &SandboxHandle,
    source: &Source,
    leave: &[String],
) -> Result<Vec<FileChange>, ChangesError> {
    let docker = this.docker().await?;
    let watched = watched(this, sandbox);
    let look = Workspace { docker, sandbox, scouting: &watched.scouting };
    // One at a time: the other would find out the same.
    let mut slot = watched.watch.lock().await;
    let mut watch = match slot.take().filter(|watch| watch.is_of(&source.commit)) {
        Some(watch) => watch,
        None => Watch::new(source.commit.clone(), this.sources.base(source).await?),
    };
    let changes = told(&mut watch, &look, &this.sources, source, leave).await;
    *slot = Some(watch);
    changes
}

/// Runs a script that only looks: by the scout, or where that cannot be, as any command.
pub(super) async fn look(
    this: &DockerSandbox,
    sandbox: &SandboxHandle,
    look: &Command,
    bytes_max: usize,
) -> Result<Captured, SandboxError> {
    if sandbox.folder != Folder::Workspace {
        return this.capture(sandbox, look, bytes_max).await;
    }
    let docker = this.docker().await?;
    let watched = watched(this, sandbox);
    let ends = Ends::new(bytes_max);
    let told = Workspace { docker, sandbox, scouting: &watched.scouting }.tell(look, |bytes| ends.write(bytes)).await;
    match told {
        Ok(Some(Told::Ended(code))) => Ok(ends.captured(ExecResult { end: ExecEnd::Exited(code), disk_full: false })),
        Ok(Some(Told::TooSlow)) => {
            let killed = exec::killed(this, docker, &sandbox.name, ExecEnd::TimedOut).await?;
            Ok(ends.captured(killed))
        }
        // Something in the sandbox killed the scout, or there is none: how a command fares tells what is the matter.
        Ok(None) | Err(_) => this.capture(sandbox, look, bytes_max).await,
    }
}

/// Looks up what is known of a sandbox. It goes when the sandbox is closed.
fn watched(this: &DockerSandbox, sandbox: &SandboxHandle) -> Arc<Watched> {
    let mut all = this.watched.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(all.entry(sandbox.name.clone()).or_default())
}
