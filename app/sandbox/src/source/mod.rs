//! Where a workspace's files come from: a mirror of each repository on the host, and a stream of one commit out of it.
//!
//! A mirror is a bare repository that nobody works in. A commit is fetched by its id, without history, and only what the
//! mirror does not have yet is transferred. The files leave it as a tar stream that is never whole in memory or on disk.
//!
//! The credential is given to git by its environment, so it is in no argument, no URL and no file, and it stays on the host. Git LFS
//! (`lfs`) is asked by this process itself, with the same credential and none of git's filters.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use gatewright_core::forge::CloneCredential;
use gatewright_core::sandbox::{SandboxError, Source};
use gatewright_core::survey::{Commits, Survey, SurveyWanted};
use gatewright_core::tree::FileChange;
use gatewright_core::{CommitId, ForgeKind};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::RwLock;

mod base;
mod diff;
mod git;
mod lfs;
mod link;
mod lock;
mod mirror;
mod overlay;
mod own;
mod room;
mod sources;
mod submodules;
mod survey;
mod texts;

pub(crate) use git::{Ended, Git, GitError};
pub(crate) use lfs::Pointer;
pub(crate) use link::turned_inward;
pub(crate) use mirror::Mirror;
pub(crate) use sources::Sources;
pub(crate) use submodules::{links, paths_by_name};

use lock::Held;
use submodules::Submodule;

use crate::changes::{Base, Texts};

/// So often both commits of a survey are looked for.
const SURVEY_TRIES: usize = 3;

/// So many commits before two are fetched, one number after the other, to find those that lie between them. Where they do not
/// meet within the last, not all commits are known, and that is said.
const HISTORY_DEPTHS: [usize; 3] = [50, 250, Commits::MAX];

/// When there are so many locks, those that nobody holds or waits for are forgotten.
const LOCKS_MAX: usize = 1_000;

/// The mirrors of all repositories, in one folder.
pub(crate) struct Mirrors {
    root: PathBuf,
    locks: Mutex<HashMap<String, Arc<RwLock<()>>>>,
    /// When it was last looked how much room all of them take.
    measured_at: Mutex<Option<Instant>>,
}

/// Why a workspace was not filled.
#[derive(Debug)]
pub(crate) enum FillError {
    /// The mirror has the commit and yet cannot give all of its files: it has to be made anew.
    Broken(String),
    /// Whoever was to take the files stopped taking them.
    Unread,
    /// It does not work, and making the mirror anew would not help.
    Failed(SandboxError),
}

impl From<SandboxError> for FillError {
    fn from(error: SandboxError) -> Self {
        FillError::Failed(error)
    }
}

impl From<FillError> for SandboxError {
    fn from(error: FillError) -> Self {
        match error {
            FillError::Failed(error) => error,
            FillError::Broken(cause) => SandboxError::Source(format!("the mirror is broken: {cause}")),
            FillError::Unread => SandboxError::Gone("the workspace stopped taking files".to_owned()),
        }
    }
}

/// One commit of one repository: a source, or a submodule of it.
#[derive(Debug, Clone)]
struct Pin {
    /// Names the mirror in its folder.
    name: String,
    /// The commit.
    commit: CommitId,
    /// How to fetch it.
    credential: CloneCredential,
}

impl Pin {
    fn of_source(source: &Source) -> Self {
        let name = format!("{}-{}", source.repo.forge.as_str(), source.repo.id);
        Pin { name, commit: source.commit.clone(), credential: source.credential.clone() }
    }

    /// A submodule is known by its address only.
    fn of_submodule(forge: ForgeKind, commit: CommitId, credential: CloneCredential) -> Self {
        let digest = hex::encode(Sha256::digest(credential.url.as_bytes()));
        Pin { name: format!("{}-url-{digest}", forge.as_str()), commit, credential }
    }
}

/// The name that a local repository has for a commit with the files of its submodules in it.
pub(crate) fn with_submodules(commit: &CommitId) -> String {
    format!("refs/gatewright/with-submodules/{commit}")
}

