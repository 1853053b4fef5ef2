//! The sandbox that steps run in: what it is asked for, and the trait that an adapter implements.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::config::Checkout;
use crate::forge::CloneCredential;
use crate::ids::{CommitId, GateName, RepoRef, RunId};
use crate::secret::SecretString;
use crate::survey::{Survey, SurveyWanted};
use crate::tree::{FileChange, Tree};
use crate::verdict::ReportFile;

mod captured;

pub use captured::{Captured, Ends};

/// Names one sandbox for ever. Opening the same key again first removes what is left of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SandboxKey {
    /// The run that it belongs to.
    pub run: RunId,
    /// The gate that runs in it.
    pub gate: GateName,
}

/// Everything that decides what a sandbox is. All of it comes from the service's configuration and the base branch.
#[derive(Debug, Clone)]
pub struct SandboxSpec {
    /// Its key.
    pub key: SandboxKey,
    /// The image.
    pub image: String,
    /// The whole environment beside what the adapter sets (`HOME`, `PATH`, `CI`).
    pub env: BTreeMap<String, String>,
    /// Its bounds.
    pub limits: Limits,
    /// Whether it may reach a network.
    pub network: Network,
    /// The source that its workspace starts with; an empty workspace if none.
    pub source: Option<Source>,
    /// Another source to lie beside it, in a folder of its own ([`Folder::Base`]) of the same size, for commands that run in
    /// both in turn.
    pub base: Option<Source>,
    /// What is brought into it from earlier ones, and saved for later ones after a command that ended with 0.
    pub cache: Option<CacheUse>,
    /// Whether [`Workshop::changes`] is going to be asked of it: then what lies in the workspace is noted before anything runs,
    /// which takes a command's time. Without that, each answer takes the reading of the whole workspace.
    pub watched: bool,
}

/// Folders that a gate brings from one run to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheUse {
    /// The folders, relative to the workspace.
    pub paths: Vec<String>,
    /// Globs of files of the source: while their content is the same, what is cached is taken for complete.
    pub key: Vec<String>,
    /// The scopes that it may come from, the first one first.
    pub read: Vec<String>,
    /// The scope that it is saved in. None: it is not. What untrusted code has written must never be read by anybody else.
    pub write: Option<String>,
}

/// What was brought into a sandbox of what earlier ones had saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restored {
    /// Nothing: it has no cache, or there was none.
    Nothing,
    /// What was saved with the same files.
    Exact,
    /// What was saved last, with other files.
    Older,
}

/// A sandbox's bounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory of its processes, in MiB.
    pub memory_mib: u64,
    /// Processors, such as 1.5.
    pub cpus: f64,
    /// Processes and threads at once.
    pub pids: u64,
    /// Size of the workspace, in MiB.
    pub disk_mib: u64,
    /// Wall time of a command, in seconds.
    pub wall_secs: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { memory_mib: 2048, cpus: 2.0, pids: 512, disk_mib: 2048, wall_secs: 300 }
    }
}

/// Whether a sandbox may reach a network.
#[derive(Debug, Clone)]
pub enum Network {
    /// It has no interface but its own loopback.
    None,
    /// The engine's default network.
    Open,
    /// Nothing but a proxy, which lets it reach these. Its commands find the proxy in the environment, by the names that are usual:
    /// `HTTPS_PROXY`, `NO_PROXY` and their like, and for each injection `NAME_BASE_URL` and a `NAME_API_KEY` that is none.
    Egress(EgressSpec),
}

/// What a sandbox may reach through the proxy that is its only way out.
#[derive(Debug, Clone, Default)]
pub struct EgressSpec {
    /// Names of hosts, by HTTPS on its usual port. A name that leads to a private address is refused all the same.
    pub hosts: Vec<String>,
    /// What is asked with a key that stays outside.
    pub inject: Vec<Injection>,
}

