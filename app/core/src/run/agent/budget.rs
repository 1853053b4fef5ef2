//! What a pipeline may use up: how much a turn could cost, and whether there is so much.

use super::AgentRun;
use super::event::{AgentPrepared, Amount, Scarce};
use super::stage::{Doing, StageRun};
use crate::config::AgentStage;
use crate::model::ModelName;

/// A token is at least so many bytes of what is asked: less than any language or code that models are asked in comes to.
const BYTES_OF_TOKEN: u64 = 2;

/// The models that an agent's stage asks.
pub fn models_of<'a>(prepared: &'a AgentPrepared, stage: &'a AgentStage) -> &'a [ModelName] {
    [&stage.models, &prepared.pipeline.models].into_iter().find(|models| !models.is_empty()).unwrap_or(&prepared.models)
}

/// The most that the next turn of a stage can come to.
pub(super) fn of_turn(prepared: &AgentPrepared, stage: &StageRun) -> Amount {
    let Doing::Agent(agent) = &stage.what else { return Amount::default() };
    let said = stage.bytes_said().min(AgentRun::HISTORY_BYTES_MAX);
    let asked = (prepared.context_bytes + said).div_ceil(BYTES_OF_TOKEN);
    let tokens = asked + u64::from(prepared.tokens_max);
    let price = |model: &ModelName| {
        let (_, price) = prepared.prices.iter().find(|(of, _)| of == model)?;
        let input = u128::from(price.input.max(price.cache_write)) * u128::from(asked);
        let output = u128::from(price.output) * u128::from(prepared.tokens_max);
        u64::try_from((input + output).div_ceil(1_000_000)).ok()
    };
    let micro_usd = models_of(prepared, agent).iter().filter_map(price).max().unwrap_or_default();
    Amount { tokens, micro_usd }
}

/// Of what there is not enough for this, with what has been spent and what is set aside already.
pub(super) fn short_of(prepared: &AgentPrepared, gone: Amount, turns: u32, next: Amount) -> Option<Scarce> {
    let budget = &prepared.pipeline.budget;
    let micro_usd = gone.micro_usd.saturating_add(next.micro_usd);
    if turns >= budget.turns {
        return Some(Scarce::Turns);
    }
    if gone.tokens.saturating_add(next.tokens) > budget.tokens {
        return Some(Scarce::Tokens);
    }
    if budget.micro_usd.is_some_and(|most| micro_usd > most) {
        return Some(Scarce::Money);
    }
    let tokens = gone.tokens.saturating_add(next.tokens);
    let day =
        prepared.day_left.is_some_and(|most| micro_usd > most) || prepared.day_tokens_left.is_some_and(|most| tokens > most);
    day.then_some(Scarce::Day)
}
