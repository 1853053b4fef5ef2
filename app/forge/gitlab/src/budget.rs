//! How much may still be asked of GitLab: our own limits, and what GitLab says of its own.
//!
//! GitLab counts for each account: all requests ("User and IP rate limits"), and apart from them what makes notes ("Rate
//! limits on note creation"), threads included. Its 429 names a time where the limit is of the first kind; one of the second
//! kind does not, and holds back notes only, so that statuses still come through.

use std::sync::{Mutex, MutexGuard, PoisonError};

use gatewright_core::Timestamp;
use gatewright_forge_shared::Window;

use crate::answer::Answer;
use crate::call::Cost;
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
    /// No new note is sent before this second.
    notes_paused_until: i64,
    /// How often in a row GitLab named no time.
    strikes: u32,
}

impl Budget {
    pub(crate) fn new(limits: Limits) -> Self {
        Budget(Mutex::new(State {
            requests: Window::new(limits.requests_per_minute, 60),
            notes: Window::new(limits.notes_per_minute, 60),
            paused_until: 0,
            notes_paused_until: 0,
            strikes: 0,
        }))
    }

    /// Takes what a request costs, or says in how many seconds it may be asked again.
    pub(crate) fn take(&self, cost: Cost, now: Timestamp) -> Result<(), u64> {
        let now = now.as_second();
        let mut state = self.lock();
        let mut wait = secs_until(state.paused_until, now).max(state.requests.wait_secs(1, now));
        if cost == Cost::Note {
            wait = wait.max(secs_until(state.notes_paused_until, now)).max(state.notes.wait_secs(1, now));
        }
        if wait > 0 {
            return Err(wait);
        }
        state.requests.spend(1, now);
        if cost == Cost::Note {
            state.notes.spend(1, now);
        }
        Ok(())
    }

    /// Learns from an answer. Returns how long to wait if it is GitLab's word that there were too many requests.
    pub(crate) fn learn(&self, cost: Cost, answer: &Answer, now: Timestamp) -> Option<u64> {
        let now = now.as_second();
        let mut state = self.lock();
        let until_reset = answer.rate.reset.and_then(|at| u64::try_from(at - now).ok()).filter(|secs| *secs > 0);
        let exhausted = answer.rate.remaining == Some(0);
        if answer.status != 429 {
            if answer.status < 400 {
                state.strikes = 0;
            }
            if let (true, Some(secs)) = (exhausted, until_reset) {
                state.pause(secs, now);
            }
            return None;
        }
        match (answer.rate.retry_after_secs, until_reset) {
            (Some(secs), _) => Some(state.pause(secs, now)),
            (None, Some(secs)) if exhausted => Some(state.pause(secs, now)),
            (None, _) => {
                let secs = state.strike();
                match cost {
                    Cost::Request => state.pause(secs, now),
                    Cost::Note => state.pause_notes(secs, now),
                };
                Some(secs)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pause(&mut self, secs: u64, now: i64) -> u64 {
        let secs = secs.clamp(1, PAUSE_SECS_MAX);
        self.paused_until = self.paused_until.max(now.saturating_add_unsigned(secs));
        secs
    }

    fn pause_notes(&mut self, secs: u64, now: i64) -> u64 {
        self.notes_paused_until = self.notes_paused_until.max(now.saturating_add_unsigned(secs));
        secs
    }

    fn strike(&mut self) -> u64 {
        let secs = UNNAMED_PAUSE_SECS << self.strikes.min(UNNAMED_DOUBLINGS_MAX);
        self.strikes += 1;
        secs
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

    fn budget(requests_per_minute: u32, notes_per_minute: u32) -> Budget {
        Budget::new(Limits { requests_per_minute, notes_per_minute, concurrent: 1 })
    }

    #[test]
    fn notes_are_counted_apart_and_as_requests_too() {
        let budget = budget(4, 2);
        assert_eq!(budget.take(Cost::Note, at(0)), Ok(()));
        assert_eq!(budget.take(Cost::Note, at(10)), Ok(()));
        assert_eq!(budget.take(Cost::Note, at(20)), Err(41));
        assert_eq!(budget.take(Cost::Request, at(20)), Ok(()));
        assert_eq!(budget.take(Cost::Request, at(20)), Ok(()));
        assert_eq!(budget.take(Cost::Request, at(20)), Err(41), "four requests in all");
    }

    #[test]
    fn a_limit_with_a_time_holds_everything_back_and_one_without_only_what_met_it() {
        let budget = budget(1_000, 60);
        let unnamed = answer(429, RateFields::default());
        assert_eq!(budget.learn(Cost::Note, &unnamed, at(0)), Some(60));
        assert_eq!(budget.take(Cost::Note, at(1)), Err(59));
        assert_eq!(budget.take(Cost::Request, at(1)), Ok(()));
        let named = RateFields { retry_after_secs: Some(30), ..RateFields::default() };
        assert_eq!(budget.learn(Cost::Note, &answer(429, named), at(2)), Some(30));
        assert_eq!(budget.take(Cost::Request, at(3)), Err(29));
    }

    #[test]
    fn waits_without_a_time_double_until_something_succeeds_and_none_is_for_ever() {
        let budget = budget(1_000, 60);
        let unnamed = answer(429, RateFields::default());
        let mut waits: Vec<_> = (0..6).map(|n| budget.learn(Cost::Request, &unnamed, at(n * 2_000))).collect();
        assert_eq!(budget.learn(Cost::Request, &answer(200, RateFields::default()), at(20_000)), None);
        waits.push(budget.learn(Cost::Request, &unnamed, at(20_001)));
        assert_eq!(waits, [60, 120, 240, 480, 960, 960, 60].map(Some));
        let forever = RateFields { retry_after_secs: Some(u64::MAX), ..RateFields::default() };
        assert_eq!(budget.learn(Cost::Request, &answer(429, forever), at(0)), Some(PAUSE_SECS_MAX));
    }

    #[test]
    fn the_last_request_of_a_window_pauses_until_its_reset() {
        let budget = budget(1_000, 60);
        let rate = RateFields { remaining: Some(0), reset: Some(1_800_000_040), retry_after_secs: None };
        assert_eq!(budget.learn(Cost::Request, &answer(200, rate), at(0)), None);
        assert_eq!(budget.take(Cost::Request, at(10)), Err(30));
        assert_eq!(budget.take(Cost::Request, at(40)), Ok(()));
    }
}
