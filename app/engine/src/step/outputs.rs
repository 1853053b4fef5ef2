//! The files that a step was asked to keep: read out of its sandbox and stored, whatever came of it.

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use gatewright_core::BlobId;
use gatewright_core::sandbox::{SandboxError, SandboxHandle};
use gatewright_core::verdict::{Output, ReportContent, ReportFile};

use super::{Failure, StepRunner};

/// So many of a gate's files are kept, each of so many bytes at most.
const FILES_MAX: usize = 100;
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A gate's files may have so many bytes together.
const BYTES_MAX: u64 = 256 * 1024 * 1024;

/// What was kept of a step's files.
#[derive(Default)]
pub(super) struct Outputs {
    pub(super) kept: Vec<Output>,
    /// Why others were not kept, in words for the user.
    pub(super) problems: Vec<String>,
}

/// Keeps what matches.
pub(super) async fn keep(runner: &StepRunner<'_>, handle: &SandboxHandle, globs: &[String]) -> Result<Outputs, Failure> {
    let mut outputs = Outputs::default();
    let mut bytes_left = BYTES_MAX;
    for glob in globs {
        let files_left = FILES_MAX.saturating_sub(outputs.kept.len());
        match runner.sandbox.read(handle, glob, files_left, bytes_left).await {
            Ok(files) => {
                for file in files {
                    bytes_left = bytes_left.saturating_sub(file.content.bytes());
                    keep_one(runner, &mut outputs, file).await;
                }
            }
            Err(SandboxError::Report(cause)) => outputs.problems.push(cause),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(outputs)
}

async fn keep_one(runner: &StepRunner<'_>, outputs: &mut Outputs, file: ReportFile) {
    let bytes = file.content.bytes();
    if outputs.kept.iter().any(|kept| kept.path == file.path) {
        return;
    }
    if bytes > FILE_BYTES_MAX {
        let (path, mib) = (&file.path, FILE_BYTES_MAX >> 20);
        outputs.problems.push(format!("{path} has {bytes} bytes; of a file up to {mib} MiB are kept"));
        return;
    }
    match put(runner, file.content).await {
        Ok(blob) => outputs.kept.push(Output { path: file.path, blob, bytes }),
        Err(cause) => outputs.problems.push(format!("{} could not be stored: {cause}", file.path)),
    }
}

async fn put(runner: &StepRunner<'_>, content: Arc<dyn ReportContent>) -> Result<BlobId, String> {
    let read = move || {
        let mut bytes = Vec::new();
        content.open()?.read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(Bytes::from(bytes))
    };
    let bytes = tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())?;
    runner.blobs.put(bytes.map_err(|error| error.to_string())?).await.map_err(|error| error.to_string())
}
