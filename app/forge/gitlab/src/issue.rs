//! Publishing an issue, found again by the marker that its text begins with.

use gatewright_core::RepoRef;
use gatewright_core::forge::ForgeError;
use gatewright_core::report::{IssueReport, Known, Published};
use gatewright_forge_shared::address::with_query;
use gatewright_forge_shared::text::{keep_beginning, one_line};
use serde::{Deserialize, Serialize};

use crate::api::PER_PAGE;
use crate::call::{Call, project_route};
use crate::error::is_missing;
use crate::gitlab::{Account, GitLab};
use crate::harmless::harmless;
use crate::proposal::{BODY_BYTES_MAX, TITLE_CHARS_MAX, Text, labels, missing_labels};

/// The newest issues of our account, on so many pages of 100, are looked through for this one; one that lies behind them is made
/// again. Where it has a label, only those with that label are looked through.
const ISSUE_PAGES_MAX: usize = 5;

#[derive(Serialize)]
struct NewIssue<'a> {
    title: &'a str,
    description: &'a str,
    labels: String,
}

#[derive(Deserialize)]
struct Issue {
    iid: u64,
    #[serde(default)]
    state: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    author: Option<Account>,
    #[serde(default)]
    labels: Vec<String>,
}

impl GitLab {
    /// One that was closed stays closed, and as it is; one that was deleted stays away.
    pub(crate) async fn publish_issue(
        &self,
        repo: &RepoRef,
        report: &IssueReport,
        known: &Known,
    ) -> Result<Published, ForgeError> {
        let _held = self.publishing.hold(format!("{}/issue/{}", repo.key(), report.marker)).await;
        let title = one_line(&report.title, TITLE_CHARS_MAX);
        let body = format!("{}\n{}", report.marker, harmless(&report.body));
        let body = keep_beginning(&body, BODY_BYTES_MAX);
        let found = match known {
            Known::Id(number) => {
                let call = Call::get("issue", project_route(repo, &["issues", &number.to_string()])?);
                match self.api.send(&call).await?.ok(|| format!("{}#{number}", repo.path)) {
                    Err(error) if is_missing(&error) => return Ok(Published { id: *number }),
                    answer => Some(answer?.json::<Issue>("issue")?),
                }
            }
            Known::Never | Known::Maybe => self.find_issue(repo, report).await?,
        };
        let Some(issue) = found else {
            let body = NewIssue { title: &title, description: &body, labels: labels(&report.labels)? };
            let call = Call::post("open_issue", project_route(repo, &["issues"])?, &body)?;
            let answer = self.api.send(&call).await?.ok(|| format!("the issues of {}", repo.path))?;
            return Ok(Published { id: answer.json::<Issue>("open_issue")?.iid });
        };
        let text = Text {
            title: Some(title.as_str()).filter(|title| *title != issue.title),
            description: Some(&*body).filter(|body| Some(*body) != issue.description.as_deref()),
            add_labels: match known {
                Known::Id(_) => None,
                Known::Never | Known::Maybe => missing_labels(&report.labels, &issue.labels)?,
            },
        };
        if issue.state == "opened" && !text.changes_nothing() {
            let call = Call::put("update_issue", project_route(repo, &["issues", &issue.iid.to_string()])?, &text)?;
            self.api.send(&call).await?.ok(|| format!("{}#{}", repo.path, issue.iid))?;
        }
        Ok(Published { id: issue.iid })
    }

    /// The oldest of ours with this marker.
    async fn find_issue(&self, repo: &RepoRef, report: &IssueReport) -> Result<Option<Issue>, ForgeError> {
        let me = self.me().await?;
        let author = me.to_string();
        let mut query = vec![("author_id", author.as_str()), ("order_by", "created_at"), ("sort", "desc"), PER_PAGE];
        query.extend(report.labels.first().map(|label| ("labels", label.as_str())));
        let first = Call::get("find_issue", with_query(project_route(repo, &["issues"])?, &query));
        let listed = self.api.list::<Issue>(first, ISSUE_PAGES_MAX, || format!("the issues of {}", repo.path)).await?;
        let is_ours = |issue: &Issue| {
            issue.author.as_ref().is_some_and(|author| author.id == me)
                && issue.description.as_deref().is_some_and(|text| text.starts_with(&report.marker))
        };
        Ok(listed.items.into_iter().filter(is_ours).min_by_key(|issue| issue.iid))
    }
}
