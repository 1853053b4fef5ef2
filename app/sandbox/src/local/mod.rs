//! Local sources: the working tree of a person, or of a CI job, as a commit that sandboxes can be filled from.
//!
//! Nothing is written into the user's repository, nor into the working tree but by [`WorkingTree::apply`]. What git makes goes into a bare repository in a folder of the caller's, which
//! borrows the objects of the user's: a copy of the index takes up what is not committed (files that are ignored stay out), and
//! from it comes a tree, and a commit that nobody else has. Where the working tree is as it was committed, the commit is `HEAD`
//! itself. [`DockerConfig::local`](crate::DockerConfig) and [`HostConfig::local`](crate::HostConfig) name that repository.
//!
//! Deliberately absent: fetching. What the repository does not have (the history of a shallow clone, the submodules that were not
//! initialised, what a partial clone left out) is an error that says so. Who calls it: the local run, local
//! pipelines of agents, and the CI job's front.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gatewright_core::CommitId;
use tokio::fs;

use crate::source::{self, Ended, Git, GitError, Mirror};

mod base;
mod patch;
mod submodules;

pub use base::Base;

/// Questions that git answers from its own files.
const ASK_MAX: Duration = Duration::from_secs(60);

/// Taking up a large working tree for the first time takes a minute.
const ADD_MAX: Duration = Duration::from_secs(1800);

/// Whose commit it is that nobody has made. With the fixed time it gives the same files the same commit.
const NOBODY: [(&str, &str); 6] = [
    ("GIT_AUTHOR_NAME", "gatewright"),
    ("GIT_AUTHOR_EMAIL", "gatewright@localhost"),
    ("GIT_AUTHOR_DATE", "@0 +0000"),
    ("GIT_COMMITTER_NAME", "gatewright"),
    ("GIT_COMMITTER_EMAIL", "gatewright@localhost"),
    ("GIT_COMMITTER_DATE", "@0 +0000"),
];

/// Why there is no local source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocalError {
    /// The folder is in no working tree, or git will not work there.
    #[error("{} is in no working tree of git: {cause}", folder.display())]
    NoWorkingTree {
        /// The folder.
        folder: PathBuf,
        /// Git's words.
        cause: String,
    },
    /// The user has named a commit or branch that is not there.
    #[error("there is no commit `{rev}` here: {cause}")]
    NoSuchRevision {
        /// What was named.
        rev: String,
        /// Git's words.
        cause: String,
    },
    /// Something of the repository is missing or cannot be used: the user must mend it.
    #[error("{0}")]
    Unusable(String),
    /// Git, or the machine, failed.
    #[error("{0}")]
    Failed(String),
    /// The machine's disk is full.
    #[error("the machine's disk is full: {0}")]
    DiskFull(String),
}

impl From<GitError> for LocalError {
    fn from(error: GitError) -> Self {
        match error {
            GitError::DiskFull(words) => LocalError::DiskFull(words),
            GitError::NoCommit(words) | GitError::Unusable(words) => LocalError::Unusable(words),
            GitError::Remote(words) | GitError::Broken(words) => LocalError::Failed(words),
            GitError::NotById => LocalError::Failed("git gave no commit".to_owned()),
        }
    }
}

/// A working tree and its repository.
#[derive(Debug, Clone)]
pub struct WorkingTree {
    root: PathBuf,
    common: PathBuf,
    objects: PathBuf,
    index: PathBuf,
    shallow: PathBuf,
    format: String,
}

/// What of a working tree is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// All files that are not ignored, as they are on the disk.
    WorkingTree,
    /// The commit that is checked out.
    Head,
}

/// A commit of a working tree, in a repository that sandboxes can be filled from.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The repository.
    pub repository: PathBuf,
    /// The commit.
    pub commit: CommitId,
    /// Whether the commit is the user's own, and so means the same for ever.
    pub committed: bool,
}

impl WorkingTree {
    /// The working tree that a folder is in: of a clone, of a worktree beside it, or of a submodule.
    pub async fn find(folder: &Path) -> Result<WorkingTree, LocalError> {
        let asked = [
            "rev-parse",
            "--path-format=absolute",
            "--show-toplevel",
            "--git-common-dir",
            "--git-path",
            "objects",
            "--git-path",
            "index",
            "--git-path",
            "shallow",
            "--show-object-format",
        ];
        let Ended { status, stdout, stderr } = Git::of_user(folder, &asked).run(ASK_MAX).await?;
        if !status.success() {
            return Err(LocalError::NoWorkingTree { folder: folder.to_owned(), cause: stderr });
        }
        let mut lines = stdout.split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
        let mut path = || Some(PathBuf::from(OsString::from_vec(lines.next()?)));
        let found = (path(), path(), path(), path(), path(), path(), path(), path());
        let (Some(root), Some(common), Some(objects), Some(index), Some(shallow), Some(format), Some(end), None) = found else {
            let words = format!("the path of {} has a line break in it, which Git's own files cannot hold", folder.display());
            return Err(LocalError::Unusable(words));
        };
        if !end.as_os_str().is_empty() {
            return Err(LocalError::Failed("git says more of the repository than it was asked".to_owned()));
        }
        let format = format.to_string_lossy().into_owned();
        Ok(WorkingTree { root, common, objects, index, shallow, format })
    }

    /// Its uppermost folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder that all working trees of the repository share: what the repository is known by on this machine.
    pub fn common(&self) -> &Path {
        &self.common
    }

