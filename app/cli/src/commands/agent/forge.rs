//! The forge of a pipeline that runs here: it answers from a clone, and what it is to show stays in this process.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use gatewright_core::event::{CommentRef, User};
use gatewright_core::forge::{
    CatchUp, Change, ChangedFiles, CloneCredential, CommentState, Forge, ForgeError, Item, ItemRef, Items, MissedDelivery,
    OpenPull, Permission, Protection, PullState, Redelivered, ReleasedCommits, Releases, Reviews, Standing, TagState, Tags,
};
use gatewright_core::report::{Known, Published, Report};
use gatewright_core::tree::FileChange;
use gatewright_core::{CommitId, ForgeKind, RepoRef, Timestamp, config};
use gatewright_sandbox::local::Snapshot;

/// What agents work on here is taken for a pull request of this number, which no forge gives.
pub(super) const NUMBER: u64 = 0;

/// A clone in the place of a forge.
pub(super) struct LocalForge {
    /// The forge that it stands for.
    pub(super) kind: ForgeKind,
    pub(super) snapshot: Snapshot,
    /// The repository file, if it is not the commit's.
    pub(super) file: Option<Bytes>,
    /// The change, as a pull request.
    pub(super) pull: PullState,
    /// What it is compared with.
    pub(super) since: CommitId,
    pub(super) proposed: Mutex<Option<Proposed>>,
}

/// The result, as it would be proposed on a forge.
#[derive(Debug, Clone)]
pub(super) struct Proposed {
    /// The message of a commit of it.
    pub(super) message: String,
    pub(super) changes: Vec<FileChange>,
}

impl LocalForge {
    /// What was proposed, if anything was.
    pub(super) fn proposed(&self) -> Option<Proposed> {
        self.proposed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, message: &str, changes: &[FileChange]) {
        let proposed = Proposed { message: message.to_owned(), changes: changes.to_vec() };
        *self.proposed.lock().unwrap_or_else(PoisonError::into_inner) = Some(proposed);
    }

    fn missing<T>(&self, what: &str) -> Result<T, ForgeError> {
        Err(ForgeError::Missing { forge: self.kind, what: what.to_owned() })
    }
}

#[async_trait]
impl Forge for LocalForge {
    async fn pull(&self, _: &RepoRef, _: u64) -> Result<PullState, ForgeError> {
        Ok(self.pull.clone())
    }

    async fn branch(&self, _: &RepoRef, _: &str) -> Result<CommitId, ForgeError> {
        Ok(self.pull.head.clone())
    }

    async fn file(&self, _: &RepoRef, _: &CommitId, path: &str) -> Result<Option<Bytes>, ForgeError> {
        match &self.file {
            Some(file) if path == config::PATH => Ok(Some(file.clone())),
            Some(_) | None => {
                let found = self.snapshot.file(path).await;
                let found = found.map_err(|error| ForgeError::Refused { forge: self.kind, cause: error.to_string() });
                found.map(|found| found.map(Bytes::from))
            }
        }
    }

    async fn changed_files(&self, _: &RepoRef, _: &Change) -> Result<ChangedFiles, ForgeError> {
        Ok(ChangedFiles { paths: Vec::new(), incomplete: true })
    }

    async fn merge_base(&self, _: &RepoRef, _: &PullState) -> Result<CommitId, ForgeError> {
        Ok(self.since.clone())
    }

    async fn standing(&self, _: &RepoRef, user: &User, _: &[String]) -> Result<Standing, ForgeError> {
        // Nobody but the user of this machine can be asked about.
        let login = user.login.clone();
        Ok(Standing { permission: Permission::Write, login, bot: false, teams: Vec::new() })
    }

    async fn comment(&self, _: &RepoRef, _: &CommentRef) -> Result<Option<CommentState>, ForgeError> {
        Ok(None)
    }

    async fn credential(&self, _: &RepoRef) -> Result<CloneCredential, ForgeError> {
        Ok(CloneCredential { url: String::new(), login: None, one_repository: true })
    }

    async fn publish(&self, _: &RepoRef, report: &Report, _: &Known) -> Result<Published, ForgeError> {
        if let Report::Proposal(report) = report {
            self.keep(&report.message, &report.changes);
        }
        if let Report::Pushed(report) = report {
            self.keep(&report.message, &report.changes);
        }
        Ok(Published { id: NUMBER })
    }
}

#[async_trait]
impl Reviews for LocalForge {
    async fn approvals(&self, _: &RepoRef, _: u64) -> Result<Vec<User>, ForgeError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl CatchUp for LocalForge {
    async fn redeliver(
        &self,
        _: Timestamp,
        _: &(dyn for<'a> Fn(&'a MissedDelivery) -> bool + Send + Sync),
    ) -> Result<Redelivered, ForgeError> {
        Ok(Redelivered::default())
    }

    async fn repositories(&self) -> Result<Vec<RepoRef>, ForgeError> {
        Ok(Vec::new())
    }

    async fn open_pulls(&self, _: &RepoRef, _: Timestamp) -> Result<Vec<OpenPull>, ForgeError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl Releases for LocalForge {
    async fn tag(&self, _: &RepoRef, _: &str) -> Result<Option<TagState>, ForgeError> {
        Ok(None)
    }

    async fn tags(&self, _: &RepoRef) -> Result<Tags, ForgeError> {
        Ok(Tags::default())
    }

    async fn protection(&self, _: &RepoRef, _: &CommitId) -> Result<Protection, ForgeError> {
        self.missing("a protected branch")
    }

    async fn commits_between(&self, _: &RepoRef, _: Option<&CommitId>, _: &CommitId) -> Result<ReleasedCommits, ForgeError> {
        Ok(ReleasedCommits::default())
    }

    async fn pull_of(&self, _: &RepoRef, _: &CommitId) -> Result<Option<u64>, ForgeError> {
        Ok(None)
    }
}

#[async_trait]
impl Items for LocalForge {
    async fn item(&self, _: &RepoRef, _: &ItemRef) -> Result<Item, ForgeError> {
        // Nobody has written a title or a description; what is to be done is the task.
        Ok(Item {
            title: String::new(),
            body: String::new(),
            author: self.pull.author.clone(),
            created_at: Timestamp::UNIX_EPOCH,
            edited_at: None,
            labels: Vec::new(),
            open: true,
            comments: Vec::new(),
            comments_left_out: 0,
        })
    }

    async fn default_branch(&self, _: &RepoRef) -> Result<String, ForgeError> {
        Ok(self.pull.base_ref.clone())
    }
}
