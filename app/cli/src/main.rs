//! `gatewright`: the CI bot in one binary. Everything is in the library, so that tests can be the same service.

use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    gatewright::run(Arc::new(|_| {}))
}
