//! Finds out how an instance is, by asking it.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::Duration;

use bollard::models::{ContainerInspectResponse, ContainerState, ContainerStateStatusEnum as Status};
use gatewright_core::target::Health;
use jiff::{SignedDuration, Timestamp};

use super::{DockerTarget, labels};
use crate::error::cut;
use crate::http;

/// Where labels do not tell.
const TIMEOUT_SECS_DEFAULT: u64 = 5;
const READY_WITHIN_SECS_DEFAULT: u64 = 60;

/// An instance that the engine had to restart is not well for so long, however it answers.
const RESTARTED_SECS: i64 = 30;

/// So many containers that have answered are remembered. Beyond, all are forgotten: each is found again when it next answers.
const ANSWERED_MAX: usize = 10_000;

/// When the container that has answered was started.
pub(super) type Answered = String;

/// How a container is now.
pub(super) async fn of(this: &DockerTarget, container: &ContainerInspectResponse, address: Option<&str>) -> Health {
    let state = container.state.clone().unwrap_or_default();
    let restarts = container.restart_count.unwrap_or(0);
    if state.status != Some(Status::RUNNING) {
        return Health::Dead { because: ended(&state, restarts) };
    }
    let Some(address) = address else {
        return Health::Unhealthy { because: "it has no address in the network of its target".to_owned() };
    };
    let labels = container.config.as_ref().and_then(|config| config.labels.clone()).unwrap_or_default();
    let timeout = Duration::from_secs(number(&labels, labels::HEALTH_TIMEOUT, TIMEOUT_SECS_DEFAULT));
    let path = labels.get(labels::HEALTH_PATH).map(String::as_str);
    let answer = ask(address, path, timeout).await;
    let id = container.id.clone().unwrap_or_default();
    let since = state.started_at.clone().unwrap_or_default();
    let age = age(&since);
    match answer {
        Ok(()) => {
            answered(this, id, since);
            match age {
                Some(age) if restarts > 0 && age < RESTARTED_SECS => Health::Unhealthy { because: restarted(&state, restarts) },
                Some(_) | None => Health::Ready,
            }
        }
        Err(because) => {
            let within = number(&labels, labels::READY_WITHIN, READY_WITHIN_SECS_DEFAULT);
            let early = age.is_some_and(|age| age < i64::try_from(within).unwrap_or(i64::MAX));
            if early && restarts == 0 && !has_answered(this, &id, &since) {
                Health::Starting
            } else {
                Health::Unhealthy { because }
            }
        }
    }
}

fn number(labels: &HashMap<String, String>, name: &str, default: u64) -> u64 {
    labels.get(name).and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// In seconds.
fn age(since: &str) -> Option<i64> {
    let since: Timestamp = since.parse().ok()?;
    Some(Timestamp::now().duration_since(since).max(SignedDuration::ZERO).as_secs())
}

fn has_answered(this: &DockerTarget, id: &str, since: &str) -> bool {
    this.answered.lock().unwrap_or_else(PoisonError::into_inner).get(id).is_some_and(|answered| answered == since)
}

fn answered(this: &DockerTarget, id: String, since: String) {
    let mut all = this.answered.lock().unwrap_or_else(PoisonError::into_inner);
    if all.len() >= ANSWERED_MAX {
        all.clear();
    }
    all.insert(id, since);
}

/// How it ended, for people.
fn ended(state: &ContainerState, restarts: i64) -> String {
    let words = match state.status {
        Some(Status::CREATED) => "it was made and never started".to_owned(),
        Some(Status::PAUSED) => "it is paused".to_owned(),
        Some(Status::REMOVING) => "it is being removed".to_owned(),
        Some(Status::RUNNING | Status::RESTARTING | Status::EXITED | Status::DEAD | Status::STOPPING | Status::EMPTY) | None => {
            exit(state)
        }
    };
    let error = state.error.as_deref().filter(|error| !error.is_empty()).map(|error| format!(": {}", cut(error)));
    let restarts = if restarts > 0 { format!(", restarted {restarts} times") } else { String::new() };
    format!("{words}{}{restarts}", error.unwrap_or_default())
}

fn exit(state: &ContainerState) -> String {
    if state.oom_killed == Some(true) {
        return "out of memory".to_owned();
    }
    format!("exit code {}", state.exit_code.unwrap_or(-1))
}

fn restarted(state: &ContainerState, restarts: i64) -> String {
    let why = if state.oom_killed == Some(true) { " (out of memory)" } else { "" };
    format!("it ended{why} and was restarted {restarts} times, last within {RESTARTED_SECS} s")
}

/// Ready is what is answered with 2xx or 3xx; without a path, that there is a connection. An error says what came instead.
async fn ask(address: &str, path: Option<&str>, limit: Duration) -> Result<(), String> {
    let Some(path) = path else { return http::connect(address, limit).await };
    match http::get(address, path, limit).await? {
        200..=399 => Ok(()),
        status => Err(format!("{path} is answered {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_run_says_how_it_ended() {
        let state = |status: Status| ContainerState { status: Some(status), exit_code: Some(3), ..ContainerState::default() };
        assert_eq!(ended(&state(Status::EXITED), 0), "exit code 3");
        assert_eq!(ended(&state(Status::RESTARTING), 4), "exit code 3, restarted 4 times");
        assert_eq!(ended(&ContainerState { oom_killed: Some(true), ..state(Status::EXITED) }, 0), "out of memory");
        assert_eq!(
            ended(&ContainerState { error: Some("no\nsh".to_owned()), ..state(Status::CREATED) }, 0),
            "it was made and never started: no sh"
        );
    }
}
