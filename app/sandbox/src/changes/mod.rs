//! What has been changed in a workspace: its files are listed, those that may have changed are read, and what is in them is compared
//! with the commit by its hash. The same whatever a sandbox is made of: how to list and to read is behind [`Look`].
//!
//! Who lists and reads may be fooled by what runs in the workspace, and that does no harm: whatever it shows is what it might as well
//! have written there, and what it hides does not count. So all that matters is judged here, on what was read: paths, kinds, sizes
//! and counts. No git runs on anything of the workspace.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use async_trait::async_trait;
use bytes::Bytes;
use gatewright_core::CommitId;
use gatewright_core::sandbox::{ChangesError, Refused, Source};
use gatewright_core::tree::{FileChange, FileMode};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

mod base;
mod ignore;
pub(crate) mod paths;
mod sum;
#[cfg(test)]
mod tests;

pub(crate) use base::{Base, Format, Tracked, TrackedAs};

use crate::source::Sources;
use ignore::Rules;
use sum::Sum;

/// Deeper than this, `.gitignore` files that are new count no more.
const RULES_DEPTH_MAX: usize = 16;

/// So many folders that are ignored are not looked into again.
const PRUNE_MAX: usize = 200;

/// What lies at a path that is no folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File { executable: bool },
    Link,
    Special,
}

/// An entry of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Relative to the workspace.
    pub(crate) path: Vec<u8>,
    pub(crate) look: Appearance,
}

/// By what an entry that was not touched is known again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appearance {
    pub(crate) kind: Kind,
    pub(crate) bytes: u64,
    /// Its inode, and when that was last changed, in seconds and nanoseconds: nobody without rights can set that. None where it
    /// cannot be told exactly: then it is not known again.
    pub(crate) stamp: Option<(u64, i64, u32)>,
}

impl Appearance {
    fn is_still(&self, known: &Appearance) -> bool {
        self.stamp.is_some() && self == known
    }
}

/// An entry that is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) path: Vec<u8>,
    pub(crate) link: bool,
    /// As it was listed.
    pub(crate) bytes: u64,
    /// How its content is named.
    pub(crate) format: Format,
    /// Of no use where its content has this name.
    pub(crate) unless: Option<String>,
}

/// An entry that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// The name of its content.
    pub(crate) id: String,
    /// What is in it, or where the link leads. None where it is of no use.
    pub(crate) content: Option<Bytes>,
}

/// Looks into a workspace.
#[async_trait]
pub(crate) trait Look: Send + Sync {
    /// All that is no folder, but for what is in the folder `.git` and in these folders. None of them is followed where it is a link.
    async fn list(&self, prune: &[String]) -> Result<Listing, ChangesError>;

    /// Reads these, in this order. All that is of use holds at most [`Tree::BYTES_MAX`](gatewright_core::tree::Tree) bytes, or it is
    /// refused.
    async fn read(&self, wanted: &[Wanted]) -> Result<Vec<Found>, ChangesError>;
}

/// What lies in a workspace.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) entries: Vec<Entry>,
    /// Whether a folder could not be read.
    pub(crate) incomplete: bool,
}

/// How a workspace differs from the commit of its source, as it would be committed.
pub(crate) async fn told(
    watch: &mut Watch,
    look: &dyn Look,
    sources: &Sources,
    source: &Source,
    leave: &[String],
) -> Result<Vec<FileChange>, ChangesError> {
    let changes = watch.changes(look, &globs(leave)).await?;
    let ends: Vec<&str> =
        changes.iter().filter(|change| has_line_ends_of_windows(change)).map(|change| change.path.as_str()).collect();
    if ends.is_empty() {
        return Ok(changes);
    }
    let texts = sources.texts(source, &ends).await?;
    Ok(watch.as_committed(changes, &texts))
}

/// As the repository file has them: `*` and `?` do not cross a `/`.
fn globs(all: &[String]) -> GlobSet {
    let mut set = GlobSetBuilder::new();
    for glob in all.iter().filter_map(|glob| GlobBuilder::new(glob).literal_separator(true).build().ok()) {
        set.add(glob);
    }
    set.build().unwrap_or_default()
}

fn has_line_ends_of_windows(change: &FileChange) -> bool {
    let Some((_, content)) = &change.now else { return false };
    memchr::memmem::find(content, b"\r\n").is_some() && !content.contains(&0)
}

/// What is known of a workspace from one question to the next.
pub(crate) struct Watch {
    commit: CommitId,
    base: Base,
    known: HashMap<Vec<u8>, Known>,
    /// Folders that the rules ignore and that have nothing of the commit.
    prune: Vec<String>,
    rules: Vec<u8>,
}

struct Known {
    look: Appearance,
    what: What,
}

