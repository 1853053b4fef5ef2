//! Publishing our comments on a merge request or an issue, which GitLab calls notes: the sticky ones, and replies.

use gatewright_core::event::{CommentRef, User};
use gatewright_core::forge::{CommentState, ForgeError};
use gatewright_core::report::{CommentReport, Holds, Known, Published};
use gatewright_core::{ItemRef, RepoRef, Timestamp};
use gatewright_forge_shared::address::with_query;
use gatewright_forge_shared::text::keep_beginning;
use serde::{Deserialize, Serialize};

use crate::api::PER_PAGE;
use crate::call::{Call, item_route};
use crate::error::is_missing;
use crate::gitlab::{Account, GitLab};
use crate::harmless::harmless;

/// GitLab's limit for a note: 1,000,000 characters, cut by bytes.
const NOTE_BYTES_MAX: usize = 1_000_000;
/// A merge request with more notes than fit on these pages of 100, oldest first, is looked through no further: the sticky
/// one is among the first, and a reply that lies behind them is made again or, where it no longer holds, stays.
const NOTE_PAGES_MAX: usize = 50;
/// What is published for a note that is not there and need not be.
const NO_NOTE: u64 = 0;
/// How a note begins, behind its marker, that no longer holds. GitLab cannot hide one.
const FOLDED: &str = "<details><summary>This no longer holds.</summary>\n\n";
const FOLDED_END: &str = "\n\n</details>";

#[derive(Serialize)]
struct NoteBody<'a> {
    body: &'a str,
}

#[derive(Deserialize)]
struct Note {
    id: u64,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    author: Option<Account>,
}

#[derive(Deserialize)]
struct Id {
    id: u64,
}

/// Somebody's note, as it is read to obey it.
#[derive(Deserialize)]
struct TheirNote {
    author: Account,
    created_at: Timestamp,
    #[serde(default)]
    body: String,
    /// GitLab wrote it: "changed the title".
    #[serde(default)]
    system: bool,
    /// Only members of the project see it.
    #[serde(default)]
    internal: bool,
    /// Its name before GitLab 15.
    #[serde(default)]
    confidential: bool,
}

impl GitLab {
    pub(crate) async fn read_their_note(&self, repo: &RepoRef, comment: &CommentRef) -> Result<Option<CommentState>, ForgeError> {
        let route = item_route(repo, comment.item(), &["notes", &comment.id.to_string()])?;
        let answer = self.api.send(&Call::get("note", route)).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let note: TheirNote = answer.ok(|| format!("note {} of {}", comment.id, repo.path))?.json("note")?;
        if note.system || note.internal || note.confidential {
            return Ok(None);
        }
        let author = User { id: note.author.id, login: note.author.username };
        Ok(Some(CommentState { author, written_at: note.created_at, body: note.body }))
    }

    pub(crate) async fn publish_note(
        &self,
        repo: &RepoRef,
        report: &CommentReport,
        known: &Known,
    ) -> Result<Published, ForgeError> {
        let _held = self.publishing.hold(format!("{}/note/{}/{}", repo.key(), report.on, report.marker)).await;
        match report.holds {
            Holds::Yes => self.show_note(repo, report, known).await,
            Holds::NoLonger => self.fold_note(repo, report, known).await,
        }
    }

    async fn show_note(&self, repo: &RepoRef, report: &CommentReport, known: &Known) -> Result<Published, ForgeError> {
        let body = format!("{}\n{}", report.marker, harmless(&report.body));
        let body = keep_beginning(&body, NOTE_BYTES_MAX);
        if let Known::Id(id) = known {
            match self.update_note(repo, report.on, *id, &body).await {
                Err(error) if is_missing(&error) => {}
                result => return result,
            }
        }
        let found = match known {
            Known::Never => None,
            Known::Maybe | Known::Id(_) => self.find_note(repo, report).await?,
        };
        match found {
            Some(found) if found.body.as_deref() == Some(&body) => Ok(Published { id: found.id }),
            Some(found) => self.update_note(repo, report.on, found.id, &body).await,
            None => self.create_note(repo, report.on, &body).await,
        }
    }

