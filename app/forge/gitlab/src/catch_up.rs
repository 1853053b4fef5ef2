//! What was perhaps missed: which projects we are a member of, and which merge requests were changed lately.

use std::collections::HashSet;

use gatewright_core::event::User;
use gatewright_core::forge::{ForgeError, OpenPull};
use gatewright_core::{CommitId, ForgeKind, RepoRef, Timestamp};
use gatewright_forge_shared::address::with_query;
use serde::Deserialize;

use crate::api::PER_PAGE;
use crate::call::{Call, project_route, route};
use crate::gitlab::{Account, GitLab};

/// So many pages of 100 projects are looked through. What lies behind them is caught up by its webhooks alone.
const PROJECT_PAGES_MAX: usize = 100;
/// So many pages of 100 open merge requests, last changed first. What changed besides is left to a later sweep, once these
/// are known.
const PULL_PAGES_MAX: usize = 20;

#[derive(Deserialize)]
struct Project {
    id: u64,
    path_with_namespace: String,
}

#[derive(Deserialize)]
struct Pull {
    iid: u64,
    /// None for as long as GitLab prepares it; then its webhook has not come either.
    sha: Option<CommitId>,
    target_branch: String,
    author: Account,
    updated_at: Timestamp,
}

impl GitLab {
    /// Those in which the account may write, which is the least that a status needs.
    pub(crate) async fn own_projects(&self) -> Result<Vec<RepoRef>, ForgeError> {
        let query = [
            ("membership", "true"),
            ("min_access_level", "30"),
            ("archived", "false"),
            ("simple", "true"),
            ("pagination", "keyset"),
            ("order_by", "id"),
            ("sort", "asc"),
            PER_PAGE,
        ];
        let first = Call::get("repositories", with_query(route(&["projects"])?, &query));
        let listed = self.api.list::<Project>(first, PROJECT_PAGES_MAX, || "the account's projects".to_owned()).await?;
        warn_of_more(listed.more, "more projects than are looked through");
        let repo = |project: Project| RepoRef {
            forge: ForgeKind::Gitlab,
            id: project.id,
            path: project.path_with_namespace,
            installation: None,
        };
        Ok(listed.items.into_iter().map(repo).collect())
    }

    /// One that is changed while the pages are read moves to the front and pushes others on: some are told twice, none is
    /// left out.
    pub(crate) async fn pulls_changed_since(&self, repo: &RepoRef, since: Timestamp) -> Result<Vec<OpenPull>, ForgeError> {
        let since = since.to_string();
        let query =
            [("state", "opened"), ("order_by", "updated_at"), ("sort", "desc"), ("updated_after", since.as_str()), PER_PAGE];
        let first = Call::get("open_pulls", with_query(project_route(repo, &["merge_requests"])?, &query));
        let listed = self.api.list::<Pull>(first, PULL_PAGES_MAX, || repo.path.clone()).await?;
        warn_of_more(listed.more, "more merge requests changed than are looked through at once");
        let mut seen = HashSet::new();
        Ok(listed.items.into_iter().filter(|pull| seen.insert(pull.iid)).filter_map(open).collect())
    }
}

fn open(pull: Pull) -> Option<OpenPull> {
    Some(OpenPull {
        number: pull.iid,
        head: pull.sha?,
        base_ref: pull.target_branch,
        author: User { id: pull.author.id, login: pull.author.username },
        updated_at: pull.updated_at,
    })
}

fn warn_of_more(more: bool, what: &'static str) {
    if more {
        tracing::warn!(forge = "gitlab", "{what}");
    }
}
