//! Limits that know nothing of the stable version: N of the last M windows.

use std::collections::VecDeque;

use super::{Bucket, FixedLimits, Rule};
use crate::config::Percent;

/// What is remembered of the last windows.
#[derive(Debug, Clone, Default)]
pub(super) struct Fixed {
    open: Window,
    closed: VecDeque<Window>,
}

/// Buckets that have been put together.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    requests: u64,
    errors: u64,
    /// Requests in buckets whose 95th percentile was measured, and those in buckets where it was above the limit.
    timed: u64,
    slow: u64,
    /// The longest percentile. A source's histogram may end before it.
    p95_ms: Option<u32>,
}

impl Fixed {
    /// A bucket in which the new version had requests.
    pub(super) fn take(&mut self, limits: &FixedLimits, bucket: &Bucket) {
        let canary = bucket.canary;
        self.open.requests = self.open.requests.saturating_add(canary.requests);
        self.open.errors = self.open.errors.saturating_add(canary.errors.min(canary.requests));
        // A histogram that was counted and whose percentile lies beyond its last bound has no percentile.
        let is_timed = canary.p95_ms.is_some() || canary.slow.is_some();
        if let Some(limit) = limits.max_p95_ms.filter(|_| is_timed) {
            self.open.timed = self.open.timed.saturating_add(canary.requests);
            if canary.p95_ms.is_none_or(|p95| p95 > limit) {
                self.open.slow = self.open.slow.saturating_add(canary.requests);
                self.open.p95_ms = canary.p95_ms.map(|p95| p95.max(self.open.p95_ms.unwrap_or(0)));
            }
        }
        if self.open.requests >= u64::from(limits.requests_at_least.max(1)) {
            self.closed.push_back(std::mem::take(&mut self.open));
            let kept = limits.of.clamp(1, FixedLimits::WINDOWS_MAX) as usize;
            self.closed.drain(..self.closed.len().saturating_sub(kept));
        }
    }

    /// The limit that is broken.
    pub(super) fn broken(&self, limits: &FixedLimits) -> Option<Rule> {
        self.errors(limits).or_else(|| self.p95(limits))
    }

    fn errors(&self, limits: &FixedLimits) -> Option<Rule> {
        let at_most = limits.max_error_rate?;
        let breaks =
            |window: &&Window| u128::from(window.errors) * 10_000 > u128::from(window.requests) * u128::from(at_most.hundredths);
        let last = self.often(limits, breaks)?;
        let seen = (u128::from(last.errors) * 10_000).div_ceil(u128::from(last.requests.max(1)));
        Some(Rule::ErrorRate { at_most, seen: Percent { hundredths: u32::try_from(seen).unwrap_or(10_000) } })
    }

    fn p95(&self, limits: &FixedLimits) -> Option<Rule> {
        let at_most_ms = limits.max_p95_ms?;
        // In more than half of the requests of a window.
        let last = self.often(limits, |window| window.slow > window.timed / 2)?;
        Some(Rule::P95 { at_most_ms, seen_ms: last.p95_ms })
    }

    /// The last window that breaks a limit, where enough of them do.
    fn often(&self, limits: &FixedLimits, breaks: impl Fn(&&Window) -> bool) -> Option<&Window> {
        let wanted = limits.windows.clamp(1, limits.of.max(1)) as usize;
        let broken: Vec<&Window> = self.closed.iter().filter(breaks).collect();
        if broken.len() >= wanted { broken.last().copied() } else { None }
    }
}
