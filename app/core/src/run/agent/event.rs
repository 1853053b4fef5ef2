//! What starts a pipeline of agents, and what its journal can say.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::agent::inputs::Inputs;
use crate::command::CommandName;
use crate::config::{Budget, GateConfig, Offering, Pipeline};
use crate::event::User;
use crate::forge::PullState;
use crate::ids::{BlobId, CommitId, GateName, PipelineName, RunId};
use crate::model::{Finish, ModelName, Price, Usage};
use crate::tree::Tree;
use crate::verdict::{LogRef, StepOutcome};

/// A pipeline is to be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSpec {
    /// What has started it. Which pipeline that is, the base branch's file says.
    pub trigger: Trigger,
    /// What is to be done, in the words of who started it. The only text that instructs. Bounded by [`AgentSpec::TASK_BYTES_MAX`].
    pub task: String,
    /// What was given beside the task. It instructs too.
    #[serde(default, skip_serializing_if = "Inputs::is_empty")]
    pub inputs: Inputs,
    /// The commit that it was started for, where it is about a pull request. Another head is not worked on.
    pub head: Option<CommitId>,
    /// Who started it. None: time did.
    pub by: Option<User>,
    /// When, by the forge's clock. What was written or edited later is not shown to agents.
    pub triggered_at: Timestamp,
}

impl AgentSpec {
    /// A task may have so many bytes.
    pub const TASK_BYTES_MAX: usize = 16 * 1024;
}

/// What has started a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Trigger {
    /// A slash command.
    Command {
        /// Which.
        name: CommandName,
    },
    /// Gates that failed.
    Failed {
        /// Which.
        gates: Vec<GateName>,
        /// The run that says so.
        run: RunId,
    },
    /// A label.
    Labelled {
        /// Which.
        label: String,
    },
    /// An issue was opened.
    IssueOpened,
    /// A time has come.
    Scheduled {
        /// The pipeline.
        pipeline: PipelineName,
    },
    /// Somebody on the machine itself.
    Local {
        /// The pipeline: one of the file, or a built-in one.
        pipeline: PipelineName,
        /// What it may use up, instead of what the file says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        budget: Option<Budget>,
        /// The models that it asks, instead of those that the file says. Empty: those.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        models: Vec<ModelName>,
    },
}

/// An event of a pipeline's run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum AgentEvent {
    /// Its inputs were pinned.
    Prepared {
        /// What they are.
        prepared: Box<AgentPrepared>,
    },
    /// It is not run.
    Refused {
        /// Why and what to do, for people. Markdown, made by us.
        because: String,
        /// Nobody has asked for it, so nobody is told.
        quiet: bool,
    },
    /// A model is about to be asked. If nothing follows, nobody knows whether it was.
    TurnBegun {
        /// The stage.
        stage: u16,
        /// Which turn of it, from 1.
        turn: u32,
        /// What is set aside of the budget for it.
        reserved: Amount,
    },
    /// A model has answered.
    Replied {
        /// The stage.
        stage: u16,
        /// The turn.
        turn: u32,
        /// What.
        reply: Box<ReplyNote>,
    },
    /// No model can answer.
    TurnFailed {
        /// The stage.
        stage: u16,
        /// The turn.
        turn: u32,
        /// Why, for people.
        because: String,
    },
    /// What a model wanted done is done.
    Acted {
        /// The stage.
        stage: u16,
        /// The turn.
        turn: u32,
        /// What came of it.
        acted: Box<Acted>,
    },
    /// A stage cannot go on: its sandbox cannot be had, or what was said before is gone.
    Broken {
        /// The stage.
        stage: u16,
        /// Why, for people.
        because: String,
    },
    /// A stage's program has ended.
    ProgramEnded {
        /// The stage.
        stage: u16,
        /// How.
        ended: Box<ProgramEnd>,
    },
    /// A stage was not over in time.
    Expired {
        /// The stage.
        stage: u16,
    },
    /// The pipeline's budget does not allow for more.
    Spent {
        /// Of what there is no more.
        what: Scarce,
    },
    /// A gate has looked at what there is.
    Verified {
        /// The stage.
        stage: u16,
        /// The gate.
        gate: GateName,
        /// What it says.
        outcome: Box<StepOutcome>,
    },
    /// It was decided what of the result is shown to people.
    Judged {
        /// What the agents handed over, each item with what becomes of it.
        offers: Vec<Offer>,
    },
}

impl AgentEvent {
    /// The blobs that it refers to.
    pub fn blobs(&self) -> Vec<&BlobId> {
        match self {
            AgentEvent::Prepared { prepared } => prepared.prompts.values().chain([&prepared.context]).collect(),
            AgentEvent::Replied { reply, .. } => vec![&reply.blob],
            AgentEvent::Acted { acted, .. } => {
                let tree = acted.tree.iter().flat_map(Tree::blobs);
                tree.chain([&acted.blob]).chain(acted.handover.as_ref().map(|handover| &handover.blob)).collect()
            }
            AgentEvent::ProgramEnded { ended, .. } => {
                ended.tree.iter().flat_map(Tree::blobs).chain(ended.log.as_ref().map(|log| &log.blob)).collect()
            }
            AgentEvent::Verified { outcome, .. } => outcome.blobs().collect(),
            AgentEvent::Judged { offers } => offers.iter().filter_map(|offer| offer.blob.as_ref()).collect(),
            AgentEvent::Refused { .. }
            | AgentEvent::TurnBegun { .. }
            | AgentEvent::TurnFailed { .. }
            | AgentEvent::Broken { .. }
            | AgentEvent::Expired { .. }
            | AgentEvent::Spent { .. } => Vec::new(),
        }
    }

