//! `agent`, as it is written.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use gatewright_core::agent::InputName;
use gatewright_core::model::ModelName;
use gatewright_core::{PipelineName, RunId};

use super::{BudgetArg, ConfigArg, ListedRuns, TreeArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum AgentCommand {
    /// Have a pipeline of agents work on the working tree, without a forge
    ///
    /// It begins with what is on the disk, committed or not, and works in sandboxes: nothing here changes but with `--apply`. What comes
    /// of it is a patch. Progress goes to standard error, the result to standard output.
    #[command(
        after_help = "Examples:\n  gatewright agent run --requirements 'the sum of an empty list is 0' --apply\n  gatewright agent run --pipeline tdd --requirements-file feature.md --budget 1.50\n  gatewright agent run --pipeline fix --model anthropic/claude-sonnet-4-5 --budget usd=none,turns=20"
    )]
    Run(Box<AgentRunArgs>),
    /// List runs of agents, newest first
    #[command(
        after_help = "Examples:\n  gatewright agent list --repo acme/shop --state open\n  gatewright agent list --limit 100 --json"
    )]
    List(AgentsArgs),
    /// Show a pipeline's run: its stages, turns, cost and result; or all that was said in one of its stages
    Show {
        #[command(flatten)]
        config: ConfigArg,
        /// The run
        id: RunId,
        /// All that was asked and answered in this stage, by its number
        #[arg(long)]
        stage: Option<u16>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Run a pipeline once more without a model, and say where it comes to something else than its journal says
    ///
    /// What models said is read from the journal; their tools and the gates are used again, in sandboxes as the server file has them.
    /// Nothing is shown to anybody else. Exit code 0: it came to the same; 1: it did not.
    #[command(
        after_help = "Examples:\n  gatewright agent replay 0192ab34-... --checkout ~/src/shop\n  gatewright agent replay ~/.cache/gatewright/1c9d.../logs/0199e2a4-..."
    )]
    Replay(ReplayAgentArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AgentRunArgs {
    /// The server file, or one that has nothing but `[[model]]` and `[agents]`
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// What is to be done, in your words; up to 16 KiB
    #[arg(long, value_name = "TEXT", conflicts_with = "requirements_file")]
    pub(crate) requirements: Option<String>,
    /// A file that says what is to be done; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) requirements_file: Option<PathBuf>,
    /// The pipeline: one of the repository file, or a built-in one
    #[arg(long, value_name = "NAME", default_value = "build")]
    pub(crate) pipeline: PipelineName,
    /// Give it one of its inputs, as `NAME=VALUE`; may be given several times
    #[arg(long = "input", value_name = "NAME=VALUE", value_parser = input)]
    pub(crate) inputs: Vec<(InputName, String)>,
    /// What it may use up, over what the file says: US dollars, or `usd=`, `tokens=`, `turns=` and `minutes=` with commas between; `usd=none`
    /// sets no limit of money
    #[arg(long, value_name = "LIMITS")]
    pub(crate) budget: Option<BudgetArg>,
    /// The model to ask, as `PROVIDER/NAME`, over what the files say; may be given several times, the first one at the front
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Vec<ModelName>,
    #[command(flatten)]
    pub(crate) tree: TreeArgs,
    /// Apply the result to the working tree, unless files that it changes have changes that are not committed
    #[arg(long)]
    pub(crate) apply: bool,
    /// Write the result to this patch file [default: one in the cache]
    #[arg(long, value_name = "FILE")]
    pub(crate) patch: Option<PathBuf>,
    /// Where tools and gates run
    #[arg(long, value_enum, default_value_t = AgentSandbox::Docker)]
    pub(crate) sandbox: AgentSandbox,
    /// Keep what was said, the gates' logs and the patch in this folder [default: one in the cache]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) logs: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn input(text: &str) -> Result<(InputName, String), String> {
    let (name, value) = text.split_once('=').ok_or("it is written NAME=VALUE")?;
    Ok((name.parse::<InputName>().map_err(|error| error.to_string())?, value.to_owned()))
}

/// Where the tools and gates of a local pipeline run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AgentSandbox {
    /// A container for each stage and each gate, as in the service
    Docker,
    /// This machine, in fresh copies of the files: models may do there what you may
    Host,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AgentsArgs {
    #[command(flatten)]
    pub(crate) listed: ListedRuns,
    /// At most so many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub(crate) limit: u32,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ReplayAgentArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// The run: its id in the service, or the folder in which `agent run` has kept what was said
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    /// A folder in a clone of the repository that has the commit that agents worked on
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(crate) checkout: PathBuf,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}
