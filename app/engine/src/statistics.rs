//! Statistics: how often releases get into an environment, how long that takes, how often it goes wrong, and for how long. Pure.
//!
//! What counts as what is written at each figure, and in `docs/operations.md`.

use gatewright_core::rollout::Outcome;
use gatewright_core::run::Run;
use gatewright_core::{EnvironmentName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::overview::{self, Deployment};

/// The figures of one environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Which.
    pub environment: EnvironmentName,
    /// Releases that got there, without those that somebody went back to.
    pub deployments: u32,
    /// The same, a day.
    pub deployments_per_day: f64,
    /// From the begin of the release, by its tag, until it was live.
    pub lead_time: Spread,
    /// Of the releases that began to go there: those that were rolled back, or that somebody went back from. In percent; None where none
    /// began.
    pub change_failure_percent: Option<f64>,
    /// Of the rollouts that are over, ways back among them: those that ended with the release live. In percent; None where none is over.
    pub success_percent: Option<f64>,
    /// From the first request that a release got that failed until it got none any more.
    pub time_to_restore: Spread,
    /// From the decision to go back until the router was read to be back.
    pub rollback_time: Spread,
    /// Those that were rolled back, by the analysis or by somebody, before they were live.
    pub rolled_back: u32,
    /// Those that never began.
    pub given_up: u32,
    /// Ways back to what was there before.
    pub restored: u32,
}

/// How long something took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// How often it was measured.
    pub count: u32,
    /// The middle one, in seconds to a thousandth: a way back takes less than one. Of two in the middle the shorter. None where there is none.
    pub median_secs: Option<f64>,
    /// The longest, in seconds.
    pub max_secs: Option<f64>,
}

impl Spread {
    fn of(mut millis: Vec<u64>) -> Spread {
        millis.sort_unstable();
        let secs = |millis: &u64| *millis as f64 / 1_000.0;
        let median = millis.len().checked_sub(1).and_then(|last| millis.get(last / 2));
        Spread { count: count(millis.len()), median_secs: median.map(secs), max_secs: millis.last().map(secs) }
    }
}

/// Counts a rollout that is over for the service's metrics: how it ended, how long the release took to get there, and how long a way back
/// took. Other runs are none.
pub(crate) fn count_over(run: &Run) {
    let Some(over) = overview::deployment(run) else { return };
    let (repo, environment) = (run.repo.path.clone(), over.environment.to_string());
    let outcome = match over.outcome {
        Outcome::Promoted if over.restores => "restored",
        Outcome::Promoted => "promoted",
        Outcome::RolledBack { .. } => "rolled_back",
        Outcome::GivenUp { .. } => "given_up",
    };
    let labels = [("repo", repo), ("environment", environment)];
    metrics::counter!("gatewright_rollouts_total", &[("outcome", outcome.to_owned()), labels[0].clone(), labels[1].clone()])
        .increment(1);
    if outcome == "promoted" {
        metrics::histogram!("gatewright_lead_time_seconds", &labels).record(secs_between(over.begun_at, over.at));
    }
    if let (Some(decided), Some(read_back)) = (over.decided_at, over.read_back_at) {
        metrics::histogram!("gatewright_rollback_seconds", &labels).record(secs_between(decided, read_back));
    }
}

fn secs_between(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}

/// The figures of each environment, in the order in which they first occur, of what was over in so many days.
pub fn figures(deployments: &[Deployment], days: u32) -> Vec<Figures> {
    let mut names: Vec<&EnvironmentName> = Vec::new();
    for deployment in deployments {
        if !names.contains(&&deployment.environment) {
            names.push(&deployment.environment);
        }
    }
    let of = |name: &EnvironmentName| {
        let mut own: Vec<&Deployment> = deployments.iter().filter(|deployment| deployment.environment == *name).collect();
        own.sort_by_key(|deployment| deployment.at);
        one(name, &own, days)
    };
    names.into_iter().map(of).collect()
}

fn one(name: &EnvironmentName, own: &[&Deployment], days: u32) -> Figures {
    let promoted = |deployment: &Deployment| deployment.outcome == Outcome::Promoted;
    let back = |deployment: &Deployment| matches!(deployment.outcome, Outcome::RolledBack { .. });
    let arrived: Vec<&Deployment> = own.iter().copied().filter(|one| promoted(one) && !one.restores).collect();
    let rolled_back: Vec<&Deployment> = own.iter().copied().filter(|one| back(one)).collect();
    let undone = undone(own);
    let failed = rolled_back.iter().filter(|one| !one.restores).count() + undone.len();
    let begun = arrived.len() + rolled_back.iter().filter(|one| !one.restores).count();
    let live = own.iter().filter(|one| promoted(one)).count();
    let lead = arrived.iter().filter_map(|one| millis(one.begun_at, one.at));
    let exposed = rolled_back.iter().filter_map(|one| millis(one.shared_at?, one.read_back_at?));
    let undone_after = undone.iter().filter_map(|(failed, way_back)| millis(failed.shared_at?, way_back.at));
    let decided = rolled_back.iter().filter_map(|one| millis(one.decided_at?, one.read_back_at?));
    let gone_back = own.iter().filter(|one| promoted(one) && one.restores).filter_map(|one| millis(one.begun_at, one.at));
    Figures {
        environment: name.clone(),
        deployments: count(arrived.len()),
        deployments_per_day: arrived.len() as f64 / f64::from(days.max(1)),
        lead_time: Spread::of(lead.collect()),
        change_failure_percent: percent(failed, begun),
        success_percent: percent(live, own.len()),
        time_to_restore: Spread::of(exposed.chain(undone_after).collect()),
        rollback_time: Spread::of(decided.chain(gone_back).collect()),
        rolled_back: count(rolled_back.len()),
        given_up: count(own.iter().filter(|one| matches!(one.outcome, Outcome::GivenUp { .. })).count()),
        restored: count(own.iter().filter(|one| promoted(one) && one.restores).count()),
    }
}

