//! What a repository's agents may still cost today.

use gatewright_core::Timestamp;
use gatewright_core::run::Run;
use gatewright_core::store::{RunFilter, StoreError};
use jiff::tz::TimeZone;

use crate::Engine;

/// So many runs of a repository are looked at, the newest ones. Where there were more on one day, the day is taken to be used up.
const RUNS_MAX: usize = 2_000;

/// What is left of the day's limit, in millionths of a US dollar. None: there is no limit.
pub(super) async fn left(engine: &Engine, run: &Run) -> Result<Option<u64>, StoreError> {
    let Some(limit) = engine.options.agents_day_micro_usd else { return Ok(None) };
    let now = Timestamp::now();
    let midnight = now.to_zoned(TimeZone::UTC).start_of_day().map_or(now, |start| start.timestamp());
    let filter = RunFilter { repo: Some(run.repo.key()), ..RunFilter::default() };
    let mut spent: u64 = 0;
    let records = engine.deps.store.list(&filter, RUNS_MAX).await?;
    let whole = records.len() < RUNS_MAX || records.last().is_some_and(|last| last.created_at < midnight);
    // A pipeline that began before midnight counts with the day of its beginning.
    for record in records.into_iter().filter(|record| record.created_at >= midnight && record.subject.ends_with("/agents")) {
        let other = engine.run(record.id).await?;
        let of_other = other.as_ref().and_then(Run::agent).map_or(0, |agent| agent.spent.micro_usd);
        spent = spent.saturating_add(of_other);
    }
    Ok(Some(if whole { limit.saturating_sub(spent) } else { 0 }))
}