/// A server of the service's configuration that is asked in the sandbox's name, with a key that the sandbox does not know.
#[derive(Debug, Clone)]
pub struct Injection {
    /// Its name in the environment, such as `anthropic`: letters, digits, `-` and `_`.
    pub name: String,
    /// Where it is. What the sandbox asks for lies below.
    pub base_url: String,
    /// The header that is set, and the secret.
    pub header: (String, SecretString),
}

/// How a sandbox has used its way out, by host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressUse {
    /// The host, or the name of an injection. Untrusted text where it was refused.
    pub host: String,
    /// How often it was asked.
    pub requests: u64,
    /// How many of these were refused.
    pub refused: u64,
    /// Bytes that went out, without headers.
    pub sent_bytes: u64,
    /// Bytes that came back, without headers.
    pub received_bytes: u64,
}

/// The files that a workspace starts with: those of a commit, and what lies over them.
#[derive(Debug, Clone)]
pub struct Source {
    /// The repository, which names the mirror on the host.
    pub repo: RepoRef,
    /// The commit.
    pub commit: CommitId,
    /// How to fetch it. Used on the host only.
    pub credential: CloneCredential,
    /// What to fetch beside the commit's own files.
    pub checkout: Checkout,
    /// What lies over the commit: a change that no commit has yet. Whatever is asked of the source (its files, how it differs from
    /// another commit) is told of the commit with it, as if it were committed. Its commits are told without.
    pub overlay: Arc<[FileChange]>,
}

/// An open sandbox, by the adapter's own name for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxHandle {
    /// Its key.
    pub key: SandboxKey,
    /// The adapter's name, such as a container id.
    pub name: String,
    /// What was brought into it.
    pub restored: Restored,
    /// Where commands run and files are read.
    pub folder: Folder,
}

impl SandboxHandle {
    /// The same sandbox, to run commands and to read files in another folder of it.
    pub fn within(&self, folder: Folder) -> SandboxHandle {
        SandboxHandle { folder, ..self.clone() }
    }
}

/// A folder of a sandbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Folder {
    /// The workspace, with [`SandboxSpec::source`].
    #[default]
    Workspace,
    /// What it is compared with, [`SandboxSpec::base`]. Only in a sandbox that was opened with one.
    Base,
}

/// A command to run in an open sandbox.
#[derive(Debug, Clone)]
pub struct Command {
    /// Given to `sh -c` in the handle's folder.
    pub script: String,
    /// It is killed after this time, and everything that it started.
    pub wall: Duration,
}

/// How a command ended, as the adapter saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecEnd {
    /// By itself, with this code.
    Exited(i64),
    /// Killed by us at its time limit.
    TimedOut,
    /// Killed by the kernel for want of memory.
    OutOfMemory,
}

/// What came of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecResult {
    /// How it ended.
    pub end: ExecEnd,
    /// Whether the workspace had less than 64 KiB or 1 % left when it ended.
    pub disk_full: bool,
}

/// Takes a command's output while it runs, standard output and error in the order in which they came.
pub trait OutputSink: Send + Sync {
    /// Takes the next bytes. Must not block: a slow sink keeps what it can and counts the rest.
    fn write(&self, bytes: &[u8]);
}

/// What a failed sandbox call means for the step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SandboxError {
    /// The engine does not answer, or is overloaded: trying again later may help.
    #[error("the container engine is not reachable: {0}")]
    Unavailable(String),
    /// The image is not there and could not be fetched: the user must mend it.
    #[error("the image `{image}` is not available: {cause}")]
    ImageMissing {
        /// The image.
        image: String,
        /// The engine's words.
        cause: String,
    },
    /// The source could not be fetched: trying again later may help.
    #[error("the source could not be fetched: {0}")]
    Source(String),
    /// The commit is not there, or the source does not fit into the workspace: trying again does not help.
    #[error("the source cannot be used: {0}")]
    SourceUnusable(String),
    /// The host's own disk is full.
    #[error("the machine's disk is full: {0}")]
    HostDiskFull(String),
    /// The image cannot run here: it has no shell, is for another processor, ...
    #[error("the sandbox could not be started: {0}")]
    NotStartable(String),
    /// A report file is larger than asked for, or a path in it is not allowed.
    #[error("{0}")]
    Report(String),
    /// The sandbox is gone: somebody removed it, or the engine was restarted.
    #[error("the sandbox disappeared: {0}")]
    Gone(String),
}

