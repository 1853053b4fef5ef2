//! The repository file, `.gatewright.yml`: what it may hold, and how it is read.
//!
//! It is read strictly. A key that is not known, a wrong type, a name that does not exist or a cycle is a [`Problem`]
//! with line, column, cause and the nearest valid name; never a guess.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::command::{CommandName, Who};
use crate::ids::GateName;

mod agent;
mod agents;
mod benchmark;
mod coverage;
mod environments;
mod findings;
mod keys;
mod needs;
mod parse;
mod policy;
mod release;
mod schedule;
mod schema;
mod tree;
mod values;

pub use agent::{
    AgentStage, Budget, Expect, Offering, OnRed, PIPELINES_MAX, Pipeline, PipelineInput, ProgramStage, Role, STAGES_MAX, Stage,
    Triggers, VerifyStage,
};
pub use benchmark::{Benchmark, Compare};
pub use findings::FindingLimits;
pub(crate) use keys::listed;
pub use keys::nearest;
pub use parse::{parse, parse_with};
pub use policy::{CommitRule, Dependencies, Forbidden, Policy, Review, Reviewers, Size, Style};
pub use release::{
    Approvals, AuthorCounts, Busy, CanaryStep, DockerConfig, Drift, ENVIRONMENTS_MAX, EnvValue, Environment, ExecConfig,
    HealthCheck, Hook, Hooks, Notes, Pin, Preview, Releases, Signed, StartsBy, StepHold, Strategy, TargetConfig, Window,
};
pub use schedule::{NoSchedule, Schedule};
pub use schema::schema;

/// Where the repository file lies.
pub const PATH: &str = ".gatewright.yml";

/// A repository file may have so many bytes.
pub const BYTES_MAX: usize = 256 * 1024;

/// A repository file may have so many gates.
pub const GATES_MAX: usize = 100;

/// A valid repository file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepoConfig {
    /// Its gates, in the order of the file.
    pub gates: Vec<GateConfig>,
    /// What releases are, where there are any.
    #[serde(default)]
    pub releases: Option<Releases>,
    /// Where they go, in the order of the file.
    #[serde(default)]
    pub environments: Vec<Environment>,
    /// Its pipelines of agents, in the order of the file.
    #[serde(default)]
    pub agents: Vec<Pipeline>,
    /// Who may give a command, where that is not as the table of commands has it. One of the list suffices.
    pub commands: BTreeMap<CommandName, Vec<Who>>,
}

impl RepoConfig {
    /// These gates, and those whose coverage they count: without them they would have nothing to count.
    pub fn with_counted(&self, names: &[GateName]) -> Vec<GateName> {
        let mut all = names.to_vec();
        let mut n = 0;
        while let Some(name) = all.get(n) {
            let of = self.gates.iter().filter(|gate| gate.name == *name).flat_map(|gate| &gate.coverage_of);
            let further: Vec<GateName> = of.filter(|name| !all.contains(name)).cloned().collect();
            all.extend(further);
            n += 1;
        }
        all
    }
}

/// A gate, with what the file says for all gates already filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateConfig {
    /// Its name.
    pub name: GateName,
    /// The sandbox image. May be empty where there is no `run`.
    pub image: String,
    /// The command, given to `sh -c` in a sandbox. None: the gate only looks at the source and the change itself.
    pub run: Option<String>,
    /// Its environment: the file's `env` with the gate's own over it.
    pub env: BTreeMap<String, String>,
    /// Gates that must have passed before.
    pub needs: Vec<GateName>,
    /// When it applies.
    pub when: When,
    /// Its own time limit, in seconds. None: the service's.
    pub timeout_secs: Option<u64>,
    /// Globs of JUnit files, relative to the workspace. Empty: the exit code decides alone.
    pub junit: Vec<String>,
    /// Globs of test reports in any format. Empty where `junit` is not.
    #[serde(default)]
    pub tests: Vec<String>,
    /// How often the command is run again while the gate fails.
    #[serde(default)]
    pub retries: u32,
    /// Globs of coverage reports. Empty: coverage is not looked at.
    #[serde(default)]
    pub coverage: Vec<String>,
    /// Gates that it needs, whose coverage counts together with its own.
    #[serde(default)]
    pub coverage_of: Vec<GateName>,
    /// Whether its coverage counts in another gate, so that it is kept for that.
    #[serde(default)]
    pub coverage_counted: bool,
    /// Globs of reports of findings, in any format. Empty: they are not looked at.
    #[serde(default)]
    pub findings: Vec<String>,
    /// Whether they are uploaded to the forge's code scanning.
    #[serde(default)]
    pub code_scanning: bool,
    /// What it says of its benchmarks.
    #[serde(default)]
    pub benchmark: Benchmark,
    /// What they have to say for the gate to pass.
    #[serde(default)]
    pub require: Require,
    /// Globs of files to keep beyond the sandbox.
    #[serde(default)]
    pub outputs: Vec<String>,
    /// Folders to bring from one run to the next.
    #[serde(default)]
    pub cache: Option<Cache>,
    /// What the change itself has to be for the gate to pass.
    #[serde(default)]
    pub policy: Policy,
    /// Whether it may reach a network.
    pub network: bool,
    /// Whether the aggregate check fails with it.
    pub required: bool,
    /// The line of its name in the file, for messages.
    pub line: u64,
    /// What of the source is fetched beside the commit's own files.
    pub checkout: Checkout,
}

impl GateConfig {
    /// Whether it looks at how things were before the change, so that something has to be known of the base branch.
    pub fn compares(&self) -> bool {
        let require = &self.require;
        require.drop_at_most.is_some() || self.compares_tests() || !self.findings.is_empty() || !self.benchmark.reports.is_empty()
    }

