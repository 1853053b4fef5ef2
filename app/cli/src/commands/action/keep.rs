//! A sandbox that keeps what is read out of it: the reports that gates left, for the files that the job leaves.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use gatewright_core::sandbox::{
    Command, ExecResult, OutputSink, Sandbox, SandboxError, SandboxHandle, SandboxKey, SandboxSpec, Source,
};
use gatewright_core::survey::{Survey, SurveyWanted};
use gatewright_core::verdict::ReportFile;
use gatewright_core::{CommitId, GateName};

/// A report, and the gate and the glob that it was read for. Its content is read from where it is kept, not held here.
pub(super) struct Kept {
    pub(super) gate: GateName,
    pub(super) glob: String,
    pub(super) file: ReportFile,
}

/// Passes everything on.
pub(super) struct Keeping {
    inner: Arc<dyn Sandbox>,
    kept: Mutex<Vec<Kept>>,
}

impl Keeping {
    pub(super) fn new(inner: Arc<dyn Sandbox>) -> Arc<Keeping> {
        Arc::new(Keeping { inner, kept: Mutex::default() })
    }

    /// What was read, in that order. Of a command that was tried again what its last try left comes last.
    pub(super) fn take(&self) -> Vec<Kept> {
        std::mem::take(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Sandbox for Keeping {
    async fn open(&self, spec: &SandboxSpec) -> Result<SandboxHandle, SandboxError> {
        self.inner.open(spec).await
    }

    async fn exec(
        &self,
        sandbox: &SandboxHandle,
        command: &Command,
        output: &dyn OutputSink,
    ) -> Result<ExecResult, SandboxError> {
        self.inner.exec(sandbox, command, output).await
    }

    async fn read(
        &self,
        sandbox: &SandboxHandle,
        glob: &str,
        files_max: usize,
        bytes_max: u64,
    ) -> Result<Vec<ReportFile>, SandboxError> {
        let files = self.inner.read(sandbox, glob, files_max, bytes_max).await?;
        let gate = &sandbox.key.gate;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for file in &files {
            // A later try's report takes the place of the one before.
            kept.retain(|known| known.gate != *gate || known.glob != glob || known.file.path != file.path);
            kept.push(Kept { gate: gate.clone(), glob: glob.to_owned(), file: file.clone() });
        }
        Ok(files)
    }

    async fn survey(&self, source: &Source, since: Option<&CommitId>, wanted: &SurveyWanted) -> Result<Survey, SandboxError> {
        self.inner.survey(source, since, wanted).await
    }

    async fn write(&self, sandbox: &SandboxHandle, path: &str, content: Bytes) -> Result<(), SandboxError> {
        self.inner.write(sandbox, path, content).await
    }

    async fn close(&self, key: &SandboxKey) -> Result<(), SandboxError> {
        self.inner.close(key).await
    }

    async fn leftovers(&self) -> Result<Vec<SandboxKey>, SandboxError> {
        self.inner.leftovers().await
    }

    async fn probe(&self) -> Result<String, SandboxError> {
        self.inner.probe().await
    }
}