/// The releases that somebody went back from once they were live, each with the way back.
fn undone<'a>(own: &[&'a Deployment]) -> Vec<(&'a Deployment, &'a Deployment)> {
    let mut live: Option<&Deployment> = None;
    let mut undone = Vec::new();
    for deployment in own.iter().filter(|one| one.outcome == Outcome::Promoted) {
        match (deployment.restores, live.take()) {
            (true, Some(failed)) => undone.push((failed, *deployment)),
            (true, None) => {}
            (false, _) => live = Some(deployment),
        }
    }
    undone
}

fn millis(from: Timestamp, to: Timestamp) -> Option<u64> {
    u64::try_from(to.duration_since(from).as_millis()).ok()
}

fn percent(of: usize, all: usize) -> Option<f64> {
    (all > 0).then(|| 100.0 * of as f64 / all as f64)
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use gatewright_core::RunId;

    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + minute * 60).expect("in range")
    }

    fn live(tag: &str, begun: i64, ended: i64) -> Deployment {
        Deployment {
            environment: "production".parse().expect("a name"),
            tag: tag.to_owned(),
            rollout: RunId::new(),
            restores: false,
            outcome: Outcome::Promoted,
            begun_at: at(begun),
            at: at(ended),
            shared_at: Some(at(begun + 1)),
            decided_at: None,
            read_back_at: None,
        }
    }

    fn back(tag: &str, begun: i64, decided: i64, read_back: i64) -> Deployment {
        Deployment {
            outcome: Outcome::RolledBack { because: "errors".to_owned() },
            decided_at: Some(at(decided)),
            read_back_at: Some(at(read_back)),
            ..live(tag, begun, read_back + 1)
        }
    }

    fn of_production(deployments: &[Deployment]) -> Figures {
        figures(deployments, 10).into_iter().next().expect("one environment")
    }

    #[test]
    fn a_release_that_was_rolled_back_is_no_deployment_and_counts_as_a_failed_change() {
        let figures = of_production(&[live("v1", 0, 10), live("v2", 20, 40), back("v3", 50, 55, 57)]);
        assert_eq!((figures.deployments, figures.rolled_back), (2, 1));
        assert_eq!(figures.deployments_per_day, 0.2);
        assert_eq!(figures.lead_time, Spread { count: 2, median_secs: Some(600.0), max_secs: Some(1_200.0) });
        assert_eq!(figures.change_failure_percent.map(f64::round), Some(33.0));
        assert_eq!(figures.rollback_time, Spread { count: 1, median_secs: Some(120.0), max_secs: Some(120.0) });
        // From its first share, a minute after it began, until it was read back.
        assert_eq!(figures.time_to_restore.median_secs, Some(360.0));
    }

    #[test]
    fn a_release_that_somebody_went_back_from_failed_once_and_the_way_back_is_no_deployment() {
        let way_back = Deployment { restores: true, ..live("v1", 60, 61) };
        let figures = of_production(&[live("v1", 0, 10), live("v2", 20, 40), way_back.clone(), way_back]);
        assert_eq!((figures.deployments, figures.restored), (2, 2));
        assert_eq!(figures.change_failure_percent, Some(50.0));
        assert_eq!(figures.success_percent, Some(100.0));
        assert_eq!(figures.time_to_restore, Spread { count: 1, median_secs: Some(2_400.0), max_secs: Some(2_400.0) });
    }

    #[test]
    fn what_never_began_is_no_failed_change_but_no_success() {
        let given_up = Deployment { outcome: Outcome::GivenUp { because: "it waited".to_owned() }, ..live("v2", 0, 5) };
        let figures = of_production(&[live("v1", 0, 1), given_up]);
        assert_eq!((figures.change_failure_percent, figures.success_percent, figures.given_up), (Some(0.0), Some(50.0), 1));
    }

    #[test]
    fn nothing_gives_no_figures_and_no_division_by_nothing() {
        assert!(figures(&[], 0).is_empty());
        let given_up = Deployment { outcome: Outcome::GivenUp { because: String::new() }, ..live("v1", 0, 1) };
        assert_eq!(of_production(&[given_up]).change_failure_percent, None);
    }

    #[test]
    fn environments_have_figures_of_their_own() {
        let staging = Deployment { environment: "staging".parse().expect("a name"), ..live("v1", 0, 1) };
        let figures = figures(&[staging, live("v1", 0, 9)], 30);
        assert_eq!(figures.iter().map(|one| one.environment.as_str()).collect::<Vec<_>>(), ["staging", "production"]);
    }
}
