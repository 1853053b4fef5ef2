//! SIGTERM and SIGINT: the first stops the service in order, the second at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

/// The exit code after a second signal: that of a process which the signal killed.
const KILLED: i32 = 143;

/// A token that the first signal cancels. The second ends the process, as `kill -9` would: nothing that was acknowledged
/// is lost by it.
pub(super) fn on_signal() -> Result<CancellationToken, Failure> {
    let cannot = |error: std::io::Error| Failure::Outside(format!("signals cannot be waited for: {error}"));
    let mut term = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut int = signal(SignalKind::interrupt()).map_err(cannot)?;
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = term.recv() => "SIGTERM",
                _ = int.recv() => "SIGINT",
            }
        };
        let signal = next().await;
        tracing::info!(signal, "stopping; a second signal ends the process at once");
        told.cancel();
        next().await;
        std::process::exit(KILLED);
    });
    Ok(stop)
}
