//! Publishing our comments on a pull request or an issue: the sticky ones, and replies.

use gatewright_core::forge::ForgeError;
use gatewright_core::report::{CommentReport, Holds, Known, Published};
use gatewright_core::{ItemRef, RepoRef};
use gatewright_forge_shared::address::with_query;
use gatewright_forge_shared::text::keep_beginning;
use http::Method;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::error::{is_missing, refused};
use crate::github::GitHub;
use crate::minimise::Minimised;
use crate::read::PER_PAGE;
use crate::route::{repo_route, route};

/// GitHub's limit for a comment: 65,536 characters, cut by bytes.
const COMMENT_BYTES_MAX: usize = 65_536;
/// A pull request with more comments than fit on these pages of 100 is looked through no further: the sticky one is among
/// the first, and a reply that lies behind them is made again or, where it no longer holds, stays.
const COMMENT_PAGES_MAX: usize = 50;
/// What is published for a comment that is not there and need not be.
const NO_COMMENT: u64 = 0;
/// How a comment begins, behind its marker, that was folded because it could not be minimised.
const FOLDED: &str = "<details><summary>This no longer holds.</summary>\n\n";
const FOLDED_END: &str = "\n\n</details>";

#[derive(Serialize)]
struct CommentBody<'a> {
    body: &'a str,
}

#[derive(Deserialize)]
struct Comment {
    id: u64,
    /// GraphQL's id of it.
    #[serde(default)]
    node_id: String,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    user: Option<Account>,
    #[serde(default)]
    performed_via_github_app: Option<App>,
    /// Why it is minimised, where it is. Not told by every version of GitHub.
    #[serde(default)]
    minimized: Option<IgnoredAny>,
}

#[derive(Deserialize)]
pub(crate) struct Account {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) login: String,
    #[serde(rename = "type", default)]
    pub(crate) kind: String,
}

#[derive(Deserialize)]
struct App {
    id: u64,
}

#[derive(Deserialize)]
struct Id {
    id: u64,
}

impl GitHub {
    pub(crate) async fn publish_comment(
        &self,
        repo: &RepoRef,
        report: &CommentReport,
        known: &Known,
    ) -> Result<Published, ForgeError> {
        let _held = self.publishing.hold(format!("{}/comment/{}/{}", repo.key(), report.on.number(), report.marker)).await;
        match report.holds {
            Holds::Yes => self.show_comment(repo, report, known).await,
            Holds::NoLonger => self.retire_comment(repo, report, known).await,
        }
    }

    async fn show_comment(&self, repo: &RepoRef, report: &CommentReport, known: &Known) -> Result<Published, ForgeError> {
        let body = format!("{}\n{}", report.marker, report.body);
        let body = keep_beginning(&body, COMMENT_BYTES_MAX);
        if let Known::Id(id) = known {
            match self.update_comment(repo, report.on, *id, &body).await {
                Err(error) if is_missing(&error) => {}
                result => return result,
            }
        }
        let found = match known {
            Known::Never => None,
            Known::Maybe | Known::Id(_) => self.find_comment(repo, report).await?,
        };
        match found {
            Some(found) if found.body.as_deref() == Some(&body) => Ok(Published { id: found.id }),
            Some(found) => self.update_comment(repo, report.on, found.id, &body).await,
            None => self.create_comment(repo, report.on, &body).await,
        }
    }

    /// Minimises the comment, whose text stays as it is. One that is not there is not made. Nothing undoes it: what has
    /// ceased to hold is answered anew, not brought back.
    async fn retire_comment(&self, repo: &RepoRef, report: &CommentReport, known: &Known) -> Result<Published, ForgeError> {
        let found = match known {
            Known::Id(id) => self.read_comment(repo, report.on, *id).await?,
            // It was made by the run that it answers, so that this one never tried says nothing.
            Known::Never | Known::Maybe => self.find_comment(repo, report).await?,
        };
        let Some(comment) = found else {
            return Ok(Published { id: if let Known::Id(id) = known { *id } else { NO_COMMENT } });
        };
        if comment.minimized.is_some() {
            return Ok(Published { id: comment.id });
        }
        match self.minimise(repo, report.on, &comment.node_id).await? {
            Minimised::Yes | Minimised::Gone => Ok(Published { id: comment.id }),
            Minimised::Refused => self.fold(repo, report, &comment).await,
        }
    }

    /// What is done where GitHub does not minimise for us.
    async fn fold(&self, repo: &RepoRef, report: &CommentReport, comment: &Comment) -> Result<Published, ForgeError> {
        let body = comment.body.as_deref().unwrap_or_default();
        let text = body.strip_prefix(report.marker.as_str()).unwrap_or(body).trim_start();
        if text.starts_with(FOLDED) {
            return Ok(Published { id: comment.id });
        }
        let room = COMMENT_BYTES_MAX.saturating_sub(report.marker.len() + 1 + FOLDED.len() + FOLDED_END.len());
        let folded = format!("{}\n{FOLDED}{}{FOLDED_END}", report.marker, keep_beginning(text, room));
        match self.update_comment(repo, report.on, comment.id, &folded).await {
            Err(error) if is_missing(&error) => Ok(Published { id: comment.id }),
            result => result,
        }
    }

