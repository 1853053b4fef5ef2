//! What is read of merge requests and issues as texts.

use gatewright_core::event::User;
use gatewright_core::forge::{COMMENTS_MAX, ForgeError, Item, ItemComment};
use gatewright_core::{ItemRef, RepoRef, Timestamp};
use gatewright_forge_shared::address::with_query;
use serde::Deserialize;

use crate::api::{Listed, PER_PAGE};
use crate::call::{Call, item_route};
use crate::error::refused;
use crate::gitlab::{Account, GitLab};

/// So many pages of 100 notes are read, the newest first; of an item with more the first page is read besides.
const NOTE_PAGES_MAX: usize = 5;

/// What GitLab's own notes begin with where title or text were changed ("System notes"). REST has no time for that.
const EDITS: [&str; 4] = ["changed title from", "changed the description", "marked the checklist item", "marked the task"];

#[derive(Deserialize)]
struct Thing {
    #[serde(default)]
    state: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    description: Option<String>,
    author: Account,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[serde(default)]
    labels: Vec<String>,
    /// Only members of the project see it.
    #[serde(default)]
    confidential: bool,
}

#[derive(Deserialize)]
struct Note {
    id: u64,
    author: Account,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[serde(default)]
    body: String,
    /// `DiffNote` where it is at a line.
    #[serde(rename = "type", default)]
    kind: Option<String>,
    /// GitLab wrote it.
    #[serde(default)]
    system: bool,
    #[serde(default)]
    internal: bool,
    /// Its name before GitLab 15.
    #[serde(default)]
    confidential: bool,
}

impl Note {
    /// Whether somebody said it for all who may see the rest.
    fn is_comment(&self) -> bool {
        !self.system && !self.internal && !self.confidential && self.kind.as_deref() != Some("DiffNote")
    }

    fn is_edit(&self) -> bool {
        self.system && EDITS.iter().any(|edit| self.body.starts_with(edit))
    }
}

impl GitLab {
    pub(crate) async fn read_item(&self, repo: &RepoRef, item: ItemRef) -> Result<Item, ForgeError> {
        let what = || format!("{item} of {}", repo.path);
        let answer = self.api.send(&Call::get("item", item_route(repo, item, &[])?)).await?.ok(what)?;
        let thing: Thing = answer.json("item")?;
        if thing.confidential {
            return Err(refused(format!("{item} is confidential, and what comes of it would not be")));
        }
        let newest = self.notes_of(repo, item, "desc", NOTE_PAGES_MAX).await?;
        let edited_at = newest.items.iter().filter(|note| note.is_edit()).map(|note| note.created_at).max();
        // Whoever edits and then has hundreds of notes written must not pass for one who did not.
        let edited_at = edited_at.or_else(|| newest.more.then_some(thing.updated_at));
        let mut comments: Vec<Note> = newest.items.into_iter().filter(Note::is_comment).collect();
        comments.reverse();
        if newest.more {
            let oldest = self.notes_of(repo, item, "asc", 1).await?;
            let known = comments.first().map_or(u64::MAX, |note| note.id);
            let oldest = oldest.items.into_iter().filter(|note| note.is_comment() && note.id < known);
            comments = oldest.chain(comments).collect();
        }
        let left_out = comments.len().saturating_sub(COMMENTS_MAX);
        let first = comments.len().min(COMMENTS_MAX / 2);
        comments.drain(first..first + left_out);
        Ok(Item {
            title: thing.title,
            body: thing.description.unwrap_or_default(),
            author: User { id: thing.author.id, login: thing.author.username },
            created_at: thing.created_at,
            edited_at,
            labels: thing.labels,
            open: thing.state == "opened",
            comments: comments.into_iter().map(told).collect(),
            comments_left_out: left_out as u64,
        })
    }

    async fn notes_of(&self, repo: &RepoRef, item: ItemRef, sort: &str, pages_max: usize) -> Result<Listed<Note>, ForgeError> {
        let query = [("sort", sort), ("order_by", "created_at"), PER_PAGE];
        let first = Call::get("item_notes", with_query(item_route(repo, item, &["notes"])?, &query));
        self.api.list::<Note>(first, pages_max, || format!("{item} of {}", repo.path)).await
    }
}

fn told(note: Note) -> ItemComment {
    ItemComment {
        id: note.id,
        bot: is_bot(&note.author.username),
        author: User { id: note.author.id, login: note.author.username },
        written_at: note.created_at,
        edited_at: Some(note.updated_at).filter(|updated| *updated != note.created_at),
        body: note.body,
    }
}

/// By the names that GitLab gives the accounts of tokens and services ("Bot users for projects", "Service accounts"); notes do not say it
/// otherwise.
fn is_bot(username: &str) -> bool {
    let of_token = |prefix: &str| username.strip_prefix(prefix).is_some_and(|rest| rest.contains("_bot"));
    of_token("project_") || of_token("group_") || username.starts_with("service_account_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accounts_of_tokens_are_known_by_their_names() {
        for bot in ["project_7_bot_0a1b", "group_12_bot", "service_account_group_3_x"] {
            assert!(is_bot(bot), "{bot}");
        }
        for person in ["alice", "project_manager", "bot", "groupie_bot"] {
            assert!(!is_bot(person), "{person}");
        }
    }
}