    /// The commit that is checked out. None before the first one.
    pub async fn head(&self) -> Result<Option<CommitId>, LocalError> {
        self.commit_of("HEAD").await
    }

    /// Makes `repository` (a folder that is not there yet) a repository that sandboxes can be filled from, with a commit of what
    /// is wanted.
    pub async fn snapshot(&self, repository: &Path, content: Content) -> Result<Snapshot, LocalError> {
        self.borrow_objects(repository).await?;
        let head = self.head().await?;
        let taken = match content {
            Content::WorkingTree => Some(self.tree_of_files(repository).await?),
            Content::Head => None,
        };
        let of_head = match &head {
            Some(head) => Some(self.ask(&["rev-parse", "--verify", &format!("{head}^{{tree}}")]).await?),
            None => None,
        };
        let (commit, committed) = match (head, taken) {
            (Some(head), None) => (head, true),
            (Some(head), Some(tree)) if of_head.as_ref() == Some(&tree) => (head, true),
            (head, Some(tree)) => {
                let made = commit(repository, &tree).await?;
                if let Some(head) = head {
                    let named = Git::new(repository, &["update-ref", &source::committed(&made), head.as_str()]);
                    told(named.run(ASK_MAX).await?)?;
                }
                (made, false)
            }
            (None, None) => return Err(LocalError::Unusable("nothing has been committed here yet".to_owned())),
        };
        Ok(Snapshot { repository: repository.to_owned(), commit, committed })
    }

    /// An empty repository that has all objects of the user's.
    async fn borrow_objects(&self, repository: &Path) -> Result<(), LocalError> {
        let scratch = Mirror::new(repository.to_owned());
        scratch.init_as(&self.format).await?;
        let prepared = async {
            scratch.write_attributes().await?;
            self::borrow(repository, &self.objects).await?;
            // Where a shallow clone ends, so does what is borrowed of it.
            match fs::copy(&self.shallow, repository.join("shallow")).await {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
                Ok(_) | Err(_) => Ok(()),
            }
        };
        prepared.await.map_err(|e| of_disk("preparing", repository, &e))
    }

    /// The tree of all files as they are, those that are ignored left out.
    async fn tree_of_files(&self, repository: &Path) -> Result<String, LocalError> {
        let index = repository.join("working-tree.index");
        copy_index(&self.index, &index).map_err(|e| of_disk("copying", &self.index, &e))?;
        let git = |args: &[&str]| {
            Git::of_user(&self.root, args).env("GIT_INDEX_FILE", &index).env("GIT_OBJECT_DIRECTORY", repository.join("objects"))
        };
        told(git(&["add", "--all"]).run(ADD_MAX).await?)?;
        told(git(&["write-tree"]).run(ADD_MAX).await?)
    }

    /// The commit that a name stands for. None where there is none.
    async fn commit_of(&self, name: &str) -> Result<Option<CommitId>, LocalError> {
        let named = format!("{name}^{{commit}}");
        let ended = self.git(&["rev-parse", "--verify", "--quiet", "--end-of-options", &named]).run(ASK_MAX).await?;
        let text = String::from_utf8_lossy(&ended.stdout).trim().to_owned();
        Ok(if ended.status.success() { text.parse().ok() } else { None })
    }

    /// What git says of the user's repository.
    async fn ask(&self, args: &[&str]) -> Result<String, LocalError> {
        told(self.git(args).run(ASK_MAX).await?)
    }

    fn git(&self, args: &[&str]) -> Git {
        Git::of_user(&self.root, args)
    }
}

/// Adds a folder of objects to those that a repository has.
async fn borrow(repository: &Path, objects: &Path) -> std::io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let file = repository.join("objects/info/alternates");
    fs::create_dir_all(repository.join("objects/info")).await?;
    let mut lines = fs::read(&file).await.unwrap_or_default();
    lines.extend_from_slice(objects.as_os_str().as_bytes());
    lines.push(b'\n');
    fs::write(file, lines).await
}

/// Copies an index, if there is one, together with its time: by that git tells which files may have changed after it was written.
fn copy_index(from: &Path, to: &Path) -> std::io::Result<()> {
    let written = match std::fs::metadata(from) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        found => found?.modified()?,
    };
    std::fs::copy(from, to)?;
    std::fs::File::options().write(true).open(to)?.set_modified(written)
}

/// A commit of a tree, without a history, and the same for the same tree.
async fn commit(repository: &Path, tree: &str) -> Result<CommitId, LocalError> {
    let git = Git::new(repository, &["commit-tree", "-m", "The working tree", tree]);
    let git = NOBODY.iter().fold(git, |git, (name, value)| git.env(name, value));
    let said = told(git.run(ASK_MAX).await?)?;
    said.parse().map_err(|_| LocalError::Failed(format!("git made a commit that is called `{said}`")))
}

/// What git has answered, on one line.
fn told(ended: Ended) -> Result<String, LocalError> {
    let Ended { status, stdout, stderr } = ended;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).trim().to_owned());
    }
    if stderr.contains("No space left on device") || stderr.contains("Disk quota exceeded") {
        return Err(LocalError::DiskFull(stderr));
    }
    Err(LocalError::Unusable(format!("git cannot take up the working tree: {stderr}")))
}

fn of_disk(what: &str, path: &Path, error: &std::io::Error) -> LocalError {
    let words = format!("{what} {}: {error}", path.display());
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => LocalError::DiskFull(words),
        _ => LocalError::Failed(words),
    }
}
