//! `gatewright schema [repository|server]`

use std::process::ExitCode;

use crate::args::SchemaOf;
use crate::failure::Failure;
use crate::{print, server_file};

pub(super) fn run(of: SchemaOf) -> Result<ExitCode, Failure> {
    let schema = match of {
        SchemaOf::Repository => gatewright_core::config::schema(),
        SchemaOf::Server => server_file::schema(),
    };
    print::json(&schema)?;
    Ok(ExitCode::SUCCESS)
}