enum What {
    /// As the commit has it.
    Same,
    /// Other than that, with this content.
    Changed(Bytes),
    /// Not of the commit, and there before anything ran: a submodule's, or out of a cache.
    Before,
}

impl Watch {
    /// Knows nothing yet of a workspace that was filled from this commit.
    pub(crate) fn new(commit: CommitId, base: Base) -> Watch {
        Watch { commit, base, known: HashMap::new(), prune: Vec::new(), rules: Vec::new() }
    }

    /// Whether it is about this commit.
    pub(crate) fn is_of(&self, commit: &CommitId) -> bool {
        self.commit == *commit
    }

    /// Takes note of a workspace in which nothing has run yet.
    pub(crate) fn note(&mut self, listing: Listing, overlay: &[FileChange]) {
        let over: HashMap<&[u8], &FileChange> = overlay.iter().map(|change| (change.path.as_bytes(), change)).collect();
        for Entry { path, look } in listing.entries {
            let what = match over.get(path.as_slice()).and_then(|change| change.now.as_ref()) {
                Some((_, content)) => What::Changed(content.clone()),
                None if self.base.get(&path).is_some() => What::Same,
                None => What::Before,
            };
            self.known.insert(path, Known { look, what });
        }
    }

    /// What is other than in the commit, without what is new and is named by `leave`.
    pub(crate) async fn changes(&mut self, look: &dyn Look, leave: &GlobSet) -> Result<Vec<FileChange>, ChangesError> {
        let (mut listing, rules) = self.listed(look).await?;
        listing.entries.retain(|entry| {
            let named = !leave.is_empty() && leave.is_match(OsStr::from_bytes(&entry.path));
            !named || self.base.get(&entry.path).is_some()
        });
        let wanted = self.wanted(&listing, &rules)?;
        self.learn(look, wanted).await?;
        let mut sum = Sum::new(&self.base);
        for Entry { path, look } in &listing.entries {
            self.weigh(&mut sum, &rules, path, look)?;
        }
        let changes = sum.over(&listing)?;
        self.forget(&listing);
        // Those that were left out of the listing are ignored still, or it would have been made anew.
        self.prune.extend(rules.folders(&self.base));
        self.prune.truncate(PRUNE_MAX);
        self.rules = rules.digest();
        Ok(changes)
    }

    /// What lies there, and what of it is ignored. Where the rules have changed, nothing is left out of the listing.
    async fn listed(&mut self, look: &dyn Look) -> Result<(Listing, Rules), ChangesError> {
        let listing = look.list(&self.prune).await?;
        let rules = self.read_rules(look, &listing).await?;
        if self.prune.is_empty() || rules.digest() == self.rules {
            return Ok((listing, rules));
        }
        self.prune.clear();
        let listing = look.list(&[]).await?;
        let rules = self.read_rules(look, &listing).await?;
        Ok((listing, rules))
    }

    /// The `.gitignore` files, from the root down: one in an ignored folder has no say.
    async fn read_rules(&mut self, look: &dyn Look, listing: &Listing) -> Result<Rules, ChangesError> {
        let mut files: Vec<(usize, &Entry)> =
            listing.entries.iter().filter_map(|entry| Some((ignore::depth(entry)?, entry))).collect();
        files.sort_by_key(|(depth, _)| *depth);
        let mut rules = Rules::default();
        for files in files.chunk_by(|(one, _), (other, _)| one == other) {
            let depth = files.first().map_or(0, |(depth, _)| *depth);
            let heard: Vec<&Entry> = files
                .iter()
                .map(|(_, entry)| *entry)
                .filter(|entry| self.base.get(&entry.path).is_some() || (depth <= RULES_DEPTH_MAX && !rules.ignore(&entry.path)))
                .collect();
            let wanted = heard.iter().filter_map(|entry| self.wanted_one(entry)).collect();
            self.learn(look, wanted).await?;
            for entry in heard {
                rules.add(&entry.path, self.text_of(&entry.path));
            }
        }
        Ok(rules)
    }

    fn text_of(&self, path: &[u8]) -> Bytes {
        match self.known.get(path).map(|known| &known.what) {
            Some(What::Changed(content)) => content.clone(),
            Some(What::Same) => self.base.texts.get(path).cloned().unwrap_or_default(),
            // One that came with a submodule or out of a cache is about what is there already.
            Some(What::Before) | None => Bytes::new(),
        }
    }

