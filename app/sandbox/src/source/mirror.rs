//! One mirror. Whoever calls holds its lock.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gatewright_core::CommitId;
use gatewright_core::sandbox::{SandboxError, Source};
use gatewright_core::survey::{Commits, Survey, SurveyWanted};
use gatewright_core::tree::FileChange;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWrite;

use super::git::{Ended, Git, GitError, fetch_error};
use super::lfs::{self, Contents, Pointer, Store};
use super::own::{Budget, OwnError, own};
use super::texts::Texts;
use super::{FillError, Pin, base, diff, of_disk, overlay, survey};
use crate::changes::{self, Base};

/// A first fetch of a large repository takes minutes; its files without history, seldom as long as this.
const FETCH_MAX: Duration = Duration::from_secs(600);

/// Calls that do not leave the machine.
pub(super) const LOCAL_MAX: Duration = Duration::from_secs(60);

/// Writing out a commit takes seconds. The engine, which reads it, has a deadline of its own.
const ARCHIVE_MAX: Duration = Duration::from_secs(600);

/// A mirror that holds this many commits, each with a pack of its own, is made anew when the next one is wanted: that is one
/// fetch, and cheaper than to find out what can go.
const COMMITS_MAX: usize = 200;

/// A fetch that makes the mirror larger than this, with what it holds of Git LFS, is stopped and the mirror removed, so that no
/// repository takes the disk.
const MIRROR_BYTES_MAX: u64 = 8 << 30;

/// How often a fetch's growth is looked at.
const GROWTH_POLL: Duration = Duration::from_millis(500);

/// Attributes of the commit must not hide files from its gates or rewrite them, or hide what has changed in them. This file
/// goes before the commit's own.
const ATTRIBUTES: &str = "* -export-ignore -export-subst !diff\n";

/// A bare repository that holds commits without history, each under a ref of its own name.
pub(crate) struct Mirror {
    path: PathBuf,
}

