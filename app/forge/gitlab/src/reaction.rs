//! Publishing a reaction to somebody's note, which GitLab calls award emoji.

use gatewright_core::RepoRef;
use gatewright_core::forge::ForgeError;
use gatewright_core::report::{Known, Published, Reaction, ReactionReport};
use gatewright_forge_shared::address::with_query;
use serde::{Deserialize, Serialize};

use crate::api::PER_PAGE;
use crate::call::{Call, Repeat, item_route};
use crate::error::{is_missing, missing};
use crate::gitlab::{Account, GitLab};

/// A note with more emoji than fit on these pages of 100 is looked through no further.
const EMOJI_PAGES_MAX: usize = 10;

#[derive(Serialize)]
struct EmojiBody {
    name: &'static str,
}

#[derive(Deserialize)]
struct Emoji {
    id: u64,
    #[serde(default)]
    name: String,
    #[serde(default)]
    user: Option<Account>,
}

impl GitLab {
    /// A note has one emoji of each name by an account, and GitLab refuses a second: so nothing is looked up before, and
    /// the request may be repeated. `Missing` where the note was deleted.
    pub(crate) async fn publish_reaction(
        &self,
        repo: &RepoRef,
        report: &ReactionReport,
        known: &Known,
    ) -> Result<Published, ForgeError> {
        let body = EmojiBody { name: name(report.reaction) };
        let call = Call::post("react", emoji_route(repo, report, &[])?, &body)?.repeat(Repeat::Safe);
        let answer = self.api.send(&call).await?;
        let made = match answer.status {
            404 if answer.words.to_ascii_lowercase().contains("already been taken") => self.our_emoji(repo, report).await?,
            _ => answer.ok(|| format!("note {}", report.comment.id))?.json::<Emoji>("react")?.id,
        };
        if let Known::Id(before) = known
            && *before != made
        {
            self.take_back(repo, report, *before).await?;
        }
        Ok(Published { id: made })
    }

    async fn our_emoji(&self, repo: &RepoRef, report: &ReactionReport) -> Result<u64, ForgeError> {
        let me = self.me().await?;
        let first = Call::get("find_reaction", with_query(emoji_route(repo, report, &[])?, &[PER_PAGE]));
        let listed = self.api.list::<Emoji>(first, EMOJI_PAGES_MAX, || format!("note {}", report.comment.id)).await?;
        let is_ours = |one: &Emoji| one.name == name(report.reaction) && one.user.as_ref().is_some_and(|user| user.id == me);
        listed.items.iter().find(|one| is_ours(one)).map(|one| one.id).ok_or_else(|| missing("our own reaction"))
    }

    /// Removes the emoji that stood under this key before, so that one is left.
    async fn take_back(&self, repo: &RepoRef, report: &ReactionReport, id: u64) -> Result<(), ForgeError> {
        let call = Call::delete("unreact", emoji_route(repo, report, &[&id.to_string()])?);
        match self.api.send(&call).await?.ok(|| format!("reaction {id}")) {
            Err(error) if !is_missing(&error) => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

fn emoji_route(repo: &RepoRef, report: &ReactionReport, more: &[&str]) -> Result<String, ForgeError> {
    let note = report.comment.id.to_string();
    item_route(repo, report.comment.item(), &[&["notes", &note, "award_emoji"], more].concat())
}

fn name(reaction: Reaction) -> &'static str {
    match reaction {
        Reaction::Eyes => "eyes",
        Reaction::ThumbsUp => "thumbsup",
        Reaction::Confused => "confused",
    }
}
