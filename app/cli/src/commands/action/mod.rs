//! `gatewright action`: the gates as a step of a CI job, and what the job's runner and forge are told of them.
//!
//! What can be known without doing anything is in the crate `gatewright-action`; here is what is done: `base.rs` finds what to
//! compare with, `history.rs` what GitLab has of earlier commits, `gates.rs` runs, `keep.rs` keeps the reports, `show.rs` is the step's output, `write.rs` writes files into the
//! folder of `folder.rs`, `publish.rs` is the step with the token, and `seal.rs` what that one believes of the folder.

use std::process::ExitCode;

use gatewright_action::Variables;

use crate::args::ActionCommand;
use crate::failure::Failure;

mod base;
mod event;
mod folder;
mod gates;
mod history;
mod keep;
mod publish;
mod seal;
mod show;
mod write;

pub(super) fn run(command: Option<ActionCommand>) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Outside(format!("the runtime cannot start: {error}")))?;
    let variables = variables();
    let done = runtime.block_on(async {
        match command {
            None => gates::run(&variables).await,
            Some(ActionCommand::Publish) => publish::run(&variables).await,
        }
    });
    if let Err(failure) = &done {
        show::failure(&variables, failure)?;
    }
    done
}

/// The job's variables. What is not UTF-8 is none of ours.
fn variables() -> Variables {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}

/// Words of the crate that say that the job's set-up is wrong.
fn wrong(error: impl std::fmt::Display) -> Failure {
    Failure::Wrong(error.to_string())
}
