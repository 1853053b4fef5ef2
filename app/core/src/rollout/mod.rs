//! How a release gets into an environment: what is written down of it, and the moves that a strategy is made of. Pure.
//!
//! The machine that makes the moves is [`Rollout`](crate::run::Rollout), a kind of run; their effects are the engine's.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::Environment;
use crate::event::User;
use crate::ids::{BlobId, CommitId, EnvironmentName, GateName, RepoRef, RunId};
use crate::target::{Instance, Pool, Routes};

pub mod analysis;
pub mod drift;
pub mod fill;
mod finding;
mod moves;
pub mod version;
pub mod window;

pub use finding::Finding;
pub use moves::{Move, Old, Which, moves, way_back};

/// A version that was released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Its tag.
    pub tag: String,
    /// The version in it, such as `1.4.0`.
    pub version: String,
    /// The tag's commit.
    pub commit: CommitId,
    /// The run of the release. None where somebody rolls out what was released before.
    pub run: Option<RunId>,
    /// The pull request that the commit came by.
    pub pull: Option<u64>,
    /// Who made the tag, or wrote its commit, as far as the forge tells. They may not count among those who approve.
    pub authors: Vec<User>,
}

/// What an environment runs now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// The release.
    pub release: Release,
    /// What its instances are.
    pub pool: Pool,
    /// What [`Instance::config_hash`] of each of them is.
    pub config_hash: String,
    /// The environment as the file that it came with had it.
    pub environment: Box<Environment>,
    /// Since when.
    pub since: Timestamp,
    /// The rollout that brought it.
    pub rollout: RunId,
    /// The repository, as it was named then.
    #[serde(default)]
    pub repo: Option<RepoRef>,
}

impl Live {
    /// How many instances it has.
    pub fn replicas(&self) -> u32 {
        self.environment.target.replicas()
    }
}

/// What became of a release in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// What was rolled out. It can be again.
    pub live: Live,
    /// What came of it.
    pub outcome: Outcome,
    /// When that was so.
    pub at: Timestamp,
    /// When the tag's release began, for how long it took.
    pub begun_at: Timestamp,
}

/// How a rollout ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// The release is what the environment runs.
    Promoted,
    /// It is not, and everything is as it was.
    RolledBack {
        /// Why, for people.
        because: String,
    },
    /// Nothing was begun.
    GivenUp {
        /// Why, for people.
        because: String,
    },
}

/// Something that a rollout waits for before it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "for")]
pub enum Wait {
    /// The release has to be there first.
    After {
        /// Where.
        environment: EnvironmentName,
    },
    /// It has to have been there for so long.
    Soak {
        /// Where.
        environment: EnvironmentName,
        /// Until when.
        until: Timestamp,
    },
    /// So many people more have to agree.
    Approvals {
        /// How many.
        missing: u32,
        /// Who can, for people.
        who: String,
    },
    /// Promotion may begin at other times.
    Window {
        /// The next one.
        opens_at: Timestamp,
    },
    /// Somebody has stopped all promotion.
    Freeze {
        /// Who.
        by: String,
        /// Why, in that person's words. Untrusted text.
        reason: Option<String>,
        /// Until when, where that was said.
        until: Option<Timestamp>,
    },
    /// The last rollout was rolled back; somebody has to say that the next one may begin.
    Held {
        /// Why. Made by us.
        because: String,
    },
    /// Another rollout is under way.
    Busy {
        /// That run.
        run: RunId,
    },
    /// Somebody has to say `deploy`.
    Command,
}

impl Wait {
    /// Who can do something about it, for people. None where only time does.
    pub fn owner(&self) -> Option<String> {
        match self {
            Wait::Approvals { who, .. } => Some(who.clone()),
            Wait::Freeze { by, .. } => Some(by.clone()),
            Wait::Held { .. } => Some("whoever may resume".to_owned()),
            Wait::Command => Some("whoever may deploy".to_owned()),
            Wait::After { .. } | Wait::Soak { .. } | Wait::Window { .. } | Wait::Busy { .. } => None,
        }
    }
}

impl std::fmt::Display for Wait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Wait::After { environment } => write!(f, "the release to arrive in {environment}"),
            Wait::Soak { environment, until } => write!(f, "its time in {environment}, until {}", shown(*until)),
            Wait::Approvals { missing: 1, who } => write!(f, "1 approval ({who})"),
            Wait::Approvals { missing, who } => write!(f, "{missing} approvals ({who})"),
            Wait::Window { opens_at } => write!(f, "the next window, at {}", shown(*opens_at)),
            Wait::Freeze { by, until: Some(until), .. } => write!(f, "the end of {by}'s freeze, at {}", shown(*until)),
            Wait::Freeze { by, until: None, .. } => write!(f, "the end of {by}'s freeze"),
            Wait::Held { because } => write!(f, "somebody to say `resume`: {because}"),
            Wait::Busy { .. } => f.write_str("another rollout to end"),
            Wait::Command => f.write_str("somebody to say `deploy`"),
        }
    }
}

fn shown(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// What target and router looked like at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The instances.
    pub instances: Vec<Instance>,
    /// The router.
    pub routes: Routes,
}

/// What came of a command around a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookOutcome {
    /// Its name.
    pub name: GateName,
    /// Whether it ended with 0 in time.
    pub passed: bool,
    /// How it ended, for people.
    pub ended: String,
    /// Its log.
    pub log: Option<BlobId>,
    /// How long it took.
    pub duration_ms: u64,
}
