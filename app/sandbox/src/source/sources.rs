//! Where a workspace's files come from: from mirrors of what forges have, or from the one repository of a local run.

use std::path::PathBuf;

use gatewright_core::CommitId;
use gatewright_core::sandbox::{SandboxError, Source};
use gatewright_core::survey::{Survey, SurveyWanted};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::lfs::{self, Contents, Pointer, Store};
use super::mirror::Mirror;
use super::own::{self, Budget};
use super::{FillError, Mirrors};
use crate::changes::{Base, Texts};

/// All sources of an adapter. Which kind they are of is the adapter's configuration, never what a forge or a commit says.
pub(crate) enum Sources {
    /// Fetched from forges.
    Mirrors(Mirrors),
    /// Of a repository on this machine that [`crate::local`] has made. Nothing is fetched, and nobody is asked.
    Local(Mirror),
}

impl Sources {
    /// Creates nothing yet.
    pub(crate) fn new(mirrors: PathBuf, local: Option<PathBuf>) -> Self {
        match local {
            Some(repository) => Sources::Local(Mirror::new(repository)),
            None => Sources::Mirrors(Mirrors::new(mirrors)),
        }
    }

    /// Makes sure that the source is there, what it is to have of Git LFS too if that fits into `disk_mib`.
    pub(crate) async fn ensure(&self, source: &Source, disk_mib: u64) -> Result<(), SandboxError> {
        match self {
            Sources::Mirrors(mirrors) => mirrors.ensure(source, disk_mib).await,
            Sources::Local(repository) => {
                let commit = has(repository, source).await?;
                if source.checkout.lfs {
                    let pointers = repository.pointers(&commit).await?;
                    lfs::spend(&pointers, &mut Budget::new(disk_mib), disk_mib)?;
                    there(&Store::of_user(repository.path()).await.missing(&pointers).await)?;
                }
                Ok(())
            }
        }
    }

    /// Fetches it anew, where it can be fetched.
    pub(crate) async fn remake(&self, source: &Source) -> Result<(), SandboxError> {
        match self {
            Sources::Mirrors(mirrors) => mirrors.remake(source).await,
            Sources::Local(_) => Err(SandboxError::SourceUnusable(
                "the repository does not have all of the files: where it is a partial clone, `git fetch --refetch --no-filter` gets them"
                    .to_owned(),
            )),
        }
    }

    /// Writes the commit's files as a tar archive that belongs to the sandbox's user, at most `disk_mib` of them.
    pub(crate) async fn archive(
        &self,
        source: &Source,
        disk_mib: u64,
        out: &mut (impl AsyncWrite + Unpin + Send),
    ) -> Result<(), FillError> {
        match self {
            Sources::Mirrors(mirrors) => mirrors.archive(source, disk_mib, out).await,
            Sources::Local(repository) => {
                let commit = has(repository, source).await?;
                let mut contents = Contents::none();
                if source.checkout.lfs {
                    let pointers = repository.pointers(&commit).await.map_err(SandboxError::from)?;
                    contents = Store::of_user(repository.path()).await.contents(pointers, "").await;
                }
                repository.archive(&commit, "", &contents, &mut Budget::new(disk_mib), out).await?;
                out.write_all(&own::END).await.map_err(|_| FillError::Unread)
            }
        }
    }

    /// A digest of the files of a commit that match one of these globs: of their paths and their content.
    pub(crate) async fn digest(&self, source: &Source, globs: &[String]) -> Result<String, SandboxError> {
        match self {
            Sources::Mirrors(mirrors) => mirrors.digest(source, globs).await,
            Sources::Local(repository) => {
                let commit = repository.over(&source.commit, &source.overlay).await?;
                Ok(repository.digest(&commit, globs).await?)
            }
        }
    }

    /// What the commit has, without what lies over it.
    pub(crate) async fn base(&self, source: &Source) -> Result<Base, SandboxError> {
        match self {
            Sources::Mirrors(mirrors) => mirrors.base(source).await,
            Sources::Local(repository) => Ok(repository.base(source).await?),
        }
    }

    /// Which of these paths are text, by the commit's attributes.
    pub(crate) async fn texts(&self, source: &Source, paths: &[&str]) -> Result<Texts, SandboxError> {
        match self {
            Sources::Mirrors(mirrors) => mirrors.texts(source, paths).await,
            Sources::Local(repository) => Ok(repository.text_paths(&source.commit, paths).await?),
        }
    }

    /// How a source differs from another commit of its repository, at most `bytes_max` bytes of it.
    pub(crate) async fn diff(&self, source: &Source, since: &CommitId, bytes_max: usize) -> Result<String, SandboxError> {
        match self {
            Sources::Mirrors(mirrors) => mirrors.diff(source, since, bytes_max).await,
            Sources::Local(repository) => {
                let commit = repository.over(&source.commit, &source.overlay).await?;
                Ok(repository.diff(since, &commit, bytes_max).await?)
            }
        }
    }

    /// What is wanted of a source and of how it differs from another commit of its repository.
    pub(crate) async fn survey(
        &self,
        source: &Source,
        since: Option<&CommitId>,
        wanted: &SurveyWanted,
    ) -> Result<Survey, SandboxError> {
        let repository = match self {
            Sources::Mirrors(mirrors) => return mirrors.survey(source, since, wanted).await,
            Sources::Local(repository) => repository,
        };
        let commit = repository.over(&source.commit, &source.overlay).await?;
        let mut survey = repository.survey(&commit, since, wanted).await?;
        if let Some(since) = since.filter(|_| wanted.commits) {
            // What is not committed is no commit whose message anybody has written: those before it count.
            let head = named(repository, &super::committed(&source.commit)).await?;
            let head = head.as_ref().unwrap_or(&source.commit);
            survey.commits = Some(repository.commits_between(since, head).await?);
        }
        Ok(survey)
    }
}

/// The commit whose files a source of a local repository has: its own, or where it is to have its submodules, the one that was
/// made with them.
async fn has(repository: &Mirror, source: &Source) -> Result<CommitId, SandboxError> {
    let commit = &source.commit;
    if !repository.has(commit).await? {
        return Err(SandboxError::SourceUnusable(format!("commit {} is not in the repository", commit.short())));
    }
    if !source.checkout.submodules {
        return Ok(commit.clone());
    }
    let named = named(repository, &super::with_submodules(commit)).await?;
    // Without a name for it, it has no submodules.
    Ok(named.unwrap_or_else(|| commit.clone()))
}

/// What is kept in Git LFS has to be on this machine: nothing is fetched.
fn there(missing: &[&Pointer]) -> Result<(), SandboxError> {
    let Some(first) = missing.first() else { return Ok(()) };
    let more = if missing.len() > 1 { format!(" and of {} more", missing.len() - 1) } else { String::new() };
    let words = format!("the content of `{}`{more} is kept in Git LFS and is not here; `git lfs pull` gets it", first.shown());
    Err(SandboxError::SourceUnusable(words))
}

/// The commit that a local repository has under a name.
async fn named(repository: &Mirror, name: &str) -> Result<Option<CommitId>, SandboxError> {
    let said = repository.ask(&["rev-parse", "--verify", "--quiet", name]).await?;
    Ok(said.and_then(|said| String::from_utf8_lossy(&said).trim().parse().ok()))
}
