//! Opens a sandbox: removes what is left of its key, starts its container, and fills its workspace.

use std::sync::PoisonError;
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::{CreateContainerOptions, StartContainerOptions, UploadToContainerOptionsBuilder};
use gatewright_core::sandbox::{Folder, Restored, SandboxError, SandboxHandle, SandboxSpec, Source};
use tokio_util::io::ReaderStream;
use tokio_util::sync::CancellationToken;

use super::error::{lost, status, unavailable, within, words};
use super::shape::{self, Surroundings, container};
use super::{DockerSandbox, cache, cleanup, egress, exec, image, lay, watch};
use crate::source::FillError;

/// A start takes a fifth of a second; many at once on a small machine, a few seconds.
const START_MAX: Duration = Duration::from_secs(60);

/// Filling a workspace of the default size takes some seconds.
const FILL_MAX: Duration = Duration::from_secs(300);

/// So much of the source is under way between git and the engine.
const PIPE_BYTES: usize = 256 * 1024;

pub(super) async fn open(this: &DockerSandbox, spec: &SandboxSpec) -> Result<SandboxHandle, SandboxError> {
    // Of two sources the state of both transfers is large.
    let opened = Box::pin(start_and_fill(this, spec)).await;
    if opened.is_err() {
        egress::close(this, &spec.key);
        // What did start is of no use. That it cannot be removed now is no news to the caller: it is a leftover.
        let removed = cleanup::close(this.docker().await?, &this.config.instance, &spec.key).await;
        if let Err(error) = removed {
            tracing::warn!(run.id = %spec.key.run, gate = spec.key.gate.as_str(), %error, "a failed sandbox is left");
        }
    }
    opened
}

async fn start_and_fill(this: &DockerSandbox, spec: &SandboxSpec) -> Result<SandboxHandle, SandboxError> {
    let docker = this.docker().await?;
    // The start is never cut short, since the engine would go on with it unseen. The fetch is, once there is no use for it.
    let useless = CancellationToken::new();
    let start = async { start(this, spec).await.inspect_err(|_| useless.cancel()) };
    let fetch = async {
        for (_, source) in sources(spec) {
            useless.run_until_cancelled(this.sources.ensure(source, spec.limits.disk_mib)).await.unwrap_or(Ok(()))?;
        }
        Ok::<(), SandboxError>(())
    };
    let (started, fetched) = tokio::join!(start, fetch);
    let id = started?;
    fetched?;
    for (folder, source) in sources(spec) {
        fill(this, docker, &id, folder, source, spec.limits.disk_mib).await?;
    }
    let mut restored = Restored::Nothing;
    if let Some(plan) = cache::plan(this, spec).await? {
        restored = cache::restore(this, docker, &id, &plan).await;
        // What was made of the same files needs no second copy in another scope.
        if restored != Restored::Exact {
            this.to_save.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), plan);
        }
    }
    let sandbox = SandboxHandle { key: spec.key.clone(), name: id, restored, folder: Folder::Workspace };
    for (folder, source) in sources(spec).filter(|(_, source)| !source.overlay.is_empty()) {
        // After what came out of a cache, so that what was built from older files is older than these.
        lay::lay(docker, &sandbox.within(folder), &source.overlay)
            .await
            .map_err(|error| not_laid(error, spec.limits.disk_mib))?;
    }
    if let Some(source) = spec.source.as_ref().filter(|_| spec.watched) {
        watch::begin(this, &sandbox, source).await?;
    }
    Ok(sandbox)
}

/// What lies over the source is the source's, whatever is wrong with it.
fn not_laid(error: SandboxError, disk_mib: u64) -> SandboxError {
    match error {
        SandboxError::Report(words) if words.contains("not fit") => too_large(disk_mib),
        SandboxError::Report(words) => SandboxError::SourceUnusable(words),
        other => other,
    }
}

/// What goes into which folder.
fn sources(spec: &SandboxSpec) -> impl Iterator<Item = (Folder, &Source)> {
    let folders = [(Folder::Workspace, &spec.source), (Folder::Base, &spec.base)];
    folders.into_iter().filter_map(|(folder, source)| Some((folder, source.as_ref()?)))
}

