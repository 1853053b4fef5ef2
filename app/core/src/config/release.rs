//! What the repository file says of releases and environments.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Benchmark, Checkout, GateConfig, Percent, Policy, Require, When};
use crate::command::Who;
use crate::ids::{EnvironmentName, GateName};

/// A repository file may have so many environments.
pub const ENVIRONMENTS_MAX: usize = 20;

/// What releases are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Releases {
    /// Globs of tags, one of which a tag must match to be a release.
    pub tags: Vec<String>,
    /// Gates that must have passed for the tag's commit. They are run where no result of them is known.
    pub require: Vec<GateName>,
    /// Where the notes come from.
    pub notes: Notes,
    /// What has to be signed.
    pub signed: Signed,
    /// The gate outputs that become artefacts of the release: globs of their names.
    pub artefacts: Vec<String>,
    /// The file that a pull request with the new notes is opened for, where that is asked for.
    pub changelog: Option<String>,
    /// The line of `releases` in the file, for messages.
    pub line: u64,
}

/// Where the notes of a release come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notes {
    /// From the titles of commits, written by the rules of Conventional Commits.
    #[default]
    Conventional,
    /// There are none, and the forge's release is left to people.
    None,
}

/// What has to be signed, as the forge verifies it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signed {
    /// Nothing.
    #[default]
    Nothing,
    /// The tag.
    Tag,
    /// The commit.
    Commit,
    /// One of both at least.
    Either,
}

/// Somewhere that releases go to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Its name.
    pub name: EnvironmentName,
    /// Where people find it.
    pub url: Option<String>,
    /// Environments in which a release must have arrived before.
    pub after: Vec<EnvironmentName>,
    /// It must have been there for so long.
    pub soak_secs: u64,
    /// Who has to agree.
    pub approvals: Approvals,
    /// When promotion may begin. Empty: always.
    pub windows: Vec<Window>,
    /// What a release does that finds another one on its way into the environment.
    pub busy: Busy,
    /// Whether pre-releases come here.
    pub prereleases: bool,
    /// Whether releases come here by themselves, or only by a command.
    pub start: StartsBy,
    /// A release that waits for longer is given up.
    pub deadline_secs: u64,
    /// What runs there.
    pub target: TargetConfig,
    /// How traffic moves.
    pub strategy: Strategy,
    /// How it is judged.
    pub analysis: crate::rollout::analysis::AnalysisConfig,
    /// Commands before anything is deployed, and after everything is.
    pub hooks: Hooks,
    /// What is done about what runs there and was not released.
    pub drift: Drift,
    /// The line of its name in the file, for messages.
    pub line: u64,
}

/// Who has to agree before a release goes to an environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approvals {
    /// So many people.
    pub count: u32,
    /// Those of whom one entry suffices. Empty: whoever may promote.
    pub who: Vec<Who>,
    /// Whether who made the tag, or wrote its commit, counts.
    pub author: AuthorCounts,
}

/// Whether the author of a release may approve it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthorCounts {
    /// Like others.
    #[default]
    Yes,
    /// No.
    No,
}

/// A time of the week in which promotion may begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The days, Monday = 1 to Sunday = 7.
    pub days: Vec<u8>,
    /// From this minute of the day on.
    pub from_minute: u16,
    /// Up to this minute of the day; before `from_minute` it is that of the next day.
    pub to_minute: u16,
    /// The IANA name of the time zone that this is meant in.
    pub zone: String,
}

/// What a release does that finds another one on its way into the same environment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Busy {
    /// It waits until the other one is over.
    #[default]
    Wait,
    /// It takes the other one's place: that one is rolled back where it has begun, else given up.
    Supersede,
}

/// Whether releases come by themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartsBy {
    /// As soon as everything that it waits for is there.
    #[default]
    Release,
    /// When somebody says `/gw deploy`.
    Command,
}

/// What is done about what runs in an environment and was not released.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drift {
    /// People are told.
    #[default]
    Report,
    /// People are told, and what was released is restored.
    Restore,
}

/// Commands around a rollout.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hooks {
    /// Before anything is deployed: migrations. In their order.
    pub before: Vec<Hook>,
    /// Once the new version is there, and before it gets the users' requests: smoke tests.
    pub preview: Vec<Hook>,
    /// Once everything goes to the new version. One that fails rolls back.
    pub after: Vec<Hook>,
}

/// A command in a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Its name.
    pub name: GateName,
    /// The command, given to `sh -c`.
    pub run: String,
    /// The sandbox image.
    pub image: String,
    /// Its environment. What the service sets (`GATEWRIGHT_VERSION`, `GATEWRIGHT_ENVIRONMENT`, ...) goes over it.
    pub env: BTreeMap<String, String>,
    /// Its time limit.
    pub timeout_secs: Option<u64>,
    /// Whether it may reach a network.
    pub network: bool,
}

