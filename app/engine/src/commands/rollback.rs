//! `/gw rollback [ENV] [REASON]`: undoes the rollout that is under way; where none is, brings the release back that was there before.
//! Neither waits for approvals, windows or a freeze.

use gatewright_core::command::CommandName;
use gatewright_core::rollout::{Arrival, Outcome};
use gatewright_core::run::{Deed, NewRun, Pace, RolloutCause, RolloutSpec, RolloutWord, RunSpec, Work};
use gatewright_core::{RunId, Subject};

use super::environment::EnvironmentCase;
use super::{Answer, Case, Granted, words};

pub(super) fn obey(case: &Case<'_>, args: &[String]) -> Answer {
    let fits = |environment: &EnvironmentCase| environment.under_way().is_some();
    let (environment, rest) = case.environment_and_rest(CommandName::Rollback, args, fits)?;
    let name = &environment.name;
    let because = words(rest);
    if let Some((run, rollout)) = environment.under_way() {
        if rollout.back.is_some() {
            return Err("it is being rolled back already.".to_owned());
        }
        return case.tell(&[run], &RolloutWord::RollBack { by: case.user(), because }, format!("rolled back in {name}"));
    }
    let Some(before) = before(environment) else {
        return Err(format!("no release is known that was in `{name}` before what is there now."));
    };
    let live = &before.live;
    let spec = RolloutSpec {
        release: gatewright_core::rollout::Release { run: None, ..live.release.clone() },
        environment: live.environment.clone(),
        pool: live.pool.clone(),
        cause: RolloutCause::Restored { by: case.user(), because },
        pace: Pace::Straight,
        begun_at: case.now,
        measure_secs: 10,
        baseline_secs: 0,
        remind_after_secs: Vec::new(),
    };
    let subject = Subject::Environment { name: name.clone() };
    let run =
        NewRun { id: RunId::new(), spec: RunSpec { repo: case.repo.clone(), subject, work: Work::Rollout(Box::new(spec)) } };
    let means = format!("{name} back to {}", live.release.tag);
    Ok(Granted { deed: Deed { run: Some(run), ..Deed::default() }, means })
}

/// What was there last that is not there now.
fn before(environment: &EnvironmentCase) -> Option<&Arrival> {
    let live = environment.live.as_ref().map(|live| &live.release.tag);
    environment.arrivals.iter().find(|arrival| arrival.outcome == Outcome::Promoted && Some(&arrival.live.release.tag) != live)
}
