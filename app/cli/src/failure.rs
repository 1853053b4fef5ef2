//! How a command fails, and the exit code that says so.

use std::io::Write;
use std::process::ExitCode;

/// A command could not do what it was asked for. Its texts hold no secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// It was understood, and is not done as things stand: exit code 1.
    #[error("{0}")]
    Refused(String),
    /// The call or the configuration is wrong: exit code 2.
    #[error("{0}")]
    Wrong(String),
    /// Something outside failed (the disk, the network, the service): exit code 3.
    #[error("{0}")]
    Outside(String),
}

impl Failure {
    /// It did not pass.
    pub(crate) const NOT_PASSED: u8 = 1;
    /// The call or the configuration is wrong.
    pub(crate) const WRONG: u8 = 2;
    /// Something outside failed.
    pub(crate) const OUTSIDE: u8 = 3;

    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::Refused(_) => Self::NOT_PASSED,
            Failure::Wrong(_) => Self::WRONG,
            Failure::Outside(_) => Self::OUTSIDE,
        })
    }

    /// Says it on standard error.
    pub(crate) fn report(&self) {
        // Where standard error is closed, the exit code has to do.
        let _ = writeln!(std::io::stderr(), "gatewright: {self}");
    }
}