    /// Whether it says something of coverage.
    pub fn looks_at_coverage(&self) -> bool {
        !(self.coverage.is_empty() && self.coverage_of.is_empty())
    }

    /// Whether it can look at any source by itself: it runs a command, and counts nothing that other gates have found.
    pub fn stands_alone(&self) -> bool {
        self.run.is_some() && self.coverage_of.is_empty()
    }

    /// Whether its tests have to be no worse than on the base.
    pub fn compares_tests(&self) -> bool {
        self.require.new_failures_at_most.is_some() || self.require.tests_drop_at_most.is_some()
    }

    /// Globs of test reports, in whichever format.
    pub fn test_reports(&self) -> &[String] {
        if self.junit.is_empty() { &self.tests } else { &self.junit }
    }

    /// Whether more than one commit of the base branch tells it something: which tests fail now and then, how long benchmarks
    /// take. What is known is looked at even where nothing has to be.
    pub fn looks_back(&self) -> bool {
        !(self.test_reports().is_empty() && self.benchmark.reports.is_empty())
    }

    /// The events that it runs for. One that compares also runs for pushes to the default branch, unless it says otherwise:
    /// else nothing would ever be known there.
    pub fn runs_for(&self, event: GateEvent, to: Pushed) -> bool {
        match (self.when.events.as_slice(), event) {
            ([], GateEvent::PullRequest | GateEvent::MergeGroup) => true,
            ([], GateEvent::Push) => self.compares() && to == Pushed::DefaultBranch,
            (events, event) => events.contains(&event),
        }
    }

    /// Whether both ask for the same, wherever in their files they stand.
    pub fn same_as(&self, other: &GateConfig) -> bool {
        GateConfig { line: other.line, ..self.clone() } == *other
    }
}

/// Folders that are brought from one run to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cache {
    /// The folders, relative to the workspace.
    pub paths: Vec<String>,
    /// Globs of files of the source. While their content is the same, so is the cache.
    pub key: Vec<String>,
}

/// What of the source is fetched beside the commit's own files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkout {
    /// Submodules, from the same server only, with the same credential where that opens no other repository by itself.
    pub submodules: bool,
    /// The content of files that are kept in Git LFS, from the same server with the same credential, in the places of their pointers.
    pub lfs: bool,
}

/// What a gate's reports have to say for it to pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Require {
    /// So much of the lines that can be run has to be run by tests.
    pub lines: Option<Percent>,
    /// So much of the branches has to be taken.
    pub branches: Option<Percent>,
    /// So much of the lines that the change adds has to be run.
    pub changed_lines: Option<Percent>,
    /// So many percentage points the part of all lines that is run may be less than on the base.
    #[serde(default)]
    pub drop_at_most: Option<Percent>,
    /// Failed tests that fail on the base too do not count; of others there may be so many.
    #[serde(default)]
    pub new_failures_at_most: Option<u32>,
    /// So many percent fewer tests than on the base may be run.
    #[serde(default)]
    pub tests_drop_at_most: Option<Percent>,
    /// So many findings that the base does not have.
    #[serde(default)]
    pub new: Option<FindingLimits>,
    /// So many findings in all.
    #[serde(default)]
    pub total: Option<FindingLimits>,
    /// So many percent a benchmark may be slower than on the base.
    #[serde(default)]
    pub slower_at_most: Option<Percent>,
}

impl Require {
    /// How many new findings are allowed: where nothing is said of findings, no errors.
    pub fn new_findings(&self) -> Option<FindingLimits> {
        match (self.new, self.total) {
            (None, None) => Some(FindingLimits::NO_ERRORS),
            (new, _) => new,
        }
    }
}

/// A part of a hundred, exact to hundredths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Percent {
    /// In hundredths of a percent, 10,000 at most.
    pub hundredths: u32,
}

impl std::fmt::Display for Percent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, rest) = (self.hundredths / 100, self.hundredths % 100);
        match rest {
            0 => write!(f, "{whole} %"),
            rest if rest.is_multiple_of(10) => write!(f, "{whole}.{} %", rest / 10),
            rest => write!(f, "{whole}.{rest:02} %"),
        }
    }
}

/// When a gate applies. A list that is empty does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct When {
    /// Globs of paths, one of which must have changed; `!glob` takes paths out again.
    pub changed: Vec<String>,
    /// Globs of branches that a change must be going to.
    pub branches: Vec<String>,
    /// The events that it runs for. Empty: pull requests and merge groups.
    pub events: Vec<GateEvent>,
}

/// An event that a gate can run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateEvent {
    /// A pull request (merge request) was opened or got new commits.
    PullRequest,
    /// A merge queue wants a group checked.
    MergeGroup,
    /// A branch was pushed to.
    Push,
}

impl GateEvent {
    /// All of them.
    pub const ALL: [GateEvent; 3] = [GateEvent::PullRequest, GateEvent::MergeGroup, GateEvent::Push];

    /// As the file and the journal write it.
    pub fn as_str(self) -> &'static str {
        match self {
            GateEvent::PullRequest => "pull_request",
            GateEvent::MergeGroup => "merge_group",
            GateEvent::Push => "push",
        }
    }
}

/// Where a push went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// To the repository's default branch.
    DefaultBranch,
    /// It is a tag whose release asks for gates by name.
    Tag,
    /// To another branch, or it is no push at all.
    Elsewhere,
}

/// What is wrong in a repository file, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1, in characters.
    pub column: u64,
    /// The cause and the next move, as one sentence: ``unknown key `junitt`; did you mean `junit`?``
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}