    async fn read_comment(&self, repo: &RepoRef, on: ItemRef, id: u64) -> Result<Option<Comment>, ForgeError> {
        let answer = self.api.for_item(repo, on, &Call::get("comment", comment_route(repo, id)?)).await?;
        match answer.ok(|| format!("comment {id}")) {
            Ok(answer) => answer.json("comment").map(Some),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn create_comment(&self, repo: &RepoRef, on: ItemRef, body: &str) -> Result<Published, ForgeError> {
        let number = on.number();
        let target = repo_route(repo, &["issues", &number.to_string(), "comments"])?;
        let call = Call::write("create_comment", Method::POST, target, &CommentBody { body })?.content();
        let answer = self.api.for_item(repo, on, &call).await?.ok(|| format!("{}#{number}", repo.path))?;
        let made: Id = answer.json("create_comment")?;
        Ok(Published { id: made.id })
    }

    async fn update_comment(&self, repo: &RepoRef, on: ItemRef, id: u64, body: &str) -> Result<Published, ForgeError> {
        let call = Call::write("update_comment", Method::PATCH, comment_route(repo, id)?, &CommentBody { body })?;
        self.api.for_item(repo, on, &call).await?.ok(|| format!("comment {id}"))?;
        Ok(Published { id })
    }

    /// Our comment with this marker. Should there be several, the oldest is the one that people know; the others are deleted.
    async fn find_comment(&self, repo: &RepoRef, report: &CommentReport) -> Result<Option<Comment>, ForgeError> {
        let mut ours = self.comments_of(repo, report).await?;
        ours.sort_by_key(|comment| comment.id);
        let mut ours = ours.into_iter();
        let oldest = ours.next();
        for extra in ours {
            tracing::warn!(forge = "github", repo = repo.path, comment = extra.id, "deleting a comment that was made twice");
            let answer =
                self.api.for_item(repo, report.on, &Call::delete("delete_comment", comment_route(repo, extra.id)?)).await?;
            match answer.ok(|| format!("comment {}", extra.id)) {
                Err(error) if !is_missing(&error) => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(oldest)
    }

    async fn comments_of(&self, repo: &RepoRef, report: &CommentReport) -> Result<Vec<Comment>, ForgeError> {
        let number = report.on.number();
        let route = repo_route(repo, &["issues", &number.to_string(), "comments"])?;
        let mut next = Some(with_query(route, &[PER_PAGE]));
        let mut ours = Vec::new();
        for _ in 0..COMMENT_PAGES_MAX {
            let Some(target) = next else { break };
            let answer = self.api.for_item(repo, report.on, &Call::get("find_comment", target)).await?;
            let answer = answer.ok(|| format!("{}#{number}", repo.path))?;
            for comment in answer.json::<Vec<Comment>>("find_comment")? {
                let marked = comment.body.as_deref().is_some_and(|body| body.starts_with(&report.marker));
                if marked && self.wrote(repo, &comment).await? {
                    ours.push(comment);
                }
            }
            next = answer.next;
        }
        Ok(ours)
    }

    /// Whether the comment is ours. Anybody can write our marker, so it is the account that counts, by its number.
    async fn wrote(&self, repo: &RepoRef, comment: &Comment) -> Result<bool, ForgeError> {
        match (self.app_id(), &comment.performed_via_github_app) {
            (Some(app_id), Some(app)) => Ok(app.id == app_id),
            (Some(_) | None, _) => self.is_us(repo, comment.user.as_ref()).await,
        }
    }

    /// Whether this is the account under which we write.
    pub(crate) async fn is_us(&self, repo: &RepoRef, user: Option<&Account>) -> Result<bool, ForgeError> {
        match (self.app_id(), user) {
            (_, None) => Ok(false),
            (None, Some(user)) => Ok(user.login == self.viewer(repo).await?),
            (Some(_), Some(user)) => Ok(user.kind == "Bot" && user.id == self.bot_id(repo).await?),
        }
    }

    pub(crate) async fn bot_id(&self, repo: &RepoRef) -> Result<u64, ForgeError> {
        let ask = || async {
            let slug = self.app().await?.slug;
            if slug.is_empty() {
                return Err(refused("it does not say by which name the App comments"));
            }
            let call = Call::get("bot", route(&["users", &format!("{slug}[bot]")])?);
            let answer = self.api.for_repo(repo, &call).await?.ok(|| format!("the account {slug}[bot]"))?;
            Ok(answer.json::<Id>("bot")?.id)
        };
        self.bot.get_or_try_init(ask).await.copied()
    }
}

fn comment_route(repo: &RepoRef, id: u64) -> Result<String, ForgeError> {
    repo_route(repo, &["issues", "comments", &id.to_string()])
}
