//! Brings cached folders into a sandbox before its first command, and out of it after one that ended well.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::{DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder};
use futures_util::TryStreamExt;
use gatewright_core::sandbox::{Restored, SandboxError, SandboxHandle, SandboxSpec};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::io::{ReaderStream, StreamReader};

use super::error::{lost, within};
use super::shape::WORKSPACE;
use super::{DockerSandbox, read, write};
use crate::cache::{Entry, Plan, archive};

/// Folders of that size take some seconds either way.
const COPY_MAX: Duration = Duration::from_secs(300);

/// So much is under way between a file and the engine.
const PIPE_BYTES: usize = 256 * 1024;

/// What is to be restored and saved for a sandbox. None where it has no cache.
pub(super) async fn plan(this: &DockerSandbox, spec: &SandboxSpec) -> Result<Option<Plan>, SandboxError> {
    let (Some(cache), Some(source)) = (&spec.cache, &spec.source) else { return Ok(None) };
    let digest = this.sources.digest(source, &cache.key).await?;
    Ok(Some(Plan::new(&this.caches, cache, spec.key.gate.as_str(), &spec.image, digest)))
}

/// Restores the entry that fits best. One that cannot be restored is thrown away, and the step begins without.
pub(super) async fn restore(this: &DockerSandbox, docker: &Docker, id: &str, plan: &Plan) -> Restored {
    let Some(entry) = this.caches.find(plan) else { return Restored::Nothing };
    let restored = within("restoring a cache", COPY_MAX, restore_all(docker, id, plan, &entry)).await;
    match restored {
        Ok(()) if entry.exact => Restored::Exact,
        Ok(()) => Restored::Older,
        Err(error) => {
            tracing::warn!(%error, "a cache could not be restored and is thrown away");
            this.caches.discard(&entry);
            Restored::Nothing
        }
    }
}

async fn restore_all(docker: &Docker, id: &str, plan: &Plan, entry: &Entry) -> Result<(), SandboxError> {
    let unread = |error: std::io::Error| SandboxError::Report(format!("a cache cannot be read: {error}"));
    let mut archives = Vec::new();
    // All are opened first, so that none can go while another is being restored.
    for (n, archive) in entry.archives().map_err(unread)? {
        archives.extend(plan.paths.get(n).zip(Some(File::open(archive).await.map_err(unread)?)));
    }
    for (path, archive) in archives {
        let above = Path::new(path).parent().unwrap_or(Path::new(""));
        write::folders(docker, id, above).await?;
        let into = Path::new(WORKSPACE).join(above);
        let options = UploadToContainerOptionsBuilder::default().path(&into.to_string_lossy()).build();
        let body = bollard::body_try_stream(ReaderStream::with_capacity(archive, PIPE_BYTES));
        docker.upload_to_container(id, Some(options), body).await.map_err(|error| lost(&error))?;
    }
    Ok(())
}

/// Saves the folders, unless they are there already. What cannot be saved costs the next run some time, and nothing else.
pub(super) async fn save(this: &DockerSandbox, docker: &Docker, sandbox: &SandboxHandle, plan: &Plan) {
    if !plan.is_to_be_saved() {
        return;
    }
    let saved = within("saving a cache", COPY_MAX, save_all(this, docker, sandbox, plan)).await;
    if let Err(error) = saved {
        tracing::warn!(%error, "a cache could not be saved");
    }
}

async fn save_all(this: &DockerSandbox, docker: &Docker, sandbox: &SandboxHandle, plan: &Plan) -> Result<(), SandboxError> {
    let unkept = |error: std::io::Error| SandboxError::HostDiskFull(error.to_string());
    let draft = this.caches.draft().map_err(unkept)?;
    for (n, path) in plan.paths.iter().enumerate() {
        if read::is_there(docker, sandbox, Path::new(path)).await? {
            save_one(docker, &sandbox.name, path, draft.path().join(archive(n)), this.caches.limits.folder_bytes).await?;
        }
    }
    this.caches.keep(plan, draft).map_err(unkept)
}

async fn save_one(docker: &Docker, id: &str, path: &str, to: PathBuf, bytes_max: u64) -> Result<(), SandboxError> {
    let from = Path::new(WORKSPACE).join(path);
    let options = DownloadFromContainerOptionsBuilder::default().path(&from.to_string_lossy()).build();
    let content = docker.download_from_container(id, Some(options)).map_err(std::io::Error::other);
    let mut content = StreamReader::new(Box::pin(content)).take(bytes_max.saturating_add(1));
    let unkept = |error: std::io::Error| SandboxError::HostDiskFull(error.to_string());
    let mut file = File::create(to).await.map_err(unkept)?;
    let copied = tokio::io::copy(&mut content, &mut file).await.map_err(unkept)?;
    file.flush().await.map_err(unkept)?;
    if copied > bytes_max {
        return Err(SandboxError::Report(format!("`{path}` is larger than {} MiB and is not kept", bytes_max >> 20)));
    }
    Ok(())
}
