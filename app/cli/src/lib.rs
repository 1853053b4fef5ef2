//! The one binary, `gatewright`: arguments, configuration, wiring, health, metrics.
//!
//! [`run`] is the whole program. `serve` (`serve/`) builds the parts from the server file (`server_file/`) and hands them to
//! the engine; the other commands (`commands/`) look into the journal through the running service's socket, or through the
//! store itself where no service runs (`desk/`).
//!
//! Deliberately absent: any decision about events, runs, gates and reports (those are core's and the engine's), and any
//! way to change what runs do but `runs retry` and `rollout`, whose rules are the engine's. Who calls it: `main.rs`, and the
//! crash tests, which pass a hook that kills.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

mod args;
mod commands;
mod desk;
mod failure;
mod load;
mod markup;
mod print;
mod secrets;
mod serve;
mod server_file;
mod words;

pub use gatewright_engine::{Hook, Point};

use failure::Failure;

/// Runs the program with the process's own arguments. `hook` is called at the engine's crash points; the service passes
/// one that does nothing.
pub fn run(hook: Hook) -> ExitCode {
    run_with(std::env::args_os(), hook)
}

/// Runs the program with these arguments, the program's own name first. Returns 0 if it passed, 1 if it did not, 2 if the
/// call or the configuration is wrong, and 3 if something outside failed.
pub fn run_with(args: impl IntoIterator<Item = OsString>, hook: Hook) -> ExitCode {
    // The TLS library has no provider of its own choice; an error means that somebody installed one before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let args = match args::Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => {
            // Help and version are such "errors" too, with code 0. A closed pipe is no reason to fail.
            let _ = error.print();
            return exit_code(error.exit_code());
        }
    };
    match commands::run(args, hook) {
        Ok(code) => code,
        Err(failure) => {
            failure.report();
            failure.code()
        }
    }
}

fn exit_code(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(Failure::WRONG))
}
