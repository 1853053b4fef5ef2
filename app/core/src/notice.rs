//! Notices: what people are told through channels of the operator's choosing, and the trait that sends it. What the forge shows is
//! apart from it.
//!
//! A notice is a thing that should be true under a key: that this was told through these channels. Sending it is a run of its own
//! ([`NoticeRun`](crate::run::NoticeRun)), so that a dead channel keeps nothing waiting but itself.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{EnvironmentName, RepoRef};

/// A title is cut after so many characters, an ellipsis with it.
pub const TITLE_MAX: usize = 200;

/// A text is cut after so many characters.
pub const TEXT_MAX: usize = 2_000;

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeKind {
    /// A rollout has begun.
    Started,
    /// One waits for somebody or for a time, or does so still.
    Waiting,
    /// A release is live.
    Promoted,
    /// A rollout was undone.
    RolledBack,
    /// A rollout never began.
    GivenUp,
    /// What runs is not what was released, or is again, or could not be made so.
    Drift,
}

impl NoticeKind {
    /// All of them.
    pub const ALL: [NoticeKind; 6] = [
        NoticeKind::Started,
        NoticeKind::Waiting,
        NoticeKind::Promoted,
        NoticeKind::RolledBack,
        NoticeKind::GivenUp,
        NoticeKind::Drift,
    ];

    /// Its name, in configurations and in what is sent.
    pub fn as_str(self) -> &'static str {
        match self {
            NoticeKind::Started => "started",
            NoticeKind::Waiting => "waiting",
            NoticeKind::Promoted => "promoted",
            NoticeKind::RolledBack => "rolled-back",
            NoticeKind::GivenUp => "given-up",
            NoticeKind::Drift => "drift",
        }
    }
}

impl fmt::Display for NoticeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// There is no such kind of notice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no kind of notice `{0}`")]
pub struct UnknownKind(pub String);

impl FromStr for NoticeKind {
    type Err = UnknownKind;
    fn from_str(s: &str) -> Result<Self, UnknownKind> {
        NoticeKind::ALL.into_iter().find(|kind| kind.as_str() == s).ok_or_else(|| UnknownKind(s.to_owned()))
    }
}

/// Something that people are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Names it for ever: what was sent under it before need not be looked at again.
    pub key: String,
    /// What it is about.
    pub kind: NoticeKind,
    /// The repository.
    pub repo: RepoRef,
    /// The environment.
    pub environment: EnvironmentName,
    /// The tag of the release.
    pub tag: String,
    /// It in one line: plain text, which holds untrusted words. At most [`TITLE_MAX`] characters.
    pub title: String,
    /// More of it: plain text, which holds untrusted words. At most [`TEXT_MAX`] characters. May be empty.
    pub text: String,
    /// Who is to do something about it, for people.
    pub owner: Option<String>,
    /// The page that tells more.
    pub url: Option<String>,
    /// When it came to be so.
    pub at: Timestamp,
}

impl Notice {
    /// The same within its limits, and without control characters other than the ends of lines.
    pub fn bounded(mut self) -> Notice {
        self.title = cut(&self.title.replace(['\n', '\r'], " "), TITLE_MAX);
        self.text = cut(&self.text, TEXT_MAX);
        self.owner = self.owner.map(|owner| cut(&owner, TITLE_MAX));
        self
    }
}

/// The first characters of a text, with an ellipsis where there are more.
fn cut(text: &str, max: usize) -> String {
    let mut chars = text.chars().filter(|c| !c.is_control() || *c == '\n');
    let mut cut: String = chars.by_ref().take(max).collect();
    if chars.next().is_some() {
        cut.pop();
        cut.push('…');
    }
    cut
}

/// Why a notice was not sent, by what comes next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It may pass. It may have arrived: channels get the key with it where they take one.
    #[error("{cause}")]
    Again {
        /// What happened, without any secret.
        cause: String,
        /// Not before so many seconds have passed, where the channel says so.
        after_secs: Option<u64>,
    },
    /// The channel will not take it, or is there no more.
    #[error("{cause}")]
    Final {
        /// Why not, without any secret.
        cause: String,
    },
}

/// The channels that the operator has opened.
#[async_trait]
pub trait Channels: Send + Sync {
    /// The names of those that are told of this, in the order of the configuration.
    fn fitting(&self, notice: &Notice) -> Vec<String>;

    /// Sends a notice through one of them.
    async fn send(&self, channel: &str, notice: &Notice) -> Result<(), SendError>;
}

/// Nobody is told anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoChannels;

#[async_trait]
impl Channels for NoChannels {
    fn fitting(&self, _notice: &Notice) -> Vec<String> {
        Vec::new()
    }

    async fn send(&self, channel: &str, _notice: &Notice) -> Result<(), SendError> {
        Err(SendError::Final { cause: format!("there is no channel `{channel}`") })
    }
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
        assert_eq!(cut("a\u{1b}[31m\nb\u{7}", 20), "a[31m\nb");
    }
}