/// The name that a local repository has for the newest commit of the user's that a commit of what is not committed builds on.
pub(crate) fn committed(commit: &CommitId) -> String {
    format!("refs/gatewright/committed/{commit}")
}

impl Mirrors {
    /// Creates nothing yet.
    pub(crate) fn new(root: PathBuf) -> Self {
        Mirrors { root, locks: Mutex::default(), measured_at: Mutex::default() }
    }

    /// Makes sure that the mirror has the commit, other mirrors its submodules, and each what it is to have of Git LFS, which is asked for only
    /// where all of it fits into `disk_mib`. Where they have, nothing is transferred and nobody is asked.
    pub(crate) async fn ensure(&self, source: &Source, disk_mib: u64) -> Result<(), SandboxError> {
        self.ensure_pin(&Pin::of_source(source)).await?;
        let pins: Vec<Pin> = self.parts(source).await?.into_iter().map(|part| part.pin).collect();
        if source.checkout.lfs {
            let mut budget = own::Budget::new(disk_mib);
            let mut kept = Vec::new();
            for pin in &pins {
                let pointers = self.pointers(pin).await?;
                lfs::spend(&pointers, &mut budget, disk_mib)?;
                kept.push((pin, pointers));
            }
            for (pin, pointers) in kept {
                self.ensure_contents(pin, &pointers).await?;
            }
        }
        Ok(())
    }

    /// The commits whose files a source has, each with the folder that they go into. The first of them has to be there; the others are fetched if
    /// they are not.
    async fn parts(&self, source: &Source) -> Result<Vec<Submodule>, SandboxError> {
        let pin = Pin::of_source(source);
        let modules = if source.checkout.submodules { submodules::all(self, source.repo.forge, &pin).await? } else { Vec::new() };
        let top = Submodule { pin, folder: String::new() };
        Ok(std::iter::once(top).chain(modules).collect())
    }

    /// Throws the mirror away and fetches the commit into a new one.
    pub(crate) async fn remake(&self, source: &Source) -> Result<(), SandboxError> {
        self.remake_pin(&Pin::of_source(source)).await
    }

    async fn remake_pin(&self, pin: &Pin) -> Result<(), SandboxError> {
        let _held = self.hold_alone(&pin.name).await?;
        let mirror = self.mirror(pin);
        mirror.remove().await.map_err(|e| GitError::of_disk(&e))?;
        fetch_or_remake(&mirror, pin).await
    }

    /// Writes the commit's files as a tar archive that belongs to the sandbox's user, at most `disk_mib` of them.
    pub(crate) async fn archive(
        &self,
        source: &Source,
        disk_mib: u64,
        out: &mut (impl AsyncWrite + Unpin + Send),
    ) -> Result<(), FillError> {
        let mut budget = own::Budget::new(disk_mib);
        for part in self.parts(source).await? {
            self.archive_part(&part, source.checkout.lfs, &mut budget, out).await?;
        }
        out.write_all(&own::END).await.map_err(|_| FillError::Unread)
    }

    /// What is wanted of a commit and of how it differs from another one of its repository.
    pub(crate) async fn survey(
        &self,
        source: &Source,
        since: Option<&CommitId>,
        wanted: &SurveyWanted,
    ) -> Result<Survey, SandboxError> {
        let pin = Pin::of_source(source);
        let mut survey = self.survey_pin(&pin, &source.overlay, since, wanted).await?;
        if let Some(since) = since.filter(|_| wanted.commits) {
            survey.commits = Some(self.commits(&pin, since).await?);
        }
        Ok(survey)
    }

    async fn survey_pin(
        &self,
        pin: &Pin,
        overlay: &[FileChange],
        since: Option<&CommitId>,
        wanted: &SurveyWanted,
    ) -> Result<Survey, SandboxError> {
        let (mirror, _held) = self.with_both(pin, since).await?;
        let commit = mirror.over(&pin.commit, overlay).await?;
        Ok(mirror.survey(&commit, since, wanted).await?)
    }

