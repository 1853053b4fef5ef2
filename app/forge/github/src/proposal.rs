//! Publishing a proposal: a branch of ours with one commit, and a pull request for it; and a commit on a branch that is there.
//!
//! The branch is found by its name, the commit by its trailer, the pull request by its branch. What somebody else has pushed to
//! the branch stays, a pull request that was closed stays closed, and one that a person has marked as ready stays so.

use gatewright_core::RepoRef;
use gatewright_core::forge::ForgeError;
use gatewright_core::report::{Known, NO_NUMBER, ProposalReport, Published, PushedReport};
use gatewright_forge_shared::address::with_query;
use gatewright_forge_shared::text::{keep_beginning, one_line};
use http::Method;
use serde::{Deserialize, Serialize};

use crate::call::{Call, Repeat};
use crate::comment::Account;
use crate::commit::Change;
use crate::error::{is_missing, refused};
use crate::github::GitHub;
use crate::read::PER_PAGE;
use crate::route::repo_route;

/// GitHub takes 256 characters of a title.
pub(crate) const TITLE_CHARS_MAX: usize = 255;
/// GitHub's limit for the text of a pull request and of an issue: 65,536 characters, cut by bytes.
pub(crate) const BODY_BYTES_MAX: usize = 65_536;
/// What a title begins with that says what the plan of the repository cannot say otherwise.
const DRAFT_PREFIX: &str = "Draft: ";

#[derive(Serialize)]
struct NewPull<'a> {
    title: &'a str,
    head: &'a str,
    base: &'a str,
    body: &'a str,
    draft: bool,
}

#[derive(Serialize)]
struct PullText<'a> {
    title: &'a str,
    body: &'a str,
}

#[derive(Serialize)]
struct Labels<'a> {
    labels: &'a [String],
}

#[derive(Deserialize)]
pub(crate) struct Label {
    #[serde(default)]
    pub(crate) name: String,
}

#[derive(Deserialize)]
struct Pull {
    number: u64,
    #[serde(default)]
    state: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    body: Option<String>,
    user: Option<Account>,
    head: Side,
    #[serde(default)]
    labels: Vec<Label>,
}

#[derive(Deserialize)]
struct Side {
    #[serde(rename = "ref")]
    name: String,
    /// None where the fork was deleted.
    repo: Option<Repo>,
}

#[derive(Deserialize)]
struct Repo {
    id: u64,
}

impl Pull {
    /// Forks of the same owner can have branches of the same name.
    fn is_of(&self, repo: &RepoRef, branch: &str) -> bool {
        self.head.name == branch && self.head.repo.as_ref().is_some_and(|head| head.id == repo.id)
    }
}

fn change_of(report: &ProposalReport) -> Change<'_> {
    let ProposalReport { branch, parent, changes, message, external_id, .. } = report;
    Change { branch, parent, changes, message, external_id }
}

impl GitHub {
    pub(crate) async fn publish_proposal(
        &self,
        repo: &RepoRef,
        report: &ProposalReport,
        known: &Known,
    ) -> Result<Published, ForgeError> {
        let change = change_of(report);
        change.check()?;
        let _held = self.publishing.hold(format!("{}/branch/{}", repo.key(), report.branch)).await;
        let found = match self.proposed(repo, report, known).await? {
            Some(found) => found,
            None => {
                self.make_own_branch(repo, &change).await?;
                self.open_pull(repo, report).await?
            }
        };
        self.show_pull(repo, report, found, known).await
    }

    /// The pull request of the branch, whatever has become of it.
    async fn proposed(&self, repo: &RepoRef, report: &ProposalReport, known: &Known) -> Result<Option<Pull>, ForgeError> {
        if let Known::Id(number) = known {
            let call = Call::get("proposed", repo_route(repo, &["pulls", &number.to_string()])?);
            match self.api.for_changes(repo, &call).await?.ok(|| format!("{}#{number}", repo.path)) {
                Err(error) if is_missing(&error) => {}
                answer => return answer?.json("proposed").map(Some),
            }
        }
        let (owner, _) = repo.owner_and_name();
        let head = format!("{owner}:{}", report.branch);
        let query = [("state", "all"), ("head", head.as_str()), ("sort", "created"), ("direction", "asc"), PER_PAGE];
        let call = Call::get("proposed", with_query(repo_route(repo, &["pulls"])?, &query));
        let answer = self.api.for_changes(repo, &call).await?.ok(|| format!("the pull requests of {}", repo.path))?;
        let page: Vec<Pull> = answer.json("proposed")?;
        let mut of_branch: Vec<Pull> = page.into_iter().filter(|pull| pull.is_of(repo, &report.branch)).collect();
        // One that is open counts, else the newest.
        of_branch.sort_by_key(|pull| (pull.state == "open", pull.number));
        Ok(of_branch.pop())
    }

    async fn make_own_branch(&self, repo: &RepoRef, change: &Change<'_>) -> Result<(), ForgeError> {
        if self.head_of(repo, change.branch).await?.is_none() {
            let commit = self.make_commit(repo, change).await?;
            if self.make_branch(repo, change.branch, &commit).await? {
                return Ok(());
            }
        }
        let head = self.head_of(repo, change.branch).await?;
        match head {
            Some(head) if self.is_commit_of(repo, &head, change).await? => Ok(()),
            Some(head) => Err(refused(format!(
                "the branch {} is at {}, which is not what was to be proposed; no pull request is opened for it. Rename or delete the \
                 branch, and try again",
                change.branch,
                head.short()
            ))),
            None => Err(refused(format!("the branch {} is deleted as soon as it is made", change.branch))),
        }
    }

