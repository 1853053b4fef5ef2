//! What the engine is making for sandboxes: it goes on with that whatever becomes of who has asked for it, so a sandbox is removed only once
//! it is there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use gatewright_core::sandbox::{SandboxError, SandboxKey};
use tokio::sync::watch;

/// By key, what ends when nothing more is being made.
type Under = Mutex<HashMap<SandboxKey, watch::Receiver<()>>>;

/// What is being made.
#[derive(Clone, Default)]
pub(super) struct Starts {
    under_way: Arc<Under>,
}

/// One thing that is being made. One hand at a time makes things for a key.
struct Start {
    key: SandboxKey,
    under_way: Arc<Under>,
    /// Whoever waits is told by its end.
    _over: watch::Sender<()>,
}

impl Drop for Start {
    fn drop(&mut self) {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl Starts {
    /// Makes something to its end, also where nobody waits for it any more. `making` has to have a bound of its own.
    pub(super) async fn whole<T: Send + 'static>(
        &self,
        key: &SandboxKey,
        making: impl Future<Output = Result<T, SandboxError>> + Send + 'static,
    ) -> Result<T, SandboxError> {
        let (over, waiting) = watch::channel(());
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), waiting);
        let start = Start { key: key.clone(), under_way: Arc::clone(&self.under_way), _over: over };
        let made = tokio::spawn(async move {
            let _start = start;
            making.await
        });
        made.await.unwrap_or_else(|error| Err(SandboxError::Unavailable(format!("a start ended early: {error}"))))
    }

    /// Waits until nothing is being made for a sandbox.
    pub(super) async fn over(&self, key: &SandboxKey) {
        let waiting = self.under_way.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        if let Some(mut waiting) = waiting {
            // Nothing is ever sent: this is the end of the sender.
            let _ = waiting.changed().await;
        }
    }
}
