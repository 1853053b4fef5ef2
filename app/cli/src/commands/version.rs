//! `gatewright version`

use std::process::ExitCode;

use serde_json::json;

use crate::failure::Failure;
use crate::print;

pub(super) fn run(as_json: bool) -> Result<ExitCode, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    if as_json {
        print::json(&json!({ "version": version }))?
    } else {
        print::line(&format!("gatewright {version}"))?
    }
    Ok(ExitCode::SUCCESS)
}
