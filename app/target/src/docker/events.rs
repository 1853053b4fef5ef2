//! Hears of changes by the engine's own events.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::Duration;

use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::StreamExt;
use gatewright_core::target::TargetError;

use super::{DockerTarget, labels};
use crate::error::unavailable;

/// Up to when events were seen, in billionths of a second.
pub(super) type Seen = i64;

/// After an engine was not reachable it is asked again after this, and then after twice as long each time.
const WAIT_MIN: Duration = Duration::from_millis(200);

/// But never later than after this.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// What may make what runs another than what was released. `exec_*` and the engine's own health checks are not among it.
const ACTIONS: [&str; 11] =
    ["create", "start", "restart", "die", "oom", "stop", "pause", "unpause", "rename", "update", "destroy"];

/// Returns after the next event of a container with a label of ours, be it since the last call. Where the engine was not reachable, it returns once
/// it is again: anything may have happened.
pub(super) async fn changed(this: &DockerTarget) -> Result<(), TargetError> {
    let mut wait = WAIT_MIN;
    loop {
        let lost = match next(this).await {
            Ok(at) => {
                *this.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
                return Ok(());
            }
            Err(error) => error,
        };
        tracing::warn!(error = %lost, wait_secs = wait.as_secs(), "the container engine's events are not heard");
        tokio::time::sleep(wait).await;
        if answers(this).await {
            return Ok(());
        }
        wait = (wait * 2).min(WAIT_MAX);
    }
}

async fn answers(this: &DockerTarget) -> bool {
    let Ok(docker) = this.docker().await else { return false };
    matches!(tokio::time::timeout(super::CALL_MAX, docker.ping()).await, Ok(Ok(_)))
}

/// When the next event was.
async fn next(this: &DockerTarget) -> Result<Seen, TargetError> {
    let engine = this.engine().await?;
    let since = {
        let mut seen = this.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen.get_or_insert_with(|| i64::try_from(engine.connected_at.as_nanosecond()).unwrap_or(i64::MAX))
    };
    let filters = HashMap::from([("type", vec!["container"]), ("label", vec![labels::PLACE]), ("event", ACTIONS.to_vec())]);
    // The engine's bound is inclusive.
    let from = since.saturating_add(1);
    let from = format!("{}.{:09}", from / 1_000_000_000, from % 1_000_000_000);
    let options = EventsOptionsBuilder::default().since(&from).filters(&filters).build();
    let mut events = engine.docker.events(Some(options));
    while let Some(event) = events.next().await {
        let event = event.map_err(|e| unavailable("the container engine's events", super::error::words(&e)))?;
        match event.time_nano {
            Some(at) if at > since => return Ok(at),
            Some(_) | None => {}
        }
    }
    Err(unavailable("the container engine's events", "they have ended"))
}
