//! A sandbox whose commands can be watched.

use async_trait::async_trait;
use bytes::Bytes;
use gatewright_core::sandbox::{
    Command, ExecResult, OutputSink, Sandbox, SandboxError, SandboxHandle, SandboxKey, SandboxSpec, Source,
};
use gatewright_core::survey::{Survey, SurveyWanted};
use gatewright_core::verdict::ReportFile;
use gatewright_core::{CommitId, GateName};

use super::Observer;

/// Passes everything on, and to the observer too what commands write and which files of theirs are read.
pub(super) struct Watched<'a> {
    pub(super) inner: &'a dyn Sandbox,
    pub(super) observer: &'a dyn Observer,
}

/// The output of one gate's command.
struct Tee<'a> {
    gate: &'a GateName,
    output: &'a dyn OutputSink,
    observer: &'a dyn Observer,
}

impl OutputSink for Tee<'_> {
    fn write(&self, bytes: &[u8]) {
        self.output.write(bytes);
        self.observer.output(self.gate, bytes);
    }
}

#[async_trait]
impl Sandbox for Watched<'_> {
    async fn open(&self, spec: &SandboxSpec) -> Result<SandboxHandle, SandboxError> {
        self.inner.open(spec).await
    }

    async fn exec(
        &self,
        sandbox: &SandboxHandle,
        command: &Command,
        output: &dyn OutputSink,
    ) -> Result<ExecResult, SandboxError> {
        let tee = Tee { gate: &sandbox.key.gate, output, observer: self.observer };
        self.inner.exec(sandbox, command, &tee).await
    }

    fn workspace(&self, sandbox: &SandboxHandle) -> String {
        self.inner.workspace(sandbox)
    }

    async fn read(
        &self,
        sandbox: &SandboxHandle,
        glob: &str,
        files_max: usize,
        bytes_max: u64,
    ) -> Result<Vec<ReportFile>, SandboxError> {
        let files = self.inner.read(sandbox, glob, files_max, bytes_max).await?;
        self.observer.read(&sandbox.key.gate, glob, &files);
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
