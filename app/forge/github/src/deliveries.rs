//! Deliveries that never arrived: GitHub does not send them again by itself, but does when asked, for three days.
//!
//! What is found missing is remembered from one call to the next until an attempt arrives, since the next call looks only at newer
//! attempts: a delivery that could not be sent again just now, or that failed once more, is not lost from sight.

use std::collections::HashMap;

use gatewright_core::Timestamp;
use gatewright_core::forge::{ForgeError, MissedDelivery, Redelivered};
use gatewright_forge_shared::address::with_query;
use serde::Deserialize;

use crate::call::Call;
use crate::error::{is_missing, may_pass};
use crate::github::GitHub;
use crate::read::PER_PAGE;
use crate::route::route;

/// So many pages of 100 attempts are looked through in one go, newest first. The next call goes on behind them.
const PAGES_MAX: usize = 100;

/// So many deliveries are sent again in one go: each counts as five calls in GitHub's limit a minute, which tokens are made under too.
const SENT_MAX: usize = 100;

/// So many missed deliveries are remembered. Beyond that those that were sent again, and of which nothing was heard since, are forgotten.
const REMEMBERED_MAX: usize = 20_000;

/// GitHub that does not answer so often one after the other is not asked for the rest: each time it is waited for.
const SILENT_MAX: u32 = 3;

/// One attempt to deliver.
#[derive(Deserialize)]
struct Attempt {
    id: u64,
    guid: String,
    delivered_at: Timestamp,
    #[serde(default)]
    status: String,
    #[serde(default)]
    status_code: u16,
    #[serde(default)]
    event: String,
}

/// What is known of deliveries that have not arrived.
#[derive(Debug, Default)]
pub(crate) struct Missed {
    open: HashMap<String, Open>,
    /// Whether GitHub was asked before. What failed before this process began is no reason to wait.
    asked: bool,
    /// Where the last call stopped at its limit, and back to when it was to read.
    behind: Option<(String, Timestamp)>,
}

/// A delivery of which no attempt has arrived.
#[derive(Debug)]
struct Open {
    missed: MissedDelivery,
    /// It was sent again, and nothing is known of that yet.
    sent: bool,
}

