//! What is said of rollouts: what one is to do, what it is told, what its journal holds, and how it stands for others.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::Environment;
use crate::event::User;
use crate::ids::BlobId;
use crate::rollout::analysis::Instances;
use crate::rollout::drift::Difference;
use crate::rollout::{Finding, HookOutcome, Live, Move, Release, Seen, Wait};
use crate::target::{Pool, PoolId, Reading};

/// A release is to go to an environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RolloutSpec {
    /// The release.
    pub release: Release,
    /// The environment as the repository file at the release's commit has it, with templates filled in.
    pub environment: Box<Environment>,
    /// What its instances are to be.
    pub pool: Pool,
    /// Why.
    pub cause: RolloutCause,
    /// Whether it takes its time.
    pub pace: Pace,
    /// When the release began, by its tag.
    pub begun_at: Timestamp,
    /// It is measured so often.
    pub measure_secs: u64,
    /// Before the first share it is measured for so long what is usual.
    pub baseline_secs: u64,
    /// Where it waits for somebody or for a time, people are reminded after each of these, in seconds since it began to wait; never
    /// without any.
    #[serde(default)]
    pub remind_after_secs: Vec<u64>,
}

/// Why a rollout was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum RolloutCause {
    /// The release goes wherever releases go.
    Released,
    /// Somebody has said so.
    Commanded {
        /// Who.
        by: User,
    },
    /// Somebody wants back what was there before.
    Restored {
        /// Who.
        by: User,
        /// Why, in that person's words. Untrusted text.
        because: String,
    },
    /// What runs is not what was released, and the environment wants that mended: what is live is made again.
    Drifted {
        /// The pool that is live. Where another one is by now, there is nothing to mend.
        pool: PoolId,
        /// What differs.
        differences: Vec<Difference>,
    },
}

impl RolloutCause {
    /// Whether a release comes to the environment. What is made again there came before.
    pub fn brings_a_release(&self) -> bool {
        match self {
            RolloutCause::Released | RolloutCause::Commanded { .. } | RolloutCause::Restored { .. } => true,
            RolloutCause::Drifted { .. } => false,
        }
    }
}

/// Whether a rollout takes its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// It waits for what the environment asks for, and goes by its strategy.
    Staged,
    /// It waits for nothing but the lock, and everything moves at once: a way back.
    Straight,
}

/// Which of its two lists of moves a rollout goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Towards the new version.
    Forth,
    /// To what was there before.
    Back,
}

/// What a rollout is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "word")]
pub enum RolloutWord {
    /// Something that it may wait for has changed.
    Look,
    /// Somebody agrees, or wants it to go on where it waits for somebody to say so.
    Promote {
        /// Who.
        by: User,
    },
    /// It is to begin, where it waits for somebody to say so.
    Deploy {
        /// Who.
        by: User,
    },
    /// It is to stay where it is.
    Pause {
        /// Who.
        by: User,
    },
    /// It may go on.
    Resume {
        /// Who.
        by: User,
    },
    /// It is to make room for a newer release.
    GiveWay {
        /// That release's tag.
        tag: String,
    },
    /// It is to go back.
    RollBack {
        /// Who.
        by: User,
        /// Why, in that person's words. Untrusted text.
        because: String,
    },
}

