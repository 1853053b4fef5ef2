//! How much may still be asked of GitHub: our own limits, and what GitHub says of its own.
//!
//! Of GitHub's limits, "Rate limits for the REST API" names 900 points a minute (1 for a `GET`, 5 for a write) and 80
//! content-generating requests a minute, 500 an hour. Which requests generate content, the API's description tells by a
//! warning at each operation that notifies people. A new comment has that warning; a reaction, a check run and an edit have
//! none (description 23.0.2), so they count as writes only. Were reactions counted as content, sixty commands a minute with two reactions each would use up what the
//! comments need. Minimising goes to GraphQL, which has its own 2,000 points; it is counted here as a write all the same,
//! since there is little of it. Should GitHub count otherwise, its 403 or 429 is obeyed like any other.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gatewright_core::Timestamp;
use gatewright_forge_shared::Window;

use crate::answer::{Answer, RateFields};
use crate::call::Cost;
use crate::config::Limits;

/// GitHub counts for each of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Account {
    /// The App itself, by its JSON Web Token.
    App,
    /// One installation of it.
    Installation(u64),
}

impl Account {
    pub(crate) fn label(self) -> String {
        match self {
            Account::App => "app".to_owned(),
            Account::Installation(id) => id.to_string(),
        }
    }
}

/// "Wait at least one minute", where GitHub names no time. It doubles each time that it happens again.
const UNNAMED_PAUSE_SECS: u64 = 60;
/// How often it doubles at most: to 16 minutes.
const UNNAMED_DOUBLINGS_MAX: u32 = 4;
/// GitHub's longest window is an hour; no header field makes us wait for longer than that and a little.
const PAUSE_SECS_MAX: u64 = 3_700;
/// From so many accounts on, those that are idle are forgotten before another is added.
const ACCOUNTS_KEPT: usize = 1_024;
/// Nothing of an account matters any more after this.
const IDLE_SECS: i64 = 3_700;

const POINTS_OF_A_READ: u32 = 1;
const POINTS_OF_A_WRITE: u32 = 5;

#[derive(Debug)]
pub(crate) struct Budget {
    limits: Limits,
    accounts: Mutex<HashMap<Account, State>>,
}

#[derive(Debug)]
struct State {
    points: Window,
    content_minute: Window,
    content_hour: Window,
    /// Nothing is sent before this second.
    paused_until: i64,
    /// How often in a row GitHub named no time.
    strikes: u32,
    used_at: i64,
}

impl Budget {
    pub(crate) fn new(limits: Limits) -> Self {
        Budget { limits, accounts: Mutex::default() }
    }

    /// Takes what a request costs, or says in how many seconds it may be asked again.
    pub(crate) fn take(&self, account: Account, cost: Cost, now: Timestamp) -> Result<(), u64> {
        let now = now.as_second();
        let mut accounts = self.lock();
        let state = self.state(&mut accounts, account, now);
        let points = if cost == Cost::Read { POINTS_OF_A_READ } else { POINTS_OF_A_WRITE };
        let mut wait = u64::try_from(state.paused_until - now).unwrap_or(0);
        wait = wait.max(state.points.wait_secs(points, now));
        if cost == Cost::Content {
            wait = wait.max(state.content_minute.wait_secs(1, now)).max(state.content_hour.wait_secs(1, now));
        }
        if wait > 0 {
            return Err(wait);
        }
        state.points.spend(points, now);
        if cost == Cost::Content {
            state.content_minute.spend(1, now);
            state.content_hour.spend(1, now);
        }
        Ok(())
    }

    /// Learns from an answer. Returns how long to wait if it is GitHub's word that there were too many requests; then
    /// nothing more is sent for that account until the time is over.
    pub(crate) fn learn(&self, account: Account, answer: &Answer, now: Timestamp) -> Option<u64> {
        let now = now.as_second();
        let mut accounts = self.lock();
        let state = self.state(&mut accounts, account, now);
        let until_reset = answer.rate.reset.and_then(|at| u64::try_from(at - now).ok()).filter(|secs| *secs > 0);
        let exhausted = answer.rate.remaining == Some(0);
        if !is_limit(answer.status, answer.rate, &answer.words) {
            if answer.status < 400 {
                state.strikes = 0;
            }
            if let (true, Some(secs)) = (exhausted, until_reset) {
                state.pause(secs, now);
            }
            return None;
        }
        let secs = match (answer.rate.retry_after_secs, until_reset) {
            (Some(secs), _) => secs,
            (None, Some(secs)) if exhausted => secs,
            (None, _) => state.strike(),
        };
        Some(state.pause(secs, now))
    }

    fn state<'a>(&self, accounts: &'a mut HashMap<Account, State>, account: Account, now: i64) -> &'a mut State {
        if accounts.len() >= ACCOUNTS_KEPT && !accounts.contains_key(&account) {
            accounts.retain(|_, state| now - state.used_at <= IDLE_SECS || state.paused_until > now);
        }
        let state = accounts.entry(account).or_insert_with(|| State {
            points: Window::new(self.limits.points_per_minute, 60),
            content_minute: Window::new(self.limits.content_per_minute, 60),
            content_hour: Window::new(self.limits.content_per_hour, 3_600),
            paused_until: 0,
            strikes: 0,
            used_at: now,
        });
        state.used_at = now;
        state
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Account, State>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pause(&mut self, secs: u64, now: i64) -> u64 {
        let secs = secs.clamp(1, PAUSE_SECS_MAX);
        // Once a pause: everybody who would ask meanwhile only waits.
        if self.paused_until <= now {
            tracing::warn!(
                forge = "github",
                secs,
                "GitHub takes no more requests of an installation for now; what is left waits"
            );
        }
        self.paused_until = self.paused_until.max(now.saturating_add_unsigned(secs));
        secs
    }

    fn strike(&mut self) -> u64 {
        let secs = UNNAMED_PAUSE_SECS << self.strikes.min(UNNAMED_DOUBLINGS_MAX);
        self.strikes += 1;
        secs
    }
}

