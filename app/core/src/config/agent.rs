//! What the repository file says of agents.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Schedule;
use crate::agent::{InputName, RoleName, Tool};
use crate::command::CommandName;
use crate::ids::{GateName, PipelineName};
use crate::model::ModelName;

/// A repository file may have so many pipelines.
pub const PIPELINES_MAX: usize = 20;

/// A pipeline may have so many stages, those of all its branches together.
pub const STAGES_MAX: usize = 30;

/// A pipeline of agents, with what the file leaves out already filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pipeline {
    /// Its name.
    pub name: PipelineName,
    /// What starts it.
    pub on: Triggers,
    /// What whoever starts it may give it beside the task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<PipelineInput>,
    /// What it does, in order.
    pub steps: Vec<Stage>,
    /// The models to ask, the first one at the front. Empty: the service's usual ones.
    pub models: Vec<ModelName>,
    /// What it may use up, over all its stages.
    pub budget: Budget,
    /// A stage whose work does not pass what is verified after it tries so often, the first try counted.
    pub tries: u32,
    /// What becomes of the rest where it still does not pass.
    pub on_red: OnRed,
    /// What it may hand over. What is not here is refused, whatever an agent says.
    pub may: Vec<Offering>,
    /// Globs of files that it may not change, beside those that none may.
    pub protect: Vec<String>,
    /// The sandbox image of its stages.
    pub image: String,
    /// Whether its sandboxes may reach a network.
    pub network: bool,
    /// The line of its name in the file, for messages.
    pub line: u64,
}

impl Pipeline {
    /// When its schedule starts it next. None where it has none.
    pub fn next_time(&self, after: Timestamp) -> Option<Timestamp> {
        self.on.schedule.as_ref()?.next(after)
    }

    /// Its stages, those of rows where the row stands; a `Parallel` itself is not among them.
    pub fn stages(&self) -> impl Iterator<Item = &Stage> {
        self.steps.iter().flat_map(Stage::each)
    }
}

/// A value that whoever starts a pipeline may give it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineInput {
    /// Its name.
    pub name: InputName,
    /// What it is, for people.
    pub description: Option<String>,
    /// What it is where nobody gives it. None: it has to be given.
    pub default: Option<String>,
    /// What it may be. Empty: any text.
    pub options: Vec<String>,
}

/// What starts a pipeline. Where it is nothing, only an operator does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Triggers {
    /// A slash command: `fix`, `review` or `do`.
    pub command: Option<CommandName>,
    /// That one of these gates fails on a pull request of somebody who may push.
    pub failed: Vec<GateName>,
    /// That somebody who may push puts one of these labels on a pull request or an issue.
    pub labels: Vec<String>,
    /// That somebody who may push opens an issue.
    pub issue_opened: bool,
    /// Times: minute, hour, day of month, month, day of week, in UTC.
    pub schedule: Option<Schedule>,
}

/// What a pipeline may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Millionths of a US dollar. A model whose price is not known is only asked where there is no such limit.
    pub micro_usd: Option<u64>,
    /// Tokens, of questions and answers together.
    pub tokens: u64,
    /// Turns: questions to a model.
    pub turns: u32,
    /// Seconds from its beginning.
    pub secs: u64,
}

impl Budget {
    /// What it may spend where nothing is said: 2 US dollars.
    pub const MICRO_USD: u64 = 2_000_000;

    /// And how many tokens it may use.
    pub const TOKENS: u32 = 2_000_000;

    /// And how many turns it may take.
    pub const TURNS: u32 = 40;

    /// And how many minutes.
    pub const MINUTES: u32 = 20;
}

impl Default for Budget {
    fn default() -> Self {
        Budget {
            micro_usd: Some(Self::MICRO_USD),
            tokens: u64::from(Self::TOKENS),
            turns: Self::TURNS,
            secs: u64::from(Self::MINUTES) * 60,
        }
    }
}

/// What becomes of a pipeline whose work does not pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnRed {
    /// It goes back to the last work that passed, and ends.
    #[default]
    Stop,
    /// It goes back to the last work that passed, and goes on from there.
    GoOn,
}

/// What an agent may hand over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Offering {
    /// What it has to say, in the comment of the pipeline.
    Comment,
    /// Changes of lines that a review proposes.
    Suggestion,
    /// What it found, on lines of the check.
    Finding,
    /// A commit on the pull request's own branch.
    Commit,
    /// A branch of its own with a draft pull request.
    PullRequest,
    /// An issue.
    Issue,
}

impl Offering {
    /// All of them.
    pub const ALL: [Offering; 6] =
        [Offering::Comment, Offering::Suggestion, Offering::Finding, Offering::Commit, Offering::PullRequest, Offering::Issue];

    /// As the file writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Offering::Comment => "comment",
            Offering::Suggestion => "suggestion",
            Offering::Finding => "finding",
            Offering::Commit => "commit",
            Offering::PullRequest => "pull-request",
            Offering::Issue => "issue",
        }
    }
}

/// A stage of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Stage {
    /// An agent of a role.
    Agent(AgentStage),
    /// Gates look at what there is.
    Verify(VerifyStage),
    /// Several rows of stages at once. What they changed comes together where no two changed the same file.
    Parallel {
        /// The rows: none of them holds another `Parallel`.
        branches: Vec<Vec<Stage>>,
    },
    /// A program of the repository's choice instead of ours.
    Program(ProgramStage),
}

impl Stage {
    /// Itself; of a `Parallel` the stages of its rows.
    pub fn each(&self) -> Box<dyn Iterator<Item = &Stage> + '_> {
        match self {
            Stage::Agent(_) | Stage::Verify(_) | Stage::Program(_) => Box::new(std::iter::once(self)),
            Stage::Parallel { branches } => Box::new(branches.iter().flatten().flat_map(Stage::each)),
        }
    }
}

/// An agent of a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentStage {
    /// The role, as it is after what the file says of it.
    pub role: Role,
    /// The models to ask instead of the pipeline's. Empty: those.
    pub models: Vec<ModelName>,
    /// It may take so many turns.
    pub turns_max: u32,
    /// And so many seconds for each try.
    pub secs_max: u64,
}

impl AgentStage {
    /// Its turns where nothing is said.
    pub const TURNS: u32 = 20;

    /// How long a try may take where nothing is said, in seconds; also for a program.
    pub const SECS: u64 = 600;
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its name.
    pub name: RoleName,
    /// Where its prompt is: a file of the base branch. None: it is the one that is built in.
    pub prompt: Option<String>,
    /// What it may use.
    pub tools: Vec<Tool>,
}

/// Gates that look at what there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyStage {
    /// The gates.
    pub gates: Vec<GateName>,
    /// What they have to say.
    pub expect: Expect,
}

/// What gates have to say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// All of them pass.
    #[default]
    Passes,
    /// At least one of them fails: a test that was just written and does not fail tests nothing.
    Fails,
}

/// A program of the repository's choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramStage {
    /// Its name, for people.
    pub name: String,
    /// The command, given to `sh -c` in the workspace.
    pub run: String,
    /// The image. None: the pipeline's.
    pub image: Option<String>,
    /// The hosts that it may reach, by HTTPS.
    pub egress: Vec<String>,
    /// The providers whose keys are put into what it asks of them, outside of its sandbox.
    pub keys: Vec<String>,
    /// It may take so many seconds for each try.
    pub secs_max: u64,
}