/// Where a sandbox has its source, unless it says otherwise.
pub const WORKSPACE: &str = "/workspace";

/// Runs commands apart from everything else.
#[async_trait]
pub trait Sandbox: Send + Sync {
    /// Makes a sandbox and fills its workspace. What is left of an earlier one with this key is removed first.
    async fn open(&self, spec: &SandboxSpec) -> Result<SandboxHandle, SandboxError>;

    /// Runs a command and passes on its output. Dropping the future does not stop the command: [`close`](Self::close) does.
    async fn exec(&self, sandbox: &SandboxHandle, command: &Command, output: &dyn OutputSink)
    -> Result<ExecResult, SandboxError>;

    /// The handle's folder as what runs in it knows it: reports name files by it.
    fn workspace(&self, _sandbox: &SandboxHandle) -> String {
        WORKSPACE.to_owned()
    }

    /// Reads the files of the handle's folder that match `glob`, sorted by path, regular files only and never through a
    /// symbolic link. More than `files_max` files or `bytes_max` bytes in all is an error.
    async fn read(
        &self,
        sandbox: &SandboxHandle,
        glob: &str,
        files_max: usize,
        bytes_max: u64,
    ) -> Result<Vec<ReportFile>, SandboxError>;

    /// What a source tells beside what runs in it, as far as it is wanted, and how it differs from another commit of its
    /// repository. Asked on the host, since what runs in a sandbox could tell anything. What only a forge knows stays empty.
    async fn survey(&self, source: &Source, since: Option<&CommitId>, wanted: &SurveyWanted) -> Result<Survey, SandboxError>;

    /// Writes a file into the workspace, as [`Workshop::lay`] does.
    async fn write(&self, sandbox: &SandboxHandle, path: &str, content: Bytes) -> Result<(), SandboxError>;

    /// Kills and removes whatever bears this key. Does nothing where there is nothing, so it is safe at any time.
    async fn close(&self, key: &SandboxKey) -> Result<(), SandboxError>;

    /// The keys of all sandboxes of this service that exist, of earlier processes too.
    async fn leftovers(&self) -> Result<Vec<SandboxKey>, SandboxError>;

    /// Whether the engine answers; what it is, for `/readyz`.
    async fn probe(&self) -> Result<String, SandboxError>;
}

/// A sandbox that somebody works in: what was changed there can be taken out of it, and put into another one.
#[async_trait]
pub trait Workshop: Sandbox {
    /// Has the handle's folder hold these files, and hold no longer those that are gone. Folders are made where they are needed
    /// and removed where they become empty. Nothing is written or removed through a symbolic link: one in the place of a folder is
    /// [`SandboxError::Report`], one in the place of a file makes way for it. Laying the same again changes nothing but the times of the files. What else lies
    /// in the folder stays: only a fresh sandbox is sure to hold nothing else.
    async fn lay(&self, sandbox: &SandboxHandle, changes: &[FileChange]) -> Result<(), SandboxError>;

    /// How the workspace differs from the commit of the source (from the commit alone, without what lay over it when the sandbox was
    /// opened), sorted by path. Left out are `.git` and what the `.gitignore` files in the workspace ignore. No git runs on
    /// anything that a command could write. What a command hides from this only does not count. Files that the commit does not have
    /// and that one of the globs of `leave` names are left out too, and count for no limit; a glob that is none names nothing.
    async fn changes(&self, sandbox: &SandboxHandle, source: &Source, leave: &[String]) -> Result<Vec<FileChange>, ChangesError>;

