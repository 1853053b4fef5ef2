//! Overview: what is known of the environments and releases of a repository, out of the store alone, for people who look at it. It asks
//! no forge and no target, and changes nothing. Called by the desk of the command line and by the pages.

use std::collections::BTreeSet;

use gatewright_core::rollout::Outcome;
use gatewright_core::run::{ReleaseRun, Rollout, RolloutCause, RolloutState, Run};
use gatewright_core::store::{Phase, RunFilter, RunRecord, Store, StoreError};
use gatewright_core::{CommitId, EnvironmentName, RepoRef, RunId, Subject, Timestamp};
use serde::{Deserialize, Serialize};

use crate::rollout::EnvironmentOrders;

/// Environments and releases are looked for among so many of the newest runs of a repository. Those of older ones are found by name.
const RUNS_SEARCHED_MAX: usize = 10_000;

/// So many of them are read at once.
const SEARCH_PAGE: usize = 500;

/// What the file has environments for is taken from so many of the newest releases.
const RELEASES_READ_MAX: usize = 5;

/// So many rollouts to one environment that are not over are shown.
const OPEN_MAX: usize = 20;

/// What is known of an environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentOverview {
    /// Its name.
    pub name: EnvironmentName,
    /// What it runs.
    pub live: Option<LiveOverview>,
    /// Who keeps releases from it.
    pub frozen: Option<FreezeOverview>,
    /// Why releases do not come by themselves.
    pub held: Option<String>,
    /// What runs there and was not released.
    #[serde(default)]
    pub drift: Option<DriftOverview>,
    /// The rollout that has it to itself.
    pub locked_by: Option<RunId>,
    /// The rollouts that are not over, the newest first.
    pub open: Vec<RolloutOverview>,
    /// What became of the releases that have come here, the last one first.
    pub arrivals: Vec<ArrivalOverview>,
}

/// What an environment runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveOverview {
    /// The tag.
    pub tag: String,
    /// The version in it.
    pub version: String,
    /// The tag's commit.
    pub commit: CommitId,
    /// The pool.
    pub pool: String,
    /// Where it can be met.
    pub url: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// The rollout that brought it.
    pub rollout: RunId,
}

/// A freeze.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreezeOverview {
    /// Who.
    pub by: String,
    /// Until when, where that was said.
    pub until: Option<Timestamp>,
    /// Why, in that person's words. Untrusted text.
    pub reason: Option<String>,
}

/// What runs in an environment and was not released there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftOverview {
    /// When it was found.
    pub found_at: Timestamp,
    /// What differs, a line each, for people. Names of instances in it are untrusted text.
    pub differences: Vec<String>,
    /// The run that makes again what is live, where one was started.
    pub restored_by: Option<RunId>,
}

/// A rollout that is not over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RolloutOverview {
    /// The run.
    pub run: RunId,
    /// The tag.
    pub tag: String,
    /// How it stands.
    pub state: RolloutState,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// What has happened, for people.
    pub timeline: Vec<PastOverview>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastOverview {
    /// When.
    pub at: Timestamp,
    /// What, for people.
    pub what: String,
}

/// What became of a release in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArrivalOverview {
    /// The tag.
    pub tag: String,
    /// What came of it.
    pub outcome: Outcome,
    /// When that was so.
    pub at: Timestamp,
    /// The rollout.
    pub rollout: RunId,
}

/// A rollout that is over, as figures need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Where.
    pub environment: EnvironmentName,
    /// The tag.
    pub tag: String,
    /// The rollout.
    pub rollout: RunId,
    /// Whether somebody wanted back what was there before.
    pub restores: bool,
    /// What came of it.
    pub outcome: Outcome,
    /// When the release began, by its tag.
    pub begun_at: Timestamp,
    /// When it was over.
    pub at: Timestamp,
    /// When the router was first read to give it requests.
    pub shared_at: Option<Timestamp>,
    /// When it was decided to go back.
    pub decided_at: Option<Timestamp>,
    /// When the router was read to give it nothing again.
    pub read_back_at: Option<Timestamp>,
}

