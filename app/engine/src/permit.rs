//! Permits: answers workflows of the forge that wait for leave to deploy. A commit may be deployed to an environment where its release is
//! live or its rollout has begun: what that waits for (approvals, windows, freezes, the environments before) then holds for workflows too.

use gatewright_core::report::{ProtectionAnswer, ProtectionReport, Report};
use gatewright_core::rollout::{Outcome, Wait};
use gatewright_core::run::{PermitAction, PermitEvent, PermitRun, RolloutState, Run, RunEvent};
use gatewright_core::store::{Phase, RunFilter, StoreError};
use gatewright_core::{CommitId, EnvironmentName, RepoRef, Timestamp};
use jiff::SignedDuration;

use crate::perform::Done;
use crate::render::escape;
use crate::rollout::EnvironmentOrders;
use crate::{Engine, drive};

/// It is looked again so often.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(30);
// Meanwhile it is out of hand.
const _: () = assert!(LOOK_AGAIN.as_secs() > drive::PATIENCE.as_secs());

/// A commit that no rollout is known of is waited for so long: the workflow may have begun with the same tag.
const UNKNOWN_FOR: SignedDuration = SignedDuration::from_hours(1);

/// A workflow that still waits after so long is told no. GitHub itself ends it after 30 days.
const DEADLINE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// So many rollouts of an environment that are not over are looked at.
const OPEN_MAX: usize = 50;

type Answer = (ProtectionAnswer, String);

/// Looks whether a workflow may deploy.
pub(crate) async fn perform(engine: &Engine, run: &Run, of: &PermitRun, action: PermitAction) -> Done {
    let PermitAction::Look = action;
    let now = Timestamp::now();
    match answer(engine, &run.repo, of, now).await {
        Ok((answer, because)) => {
            let event = PermitEvent::Looked { answer, because, look_at: now + LOOK_AGAIN };
            Done::Events(vec![RunEvent::Permit { event }])
        }
        Err(error) => Done::Again { after: None, cause: error.to_string() },
    }
}

/// What the forge is to be told.
pub(crate) fn report(of: &PermitRun) -> Result<Report, String> {
    let (answer, because) = of.answer.clone().ok_or("nothing was found out yet")?;
    Ok(Report::ProtectionRule(ProtectionReport {
        workflow_run: of.spec.workflow_run,
        environment: of.spec.environment.clone(),
        answer,
        comment: because,
    }))
}

async fn answer(engine: &Engine, repo: &RepoRef, of: &PermitRun, now: Timestamp) -> Result<Answer, StoreError> {
    let Some(head) = &of.spec.head else { return Ok(rejected("the forge does not say which commit is to be deployed")) };
    let Ok(name) = of.spec.environment.parse::<EnvironmentName>() else {
        let name = escape(&of.spec.environment);
        return Ok(rejected(format!("{name} is no environment that a repository file could have")));
    };
    let age = now.duration_since(of.created_at);
    match known(engine, repo, &name, head).await? {
        Some((ProtectionAnswer::NotYet, because)) if age >= DEADLINE => {
            Ok(rejected(format!("it waited for {} days: {because}", DEADLINE.as_hours() / 24)))
        }
        Some(answer) => Ok(answer),
        None if age >= UNKNOWN_FOR => Ok(rejected(format!("no release of {} to {name} is known", head.short()))),
        None => Ok((ProtectionAnswer::NotYet, format!("it waits for a release of {} to {name}", head.short()))),
    }
}

fn rejected(because: impl Into<String>) -> Answer {
    (ProtectionAnswer::Rejected, because.into())
}

fn approved(because: impl Into<String>) -> Answer {
    (ProtectionAnswer::Approved, because.into())
}

/// What is known of a commit in an environment: what is live, what is on its way, and else what became of it.
async fn known(engine: &Engine, repo: &RepoRef, name: &EnvironmentName, head: &CommitId) -> Result<Option<Answer>, StoreError> {
    let here = EnvironmentOrders::of(engine, repo, name).await?;
    if let Some(live) = here.live().filter(|live| live.release.commit == *head) {
        return Ok(Some(approved(format!("{} is live in {name}", escape(&live.release.tag)))));
    }
    let filter = RunFilter { subject: Some(here.key.clone()), phase: Some(Phase::Open), ..RunFilter::default() };
    for run in engine.runs(&filter, OPEN_MAX).await? {
        if let Some(rollout) = run.rollout().filter(|rollout| rollout.spec.release.commit == *head) {
            return Ok(Some(of_rollout(&rollout.spec.release.tag, name, &rollout.state())));
        }
    }
    let arrival = here.arrivals().into_iter().find(|arrival| arrival.live.release.commit == *head);
    Ok(arrival.map(|arrival| {
        let tag = escape(&arrival.live.release.tag);
        match &arrival.outcome {
            Outcome::Promoted => rejected(format!("{tag} was live in {name}, and something else is now")),
            Outcome::RolledBack { because } => rejected(format!("{tag} was rolled back in {name}: {}", escape(because))),
            Outcome::GivenUp { because } => rejected(format!("{tag} was not rolled out to {name}: {}", escape(because))),
        }
    }))
}

fn of_rollout(tag: &str, name: &EnvironmentName, state: &RolloutState) -> Answer {
    let tag = escape(tag);
    match state {
        RolloutState::Waiting { waits, .. } if waits.is_empty() => {
            (ProtectionAnswer::NotYet, format!("the rollout of {tag} to {name} is getting ready"))
        }
        RolloutState::Waiting { waits, .. } => {
            let waits: Vec<String> = waits.iter().map(Wait::to_string).collect();
            (ProtectionAnswer::NotYet, format!("the rollout of {tag} to {name} waits for {}", escape(&waits.join(" and "))))
        }
        RolloutState::Moving { .. } | RolloutState::Paused { .. } | RolloutState::Promoted => {
            approved(format!("the rollout of {tag} to {name} has begun"))
        }
        RolloutState::RollingBack { because } | RolloutState::RolledBack { because } => {
            rejected(format!("{tag} is rolled back in {name}: {}", escape(because)))
        }
        RolloutState::GivenUp { because } => rejected(format!("{tag} is not rolled out to {name}: {}", escape(because))),
    }
}