    async fn open_pull(&self, repo: &RepoRef, report: &ProposalReport) -> Result<Pull, ForgeError> {
        let answer = self.post_pull(repo, report, report.draft).await?;
        let no_drafts = answer.status == 422 && report.draft && answer.words.to_ascii_lowercase().contains("draft pull requests");
        let answer = if no_drafts { self.post_pull(repo, report, false).await? } else { answer };
        if answer.status == 422 && answer.words.to_ascii_lowercase().contains("already exists") {
            // An attempt of which nobody knew did open it.
            return self.proposed(repo, report, &Known::Maybe).await?.ok_or_else(|| refused(answer.words));
        }
        answer.ok(|| format!("{} as the base of a pull request", report.target))?.json("open_pull")
    }

    async fn post_pull(&self, repo: &RepoRef, report: &ProposalReport, draft: bool) -> Result<crate::answer::Answer, ForgeError> {
        let title = title(report, report.draft && !draft);
        let body = keep_beginning(&report.body, BODY_BYTES_MAX);
        let body = NewPull { title: &title, head: &report.branch, base: &report.target, body: &body, draft };
        let call = Call::write("open_pull", Method::POST, repo_route(repo, &["pulls"])?, &body)?.content();
        self.api.for_changes(repo, &call).await
    }

    /// Sets title, text and labels of a pull request that is open and ours.
    async fn show_pull(
        &self,
        repo: &RepoRef,
        report: &ProposalReport,
        pull: Pull,
        known: &Known,
    ) -> Result<Published, ForgeError> {
        let number = pull.number;
        if !self.is_us(repo, pull.user.as_ref()).await? {
            let branch = &report.branch;
            return Err(refused(format!("somebody else has opened #{number} for the branch {branch}; nothing is changed there")));
        }
        if pull.state != "open" {
            return Ok(Published { id: number });
        }
        let title = title(report, pull.title.starts_with(DRAFT_PREFIX));
        let body = keep_beginning(&report.body, BODY_BYTES_MAX);
        if pull.title != title || pull.body.as_deref().unwrap_or_default() != body {
            let target = repo_route(repo, &["pulls", &number.to_string()])?;
            let call = Call::write("update_pull", Method::PATCH, target, &PullText { title: &title, body: &body })?;
            self.api.for_changes(repo, &call).await?.ok(|| format!("{}#{number}", repo.path))?;
        }
        // What was published in full before had its labels; who took one off since meant it.
        if !matches!(known, Known::Id(_)) {
            let call = self.label_call(repo, number, &report.labels, &pull.labels)?;
            if let Some(call) = call {
                self.api.for_changes(repo, &call).await?.ok(|| format!("the labels of {}#{number}", repo.path))?;
            }
        }
        Ok(Published { id: number })
    }

    /// Adds what is missing. GitHub makes a label that the repository does not have.
    pub(crate) fn label_call(
        &self,
        repo: &RepoRef,
        number: u64,
        wanted: &[String],
        there: &[Label],
    ) -> Result<Option<Call>, ForgeError> {
        let is_there = |label: &String| there.iter().any(|other| other.name.eq_ignore_ascii_case(label));
        let missing: Vec<String> = wanted.iter().filter(|label| !is_there(label)).cloned().collect();
        if missing.is_empty() {
            return Ok(None);
        }
        let target = repo_route(repo, &["issues", &number.to_string(), "labels"])?;
        let call = Call::write("label", Method::POST, target, &Labels { labels: &missing })?;
        Ok(Some(call.repeat(Repeat::Safe)))
    }

    pub(crate) async fn publish_pushed(&self, repo: &RepoRef, report: &PushedReport) -> Result<Published, ForgeError> {
        let PushedReport { branch, parent, changes, message, external_id } = report;
        let change = Change { branch, parent, changes, message, external_id };
        change.check()?;
        let _held = self.publishing.hold(format!("{}/branch/{branch}", repo.key())).await;
        let head = self.head_of(repo, branch).await?;
        let head = head.ok_or_else(|| refused(format!("the branch {branch} is gone; nothing was pushed")))?;
        let moved = || {
            let parent = parent.short();
            refused(format!(
                "the branch {branch} has moved on from {parent} since; nothing was pushed. Ask for it again at its new head"
            ))
        };
        if head == *parent {
            let commit = self.make_commit(repo, &change).await?;
            return if self.move_branch(repo, branch, &commit).await? { Ok(Published { id: NO_NUMBER }) } else { Err(moved()) };
        }
        let done = self.is_commit_of(repo, &head, &change).await? || self.is_among(repo, &head, &change).await?;
        if done { Ok(Published { id: NO_NUMBER }) } else { Err(moved()) }
    }
}

fn title(report: &ProposalReport, prefixed: bool) -> String {
    let prefix = if prefixed { DRAFT_PREFIX } else { "" };
    format!("{prefix}{}", one_line(&report.title, TITLE_CHARS_MAX - prefix.len()))
}
