//! What a repository's agents may still cost today.

use gatewright_core::Timestamp;
use gatewright_core::run::{Amount, Run};
use gatewright_core::store::{RunFilter, StoreError};
use jiff::tz::TimeZone;

use crate::Engine;

/// So many runs of a repository are looked at, the newest ones. Where there were more on one day, the day is taken to be used up.
const RUNS_MAX: usize = 2_000;

/// What is left of a day's limits. None: there is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Left {
    /// Millionths of a US dollar.
    pub(super) micro_usd: Option<u64>,
    /// Tokens.
    pub(super) tokens: Option<u64>,
}

/// What is left of today's limits.
pub(super) async fn left(engine: &Engine, run: &Run) -> Result<Left, StoreError> {
    let (money, tokens) = (engine.options.agents_day_micro_usd, engine.options.agents_day_tokens);
    if money.is_none() && tokens.is_none() {
        return Ok(Left::default());
    }
    let now = Timestamp::now();
    let midnight = now.to_zoned(TimeZone::UTC).start_of_day().map_or(now, |start| start.timestamp());
    let filter = RunFilter { repo: Some(run.repo.key()), ..RunFilter::default() };
    let mut spent = Amount::default();
    let records = engine.deps.store.list(&filter, RUNS_MAX).await?;
    let whole = records.len() < RUNS_MAX || records.last().is_some_and(|last| last.created_at < midnight);
    // A pipeline that began before midnight counts with the day of its beginning.
    for record in records.into_iter().filter(|record| record.created_at >= midnight && record.subject.ends_with("/agents")) {
        let other = engine.run(record.id).await?;
        spent += other.as_ref().and_then(Run::agent).map_or_else(Amount::default, |agent| agent.spent);
    }
    let of = |limit: Option<u64>, spent: u64| limit.map(|limit| if whole { limit.saturating_sub(spent) } else { 0 });
    Ok(Left { micro_usd: of(money, spent.micro_usd), tokens: of(tokens, spent.tokens) })
}
