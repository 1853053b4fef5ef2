//! Look: finds out whether a rollout may begin, and takes the environment's lock once it may.

use std::cmp::Ordering;

use gatewright_core::command::{CommandName, Who};
use gatewright_core::config::{AuthorCounts, Busy, StartsBy};
use gatewright_core::event::User;
use gatewright_core::forge::{Forge, ForgeError};
use gatewright_core::order::{Order, OrderChange, OrderKey, Ordered};
use gatewright_core::rollout::version::Version;
use gatewright_core::rollout::{Old, Outcome, Wait, moves, window};
use gatewright_core::run::{Pace, Rollout, RolloutCause, RolloutEvent, RolloutWord, Run, Signal, SignalTarget};
use gatewright_core::store::StoreError;
use gatewright_core::target::TargetError;
use gatewright_core::{RunId, Timestamp};
use jiff::SignedDuration;

use super::{EnvironmentOrders, acceptance, again, done, place, service, site};
use crate::commands::may::Rules;
use crate::perform::{Done, again_or_final};
use crate::{Engine, drive};

/// Who waits is told when something has changed. Should that get lost, it is looked again after so long.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_mins(10);

/// Another rollout in the same environment is asked after so often.
const LOOK_AGAIN_BUSY: SignedDuration = SignedDuration::from_secs(30);
// Meanwhile it is out of hand.
const _: () = assert!(LOOK_AGAIN_BUSY.as_secs() > drive::PATIENCE.as_secs());

/// Why looking stopped short.
enum Short {
    Done(Done),
    Refused(String),
}

impl From<StoreError> for Short {
    fn from(error: StoreError) -> Self {
        Short::Done(again(error))
    }
}

impl From<ForgeError> for Short {
    fn from(error: ForgeError) -> Self {
        match again_or_final(error) {
            Ok(done) => Short::Done(done),
            Err(cause) => Short::Refused(cause),
        }
    }
}

pub(super) async fn look(engine: &Engine, run: &Run, rollout: &Rollout) -> Done {
    match looked(engine, run, rollout, Timestamp::now()).await {
        Ok(event) => done(event),
        Err(Short::Refused(because)) => match give_lock_back(engine, run, rollout).await {
            Ok(()) => done(RolloutEvent::Refused { because }),
            Err(error) => again(error),
        },
        Err(Short::Done(done)) => done,
    }
}

async fn give_lock_back(engine: &Engine, run: &Run, rollout: &Rollout) -> Result<(), StoreError> {
    let here = EnvironmentOrders::of(engine, &run.repo, &rollout.spec.environment.name).await?;
    if here.holder() == Some(run.id) {
        let now = Timestamp::now();
        let orders = vec![(here.key, OrderChange::Yield { key: OrderKey::Lock, run: run.id })];
        engine.accept(acceptance_of(run, "unlock", orders, now)).await?;
    }
    Ok(())
}

fn acceptance_of(
    run: &Run,
    purpose: &str,
    orders: Vec<(String, OrderChange)>,
    now: Timestamp,
) -> gatewright_core::store::Acceptance {
    gatewright_core::store::Acceptance { orders, ..acceptance(run, purpose, now) }
}

async fn looked(engine: &Engine, run: &Run, rollout: &Rollout, now: Timestamp) -> Result<RolloutEvent, Short> {
    let environment = &rollout.spec.environment;
    let here = EnvironmentOrders::of(engine, &run.repo, &environment.name).await?;
    overtaken(rollout, &here)?;
    let waits = match rollout.spec.pace {
        Pace::Staged => waits(engine, run, rollout, &here, now).await?,
        Pace::Straight => Vec::new(),
    };
    if waits.is_empty() && take_lock(engine, run, rollout, now).await? {
        // Only who has the lock knows what the environment runs: another rollout may have ended since it was looked.
        let here = EnvironmentOrders::of(engine, &run.repo, &environment.name).await?;
        overtaken(rollout, &here)?;
        return admitted(engine, run, rollout, &here).await;
    }
    let waits = if waits.is_empty() { vec![busy(engine, run, rollout).await?] } else { waits };
    if age_secs(rollout, now) >= environment.deadline_secs {
        let waits: Vec<String> = waits.iter().map(Wait::to_string).collect();
        let days = environment.deadline_secs as f64 / 86_400.0;
        return Err(Short::Refused(format!("it waited {days:.1} days for {}", waits.join(" and "))));
    }
    let look_at = waits.iter().map(|wait| look_at(wait, now)).min().unwrap_or(now + LOOK_AGAIN);
    Ok(RolloutEvent::Looked { waits, look_at, heard: rollout.heard })
}