async fn start(this: &DockerSandbox, spec: &SandboxSpec) -> Result<String, SandboxError> {
    let engine = this.engine().await?;
    this.starts.over(&spec.key).await;
    let removed = cleanup::close(&engine.docker, &this.config.instance, &spec.key);
    let image = image::ensure(&engine.docker, &spec.image, this.config.pull);
    let (removed, image_volumes) = tokio::join!(removed, image);
    removed?;
    egress::close(this, &spec.key);
    let image_volumes = image_volumes?;
    let way_out = egress::open(this, &engine.docker, spec).await?;
    let around = Surroundings {
        instance: &this.config.instance,
        env: &this.config.env,
        cpus: engine.cpus,
        image_volumes: &image_volumes,
        way_out: way_out.as_ref(),
    };
    let body = container(spec, &around);
    let docker = engine.docker.clone();
    let started = async move {
        let created = docker.create_container(None::<CreateContainerOptions>, body).await;
        let id = created.map_err(|e| not_started(&e))?.id;
        docker.start_container(&id, None::<StartContainerOptions>).await.map_err(|e| not_started(&e))?;
        Ok(id)
    };
    this.starts.whole(&spec.key, within("starting the sandbox", START_MAX, started)).await
}

fn not_started(error: &bollard::errors::Error) -> SandboxError {
    let words = words(error);
    match status(error) {
        // 400: no `sh` in the image, another processor's binaries, a limit that the engine does not take.
        Some(400 | 404) => SandboxError::NotStartable(words),
        Some(_) if words.contains("OCI runtime create failed") => SandboxError::NotStartable(words),
        Some(_) | None => unavailable(error),
    }
}

/// Streams a source into its folder. A mirror that turns out to be broken is made anew, once.
async fn fill(
    this: &DockerSandbox,
    docker: &Docker,
    id: &str,
    folder: Folder,
    source: &Source,
    disk_mib: u64,
) -> Result<(), SandboxError> {
    let filled = async {
        match fill_once(this, docker, id, folder, source, disk_mib).await {
            Err(FillError::Broken(cause)) => {
                tracing::warn!(repo = %source.repo, cause, "the mirror is broken and is made anew");
                this.sources.remake(source).await?;
                fill_once(this, docker, id, folder, source, disk_mib).await.map_err(SandboxError::from)
            }
            other => other.map_err(SandboxError::from),
        }
    };
    within("filling the workspace", FILL_MAX, filled).await
}

async fn fill_once(
    this: &DockerSandbox,
    docker: &Docker,
    id: &str,
    folder: Folder,
    source: &Source,
    disk_mib: u64,
) -> Result<(), FillError> {
    let (mut into_pipe, out_of_pipe) = tokio::io::duplex(PIPE_BYTES);
    let body = bollard::body_try_stream(ReaderStream::with_capacity(out_of_pipe, PIPE_BYTES));
    let options = UploadToContainerOptionsBuilder::default().path(shape::path(folder)).build();
    let upload = docker.upload_to_container(id, Some(options), body);
    let archive = async {
        let archived = this.sources.archive(source, disk_mib, &mut into_pipe).await;
        // The end of what the engine reads.
        drop(into_pipe);
        archived
    };
    let (uploaded, archived) = tokio::join!(upload, archive);
    match (uploaded, archived) {
        (Ok(()), archived) => archived,
        // Without room the engine ends the transfer, so both fail.
        (Err(e), _) if words(&e).contains("no space left on device") => {
            Err(exec::without_room(docker, id, words(&e), too_large(disk_mib)).await.into())
        }
        // A link that leads out of the workspace by way of a name too long for a plain header.
        (Err(e), _) if words(&e).contains("invalid symlink") => Err(SandboxError::SourceUnusable(words(&e)).into()),
        (Err(e), Ok(()) | Err(FillError::Unread)) => Err(lost(&e).into()),
        (Err(_), Err(of_git)) => Err(of_git),
    }
}

fn too_large(disk_mib: u64) -> SandboxError {
    SandboxError::SourceUnusable(format!("it does not fit into the workspace of {disk_mib} MiB"))
}