    /// Folds what the note says. One that is not there is not made. Nothing undoes it: what has ceased to hold is answered
    /// anew, not brought back.
    async fn fold_note(&self, repo: &RepoRef, report: &CommentReport, known: &Known) -> Result<Published, ForgeError> {
        let found = match known {
            Known::Id(id) => self.read_note(repo, report.on, *id).await?,
            // It was made by the run that it answers, so that this one never tried says nothing.
            Known::Never | Known::Maybe => self.find_note(repo, report).await?,
        };
        let Some(note) = found else {
            return Ok(Published { id: if let Known::Id(id) = known { *id } else { NO_NOTE } });
        };
        let body = note.body.as_deref().unwrap_or_default();
        let text = body.strip_prefix(report.marker.as_str()).unwrap_or(body).trim_start();
        if text.starts_with(FOLDED) {
            return Ok(Published { id: note.id });
        }
        let room = NOTE_BYTES_MAX.saturating_sub(report.marker.len() + 1 + FOLDED.len() + FOLDED_END.len());
        let folded = format!("{}\n{FOLDED}{}{FOLDED_END}", report.marker, keep_beginning(text, room));
        match self.update_note(repo, report.on, note.id, &folded).await {
            Err(error) if is_missing(&error) => Ok(Published { id: note.id }),
            result => result,
        }
    }

    async fn read_note(&self, repo: &RepoRef, on: ItemRef, id: u64) -> Result<Option<Note>, ForgeError> {
        match self.api.send(&Call::get("note", note_route(repo, on, id)?)).await?.ok(|| format!("note {id}")) {
            Ok(answer) => answer.json("note").map(Some),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn create_note(&self, repo: &RepoRef, on: ItemRef, body: &str) -> Result<Published, ForgeError> {
        let call = Call::post("create_note", item_route(repo, on, &["notes"])?, &NoteBody { body })?.note();
        let made: Id = self.api.send(&call).await?.ok(|| format!("{on} of {}", repo.path))?.json("create_note")?;
        Ok(Published { id: made.id })
    }

    async fn update_note(&self, repo: &RepoRef, on: ItemRef, id: u64, body: &str) -> Result<Published, ForgeError> {
        let call = Call::put("update_note", note_route(repo, on, id)?, &NoteBody { body })?;
        self.api.send(&call).await?.ok(|| format!("note {id}"))?;
        Ok(Published { id })
    }

    /// Our note with this marker. Should there be several, the oldest is the one that people know; the others are deleted.
    /// Anybody can write our marker, so it is the account that counts, by its number.
    async fn find_note(&self, repo: &RepoRef, report: &CommentReport) -> Result<Option<Note>, ForgeError> {
        let me = self.me().await?;
        let query = [("sort", "asc"), ("order_by", "created_at"), PER_PAGE];
        let first = Call::get("find_note", with_query(item_route(repo, report.on, &["notes"])?, &query));
        let listed = self.api.list::<Note>(first, NOTE_PAGES_MAX, || format!("{} of {}", report.on, repo.path)).await?;
        let marked = |note: &Note| note.body.as_deref().is_some_and(|body| body.starts_with(&report.marker));
        let is_ours = |note: &Note| note.author.as_ref().is_some_and(|author| author.id == me);
        let mut ours: Vec<Note> = listed.items.into_iter().filter(|note| marked(note) && is_ours(note)).collect();
        ours.sort_by_key(|note| note.id);
        let mut ours = ours.into_iter();
        let oldest = ours.next();
        for extra in ours {
            tracing::warn!(forge = "gitlab", repo = repo.path, note = extra.id, "deleting a note that was made twice");
            let call = Call::delete("delete_note", note_route(repo, report.on, extra.id)?);
            match self.api.send(&call).await?.ok(|| format!("note {}", extra.id)) {
                Err(error) if !is_missing(&error) => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(oldest)
    }
}

fn note_route(repo: &RepoRef, on: ItemRef, id: u64) -> Result<String, ForgeError> {
    item_route(repo, on, &["notes", &id.to_string()])
}
