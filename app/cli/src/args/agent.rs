//! `agent`, as it is written.

use clap::Subcommand;
use gatewright_core::RunId;

use super::ConfigArg;

#[derive(Debug, Subcommand)]
pub(crate) enum AgentCommand {
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
}
