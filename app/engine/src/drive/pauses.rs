//! What failed is tried again: after how long, and whether a worker waits for it.

use std::time::Duration;

use gatewright_core::Timestamp;
use gatewright_core::run::{Action, ActionKey, RunEvent};
use jiff::SignedDuration;
use tokio::time::Instant;

use super::{Driver, PATIENCE};

/// An action that failed is tried again after this long, doubled each time up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(500);

/// See [`PAUSE`].
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// What the forge is to show of a run that is given up is tried so often.
const FAREWELL_TRIES: u32 = 3;

/// An action that failed and is to be tried again.
pub(super) struct Pause {
    pub(super) until: Instant,
    pub(super) failures: u32,
}

impl Driver {
    /// Whether nothing is wanted and nothing is under way.
    pub(super) fn is_idle(&self, actions: &[Action]) -> bool {
        actions.is_empty() && self.tasks.is_empty() && self.pauses.is_empty()
    }

    /// When the first is to be tried again of what a forge has not done, where nothing else is wanted and that is not soon: other runs,
    /// of another forge perhaps, get their turn meanwhile.
    pub(super) fn waits_for_forge(&self, actions: &[Action], wake_at: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        // What a run that is given up still has to say is tried a few times in a row.
        if actions.is_empty() || !self.tasks.is_empty() || self.run.given_up.is_some() {
            return None;
        }
        let mut first = wake_at;
        for action in actions {
            let asks = match action {
                Action::Prepare
                | Action::Rule
                | Action::Obey
                | Action::Release(_)
                | Action::Permit(_)
                | Action::Publish { .. } => true,
                Action::Claim { .. }
                | Action::Execute { .. }
                | Action::Stop { .. }
                | Action::Rollout(_)
                | Action::Agent(_)
                | Action::Notice(_)
                | Action::SetAside { .. }
                | Action::Finish { .. } => false,
            };
            let pause = self.pauses.get(&action.key()).filter(|pause| asks && pause.failures > 0)?;
            let away = pause.until.saturating_duration_since(Instant::now());
            let until = now + SignedDuration::try_from(away).ok()?;
            first = Some(first.map_or(until, |first| first.min(until)));
        }
        first.filter(|at| at.duration_since(now) > PATIENCE)
    }

    /// A run that is given up tells the forge so if that is there; it does not wait for it.
    pub(super) fn farewell_failed(&self, key: &ActionKey, cause: &str) -> Option<RunEvent> {
        let ActionKey::Publish(report) = key else { return None };
        let failures = self.pauses.get(key).map_or(0, |pause| pause.failures);
        if self.run.given_up.is_none() || failures + 1 < FAREWELL_TRIES {
            return None;
        }
        let (_, digest) = self.run.wanted().into_iter().find(|(wanted, _)| wanted == report)?;
        Some(RunEvent::PublishRefused { key: report.clone(), digest, cause: cause.to_owned() })
    }

    /// Has an action that failed be tried again later.
    pub(super) fn pause(&mut self, key: ActionKey, after: Option<Duration>, cause: &str) {
        let failures = self.pauses.get(&key).map_or(0, |pause| pause.failures) + 1;
        let doubled = PAUSE.saturating_mul(1 << failures.min(10)).min(PAUSE_MAX);
        let pause = doubled.max(after.unwrap_or_default());
        tracing::warn!(run.id = %self.run.id, action = ?key, failures, pause_ms = pause.as_millis(), cause, "to be tried again");
        let again_at = Timestamp::now() + SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX);
        self.engine.waits.begin(self.run.id, &key, cause, failures, again_at);
        self.pauses.insert(key, Pause { until: Instant::now() + pause, failures });
    }
}