/// An event of a rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum RolloutEvent {
    /// It may not begin yet.
    Looked {
        /// What it waits for.
        waits: Vec<Wait>,
        /// When to look again, where nobody says so before.
        look_at: Timestamp,
        /// So many words it had heard when the look began. What it heard since is not looked at yet.
        heard: u64,
    },
    /// It holds the environment's lock and begins.
    Admitted {
        /// What the environment runs.
        live: Option<Box<Live>>,
        /// The image's digest, pinned.
        digest: Option<String>,
        /// What each new instance's configuration hash will be.
        config_hash: String,
        /// The moves to make.
        moves: Vec<Move>,
    },
    /// It will not begin at all.
    Refused {
        /// Why, for people.
        because: String,
    },
    /// A move was made.
    Made {
        /// The list.
        way: Way,
        /// Its place in the list.
        n: usize,
        /// What target and router looked like before a share was changed, and afterwards.
        seen: Vec<Seen>,
        /// What came of its command.
        hook: Option<HookOutcome>,
    },
    /// A move could not be made, and trying again would not help.
    Failed {
        /// The list.
        way: Way,
        /// Its place in the list.
        n: usize,
        /// Why, for people.
        because: String,
        /// What came of its command.
        hook: Option<HookOutcome>,
    },
    /// It was looked how it goes.
    Measured {
        /// What was measured, or why nothing was.
        look: Box<Look>,
        /// What that comes to.
        finding: Box<Finding>,
    },
    /// Others were told how it stands.
    Told {
        /// How.
        state: RolloutState,
    },
    /// It has waited for so long that people are reminded.
    Reminded,
}

impl RolloutEvent {
    /// The blobs that it refers to: logs of commands.
    pub fn blobs(&self) -> impl Iterator<Item = &BlobId> {
        let hook = match self {
            RolloutEvent::Made { hook, .. } | RolloutEvent::Failed { hook, .. } => hook.as_ref(),
            RolloutEvent::Looked { .. }
            | RolloutEvent::Admitted { .. }
            | RolloutEvent::Refused { .. }
            | RolloutEvent::Measured { .. }
            | RolloutEvent::Told { .. }
            | RolloutEvent::Reminded => None,
        };
        hook.and_then(|hook| hook.log.as_ref()).into_iter()
    }
}

/// One look at how it goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// The counters, of the source that decides.
    pub reading: Option<Reading>,
    /// Those of the other sources that could be read, for people to compare with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Reading>,
    /// Why a source could not be.
    pub unmeasured: Option<String>,
    /// New instances that are not as they should be, each with what is wrong.
    pub unhealthy: Vec<String>,
    /// New instances in all. None where they could not be looked at.
    pub instances: Option<Instances>,
    /// The old version's. None where there is none, or they could not be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_instances: Option<Instances>,
    /// The share that the router gave the new version, read back, in thousandths of a percent.
    pub share_millipercent: u64,
}

/// How long a rollout has waited already, and until when it will.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patience {
    /// Since when. None: it waits for nothing.
    pub since: Option<Timestamp>,
    /// So many reminders there were.
    pub reminders: u32,
    /// When it is given up, or goes back.
    pub ends_at: Option<Timestamp>,
}

/// How a rollout stands, for others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum RolloutState {
    /// It has not begun.
    Waiting {
        /// What it waits for, for people.
        waits: Vec<Wait>,
        /// For how long.
        #[serde(default)]
        patience: Patience,
    },
    /// It is under way.
    Moving {
        /// The move, for people.
        what: String,
        /// So many are made.
        made: u32,
        /// Of so many.
        of: u32,
        /// The new version's share now, in percent.
        percent: u32,
    },
    /// It stays where it is.
    Paused {
        /// Why, for people.
        because: String,
        /// The new version's share, in percent.
        percent: u32,
        /// For how long.
        #[serde(default)]
        patience: Patience,
    },
    /// The environment runs the release.
    Promoted,
    /// It goes back.
    RollingBack {
        /// Why, for people.
        because: String,
    },
    /// Everything is as it was.
    RolledBack {
        /// Why, for people.
        because: String,
    },
    /// It never began.
    GivenUp {
        /// Why, for people.
        because: String,
    },
}

impl RolloutState {
    /// Whether nothing more will come of it.
    pub fn is_over(&self) -> bool {
        match self {
            RolloutState::Promoted | RolloutState::RolledBack { .. } | RolloutState::GivenUp { .. } => true,
            RolloutState::Waiting { .. }
            | RolloutState::Moving { .. }
            | RolloutState::Paused { .. }
            | RolloutState::RollingBack { .. } => false,
        }
    }
}
