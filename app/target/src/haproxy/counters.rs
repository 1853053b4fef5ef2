//! Requests, errors and latencies of pools, from HAProxy's own counters.

use std::collections::{BTreeMap, HashMap};
use std::sync::PoisonError;

use gatewright_core::target::{Latency, PoolId, TargetError, Totals};

use super::Haproxy;
use super::stat::{self, Counters, Row};
use crate::error::refused;
use crate::latency;

/// The most requests without an answer that were seen of each server, by name: see [`unanswered`].
pub(super) type Unanswered = HashMap<String, Seen>;

/// What was seen of a server.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    attempts: u64,
    most: u64,
}

pub(super) async fn read(this: &Haproxy, pools: &[PoolId]) -> Result<BTreeMap<PoolId, Totals>, TargetError> {
    let backend = this.backend().await?;
    let latencies = match &this.config.latency_table {
        Some(table) => Some(latencies(this, table).await?),
        None => None,
    };
    let mut seen = this.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
    seen.retain(|name, _| backend.servers.iter().any(|row| row.name == *name));
    let mut all: BTreeMap<PoolId, Totals> = BTreeMap::new();
    for row in &backend.servers {
        let Some((pool, _)) = row.owner().filter(|(pool, _)| pools.contains(pool)) else { continue };
        let totals = all.entry(pool).or_default();
        let unanswered = never_less(seen.entry(row.name.clone()).or_default(), &row.counters);
        let (requests, errors) = requests(&row.counters, unanswered);
        totals.requests += requests;
        totals.errors += errors;
        if let Some(latencies) = &latencies {
            add(totals.latency.get_or_insert_with(latency::none), row, latencies);
        }
    }
    Ok(all)
}

async fn latencies(this: &Haproxy, table: &str) -> Result<HashMap<String, Vec<u64>>, TargetError> {
    let answer = this.client.ask(&format!("show table {table}")).await?;
    if !answer.starts_with("# table:") {
        return Err(refused(this.client.name(), format!("its table `{table}` cannot be read: {answer}")));
    }
    Ok(stat::table(&answer, latency::BOUNDS_MS.len() + 1))
}

fn add(latency: &mut Latency, row: &Row, latencies: &HashMap<String, Vec<u64>>) {
    if let Some(counts) = latencies.get(&row.name) {
        latency.counts.iter_mut().zip(counts).for_each(|(all, count)| *all += count);
    }
}

/// Requests that ended, and those of them that failed. A request that another server had to take, since this one did not connect, is a
/// failure of this one, though its user saw none.
fn requests(counters: &Counters, unanswered: u64) -> (u64, u64) {
    let not_connected = counters.moved + counters.not_connected;
    let requests = counters.answered + not_connected + unanswered;
    (requests, (counters.failed + counters.cut + not_connected + unanswered).min(requests))
}

/// How many requests were sent to a server that it never answered: timeouts, and connections that it reset or closed.
///
/// No counter of HAProxy's says that. `eresp`, less the answers that were cut off, counts timeouts once and resets twice. The attempts
/// that neither failed to connect nor were answered are these requests and those that still wait, at most as many as there are
/// sessions. So it is at least half of the first, at most all of it, and between them the second. While nothing is in flight it is
/// exact; it never counts more than happened, but for requests whose client went away before the answer came, each of which counts only
/// beside a failure that `eresp` counted twice.
fn unanswered(counters: &Counters) -> u64 {
    let broken = counters.broken.saturating_sub(counters.cut);
    let gone = counters.repeated + counters.moved + counters.not_connected + counters.answered;
    let silent = counters.attempts.saturating_sub(gone).saturating_sub(counters.sessions);
    broken.min(silent.max(broken.div_ceil(2)))
}

/// The same, never less than it was before: a counter that goes down would look like one that began anew.
fn never_less(seen: &mut Seen, counters: &Counters) -> u64 {
    if counters.attempts < seen.attempts {
        // HAProxy began anew.
        *seen = Seen::default();
    }
    seen.attempts = counters.attempts;
    seen.most = seen.most.max(unanswered(counters));
    seen.most
}

#[cfg(test)]
mod tests {
    use super::*;

    // What HAProxy 2.6 counted for one such request each, with nothing else on the server.
    const RESET: Counters = of(1, 0, 0, 0, 0, 0, 2, 0);
    const TIMEOUT: Counters = of(1, 0, 0, 0, 0, 0, 1, 0);
    const CUT: Counters = of(1, 0, 0, 0, 1, 0, 1, 1);
    const FAILED: Counters = of(1, 0, 0, 0, 1, 1, 0, 0);
    const MOVED: Counters = of(1, 0, 1, 0, 0, 0, 0, 0);
    const GIVEN_UP: Counters = of(3, 2, 0, 1, 0, 0, 0, 0);
    const GOOD: Counters = of(1, 0, 0, 0, 1, 0, 0, 0);

    #[expect(clippy::too_many_arguments, reason = "a row of a table")]
    const fn of(
        attempts: u64,
        repeated: u64,
        moved: u64,
        not_connected: u64,
        answered: u64,
        failed: u64,
        broken: u64,
        cut: u64,
    ) -> Counters {
        Counters { attempts, repeated, moved, not_connected, answered, failed, broken, cut, sessions: 0 }
    }

    fn sum(all: &[(Counters, u64)]) -> Counters {
        let mut sum = Counters::default();
        for (one, times) in all {
            sum.attempts += one.attempts * times;
            sum.repeated += one.repeated * times;
            sum.moved += one.moved * times;
            sum.not_connected += one.not_connected * times;
            sum.answered += one.answered * times;
            sum.failed += one.failed * times;
            sum.broken += one.broken * times;
            sum.cut += one.cut * times;
        }
        sum
    }

    #[test]
    fn every_failure_counts_once_whatever_it_was() {
        for one in [RESET, TIMEOUT, CUT, FAILED, MOVED, GIVEN_UP] {
            assert_eq!(requests(&one, unanswered(&one)), (1, 1), "{one:?}");
        }
        assert_eq!(requests(&GOOD, unanswered(&GOOD)), (1, 0));
        let all = sum(&[(RESET, 7), (TIMEOUT, 5), (CUT, 3), (FAILED, 11), (MOVED, 2), (GIVEN_UP, 4), (GOOD, 100)]);
        assert_eq!(requests(&all, unanswered(&all)), (132, 32));
    }

    #[test]
    fn requests_under_way_are_no_failures() {
        let mut counters = sum(&[(GOOD, 100), (RESET, 2)]);
        counters.attempts += 9;
        counters.sessions = 9;
        assert_eq!(requests(&counters, unanswered(&counters)), (102, 2));
    }

    #[test]
    fn counts_never_go_down_while_haproxy_runs_and_begin_anew_with_it() {
        let mut seen = Seen::default();
        let quiet = sum(&[(TIMEOUT, 4)]);
        assert_eq!(never_less(&mut seen, &quiet), 4);
        assert_eq!(never_less(&mut seen, &Counters { sessions: 50, ..quiet }), 4);
        assert_eq!(never_less(&mut seen, &RESET), 1);
    }
}
