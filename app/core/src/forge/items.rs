//! What a forge tells of pull requests and issues as texts: what people have written there, and when.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ForgeError;
use crate::event::User;
use crate::ids::{ItemRef, RepoRef};

/// So many comments of an item are told at most: the first half of them and the newest half.
pub const COMMENTS_MAX: usize = 100;

/// A pull request or an issue, as people read it. All of its texts are untrusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its title.
    pub title: String,
    /// Its text. Empty where nobody wrote one.
    pub body: String,
    /// Who opened it.
    pub author: User,
    /// When.
    pub created_at: Timestamp,
    /// When title or text were last changed. Where the forge does not tell that by itself it is when the item was last changed
    /// in any way, which is never too early. None: never.
    pub edited_at: Option<Timestamp>,
    /// Its labels.
    pub labels: Vec<String>,
    /// Whether it is neither closed nor merged.
    pub open: bool,
    /// What was said about it, oldest first: the first and the newest, at most [`COMMENTS_MAX`] in all.
    pub comments: Vec<ItemComment>,
    /// How many comments between the first and the newest are left out. Where the forge does not count them: at least so many.
    pub comments_left_out: u64,
}

/// What somebody said about an item, for all to read who may read the rest. Remarks at lines of a diff are none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemComment {
    /// The forge's number of it.
    pub id: u64,
    /// Who.
    pub author: User,
    /// Whether a program's account wrote it, as far as the forge tells.
    pub bot: bool,
    /// When.
    pub written_at: Timestamp,
    /// When it was last changed. None: never.
    pub edited_at: Option<Timestamp>,
    /// The text.
    pub body: String,
}

/// What a forge tells of pull requests and issues.
#[async_trait]
pub trait Items: Send + Sync {
    /// A pull request or an issue, with what was said about it.
    async fn item(&self, repo: &RepoRef, item: &ItemRef) -> Result<Item, ForgeError>;

    /// The name of the branch that a repository counts as its own: what an issue is about lies there.
    async fn default_branch(&self, repo: &RepoRef) -> Result<String, ForgeError>;
}
