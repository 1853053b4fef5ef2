//! What a repository's agents may still cost today.

use std::collections::HashMap;

use gatewright_core::config::Pipeline;
use gatewright_core::run::{AgentRun, Amount, Run};
use gatewright_core::store::{RunFilter, StoreError};
use gatewright_core::{RunId, Timestamp};
use jiff::tz::TimeZone;

use tokio::sync::Mutex;

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

/// What pipelines may come to whose journals do not say so yet, since they are being prepared: several that begin in one instant know
/// of each other by it.
#[derive(Debug, Default)]
pub(crate) struct Promises(Mutex<HashMap<RunId, (String, Amount)>>);

/// What is left of today's limits for a run that wants to begin this pipeline.
pub(super) async fn left(engine: &Engine, run: &Run, pipeline: &Pipeline) -> Result<Left, StoreError> {
    let (money, tokens) = (engine.options.agents_day_micro_usd, engine.options.agents_day_tokens);
    if money.is_none() && tokens.is_none() {
        return Ok(Left::default());
    }
    let mut promises = engine.promises.0.lock().await;
    let now = Timestamp::now();
    let midnight = now.to_zoned(TimeZone::UTC).start_of_day().map_or(now, |start| start.timestamp());
    let filter = RunFilter { repo: Some(run.repo.key()), ..RunFilter::default() };
    let records = engine.deps.store.list(&filter, RUNS_MAX).await?;
    let whole = records.len() < RUNS_MAX || records.last().is_some_and(|last| last.created_at < midnight);
    let (mut gone, mut promised) = (Amount::default(), HashMap::new());
    // A pipeline that began before midnight counts with the day of its beginning.
    for record in records.into_iter().filter(|record| record.created_at >= midnight && record.subject.ends_with("/agents")) {
        if record.id == run.id {
            continue;
        }
        let Some(other) = engine.run(record.id).await? else { continue };
        gone += match (other.agent().and_then(counted(other.finished.is_some())), promises.remove(&record.id)) {
            (Some(counted), _) => counted,
            (None, Some(promise)) => {
                promised.insert(record.id, promise.clone());
                promise.1
            }
            (None, None) => Amount::default(),
        };
    }
    let of = |limit: Option<u64>, gone: u64| limit.map(|limit| if whole { limit.saturating_sub(gone) } else { 0 });
    let left = Left { micro_usd: of(money, gone.micro_usd), tokens: of(tokens, gone.tokens) };
    promised.insert(run.id, (run.repo.key(), most(pipeline, left, Amount::default())));
    promises.retain(|_, (repo, _)| *repo != run.repo.key());
    promises.extend(promised);
    Ok(left)
}

/// What a pipeline counts for. One that is still at work counts for all that it may still come to. None: its journal does not say yet.
fn counted(finished: bool) -> impl Fn(&AgentRun) -> Option<Amount> {
    move |agent| match &agent.prepared {
        _ if finished => Some(agent.spent),
        Some(prepared) => {
            let left = Left { micro_usd: prepared.day_left, tokens: prepared.day_tokens_left };
            Some(most(&prepared.pipeline, left, agent.spent))
        }
        None => None,
    }
}

/// The most that a pipeline may come to.
fn most(pipeline: &Pipeline, left: Left, spent: Amount) -> Amount {
    let micro_usd = [pipeline.budget.micro_usd, left.micro_usd].into_iter().flatten().min().unwrap_or(spent.micro_usd);
    let tokens = pipeline.budget.tokens.min(left.tokens.unwrap_or(u64::MAX));
    Amount { tokens: tokens.max(spent.tokens), micro_usd: micro_usd.max(spent.micro_usd) }
}