    /// The mirror with a commit and another one of its repository in it, for as long as it is held.
    async fn with_both(&self, pin: &Pin, since: Option<&CommitId>) -> Result<(Mirror, Held), SandboxError> {
        let earlier = since.map(|commit| Pin { commit: commit.clone(), ..pin.clone() });
        // Fetching the one can be what has the mirror made anew, and the other lost.
        for _ in 0..SURVEY_TRIES {
            self.ensure_pin(pin).await?;
            if let Some(earlier) = &earlier {
                self.ensure_pin(earlier).await?;
            }
            let mirror = self.mirror(pin);
            let held = self.hold_shared(&pin.name).await?;
            let both = mirror.has(&pin.commit).await? && mirror.has(since.unwrap_or(&pin.commit)).await?;
            if both {
                return Ok((mirror, held));
            }
        }
        Err(SandboxError::Source("the mirror was made anew while it was asked".to_owned()))
    }

    /// What the commit has, without what lies over it.
    pub(crate) async fn base(&self, source: &Source) -> Result<Base, SandboxError> {
        let pin = Pin::of_source(source);
        let (mirror, _held) = self.with_both(&pin, None).await?;
        Ok(mirror.base(source).await?)
    }

    /// Which of these paths are text, by the commit's attributes.
    pub(crate) async fn texts(&self, source: &Source, paths: &[&str]) -> Result<Texts, SandboxError> {
        let pin = Pin::of_source(source);
        let (mirror, _held) = self.with_both(&pin, None).await?;
        Ok(mirror.text_paths(&pin.commit, paths).await?)
    }

    /// How the source differs from another commit of its repository.
    pub(crate) async fn diff(&self, source: &Source, since: &CommitId, bytes_max: usize) -> Result<String, SandboxError> {
        let pin = Pin::of_source(source);
        let (mirror, _held) = self.with_both(&pin, Some(since)).await?;
        let commit = mirror.over(&pin.commit, &source.overlay).await?;
        Ok(mirror.diff(since, &commit, bytes_max).await?)
    }

    /// The commits between two. A mirror has none but those that were asked for, so more and more before these are fetched,
    /// until the two meet. Nobody else may have the mirror meanwhile: another's fetch can cut the history off again.
    async fn commits(&self, pin: &Pin, since: &CommitId) -> Result<Commits, SandboxError> {
        let mirror = self.mirror(pin);
        let _held = self.hold_alone(&pin.name).await?;
        let mut found = mirror.commits_between(since, &pin.commit).await?;
        for depth in HISTORY_DEPTHS {
            if !found.incomplete || found.list.len() >= Commits::MAX {
                break;
            }
            mirror.deepen(pin, since, depth).await?;
            found = mirror.commits_between(since, &pin.commit).await?;
        }
        Ok(found)
    }

    /// A digest of the files of a source that match one of these globs: of their paths and their content.
    pub(crate) async fn digest(&self, source: &Source, globs: &[String]) -> Result<String, SandboxError> {
        let pin = Pin::of_source(source);
        let (mirror, _held) = self.with_both(&pin, None).await?;
        let commit = mirror.over(&pin.commit, &source.overlay).await?;
        Ok(mirror.digest(&commit, globs).await?)
    }

    async fn ensure_pin(&self, pin: &Pin) -> Result<(), SandboxError> {
        let mirror = self.mirror(pin);
        {
            let _held = self.hold_shared(&pin.name).await?;
            if mirror.has(&pin.commit).await? {
                return Ok(());
            }
        }
        let _held = self.hold_alone(&pin.name).await?;
        // Somebody else may have fetched it while this waited.
        if mirror.has(&pin.commit).await? {
            return Ok(());
        }
        fetch_or_remake(&mirror, pin).await?;
        self.make_room().await;
        Ok(())
    }

