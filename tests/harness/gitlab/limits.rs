//! Rate limits: always told in headers, enforced where a test wants it. They go by the fake's own time.

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// What the fake allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests a minute of one account; gitlab.com's is 2,000.
    pub per_minute: usize,
    /// Notes a minute that one account may make; 60 unless an administrator changes it.
    pub notes_per_minute: usize,
    /// Whether what is beyond is refused, or only counted.
    pub enforced: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { per_minute: 2_000, notes_per_minute: 60, enforced: false }
    }
}

/// Counts requests.
#[derive(Debug, Default)]
pub(super) struct Meter {
    pub(super) limits: Limits,
    requests: HashMap<u64, VecDeque<Timestamp>>,
    notes: HashMap<u64, VecDeque<Timestamp>>,
    most_notes: usize,
}

/// How an account stands: limit, what remains, and the second in which it begins anew.
pub(super) type Rate = [i64; 3];

impl Meter {
    /// Counts a request of an account. The seconds to wait where it may not be served now.
    pub(super) fn count(&mut self, user: u64, now: Timestamp) -> Result<(), i64> {
        let most = self.limits.per_minute;
        count(self.requests.entry(user).or_default(), now, most, self.limits.enforced)
    }

    /// The same of a note that is to be made.
    pub(super) fn count_note(&mut self, user: u64, now: Timestamp) -> Result<(), i64> {
        let (most, notes) = (self.limits.notes_per_minute, self.notes.entry(user).or_default());
        let counted = count(notes, now, most, self.limits.enforced);
        self.most_notes = self.most_notes.max(notes.len());
        counted
    }

    pub(super) fn most_notes(&self) -> usize {
        self.most_notes
    }

    pub(super) fn rate(&self, user: u64, now: Timestamp) -> Rate {
        let number = |n: usize| i64::try_from(n).expect("no limit is that high");
        let requests = self.requests.get(&user);
        let (used, first) = (requests.map_or(0, VecDeque::len), requests.and_then(VecDeque::front).copied().unwrap_or(now));
        let limit = self.limits.per_minute;
        [number(limit), number(limit.saturating_sub(used)), (first + MINUTE).as_second() + 1]
    }
}

fn count(seen: &mut VecDeque<Timestamp>, now: Timestamp, most: usize, enforced: bool) -> Result<(), i64> {
    seen.retain(|at| *at > now - MINUTE);
    if let Some(first) = seen.front().filter(|_| enforced && seen.len() >= most) {
        return Err((*first + MINUTE).as_second() - now.as_second() + 1);
    }
    seen.push_back(now);
    Ok(())
}