/// The environments that are known: those of the file of the newest releases, in its order, then others that something went to.
pub async fn environment_names(store: &dyn Store, repo: &RepoRef) -> Result<Vec<EnvironmentName>, StoreError> {
    let mut names: Vec<EnvironmentName> = Vec::new();
    let mut others = BTreeSet::new();
    let mut releases = 0;
    let (of_environment, of_release) = (format!("{}/environment/", repo.key()), format!("{}/release/", repo.key()));
    for record in records(store, repo, |_| true).await? {
        if let Some(name) = record.subject.strip_prefix(&of_environment) {
            others.extend(name.parse::<EnvironmentName>().ok().map(|name| name.to_string()));
        }
        if record.subject.starts_with(&of_release) && releases < RELEASES_READ_MAX {
            releases += 1;
            let run = replayed(store, record.id).await?;
            let valid = run.as_ref().and_then(Run::release).and_then(|release| release.valid.as_ref());
            for environment in valid.iter().flat_map(|valid| &valid.environments) {
                if !names.contains(&environment.name) {
                    names.push(environment.name.clone());
                }
            }
        }
    }
    let known: BTreeSet<String> = names.iter().map(ToString::to_string).collect();
    names.extend(others.into_iter().filter(|name| !known.contains(name)).filter_map(|name| name.parse().ok()));
    Ok(names)
}

/// What is known of an environment.
pub async fn environment(
    store: &dyn Store,
    repo: &RepoRef,
    name: &EnvironmentName,
    now: Timestamp,
) -> Result<EnvironmentOverview, StoreError> {
    let orders = EnvironmentOrders::read(store, repo, name).await?;
    let filter = RunFilter { subject: Some(orders.key.clone()), phase: Some(Phase::Open), ..RunFilter::default() };
    let mut open = Vec::new();
    for record in store.list(&filter, OPEN_MAX).await? {
        let run = replayed(store, record.id).await?;
        open.extend(run.as_ref().and_then(Run::rollout).map(|rollout| of_rollout(record.id, rollout)));
    }
    let live = orders.live().map(|live| LiveOverview {
        tag: live.release.tag.clone(),
        version: live.release.version.clone(),
        commit: live.release.commit.clone(),
        pool: live.pool.id.to_string(),
        url: live.environment.url.clone(),
        since: live.since,
        rollout: live.rollout,
    });
    let frozen = orders.freeze(now).map(|(order, until, reason)| FreezeOverview {
        by: order.by.login.clone(),
        until,
        reason: reason.map(str::to_owned),
    });
    let arrivals = orders.arrivals().into_iter().map(|arrival| ArrivalOverview {
        tag: arrival.live.release.tag.clone(),
        outcome: arrival.outcome.clone(),
        at: arrival.at,
        rollout: arrival.live.rollout,
    });
    let arrivals = arrivals.collect();
    let drift = orders.drift().filter(|drift| drift.stands()).map(|drift| DriftOverview {
        found_at: drift.found_at,
        differences: drift.differences.iter().map(ToString::to_string).collect(),
        restored_by: drift.restores.contains(&drift.found_at).then_some(drift.id),
    });
    let (held, locked_by) = (orders.hold(), orders.holder());
    Ok(EnvironmentOverview { name: name.clone(), live, frozen, held, drift, locked_by, open, arrivals })
}

impl EnvironmentOverview {
    /// Whether nothing has ever come here, or was said about it.
    pub fn is_unknown(&self) -> bool {
        self.live.is_none()
            && self.frozen.is_none()
            && self.held.is_none()
            && self.open.is_empty()
            && self.arrivals.is_empty()
            && self.locked_by.is_none()
    }
}

fn of_rollout(run: RunId, rollout: &Rollout) -> RolloutOverview {
    let past = |past: &gatewright_core::run::Past| PastOverview { at: past.at, what: past.what.clone() };
    RolloutOverview {
        run,
        tag: rollout.spec.release.tag.clone(),
        state: rollout.state(),
        created_at: rollout.created_at,
        timeline: rollout.timeline.iter().map(past).collect(),
    }
}

/// The newest runs of releases, the newest first, at most `limit`. With a tag, only that one's.
pub async fn releases(
    store: &dyn Store,
    repo: &RepoRef,
    tag: Option<&str>,
    limit: usize,
) -> Result<Vec<(RunRecord, Run)>, StoreError> {
    let found = match tag {
        Some(tag) => {
            let subject = Subject::Release { tag: tag.to_owned() }.key(repo);
            store.list(&RunFilter { subject: Some(subject), ..RunFilter::default() }, limit).await?
        }
        None => {
            let of_release = format!("{}/release/", repo.key());
            records(store, repo, |record| record.subject.starts_with(&of_release)).await?
        }
    };
    let mut runs = Vec::new();
    for record in found.into_iter().take(limit) {
        if let Some(run) = replayed(store, record.id).await?.filter(|run| run.release().is_some_and(ReleaseRun::is_one)) {
            runs.push((record, run));
        }
    }
    Ok(runs)
}

