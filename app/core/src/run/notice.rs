//! The machine that tells people something: through each channel once, tried again for some hours, and given up visibly.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::RunEvent;
use crate::notice::Notice;
use crate::report::Conclusion;

/// After each failure a channel is left alone for so long, in seconds. After the last of these failed too it is given up: some nine hours
/// after the first try, when what was to be told is history.
const PAUSES_SECS: [u64; 8] = [5, 30, 120, 600, 1800, 3600, 3 * 3600, 4 * 3600];

/// A channel that asks for a longer pause gets it, up to this.
const PAUSE_SECS_MAX: u64 = 4 * 3600;

/// Something is to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeSpec {
    /// What.
    pub notice: Notice,
    /// Through these channels, by their names in the server file.
    pub channels: Vec<String>,
}

/// An event of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum NoticeEvent {
    /// A channel has taken it.
    Sent {
        /// Which.
        channel: String,
    },
    /// A channel has not.
    Failed {
        /// Which.
        channel: String,
        /// Why, for people. Without any secret.
        because: String,
        /// Whether trying again may help.
        again: Again,
    },
}

/// Whether trying again may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Again {
    /// It may, and not before so many seconds have passed.
    After(u64),
    /// It will not.
    Never,
}

/// How far a channel is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// It is to be sent, not before then.
    Pending {
        /// Not before.
        at: Timestamp,
        /// So many tries have failed.
        failures: u32,
        /// Why the last one has.
        because: Option<String>,
    },
    /// The channel has taken it.
    Sent,
    /// It is not tried again.
    GivenUp {
        /// Why, for people.
        because: String,
    },
}

/// Something that people are told.
#[derive(Debug, Clone)]
pub struct NoticeRun {
    /// What.
    pub spec: NoticeSpec,
    /// How far each channel is.
    pub deliveries: BTreeMap<String, Delivery>,
}

/// Something to be done for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoticeAction {
    /// Send it through this channel.
    Send {
        /// Which.
        channel: String,
    },
}

impl NoticeRun {
    pub(super) fn new(spec: NoticeSpec, at: Timestamp) -> NoticeRun {
        let pending = || Delivery::Pending { at, failures: 0, because: None };
        let deliveries = spec.channels.iter().map(|channel| (channel.clone(), pending())).collect();
        NoticeRun { spec, deliveries }
    }

    /// What is to be done, when that changes by itself, and whether there is nothing more to come.
    pub(super) fn next(&self, now: Timestamp) -> (Vec<NoticeAction>, Option<Timestamp>, bool) {
        let pending = self.deliveries.iter().filter_map(|(channel, delivery)| match delivery {
            Delivery::Pending { at, .. } => Some((channel, *at)),
            Delivery::Sent | Delivery::GivenUp { .. } => None,
        });
        let (due, later): (Vec<_>, Vec<_>) = pending.partition(|(_, at)| *at <= now);
        let over = due.is_empty() && later.is_empty();
        let due = due.into_iter().map(|(channel, _)| NoticeAction::Send { channel: channel.clone() }).collect();
        (due, later.into_iter().map(|(_, at)| at).min(), over)
    }

    pub(super) fn apply(&mut self, now: Timestamp, event: &RunEvent) {
        let RunEvent::Notice { event } = event else { return };
        let (NoticeEvent::Sent { channel } | NoticeEvent::Failed { channel, .. }) = event;
        let Some(delivery) = self.deliveries.get_mut(channel) else { return };
        *delivery = match (event, &*delivery) {
            (NoticeEvent::Sent { .. }, _) => Delivery::Sent,
            (NoticeEvent::Failed { because, again, .. }, Delivery::Pending { failures, .. }) => {
                failed(now, *failures, because, *again)
            }
            (NoticeEvent::Failed { .. }, settled @ (Delivery::Sent | Delivery::GivenUp { .. })) => settled.clone(),
        };
    }

    /// Why this event cannot follow, if it cannot.
    pub(super) fn check(&self, event: &RunEvent) -> Result<(), String> {
        let (possible, why) = match event {
            RunEvent::Notice { event: NoticeEvent::Sent { channel } | NoticeEvent::Failed { channel, .. } } => {
                (self.deliveries.contains_key(channel), "there is no such channel")
            }
            RunEvent::Finished { .. } => (self.next(Timestamp::MAX).2, "not every channel is settled"),
            _ => (true, ""),
        };
        possible.then_some(()).ok_or_else(|| why.to_owned())
    }

    /// A notice that did not arrive everywhere is a failure: that is what people see in the list of runs.
    pub(super) fn conclusion(&self) -> Conclusion {
        let given_up = |delivery: &Delivery| matches!(delivery, Delivery::GivenUp { .. });
        match self.deliveries.values().any(given_up) {
            true => Conclusion::Failure,
            false => Conclusion::Success,
        }
    }
}

fn failed(now: Timestamp, failures: u32, because: &str, again: Again) -> Delivery {
    let pause = PAUSES_SECS.get(failures as usize);
    match (again, pause) {
        (Again::After(asked), Some(pause)) => {
            let secs = asked.max(*pause).min(PAUSE_SECS_MAX);
            let pause = SignedDuration::from_secs(i64::try_from(secs).unwrap_or(i64::MAX));
            let at = now.checked_add(pause).unwrap_or(Timestamp::MAX);
            Delivery::Pending { at, failures: failures + 1, because: Some(because.to_owned()) }
        }
        (Again::After(_), None) => {
            Delivery::GivenUp { because: format!("it was tried {} times; the last time: {because}", failures + 1) }
        }
        (Again::Never, _) => Delivery::GivenUp { because: because.to_owned() },
    }
}

#[cfg(test)]
mod tests;