    /// How the source (with what lies over it) differs from another commit of its repository, as a unified diff with three lines of
    /// context and without colours. Beyond `bytes_max` whole files are left out, and a last line names how many.
    async fn diff(&self, source: &Source, since: &CommitId, bytes_max: usize) -> Result<String, SandboxError>;

    /// How an open sandbox has used its way out so far, sorted by host: [`Network::Egress`]. Nothing once it is closed, or where no
    /// sandbox has such a way out.
    fn egress(&self, _key: &SandboxKey) -> Vec<EgressUse> {
        Vec::new()
    }

    /// Runs a script that only looks, and keeps of its output what [`capture`](Self::capture) keeps. It is none of a stranger's: the adapter may
    /// have a shell answer it that stays open, which takes a tenth of the time.
    async fn look(&self, sandbox: &SandboxHandle, look: &Command, bytes_max: usize) -> Result<Captured, SandboxError> {
        self.capture(sandbox, look, bytes_max).await
    }

    /// Runs a command and keeps the first and the last half of `bytes_max` bytes of its output.
    async fn capture(&self, sandbox: &SandboxHandle, command: &Command, bytes_max: usize) -> Result<Captured, SandboxError> {
        let ends = Ends::new(bytes_max);
        let result = self.exec(sandbox, command, &ends).await?;
        Ok(ends.captured(result))
    }
}

/// Why nobody can say what was changed in a workspace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangesError {
    /// What was changed cannot be taken out. Whoever changed it can mend it: the words say what and how.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The sandbox failed.
    #[error(transparent)]
    Failed(#[from] SandboxError),
}

/// What of a workspace cannot be taken out. Paths are untrusted text; here they are cut and without control characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A symbolic link was made or changed.
    #[error("`{path}` is a symbolic link that was made or changed: only regular files can be changed")]
    Link {
        /// Where.
        path: String,
    },
    /// Something in a submodule was changed, or which submodules there are.
    #[error("`{path}` belongs to a submodule, which cannot be changed from here")]
    Submodule {
        /// Where.
        path: String,
    },
    /// The content of a file that is kept in Git LFS was changed: what a commit has of it is a pointer.
    #[error("`{path}` is kept in Git LFS, and its content cannot be changed from here: put it back as it was")]
    Lfs {
        /// Where.
        path: String,
    },
    /// A pipe, a socket or a device.
    #[error("`{path}` is neither a file nor a folder: remove it")]
    Special {
        /// Where.
        path: String,
    },
    /// A path that not every machine can check out safely.
    #[error("`{path}` cannot be the path of a file here: {cause}")]
    Path {
        /// The path, as far as it can be shown.
        path: String,
        /// What is wrong with it.
        cause: &'static str,
    },
    /// Two paths that are the same where case makes no difference.
    #[error("`{path}` and `{other}` differ in case only: rename one of them")]
    Case {
        /// The one that was changed.
        path: String,
        /// The other one.
        other: String,
    },
    /// More than [`Tree::FILES_MAX`] files.
    #[error(
        "{files} files were changed, {most} of them in `{folder}`, and at most {} can be: list build output in `.gitignore`, or undo \
         changes",
        Tree::FILES_MAX
    )]
    TooManyFiles {
        /// How many.
        files: usize,
        /// The uppermost folder with most of them; `.` for the root.
        folder: String,
        /// How many are in it.
        most: usize,
    },
    /// More than [`Tree::BYTES_MAX`] bytes.
    #[error(
        "the changed files hold more than {} MiB together, the largest of them `{path}`: list build output in `.gitignore`, or undo \
         changes",
        Tree::BYTES_MAX >> 20
    )]
    TooLarge {
        /// The largest one.
        path: String,
    },
    /// A folder that cannot be read, files that change while they are read, or more than can be looked through.
    #[error("the workspace cannot be looked through: {cause}")]
    Unreadable {
        /// Why.
        cause: String,
    },
}
