//! Tell: others learn how a rollout stands. The release that it belongs to, and, where it never began, those that wait for it.

use gatewright_core::Timestamp;
use gatewright_core::order::{OrderChange, OrderKey, Ordered};
use gatewright_core::rollout::{Arrival, Live, Outcome};
use gatewright_core::run::{ReleaseWord, Rollout, RolloutEvent, RolloutState, Run, Signal, SignalTarget};
use gatewright_core::store::StoreError;

use super::{EnvironmentOrders, acceptance, again, done, look_again, own};
use crate::perform::Done;
use crate::{Engine, notices};

pub(super) async fn tell(engine: &Engine, run: &Run, rollout: &Rollout, state: RolloutState) -> Done {
    match told(engine, run, rollout, &state).await {
        Ok(()) => done(RolloutEvent::Told { state }),
        Err(error) => again(error),
    }
}

async fn told(engine: &Engine, run: &Run, rollout: &Rollout, state: &RolloutState) -> Result<(), StoreError> {
    let now = Timestamp::now();
    let spec = &rollout.spec;
    let name = &spec.environment.name;
    tracing::info!(
        run.id = %run.id, repo = %run.repo, environment = %name, tag = spec.release.tag, state = ?state, "rollout"
    );
    let mut acceptance = acceptance(run, "tell", now);
    acceptance.run = notices::of_rollout(engine, run, rollout, state, now);
    if let Some(parent) = spec.release.run {
        let word = ReleaseWord::Rollout { environment: name.clone(), run: run.id, state: state.clone() };
        acceptance.signals.push((SignalTarget::Run { run: parent }, Signal::Release { word }));
    }
    if let RolloutState::GivenUp { because } = state {
        let live = Live {
            release: spec.release.clone(),
            pool: spec.pool.clone(),
            config_hash: String::new(),
            environment: spec.environment.clone(),
            since: now,
            rollout: run.id,
            repo: Some(run.repo.clone()),
        };
        let here = EnvironmentOrders::of(engine, &run.repo, name).await?;
        // It may have been called off in the moment in which it took the lock.
        acceptance.orders.push((here.key.clone(), OrderChange::Yield { key: OrderKey::Lock, run: run.id }));
        // What has arrived has arrived, whoever gave up bringing it again.
        if spec.cause.brings_a_release() && here.arrival(&spec.release.tag).is_none() {
            let arrival =
                Arrival { live, outcome: Outcome::GivenUp { because: because.clone() }, at: now, begun_at: spec.begun_at };
            acceptance.orders.push((here.key, own(Ordered::Arrival { arrival: Box::new(arrival) }, now)));
        }
        acceptance.signals.extend(look_again(engine, run).await?);
    }
    engine.accept(acceptance).await?;
    Ok(())
}
