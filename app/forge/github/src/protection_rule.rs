//! Answering a workflow that waits for leave to deploy.

use gatewright_core::RepoRef;
use gatewright_core::forge::ForgeError;
use gatewright_core::report::{Known, ProtectionAnswer, ProtectionReport, Published};
use gatewright_forge_shared::text::keep_beginning;
use http::Method;
use serde::Serialize;

use crate::call::Call;
use crate::github::GitHub;
use crate::route::repo_route;

/// GitHub's limit for a comment on the rule: 1,024 characters, cut by bytes.
const COMMENT_BYTES_MAX: usize = 1_024;

#[derive(Serialize)]
struct Body<'a> {
    environment_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    comment: &'a str,
}

impl GitHub {
    /// GitHub refuses a decision on what is decided: where this may be a second attempt, the first was the decision.
    pub(crate) async fn publish_protection(
        &self,
        repo: &RepoRef,
        report: &ProtectionReport,
        known: &Known,
    ) -> Result<Published, ForgeError> {
        let run = report.workflow_run.to_string();
        let target = repo_route(repo, &["actions", "runs", &run, "deployment_protection_rule"])?;
        let comment = keep_beginning(&report.comment, COMMENT_BYTES_MAX);
        let state = match report.answer {
            ProtectionAnswer::Approved => Some("approved"),
            ProtectionAnswer::Rejected => Some("rejected"),
            ProtectionAnswer::NotYet => None,
        };
        let body = Body { environment_name: &report.environment, state, comment: &comment };
        let call = Call::write("answer_protection_rule", Method::POST, target, &body)?;
        let answer = self.api.for_deployments(repo, &call).await?;
        let decided_before = state.is_some() && *known != Known::Never && matches!(answer.status, 409 | 422);
        if !decided_before {
            answer.ok(|| format!("workflow run {run} of {}", repo.path))?;
        }
        Ok(Published { id: report.workflow_run })
    }
}
