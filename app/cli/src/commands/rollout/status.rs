//! `gatewright rollout status`

use std::process::ExitCode;

use gatewright_core::Timestamp;
use gatewright_core::rollout::Outcome;
use gatewright_core::run::RolloutState;
use gatewright_engine::overview::{ArrivalOverview, EnvironmentOverview, RolloutOverview};
use gatewright_engine::render::{patience_words, rollout_words};

use crate::args::RepoArgs;
use crate::desk::releases::EnvironmentsQuery;
use crate::failure::Failure;
use crate::print::{self, Tone, printable};
use crate::words;

/// Of what came to one environment so much is shown.
const ARRIVALS_MAX: usize = 20;

pub(super) async fn run(of: RepoArgs, environment: Option<String>) -> Result<ExitCode, Failure> {
    let alone = environment.is_some();
    let query = EnvironmentsQuery { repo: of.repo, environment };
    let found = super::super::source(&of.config).await?.environments(&query, Timestamp::now()).await?;
    if of.json {
        print::json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    match (found.environments.as_slice(), &found.repo) {
        ([one], Some(repo)) if alone => show(&repo.path, one)?,
        (all, _) => list(all)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(environments: &[EnvironmentOverview]) -> Result<(), Failure> {
    let row = |environment: &EnvironmentOverview| {
        let newest = environment.open.first();
        let tone = match (newest, &environment.held, &environment.frozen) {
            _ if environment.drift.is_some() => Tone::Bad,
            (Some(rollout), _, _) => tone(&rollout.state),
            (None, Some(_), _) => Tone::Bad,
            (None, None, Some(_)) => Tone::Busy,
            (None, None, None) if environment.live.is_some() => Tone::Good,
            (None, None, None) => Tone::Quiet,
        };
        let row = vec![
            environment.name.to_string(),
            environment.live.as_ref().map(|live| live.tag.clone()).unwrap_or_default(),
            environment.live.as_ref().map(|live| words::time(live.since)).unwrap_or_default(),
            environment.drift.as_ref().map(|drift| drift.differences.join("; ")).unwrap_or_default(),
            newest.map(|rollout| format!("{}: {}", rollout.tag, rollout_words(&rollout.state))).unwrap_or_default(),
            kept_away(environment).join("; "),
        ];
        (tone, row)
    };
    let rows: Vec<_> = environments.iter().map(row).collect();
    print::table(
        &["environment", "live", "since (UTC)", "drift", "on its way", "kept away by"],
        &rows,
        "no environments are known yet",
    )
}

/// Why releases do not come by themselves.
fn kept_away(environment: &EnvironmentOverview) -> Vec<String> {
    let mut because = Vec::new();
    if let Some(freeze) = &environment.frozen {
        let until = freeze.until.map(|until| format!(" until {} UTC", words::time(until))).unwrap_or_default();
        let reason = freeze.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        because.push(format!("frozen by {}{until}{reason}", freeze.by));
    }
    if let Some(held) = &environment.held {
        because.push(format!("held: {held}"));
    }
    because
}

fn show(repo: &str, of: &EnvironmentOverview) -> Result<(), Failure> {
    let mut lines = vec![format!("environment  {} of {}", of.name, printable(repo))];
    match &of.live {
        Some(live) => {
            let commit = live.commit.short();
            lines.push(format!("live         {} ({commit}) since {} UTC", printable(&live.tag), words::time(live.since)));
            lines.push(format!("pool         {}", live.pool));
            lines.extend(live.url.as_ref().map(|url| format!("url          {}", printable(url))));
        }
        None => lines.push("live         nothing".to_owned()),
    }
    lines.extend(kept_away(of).iter().map(|because| format!("kept away    {}", printable(because))));
    if let Some(drift) = &of.drift {
        let restored = drift.restored_by.map(|run| format!(", made again by run {run}")).unwrap_or_default();
        lines.push(format!("drift        since {} UTC{restored}", words::time(drift.found_at)));
        lines.extend(drift.differences.iter().map(|difference| format!("             {}", printable(difference))));
    }
    lines.extend(of.locked_by.map(|run| format!("busy with    run {run}")));
    print::line(&lines.join("\n"))?;
    of.open.iter().try_for_each(rollout)?;
    print::line("")?;
    let rows: Vec<_> = of.arrivals.iter().take(ARRIVALS_MAX).map(arrival).collect();
    print::table(&["outcome", "tag", "when (UTC)", "run", "because"], &rows, "nothing has come here yet")
}

fn rollout(of: &RolloutOverview) -> Result<(), Failure> {
    let stands = rollout_words(&of.state) + &patience_words(&of.state);
    print::line(&format!("\n{} {}", printable(&of.tag), printable(&stands)))?;
    print::line(&format!("run {}, accepted {} UTC", of.run, words::time(of.created_at)))?;
    of.timeline.iter().try_for_each(|past| print::line(&format!("  {}  {}", words::time(past.at), printable(&past.what))))
}

fn arrival(of: &ArrivalOverview) -> (Tone, Vec<String>) {
    let (tone, word, because) = match &of.outcome {
        Outcome::Promoted => (Tone::Good, "live", ""),
        Outcome::RolledBack { because } => (Tone::Bad, "rolled back", because.as_str()),
        Outcome::GivenUp { because } => (Tone::Quiet, "not rolled out", because.as_str()),
    };
    (tone, vec![word.to_owned(), of.tag.clone(), words::time(of.at), of.rollout.to_string(), because.to_owned()])
}

/// How the state of a rollout looks.
pub(in crate::commands) fn tone(state: &RolloutState) -> Tone {
    match state {
        RolloutState::Promoted => Tone::Good,
        RolloutState::RollingBack { .. } | RolloutState::RolledBack { .. } => Tone::Bad,
        RolloutState::Waiting { .. } | RolloutState::Moving { .. } | RolloutState::Paused { .. } => Tone::Busy,
        RolloutState::GivenUp { .. } => Tone::Quiet,
    }
}
