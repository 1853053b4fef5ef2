//! How much may still be asked of GitLab: our own limits, and what GitLab says of its own.
//!
//! GitLab counts all requests of an account ("User and IP rate limits"), and some kinds of them apart ("Rate limit on
//! Projects API", "Rate limits on note creation", ...). A 429 of the first sort names a time; one of the second does not, and
//! holds back requests of its own kind only, so that statuses still come through when there were too many notes.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gatewright_core::Timestamp;
use gatewright_forge_shared::Window;

use crate::answer::Answer;
use crate::call::{Call, Cost};
use crate::config::Limits;

/// All of these limits are by the minute, so that is how long to wait where GitLab names no time. It doubles each time that
/// it happens again.
const UNNAMED_PAUSE_SECS: u64 = 60;
/// How often it doubles at most: to 16 minutes.
const UNNAMED_DOUBLINGS_MAX: u32 = 4;
/// The longest window that an administrator sets is an hour; no header field makes us wait for longer than that and a little.
const PAUSE_SECS_MAX: u64 = 3_700;

#[derive(Debug)]
pub(crate) struct Budget(Mutex<State>);

#[derive(Debug)]
struct State {
    requests: Window,
    notes: Window,
    /// Nothing is sent before this second.
    paused_until: i64,
    /// By kind of request. There are as many as this crate has operations.
    kinds: HashMap<&'static str, Kind>,
}

#[derive(Debug, Default)]
struct Kind {
    /// None of this kind is sent before this second.
    paused_until: i64,
    /// How often in a row GitLab named no time.
    strikes: u32,
}

impl Budget {
    pub(crate) fn new(limits: Limits) -> Self {
        Budget(Mutex::new(State {
            requests: Window::new(limits.requests_per_minute, 60),
            notes: Window::new(limits.notes_per_minute, 60),
            paused_until: 0,
            kinds: HashMap::new(),
        }))
    }

    /// Takes what a request costs, or says in how many seconds it may be asked again.
    pub(crate) fn take(&self, call: &Call, now: Timestamp) -> Result<(), u64> {
        let now = now.as_second();
        let mut state = self.lock();
        let of_kind = state.kinds.get(kind(call)).map_or(0, |kind| kind.paused_until);
        let mut wait = secs_until(state.paused_until.max(of_kind), now).max(state.requests.wait_secs(1, now));
        if call.cost == Cost::Note {
            wait = wait.max(state.notes.wait_secs(1, now));
        }
        if wait > 0 {
            return Err(wait);
        }
        state.requests.spend(1, now);
        if call.cost == Cost::Note {
            state.notes.spend(1, now);
        }
        Ok(())
    }

