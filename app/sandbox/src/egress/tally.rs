//! Counts what passes, by host.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use gatewright_core::sandbox::EgressUse;

/// So many hosts are counted by their names. What is asked for beyond is counted together, so that nobody fills the memory with names.
const HOSTS_MAX: usize = 100;

/// Under which name.
const OTHERS: &str = "(others)";

/// Of a name so many characters are kept; none has more (RFC 1035).
const NAME_MAX: usize = 253;

#[derive(Debug, Default)]
pub(super) struct Tally {
    hosts: Mutex<BTreeMap<String, EgressUse>>,
}

impl Tally {
    /// Counts a request.
    pub(super) fn asked(&self, host: &str) {
        self.count(host, |used| used.requests += 1);
    }

    /// Counts that it was refused.
    pub(super) fn refused(&self, host: &str) {
        self.count(host, |used| used.refused += 1);
    }

    /// Counts bytes each way.
    pub(super) fn passed(&self, host: &str, sent: u64, received: u64) {
        self.count(host, |used| {
            used.sent_bytes = used.sent_bytes.saturating_add(sent);
            used.received_bytes = used.received_bytes.saturating_add(received);
        });
    }

    fn count(&self, host: &str, count: impl FnOnce(&mut EgressUse)) {
        let host: String = host.chars().filter(char::is_ascii_graphic).take(NAME_MAX).collect();
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let host = if hosts.contains_key(&host) || hosts.len() < HOSTS_MAX { host } else { OTHERS.to_owned() };
        count(hosts.entry(host.clone()).or_insert_with(|| EgressUse { host, ..EgressUse::default() }));
    }

    /// What has passed so far.
    pub(super) fn told(&self) -> Vec<EgressUse> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_names_take_no_more_room_than_a_hundred() {
        let tally = Tally::default();
        for n in 0..1000 {
            tally.asked(&format!("host{n}\n\u{202e}"));
        }
        tally.passed("host1", 1, 2);
        let told = tally.told();
        assert_eq!(told.len(), HOSTS_MAX + 1);
        assert_eq!(told.iter().map(|used| used.requests).sum::<u64>(), 1000);
        assert!(told.iter().any(|used| used.host == "host1" && used.sent_bytes == 1 && used.received_bytes == 2));
    }
}
