//! Plan: looks at every environment before anything is changed anywhere, and writes the notes.

use std::collections::BTreeMap;

use gatewright_core::config::{Environment, Notes as NotesWanted};
use gatewright_core::forge::ForgeError;
use gatewright_core::plan::glob;
use gatewright_core::report::AssetName;
use gatewright_core::rollout::Release;
use gatewright_core::rollout::fill::pool_id;
use gatewright_core::run::{Artefact, PlannedEnvironment, ReleaseEvent, ReleaseRun, Run, StepState, Valid};
use gatewright_core::store::{RunFilter, StoreError};
use gatewright_core::target::{Pool, TargetError};
use gatewright_core::{RepoRef, Timestamp};

use jiff::SignedDuration;

use super::{again, done};
use crate::Engine;
use crate::perform::{Done, again_or_final};
use crate::rollout::{place_of, site};

/// So many runs of the commit are looked at for artefacts.
const RUNS_MAX: usize = 50;

/// A release gives out so many artefacts at most.
const ARTEFACTS_MAX: usize = 100;

/// What cannot be looked at now, as an image that is still being built, is waited for so long after the gates are over.
const PATIENCE: SignedDuration = SignedDuration::from_hours(6);

/// Why planning stopped short.
struct Short(Done);

impl From<StoreError> for Short {
    fn from(error: StoreError) -> Self {
        Short(again(error))
    }
}

pub(super) async fn plan(engine: &Engine, run: &Run, release: &ReleaseRun) -> Done {
    match planned(engine, run, release).await {
        Ok(event) => done(event),
        Err(Short(done)) => done,
    }
}

async fn planned(engine: &Engine, run: &Run, release: &ReleaseRun) -> Result<ReleaseEvent, Short> {
    let Some(valid) = &release.valid else { return Err(Short(Done::GivenUp)) };
    let mut environments = Vec::new();
    for environment in &valid.environments {
        let waited = Timestamp::now().duration_since(release.since);
        match one(engine, &run.repo, &valid.release, environment).await {
            Ok(planned) => environments.push(planned),
            Err((planned, error)) if waited > PATIENCE => {
                let problem = format!("{error}; it was tried for {} hours", PATIENCE.as_hours());
                environments.push(PlannedEnvironment { problem: Some(problem), ..planned });
            }
            Err((_, error)) => return Err(Short(again(error))),
        }
    }
    let artefacts = artefacts(engine, run, valid).await?;
    let notes = match valid.config.notes {
        NotesWanted::None => String::new(),
        NotesWanted::Conventional => notes(engine, run, valid, &artefacts).await?,
    };
    Ok(ReleaseEvent::Planned { environments, notes, artefacts })
}

/// What a pool of a release is in an environment.
pub(crate) fn pool(release: &Release, environment: &Environment) -> Pool {
    let id = pool_id(&release.version, &environment.target);
    Pool { id, version: release.version.clone(), config: environment.target.clone(), digest: None }
}

/// What would be done in one environment. An error may pass; with it comes what is known all the same.
async fn one(
    engine: &Engine,
    repo: &RepoRef,
    release: &Release,
    environment: &Environment,
) -> Result<PlannedEnvironment, (PlannedEnvironment, TargetError)> {
    let pool = pool(release, environment);
    let place = place_of(repo, environment, &pool);
    let planned = match site(engine, &place) {
        Ok(site) => site.target.plan(&place, &pool).await,
        Err(error) => Err(error),
    };
    let name = environment.name.clone();
    match planned {
        Ok(planned) => {
            let pool = Pool { digest: planned.digest, ..pool };
            Ok(PlannedEnvironment { name, pool, changes: planned.changes, problem: None })
        }
        Err(error @ TargetError::Refused { .. }) => {
            Ok(PlannedEnvironment { name, pool, changes: Vec::new(), problem: Some(error.to_string()) })
        }
        Err(error @ TargetError::Unavailable { .. }) => {
            Err((PlannedEnvironment { name, pool, changes: Vec::new(), problem: None }, error))
        }
    }
}

/// The outputs of the commit's gates that are given out, the newest of each name.
async fn artefacts(engine: &Engine, run: &Run, valid: &Valid) -> Result<Vec<Artefact>, StoreError> {
    let rules: Vec<_> = valid.config.artefacts.iter().filter_map(|rule| glob(rule).ok()).collect();
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    let rules: Vec<_> = rules.iter().map(globset::Glob::compile_matcher).collect();
    let commit = Some(valid.release.commit.clone());
    let filter = RunFilter { repo: Some(run.repo.key()), commit, ..RunFilter::default() };
    let mut found: BTreeMap<AssetName, Artefact> = BTreeMap::new();
    for of in engine.runs(&filter, RUNS_MAX).await? {
        let steps = of.gates().into_iter().flat_map(|gates| gates.steps.clone());
        for step in steps.filter(|step| valid.config.require.is_empty() || valid.config.require.contains(&step.gate.name)) {
            let StepState::Done { outcome, .. } = step.state else { continue };
            for output in outcome.outputs.iter().filter(|output| rules.iter().any(|rule| rule.is_match(&output.path))) {
                let file = output.path.rsplit('/').next().unwrap_or_default();
                if let (Ok(name), true) = (file.parse::<AssetName>(), found.len() < ARTEFACTS_MAX) {
                    let artefact = Artefact { name: name.clone(), blob: output.blob.clone(), bytes: output.bytes };
                    found.entry(name).or_insert(artefact);
                }
            }
        }
    }
    Ok(found.into_values().collect())
}

async fn notes(engine: &Engine, run: &Run, valid: &Valid, artefacts: &[Artefact]) -> Result<String, Short> {
    let Some(forge) = engine.forge(run.repo.forge) else { return Ok(String::new()) };
    let asked = |error: ForgeError| match again_or_final(error) {
        Ok(done) => Short(done),
        Err(cause) => Short(again(cause)),
    };
    let previous = match &valid.previous {
        Some(tag) => forge.tag(&run.repo, tag).await.map_err(asked)?.map(|tag| tag.commit),
        None => None,
    };
    let commits = forge.commits_between(&run.repo, previous.as_ref(), &valid.release.commit).await.map_err(asked)?;
    // A blob's id is the SHA-256 of what is in it.
    let listed = |artefact: &Artefact| super::Artefact { name: artefact.name.to_string(), sha256: artefact.blob.to_string() };
    let artefacts: Vec<super::Artefact> = artefacts.iter().map(listed).collect();
    Ok(super::notes(&super::Notes {
        commits: &commits,
        previous: valid.previous.as_deref().filter(|_| previous.is_some()),
        tag: &valid.release.tag,
        artefacts: &artefacts,
        forge: run.repo.forge,
    }))
}
