//! Bad days on command: what goes wrong, where and when.

use std::time::Duration;

use globset::{Glob, GlobMatcher};

/// When a fault strikes, counted over the requests or deliveries that it matches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum When {
    /// Every time, until the fault is removed.
    Always,
    /// The n-th time only, from 1.
    Nth(u64),
    /// The first n times.
    First(u64),
    /// Each time with this chance; the same seed gives the same sequence.
    Chance {
        /// Of a hundred.
        percent: u8,
        /// Where the sequence starts.
        seed: u64,
    },
}

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// 500, and nothing was done.
    ServerError,
    /// 502, although it was done.
    BadGatewayAfter,
    /// 503 without a body, and nothing was done.
    Unavailable,
    /// No answer for so long, then the connection is cut; nothing was done.
    Hang(Duration),
    /// It was done, but no answer comes for so long, then the connection is cut.
    HangAfter(Duration),
    /// The connection is cut; nothing was done.
    Cut,
    /// It was done, and the connection is cut before the answer.
    CutAfter,
    /// The answer's first half, a pause, then the rest.
    SlowBody(Duration),
    /// The answer's first half, then the connection is cut. It was done.
    CutBody,
    /// 403: the secondary rate limit.
    SecondaryLimit {
        /// What `Retry-After` says.
        retry_after_secs: u64,
    },
    /// 403 or 429: the primary rate limit, with nothing remaining.
    PrimaryLimit {
        /// 403 or 429.
        status: u16,
        /// How far away `x-ratelimit-reset` is.
        reset_in_secs: u64,
    },
    /// 401, as for a token that has expired.
    Unauthorized,
    /// 422: GitHub does not like what it was sent.
    Invalid,
}

/// One fault of the API or of git over HTTP.
#[derive(Debug, Clone)]
pub struct Fault {
    target: GlobMatcher,
    method: Option<String>,
    effect: Effect,
    trigger: Trigger,
}

impl Fault {
    /// A fault of what `target` matches: an operation's id (`checks/create`, `issues/*`, `git/upload-pack`) or a path
    /// (`/repos/octo/app/pulls/*`). It strikes always, unless told otherwise. Of several that match, the first added does.
    /// Git's own are `git/info-refs`, `git/upload-pack` and `git/receive-pack`; `git/*` strikes REST's `git/get-ref` too.
    ///
    /// # Panics
    /// Where `target` is no glob.
    pub fn on(target: &str, effect: Effect) -> Self {
        let target = Glob::new(target).expect("the fault's target is a glob").compile_matcher();
        Fault { target, method: None, effect, trigger: Trigger::new(When::Always) }
    }

    /// Only requests of this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_uppercase());
        self
    }

    /// Only then.
    #[must_use]
    pub fn when(mut self, when: When) -> Self {
        self.trigger = Trigger::new(when);
        self
    }

    /// Only the n-th time, from 1.
    #[must_use]
    pub fn nth(self, n: u64) -> Self {
        self.when(When::Nth(n))
    }

    /// Only the first time.
    #[must_use]
    pub fn once(self) -> Self {
        self.when(When::First(1))
    }

    /// What it does to this request, where it strikes.
    pub(crate) fn strike(&mut self, method: &str, operation: &str, path: &str) -> Option<Effect> {
        let matches = self.target.is_match(operation) || self.target.is_match(path);
        let method_matches = self.method.as_deref().is_none_or(|wanted| wanted == method);
        (matches && method_matches && self.trigger.pull()).then_some(self.effect)
    }

    pub(crate) fn struck(&self) -> u64 {
        self.trigger.hits
    }
}

/// What goes wrong with a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookEffect {
    /// It comes so many times at the same instant, with one id.
    Duplicate(usize),
    /// It never leaves; GitHub lists a failed attempt.
    Drop,
    /// It leaves so much later; others pass it by.
    Delay(Duration),
    /// It leaves after so many later ones: out of order.
    HoldBehind(usize),
    /// It is delivered twice, by two hooks with two ids, as where an organisation and a repository both have one.
    TwoHooks,
    /// Its signature is wrong.
    BadSignature,
}

/// One fault of the webhooks.
#[derive(Debug, Clone)]
pub struct HookFault {
    event: String,
    effect: HookEffect,
    trigger: Trigger,
}

impl HookFault {
    /// A fault of an event: `pull_request`, `pull_request.opened` or `*`. It strikes always, unless told otherwise.
    /// Redeliveries are never struck.
    pub fn on(event: &str, effect: HookEffect) -> Self {
        HookFault { event: event.to_owned(), effect, trigger: Trigger::new(When::Always) }
    }

    /// Only then.
    #[must_use]
    pub fn when(mut self, when: When) -> Self {
        self.trigger = Trigger::new(when);
        self
    }

    /// Only the first time.
    #[must_use]
    pub fn once(self) -> Self {
        self.when(When::First(1))
    }

    pub(crate) fn strike(&mut self, event: &str, action: Option<&str>) -> Option<HookEffect> {
        let full = action.map_or_else(|| event.to_owned(), |action| format!("{event}.{action}"));
        let matches = self.event == "*" || self.event == event || self.event == full;
        (matches && self.trigger.pull()).then_some(self.effect)
    }
}

#[derive(Debug, Clone)]
struct Trigger {
    when: When,
    seen: u64,
    hits: u64,
}

impl Trigger {
    fn new(when: When) -> Self {
        Trigger { when, seen: 0, hits: 0 }
    }

    /// Counts one more match; whether it strikes now.
    fn pull(&mut self) -> bool {
        self.seen += 1;
        let strikes = match self.when {
            When::Always => true,
            When::Nth(n) => self.seen == n,
            When::First(n) => self.seen <= n,
            When::Chance { percent, seed } => random(seed, self.seen) % 100 < u64::from(percent),
        };
        self.hits += u64::from(strikes);
        strikes
    }
}

/// The n-th number of a seeded sequence (SplitMix64).
fn random(seed: u64, n: u64) -> u64 {
    let mut z = seed.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
