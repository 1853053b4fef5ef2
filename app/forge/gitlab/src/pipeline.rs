//! Where the statuses of a merge request go.
//!
//! GitLab hangs a status on a pipeline, and a merge request goes by one pipeline: its head pipeline. A status that names
//! none, or another, makes GitLab find or make one, which then passes by itself and becomes the head pipeline. So:
//!
//! 1. Where the merge request has a pipeline for the commit, that is named, with its own ref (a merge request pipeline's is
//!    `refs/merge-requests/IID/head`, not the branch). A merged-results pipeline is on a commit that GitLab made of the head
//!    and the target branch; it counts if the head is one of that commit's parents, and the status goes to that commit.
//! 2. Where it has none (yet), the source branch is named, so that the pipeline that GitLab makes belongs to the merge
//!    request. That is not kept: the next status looks again. When a check is over, what it left waiting elsewhere is
//!    finished too.
//! 3. Of a merge request from a fork, both are true of the fork's project, since that is where such pipelines are. As a rule
//!    we may not write there. Then the status goes to the target project, which has the commit under
//!    `refs/merge-requests/IID/head`: it shows at the commit, but does not hold the merge up. For that, the note says what
//!    the status says, and an external status check holds it up where the project has one. The ref is never the fork's
//!    branch: the target may have one of that name.

use gatewright_core::RepoRef;
use gatewright_core::forge::ForgeError;
use gatewright_core::report::CheckReport;
use serde::Deserialize;

use crate::call::{Call, merge_request_route, route};
use crate::error::is_final;
use crate::gitlab::GitLab;
use crate::read::{MergeRequest, Pipeline};

/// A commit's pipeline is looked up again after this: another may have been started meanwhile.
const PLACE_SECS: i64 = 60;
/// Where we may not write, we try again after this.
const CLOSED_SECS: i64 = 600;
/// A merge request with more pipelines than fit on these pages of 20 has its older ones looked through no further.
const PIPELINE_PAGES_MAX: usize = 10;
/// What a place takes in memory, about.
const PLACE_BYTES: usize = 256;

/// Where a status goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) project: u64,
    pub(crate) sha: String,
    pub(crate) reference: Option<String>,
    pub(crate) pipeline: Option<u64>,
}

#[derive(Deserialize)]
struct Commit {
    #[serde(default)]
    parent_ids: Vec<String>,
}

impl GitLab {
    /// The places to try, the best first. Never empty.
    pub(crate) async fn places_of(&self, repo: &RepoRef, report: &CheckReport) -> Result<Vec<Place>, ForgeError> {
        let head = report.head.as_str();
        let Some(number) = report.pull else {
            return Ok(vec![Place { project: repo.id, sha: head.to_owned(), reference: None, pipeline: None }]);
        };
        let reference = Some(merge_request_ref(number));
        let target = Place { project: repo.id, sha: head.to_owned(), reference, pipeline: None };
        let best = self.best_place(repo, number, head).await?.filter(|place| self.is_open(place.project));
        Ok(match best {
            Some(place) if place.project == repo.id => vec![place],
            Some(place) => vec![place, target],
            None => vec![target],
        })
    }

    async fn best_place(&self, repo: &RepoRef, number: u64, head: &str) -> Result<Option<Place>, ForgeError> {
        let key = place_key(repo, number, head);
        let now = self.api.now().as_second();
        if let Some((_, place)) = self.places.get(&key).filter(|(until, _)| now < *until) {
            return Ok(Some(place));
        }
        let request = self.merge_request(repo, number).await?;
        let Some(pipeline) = self.pipeline_of(repo, &request, head).await? else {
            return Ok(branch_place(&request, head));
        };
        let place = Place {
            project: pipeline.project_id.unwrap_or(repo.id),
            sha: pipeline.sha,
            reference: Some(pipeline.reference),
            pipeline: Some(pipeline.id),
        };
        self.places.put(key, (now.saturating_add(PLACE_SECS), place.clone()), PLACE_BYTES);
        Ok(Some(place))
    }

    /// Forgets where the statuses of a commit go: what is named there is no longer so.
    pub(crate) fn forget_place(&self, repo: &RepoRef, number: u64, head: &str) {
        self.places.remove(&place_key(repo, number, head));
    }

    /// Whether we may, as far as we know, write statuses in a project.
    fn is_open(&self, project: u64) -> bool {
        self.closed.get(&project.to_string()).is_none_or(|until| self.api.now().as_second() >= until)
    }

    /// Remembers that we may not.
    pub(crate) fn close(&self, project: u64) {
        let until = self.api.now().as_second().saturating_add(CLOSED_SECS);
        self.closed.put(project.to_string(), until, size_of::<i64>());
    }

    async fn pipeline_of(&self, repo: &RepoRef, request: &MergeRequest, head: &str) -> Result<Option<Pipeline>, ForgeError> {
        if request.sha.as_ref().is_none_or(|sha| sha.as_str() != head) {
            return self.older_pipeline(repo, request.iid, head).await;
        }
        let Some(pipeline) = &request.head_pipeline else { return Ok(None) };
        let right = pipeline.sha == head || self.is_merged_result(repo, request.iid, pipeline, head).await?;
        Ok(right.then(|| pipeline.clone()))
    }

    async fn is_merged_result(&self, repo: &RepoRef, number: u64, pipeline: &Pipeline, head: &str) -> Result<bool, ForgeError> {
        if pipeline.reference != format!("refs/merge-requests/{number}/merge") {
            return Ok(false);
        }
        let project = pipeline.project_id.unwrap_or(repo.id).to_string();
        let call = Call::get("commit", route(&["projects", &project, "repository", "commits", &pipeline.sha])?);
        match self.api.read(call).await?.ok(|| format!("the commit of pipeline {}", pipeline.id)) {
            Ok(answer) => Ok(answer.json::<Commit>("commit")?.parent_ids.iter().any(|parent| parent == head)),
            Err(error) if is_final(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The newest pipeline of a commit that is no longer the head.
    async fn older_pipeline(&self, repo: &RepoRef, number: u64, head: &str) -> Result<Option<Pipeline>, ForgeError> {
        let first = merge_request_route(repo, number, &["pipelines"])?;
        let what = || format!("the pipelines of {}!{number}", repo.path);
        match self.api.list::<Pipeline>(Call::get("pipelines", first), PIPELINE_PAGES_MAX, what).await {
            Ok(listed) => Ok(listed.items.into_iter().filter(|one| one.sha == head).max_by_key(|one| one.id)),
            // Pipelines can be for members only, or switched off.
            Err(error) if is_final(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// None where the source project was deleted.
fn branch_place(request: &MergeRequest, head: &str) -> Option<Place> {
    let reference = Some(request.source_branch.clone());
    Some(Place { project: request.source_project_id?, sha: head.to_owned(), reference, pipeline: None })
}

fn merge_request_ref(number: u64) -> String {
    format!("refs/merge-requests/{number}/head")
}

fn place_key(repo: &RepoRef, number: u64, head: &str) -> String {
    format!("{}/{number}/{head}", repo.key())
}
