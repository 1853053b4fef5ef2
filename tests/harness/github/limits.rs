//! Rate limits: always told in headers, enforced where a test wants it.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

const MINUTE: Duration = Duration::from_secs(60);

/// What the fake allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests an hour of one installation (or the App); GitHub's least is 5,000.
    pub per_hour: u64,
    /// Requests a minute that create content, over all; GitHub's is 80. None: not enforced.
    pub content_per_minute: Option<usize>,
    /// Points a minute of one installation (or the App): 1 for reading, 5 for writing; GitHub's are 900. None: not enforced.
    pub points_per_minute: Option<u64>,
    /// Whether a request beyond `per_hour` is refused, or only counted.
    pub enforced: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { per_hour: 5000, content_per_minute: None, points_per_minute: None, enforced: false }
    }
}

/// What a request costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cost {
    Read,
    Write,
    /// People are told of it.
    Content,
}

/// Those operations of which GitHub's description warns that they are limited since they notify people, as far as they are
/// served here.
const NOTIFYING: [&str; 4] = ["issues/create", "issues/create-comment", "pulls/create", "repos/create-release"];

impl Cost {
    pub(crate) fn of(method: &str, operation: &str) -> Cost {
        match method {
            _ if NOTIFYING.contains(&operation) => Cost::Content,
            "GET" | "HEAD" | "OPTIONS" => Cost::Read,
            _ => Cost::Write,
        }
    }
}

/// One caller's hour.
#[derive(Debug, Clone, Copy)]
struct Hour {
    used: u64,
    ends_at: Timestamp,
}

/// Counts requests.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    pub(crate) limits: Limits,
    hours: HashMap<String, Hour>,
    content: VecDeque<Instant>,
    points: HashMap<String, VecDeque<(Instant, u64)>>,
}

/// Why a request may not be served now.
pub(crate) enum Refusal {
    /// The hour is used up.
    Primary,
    /// Too much content; seconds to wait.
    Secondary(u64),
}

impl Meter {
    /// Counts a request of `caller`.
    pub(crate) fn count(&mut self, caller: &str, cost: Cost) -> Result<(), Refusal> {
        let limits = self.limits;
        let hour = self.hour(caller);
        if limits.enforced && hour.used >= limits.per_hour {
            return Err(Refusal::Primary);
        }
        hour.used += 1;
        if let Some(most) = limits.points_per_minute {
            self.count_points(caller, cost, most)?;
        }
        match limits.content_per_minute {
            Some(most) if cost == Cost::Content => self.count_content(most),
            Some(_) | None => Ok(()),
        }
    }

    fn count_points(&mut self, caller: &str, cost: Cost, most: u64) -> Result<(), Refusal> {
        let now = Instant::now();
        let spent = self.points.entry(caller.to_owned()).or_default();
        spent.retain(|(at, _)| now.duration_since(*at) < MINUTE);
        let points = if cost == Cost::Read { 1 } else { 5 };
        if let Some((oldest, _)) = spent.front()
            && spent.iter().map(|(_, points)| points).sum::<u64>() + points > most
        {
            return Err(Refusal::Secondary((MINUTE - now.duration_since(*oldest)).as_secs() + 1));
        }
        spent.push_back((now, points));
        Ok(())
    }

    fn count_content(&mut self, most: usize) -> Result<(), Refusal> {
        let now = Instant::now();
        self.content.retain(|at| now.duration_since(*at) < MINUTE);
        if let Some(oldest) = self.content.front().filter(|_| self.content.len() >= most) {
            return Err(Refusal::Secondary((MINUTE - now.duration_since(*oldest)).as_secs() + 1));
        }
        self.content.push_back(now);
        Ok(())
    }

    /// A request that turned out to be free.
    pub(crate) fn give_back(&mut self, caller: &str) {
        let hour = self.hour(caller);
        hour.used = hour.used.saturating_sub(1);
    }

    /// Limit, used, and when the hour ends (in seconds since 1970).
    pub(crate) fn state(&mut self, caller: &str) -> [u64; 3] {
        let limit = self.limits.per_hour;
        let hour = self.hour(caller);
        [limit, hour.used, u64::try_from(hour.ends_at.as_second()).expect("it is after 1970")]
    }

    fn hour(&mut self, caller: &str) -> &mut Hour {
        let now = Timestamp::now();
        let new = Hour { used: 0, ends_at: now + SignedDuration::from_hours(1) };
        let hour = self.hours.entry(caller.to_owned()).or_insert(new);
        if hour.ends_at <= now {
            *hour = new;
        }
        hour
    }
}
