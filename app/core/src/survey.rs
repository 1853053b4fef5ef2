//! What a commit's source and its pull request tell beside what runs in a sandbox: asked from git on the host and from the
//! forge, since what runs in a sandbox could tell anything.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::event::User;
use crate::ids::CommitId;
use crate::verdict::SourceText;

/// What is to be found out about a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SurveyWanted {
    /// [`Survey::files`] and [`Survey::others`].
    pub files: bool,
    /// [`Survey::diff`].
    pub diff: bool,
    /// [`Survey::changes`].
    pub changes: bool,
    /// [`Survey::commits`].
    pub commits: bool,
    /// [`Survey::contents`].
    pub contents: Vec<ContentWanted>,
}

impl SurveyWanted {
    /// Whether nothing is to be found out.
    pub fn is_empty(&self) -> bool {
        *self == SurveyWanted::default()
    }

    /// What both want.
    #[must_use]
    pub fn and(mut self, other: SurveyWanted) -> SurveyWanted {
        self.files |= other.files;
        self.diff |= other.diff;
        self.changes |= other.changes;
        self.commits |= other.commits;
        self.contents.extend(other.contents);
        self
    }
}

/// Files whose content is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentWanted {
    /// Globs, one of which must match a file's path.
    pub globs: Vec<String>,
    /// Which of the files that match.
    pub which: Which,
}

/// Which files are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those that the commit has, whether they have changed or not.
    Head,
    /// Those that have changed, as they were and as they are.
    Changed,
    /// Those that the commit has that this one is compared with.
    Base,
}

/// What a commit's source tells beside what runs in a sandbox.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// Its regular files, as paths relative to its root.
    pub files: Vec<String>,
    /// What else lies in it: symbolic links, submodules.
    pub others: Vec<String>,
    /// What has changed since the commit that it is compared with: a unified diff without context. None where it is compared
    /// with none.
    pub diff: Option<Bytes>,
    /// What is in its files. None where nobody can tell.
    pub texts: Option<Arc<dyn SourceText>>,
    /// The files that have changed since then. None where it is compared with none.
    pub changes: Option<Vec<FileChange>>,
    /// The commits that were made since then. None where it is compared with none.
    pub commits: Option<Commits>,
    /// The contents that were asked for.
    pub contents: Contents,
    /// What the pull request is now. None where there is none, or where no forge is asked.
    pub pull: Option<PullFacts>,
}

impl Survey {
    /// The content of a file on one side, where it was asked for and there is one.
    pub fn content(&self, side: Side, path: &str) -> Option<&Bytes> {
        self.contents.files.iter().find(|file| file.side == side && file.path == path).map(|file| &file.bytes)
    }
}

/// A file that differs between two commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// Its path now; of a removed file, the one that it had.
    pub path: String,
    /// What has become of it.
    pub how: Changed,
    /// How many lines were added. None of a binary file.
    pub added: Option<u64>,
    /// How many lines were taken away. None of a binary file.
    pub removed: Option<u64>,
    /// Its size now, in bytes; 0 of a removed file and of what is no regular file.
    pub bytes: u64,
}

/// What has become of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// It is new.
    Added,
    /// Its content, its mode or its kind has changed.
    Modified,
    /// It is gone.
    Removed,
    /// It had this path before, and may have changed besides.
    Renamed {
        /// The path before.
        from: String,
    },
}

impl FileChange {
    /// The path that it had before, if it was there.
    pub fn path_before(&self) -> Option<&str> {
        match &self.how {
            Changed::Added => None,
            Changed::Modified | Changed::Removed => Some(&self.path),
            Changed::Renamed { from } => Some(from),
        }
    }

    /// The path that it has now, if it is there.
    pub fn path_now(&self) -> Option<&str> {
        match self.how {
            Changed::Removed => None,
            Changed::Added | Changed::Modified | Changed::Renamed { .. } => Some(&self.path),
        }
    }
}

/// Commits between two others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commits {
    /// The commits, the newest first, at most [`Commits::MAX`].
    pub list: Vec<CommitFacts>,
    /// Whether these are not all of them.
    pub incomplete: bool,
}

impl Commits {
    /// So many commits are looked at. A change of more is said to be of more.
    pub const MAX: usize = 1000;

    /// Of a commit's message, so many bytes are kept.
    pub const MESSAGE_BYTES_MAX: usize = 16 * 1024;
}

/// A commit, as whoever made it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitFacts {
    /// Its id.
    pub id: CommitId,
    /// How many parents it has; two or more make it a merge.
    pub parents: usize,
    /// The author's name. Untrusted text.
    pub author: String,
    /// The author's address. Untrusted text.
    pub email: String,
    /// The message. Untrusted text.
    pub message: String,
}

/// The contents of files.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// The files, each once on a side.
    pub files: Vec<Content>,
    /// Paths of those that were left out since they are too large, or too many.
    pub left_out: Vec<String>,
}

impl Contents {
    /// All contents may have so many bytes together. What is beyond is left out, and said to be.
    pub const BYTES_MAX: u64 = 48 * 1024 * 1024;

    /// The same of a single file.
    pub const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

    /// There may be so many of them.
    pub const FILES_MAX: usize = 20_000;
}

/// The content of a file. Untrusted.
#[derive(Debug, Clone)]
pub struct Content {
    /// On which side.
    pub side: Side,
    /// Its path there.
    pub path: String,
    /// Its content.
    pub bytes: Bytes,
}

/// One of the two commits that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The commit that is compared with.
    Base,
    /// The commit itself.
    Head,
}

/// What a forge tells of a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullFacts {
    /// Its title now. Untrusted text.
    pub title: String,
    /// Who opened it.
    pub author: User,
    /// Who approves of it now. None where nobody asked.
    pub approvals: Option<Vec<Approval>>,
}

/// Somebody who approves of a pull request as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who.
    pub by: User,
    /// Those of the teams that were asked about of which they are a member.
    pub teams: Vec<String>,
}
