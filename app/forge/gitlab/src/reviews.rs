//! Who approves of a merge request.

use gatewright_core::RepoRef;
use gatewright_core::event::User;
use gatewright_core::forge::ForgeError;
use serde::Deserialize;

use crate::call::{Call, merge_request_route};
use crate::gitlab::GitLab;

/// So many people are told of.
const APPROVALS_MAX: usize = 100;

#[derive(Deserialize)]
struct Approvals {
    #[serde(default)]
    approved_by: Vec<ApprovedBy>,
}

#[derive(Deserialize)]
struct ApprovedBy {
    user: Option<Account>,
}

#[derive(Deserialize)]
struct Account {
    id: u64,
    username: String,
}

impl GitLab {
    /// Whether a push takes approvals back is a setting of the project's.
    pub(crate) async fn read_approvals(&self, repo: &RepoRef, number: u64) -> Result<Vec<User>, ForgeError> {
        let call = Call::get("approvals", merge_request_route(repo, number, &["approvals"])?);
        let answer = self.api.send(&call).await?.ok(|| format!("{}!{number}", repo.path))?;
        let Approvals { approved_by } = answer.json("approvals")?;
        let users = approved_by.into_iter().filter_map(|one| one.user);
        Ok(users.map(|Account { id, username }| User { id, login: username }).take(APPROVALS_MAX).collect())
    }
}