/// Both limits come as 403 or 429. A 403 without any of these signs is a missing permission.
fn is_limit(status: u16, rate: RateFields, words: &str) -> bool {
    match status {
        429 => true,
        403 => {
            let words = words.to_ascii_lowercase();
            let said_so = words.contains("rate limit") || words.contains("abuse detection");
            rate.retry_after_secs.is_some() || rate.remaining == Some(0) || said_so
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Account = Account::Installation(1);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("in range")
    }

    fn answer(status: u16, rate: RateFields, words: &str) -> Answer {
        Answer {
            status,
            body: bytes::Bytes::new(),
            too_large: false,
            etag: None,
            next: None,
            location: None,
            rate,
            words: words.to_owned(),
        }
    }

    #[test]
    fn comments_have_a_limit_of_their_own_and_reads_go_on() {
        let budget = Budget::new(Limits { content_per_minute: 2, ..Limits::default() });
        assert_eq!(budget.take(ONE, Cost::Content, at(0)), Ok(()));
        assert_eq!(budget.take(ONE, Cost::Content, at(1)), Ok(()));
        assert_eq!(budget.take(ONE, Cost::Content, at(10)), Err(51));
        assert_eq!(budget.take(ONE, Cost::Write, at(10)), Ok(()));
        assert_eq!(budget.take(ONE, Cost::Read, at(10)), Ok(()));
        assert_eq!(budget.take(Account::Installation(2), Cost::Content, at(10)), Ok(()));
        assert_eq!(budget.take(ONE, Cost::Content, at(61)), Ok(()));
    }

    #[test]
    fn five_hundred_comments_an_hour_and_no_more() {
        let budget = Budget::new(Limits::default());
        let sent = (0..3_600).filter(|s| budget.take(ONE, Cost::Content, at(*s)).is_ok()).count();
        assert_eq!(sent, 500);
    }

    #[test]
    fn a_write_takes_five_points() {
        let budget = Budget::new(Limits { points_per_minute: 11, ..Limits::default() });
        assert_eq!(budget.take(ONE, Cost::Write, at(0)), Ok(()));
        assert_eq!(budget.take(ONE, Cost::Write, at(0)), Ok(()));
        assert_eq!(budget.take(ONE, Cost::Write, at(0)), Err(61));
        assert_eq!(budget.take(ONE, Cost::Read, at(0)), Ok(()));
        assert_eq!(budget.take(ONE, Cost::Read, at(0)), Err(61));
    }

    #[test]
    fn the_named_time_is_obeyed_and_only_for_that_account() {
        let budget = Budget::new(Limits::default());
        let rate = RateFields { retry_after_secs: Some(42), ..RateFields::default() };
        assert_eq!(budget.learn(ONE, &answer(403, rate, "secondary"), at(0)), Some(42));
        assert_eq!(budget.take(ONE, Cost::Read, at(2)), Err(40));
        assert_eq!(budget.take(Account::App, Cost::Read, at(2)), Ok(()));
        assert_eq!(budget.take(ONE, Cost::Read, at(42)), Ok(()));
    }

    #[test]
    fn an_empty_primary_budget_pauses_until_its_reset_even_when_the_last_call_was_answered() {
        let budget = Budget::new(Limits::default());
        let rate = RateFields { remaining: Some(0), reset: Some(at(90).as_second()), retry_after_secs: None };
        assert_eq!(budget.learn(ONE, &answer(200, rate, ""), at(0)), None);
        assert_eq!(budget.take(ONE, Cost::Read, at(30)), Err(60));
        assert_eq!(budget.learn(ONE, &answer(429, rate, ""), at(30)), Some(60));
    }

    #[test]
    fn where_no_time_is_named_the_wait_doubles_and_is_forgotten_after_a_success() {
        let budget = Budget::new(Limits::default());
        let limited = answer(403, RateFields::default(), "You have exceeded a secondary rate limit");
        let mut waits: Vec<_> = (0..7).map(|n| budget.learn(ONE, &limited, at(n * 2_000))).collect();
        assert_eq!(budget.learn(ONE, &answer(200, RateFields::default(), ""), at(20_000)), None);
        waits.push(budget.learn(ONE, &limited, at(20_001)));
        assert_eq!(waits, [60, 120, 240, 480, 960, 960, 960, 60].map(Some));
    }

    #[test]
    fn a_missing_permission_is_no_limit_and_no_field_pauses_for_ever() {
        let budget = Budget::new(Limits::default());
        assert_eq!(budget.learn(ONE, &answer(403, RateFields::default(), "Resource not accessible"), at(0)), None);
        assert_eq!(budget.take(ONE, Cost::Read, at(0)), Ok(()));
        let forever = RateFields { retry_after_secs: Some(u64::MAX), ..RateFields::default() };
        assert_eq!(budget.learn(ONE, &answer(429, forever, ""), at(0)), Some(PAUSE_SECS_MAX));
        let past = RateFields { remaining: Some(0), reset: Some(5), retry_after_secs: None };
        assert_eq!(budget.learn(Account::App, &answer(403, past, ""), at(0)), Some(UNNAMED_PAUSE_SECS));
    }

    #[test]
    fn idle_accounts_are_forgotten() {
        let budget = Budget::new(Limits::default());
        for id in 0..3_000 {
            let second = i64::try_from(id).expect("small") * 10;
            assert_eq!(budget.take(Account::Installation(id), Cost::Read, at(second)), Ok(()));
        }
        assert!(budget.lock().len() <= ACCOUNTS_KEPT);
    }
}
