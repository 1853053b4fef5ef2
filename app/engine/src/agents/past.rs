//! What the service remembers of a repository, for agents whose work it is to look back: how its gates have gone, what its environments run,
//! and what became of its releases. Out of the store alone; it asks no forge, and nothing that runs.

use std::fmt::Write as _;

use gatewright_core::rollout::Outcome;
use gatewright_core::run::{Gates, Run, StepState};
use gatewright_core::store::{RunFilter, Store, StoreError};
use gatewright_core::verdict::{StepOutcome, VerdictStatus};
use gatewright_core::{GateName, RepoRef, Timestamp};
use jiff::SignedDuration;

use super::context::Context;
use super::fence::Kind;
use crate::statistics::{self, Spread};
use crate::{Engine, overview};

/// Roles whose work it is to look back, and to plan by that.
const ROLES: [&str; 2] = ["monitor", "deployer"];

/// Gates are looked at in so many of the newest runs.
const RUNS_MAX: usize = 150;

/// So many gates are told of, those that run most often.
const GATES_MAX: usize = 40;

/// Of a gate so many verdicts are told, the newest ones.
const VERDICTS_MAX: usize = 10;

/// Of what a gate, a rollout or a person said so many characters are told.
const WORDS_CHARS_MAX: usize = 160;

/// Releases and rollouts are looked at over so many days.
const DAYS: u32 = 30;

/// So many environments are told of.
const ENVIRONMENTS_MAX: usize = 10;

/// Of an environment so many of its last rollouts, and of one under way so much of what has happened.
const ROLLOUTS_MAX: usize = 12;

/// Whether agents of this role are shown what was.
pub(super) fn is_shown_to(role: &str) -> bool {
    ROLES.contains(&role)
}

/// Adds what is remembered.
pub(super) async fn add(engine: &Engine, run: &Run, context: &mut Context) -> Result<(), StoreError> {
    let filter = RunFilter { repo: Some(run.repo.key()), before: Some(run.id), ..RunFilter::default() };
    let runs = engine.runs(&filter, RUNS_MAX).await?;
    context.add("history of the gates, newest run first", Kind::Source, of_gates(&runs));
    let (store, now) = (&*engine.deps.store, Timestamp::now());
    context.add("environments as they are", Kind::Source, of_environments(store, &run.repo, now).await?);
    context.add("releases of the last 30 days", Kind::Source, of_releases(store, &run.repo, now).await?);
    Ok(())
}

/// A gate with what it said, the newest first.
struct Told<'a> {
    gate: &'a GateName,
    said: Vec<(&'a Run, &'a StepOutcome)>,
}

fn of_gates(runs: &[Run]) -> String {
    let mut all: Vec<Told<'_>> = Vec::new();
    let own = runs.iter().filter_map(|run| Some((run, run.gates()?))).filter(|(_, gates)| !is_of_fork(gates));
    for (run, gates) in own {
        for step in &gates.steps {
            let StepState::Done { outcome, .. } = &step.state else { continue };
            match all.iter_mut().find(|told| *told.gate == step.gate.name) {
                Some(told) => told.said.push((run, outcome)),
                None => all.push(Told { gate: &step.gate.name, said: vec![(run, outcome)] }),
            }
        }
    }
    all.sort_by_key(|told| std::cmp::Reverse(told.said.len()));
    all.iter().take(GATES_MAX).map(of_gate).collect()
}

/// What a stranger's code had gates say is shown to nobody who works on something else.
fn is_of_fork(gates: &Gates) -> bool {
    gates.prepared.as_ref().and_then(|prepared| prepared.pull.as_ref()).is_some_and(|pull| pull.fork)
}

