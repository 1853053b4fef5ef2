//! Publishing a reaction to somebody's comment.

use gatewright_core::RepoRef;
use gatewright_core::forge::ForgeError;
use gatewright_core::report::{Known, Published, Reaction, ReactionReport};
use http::Method;
use serde::{Deserialize, Serialize};

use crate::call::{Call, Repeat};
use crate::error::is_missing;
use crate::github::GitHub;
use crate::route::somebodys_comment_route;

#[derive(Serialize)]
struct ReactionBody {
    content: &'static str,
}

#[derive(Deserialize)]
struct Id {
    id: u64,
}

impl GitHub {
    /// A comment has one reaction of each kind by an account, and GitHub answers with it where it is there: so nothing is
    /// looked up, and the request may be repeated. `Missing` where the comment was deleted.
    pub(crate) async fn publish_reaction(
        &self,
        repo: &RepoRef,
        report: &ReactionReport,
        known: &Known,
    ) -> Result<Published, ForgeError> {
        let body = ReactionBody { content: content(report.reaction) };
        let target = reactions_route(repo, report, &[])?;
        let call = Call::write("react", Method::POST, target, &body)?.repeat(Repeat::Safe);
        let answer =
            self.api.for_item(repo, report.comment.item(), &call).await?.ok(|| format!("comment {}", report.comment.id))?;
        let made: Id = answer.json("react")?;
        if let Known::Id(before) = known
            && *before != made.id
        {
            self.take_back(repo, report, *before).await?;
        }
        Ok(Published { id: made.id })
    }

    /// Removes the reaction that stood under this key before, so that one is left.
    async fn take_back(&self, repo: &RepoRef, report: &ReactionReport, id: u64) -> Result<(), ForgeError> {
        let call = Call::delete("unreact", reactions_route(repo, report, &[&id.to_string()])?);
        match self.api.for_item(repo, report.comment.item(), &call).await?.ok(|| format!("reaction {id}")) {
            Err(error) if !is_missing(&error) => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

fn reactions_route(repo: &RepoRef, report: &ReactionReport, more: &[&str]) -> Result<String, ForgeError> {
    somebodys_comment_route(repo, &report.comment, &[&["reactions"], more].concat())
}

fn content(reaction: Reaction) -> &'static str {
    match reaction {
        Reaction::Eyes => "eyes",
        Reaction::ThumbsUp => "+1",
        Reaction::Confused => "confused",
    }
}
