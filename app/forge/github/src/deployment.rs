//! Publishing deployments: one made under its key, and statuses that say how far it is.

use gatewright_core::RepoRef;
use gatewright_core::forge::ForgeError;
use gatewright_core::report::{DeploymentReport, DeploymentState, Known, Life, Published, Tier};
use gatewright_forge_shared::address::with_query;
use gatewright_forge_shared::text::one_line;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::call::Call;
use crate::error::{is_missing, refused};
use crate::github::GitHub;
use crate::read::PER_PAGE;
use crate::route::repo_route;

/// GitHub's limit for the text of a status.
const DESCRIPTION_CHARS_MAX: usize = 140;
/// A key that is longer is refused.
const KEY_CHARS_MAX: usize = 200;
/// Where the key is in the payload.
const KEY_FIELD: &str = "gatewright";
/// The deployments of one commit to one environment, newest first; one that lies behind these pages of 100 is made again.
const DEPLOYMENT_PAGES_MAX: usize = 3;
/// When a production deployment succeeds, so many earlier ones are looked through for the one that was live.
const EARLIER_MAX: usize = 10;

#[derive(Serialize)]
struct DeploymentBody<'a> {
    #[serde(rename = "ref")]
    of: &'a str,
    environment: &'a str,
    /// Left to itself GitHub merges the default branch into what is deployed.
    auto_merge: bool,
    /// Left to itself GitHub wants every status of the commit to be green, our own too, which waits for this.
    required_contexts: [&'a str; 0],
    payload: Value,
    description: &'a str,
    transient_environment: bool,
    production_environment: bool,
}

#[derive(Serialize)]
struct StatusBody<'a> {
    state: &'static str,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment_url: Option<&'a str>,
    auto_inactive: bool,
}

#[derive(Deserialize)]
struct Deployment {
    id: u64,
    #[serde(default)]
    payload: Value,
}

#[derive(Deserialize)]
struct Status {
    id: u64,
    state: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    log_url: String,
    #[serde(default)]
    environment_url: String,
}

impl Deployment {
    /// The key that it was made under. GitHub gives a payload back as JSON, or as the text of it.
    fn key(&self) -> Option<String> {
        let key = |value: &Value| value.get(KEY_FIELD).and_then(Value::as_str).map(str::to_owned);
        match &self.payload {
            Value::String(text) => key(&serde_json::from_str(text).ok()?),
            payload => key(payload),
        }
    }
}

impl Status {
    fn shows(&self, wanted: &StatusBody<'_>) -> bool {
        self.state == wanted.state
            && self.description == wanted.description
            && self.log_url == wanted.log_url.unwrap_or_default()
            && self.environment_url == wanted.environment_url.unwrap_or_default()
    }
}

impl GitHub {
    pub(crate) async fn publish_deployment(
        &self,
        repo: &RepoRef,
        report: &DeploymentReport,
        known: &Known,
    ) -> Result<Published, ForgeError> {
        if report.key.chars().count() > KEY_CHARS_MAX {
            return Err(refused("the key of a deployment has at most 200 characters"));
        }
        let _held = self.publishing.hold(format!("{}/deployment/{}", repo.key(), report.key)).await;
        if let Known::Id(id) = known {
            match self.show_deployment(repo, report, *id).await {
                Err(error) if is_missing(&error) => {}
                result => return result,
            }
        }
        let found = match known {
            Known::Never => None,
            Known::Maybe | Known::Id(_) => self.find_deployment(repo, report).await?,
        };
        let id = match found {
            Some(id) => id,
            None => self.create_deployment(repo, report).await?,
        };
        self.show_deployment(repo, report, id).await
    }

    async fn create_deployment(&self, repo: &RepoRef, report: &DeploymentReport) -> Result<u64, ForgeError> {
        // GitHub looks the ref up itself. People read a tag's name rather than a commit's, but only while it means the same.
        let is_there = self.commit_of_tag(repo, &report.tag).await?.is_some_and(|commit| commit == report.commit);
        let description = one_line(&report.description, DESCRIPTION_CHARS_MAX);
        let body = DeploymentBody {
            of: if is_there { &report.tag } else { report.commit.as_str() },
            environment: report.environment.as_str(),
            auto_merge: false,
            required_contexts: [],
            payload: serde_json::json!({ KEY_FIELD: report.key }),
            description: &description,
            transient_environment: report.life == Life::Transient,
            production_environment: report.tier == Tier::Production,
        };
        let call = Call::write("create_deployment", Method::POST, repo_route(repo, &["deployments"])?, &body)?;
        let answer = self.api.for_deployments(repo, &call).await?;
        let answer = answer.ok(|| format!("{} of {}", report.commit.short(), repo.path))?;
        Ok(answer.json::<Deployment>("create_deployment")?.id)
    }

