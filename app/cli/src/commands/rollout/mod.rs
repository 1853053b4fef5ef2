//! `gatewright rollout`

mod simulate;

use std::process::ExitCode;

use crate::args::RolloutCommand;
use crate::failure::Failure;

pub(super) fn run(command: RolloutCommand) -> Result<ExitCode, Failure> {
    match command {
        RolloutCommand::Simulate(args) => simulate::run(&args),
    }
}