impl Mirror {
    pub(crate) fn new(path: PathBuf) -> Self {
        Mirror { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it has a commit.
    pub(crate) async fn has(&self, commit: &CommitId) -> Result<bool, GitError> {
        if !self.path.join("HEAD").exists() {
            return Ok(false);
        }
        let object = format!("{commit}^{{commit}}");
        Ok(self.git(&["cat-file", "-e", &object]).run(LOCAL_MAX).await?.status.success())
    }

    /// Removes it as a whole.
    pub(super) async fn remove(&self) -> std::io::Result<()> {
        match tokio::fs::remove_dir_all(&self.path).await {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Fetches a commit, into an empty mirror if there is none.
    pub(super) async fn fetch(&self, pin: &Pin) -> Result<(), GitError> {
        if self.commits().await >= COMMITS_MAX {
            self.remove().await.map_err(|e| GitError::of_disk(&e))?;
        }
        self.init(&pin.commit).await?;
        self.write_attributes().await.map_err(|e| GitError::of_disk(&e))?;
        let commit = &pin.commit;
        match self.fetch_refs(pin, &["--depth=1"], &[&format!("+{commit}:refs/gatewright/{commit}")]).await {
            Err(GitError::NotById) => {
                // An old or strict server: everything that it shows is fetched, and the commit may be in it.
                self.fetch_refs(pin, &[], &["+refs/*:refs/gatewright/refs/*"]).await?;
            }
            other => other?,
        }
        if self.has(commit).await? {
            return Ok(());
        }
        Err(GitError::NoCommit(format!("commit {} is not in {}", commit.short(), pin.credential.url)))
    }

    /// The files of a commit that are kept in Git LFS.
    pub(super) async fn pointers(&self, commit: &CommitId) -> Result<Vec<Pointer>, GitError> {
        lfs::pointers(&self.path, commit).await
    }

    /// Where it keeps contents of Git LFS.
    pub(super) fn store(&self) -> Store {
        Store::of_mirror(&self.path)
    }

    /// Fetches the contents of these files, those that are not there. To be called by who has the mirror alone.
    pub(super) async fn fetch_contents(&self, pin: &Pin, pointers: &[Pointer]) -> Result<(), SandboxError> {
        let mut missing = self.store().missing(pointers).await;
        if missing.is_empty() {
            return Ok(());
        }
        let sum = |pointers: &[&Pointer]| pointers.iter().fold(0_u64, |sum, one| sum.saturating_add(one.bytes));
        if self.bytes().await.saturating_add(sum(&missing)) > MIRROR_BYTES_MAX {
            // What earlier commits had goes first.
            self.remove_contents().await.map_err(|error| of_disk("emptying", &self.path, &error))?;
            missing = self.store().missing(pointers).await;
            if self.bytes().await.saturating_add(sum(&missing)) > MIRROR_BYTES_MAX {
                return Err(too_large().into());
            }
        }
        lfs::fetch(&self.path, &pin.credential, &missing).await
    }

    async fn remove_contents(&self) -> std::io::Result<()> {
        match tokio::fs::remove_dir_all(self.path.join("lfs")).await {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Writes a commit's files to `out` below `folder`, without the end of the archive. Those that these contents belong to get them.
    pub(super) async fn archive(
        &self,
        commit: &CommitId,
        folder: &str,
        contents: &Contents,
        budget: &mut Budget,
        out: &mut (impl AsyncWrite + Unpin + Send),
    ) -> Result<(), FillError> {
        if !self.attributes_hold().await {
            return Err(FillError::Broken("its attributes were changed".to_owned()));
        }
        let prefix = format!("--prefix={folder}");
        let mut git = self.git(&["archive", "--format=tar", &prefix, commit.as_str()]).start().map_err(SandboxError::from)?;
        let Some(mut files) = git.child.stdout.take() else {
            return Err(FillError::Failed(SandboxError::Source("git has no output".to_owned())));
        };
        let written = async {
            own(&mut files, out, contents, budget).await?;
            // Git ends once its output is read; what it complained about is read only then, and is short.
            let (status, words) = git.end().await.map_err(OwnError::Torn)?;
            if status.success() { Ok(()) } else { Err(OwnError::Torn(std::io::Error::other(words))) }
        };
        match tokio::time::timeout(ARCHIVE_MAX, written).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(OwnError::Unread)) => Err(FillError::Unread),
            Ok(Err(OwnError::TooLarge { mib })) => Err(does_not_fit(mib).into()),
            Ok(Err(OwnError::Damaged(content))) => Err(contents.damaged(&content).await),
            Ok(Err(OwnError::Torn(e))) => Err(FillError::Broken(e.to_string())),
            Err(_) => Err(SandboxError::Source(format!("git took longer than {} s", ARCHIVE_MAX.as_secs())).into()),
        }
    }

    /// What is wanted of a commit but its history.
    pub(crate) async fn survey(
        &self,
        commit: &CommitId,
        since: Option<&CommitId>,
        wanted: &SurveyWanted,
    ) -> Result<Survey, GitError> {
        let mut survey = survey::of(&self.path, commit, since, wanted).await?;
        survey.texts = Some(Arc::new(Texts::new(self.path.clone(), commit.clone())));
        Ok(survey)
    }

    /// The commit with what lies over it.
    pub(crate) async fn over(&self, commit: &CommitId, overlay: &[FileChange]) -> Result<CommitId, GitError> {
        overlay::over(&self.path, commit, overlay).await
    }

    /// What the commit of a source has, file by file, and where it has contents of Git LFS instead, which those.
    pub(crate) async fn base(&self, source: &Source) -> Result<Base, GitError> {
        let base = base::of(&self.path, &source.commit).await?;
        if !source.checkout.lfs {
            return Ok(base);
        }
        let mut base = base.with_lfs(self.pointers(&source.commit).await?);
        // What lies over the commit is whole as it is.
        source.overlay.iter().for_each(|change| base.forget_lfs(change.path.as_bytes()));
        Ok(base)
    }

    /// Which of these paths are text in a commit.
    pub(crate) async fn text_paths(&self, commit: &CommitId, paths: &[&str]) -> Result<changes::Texts, GitError> {
        base::texts(&self.path, commit, paths).await
    }

    /// How two commits differ.
    pub(crate) async fn diff(&self, since: &CommitId, commit: &CommitId, bytes_max: usize) -> Result<String, GitError> {
        diff::of(&self.path, since, commit, bytes_max).await
    }

    /// A digest of the files that match one of these globs: git names each with a hash of its content.
    pub(super) async fn digest(&self, commit: &CommitId, globs: &[String]) -> Result<String, GitError> {
        let mut set = globset::GlobSetBuilder::new();
        // Globs were checked when the repository file was read; one that is not valid all the same matches nothing.
        for glob in globs.iter().filter_map(|glob| gatewright_core::plan::glob(glob).ok()) {
            set.add(glob);
        }
        let set = set.build().unwrap_or_else(|_| globset::GlobSet::empty());
        let tree = self.told(&["ls-tree", "-r", "-z", commit.as_str()]).await?;
        let mut hasher = Sha256::new();
        for entry in tree.split(|byte| *byte == 0) {
            let path = entry.splitn(2, |byte| *byte == b'\t').nth(1).unwrap_or_default();
            if set.is_match(Path::new(std::ffi::OsStr::from_bytes(path))) {
                hasher.update((entry.len() as u64).to_be_bytes());
                hasher.update(entry);
            }
        }
        Ok(hex::encode(hasher.finalize()))
    }

    /// The same as [`ask`](Self::ask), where there is an answer.
    async fn told(&self, args: &[&str]) -> Result<Vec<u8>, GitError> {
        let Ended { status, stdout, stderr } = self.git(args).run(LOCAL_MAX).await?;
        if status.success() { Ok(stdout) } else { Err(GitError::Broken(stderr)) }
    }

    /// The commits between two, as far as the mirror has them.
    pub(super) async fn commits_between(&self, since: &CommitId, commit: &CommitId) -> Result<Commits, GitError> {
        survey::commits(&self.path, since, commit).await
    }

    /// Fetches two commits with so many before each. Everything that they have in common is transferred once.
    pub(super) async fn deepen(&self, pin: &Pin, since: &CommitId, depth: usize) -> Result<(), GitError> {
        let refs = [&pin.commit, since].map(|commit| format!("+{commit}:refs/gatewright/{commit}"));
        let depth = format!("--depth={depth}");
        match self.fetch_refs(pin, &[&depth], &[&refs[0], &refs[1]]).await {
            // Such a server has given all that it has when the commit was fetched.
            Err(GitError::NotById) => Ok(()),
            other => other,
        }
    }

    /// What git prints when asked something about the mirror. None where it fails.
    pub(crate) async fn ask(&self, args: &[&str]) -> Result<Option<Vec<u8>>, GitError> {
        let Ended { status, stdout, .. } = self.git(args).run(LOCAL_MAX).await?;
        Ok(status.success().then_some(stdout))
    }

    fn git(&self, args: &[&str]) -> Git {
        Git::new(&self.path, args)
    }

    async fn init(&self, commit: &CommitId) -> Result<(), GitError> {
        if self.path.join("HEAD").exists() {
            return Ok(());
        }
        self.init_as(if commit.as_str().len() == 64 { "sha256" } else { "sha1" }).await
    }

    /// Makes it, empty, for objects that are named by this hash.
    pub(crate) async fn init_as(&self, format: &str) -> Result<(), GitError> {
        let format = format!("--object-format={format}");
        let ended = self.git(&["init", "--quiet", "--bare", "--template=", &format]).run(LOCAL_MAX).await?;
        if ended.status.success() { Ok(()) } else { Err(fetch_error(&ended.stderr)) }
    }

    async fn fetch_refs(&self, pin: &Pin, depth: &[&str], refs: &[&str]) -> Result<(), GitError> {
        let fixed = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"];
        let args: Vec<&str> = [&fixed[..], depth, &["--", &pin.credential.url], refs].concat();
        let fetch = self.git(&args).with_credential(&pin.credential).run(FETCH_MAX);
        let ended = tokio::select! {
            ended = fetch => ended?,
            () = self.outgrown() => {
                self.remove().await.map_err(|e| GitError::of_disk(&e))?;
                return Err(too_large());
            }
        };
        if ended.status.success() { Ok(()) } else { Err(fetch_error(&ended.stderr)) }
    }

    /// Ends once the mirror is too large.
    async fn outgrown(&self) {
        loop {
            tokio::time::sleep(GROWTH_POLL).await;
            if self.bytes().await <= MIRROR_BYTES_MAX {
                continue;
            }
            // What is kept of Git LFS goes first: it can be fetched again, and alone would make no repository too large for git.
            if self.remove_contents().await.is_err() || self.bytes().await > MIRROR_BYTES_MAX {
                return;
            }
        }
    }

    /// What its packs and its contents of Git LFS hold.
    async fn bytes(&self) -> u64 {
        let folders = ["objects/pack", "lfs"].map(|folder| self.path.join(folder));
        let sum = move || folders.iter().map(|folder| bytes_in(folder)).sum();
        tokio::task::spawn_blocking(sum).await.unwrap_or(0)
    }

    /// How many commits it has, those with something over them too.
    async fn commits(&self) -> usize {
        let folders = ["refs/gatewright", overlay::REFS].map(|refs| self.path.join(refs));
        let count = move || folders.iter().map(|refs| std::fs::read_dir(refs).map_or(0, Iterator::count)).sum();
        tokio::task::spawn_blocking(count).await.unwrap_or(0)
    }

    fn attributes(&self) -> PathBuf {
        self.path.join("info/attributes")
    }

    async fn attributes_hold(&self) -> bool {
        tokio::fs::read(self.attributes()).await.is_ok_and(|found| found == ATTRIBUTES.as_bytes())
    }

    /// Writes the attributes that hold for whatever is asked of it.
    pub(crate) async fn write_attributes(&self) -> std::io::Result<()> {
        tokio::fs::create_dir_all(self.path.join("info")).await?;
        tokio::fs::write(self.attributes(), ATTRIBUTES).await
    }
}

fn too_large() -> GitError {
    GitError::Unusable(format!("the repository is larger than {} GiB", MIRROR_BYTES_MAX >> 30))
}

/// What is too large for a workspace of so many MiB.
pub(super) fn does_not_fit(mib: u64) -> SandboxError {
    SandboxError::SourceUnusable(format!("its files do not fit into the workspace of {mib} MiB"))
}

/// The bytes of the files below a folder. One that vanishes meanwhile counts nothing.
pub(super) fn bytes_in(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let bytes = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.ok()?;
        let metadata = entry.metadata().ok()?;
        Some(if metadata.is_dir() { bytes_in(&entry.path()) } else { metadata.len() })
    };
    entries.filter_map(bytes).sum()
}
