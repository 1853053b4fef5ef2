//! Publishing a proposal: a branch of ours with one commit, and a merge request for it; and a commit on a branch that is there.
//!
//! The branch is found by its name, the commit by its trailer, the merge request by its branch. What somebody else has pushed to
//! the branch stays, a merge request that was closed stays closed, and one that a person has marked as ready stays so.
//!
//! GitLab has no request that moves a branch only if it is where it was. So right before a commit goes on a branch that is there
//! its head is looked at, and GitLab is told by which commit each file was changed last: what somebody pushes in between stays
//! below ours, and where it touches the same files GitLab refuses.

use gatewright_core::RepoRef;
use gatewright_core::forge::ForgeError;
use gatewright_core::report::{Known, NO_NUMBER, ProposalReport, Published, PushedReport};
use gatewright_forge_shared::address::with_query;
use gatewright_forge_shared::text::{keep_beginning, one_line};
use serde::{Deserialize, Serialize};

use crate::api::PER_PAGE;
use crate::call::{Call, merge_request_route, project_route};
use crate::commit::{Change, Onto};
use crate::error::{is_missing, refused};
use crate::gitlab::{Account, GitLab};
use crate::harmless::harmless;

/// GitLab's limit for a title.
pub(crate) const TITLE_CHARS_MAX: usize = 255;
/// GitLab's limit for a description: 1,048,576 characters, cut by bytes.
pub(crate) const BODY_BYTES_MAX: usize = 1_000_000;
/// The pages of 100 merge requests of one branch that are looked through.
const PULL_PAGES_MAX: usize = 2;
/// What makes a merge request a draft on GitLab.
const DRAFT_PREFIX: &str = "Draft: ";

#[derive(Serialize)]
struct NewMergeRequest<'a> {
    source_branch: &'a str,
    target_branch: &'a str,
    title: &'a str,
    description: &'a str,
    labels: String,
    remove_source_branch: bool,
}

#[derive(Serialize)]
pub(crate) struct Text<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) add_labels: Option<String>,
}

impl Text<'_> {
    pub(crate) fn changes_nothing(&self) -> bool {
        self.title.is_none() && self.description.is_none() && self.add_labels.is_none()
    }
}

#[derive(Deserialize)]
struct MergeRequest {
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
    source_branch: String,
    #[serde(default)]
    source_project_id: Option<u64>,
    #[serde(default)]
    labels: Vec<String>,
}

fn change_of(report: &ProposalReport) -> Change<'_> {
    let ProposalReport { branch, parent, changes, message, external_id, .. } = report;
    Change { branch, parent, changes, message, external_id }
}

/// Labels as GitLab takes them, parted by commas.
pub(crate) fn labels(labels: &[String]) -> Result<String, ForgeError> {
    match labels.iter().find(|label| label.contains(',')) {
        Some(label) => Err(refused(format!("the label {label:?} has a comma in it, by which GitLab parts labels"))),
        None => Ok(labels.join(",")),
    }
}

/// Those of the wanted labels that are missing.
pub(crate) fn missing_labels(wanted: &[String], there: &[String]) -> Result<Option<String>, ForgeError> {
    let missing: Vec<String> = wanted.iter().filter(|label| !there.contains(label)).cloned().collect();
    if missing.is_empty() { Ok(None) } else { labels(&missing).map(Some) }
}

impl GitLab {
    pub(crate) async fn publish_proposal(
        &self,
        repo: &RepoRef,
        report: &ProposalReport,
        known: &Known,
    ) -> Result<Published, ForgeError> {
        let change = change_of(report);
        change.check()?;
        labels(&report.labels)?;
        let _held = self.publishing.hold(format!("{}/branch/{}", repo.key(), report.branch)).await;
        let found = match self.proposed(repo, report, known).await? {
            Some(found) => found,
            None => {
                self.make_own_branch(repo, &change).await?;
                self.open_merge_request(repo, report).await?
            }
        };
        self.show_merge_request(repo, report, found, known).await
    }

    /// The merge request of the branch, whatever has become of it.
    async fn proposed(&self, repo: &RepoRef, report: &ProposalReport, known: &Known) -> Result<Option<MergeRequest>, ForgeError> {
        if let Known::Id(number) = known {
            let call = Call::get("proposed", merge_request_route(repo, *number, &[])?);
            match self.api.send(&call).await?.ok(|| format!("{}!{number}", repo.path)) {
                Err(error) if is_missing(&error) => {}
                answer => return answer?.json("proposed").map(Some),
            }
        }
        let query = [("source_branch", report.branch.as_str()), ("state", "all"), PER_PAGE];
        let first = Call::get("proposed", with_query(project_route(repo, &["merge_requests"])?, &query));
        let listed = self.api.list::<MergeRequest>(first, PULL_PAGES_MAX, || repo.path.clone()).await?;
        // Forks can have branches of the same name.
        let is_of = |one: &MergeRequest| one.source_branch == report.branch && one.source_project_id == Some(repo.id);
        let mut of_branch: Vec<MergeRequest> = listed.items.into_iter().filter(is_of).collect();
        // One that is open counts, else the newest.
        of_branch.sort_by_key(|one| (one.state == "opened", one.iid));
        Ok(of_branch.pop())
    }

