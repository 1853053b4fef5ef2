//! The whole service with a hook that kills it, for scenarios that crash it.

use std::process::ExitCode;

fn main() -> ExitCode {
    gatewright::run(gatewright_tests::process::crash_hook())
}