    /// What has to be read, of what lies there.
    fn wanted(&self, listing: &Listing, rules: &Rules) -> Result<Vec<(Wanted, Appearance)>, Refused> {
        let (mut wanted, mut new) = (Vec::new(), sum::New::default());
        for entry in &listing.entries {
            if !self.is_known(entry) && self.base.is_other_lfs(entry) {
                return Err(Refused::Lfs { path: paths::shown(&entry.path) });
            }
            if self.base.get(&entry.path).is_none() {
                if self.is_known(entry) {
                    continue;
                }
                if rules.ignore(&entry.path) {
                    continue;
                }
                new.count(entry, &self.base)?;
            }
            wanted.extend(self.wanted_one(entry));
        }
        new.check()?;
        Ok(wanted)
    }

    fn is_known(&self, entry: &Entry) -> bool {
        self.known.get(&entry.path).is_some_and(|known| entry.look.is_still(&known.look))
    }

    fn wanted_one(&self, entry: &Entry) -> Option<(Wanted, Appearance)> {
        if self.is_known(entry) || entry.look.kind == Kind::Special {
            return None;
        }
        let link = entry.look.kind == Kind::Link;
        // A file whose kind is another has to be read, be its content the same or not.
        let (format, unless) = self.base.name_of(&entry.path, &entry.look);
        let wanted = Wanted { path: entry.path.clone(), link, bytes: entry.look.bytes, format, unless };
        Some((wanted, entry.look))
    }

    /// Reads what is wanted.
    async fn learn(&mut self, look: &dyn Look, wanted: Vec<(Wanted, Appearance)>) -> Result<(), ChangesError> {
        if wanted.is_empty() {
            return Ok(());
        }
        let (wanted, looks): (Vec<Wanted>, Vec<Appearance>) = wanted.into_iter().unzip();
        let found = look.read(&wanted).await?;
        for ((wanted, look), found) in wanted.into_iter().zip(looks).zip(found) {
            let what = match found.content {
                Some(content) if wanted.link && self.base.leads(&wanted.path, &content) => What::Same,
                Some(content) => What::Changed(content),
                None => What::Same,
            };
            self.known.insert(wanted.path, Known { look, what });
        }
        Ok(())
    }

    /// What an entry comes to.
    fn weigh(&self, sum: &mut Sum<'_>, rules: &Rules, path: &[u8], look: &Appearance) -> Result<(), Refused> {
        let known = self.known.get(path).map(|known| &known.what);
        if self.base.get(path).is_none() && (matches!(known, Some(What::Before) | None) || rules.ignore(path)) {
            return Ok(());
        }
        match (known, look.kind) {
            (_, Kind::Special) => return Err(Refused::Special { path: paths::shown(path) }),
            (Some(What::Same), _) => sum.same(path),
            (Some(What::Changed(content)), Kind::File { executable }) => {
                let mode = if executable { FileMode::Executable } else { FileMode::Plain };
                return sum.changed(path, mode, content);
            }
            (_, Kind::Link) => return Err(Refused::Link { path: paths::shown(path) }),
            (Some(What::Before) | None, Kind::File { .. }) => sum.same(path),
        }
        Ok(())
    }

    /// With the line ends that git gives files when they are committed, where the commit's attributes say so: the workspace has those
    /// of a checkout.
    fn as_committed(&self, changes: Vec<FileChange>, texts: &Texts) -> Vec<FileChange> {
        let committed = |change: FileChange| {
            let tracked = self.base.get(change.path.as_bytes());
            let is_text = texts.always.contains(&change.path) || (texts.unless_known.contains(&change.path) && tracked.is_none());
            let Some((mode, content)) = change.now.as_ref().filter(|_| is_text && has_line_ends_of_windows(&change)) else {
                return Some(change);
            };
            let content = Bytes::from(with_plain_line_ends(content));
            let executable = *mode == FileMode::Executable;
            let same = tracked.is_some_and(|tracked| {
                tracked.is == (TrackedAs::File { executable }) && self.base.format.name(&content) == tracked.id
            });
            (!same).then_some(FileChange { path: change.path, now: Some((*mode, content)) })
        };
        changes.into_iter().filter_map(committed).collect()
    }

    /// Forgets what is there no more, but for what lies in folders that were not looked into.
    fn forget(&mut self, listing: &Listing) {
        if self.known.len() > listing.entries.len() {
            let there: HashSet<&[u8]> = listing.entries.iter().map(|entry| entry.path.as_slice()).collect();
            self.known.retain(|path, known| there.contains(path.as_slice()) || matches!(known.what, What::Before));
        }
    }
}

/// Which paths are text to git.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    /// Whatever is in them.
    pub(crate) always: HashSet<String>,
    /// Unless the commit has them otherwise already.
    pub(crate) unless_known: HashSet<String>,
}

fn with_plain_line_ends(content: &[u8]) -> Vec<u8> {
    let is_end = |at: usize| content[at] == b'\r' && content.get(at + 1) == Some(&b'\n');
    (0..content.len()).filter(|at| !is_end(*at)).map(|at| content[at]).collect()
}
