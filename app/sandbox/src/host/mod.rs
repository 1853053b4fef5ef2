//! The host adapter: commands run on the machine itself, in a folder. Only where the machine itself is the sandbox (the
//! runner of a CI job) or where its owner asks for it: a command may do whatever the user may that runs Gatewright.
//!
//! It gives what can be given without a container: an environment of its own, a time limit that ends everything that a command
//! started, and reports that are read within the folder and never through a symbolic link. It gives no bound of memory,
//! processors, processes or disk, and does not close the network off.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use gatewright_core::CommitId;
use gatewright_core::sandbox::{
    ChangesError, Command, ExecResult, Folder, OutputSink, Sandbox, SandboxError, SandboxHandle, SandboxKey, SandboxSpec, Source,
    Workshop,
};
use gatewright_core::survey::{Survey, SurveyWanted};
use gatewright_core::tree::FileChange;
use gatewright_core::verdict::ReportFile;
use rustix::process::Pid;

use crate::changes::{Watch, told};
use crate::source::Sources;
use crate::wanted::Bounds;

mod environment;
mod exec;
mod folder;
mod look;
mod processes;
mod read;
mod write;

/// How the adapter is set up.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// Where commands run.
    pub workspace: HostWorkspace,
    /// Names this service or run among others on the machine. Only processes that bear this name are ever ended.
    pub instance: String,
    /// The folder of the mirror cache. Made if it is not there.
    pub mirrors: PathBuf,
    /// Where set, all sources come from this repository, and nothing is fetched: see [`crate::local`].
    pub local: Option<PathBuf>,
    /// The environment of every command, over what is taken from this process and under each gate's own.
    pub env: BTreeMap<String, String>,
}

/// Where commands run on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostWorkspace {
    /// In this folder, as it is: the checkout of a CI job. What commands change in it stays. Sources are not written into it,
    /// and gates that run at once share it.
    InPlace(PathBuf),
    /// Each sandbox in a folder of its own below this one, filled from the source and removed with the sandbox.
    Fresh(PathBuf),
}

/// Sandboxes that are folders of this machine.
pub struct HostSandbox {
    config: HostConfig,
    sources: Sources,
    state: Mutex<State>,
}

/// What is under way.
#[derive(Default)]
struct State {
    open: HashMap<SandboxKey, Open>,
    /// The sandboxes that are being closed, so that a command that ends with its sandbox is told from one that ends by itself.
    closing: HashSet<SandboxKey>,
}

/// An open sandbox.
struct Open {
    /// The environment of its commands.
    env: BTreeMap<OsString, OsString>,
    workspace: PathBuf,
    /// What it is compared with, where it was opened with that.
    base: Option<PathBuf>,
    /// The process groups of the commands that run.
    groups: Vec<Pid>,
    /// What is known of the workspace, where somebody works in it.
    watch: Arc<tokio::sync::Mutex<Option<Watch>>>,
}

impl HostSandbox {
    /// Creates nothing yet.
    pub fn new(config: HostConfig) -> Self {
        let sources = Sources::new(config.mirrors.clone(), config.local.clone());
        HostSandbox { config, sources, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The folder of an open sandbox that a handle is about.
    fn folder(&self, handle: &SandboxHandle) -> Result<PathBuf, SandboxError> {
        let path = self.state().open.get(&handle.key).and_then(|open| match handle.folder {
            Folder::Workspace => Some(open.workspace.clone()),
            Folder::Base => open.base.clone(),
        });
        let path = path.ok_or_else(|| SandboxError::Gone("it is not open".to_owned()))?;
        let there = path.symlink_metadata().is_ok_and(|found| found.is_dir());
        there.then_some(()).ok_or_else(|| SandboxError::Gone(format!("its folder {} is not there any more", path.display())))?;
        Ok(path)
    }

    /// Ends everything that a sandbox runs.
    fn kill(&self, key: &SandboxKey) {
        let groups = self.state().open.get(key).map(|open| open.groups.clone()).unwrap_or_default();
        for group in groups {
            processes::kill_group(group);
        }
        processes::kill_marked(&environment::mark(&self.config.instance, key));
    }
}

#[async_trait]
impl Sandbox for HostSandbox {
    async fn open(&self, spec: &SandboxSpec) -> Result<SandboxHandle, SandboxError> {
        folder::open(self, spec).await
    }

    async fn exec(
        &self,
        sandbox: &SandboxHandle,
        command: &Command,
        output: &dyn OutputSink,
    ) -> Result<ExecResult, SandboxError> {
        exec::exec(self, sandbox, command, output).await
    }

    async fn read(
        &self,
        sandbox: &SandboxHandle,
        glob: &str,
        files_max: usize,
        bytes_max: u64,
    ) -> Result<Vec<ReportFile>, SandboxError> {
        read::read(&self.folder(sandbox)?, glob, Bounds { files_max, bytes_max }, &self.config.mirrors).await
    }

    fn workspace(&self, sandbox: &SandboxHandle) -> String {
        let folder = self.folder(sandbox).unwrap_or_default();
        // Programs ask the system where they are, which knows nothing of links.
        folder.canonicalize().unwrap_or(folder).to_string_lossy().into_owned()
    }

    async fn survey(&self, source: &Source, since: Option<&CommitId>, wanted: &SurveyWanted) -> Result<Survey, SandboxError> {
        self.sources.survey(source, since, wanted).await
    }

    async fn write(&self, sandbox: &SandboxHandle, path: &str, content: Bytes) -> Result<(), SandboxError> {
        write::write(&self.folder(sandbox)?, path, content).await
    }

    async fn close(&self, key: &SandboxKey) -> Result<(), SandboxError> {
        self.state().closing.insert(key.clone());
        let closed = folder::close(self, key).await;
        let mut state = self.state();
        state.closing.remove(key);
        state.open.remove(key);
        closed
    }

    async fn leftovers(&self) -> Result<Vec<SandboxKey>, SandboxError> {
        folder::leftovers(self).await
    }

    async fn probe(&self) -> Result<String, SandboxError> {
        Ok(format!("this machine ({})", std::env::consts::OS))
    }
}

#[async_trait]
impl Workshop for HostSandbox {
    async fn lay(&self, sandbox: &SandboxHandle, changes: &[FileChange]) -> Result<(), SandboxError> {
        write::lay(&self.folder(sandbox)?, changes).await
    }

    async fn changes(&self, sandbox: &SandboxHandle, source: &Source, leave: &[String]) -> Result<Vec<FileChange>, ChangesError> {
        let look = look::Workspace { folder: self.folder(sandbox)? };
        let watch = self.state().open.get(&sandbox.key).map(|open| Arc::clone(&open.watch)).unwrap_or_default();
        let mut slot = watch.lock().await;
        let mut watch = match slot.take().filter(|watch| watch.is_of(&source.commit)) {
            Some(watch) => watch,
            None => Watch::new(source.commit.clone(), self.sources.base(source).await?),
        };
        let changes = told(&mut watch, &look, &self.sources, source, leave).await;
        *slot = Some(watch);
        changes
    }

    async fn diff(&self, source: &Source, since: &CommitId, bytes_max: usize) -> Result<String, SandboxError> {
        self.sources.diff(source, since, bytes_max).await
    }
}
