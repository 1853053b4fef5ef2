//! What a release is asked to do, and what its journal can say.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::{Environment, Releases};
use crate::event::User;
use crate::ids::{BlobId, CommitId, EnvironmentName, RunId};
use crate::report::{AssetName, Latest};
use crate::rollout::Release;
use crate::run::rollout::RolloutState;
use crate::target::Pool;

/// A tag is to be made a release of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseSpec {
    /// The tag, without `refs/tags/`.
    pub tag: String,
    /// The commit that the delivery says it points at. The forge is asked.
    pub commit: Option<CommitId>,
    /// Who made it, as the delivery says.
    pub by: Option<User>,
    /// Only to these environments, where somebody has said so.
    pub only: Option<Vec<EnvironmentName>>,
    /// Who has said so.
    pub commanded: Option<User>,
}

/// An event of a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum ReleaseEvent {
    /// It was found out what the tag is.
    Validated {
        /// What.
        valid: Box<Valid>,
    },
    /// The tag is none that is to be made a release of, or cannot be.
    Refused {
        /// Why.
        refusal: Refusal,
    },
    /// How its gates stand.
    Gates {
        /// How.
        state: GatesState,
    },
    /// Every environment was looked at. Nothing was changed.
    Planned {
        /// What would be done, in the order of the file.
        environments: Vec<PlannedEnvironment>,
        /// What is new. Markdown, made by us.
        notes: String,
        /// What is given out with the release.
        artefacts: Vec<Artefact>,
    },
    /// The forge's release is there in full: notes and artefacts. It may be shown to everybody.
    Drafted,
    /// The rollouts were started.
    Started {
        /// One each.
        rollouts: Vec<(EnvironmentName, RunId)>,
    },
    /// It was looked what the changelog file is to say. The release is shown to everybody by then.
    Changelog {
        /// What.
        entry: ChangelogEntry,
    },
    /// It was looked whether the tag is what it was.
    TagSeen {
        /// Where it points now. None: it is gone.
        commit: Option<CommitId>,
        /// So often it had been told that the tag may have changed when the look began. What it was told since is not looked at yet.
        #[serde(default)]
        told: u64,
    },
}

impl ReleaseEvent {
    /// The blobs that it refers to: artefacts, and a changed changelog.
    pub fn blobs(&self) -> impl Iterator<Item = &BlobId> {
        let (artefacts, file): (&[Artefact], _) = match self {
            ReleaseEvent::Planned { artefacts, .. } => (artefacts, None),
            ReleaseEvent::Changelog { entry: ChangelogEntry::Proposed { content, .. } } => (&[], Some(content)),
            ReleaseEvent::Validated { .. }
            | ReleaseEvent::Refused { .. }
            | ReleaseEvent::Gates { .. }
            | ReleaseEvent::Drafted
            | ReleaseEvent::Started { .. }
            | ReleaseEvent::Changelog { entry: ChangelogEntry::AsItIs { .. } }
            | ReleaseEvent::TagSeen { .. } => (&[], None),
        };
        artefacts.iter().map(|artefact| &artefact.blob).chain(file)
    }
}

/// What becomes of the changelog file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum ChangelogEntry {
    /// A pull request adds the notes to it.
    Proposed {
        /// The commit of the release's branch that the change is made on.
        parent: CommitId,
        /// The whole file as it would be.
        content: BlobId,
    },
    /// It stays as it is.
    AsItIs {
        /// Why, for people.
        because: String,
    },
}

/// Why a tag becomes no release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Refusal {
    /// Nothing says that it should: nobody is told.
    NotOne {
        /// Why, for the journal.
        because: String,
    },
    /// It should, and cannot.
    Invalid {
        /// Why and what to do, for people.
        because: String,
        /// The tag's commit.
        commit: CommitId,
        /// The pull request that it came by, where people are told.
        pull: Option<u64>,
    },
}

/// What a tag is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Valid {
    /// The release.
    pub release: Release,
    /// Whether it is one that comes before a final one.
    pub prerelease: bool,
    /// The protected branch that has its commit.
    pub branch: String,
    /// The tag of the version before.
    pub previous: Option<String>,
    /// What the file at its commit says of releases.
    pub config: Releases,
    /// The environments that it goes to, with templates filled in.
    pub environments: Vec<Environment>,
    /// Whether a version with a higher number is out.
    pub latest: Latest,
}

/// How the gates of a release stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum GatesState {
    /// All have passed.
    Passed {
        /// The run that says so. None where none is asked for.
        run: Option<RunId>,
    },
    /// They run.
    Running {
        /// The run.
        run: RunId,
        /// When to look again.
        look_at: Timestamp,
    },
    /// Some have not.
    Failed {
        /// The run.
        run: RunId,
        /// Which, for people.
        because: String,
    },
}

/// A file that is given out with a release: an output of one of its gates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artefact {
    /// Its name.
    pub name: AssetName,
    /// What is in it.
    pub blob: BlobId,
    /// How long it is.
    pub bytes: u64,
}

/// What would be done in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedEnvironment {
    /// Its name.
    pub name: EnvironmentName,
    /// What its instances would be.
    pub pool: Pool,
    /// What would change, a line each. No secret in it.
    pub changes: Vec<String>,
    /// Why it cannot be done.
    pub problem: Option<String>,
}

/// What a release is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "word")]
pub enum ReleaseWord {
    /// How one of its rollouts stands.
    Rollout {
        /// The environment.
        environment: EnvironmentName,
        /// The rollout.
        run: RunId,
        /// How.
        state: RolloutState,
    },
    /// The tag may have moved, or be gone.
    TagChanged,
    /// Its gates may be over.
    Look,
}