    /// Now and then: has those mirrors go that nobody has used for longest, where all of them have grown too large.
    async fn make_room(&self) {
        {
            let mut measured_at = self.measured_at.lock().unwrap_or_else(PoisonError::into_inner);
            if measured_at.is_some_and(|at| at.elapsed() < room::MEASURED_EVERY) {
                return;
            }
            *measured_at = Some(Instant::now());
        }
        let root = self.root.clone();
        // What it did is in the log. Whoever waits for a commit does not wait for room.
        drop(tokio::task::spawn_blocking(move || room::make(&root, room::MIRRORS_BYTES_MAX)));
    }

    /// What of a commit is kept in Git LFS. A mirror that cannot tell is made anew, once.
    async fn pointers(&self, pin: &Pin) -> Result<Vec<Pointer>, SandboxError> {
        let mirror = self.mirror(pin);
        let told = {
            let _held = self.hold_shared(&pin.name).await?;
            mirror.pointers(&pin.commit).await
        };
        let Err(GitError::Broken(cause)) = told else { return Ok(told?) };
        tracing::warn!(mirror = %mirror.path().display(), cause, "the mirror is broken and is made anew");
        self.remake_pin(pin).await?;
        let _held = self.hold_shared(&pin.name).await?;
        Ok(mirror.pointers(&pin.commit).await?)
    }

    /// Makes sure that the mirror has the content of these files.
    async fn ensure_contents(&self, pin: &Pin, pointers: &[Pointer]) -> Result<(), SandboxError> {
        let mirror = self.mirror(pin);
        {
            let _held = self.hold_shared(&pin.name).await?;
            if mirror.store().missing(pointers).await.is_empty() {
                return Ok(());
            }
        }
        let _held = self.hold_alone(&pin.name).await?;
        mirror.fetch_contents(pin, pointers).await
    }

    async fn archive_part(
        &self,
        part: &Submodule,
        with_lfs: bool,
        budget: &mut own::Budget,
        out: &mut (impl AsyncWrite + Unpin + Send),
    ) -> Result<(), FillError> {
        let Submodule { pin, folder } = part;
        let mut pointers = Vec::new();
        if with_lfs {
            pointers = self.pointers(pin).await?;
            // They are there but for what another fetch has made room of, or what was damaged when it was read last.
            self.ensure_contents(pin, &pointers).await?;
        }
        let _held = self.hold_shared(&pin.name).await?;
        let mirror = self.mirror(pin);
        let contents = mirror.store().contents(pointers, folder).await;
        mirror.archive(&pin.commit, folder, &contents, budget, out).await
    }

    fn mirror(&self, pin: &Pin) -> Mirror {
        Mirror::new(self.root.join(format!("{}.git", pin.name)))
    }

    async fn hold_shared(&self, name: &str) -> Result<Held, SandboxError> {
        lock::hold(self.lock_of(name), self.lock_file(name), lock::Kind::Shared).await
    }

    async fn hold_alone(&self, name: &str) -> Result<Held, SandboxError> {
        lock::hold(self.lock_of(name), self.lock_file(name), lock::Kind::Alone).await
    }

    fn lock_file(&self, name: &str) -> PathBuf {
        self.root.join(format!("{name}.lock"))
    }

    fn lock_of(&self, name: &str) -> Arc<RwLock<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if locks.len() >= LOCKS_MAX {
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        }
        locks.entry(name.to_owned()).or_default().clone()
    }
}

/// Fetches a commit. A mirror in which git itself finds fault is thrown away, and the commit fetched into a new one, once.
async fn fetch_or_remake(mirror: &Mirror, pin: &Pin) -> Result<(), SandboxError> {
    match mirror.fetch(pin).await {
        Err(GitError::Broken(cause)) => {
            tracing::warn!(mirror = %mirror.path().display(), cause, "the mirror is broken and is made anew");
            mirror.remove().await.map_err(|e| GitError::of_disk(&e))?;
            mirror.fetch(pin).await.map_err(SandboxError::from)
        }
        other => other.map_err(SandboxError::from),
    }
}

/// An error of the host's own files.
fn of_disk(what: &str, path: &Path, error: &std::io::Error) -> SandboxError {
    let words = format!("{what} {}: {error}", path.display());
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => SandboxError::HostDiskFull(words),
        _ => SandboxError::Source(words),
    }
}
