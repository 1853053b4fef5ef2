//! A sandbox in which commands end as a test tells them to, and a place for what a step stores. For tests alone.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use gatewright_core::config::{Checkout, GateConfig, parse};
use gatewright_core::forge::CloneCredential;
use gatewright_core::sandbox::{
    Command, ExecEnd, ExecResult, Folder, OutputSink, Restored, Sandbox, SandboxError, SandboxHandle, SandboxKey, SandboxSpec,
    Source,
};
use gatewright_core::store::{Blobs, StoreError};
use gatewright_core::survey::SurveyWanted;
use gatewright_core::verdict::{ReportFile, Survey};
use gatewright_core::{BlobId, CommitId, ForgeKind, RepoRef, RunId};

use super::{CacheScopes, Known, StepInput};

/// How the n-th command ends, from 0.
type Ends = Box<dyn Fn(usize) -> ExecEnd + Send + Sync>;

/// What is in each report after the n-th command, which ran in this folder. None: there is none.
type Writes = Box<dyn Fn(usize, Folder) -> Option<&'static str> + Send + Sync>;

/// It writes down what it was asked for, and stores what it is given.
pub(super) struct Fake {
    pub(super) ends: Ends,
    pub(super) writes: Writes,
    asked: Mutex<Vec<String>>,
    stored: Mutex<Vec<Bytes>>,
}

impl Fake {
    pub(super) fn new(
        ends: impl Fn(usize) -> ExecEnd + Send + Sync + 'static,
        writes: impl Fn(usize, Folder) -> Option<&'static str> + Send + Sync + 'static,
    ) -> Fake {
        Fake { ends: Box::new(ends), writes: Box::new(writes), asked: Mutex::default(), stored: Mutex::default() }
    }

    /// What it was asked for, a line each: sandboxes that were opened, and commands with the folder that they ran in.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was stored.
    pub(super) fn stored(&self) -> Vec<Bytes> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, words: String) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(words);
    }

    /// How many commands have begun.
    fn commands(&self) -> usize {
        self.asked().iter().filter(|words| !words.starts_with("open ")).count()
    }
}

#[async_trait]
impl Sandbox for Fake {
    async fn open(&self, spec: &SandboxSpec) -> Result<SandboxHandle, SandboxError> {
        let commit = |source: &Option<Source>| source.as_ref().map(|source| source.commit.as_str()[..1].to_owned());
        self.note(format!("open {:?} {:?}", commit(&spec.source), commit(&spec.base)));
        let (key, name) = (spec.key.clone(), "fake".to_owned());
        Ok(SandboxHandle { key, name, restored: Restored::Nothing, folder: Folder::Workspace })
    }

    async fn exec(
        &self,
        sandbox: &SandboxHandle,
        command: &Command,
        output: &dyn OutputSink,
    ) -> Result<ExecResult, SandboxError> {
        let nth = self.commands();
        self.note(format!("{:?}: {}", sandbox.folder, command.script));
        output.write(format!("output {}\n", nth + 1).as_bytes());
        Ok(ExecResult { end: (self.ends)(nth), disk_full: false })
    }

    async fn read(&self, sandbox: &SandboxHandle, glob: &str, _: usize, _: u64) -> Result<Vec<ReportFile>, SandboxError> {
        let text = (self.writes)(self.commands() - 1, sandbox.folder);
        Ok(text.map(|text| ReportFile::new(glob, text)).into_iter().collect())
    }

    async fn survey(&self, _: &Source, _: Option<&CommitId>, _: &SurveyWanted) -> Result<Survey, SandboxError> {
        Ok(Survey::default())
    }

    async fn write(&self, _: &SandboxHandle, _: &str, _: Bytes) -> Result<(), SandboxError> {
        Ok(())
    }

    async fn close(&self, _: &SandboxKey) -> Result<(), SandboxError> {
        Ok(())
    }

    async fn leftovers(&self) -> Result<Vec<SandboxKey>, SandboxError> {
        Ok(Vec::new())
    }

    async fn probe(&self) -> Result<String, SandboxError> {
        Ok("fake".to_owned())
    }
}

#[async_trait]
impl Blobs for Fake {
    async fn put(&self, bytes: Bytes) -> Result<BlobId, StoreError> {
        let id = BlobId::of(&bytes);
        self.stored.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
        Ok(id)
    }

    async fn get(&self, _: &BlobId) -> Result<Option<Bytes>, StoreError> {
        Ok(None)
    }
}

/// The gate `t` with these keys.
pub(super) fn gate(keys: &str) -> GateConfig {
    let file = parse(&format!("image: a\ngates: {{ t: {{ {keys} }} }}\n")).unwrap_or_else(|problems| panic!("{problems:?}"));
    file.gates.into_iter().next().expect("it has a gate")
}

pub(super) fn commit(letter: &str) -> CommitId {
    letter.repeat(40).parse().expect("40 digits")
}

/// A step of a gate at the commit `b`.
pub(super) fn input(gate: &GateConfig, since: Option<CommitId>) -> StepInput<'_> {
    let credential = CloneCredential { url: "https://forge.example/octo/app".to_owned(), login: None, one_repository: true };
    let repo = RepoRef { forge: ForgeKind::Github, id: 1, path: "octo/app".to_owned(), installation: None };
    StepInput {
        key: SandboxKey { run: RunId::new(), gate: gate.name.clone() },
        gate,
        source: Source {
            repo,
            commit: commit("b"),
            credential,
            checkout: Checkout::default(),
            overlay: std::sync::Arc::default(),
        },
        since,
        scopes: CacheScopes::default(),
        past: Known::default(),
        pull: None,
    }
}