impl Hook {
    /// The same as a gate, which is what sandboxes run. `env` goes over its own.
    pub fn as_gate(&self, env: BTreeMap<String, String>) -> GateConfig {
        GateConfig {
            name: self.name.clone(),
            image: self.image.clone(),
            run: Some(self.run.clone()),
            env: self.env.clone().into_iter().chain(env).collect(),
            needs: Vec::new(),
            when: When::default(),
            timeout_secs: self.timeout_secs,
            junit: Vec::new(),
            tests: Vec::new(),
            retries: 0,
            coverage: Vec::new(),
            coverage_of: Vec::new(),
            coverage_counted: false,
            findings: Vec::new(),
            code_scanning: false,
            benchmark: Benchmark::default(),
            require: Require::default(),
            outputs: Vec::new(),
            cache: None,
            policy: Policy::default(),
            network: self.network,
            required: true,
            line: 0,
            checkout: Checkout::default(),
        }
    }
}

/// What runs in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetConfig {
    /// Containers.
    Docker(DockerConfig),
    /// Whatever the operator's own commands make of it.
    Exec(ExecConfig),
}

impl TargetConfig {
    /// The service, as the server file knows it.
    pub fn service(&self) -> &str {
        match self {
            TargetConfig::Docker(docker) => &docker.service,
            TargetConfig::Exec(exec) => &exec.service,
        }
    }

    /// How many instances a pool has.
    pub fn replicas(&self) -> u32 {
        match self {
            TargetConfig::Docker(docker) => docker.replicas,
            TargetConfig::Exec(exec) => exec.replicas,
        }
    }
}

/// What an instance is that is a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DockerConfig {
    /// The service, as the server file knows it.
    pub service: String,
    /// The image. `{{ version }}`, `{{ tag }}` and `{{ commit }}` are filled in when a release is planned.
    pub image: String,
    /// The command, in the place of the image's own.
    pub command: Option<Vec<String>>,
    /// How many instances.
    pub replicas: u32,
    /// The port that it listens on, within the container.
    pub port: u16,
    /// How it is found out whether it is ready.
    pub health: HealthCheck,
    /// Its environment.
    pub env: BTreeMap<String, EnvValue>,
    /// Memory, in MiB. None: no bound.
    pub memory_mib: Option<u64>,
    /// Processors, in thousandths. None: no bound.
    pub cpus_milli: Option<u64>,
    /// It is told to stop and has so long to do so.
    pub stop_secs: u64,
}

/// How it is found out whether an instance is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// The path that is asked for and has to be answered with 2xx or 3xx. None: that the port takes connections is enough.
    pub path: Option<String>,
    /// It is asked so often.
    pub every_secs: u64,
    /// It has so long to answer.
    pub timeout_secs: u64,
    /// It has to have become ready after so long.
    pub ready_within_secs: u64,
}

/// A value of an instance's environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvValue {
    /// As it is.
    Plain(String),
    /// A secret that the server file gives to the place, by its name there.
    Secret(String),
}

/// What the operator's own commands are told of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecConfig {
    /// The service, as the server file knows it.
    pub service: String,
    /// How many instances.
    pub replicas: u32,
    /// Whatever else the commands want to know, with templates filled in.
    pub with: BTreeMap<String, String>,
    /// It has to have become ready after so long.
    pub ready_within_secs: u64,
}

/// How traffic moves to a new version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The old version ends, then the new one starts. The only one with a time in between.
    Recreate,
    /// In batches: so many new instances, ready, then so many old ones less.
    Rolling {
        /// So many percent of the instances at once, one instance at least.
        batch: Percent,
        /// Between two batches.
        every_secs: u64,
    },
    /// The new version beside the old one, looked at, then everything at once. The old one is kept for a time.
    BlueGreen {
        /// Whether somebody has to say `promote` before the switch.
        preview: Preview,
        /// What is measured for so long after the switch decides whether it stands.
        watch_secs: u64,
        /// The old version is kept for so long after that, so that a rollback is a switch.
        keep_secs: u64,
    },
    /// More and more of the requests.
    Canary {
        /// The steps, ascending.
        steps: Vec<CanaryStep>,
        /// The old version is kept for so long after the last step, so that a rollback is a switch.
        keep_secs: u64,
        /// Testers who send this get the new version at once.
        pin: Option<Pin>,
    },
}

/// Whether somebody looks at a new version before it gets the users' requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preview {
    /// Nobody has to.
    #[default]
    None,
    /// Until somebody says `promote`.
    Manual,
}

/// A step of a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryStep {
    /// So many percent of the requests, 0 to 100.
    pub percent: u32,
    /// For so long at least.
    pub hold: StepHold,
}

/// How long a step lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepHold {
    /// So long, and until the analysis has said that it may go on.
    Secs(u64),
    /// Until somebody says `promote`. The analysis can still undo it.
    Manual,
}

/// What testers send to get the new version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pin {
    /// A header with the value `canary`.
    Header(String),
    /// A cookie with the value `canary`.
    Cookie(String),
}
