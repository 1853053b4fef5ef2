//! What is read of pull requests and issues as texts.

use std::collections::BTreeSet;

use gatewright_core::event::User;
use gatewright_core::forge::{COMMENTS_MAX, ForgeError, Item, ItemComment};
use gatewright_core::{ItemRef, RepoRef, Timestamp};
use gatewright_forge_shared::address::with_query;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::call::{Call, Repeat};
use crate::comment::Account;
use crate::error::missing;
use crate::github::GitHub;
use crate::proposal::Label;
use crate::read::GHOST;
use crate::route::repo_route;

/// Half of the comments that are told: GitHub lists them oldest first, so the newest are on its last pages.
const HALF: usize = COMMENTS_MAX / 2;

/// By GitHub's public GraphQL schema. REST has no time at which title or text were changed.
const EDITS: &str = "query($owner: String!, $name: String!, $number: Int!) { repository(owner: $owner, name: $name) { \
    issueOrPullRequest(number: $number) { \
    ... on Issue { lastEditedAt timelineItems(itemTypes: [RENAMED_TITLE_EVENT], last: 1) { nodes { ... on RenamedTitleEvent { createdAt } } } } \
    ... on PullRequest { lastEditedAt timelineItems(itemTypes: [RENAMED_TITLE_EVENT], last: 1) { nodes { ... on RenamedTitleEvent { createdAt } } } } \
    } } }";

#[derive(Deserialize)]
struct Thing {
    #[serde(default)]
    state: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    body: Option<String>,
    user: Option<Account>,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[serde(default)]
    labels: Vec<Label>,
    #[serde(default)]
    comments: u64,
    /// There where what was asked for as an issue is a pull request.
    #[serde(default)]
    pull_request: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Comment {
    id: u64,
    user: Option<Account>,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    performed_via_github_app: Option<IgnoredAny>,
}

#[derive(Serialize)]
struct Query<'a> {
    query: &'static str,
    variables: Variables<'a>,
}

#[derive(Serialize)]
struct Variables<'a> {
    owner: &'a str,
    name: &'a str,
    number: u64,
}

#[derive(Deserialize)]
struct Answered {
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    repository: Option<Repository>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Repository {
    issue_or_pull_request: Option<Edits>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Edits {
    last_edited_at: Option<Timestamp>,
    timeline_items: Nodes,
}

#[derive(Deserialize)]
struct Nodes {
    nodes: Vec<Renamed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Renamed {
    created_at: Timestamp,
}

impl GitHub {
    pub(crate) async fn read_item(&self, repo: &RepoRef, item: ItemRef) -> Result<Item, ForgeError> {
        let number = item.number();
        let kind = match item {
            ItemRef::Pull { .. } => "pulls",
            ItemRef::Issue { .. } => "issues",
        };
        let call = Call::get("item", repo_route(repo, &[kind, &number.to_string()])?);
        let answer = self.api.for_item(repo, item, &call).await?.ok(|| format!("{}#{number}", repo.path))?;
        let thing: Thing = answer.json("item")?;
        if matches!(item, ItemRef::Issue { .. }) && thing.pull_request.is_some() {
            return Err(missing(format!("the issue {}#{number}", repo.path)));
        }
        let edited_at = match self.edited_at(repo, item).await? {
            Told::Yes(edited_at) => edited_at,
            Told::No => Some(thing.updated_at).filter(|updated| *updated != thing.created_at),
        };
        let (comments, comments_left_out) = self.comments_on(repo, item, thing.comments).await?;
        Ok(Item {
            title: thing.title,
            body: thing.body.unwrap_or_default(),
            author: author(thing.user),
            created_at: thing.created_at,
            edited_at,
            labels: thing.labels.into_iter().map(|label| label.name).collect(),
            open: thing.state == "open",
            comments,
            comments_left_out,
        })
    }

    pub(crate) async fn read_default_branch(&self, repo: &RepoRef) -> Result<String, ForgeError> {
        #[derive(Deserialize)]
        struct Named {
            default_branch: String,
        }
        let answer = self.api.read_cached(repo, Call::get("repository", repo_route(repo, &[])?)).await?;
        Ok(answer.ok(|| repo.path.clone())?.json::<Named>("repository")?.default_branch)
    }

    /// The first and the newest comments, and how many lie between.
    async fn comments_on(&self, repo: &RepoRef, item: ItemRef, count: u64) -> Result<(Vec<ItemComment>, u64), ForgeError> {
        let last = count.div_ceil(HALF as u64).max(1);
        let mut comments = Vec::new();
        // The page before the last as well: the last one may hold a few only.
        for page in BTreeSet::from([1, (last - 1).max(1), last]) {
            comments.extend(self.comment_page(repo, item, page).await?);
        }
        // Comments that came while the pages were read may be told twice.
        comments.dedup_by_key(|comment: &mut ItemComment| comment.id);
        let surplus = comments.len().saturating_sub(COMMENTS_MAX);
        let first = comments.len().min(HALF);
        comments.drain(first..first + surplus);
        let left_out = count.saturating_sub(comments.len() as u64);
        Ok((comments, left_out))
    }

    async fn comment_page(&self, repo: &RepoRef, item: ItemRef, page: u64) -> Result<Vec<ItemComment>, ForgeError> {
        let number = item.number().to_string();
        let (per_page, page) = (HALF.to_string(), page.to_string());
        let query = [("per_page", per_page.as_str()), ("page", page.as_str())];
        let target = with_query(repo_route(repo, &["issues", &number, "comments"])?, &query);
        let answer = self.api.for_item(repo, item, &Call::get("item_comments", target)).await?;
        let page: Vec<Comment> = answer.ok(|| format!("{}#{number}", repo.path))?.json("item_comments")?;
        Ok(page.into_iter().map(told).collect())
    }

    /// When title or text were last changed.
    async fn edited_at(&self, repo: &RepoRef, item: ItemRef) -> Result<Told, ForgeError> {
        let (owner, name) = repo.owner_and_name();
        let body = Query { query: EDITS, variables: Variables { owner, name, number: item.number() } };
        let call = Call::graphql("item_edits", &body)?.repeat(Repeat::Safe);
        let answer = self.api.for_item(repo, item, &call).await?;
        // A GitHub Enterprise Server may have GraphQL switched off, or answer for it elsewhere.
        if matches!(answer.status, 403 | 404) {
            return Ok(Told::No);
        }
        let answer: Answered = answer.ok(|| "GraphQL".to_owned())?.json("item_edits")?;
        let Some(edits) = answer.data.and_then(|data| data.repository).and_then(|repository| repository.issue_or_pull_request)
        else {
            return Ok(Told::No);
        };
        let renamed = edits.timeline_items.nodes.into_iter().map(|renamed| renamed.created_at).max();
        Ok(Told::Yes(edits.last_edited_at.max(renamed)))
    }
}

/// Whether GitHub says when something was changed.
enum Told {
    Yes(Option<Timestamp>),
    No,
}

fn told(comment: Comment) -> ItemComment {
    let kind = comment.user.as_ref().map(|user| user.kind.as_str());
    ItemComment {
        id: comment.id,
        bot: kind == Some("Bot") || comment.performed_via_github_app.is_some(),
        author: author(comment.user),
        written_at: comment.created_at,
        edited_at: Some(comment.updated_at).filter(|updated| *updated != comment.created_at),
        body: comment.body.unwrap_or_default(),
    }
}

fn author(user: Option<Account>) -> User {
    user.map_or_else(|| User { id: 0, login: GHOST.to_owned() }, |user| User { id: user.id, login: user.login })
}
