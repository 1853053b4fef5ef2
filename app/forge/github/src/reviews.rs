//! Who approves of a pull request.

use std::collections::BTreeMap;

use gatewright_core::RepoRef;
use gatewright_core::event::User;
use gatewright_core::forge::ForgeError;
use gatewright_forge_shared::address::with_query;
use serde::Deserialize;

use crate::call::Call;
use crate::github::GitHub;
use crate::read::PER_PAGE;
use crate::route::repo_route;

/// So many pages of 100 reviews are read, the oldest first. Whoever approves behind them counts as not having done so.
const PAGES_MAX: usize = 10;

/// So many people are told of.
const APPROVALS_MAX: usize = 100;

#[derive(Deserialize)]
struct Review {
    /// None where the account is gone.
    user: Option<Account>,
    #[serde(default)]
    state: String,
}

#[derive(Deserialize)]
struct Account {
    id: u64,
    login: String,
}

impl GitHub {
    pub(crate) async fn read_approvals(&self, repo: &RepoRef, number: u64) -> Result<Vec<User>, ForgeError> {
        let mut latest: BTreeMap<u64, (User, bool)> = BTreeMap::new();
        let mut next = Some(with_query(repo_route(repo, &["pulls", &number.to_string(), "reviews"])?, &[PER_PAGE]));
        for _ in 0..PAGES_MAX {
            let Some(target) = next else { break };
            let answer = self.api.for_repo(repo, &Call::get("pull_reviews", target)).await?;
            let answer = answer.ok(|| format!("{}#{number}", repo.path))?;
            let page: Vec<Review> = answer.json("pull_reviews")?;
            for Review { user, state } in page {
                // A comment, or a review that is not sent yet, takes back no earlier word.
                let approves = match state.as_str() {
                    "APPROVED" => true,
                    "CHANGES_REQUESTED" | "DISMISSED" => false,
                    _ => continue,
                };
                if let Some(Account { id, login }) = user {
                    latest.insert(id, (User { id, login }, approves));
                }
            }
            next = answer.next;
        }
        Ok(latest.into_values().filter(|(_, approves)| *approves).map(|(user, _)| user).take(APPROVALS_MAX).collect())
    }
}
