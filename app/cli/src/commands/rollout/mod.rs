//! `gatewright rollout`

mod simulate;
mod status;

use std::process::ExitCode;

use gatewright_core::command::CommandName;
use gatewright_core::{RunId, Timestamp};

use crate::args::{EnvironmentArgs, RolloutCommand};
use crate::desk::releases::OperateQuery;
use crate::failure::Failure;
use crate::print::{self, printable};

pub(super) use status::tone;

pub(super) fn run(command: RolloutCommand) -> Result<ExitCode, Failure> {
    let (args, command, words) = match command {
        RolloutCommand::Simulate(args) => return simulate::run(&args),
        RolloutCommand::Status { of, environment } => return super::wait_for(status::run(of, environment)),
        RolloutCommand::Promote(args) => (args, CommandName::Promote, Vec::new()),
        RolloutCommand::Pause(args) => (args, CommandName::Pause, Vec::new()),
        RolloutCommand::Resume(args) => (args, CommandName::Resume, Vec::new()),
        RolloutCommand::Rollback { of, reason } => (of, CommandName::Rollback, reason),
        RolloutCommand::Freeze { of, words } => (of, CommandName::Freeze, words),
        RolloutCommand::Unfreeze(args) => (args, CommandName::Unfreeze, Vec::new()),
        RolloutCommand::Deploy { of, version } => (of, CommandName::Deploy, version.into_iter().collect()),
    };
    super::wait_for(operate(args, command, words))
}

/// Has the service do it, once: should the call be sent twice, the second changes nothing more.
async fn operate(args: EnvironmentArgs, command: CommandName, words: Vec<String>) -> Result<ExitCode, Failure> {
    let EnvironmentArgs { of, environment } = args;
    let query = OperateQuery { id: RunId::new(), repo: of.repo, environment, command: command.to_string(), args: words };
    let done = super::source(&of.config).await?.operate(query, Timestamp::now()).await?;
    if of.json {
        print::json(&done)?;
    } else {
        print::line(&printable(&done.outcome))?;
    }
    Ok(ExitCode::SUCCESS)
}
