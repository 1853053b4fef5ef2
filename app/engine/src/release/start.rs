//! Start: starts a rollout for each environment of a release. Each waits by itself for what it needs.

use gatewright_core::run::{NewRun, Pace, ReleaseEvent, ReleaseRun, RolloutCause, RolloutSpec, Run, RunSpec, Work};
use gatewright_core::store::Acceptance;
use gatewright_core::{Subject, Timestamp};

use super::plan::pool;
use super::{again, done};
use crate::Engine;
use crate::perform::Done;

pub(super) async fn start(engine: &Engine, run: &Run, release: &ReleaseRun) -> Done {
    let (Some(valid), Some(planned)) = (&release.valid, &release.planned) else { return Done::GivenUp };
    let cause = match &release.spec.commanded {
        Some(by) => RolloutCause::Commanded { by: by.clone() },
        None => RolloutCause::Released,
    };
    let mut rollouts = Vec::new();
    for environment in &valid.environments {
        let planned = planned.iter().find(|planned| planned.name == environment.name);
        let spec = RolloutSpec {
            release: valid.release.clone(),
            environment: Box::new(environment.clone()),
            pool: planned.map_or_else(|| pool(&valid.release, environment), |planned| planned.pool.clone()),
            cause: cause.clone(),
            pace: Pace::Staged,
            begun_at: release.created_at,
            measure_secs: engine.options.measure_secs,
            baseline_secs: engine.options.baseline_secs,
            remind_after_secs: engine.options.remind_after_secs.clone(),
        };
        let name = environment.name.clone();
        let subject = Subject::Environment { name: name.clone() };
        let id = run.id.child(name.as_str());
        let new = NewRun { id, spec: RunSpec { repo: run.repo.clone(), subject, work: Work::Rollout(Box::new(spec)) } };
        let words = format!("rollout/{}/{name}", run.id);
        let acceptance = Acceptance { run: Some(new), ..Acceptance::internal(&words, Timestamp::now()) };
        if let Err(error) = engine.accept(acceptance).await {
            return again(error);
        }
        rollouts.push((name, id));
    }
    done(ReleaseEvent::Started { rollouts })
}
