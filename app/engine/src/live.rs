//! The logs of gates that run, for whoever wants to see how far one is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use gatewright_core::sandbox::SandboxKey;

use crate::log::{FinishedLog, StepLog};

/// The logs that are being written.
#[derive(Default)]
pub(crate) struct LiveLogs(Mutex<HashMap<SandboxKey, Arc<StepLog>>>);

/// A log that others see while it is written.
pub(crate) struct LiveLog<'a> {
    logs: &'a LiveLogs,
    key: SandboxKey,
    log: Arc<StepLog>,
}

impl LiveLogs {
    /// Shows a log until it is finished or dropped.
    pub(crate) fn show(&self, key: &SandboxKey, log: StepLog) -> LiveLog<'_> {
        let log = Arc::new(log);
        self.lock().insert(key.clone(), Arc::clone(&log));
        LiveLog { logs: self, key: key.clone(), log }
    }

    /// What a log says so far.
    pub(crate) fn so_far(&self, key: &SandboxKey) -> Option<Bytes> {
        // Nobody but the writer keeps a log: it is looked at where it lies.
        self.lock().get(key).map(|log| log.so_far())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SandboxKey, Arc<StepLog>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LiveLog<'_> {
    /// Where the output goes.
    pub(crate) fn log(&self) -> &StepLog {
        &self.log
    }

    /// The log is complete.
    pub(crate) fn finish(self) -> FinishedLog {
        self.log.finish()
    }
}

impl Drop for LiveLog<'_> {
    fn drop(&mut self) {
        self.logs.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use gatewright_core::RunId;
    use gatewright_core::sandbox::OutputSink;
    use secrecy::SecretString;

    use super::*;
    use crate::redact::Redactor;

    #[test]
    fn a_log_is_seen_while_it_is_written_and_no_longer_and_without_secrets() {
        let logs = LiveLogs::default();
        let key = SandboxKey { run: RunId::new(), gate: "tests".parse().expect("a name") };
        assert_eq!(logs.so_far(&key), None);
        let secrets = ["hunter2-canary", "first\nsecond\nthird"].map(|secret| SecretString::from(secret.to_owned()));
        let live = logs.show(&key, StepLog::new(Redactor::new(secrets)));
        let seen = || String::from_utf8(logs.so_far(&key).expect("it is there").to_vec()).expect("text");
        live.log().write(b"one\nhunter2-canary\ntwo\nhunter2-");
        assert_eq!(seen(), "one\n***\ntwo\n");
        live.log().write(b"canary\nfirst\nsecond\n");
        assert_eq!(seen(), "one\n***\ntwo\n***\n", "the rest of a secret may still come");
        live.log().write(b"thing\n");
        assert_eq!(seen(), "one\n***\ntwo\n***\nfirst\nsecond\nthing\n", "it did not");
        live.log().write(&b"many lines\n".repeat(1_000));
        assert!(seen().ends_with("many lines\nmany lines\n"));
        live.log().write(b"hunter2");
        let whole = live.finish();
        assert!(whole.bytes.ends_with(b"hunter2"), "{whole:?}");
        assert_eq!(logs.so_far(&key), None);
    }
}