fn age_secs(rollout: &Rollout, now: Timestamp) -> u64 {
    u64::try_from(now.duration_since(rollout.created_at).as_secs()).unwrap_or(0)
}

fn look_at(wait: &Wait, now: Timestamp) -> Timestamp {
    match wait {
        Wait::Soak { until, .. } | Wait::Freeze { until: Some(until), .. } | Wait::Window { opens_at: until } => {
            (*until).min(now + SignedDuration::from_hours(24))
        }
        Wait::Busy { .. } => now + LOOK_AGAIN_BUSY,
        Wait::After { .. } | Wait::Approvals { .. } | Wait::Freeze { until: None, .. } | Wait::Held { .. } | Wait::Command => {
            now + LOOK_AGAIN
        }
    }
}

/// A release that comes by itself gives way to a newer one that is there already.
fn overtaken(rollout: &Rollout, here: &EnvironmentOrders) -> Result<(), Short> {
    let (RolloutCause::Released, Some(live)) = (&rollout.spec.cause, here.live()) else { return Ok(()) };
    let versions = (live.release.tag.parse::<Version>(), rollout.spec.release.tag.parse::<Version>());
    match versions {
        (Ok(there), Ok(own)) if there.precedence(&own) == Some(Ordering::Greater) => {
            Err(Short::Refused(format!("{} is there already, which is newer", live.release.tag)))
        }
        _ => Ok(()),
    }
}

async fn waits(
    engine: &Engine,
    run: &Run,
    rollout: &Rollout,
    here: &EnvironmentOrders,
    now: Timestamp,
) -> Result<Vec<Wait>, Short> {
    let environment = &rollout.spec.environment;
    let by_itself = matches!(rollout.spec.cause, RolloutCause::Released) && rollout.commanded.is_none();
    let mut waits = earlier_environments(engine, run, rollout, now).await?;
    if by_itself && environment.start == StartsBy::Command {
        waits.push(Wait::Command);
    }
    waits.extend(approvals(engine, run, rollout).await?);
    if let Some(opens_at) = window::opens(&environment.windows, now) {
        waits.push(Wait::Window { opens_at });
    }
    if let Some((order, until, reason)) = here.freeze(now) {
        waits.push(Wait::Freeze { by: order.by.login.clone(), reason: reason.map(str::to_owned), until });
    }
    // Who says `deploy` has seen what happened before.
    if let (Some(because), true) = (here.hold(), by_itself) {
        waits.push(Wait::Held { because });
    }
    Ok(waits)
}

/// The environments that the release has to have arrived in, and been for a while.
async fn earlier_environments(engine: &Engine, run: &Run, rollout: &Rollout, now: Timestamp) -> Result<Vec<Wait>, Short> {
    let environment = &rollout.spec.environment;
    let tag = &rollout.spec.release.tag;
    let mut waits = Vec::new();
    for name in &environment.after {
        let there = EnvironmentOrders::of(engine, &run.repo, name).await?;
        let arrival = there.arrival(tag).filter(|arrival| arrival.live.release.commit == rollout.spec.release.commit);
        match arrival.map(|arrival| (&arrival.outcome, arrival.at)) {
            Some((Outcome::Promoted, at)) => {
                let until = at + SignedDuration::from_secs(i64::try_from(environment.soak_secs).unwrap_or(i64::MAX / 2));
                if until > now {
                    waits.push(Wait::Soak { environment: name.clone(), until });
                }
            }
            Some((Outcome::RolledBack { because } | Outcome::GivenUp { because }, at)) if at >= rollout.created_at => {
                return Err(Short::Refused(format!("it did not get into {name}: {because}")));
            }
            Some((Outcome::RolledBack { .. } | Outcome::GivenUp { .. }, _)) | None => {
                waits.push(Wait::After { environment: name.clone() });
            }
        }
    }
    Ok(waits)
}

/// The approvals that are missing. Who has agreed and may no longer does not count.
async fn approvals(engine: &Engine, run: &Run, rollout: &Rollout) -> Result<Option<Wait>, Short> {
    let wanted = &rollout.spec.environment.approvals;
    if wanted.count == 0 {
        return Ok(None);
    }
    let forge = engine.forge(run.repo.forge).ok_or_else(|| Short::Refused(format!("{} is not configured", run.repo.forge)))?;
    let mut given = 0;
    for user in &rollout.approvals {
        let author = rollout.spec.release.authors.iter().any(|author| author.id == user.id);
        if !(author && wanted.author == AuthorCounts::No) && may_approve(forge.as_ref(), run, &wanted.who, user).await? {
            given += 1;
        }
    }
    let missing = wanted.count.saturating_sub(given);
    let who = match wanted.who.as_slice() {
        [] => "whoever may promote".to_owned(),
        who => who.iter().map(who_words).collect::<Vec<_>>().join(", "),
    };
    Ok((missing > 0).then_some(Wait::Approvals { missing, who }))
}