/// The rollouts that were over after `since`, the oldest first. Of those whose runs are pruned it is still known what came of them.
pub async fn deployments(store: &dyn Store, repo: &RepoRef, since: Timestamp) -> Result<Vec<Deployment>, StoreError> {
    let prefix = format!("{}/environment/", repo.key());
    let ended = |record: &RunRecord| record.subject.starts_with(&prefix) && record.updated_at >= since;
    let mut found = Vec::new();
    for record in records(store, repo, ended).await? {
        let run = replayed(store, record.id).await?;
        found.extend(run.as_ref().and_then(deployment).filter(|deployment| deployment.at >= since));
    }
    for name in environment_names(store, repo).await? {
        let orders = EnvironmentOrders::read(store, repo, &name).await?;
        for arrival in orders.arrivals().into_iter().filter(|arrival| arrival.at >= since) {
            if !found.iter().any(|deployment| deployment.rollout == arrival.live.rollout) {
                found.push(Deployment {
                    environment: name.clone(),
                    tag: arrival.live.release.tag.clone(),
                    rollout: arrival.live.rollout,
                    restores: false,
                    outcome: arrival.outcome.clone(),
                    begun_at: arrival.begun_at,
                    at: arrival.at,
                    shared_at: None,
                    decided_at: None,
                    read_back_at: None,
                });
            }
        }
    }
    found.sort_by_key(|deployment| deployment.at);
    Ok(found)
}

pub(crate) fn deployment(run: &Run) -> Option<Deployment> {
    let rollout = run.rollout().filter(|rollout| rollout.spec.cause.brings_a_release())?;
    let outcome = match rollout.state() {
        RolloutState::Promoted => Outcome::Promoted,
        RolloutState::RolledBack { because } => Outcome::RolledBack { because },
        RolloutState::GivenUp { because } => Outcome::GivenUp { because },
        RolloutState::Waiting { .. }
        | RolloutState::Moving { .. }
        | RolloutState::Paused { .. }
        | RolloutState::RollingBack { .. } => return None,
    };
    let pool = &rollout.spec.pool.id;
    let shared =
        |seen: &[gatewright_core::rollout::Seen]| seen.last().is_some_and(|seen| seen.routes.share_millipercent(pool) > 0);
    Some(Deployment {
        environment: rollout.spec.environment.name.clone(),
        tag: rollout.spec.release.tag.clone(),
        rollout: run.id,
        restores: matches!(rollout.spec.cause, RolloutCause::Restored { .. }),
        outcome,
        begun_at: rollout.spec.begun_at,
        at: rollout.settled_at.or(run.finished.as_ref().map(|(_, at)| *at)).unwrap_or(run.updated_at),
        shared_at: rollout.checkpoints.iter().find(|(_, seen)| shared(seen)).map(|(at, _)| *at),
        decided_at: rollout.back.as_ref().map(|back| back.decided_at),
        read_back_at: rollout.back.as_ref().and_then(|back| back.read_back_at),
    })
}

/// Those of the newest runs of a repository that are wanted, the newest first.
async fn records(store: &dyn Store, repo: &RepoRef, wanted: impl Fn(&RunRecord) -> bool) -> Result<Vec<RunRecord>, StoreError> {
    let (mut found, mut before) = (Vec::new(), None);
    for _ in 0..RUNS_SEARCHED_MAX / SEARCH_PAGE {
        let filter = RunFilter { repo: Some(repo.key()), before, ..RunFilter::default() };
        let page = store.list(&filter, SEARCH_PAGE).await?;
        before = page.last().map(|record| record.id);
        let all = page.len() < SEARCH_PAGE;
        found.extend(page.into_iter().filter(|record| wanted(record)));
        if all {
            break;
        }
    }
    Ok(found)
}

/// A run as its journal tells it. None where this version cannot read it.
async fn replayed(store: &dyn Store, id: RunId) -> Result<Option<Run>, StoreError> {
    match store.journal(id).await {
        Ok((_, journal)) => Ok(Run::replay(id, &journal).ok()),
        Err(StoreError::NoRun(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
