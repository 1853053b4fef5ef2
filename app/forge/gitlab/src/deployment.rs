//! Publishing deployments, and the environments that they go to.
//!
//! GitLab keeps no key with a deployment, so one of ours is found by environment, commit, ref, account and the time since
//! which it may have been made. One cannot be made to wait: what has not begun is not shown. From `running` it goes to
//! `success`, `failed` or `canceled`, among which it may change, and never back; setting what it is already is refused.
//! When a later one succeeds, GitLab itself shows that one as the environment's.

use gatewright_core::forge::ForgeError;
use gatewright_core::report::{DeploymentReport, DeploymentState, Known, Published, Tier};
use gatewright_core::{RepoRef, Timestamp};
use gatewright_forge_shared::address::with_query;
use serde::{Deserialize, Serialize};

use crate::api::PER_PAGE;
use crate::call::{Call, project_route};
use crate::gitlab::{Account, GitLab};

/// The deployments to an environment, newest first; one that lies behind these pages of 100 is made again.
const DEPLOYMENT_PAGES_MAX: usize = 3;
/// GitLab's clock may differ from ours by so much.
const CLOCK_DIFFERENCE_SECS: i64 = 5 * 60;
/// What is published for a deployment that has not begun.
const NO_ID: u64 = 0;

#[derive(Serialize)]
struct DeploymentBody<'a> {
    environment: &'a str,
    sha: &'a str,
    #[serde(rename = "ref")]
    of: &'a str,
    tag: bool,
    status: &'static str,
}

#[derive(Serialize)]
struct StatusBody {
    status: &'static str,
}

#[derive(Serialize)]
struct EnvironmentBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<&'static str>,
}

#[derive(Deserialize)]
struct Deployment {
    id: u64,
    #[serde(default)]
    sha: String,
    #[serde(default, rename = "ref")]
    of: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    user: Option<Account>,
    created_at: Timestamp,
}

#[derive(Deserialize)]
struct Id {
    id: u64,
}

#[derive(Deserialize)]
struct Environment {
    id: u64,
    name: String,
    #[serde(default)]
    external_url: Option<String>,
}

impl GitLab {
    pub(crate) async fn publish_deployment(
        &self,
        repo: &RepoRef,
        report: &DeploymentReport,
        known: &Known,
    ) -> Result<Published, ForgeError> {
        let _held = self.publishing.hold(format!("{}/deployment/{}", repo.key(), report.key)).await;
        let found = match known {
            Known::Never => None,
            Known::Maybe | Known::Id(_) => self.find_deployment(repo, report, known).await?,
        };
        match (found, status(report.state)) {
            (Some(there), Some(status)) => self.set_deployment(repo, &there, status).await,
            (Some(there), None) => Ok(Published { id: there.id }),
            (None, Some(status)) if report.state != DeploymentState::Cancelled => {
                self.ensure_environment(repo, report).await?;
                self.create_deployment(repo, report, status).await
            }
            (None, _) => Ok(Published { id: NO_ID }),
        }
    }

    async fn find_deployment(
        &self,
        repo: &RepoRef,
        report: &DeploymentReport,
        known: &Known,
    ) -> Result<Option<Deployment>, ForgeError> {
        let me = self.me().await?;
        let query = [("environment", report.environment.as_str()), ("order_by", "id"), ("sort", "desc"), PER_PAGE];
        let first = Call::get("find_deployment", with_query(project_route(repo, &["deployments"])?, &query));
        let what = || format!("the deployments of {}", repo.path);
        let mut listed = self.api.list::<Deployment>(first, DEPLOYMENT_PAGES_MAX, what).await?.items;
        let id = if let Known::Id(id) = known { Some(*id) } else { None };
        if let Some(at) = listed.iter().position(|one| Some(one.id) == id) {
            return Ok(Some(listed.swap_remove(at)));
        }
        Ok(listed.into_iter().filter(|one| one.is(report, me)).min_by_key(|one| one.id))
    }

