//! What was perhaps missed: where the App is installed, and which pull requests were changed lately.

use std::collections::HashSet;

use gatewright_core::event::User;
use gatewright_core::forge::{ForgeError, OpenPull};
use gatewright_core::{CommitId, ForgeKind, RepoRef, Timestamp};
use gatewright_forge_shared::address::with_query;
use serde::Deserialize;

use crate::answer::Answer;
use crate::call::Call;
use crate::github::GitHub;
use crate::read::{GHOST, PER_PAGE};
use crate::route::{repo_route, route};

/// So many pages of 100 installations are looked through. What lies behind them is caught up by its webhooks alone.
const INSTALLATION_PAGES_MAX: usize = 100;
/// The same for the repositories of one installation.
const REPO_PAGES_MAX: usize = 100;
/// A pull request is told with both its repositories, about 20 KB; most sweeps want the first few only.
const PULLS_PER_PAGE: (&str, &str) = ("per_page", "50");
/// So many pages of open pull requests, last changed first. More than these 2,000 changed since the time asked for are left
/// to a later sweep, once these are known.
const PULL_PAGES_MAX: usize = 40;

#[derive(Deserialize)]
struct Installation {
    id: u64,
    #[serde(default)]
    suspended_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Covered {
    #[serde(default)]
    repositories: Vec<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    id: u64,
    full_name: String,
    #[serde(default)]
    archived: bool,
}

#[derive(Deserialize)]
struct Pull {
    number: u64,
    user: Option<Account>,
    head: Head,
    base: Base,
    updated_at: Timestamp,
}

#[derive(Deserialize)]
struct Head {
    sha: CommitId,
}

#[derive(Deserialize)]
struct Base {
    #[serde(rename = "ref")]
    name: String,
}

#[derive(Deserialize)]
struct Account {
    id: u64,
    login: String,
}

impl GitHub {
    pub(crate) async fn installed_repositories(&self) -> Result<Vec<RepoRef>, ForgeError> {
        let mut found = Vec::new();
        for installation in self.installations().await? {
            match self.repositories_of(installation).await {
                Ok(repos) => found.extend(repos),
                // It was suspended or taken away since the list was read.
                Err(error @ (ForgeError::LockedOut { .. } | ForgeError::Missing { .. } | ForgeError::Refused { .. })) => {
                    tracing::warn!(forge = "github", installation, %error, "the repositories of an installation cannot be listed");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// The installations in which the App may act.
    async fn installations(&self) -> Result<Vec<u64>, ForgeError> {
        let mut next = Some(with_query(route(&["app", "installations"])?, &[PER_PAGE]));
        let mut found = Vec::new();
        for _ in 0..INSTALLATION_PAGES_MAX {
            let Some(target) = next else { break };
            let answer = self.api.as_app(&Call::get("installations", target)).await?;
            let answer = answer.ok(|| "the App's installations".to_owned())?;
            let page: Vec<Installation> = answer.json("installations")?;
            found.extend(page.into_iter().filter(|one| one.suspended_at.is_none()).map(|one| one.id));
            next = answer.next;
        }
        warn_of_more(next.is_some(), "more installations than are looked through");
        Ok(found)
    }

    async fn repositories_of(&self, installation: u64) -> Result<Vec<RepoRef>, ForgeError> {
        let mut next = Some(with_query(route(&["installation", "repositories"])?, &[PER_PAGE]));
        let mut found = Vec::new();
        for _ in 0..REPO_PAGES_MAX {
            let Some(target) = next else { break };
            let answer = self.api.for_installation(installation, &Call::get("repositories", target)).await?;
            let answer = answer.ok(|| format!("the repositories of installation {installation}"))?;
            let page: Covered = answer.json("repositories")?;
            found.extend(page.repositories.into_iter().filter(|repo| !repo.archived).map(|repo| RepoRef {
                forge: ForgeKind::Github,
                id: repo.id,
                path: repo.full_name,
                installation: Some(installation),
            }));
            next = answer.next;
        }
        warn_of_more(next.is_some(), "more repositories in an installation than are looked through");
        Ok(found)
    }

    /// One that is changed while the pages are read moves to the front and pushes others on: some are told twice, none is
    /// left out. GitHub's times are whole seconds, so what has the second of `since` counts as changed since.
    pub(crate) async fn pulls_changed_since(&self, repo: &RepoRef, since: Timestamp) -> Result<Vec<OpenPull>, ForgeError> {
        let query = [("state", "open"), ("sort", "updated"), ("direction", "desc"), PULLS_PER_PAGE];
        let mut next = Some(with_query(repo_route(repo, &["pulls"])?, &query));
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        for _ in 0..PULL_PAGES_MAX {
            let Some(target) = next else { break };
            let answer = self.api.for_repo(repo, &Call::get("open_pulls", target)).await?.ok(|| repo.path.clone())?;
            let page = pulls(&answer)?;
            let reached = page.iter().any(|pull| pull.updated_at.as_second() < since.as_second());
            let changed = page.into_iter().filter(|pull| pull.updated_at.as_second() >= since.as_second());
            found.extend(changed.filter(|pull| seen.insert(pull.number)));
            next = answer.next.filter(|_| !reached);
        }
        warn_of_more(next.is_some(), "more pull requests changed than are looked through at once");
        Ok(found)
    }
}

fn pulls(answer: &Answer) -> Result<Vec<OpenPull>, ForgeError> {
    let page: Vec<Pull> = answer.json("open_pulls")?;
    let open = |pull: Pull| {
        let author = pull.user.unwrap_or(Account { id: 0, login: GHOST.to_owned() });
        OpenPull {
            number: pull.number,
            head: pull.head.sha,
            base_ref: pull.base.name,
            author: User { id: author.id, login: author.login },
            updated_at: pull.updated_at,
        }
    };
    Ok(page.into_iter().map(open).collect())
}

fn warn_of_more(more: bool, what: &'static str) {
    if more {
        tracing::warn!(forge = "github", "{what}");
    }
}
