//! The commands, a file each.

use std::process::ExitCode;

use gatewright_engine::Hook;
use tokio::runtime::Builder;

use crate::args::{Args, Command, ConfigArg};
use crate::desk::source::Source;
use crate::failure::Failure;
use crate::{load, serve};

mod action;
mod agent;
mod check;
mod init;
mod lists;
mod release;
mod replay;
mod rollout;
mod run;
mod runs;
mod schema;
mod version;

/// Does what the command line asks for.
pub(crate) fn run(args: Args, hook: Hook) -> Result<ExitCode, Failure> {
    match args.command {
        Command::Serve(args) => serve::run(&args, hook),
        Command::Run(args) => run::run(*args),
        Command::Init(args) => init::run(&args),
        Command::Action { command } => action::run(command),
        Command::Check(args) => check::run(&args),
        Command::Schema { of } => schema::run(of),
        Command::Replay(args) => wait_for(replay::run(args)),
        Command::Release { command } => wait_for(release::run(command)),
        Command::Rollout { command } => rollout::run(command),
        Command::Agent { command } => agent::run(command),
        Command::Runs(args) => wait_for(runs::run(args)),
        Command::Deliveries(args) => wait_for(lists::deliveries(args)),
        Command::Audit(args) => wait_for(lists::audit(args)),
        Command::Version { json } => version::run(json),
    }
}

/// Runs a command to its end on this thread.
fn wait_for(command: impl Future<Output = Result<ExitCode, Failure>>) -> Result<ExitCode, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::Outside(format!("the runtime cannot start: {error}")))?.block_on(command)
}

/// Where answers come from, by the server file.
async fn source(config: &ConfigArg) -> Result<Source, Failure> {
    Source::open(&load::server_config(&config.config, Vec::new())?).await
}
