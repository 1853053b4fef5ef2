//! Deliveries that never arrived: GitHub does not send them again by itself, but does when asked, for three days.

use std::collections::HashMap;

use gatewright_core::Timestamp;
use gatewright_core::forge::{ForgeError, MissedDelivery};
use gatewright_forge_shared::address::with_query;
use serde::Deserialize;

use crate::call::Call;
use crate::error::{is_missing, may_pass};
use crate::github::GitHub;
use crate::read::PER_PAGE;
use crate::route::route;

/// So many pages of 100 attempts are looked through, newest first. What lies behind them waits until newer ones have
/// arrived, or is too old to be sent again.
const PAGES_MAX: usize = 100;

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

/// What is known of one delivery from its attempts.
enum Fate {
    Arrived,
    Missed(MissedDelivery),
}

impl GitHub {
    pub(crate) async fn send_missed_again(
        &self,
        since: Timestamp,
        wanted: &(dyn for<'a> Fn(&'a MissedDelivery) -> bool + Send + Sync),
    ) -> Result<u64, ForgeError> {
        let mut sent = 0;
        let (mut failed, mut silent) = (None, 0);
        for missed in self.missed_since(since).await?.iter().filter(|missed| wanted(missed)) {
            match self.send_again(missed).await {
                Ok(()) => (sent, silent) = (sent + 1, 0),
                // Too old, or of a hook that is gone: the others are not held up by it.
                Err(error) if is_missing(&error) || matches!(error, ForgeError::Refused { .. }) => {
                    tracing::warn!(forge = "github", delivery.id = missed.guid, %error, "a missed delivery cannot be sent again");
                }
                Err(error) if may_pass(&error) => {
                    silent += 1;
                    // The rest is sent at the next sweep.
                    if silent == SILENT_MAX {
                        return Err(error);
                    }
                    failed = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        match failed {
            Some(error) if sent == 0 => Err(error),
            Some(_) | None => Ok(sent),
        }
    }

    /// Deliveries of which no attempt arrived, oldest first, as they happened.
    async fn missed_since(&self, since: Timestamp) -> Result<Vec<MissedDelivery>, ForgeError> {
        let mut fates: HashMap<String, Fate> = HashMap::new();
        let mut next = Some(with_query(route(&["app", "hook", "deliveries"])?, &[PER_PAGE]));
        for _ in 0..PAGES_MAX {
            let Some(target) = next else { break };
            let answer = self.api.as_app(&Call::get("deliveries", target)).await?;
            let answer = answer.ok(|| "the App's deliveries".to_owned())?;
            let page: Vec<Attempt> = answer.json("deliveries")?;
            let reached = page.iter().any(|attempt| attempt.delivered_at < since);
            page.into_iter().filter(|attempt| attempt.delivered_at >= since).for_each(|attempt| note(&mut fates, attempt));
            next = answer.next.filter(|_| !reached);
        }
        if next.is_some() {
            tracing::warn!(forge = "github", pages = PAGES_MAX, "more deliveries than are looked through at once");
        }
        let mut missed: Vec<MissedDelivery> = fates.into_values().filter_map(Fate::missed).collect();
        missed.sort_by_key(|missed| (missed.at, missed.attempt));
        Ok(missed)
    }

    async fn send_again(&self, missed: &MissedDelivery) -> Result<(), ForgeError> {
        let target = route(&["app", "hook", "deliveries", &missed.attempt.to_string(), "attempts"])?;
        let answer = self.api.as_app(&Call::trigger("redeliver", target)).await?;
        answer.ok(|| format!("delivery {}", missed.guid)).map(drop)
    }
}

impl Fate {
    fn missed(self) -> Option<MissedDelivery> {
        match self {
            Fate::Arrived => None,
            Fate::Missed(missed) => Some(missed),
        }
    }
}

/// Attempts come newest first; the newest is the one that is sent again.
fn note(fates: &mut HashMap<String, Fate>, attempt: Attempt) {
    let arrived = match attempt.status_code {
        0 => attempt.status == "OK",
        code => (200..=299).contains(&code),
    };
    if arrived {
        fates.insert(attempt.guid, Fate::Arrived);
        return;
    }
    let Attempt { id, guid, delivered_at, event, .. } = attempt;
    fates.entry(guid.clone()).or_insert(Fate::Missed(MissedDelivery { attempt: id, guid, at: delivered_at, event }));
}