    async fn find_deployment(&self, repo: &RepoRef, report: &DeploymentReport) -> Result<Option<u64>, ForgeError> {
        let query = [("environment", report.environment.as_str()), ("sha", report.commit.as_str()), PER_PAGE];
        let mut next = Some(with_query(repo_route(repo, &["deployments"])?, &query));
        for _ in 0..DEPLOYMENT_PAGES_MAX {
            let Some(target) = next else { break };
            let answer = self.api.for_deployments(repo, &Call::get("find_deployment", target)).await?;
            let answer = answer.ok(|| format!("the deployments of {}", repo.path))?;
            let page: Vec<Deployment> = answer.json("find_deployment")?;
            // Should there be two after all, the first is the one whose statuses people have seen.
            if let Some(found) = page.iter().filter(|one| one.key().as_ref() == Some(&report.key)).map(|one| one.id).min() {
                return Ok(Some(found));
            }
            next = answer.next;
        }
        Ok(None)
    }

    /// A status is added only where it says something new: they cannot be changed or taken back.
    async fn show_deployment(&self, repo: &RepoRef, report: &DeploymentReport, id: u64) -> Result<Published, ForgeError> {
        let description = one_line(&report.description, DESCRIPTION_CHARS_MAX);
        let wanted = StatusBody {
            state: state(report.state),
            description: &description,
            log_url: report.log_url.as_deref(),
            environment_url: report.environment_url.as_deref(),
            auto_inactive: true,
        };
        let there = self.statuses_of(repo, id).await?;
        let newest = there.iter().max_by_key(|status| status.id);
        let was_live = there.iter().any(|status| status.shows(&wanted));
        let superseded = newest.is_some_and(|status| status.state == "inactive") && wanted.state == "success" && was_live;
        // One that a later deployment has made inactive must not come back to life because it is published once more.
        if !newest.is_some_and(|status| status.shows(&wanted)) && !superseded {
            self.add_status(repo, id, &wanted).await?;
        }
        if report.state == DeploymentState::Success && report.tier == Tier::Production && !superseded {
            self.retire_earlier(repo, report, id).await?;
        }
        Ok(Published { id })
    }

    async fn statuses_of(&self, repo: &RepoRef, id: u64) -> Result<Vec<Status>, ForgeError> {
        let route = repo_route(repo, &["deployments", &id.to_string(), "statuses"])?;
        let answer = self.api.for_deployments(repo, &Call::get("deployment_statuses", with_query(route, &[PER_PAGE]))).await?;
        answer.ok(|| format!("deployment {id}"))?.json("deployment_statuses")
    }

    async fn add_status(&self, repo: &RepoRef, id: u64, body: &StatusBody<'_>) -> Result<(), ForgeError> {
        let target = repo_route(repo, &["deployments", &id.to_string(), "statuses"])?;
        let call = Call::write("add_deployment_status", Method::POST, target, body)?;
        self.api.for_deployments(repo, &call).await?.ok(|| format!("deployment {id}")).map(drop)
    }

    /// Of a production environment GitHub leaves earlier deployments `success`, `auto_inactive` or not. Only those of ours
    /// are touched.
    async fn retire_earlier(&self, repo: &RepoRef, report: &DeploymentReport, id: u64) -> Result<(), ForgeError> {
        let query = [("environment", report.environment.as_str()), PER_PAGE];
        let target = with_query(repo_route(repo, &["deployments"])?, &query);
        let answer = self.api.for_deployments(repo, &Call::get("earlier_deployments", target)).await?;
        let answer = answer.ok(|| format!("the deployments of {}", repo.path))?;
        let page: Vec<Deployment> = answer.json("earlier_deployments")?;
        for earlier in page.iter().filter(|one| one.id < id && one.key().is_some()).take(EARLIER_MAX) {
            let statuses = self.statuses_of(repo, earlier.id).await?;
            let newest = statuses.into_iter().max_by_key(|status| status.id);
            if newest.is_some_and(|status| status.state == "success") {
                let description = format!("{} took its place", one_line(&report.tag, DESCRIPTION_CHARS_MAX - 20));
                let body = StatusBody {
                    state: state(DeploymentState::Inactive),
                    description: &description,
                    log_url: None,
                    environment_url: None,
                    auto_inactive: false,
                };
                self.add_status(repo, earlier.id, &body).await?;
            }
        }
        Ok(())
    }
}

fn state(state: DeploymentState) -> &'static str {
    match state {
        DeploymentState::Queued => "queued",
        DeploymentState::Waiting => "pending",
        DeploymentState::InProgress => "in_progress",
        DeploymentState::Success => "success",
        DeploymentState::Failure => "failure",
        // What was given up has not failed; the text says which of the two it is.
        DeploymentState::Inactive | DeploymentState::Cancelled => "inactive",
    }
}