fn who_words(who: &Who) -> String {
    match who {
        Who::Role(role) => format!("{role:?}").to_lowercase(),
        Who::User(name) | Who::Team(name) => format!("@{name}"),
    }
}

async fn may_approve(forge: &dyn Forge, run: &Run, who: &[Who], user: &User) -> Result<bool, Short> {
    let rules = match who {
        [] => Rules::Written(Default::default()),
        who => Rules::Written([(CommandName::Promote, who.to_vec())].into()),
    };
    let standing = forge.standing(&run.repo, user, &rules.teams([CommandName::Promote])).await?;
    Ok(!standing.bot && rules.may(CommandName::Promote, &standing, false))
}

/// Takes the environment's lock. False where another run has it.
async fn take_lock(engine: &Engine, run: &Run, rollout: &Rollout, now: Timestamp) -> Result<bool, StoreError> {
    let name = &rollout.spec.environment.name;
    let here = EnvironmentOrders::of(engine, &run.repo, name).await?;
    if here.holder().is_none() {
        let order = Order { by: service(), at: now, run: run.id, what: Ordered::Lock };
        // Each try is one of its own: the lock may have been somebody else's the last time.
        let words = format!("lock/{}", RunId::new());
        let orders = vec![(here.key, OrderChange::Take { order })];
        let acceptance =
            gatewright_core::store::Acceptance { orders, ..gatewright_core::store::Acceptance::internal(&words, now) };
        engine.accept(acceptance).await?;
    }
    Ok(EnvironmentOrders::of(engine, &run.repo, name).await?.holder() == Some(run.id))
}

/// Another rollout is under way. One that is to give way is told so.
async fn busy(engine: &Engine, run: &Run, rollout: &Rollout) -> Result<Wait, StoreError> {
    let here = EnvironmentOrders::of(engine, &run.repo, &rollout.spec.environment.name).await?;
    let holder = here.holder().unwrap_or(run.id);
    if rollout.spec.environment.busy == Busy::Supersede && rollout.spec.pace == Pace::Staged && holder != run.id {
        let word = RolloutWord::GiveWay { tag: rollout.spec.release.tag.clone() };
        let signals = vec![(SignalTarget::Run { run: holder }, Signal::Rollout { word })];
        let words = format!("take-place/{}/{holder}", run.id);
        let acceptance = gatewright_core::store::Acceptance {
            signals,
            ..gatewright_core::store::Acceptance::internal(&words, Timestamp::now())
        };
        engine.accept(acceptance).await?;
    }
    Ok(Wait::Busy { run: holder })
}

async fn admitted(engine: &Engine, run: &Run, rollout: &Rollout, here: &EnvironmentOrders) -> Result<RolloutEvent, Short> {
    let place = place(run, rollout);
    // The environment is kept from others meanwhile, so this has an end too.
    let late = age_secs(rollout, Timestamp::now()) >= rollout.spec.environment.deadline_secs;
    let refused = |error: TargetError| match error {
        TargetError::Unavailable { .. } if !late => Short::Done(again(error)),
        TargetError::Unavailable { .. } => Short::Refused(format!("it could not be begun in time: {error}")),
        TargetError::Refused { .. } => Short::Refused(error.to_string()),
    };
    let site = site(engine, &place).map_err(refused)?;
    let planned = site.target.plan(&place, &rollout.spec.pool).await.map_err(refused)?;
    let live = here.live().cloned();
    if let RolloutCause::Drifted { pool, .. } = &rollout.spec.cause
        && live.as_ref().is_none_or(|live| live.pool.id != *pool)
    {
        return Err(Short::Refused("something else is live by now".to_owned()));
    }
    let old = match &live {
        None => Old::Nothing,
        Some(live) if live.pool.id == rollout.spec.pool.id => Old::Same,
        Some(live) => Old::Other(live.replicas()),
    };
    let judged = !site.metrics.is_empty() && !rollout.spec.environment.analysis.is_empty();
    let baseline = if judged { rollout.spec.baseline_secs } else { 0 };
    let straight = rollout.spec.pace == Pace::Straight;
    let moves = moves(&rollout.spec.environment, old, straight, baseline);
    Ok(RolloutEvent::Admitted { live: live.map(Box::new), digest: planned.digest, config_hash: planned.config_hash, moves })
}
