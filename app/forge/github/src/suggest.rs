//! Changes that tools propose, as comments of a review which GitHub offers to apply.
//!
//! One is said once for each pull request: it is found again by a hidden marker, whatever has become of it meanwhile. Those
//! that no longer hold are left alone: GitHub itself shows them as outdated once their lines have changed.

use std::collections::HashSet;

use gatewright_core::RepoRef;
use gatewright_core::forge::ForgeError;
use gatewright_core::report::{CheckReport, CheckStatus};
use gatewright_core::suggestion::Suggestion;
use gatewright_forge_shared::address::with_query;
use http::Method;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::call::Call;
use crate::github::GitHub;
use crate::read::PER_PAGE;
use crate::route::repo_route;

/// A pull request with more comments on its diff than fit on these pages of 100 gets no suggestions: whether they were made
/// could not be told.
const COMMENT_PAGES_MAX: usize = 20;
/// How the first line of such a comment begins, by which it is found again.
const MARKER: &str = "<!-- gatewright:suggestion ";

#[derive(Deserialize)]
struct DiffComment {
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    user: Option<Account>,
}

#[derive(Deserialize)]
struct Account {
    id: u64,
}

#[derive(Serialize)]
struct Review<'a> {
    commit_id: &'a str,
    event: &'static str,
    body: String,
    comments: Vec<ReviewComment<'a>>,
}

#[derive(Serialize)]
struct ReviewComment<'a> {
    path: &'a str,
    body: String,
    line: u32,
    side: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_side: Option<&'static str>,
}

impl GitHub {
    /// Makes the suggestions of a check that are not there yet, in one review, which notifies people once. That GitHub takes
    /// none of them is no fault of the check.
    pub(crate) async fn publish_suggestions(&self, repo: &RepoRef, report: &CheckReport) -> Result<(), ForgeError> {
        let over = matches!(report.status, CheckStatus::Completed { .. });
        let Some(number) = report.pull.filter(|_| over && !report.suggestions.is_empty()) else { return Ok(()) };
        match self.review(repo, report, number).await {
            Err(error @ (ForgeError::Refused { .. } | ForgeError::Missing { .. })) => {
                tracing::warn!(forge = "github", repo = repo.path, pull = number, %error, "suggestions cannot be made");
                Ok(())
            }
            result => result,
        }
    }

    async fn review(&self, repo: &RepoRef, report: &CheckReport, number: u64) -> Result<(), ForgeError> {
        let Some(there) = self.suggestions_of(repo, number).await? else { return Ok(()) };
        let mut markers = HashSet::new();
        let mut comments = Vec::new();
        for suggestion in report.suggestions.iter().take(Suggestion::MAX) {
            let marker = marker(&report.name, suggestion);
            if !there.contains(&marker) && markers.insert(marker.clone()) {
                comments.push(comment(suggestion, &marker));
            }
        }
        if comments.is_empty() {
            return Ok(());
        }
        let amount = if comments.len() == 1 { "a change".to_owned() } else { format!("{} changes", comments.len()) };
        let body = format!("`{}` proposes {amount}. Each can be taken as it is, or left.", report.name);
        let review = Review { commit_id: report.head.as_str(), event: "COMMENT", body, comments };
        let target = repo_route(repo, &["pulls", &number.to_string(), "reviews"])?;
        let call = Call::write("suggest", Method::POST, target, &review)?.content();
        self.api.for_repo(repo, &call).await?.ok(|| format!("{}#{number}", repo.path)).map(drop)
    }

    /// The markers of all suggestions of ours. None where there are too many comments to tell.
    async fn suggestions_of(&self, repo: &RepoRef, number: u64) -> Result<Option<HashSet<String>>, ForgeError> {
        let route = repo_route(repo, &["pulls", &number.to_string(), "comments"])?;
        let mut next = Some(with_query(route, &[PER_PAGE]));
        let mut found = HashSet::new();
        for _ in 0..COMMENT_PAGES_MAX {
            let Some(target) = next else { return Ok(Some(found)) };
            let answer = self.api.for_repo(repo, &Call::get("suggestions", target)).await?;
            let answer = answer.ok(|| format!("{}#{number}", repo.path))?;
            for comment in answer.json::<Vec<DiffComment>>("suggestions")? {
                let first = comment.body.as_deref().unwrap_or_default().lines().next().unwrap_or_default();
                // Anybody can write our marker, so it is the account that counts.
                if let (true, Some(user)) = (first.starts_with(MARKER), &comment.user)
                    && user.id == self.bot_id(repo).await?
                {
                    found.insert(first.to_owned());
                }
            }
            next = answer.next;
        }
        Ok(next.is_none().then_some(found))
    }
}

fn comment<'a>(suggestion: &'a Suggestion, marker: &str) -> ReviewComment<'a> {
    let body = format!("{marker}\n{}\n\n{}", suggestion.message, suggestion.block("suggestion"));
    let several = suggestion.first_line < suggestion.last_line;
    ReviewComment {
        path: &suggestion.path,
        body,
        line: suggestion.last_line,
        side: "RIGHT",
        start_line: several.then_some(suggestion.first_line),
        start_side: several.then_some("RIGHT"),
    }
}

/// The same for every run of the check, and wherever the lines have moved to.
fn marker(check: &str, suggestion: &Suggestion) -> String {
    let mut hash = Sha256::new();
    for part in [check, &suggestion.path, &suggestion.message, &suggestion.text] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let digits: String = hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{MARKER}{digits} -->")
}