    async fn make_own_branch(&self, repo: &RepoRef, change: &Change<'_>) -> Result<(), ForgeError> {
        if self.head_of(repo, change.branch).await?.is_none() && self.make_commit(repo, change, Onto::New).await?.is_some() {
            return Ok(());
        }
        match self.head_of(repo, change.branch).await? {
            Some(head) if change.made(&head) => Ok(()),
            Some(head) => Err(refused(format!(
                "the branch {} is at {}, which is not what was to be proposed; no merge request is opened for it. Rename or delete the \
                 branch, and try again",
                change.branch,
                head.id.short()
            ))),
            None => Err(refused(format!("the branch {} is deleted as soon as it is made", change.branch))),
        }
    }

    async fn open_merge_request(&self, repo: &RepoRef, report: &ProposalReport) -> Result<MergeRequest, ForgeError> {
        let description = harmless(&report.body);
        let body = NewMergeRequest {
            source_branch: &report.branch,
            target_branch: &report.target,
            title: &title(report, report.draft),
            description: &keep_beginning(&description, BODY_BYTES_MAX),
            labels: labels(&report.labels)?,
            remove_source_branch: true,
        };
        let call = Call::post("open_merge_request", project_route(repo, &["merge_requests"])?, &body)?;
        let answer = self.api.send(&call).await?;
        if answer.status == 409 {
            // An attempt of which nobody knew did open it.
            return self.proposed(repo, report, &Known::Maybe).await?.ok_or_else(|| refused(answer.words));
        }
        answer.ok(|| format!("{} as the target of a merge request", report.target))?.json("open_merge_request")
    }

    /// Sets title, text and labels of a merge request that is open and ours.
    async fn show_merge_request(
        &self,
        repo: &RepoRef,
        report: &ProposalReport,
        there: MergeRequest,
        known: &Known,
    ) -> Result<Published, ForgeError> {
        let number = there.iid;
        if there.author.as_ref().map(|author| author.id) != Some(self.me().await?) {
            let branch = &report.branch;
            return Err(refused(format!("somebody else has opened !{number} for the branch {branch}; nothing is changed there")));
        }
        if there.state != "opened" {
            return Ok(Published { id: number });
        }
        let title = title(report, there.title.starts_with(DRAFT_PREFIX));
        let body = harmless(&report.body);
        let body = keep_beginning(&body, BODY_BYTES_MAX);
        let text = Text {
            title: Some(title.as_str()).filter(|title| *title != there.title),
            description: Some(&*body).filter(|body| *body != there.description.as_deref().unwrap_or_default()),
            // What was published in full before had its labels; who took one off since meant it.
            add_labels: match known {
                Known::Id(_) => None,
                Known::Never | Known::Maybe => missing_labels(&report.labels, &there.labels)?,
            },
        };
        if !text.changes_nothing() {
            let call = Call::put("update_merge_request", merge_request_route(repo, number, &[])?, &text)?;
            self.api.send(&call).await?.ok(|| format!("{}!{number}", repo.path))?;
        }
        Ok(Published { id: number })
    }

    pub(crate) async fn publish_pushed(&self, repo: &RepoRef, report: &PushedReport) -> Result<Published, ForgeError> {
        let PushedReport { branch, parent, changes, message, external_id } = report;
        let change = Change { branch, parent, changes, message, external_id };
        change.check()?;
        let _held = self.publishing.hold(format!("{}/branch/{branch}", repo.key())).await;
        let head = self.head_of(repo, branch).await?;
        let head = head.ok_or_else(|| refused(format!("the branch {branch} is gone; nothing was pushed")))?;
        if head.id == *parent {
            let made = self.make_commit(repo, &change, Onto::Head).await?;
            if made.is_some_and(|made| !change.made(&made)) {
                tracing::warn!(
                    forge = "gitlab",
                    repo = repo.path,
                    branch,
                    "somebody pushed at the same moment; our commit follows theirs"
                );
            }
            return Ok(Published { id: NO_NUMBER });
        }
        if change.made(&head) || self.is_among(repo, &head.id, &change).await? {
            return Ok(Published { id: NO_NUMBER });
        }
        let parent = parent.short();
        Err(refused(format!(
            "the branch {branch} has moved on from {parent} since; nothing was pushed. Ask for it again at its new head"
        )))
    }
}

fn title(report: &ProposalReport, prefixed: bool) -> String {
    let prefix = if prefixed { DRAFT_PREFIX } else { "" };
    format!("{prefix}{}", one_line(&report.title, TITLE_CHARS_MAX - prefix.len()))
}
