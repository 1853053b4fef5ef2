//! Publishing an issue, found again by the marker that its text begins with.

use gatewright_core::RepoRef;
use gatewright_core::forge::ForgeError;
use gatewright_core::report::{IssueReport, Known, Published};
use gatewright_forge_shared::address::with_query;
use gatewright_forge_shared::text::{keep_beginning, one_line};
use http::Method;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::comment::Account;
use crate::error::is_missing;
use crate::github::GitHub;
use crate::proposal::{BODY_BYTES_MAX, Label, TITLE_CHARS_MAX};
use crate::read::PER_PAGE;
use crate::route::repo_route;

/// The newest issues and pull requests, on so many pages of 100, are looked through for ours; one that lies behind them is made
/// again. Where it has a label, only those with that label are looked through.
const ISSUE_PAGES_MAX: usize = 5;

#[derive(Serialize)]
struct NewIssue<'a> {
    title: &'a str,
    body: &'a str,
    labels: &'a [String],
}

#[derive(Serialize)]
struct IssueText<'a> {
    title: &'a str,
    body: &'a str,
}

#[derive(Deserialize)]
struct Issue {
    number: u64,
    #[serde(default)]
    state: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    body: Option<String>,
    user: Option<Account>,
    #[serde(default)]
    labels: Vec<Label>,
    /// There where it is a pull request.
    #[serde(default)]
    pull_request: Option<IgnoredAny>,
}

impl GitHub {
    /// One that was closed stays closed, and as it is.
    pub(crate) async fn publish_issue(
        &self,
        repo: &RepoRef,
        report: &IssueReport,
        known: &Known,
    ) -> Result<Published, ForgeError> {
        let _held = self.publishing.hold(format!("{}/issue/{}", repo.key(), report.marker)).await;
        let title = one_line(&report.title, TITLE_CHARS_MAX);
        let body = format!("{}\n{}", report.marker, report.body);
        let body = keep_beginning(&body, BODY_BYTES_MAX);
        let issue = match self.known_issue(repo, report, known).await? {
            Some(issue) if issue.state != "open" => return Ok(Published { id: issue.number }),
            Some(issue) => {
                if issue.title != title || issue.body.as_deref() != Some(&body) {
                    let target = repo_route(repo, &["issues", &issue.number.to_string()])?;
                    let call = Call::write("update_issue", Method::PATCH, target, &IssueText { title: &title, body: &body })?;
                    self.api.for_issues(repo, &call).await?.ok(|| format!("{}#{}", repo.path, issue.number))?;
                }
                issue
            }
            None => self.open_issue(repo, &NewIssue { title: &title, body: &body, labels: &report.labels }).await?,
        };
        // What was published in full before had its labels; who took one off since meant it.
        if !matches!(known, Known::Id(_))
            && let Some(call) = self.label_call(repo, issue.number, &report.labels, &issue.labels)?
        {
            self.api.for_issues(repo, &call).await?.ok(|| format!("the labels of {}#{}", repo.path, issue.number))?;
        }
        Ok(Published { id: issue.number })
    }

    async fn open_issue(&self, repo: &RepoRef, body: &NewIssue<'_>) -> Result<Issue, ForgeError> {
        let call = Call::write("open_issue", Method::POST, repo_route(repo, &["issues"])?, body)?.content();
        self.api.for_issues(repo, &call).await?.ok(|| format!("the issues of {}", repo.path))?.json("open_issue")
    }

    async fn known_issue(&self, repo: &RepoRef, report: &IssueReport, known: &Known) -> Result<Option<Issue>, ForgeError> {
        if let Known::Id(number) = known {
            let call = Call::get("issue", repo_route(repo, &["issues", &number.to_string()])?);
            match self.api.for_issues(repo, &call).await?.ok(|| format!("{}#{number}", repo.path)) {
                // Deleted, or moved to another repository: whoever did that does not want it back.
                Err(error) if is_missing(&error) => {
                    return Ok(Some(Issue::gone(*number)));
                }
                answer => return answer?.json("issue").map(Some),
            }
        }
        let mut query = vec![("state", "all"), ("sort", "created"), ("direction", "desc"), PER_PAGE];
        query.extend(report.labels.first().map(|label| ("labels", label.as_str())));
        let mut next = Some(with_query(repo_route(repo, &["issues"])?, &query));
        let mut oldest = None;
        for _ in 0..ISSUE_PAGES_MAX {
            let Some(target) = next else { break };
            let answer = self.api.for_issues(repo, &Call::get("find_issue", target)).await?;
            let answer = answer.ok(|| format!("the issues of {}", repo.path))?;
            for issue in answer.json::<Vec<Issue>>("find_issue")? {
                let marked = issue.body.as_deref().is_some_and(|body| body.starts_with(&report.marker));
                if marked && issue.pull_request.is_none() && self.is_us(repo, issue.user.as_ref()).await? {
                    oldest = Some(issue);
                }
            }
            next = answer.next;
        }
        Ok(oldest)
    }
}

impl Issue {
    fn gone(number: u64) -> Self {
        Issue {
            number,
            state: "gone".to_owned(),
            title: String::new(),
            body: None,
            user: None,
            labels: Vec::new(),
            pull_request: None,
        }
    }
}
