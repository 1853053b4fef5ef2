//! The engine's errors, in the words and kinds that the caller acts on.

use std::time::Duration;

use bollard::errors::Error;
use gatewright_core::sandbox::SandboxError;

/// An engine's message is cut to this; it ends up in a check's text.
const WORDS_MAX: usize = 500;

/// The status code of an answer that the engine did give.
pub(super) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// What the engine said, without the client's wrapping.
pub(super) fn words(error: &Error) -> String {
    let words = match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Error::DockerStreamError { error } => error.trim().to_owned(),
        other => with_sources(other),
    };
    words.chars().take(WORDS_MAX).collect()
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

/// An error of a call that is about no container yet.
pub(super) fn unavailable(error: &Error) -> SandboxError {
    let words = words(error);
    if words.contains("no space left on device") {
        return SandboxError::HostDiskFull(words);
    }
    SandboxError::Unavailable(words)
}

/// An error of a call about a container that should be there and run.
pub(super) fn lost(error: &Error) -> SandboxError {
    match status(error) {
        Some(404 | 409) => SandboxError::Gone(words(error)),
        Some(_) | None => unavailable(error),
    }
}

/// Bounds a wait, since the client's own timeout does not cut streams.
pub(super) async fn within<T>(
    what: &str,
    limit: Duration,
    work: impl Future<Output = Result<T, SandboxError>>,
) -> Result<T, SandboxError> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(SandboxError::Unavailable(format!("{what} took longer than {} s", limit.as_secs()))),
    }
}