    /// Whether the run has got somewhere with it that no later attempt can lose. A turn that was only begun has not: one that ends the
    /// process again and again would be paid for again and again.
    pub fn gets_on(&self) -> bool {
        !matches!(self, AgentEvent::TurnBegun { .. })
    }
}

/// The pinned inputs of a pipeline's run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentPrepared {
    /// The pipeline, as the base branch has it.
    pub pipeline: Pipeline,
    /// What it is given beside the task, with what the file has where nobody has given it.
    #[serde(default, skip_serializing_if = "Inputs::is_empty")]
    pub inputs: Inputs,
    /// The pull request, where it is about one.
    pub pull: Option<PullState>,
    /// The commit that agents work on.
    pub commit: CommitId,
    /// The branch that has it, and to which a pull request of theirs goes.
    pub target: String,
    /// The commit whose repository file counts.
    pub base: CommitId,
    /// The gates that verify, and those that look at the result whatever the pipeline says.
    pub gates: Vec<GateConfig>,
    /// The gates that look at the result in the end.
    pub finally: Vec<GateName>,
    /// Prompts of the base branch, by role.
    pub prompts: BTreeMap<String, BlobId>,
    /// What agents are shown: a JSON that the engine knows.
    pub context: BlobId,
    /// How long what every agent is shown is at most, in bytes.
    pub context_bytes: u64,
    /// The words by which an agent tells what is shown from what is said. Nobody could know them before.
    pub delimiter: String,
    /// The models to ask where a stage names none.
    pub models: Vec<ModelName>,
    /// What models cost, those that somebody has named a price for.
    pub prices: Vec<(ModelName, Price)>,
    /// An answer may have so many tokens.
    pub tokens_max: u32,
    /// Globs of files that no agent may change.
    pub protected: Vec<String>,
    /// Globs of what gates leave behind: new files there are nobody's work.
    #[serde(default)]
    pub leftovers: Vec<String>,
    /// What else there is left to spend today, in millionths of a US dollar.
    pub day_left: Option<u64>,
    /// And in tokens.
    #[serde(default)]
    pub day_tokens_left: Option<u64>,
}

/// So much of a budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Tokens.
    pub tokens: u64,
    /// Millionths of a US dollar.
    pub micro_usd: u64,
}

impl std::ops::AddAssign for Amount {
    fn add_assign(&mut self, other: Amount) {
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.micro_usd = self.micro_usd.saturating_add(other.micro_usd);
    }
}

/// Of what there is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scarce {
    /// Money.
    Money,
    /// What the repository may spend on a day.
    Day,
    /// Tokens.
    Tokens,
    /// Turns.
    Turns,
    /// Time.
    Time,
}

impl Scarce {
    /// For people: "the budget of turns is used up".
    pub fn words(self) -> &'static str {
        match self {
            Scarce::Money => "what is left of the budget of money is less than the next question may cost",
            Scarce::Day => "what the repository may spend on a day is used up, or set aside for agents at work",
            Scarce::Tokens => "what is left of the budget of tokens is less than the next question may take",
            Scarce::Turns => "the budget of turns is used up",
            Scarce::Time => "the time is up",
        }
    }
}

/// What is kept in the journal of a model's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyNote {
    /// The answer, as JSON, secrets redacted.
    pub blob: BlobId,
    /// How long it is, in bytes.
    pub bytes: u64,
    /// The tools that it wants used, by name, as far as they exist.
    pub calls: Vec<String>,
    /// The same for answers that want the same.
    pub signature: String,
    /// Why it ends.
    pub finish: Finish,
    /// What it used.
    pub usage: Usage,
    /// What it cost. None: the price is not known.
    pub micro_usd: Option<u64>,
    /// The model that answered.
    pub model: ModelName,
    /// How long that took.
    pub millis: u64,
}

/// What came of what a model wanted done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acted {
    /// What the tools said, as JSON, secrets redacted.
    pub blob: BlobId,
    /// How long it is, in bytes.
    pub bytes: u64,
    /// Each of them.
    pub acts: Vec<ActNote>,
    /// The same for results that say the same.
    pub signature: String,
    /// What differs from the commit now. None: nothing has changed with this turn.
    pub tree: Option<Tree>,
    /// What the agent handed over. It is done then.
    pub handover: Option<HandoverNote>,
}

/// A tool that was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActNote {
    /// Its name.
    pub tool: String,
    /// On what, for people: a path, the beginning of a command.
    pub about: String,
    /// Whether it failed.
    pub failed: bool,
    /// How long that took.
    pub millis: u64,
}

/// What an agent handed over, as far as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandoverNote {
    /// All of it, as JSON, secrets redacted.
    pub blob: BlobId,
    /// The beginning of its summary. Untrusted text.
    pub summary: String,
    /// How many places it has something to say about.
    pub findings: u32,
}

impl HandoverNote {
    /// The journal keeps so many bytes of a summary.
    pub const SUMMARY_BYTES_MAX: usize = 2 * 1024;
}

/// How a stage's program ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramEnd {
    /// Why it did not do what it should, for people. None: it ended with 0.
    pub failed: Option<String>,
    /// What it wrote.
    pub log: Option<LogRef>,
    /// What differs from the commit now.
    pub tree: Option<Tree>,
}

/// Something that agents handed over, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// What it is.
    pub what: Offering,
    /// What it says, as JSON that the engine knows: sanitised, and only where it is shown.
    pub blob: Option<BlobId>,
    /// Why it is not shown, for people. None: it is.
    pub refused: Option<String>,
}