impl GitHub {
    pub(crate) async fn send_missed_again(
        &self,
        since: Timestamp,
        wanted: &(dyn for<'a> Fn(&'a MissedDelivery) -> bool + Send + Sync),
    ) -> Result<Redelivered, ForgeError> {
        let mut missed = self.missed.lock().await;
        self.look(&mut missed, since).await?;
        missed.asked = true;
        let due = missed.due(wanted);
        let mut done = Redelivered { sent: 0, more: due.len() > SENT_MAX || missed.behind.is_some() };
        let (mut failed, mut silent) = (None, 0);
        for one in due.into_iter().take(SENT_MAX) {
            match self.send_again(&one).await {
                Ok(()) => {
                    missed.sent(&one.guid);
                    (done.sent, silent) = (done.sent + 1, 0);
                }
                // Too old, or of a hook that is gone: the others are not held up by it.
                Err(error) if is_missing(&error) || matches!(error, ForgeError::Refused { .. }) => {
                    tracing::warn!(forge = "github", delivery.id = one.guid, %error, "a missed delivery cannot be sent again");
                    missed.open.remove(&one.guid);
                }
                Err(error) if may_pass(&error) => {
                    silent += 1;
                    // The rest is sent the next time.
                    if silent == SILENT_MAX {
                        return Err(error);
                    }
                    failed = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        match failed {
            Some(error) if done.sent == 0 => Err(error),
            Some(_) => Ok(Redelivered { more: true, ..done }),
            None => Ok(done),
        }
    }

    /// Reads what was attempted since then, and goes on where the last call stopped.
    async fn look(&self, missed: &mut Missed, since: Timestamp) -> Result<(), ForgeError> {
        let newest = with_query(route(&["app", "hook", "deliveries"])?, &[PER_PAGE]);
        let behind = missed.behind.take();
        let left = self.look_from(missed, newest, since).await.inspect_err(|_| missed.behind.clone_from(&behind))?;
        missed.behind = match (left, behind) {
            // What is behind the one limit covers what was behind the other.
            (Some(target), Some((_, back_to))) => Some((target, since.min(back_to))),
            (Some(target), None) => Some((target, since)),
            (None, Some((target, back_to))) => {
                let left = self.look_from(missed, target.clone(), back_to).await;
                let left = left.inspect_err(|_| missed.behind = Some((target, back_to)))?;
                left.map(|target| (target, back_to))
            }
            (None, None) => None,
        };
        if missed.behind.is_some() {
            tracing::warn!(forge = "github", pages = PAGES_MAX, "more deliveries than are looked through at once; going on soon");
        }
        Ok(())
    }

    /// Reads attempts from this page on. Returns the page that would have been next at the limit.
    async fn look_from(&self, missed: &mut Missed, first: String, since: Timestamp) -> Result<Option<String>, ForgeError> {
        let (mut next, mut attempts) = (Some(first), Vec::new());
        for _ in 0..PAGES_MAX {
            let Some(target) = next else { break };
            let answer = self.api.as_app(&Call::get("deliveries", target)).await?;
            let answer = answer.ok(|| "the App's deliveries".to_owned())?;
            let page: Vec<Attempt> = answer.json("deliveries")?;
            let reached = page.iter().any(|attempt| attempt.delivered_at < since);
            attempts.extend(page.into_iter().filter(|attempt| attempt.delivered_at >= since));
            next = answer.next.filter(|_| !reached);
        }
        missed.note(attempts);
        Ok(next)
    }

    async fn send_again(&self, missed: &MissedDelivery) -> Result<(), ForgeError> {
        let target = route(&["app", "hook", "deliveries", &missed.attempt.to_string(), "attempts"])?;
        let answer = self.api.as_app(&Call::trigger("redeliver", target)).await?;
        answer.ok(|| format!("delivery {}", missed.guid)).map(drop)
    }
}

impl Missed {
    /// Takes note of attempts, which come newest first. Where one has arrived, the delivery has.
    fn note(&mut self, attempts: Vec<Attempt>) {
        let arrived: Vec<String> = attempts.iter().filter(|one| one.has_arrived()).map(|one| one.guid.clone()).collect();
        for attempt in attempts.into_iter().rev() {
            let Attempt { id, guid, delivered_at: at, event, .. } = attempt;
            let known = self.open.get(&guid).map(|open| &open.missed);
            // What was read before is listed again.
            if known.is_some_and(|known| (known.at, known.attempt) >= (at, id)) {
                continue;
            }
            let failures = if self.asked { known.map_or(0, |known| known.failures) + 1 } else { 1 };
            let missed = MissedDelivery { attempt: id, guid: guid.clone(), at, event, failures };
            self.open.insert(guid, Open { missed, sent: false });
        }
        for guid in arrived {
            self.open.remove(&guid);
        }
        if self.open.len() > REMEMBERED_MAX {
            self.open.retain(|_, open| !open.sent);
        }
    }

    /// Those that the caller picks, oldest first, as they happened.
    fn due(&self, wanted: &(dyn for<'a> Fn(&'a MissedDelivery) -> bool + Send + Sync)) -> Vec<MissedDelivery> {
        let mut due: Vec<&MissedDelivery> = self.open.values().filter(|open| !open.sent).map(|open| &open.missed).collect();
        due.sort_by_key(|missed| (missed.at, missed.attempt));
        due.into_iter().filter(|missed| wanted(missed)).cloned().collect()
    }

    fn sent(&mut self, guid: &str) {
        if let Some(open) = self.open.get_mut(guid) {
            open.sent = true;
        }
    }
}

impl Attempt {
    fn has_arrived(&self) -> bool {
        match self.status_code {
            0 => self.status == "OK",
            code => (200..=299).contains(&code),
        }
    }
}