    async fn set_deployment(&self, repo: &RepoRef, there: &Deployment, status: &'static str) -> Result<Published, ForgeError> {
        let done = there.status == status;
        // What is over does not run again; the journal's end of it follows.
        let backwards = status == RUNNING && !["created", "blocked"].contains(&there.status.as_str());
        if !done && !backwards {
            let target = project_route(repo, &["deployments", &there.id.to_string()])?;
            let call = Call::put("set_deployment", target, &StatusBody { status })?;
            let answer = self.api.send(&call).await?;
            // The first of two attempts within the call may have done it.
            let stands = answer.status == 400 && answer.words.to_ascii_lowercase().contains("cannot transition");
            if !stands {
                answer.ok(|| format!("deployment {} of {}", there.id, repo.path))?;
            }
        }
        Ok(Published { id: there.id })
    }

    async fn create_deployment(
        &self,
        repo: &RepoRef,
        report: &DeploymentReport,
        status: &'static str,
    ) -> Result<Published, ForgeError> {
        // People read a tag's name rather than a commit's, but only while it means the same.
        let tag = self.read_tag(repo, &report.tag).await?.is_some_and(|tag| tag.commit == report.commit);
        let body = DeploymentBody {
            environment: report.environment.as_str(),
            sha: report.commit.as_str(),
            of: if tag { &report.tag } else { report.commit.as_str() },
            tag,
            status,
        };
        let call = Call::post("create_deployment", project_route(repo, &["deployments"])?, &body)?;
        let answer = self.api.send(&call).await?.ok(|| format!("{} of {}", report.commit.short(), repo.path))?;
        Ok(Published { id: answer.json::<Id>("create_deployment")?.id })
    }

    /// The environment with its address and tier: a deployment alone would make one without.
    async fn ensure_environment(&self, repo: &RepoRef, report: &DeploymentReport) -> Result<(), ForgeError> {
        let name = report.environment.as_str();
        let url = report.environment_url.as_deref();
        let tier = (report.tier == Tier::Production).then_some("production");
        let Some(there) = self.environment(repo, name).await? else {
            let body = EnvironmentBody { name: Some(name), external_url: url, tier };
            let call = Call::post("create_environment", project_route(repo, &["environments"])?, &body)?;
            let answer = self.api.send(&call).await?;
            if answer.status == 400 && self.environment(repo, name).await?.is_some() {
                return Ok(());
            }
            return answer.ok(|| format!("the environments of {}", repo.path)).map(drop);
        };
        if url.is_some() && there.external_url.as_deref() != url {
            let target = project_route(repo, &["environments", &there.id.to_string()])?;
            let body = EnvironmentBody { name: None, external_url: url, tier: None };
            let call = Call::put("update_environment", target, &body)?;
            self.api.send(&call).await?.ok(|| format!("the environment {name}"))?;
        }
        Ok(())
    }

    async fn environment(&self, repo: &RepoRef, name: &str) -> Result<Option<Environment>, ForgeError> {
        let call = Call::get("environment", with_query(project_route(repo, &["environments"])?, &[("name", name), PER_PAGE]));
        let answer = self.api.send(&call).await?.ok(|| format!("the environments of {}", repo.path))?;
        let listed: Vec<Environment> = answer.json("environment")?;
        Ok(listed.into_iter().find(|environment| environment.name == name))
    }
}

impl Deployment {
    fn is(&self, report: &DeploymentReport, me: u64) -> bool {
        let since = report.since.as_second().saturating_sub(CLOCK_DIFFERENCE_SECS);
        self.sha == report.commit.as_str()
            && (self.of == report.tag || self.of == report.commit.as_str())
            && self.user.as_ref().is_some_and(|user| user.id == me)
            && self.created_at.as_second() >= since
    }
}

const RUNNING: &str = "running";

/// What GitLab can be told. None: nothing.
fn status(state: DeploymentState) -> Option<&'static str> {
    match state {
        DeploymentState::Queued | DeploymentState::Waiting | DeploymentState::Inactive => None,
        DeploymentState::InProgress => Some(RUNNING),
        DeploymentState::Success => Some("success"),
        DeploymentState::Failure => Some("failed"),
        DeploymentState::Cancelled => Some("canceled"),
    }
}
