//! The engine's errors, in the words and kinds that the caller acts on.

use std::time::Duration;

use bollard::errors::Error;
use gatewright_core::target::TargetError;

use crate::error::{refused, unavailable};

/// What errors call it.
const ENGINE: &str = "the container engine";

/// The status code of an answer that the engine did give.
pub(super) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// What the engine said, without the client's wrapping.
pub(super) fn words(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Error::DockerStreamError { error } => error.trim().to_owned(),
        other => with_sources(other),
    }
}

/// The client hides "connection refused" two sources deep.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_words = inner.to_string();
        if !words.contains(&inner_words) {
            words = format!("{words}: {inner_words}");
        }
        source = inner.source();
    }
    words
}

/// An error of a call: 400 is what no repeat will change.
pub(super) fn called(error: &Error) -> TargetError {
    match status(error) {
        Some(400) => refused(ENGINE, words(error)),
        Some(_) | None => unavailable(ENGINE, words(error)),
    }
}

/// An error of the connection itself.
pub(super) fn at(address: &str, error: &Error) -> TargetError {
    unavailable(format!("{ENGINE} at {address}"), words(error))
}

/// Bounds a wait, since the client's own timeout does not cut streams.
pub(super) async fn within<T>(
    what: &str,
    limit: Duration,
    work: impl Future<Output = Result<T, TargetError>>,
) -> Result<T, TargetError> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(unavailable(ENGINE, format!("{what} took longer than {} s", limit.as_secs()))),
    }
}
