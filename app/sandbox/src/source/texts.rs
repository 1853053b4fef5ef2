//! The content of a commit's files, as the host's git has it.

use std::path::PathBuf;

use bytes::Bytes;
use gatewright_core::CommitId;
use gatewright_core::verdict::SourceText;
use tokio::runtime::Handle;

use super::git::{Ended, Git};
use super::mirror::LOCAL_MAX;

/// The files of one commit of a repository. Nothing holds the repository: where it has been made anew meanwhile, nothing is
/// told of its files.
#[derive(Debug)]
pub(super) struct Texts {
    repository: PathBuf,
    commit: CommitId,
    /// Of the service: whoever asks waits on a thread of its own.
    runtime: Handle,
}

impl Texts {
    /// To be called within a tokio runtime.
    pub(super) fn new(repository: PathBuf, commit: CommitId) -> Texts {
        Texts { repository, commit, runtime: Handle::current() }
    }

    async fn ask(&self, args: &[&str]) -> Option<Vec<u8>> {
        let Ended { status, stdout, .. } = Git::new(&self.repository, args).run(LOCAL_MAX).await.ok()?;
        status.success().then_some(stdout)
    }

    async fn content(&self, path: &str, bytes_max: u64) -> Option<Bytes> {
        let object = format!("{}:{path}", self.commit);
        let size = self.ask(&["cat-file", "-s", &object]).await?;
        let size: u64 = std::str::from_utf8(&size).ok()?.trim().parse().ok()?;
        if size > bytes_max {
            return None;
        }
        self.ask(&["cat-file", "blob", &object]).await.map(Bytes::from)
    }
}

impl SourceText for Texts {
    fn read(&self, path: &str, bytes_max: u64) -> Option<Bytes> {
        self.runtime.block_on(self.content(path, bytes_max))
    }
}
