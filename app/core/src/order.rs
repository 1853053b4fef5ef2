//! Standing orders: what people have said about a pull request that holds beyond the run that it was said to.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::User;
use crate::ids::{CommitId, GateName, InvalidId, RunId};
use crate::rollout::drift::Drift;
use crate::rollout::{Arrival, Live};

/// What a standing order is about. A subject has one order of each key; a newer one takes the older one's place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum OrderKey {
    /// Whether it may be merged.
    Hold,
    /// Whether code from a fork may run.
    Approval,
    /// What stands in for a gate's verdict.
    Skip(GateName),
    /// The answer to the last question, which the sticky comment shows.
    Answer,
    /// Which rollout an environment belongs to, of which there is one at a time.
    Lock,
    /// What an environment runs.
    Live,
    /// Whether releases may be promoted to an environment.
    Freeze,
    /// What became of a release, by its tag, in an environment.
    Arrival(String),
    /// What runs in an environment and was not released there.
    Drift,
}

impl From<OrderKey> for String {
    fn from(key: OrderKey) -> String {
        match key {
            OrderKey::Hold => "hold".to_owned(),
            OrderKey::Approval => "approval".to_owned(),
            OrderKey::Skip(gate) => format!("skip:{gate}"),
            OrderKey::Answer => "answer".to_owned(),
            OrderKey::Lock => "lock".to_owned(),
            OrderKey::Live => "live".to_owned(),
            OrderKey::Freeze => "freeze".to_owned(),
            OrderKey::Arrival(tag) => format!("arrival:{tag}"),
            OrderKey::Drift => "drift".to_owned(),
        }
    }
}

impl TryFrom<String> for OrderKey {
    type Error = InvalidId;
    fn try_from(s: String) -> Result<Self, InvalidId> {
        match s.as_str() {
            "hold" => Ok(OrderKey::Hold),
            "approval" => Ok(OrderKey::Approval),
            "answer" => Ok(OrderKey::Answer),
            "lock" => Ok(OrderKey::Lock),
            "live" => Ok(OrderKey::Live),
            "freeze" => Ok(OrderKey::Freeze),
            "drift" => Ok(OrderKey::Drift),
            other if other.starts_with("arrival:") => Ok(OrderKey::Arrival(other["arrival:".len()..].to_owned())),
            other => other.strip_prefix("skip:").unwrap_or(other).parse().map(OrderKey::Skip),
        }
    }
}

/// What somebody has ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Who.
    pub by: User,
    /// When, by the clock of this service.
    pub at: Timestamp,
    /// The run of the command that gave it. Of two orders of one key, that of the newer run stands.
    pub run: RunId,
    /// What.
    pub what: Ordered,
}

/// What an order says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Ordered {
    /// The pull request is not to be merged, whatever its commit.
    Hold {
        /// Why, in the person's words. Untrusted text.
        reason: Option<String>,
    },
    /// A fork's code may run, at exactly this commit.
    Approval {
        /// The commit.
        commit: CommitId,
    },
    /// A gate counts as passed at exactly this commit.
    Skip {
        /// The gate.
        gate: GateName,
        /// The commit.
        commit: CommitId,
        /// Why, in the person's words. Untrusted text.
        reason: String,
    },
    /// A question was answered.
    Answer {
        /// The commit that the answer is about.
        commit: CommitId,
        /// The command, as it was understood.
        question: String,
        /// Markdown, made by us; what comes from outside is escaped in it.
        body: String,
    },
    /// A rollout has the environment to itself.
    Lock,
    /// The environment runs this.
    Live {
        /// What.
        live: Box<Live>,
    },
    /// No release is promoted to the environment. Going back stays possible.
    Freeze {
        /// Until when.
        until: Option<Timestamp>,
        /// Why, in the person's words. Untrusted text.
        reason: Option<String>,
    },
    /// A release has been rolled out to the environment, or was to be.
    Arrival {
        /// What came of it.
        arrival: Box<Arrival>,
    },
    /// What runs in the environment was compared with what was released.
    Drift {
        /// What came of it.
        drift: Box<Drift>,
    },
}

impl Order {
    /// What it is about.
    pub fn key(&self) -> OrderKey {
        match &self.what {
            Ordered::Hold { .. } => OrderKey::Hold,
            Ordered::Approval { .. } => OrderKey::Approval,
            Ordered::Skip { gate, .. } => OrderKey::Skip(gate.clone()),
            Ordered::Answer { .. } => OrderKey::Answer,
            Ordered::Lock => OrderKey::Lock,
            Ordered::Live { .. } => OrderKey::Live,
            Ordered::Freeze { .. } => OrderKey::Freeze,
            Ordered::Arrival { arrival } => OrderKey::Arrival(arrival.live.release.tag.clone()),
            Ordered::Drift { .. } => OrderKey::Drift,
        }
    }

    /// The only commit that it holds for. None where it holds for all.
    pub fn commit(&self) -> Option<&CommitId> {
        match &self.what {
            Ordered::Hold { .. }
            | Ordered::Lock
            | Ordered::Live { .. }
            | Ordered::Freeze { .. }
            | Ordered::Arrival { .. }
            | Ordered::Drift { .. } => None,
            Ordered::Approval { commit } | Ordered::Skip { commit, .. } | Ordered::Answer { commit, .. } => Some(commit),
        }
    }
}

/// A change of a subject's standing orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum OrderChange {
    /// This order stands from now on, in the place of an older one of its key.
    Set {
        /// The order.
        order: Order,
    },
    /// The order of this key no longer stands.
    Clear {
        /// The key.
        key: OrderKey,
        /// The run of the command that took it back.
        run: RunId,
    },
    /// This order stands from now on, unless one of its key stands that another run has given.
    Take {
        /// The order.
        order: Order,
    },
    /// The order of this key no longer stands, if it is this run's.
    Yield {
        /// The key.
        key: OrderKey,
        /// The run.
        run: RunId,
    },
    /// The subject has moved to this commit: what held for another one no longer stands.
    MovedTo {
        /// The commit.
        commit: CommitId,
    },
}

impl OrderChange {
    /// Whether it holds for one commit only.
    pub fn is_pinned(&self) -> bool {
        match self {
            OrderChange::Set { order } | OrderChange::Take { order } => order.commit().is_some(),
            OrderChange::Clear { key, .. } | OrderChange::Yield { key, .. } => match key {
                OrderKey::Hold | OrderKey::Lock | OrderKey::Live | OrderKey::Freeze | OrderKey::Arrival(_) | OrderKey::Drift => {
                    false
                }
                OrderKey::Approval | OrderKey::Skip(_) | OrderKey::Answer => true,
            },
            OrderChange::MovedTo { .. } => true,
        }
    }
}
