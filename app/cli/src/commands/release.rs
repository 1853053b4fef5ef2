//! `gatewright release`

use std::process::ExitCode;

use gatewright_core::Timestamp;
use gatewright_core::run::{GatesState, PlannedEnvironment};
use gatewright_engine::operator::ReleasePlan;
use gatewright_engine::render::rollout_words;
use gatewright_engine::statistics::{self, Figures};

use super::rollout::tone;
use crate::args::{ReleaseCommand, RepoArgs};
use crate::desk::releases::{DeploymentsQuery, ReleaseView, ReleasesQuery, RolloutOf};
use crate::failure::Failure;
use crate::print::{self, Tone, printable, printable_lines};
use crate::words;

pub(super) async fn run(command: ReleaseCommand) -> Result<ExitCode, Failure> {
    match command {
        ReleaseCommand::List { of, limit } => list(of, limit).await,
        ReleaseCommand::Show { of, tag } => show(of, tag).await,
        ReleaseCommand::Plan { of, tag } => plan(of, tag).await,
        ReleaseCommand::Stats { of, days } => stats(of, days).await,
    }
}

async fn list(of: RepoArgs, limit: u32) -> Result<ExitCode, Failure> {
    let query = ReleasesQuery { repo: of.repo, tag: None, limit };
    let found = super::source(&of.config).await?.releases(&query).await?;
    if of.json {
        print::json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |release: &ReleaseView| {
        let commit = release.commit.as_ref().map(|commit| commit.short().to_owned()).unwrap_or_default();
        let row =
            vec![release.headline.clone(), release.tag.clone(), commit, words::time(release.begun_at), release.run.to_string()];
        (tone_of(release), row)
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    print::table(&["state", "tag", "commit", "begun (UTC)", "run"], &rows, "no releases")?;
    Ok(ExitCode::SUCCESS)
}

fn tone_of(release: &ReleaseView) -> Tone {
    let states: Vec<Tone> = release.rollouts.iter().filter_map(|of| of.state.as_ref()).map(tone).collect();
    if release.problem.is_some() || states.contains(&Tone::Bad) {
        Tone::Bad
    } else if !states.is_empty() && states.len() == release.rollouts.len() && states.iter().all(|tone| *tone == Tone::Good) {
        Tone::Good
    } else {
        Tone::Busy
    }
}

async fn show(of: RepoArgs, tag: String) -> Result<ExitCode, Failure> {
    let query = ReleasesQuery { repo: of.repo, tag: Some(tag), limit: 1 };
    let found = super::source(&of.config).await?.releases(&query).await?;
    let Some(release) = found.first() else { return Ok(ExitCode::SUCCESS) };
    if of.json {
        print::json(release)?;
        return Ok(ExitCode::SUCCESS);
    }
    header(release)?;
    let rows: Vec<_> = release.rollouts.iter().map(rollout).collect();
    print::table(&["environment", "state", "run"], &rows, "no rollout was started")?;
    if !release.artefacts.is_empty() {
        print::line("")?;
        let row = |of: &gatewright_core::run::Artefact| {
            (Tone::Quiet, vec![of.name.to_string(), of.bytes.to_string(), of.blob.to_string()])
        };
        let rows: Vec<_> = release.artefacts.iter().map(row).collect();
        print::table(&["artefact", "bytes", "sha256"], &rows, "no artefacts")?;
    }
    if !release.notes.is_empty() {
        print::line(&format!("\n{}", printable_lines(release.notes.trim_end())))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn header(release: &ReleaseView) -> Result<(), Failure> {
    let mut lines = vec![format!("release   {}: {}", printable(&release.tag), printable(&release.headline))];
    if let Some(version) = &release.version {
        let kind = if release.prerelease { " (a pre-release)" } else { "" };
        lines.push(format!("version   {}{kind}", printable(version)));
    }
    lines.extend(release.commit.as_ref().map(|commit| format!("commit    {commit}")));
    lines.extend(release.branch.as_ref().map(|branch| format!("branch    {}", printable(branch))));
    lines.extend(release.previous.as_ref().map(|tag| format!("after     {}", printable(tag))));
    lines.extend(release.gates.as_ref().map(|state| format!("gates     {}", printable(&gates(state)))));
    lines.extend(release.changelog.as_ref().map(|words| format!("changelog {}", printable(words))));
    lines.extend(release.problem.as_ref().map(|problem| format!("problem   {}", printable(problem))));
    lines.push(format!("begun     {} UTC, run {}", words::time(release.begun_at), release.run));
    print::line(&format!("{}\n", lines.join("\n")))
}

/// How the gates of a release stand.
fn gates(state: &GatesState) -> String {
    match state {
        GatesState::Passed { run: None } => "none are asked for".to_owned(),
        GatesState::Passed { run: Some(run) } => format!("have passed (run {run})"),
        GatesState::Running { run, .. } => format!("run (run {run})"),
        GatesState::Failed { run, because } => format!("{because} (run {run})"),
    }
}

fn rollout(of: &RolloutOf) -> (Tone, Vec<String>) {
    let words = of.state.as_ref().map_or_else(|| "getting ready".to_owned(), rollout_words);
    let tone = of.state.as_ref().map_or(Tone::Busy, tone);
    (tone, vec![of.environment.to_string(), words, of.run.to_string()])
}

async fn plan(of: RepoArgs, tag: String) -> Result<ExitCode, Failure> {
    let query = ReleasesQuery { repo: of.repo, tag: Some(tag.clone()), limit: 1 };
    let plan = super::source(&of.config).await?.plan(&query, Timestamp::now()).await?;
    if of.json {
        print::json(&plan)?;
    } else {
        show_plan(&tag, &plan)?;
    }
    Ok(if plan.is_possible() { ExitCode::SUCCESS } else { ExitCode::from(Failure::NOT_PASSED) })
}

fn show_plan(tag: &str, plan: &ReleasePlan) -> Result<(), Failure> {
    let Some(valid) = &plan.valid else {
        let because = plan.refused.as_deref().unwrap_or("the forge does not say what it is");
        return print::line(&format!("{} cannot be released: {}", printable(tag), printable(because)));
    };
    let release = &valid.release;
    let mut lines = vec![
        format!("{} would be version {} at {}", printable(tag), release.version, release.commit),
        format!("branch     {}", printable(&valid.branch)),
    ];
    lines.extend(valid.previous.as_ref().map(|previous| format!("after      {}", printable(previous))));
    let gates = plan.gates.as_ref().map_or_else(|| "would be run first".to_owned(), gates);
    lines.push(format!("gates      {}", printable(&gates)));
    if !plan.artefacts.is_empty() {
        lines.push(format!("artefacts  {}", printable(&plan.artefacts.join(", "))));
    }
    if let Some(path) = valid.config.changelog.as_ref().filter(|_| !valid.prerelease) {
        lines.push(format!("changelog  {}, by a pull request to {}", printable(path), printable(&valid.branch)));
    }
    print::line(&format!("{}\n", lines.join("\n")))?;
    let rows: Vec<_> = plan.environments.iter().flat_map(planned).collect();
    print::table(&["environment", "would change"], &rows, "it would go to no environment")?;
    if !plan.notes.is_empty() {
        print::line(&format!("\n{}", printable_lines(plan.notes.trim_end())))?;
    }
    Ok(())
}

fn planned(of: &PlannedEnvironment) -> Vec<(Tone, Vec<String>)> {
    let row = |tone, what: String| (tone, vec![of.name.to_string(), what]);
    match (&of.problem, of.changes.is_empty()) {
        (Some(problem), _) => vec![row(Tone::Bad, format!("cannot be done: {problem}"))],
        (None, true) => vec![row(Tone::Quiet, "nothing".to_owned())],
        (None, false) => of.changes.iter().map(|change| row(Tone::Good, change.clone())).collect(),
    }
}

async fn stats(of: RepoArgs, days: u32) -> Result<ExitCode, Failure> {
    let query = DeploymentsQuery { repo: of.repo, days, now: Timestamp::now() };
    let deployments = super::source(&of.config).await?.deployments(&query).await?;
    let figures = statistics::figures(&deployments, days);
    if of.json {
        print::json(&serde_json::json!({ "days": days, "environments": figures }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let header: Vec<&str> = ["environment"].into_iter().chain(words::figures::COLUMNS).collect();
    let rows: Vec<_> = figures.iter().map(figures_row).collect();
    print::table(&header, &rows, &format!("nothing was rolled out in {days} days"))?;
    Ok(ExitCode::SUCCESS)
}

fn figures_row(of: &Figures) -> (Tone, Vec<String>) {
    let row = [of.environment.to_string()].into_iter().chain(words::figures::columns(of)).collect();
    (Tone::Quiet, row)
}
