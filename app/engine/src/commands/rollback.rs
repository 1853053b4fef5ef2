//! `/gw rollback [ENV] [VERSION] [REASON]`: undoes the rollout that is under way; where none is, brings the release back that was there
//! before, or the one of this version or tag that was there at any time, as it was written down. Neither waits for approvals, windows or a freeze.

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
    if let Some((run, rollout)) = environment.under_way() {
        if rollout.back.is_some() {
            return Err("it is being rolled back already.".to_owned());
        }
        let because = words(rest);
        return case.tell(&[run], &RolloutWord::RollBack { by: case.user(), because }, format!("rolled back in {name}"));
    }
    let (named, rest) = match rest.split_first().and_then(|(word, rest)| Some((named(environment, word)?, rest))) {
        Some((arrival, rest)) => (Some(arrival), rest),
        None => (None, rest),
    };
    let is_live = |arrival: &Arrival| environment.live.as_ref().is_some_and(|live| live.release.tag == arrival.live.release.tag);
    if let Some(arrival) = named.filter(|arrival| is_live(arrival)) {
        return Err(format!("`{}` is what is live in `{name}`.", arrival.live.release.tag));
    }
    let because = words(rest);
    let Some(before) = named.or_else(|| before(environment)) else {
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

/// The release of this tag or version that was there.
fn named<'e>(environment: &'e EnvironmentCase, word: &str) -> Option<&'e Arrival> {
    environment.arrivals.iter().find(|arrival| {
        let release = &arrival.live.release;
        arrival.outcome == Outcome::Promoted && (release.tag == word || release.version == word)
    })
}

/// What was there last that is not there now.
fn before(environment: &EnvironmentCase) -> Option<&Arrival> {
    let live = environment.live.as_ref().map(|live| &live.release.tag);
    environment.arrivals.iter().find(|arrival| arrival.outcome == Outcome::Promoted && Some(&arrival.live.release.tag) != live)
}