    /// Learns from an answer. Returns how long to wait if it is GitLab's word that there were too many requests.
    pub(crate) fn learn(&self, call: &Call, answer: &Answer, now: Timestamp) -> Option<u64> {
        let now = now.as_second();
        let mut state = self.lock();
        let until_reset = answer.rate.reset.and_then(|at| u64::try_from(at - now).ok()).filter(|secs| *secs > 0);
        let exhausted = answer.rate.remaining == Some(0);
        if answer.status != 429 {
            if answer.status < 400 {
                state.kinds.remove(kind(call));
            }
            if let (true, Some(secs)) = (exhausted, until_reset) {
                state.pause(secs, now);
            }
            return None;
        }
        Some(match (answer.rate.retry_after_secs, until_reset) {
            (Some(secs), _) => state.pause(secs, now),
            (None, Some(secs)) if exhausted => state.pause(secs, now),
            (None, _) => state.kinds.entry(kind(call)).or_default().strike(now),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pause(&mut self, secs: u64, now: i64) -> u64 {
        let secs = secs.clamp(1, PAUSE_SECS_MAX);
        // Once a pause: everybody who would ask meanwhile only waits.
        if self.paused_until <= now {
            tracing::warn!(forge = "gitlab", secs, "GitLab takes no more requests for now; what is left waits");
        }
        self.paused_until = self.paused_until.max(now.saturating_add_unsigned(secs));
        secs
    }
}

impl Kind {
    fn strike(&mut self, now: i64) -> u64 {
        let secs = UNNAMED_PAUSE_SECS << self.strikes.min(UNNAMED_DOUBLINGS_MAX);
        self.strikes += 1;
        self.paused_until = now.saturating_add_unsigned(secs);
        secs
    }
}

/// What GitLab may count apart: new notes and threads together, everything else by what it is.
fn kind(call: &Call) -> &'static str {
    match call.cost {
        Cost::Note => "note",
        Cost::Request => call.operation,
    }
}

fn secs_until(second: i64, now: i64) -> u64 {
    u64::try_from(second - now).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use url::Url;

    use super::*;
    use crate::answer::RateFields;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("in range")
    }

    fn answer(status: u16, rate: RateFields) -> Answer {
        let base = Url::parse("https://gl.example/api/v4").expect("valid");
        Answer { rate, ..Answer::new(status, &HeaderMap::new(), Some(bytes::Bytes::new()), "", &base) }
    }

    fn read() -> Call {
        Call::get("read", String::new())
    }

    fn note() -> Call {
        Call::get("make", String::new()).note()
    }

    fn budget(requests_per_minute: u32, notes_per_minute: u32) -> Budget {
        Budget::new(Limits { requests_per_minute, notes_per_minute, concurrent: 1 })
    }

    #[test]
    fn notes_are_counted_apart_and_as_requests_too() {
        let budget = budget(4, 2);
        assert_eq!(budget.take(&note(), at(0)), Ok(()));
        assert_eq!(budget.take(&note(), at(10)), Ok(()));
        assert_eq!(budget.take(&note(), at(20)), Err(41));
        assert_eq!(budget.take(&read(), at(20)), Ok(()));
        assert_eq!(budget.take(&read(), at(20)), Ok(()));
        assert_eq!(budget.take(&read(), at(20)), Err(41), "four requests in all");
    }

    #[test]
    fn a_limit_with_a_time_holds_everything_back_and_one_without_only_its_kind() {
        let budget = budget(1_000, 60);
        let unnamed = answer(429, RateFields::default());
        assert_eq!(budget.learn(&note(), &unnamed, at(0)), Some(60));
        assert_eq!(budget.take(&note(), at(1)), Err(59));
        let thread = Call { operation: "make_thread", ..note() };
        assert_eq!(budget.take(&thread, at(1)), Err(59), "threads are notes to GitLab");
        assert_eq!(budget.take(&read(), at(1)), Ok(()));
        let named = RateFields { retry_after_secs: Some(30), ..RateFields::default() };
        assert_eq!(budget.learn(&note(), &answer(429, named), at(2)), Some(30));
        assert_eq!(budget.take(&read(), at(3)), Err(29));
    }

    #[test]
    fn waits_without_a_time_double_until_something_succeeds_and_none_is_for_ever() {
        let budget = budget(1_000, 60);
        let unnamed = answer(429, RateFields::default());
        let mut waits: Vec<_> = (0..6).map(|n| budget.learn(&read(), &unnamed, at(n * 2_000))).collect();
        assert_eq!(budget.learn(&read(), &answer(200, RateFields::default()), at(20_000)), None);
        waits.push(budget.learn(&read(), &unnamed, at(20_001)));
        assert_eq!(waits, [60, 120, 240, 480, 960, 960, 60].map(Some));
        let forever = RateFields { retry_after_secs: Some(u64::MAX), ..RateFields::default() };
        assert_eq!(budget.learn(&read(), &answer(429, forever), at(0)), Some(PAUSE_SECS_MAX));
    }

    #[test]
    fn the_last_request_of_a_window_pauses_until_its_reset() {
        let budget = budget(1_000, 60);
        let rate = RateFields { remaining: Some(0), reset: Some(1_800_000_040), retry_after_secs: None };
        assert_eq!(budget.learn(&read(), &answer(200, rate), at(0)), None);
        assert_eq!(budget.take(&read(), at(10)), Err(30));
        assert_eq!(budget.take(&read(), at(40)), Ok(()));
    }
}
