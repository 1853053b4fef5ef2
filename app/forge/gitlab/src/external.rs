//! External status checks, which GitLab Ultimate has: a merge request waits for their answer, and nobody can forge it by
//! making a status of the same name. The aggregate check answers the one that has its name.

use gatewright_core::RepoRef;
use gatewright_core::forge::ForgeError;
use gatewright_core::report::{CheckReport, parse_external_id};
use serde::{Deserialize, Serialize};

use crate::call::{Call, Repeat, merge_request_route};
use crate::error::is_final;
use crate::gitlab::GitLab;
use crate::status_body::State;

/// A project without that plan is asked again after this.
const UNCHECKED_SECS: i64 = 3_600;

#[derive(Deserialize)]
struct ExternalCheck {
    id: u64,
    #[serde(default)]
    name: String,
}

#[derive(Serialize)]
struct Response<'a> {
    sha: &'a str,
    external_status_check_id: u64,
    status: &'static str,
}

impl GitLab {
    /// Answers the external status check of the check's name, where there is one. What GitLab refuses is logged: the status
    /// is shown, and asking again would not help.
    pub(crate) async fn answer_external(&self, repo: &RepoRef, report: &CheckReport) -> Result<(), ForgeError> {
        let Some(number) = report.pull.filter(|_| is_aggregate(&report.external_id)) else {
            return Ok(());
        };
        for check in self.external_checks(repo, number).await?.iter().filter(|check| check.name == report.name) {
            let response = Response {
                sha: report.head.as_str(),
                external_status_check_id: check.id,
                status: word(State::of(report.status)),
            };
            let target = merge_request_route(repo, number, &["status_check_responses"])?;
            let call = Call::post("answer_external_check", target, &response)?.repeat(Repeat::Safe);
            let answer = self.api.send(&call).await?;
            if answer.status >= 400 {
                // The head has moved on; or a version before 16.5, which does not know "pending".
                tracing::info!(
                    forge = "gitlab",
                    repo = repo.path,
                    cause = answer.words,
                    "an external status check is not answered"
                );
            }
        }
        Ok(())
    }

    async fn external_checks(&self, repo: &RepoRef, number: u64) -> Result<Vec<ExternalCheck>, ForgeError> {
        let now = self.api.now().as_second();
        if self.unchecked.get(&repo.key()).is_some_and(|until| now < until) {
            return Ok(Vec::new());
        }
        let call = Call::get("external_checks", merge_request_route(repo, number, &["status_checks"])?);
        match self.api.send(&call).await?.ok(|| "external status checks".to_owned()) {
            Ok(answer) => answer.json("external_checks"),
            Err(error) if is_final(&error) => {
                self.unchecked.put(repo.key(), now.saturating_add(UNCHECKED_SECS), size_of::<i64>());
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }
}

fn is_aggregate(external_id: &str) -> bool {
    parse_external_id(external_id).is_some_and(|(_, gate)| gate.is_none())
}

fn word(state: State) -> &'static str {
    match state {
        State::Pending | State::Running => "pending",
        State::Success => "passed",
        State::Failed | State::Canceled => "failed",
    }
}