fn of_gate(told: &Told<'_>) -> String {
    let count = |status| told.said.iter().filter(|(_, outcome)| outcome.verdict.status == status).count();
    let mut text = format!(
        "{}: {} runs, {} passed, {} failed, {} errors; it took {} at the median of the newer half and {} of the older\n",
        told.gate,
        told.said.len(),
        count(VerdictStatus::Passed),
        count(VerdictStatus::Failed),
        count(VerdictStatus::Errored),
        median(&told.said[..told.said.len().div_ceil(2)]),
        median(&told.said[told.said.len() / 2..]),
    );
    for (run, outcome) in told.said.iter().take(VERDICTS_MAX) {
        let verdict = &outcome.verdict;
        let commit = run.commit().map_or("?", |commit| commit.short());
        let change = if verdict.change.is_empty() { String::new() } else { format!(" ({})", cut(&verdict.change)) };
        let _ = writeln!(
            text,
            "- {:.16} {} of {}: {}, {}{change}",
            run.created_at.to_string(),
            commit,
            run.subject,
            verdict.status.words(),
            cut(&verdict.title)
        );
    }
    text
}

fn came_to(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Promoted => "live".to_owned(),
        Outcome::RolledBack { because } => format!("rolled back: {because}"),
        Outcome::GivenUp { because } => format!("never begun: {because}"),
    }
}

fn median(said: &[(&Run, &StepOutcome)]) -> String {
    let mut all: Vec<u64> = said.iter().map(|(_, outcome)| outcome.duration_ms).collect();
    all.sort_unstable();
    all.get(all.len() / 2).map_or_else(|| "no time".to_owned(), |ms| format!("{}.{} s", ms / 1000, ms % 1000 / 100))
}

async fn of_environments(store: &dyn Store, repo: &RepoRef, now: Timestamp) -> Result<String, StoreError> {
    let mut text = String::new();
    for name in overview::environment_names(store, repo).await?.into_iter().take(ENVIRONMENTS_MAX) {
        let of = overview::environment(store, repo, &name, now).await?;
        match &of.live {
            Some(live) => {
                let _ = writeln!(
                    text,
                    "{name}: runs {} ({}) since {:.16}",
                    cut(&live.tag),
                    live.commit.short(),
                    live.since.to_string()
                );
            }
            None => {
                let _ = writeln!(text, "{name}: nothing has been released there");
            }
        }
        if let Some(frozen) = &of.frozen {
            let why = frozen.reason.as_deref().map(cut).unwrap_or_default();
            let _ = writeln!(text, "- frozen by {}: {why}", frozen.by);
        }
        for difference in of.drift.iter().flat_map(|drift| &drift.differences).take(ROLLOUTS_MAX) {
            let _ = writeln!(text, "- differs from what was released: {}", cut(difference));
        }
        for rollout in &of.open {
            let _ = writeln!(text, "- under way: {}", cut(&rollout.tag));
            for past in rollout.timeline.iter().rev().take(ROLLOUTS_MAX).rev() {
                let _ = writeln!(text, "  - {:.19} {}", past.at.to_string(), cut(&past.what));
            }
        }
        for arrival in of.arrivals.iter().take(ROLLOUTS_MAX) {
            let _ = writeln!(text, "- {:.16} {}: {}", arrival.at.to_string(), cut(&arrival.tag), cut(&came_to(&arrival.outcome)));
        }
    }
    Ok(text)
}

async fn of_releases(store: &dyn Store, repo: &RepoRef, now: Timestamp) -> Result<String, StoreError> {
    let since = now.checked_sub(SignedDuration::from_hours(24 * i64::from(DAYS))).unwrap_or(Timestamp::MIN);
    let deployments = overview::deployments(store, repo, since).await?;
    let line = |of: statistics::Figures| {
        let percent = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), |value| format!("{value:.1} %"));
        format!(
            "{}: {} deployments, {} rolled back, {} given up, {} ways back; failed changes {}, rollouts that succeed {}; lead time {}, \
             time to restore {}, way back {}\n",
            of.environment,
            of.deployments,
            of.rolled_back,
            of.given_up,
            of.restored,
            percent(of.change_failure_percent),
            percent(of.success_percent),
            spread(of.lead_time),
            spread(of.time_to_restore),
            spread(of.rollback_time),
        )
    };
    Ok(statistics::figures(&deployments, DAYS).into_iter().map(line).collect())
}

fn spread(of: Spread) -> String {
    match (of.median_secs, of.max_secs) {
        (Some(median), Some(max)) => format!("{median:.1} s at the median and {max:.1} s at most, of {}", of.count),
        _ => "not known".to_owned(),
    }
}

fn cut(words: &str) -> String {
    words.chars().take(WORDS_CHARS_MAX).collect()
}
