//! `gatewright agent show RUN`, and the other commands about agents, a file each.

use std::process::ExitCode;

use gatewright_core::RunId;
use gatewright_core::model::{Arguments, Ask, Message};
use gatewright_core::run::{AgentRun, StageRun, StageState};
use gatewright_engine::agents::show;
use serde_json::json;
use tokio::runtime::Builder;

use crate::args::{AgentCommand, ConfigArg};
use crate::failure::Failure;
use crate::print::{self, Tone, printable, printable_lines};
use crate::words;

mod forge;
mod here;
mod list;
mod replay;
mod run;

pub(super) fn run(command: AgentCommand) -> Result<ExitCode, Failure> {
    match command {
        AgentCommand::Run(args) => work(run::run(*args)),
        AgentCommand::Replay(args) => work(replay::run(args)),
        AgentCommand::List(args) => super::wait_for(list::run(args)),
        AgentCommand::Show { config, id, stage: None, json } => super::wait_for(overview(&config, id, json)),
        AgentCommand::Show { config, id, stage: Some(stage), json } => super::wait_for(transcript(&config, id, stage, json)),
    }
}

/// Runs a command to its end that drives a pipeline here.
fn work(command: impl Future<Output = Result<ExitCode, Failure>>) -> Result<ExitCode, Failure> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|error| Failure::Outside(format!("the runtime cannot start: {error}")))?.block_on(command)
}

async fn overview(config: &ConfigArg, id: RunId, as_json: bool) -> Result<ExitCode, Failure> {
    let page = super::source(config).await?.run(id).await?;
    let run = page.replayed();
    let Some((run, of)) = run.as_ref().and_then(|run| Some((run, run.agent()?))) else {
        return Err(Failure::Wrong(format!("run {id} is none of agents; `gatewright runs show {id}` shows it")));
    };
    if as_json {
        let stages: Vec<_> = of
            .stages
            .iter()
            .map(|stage| {
                json!({
                    "name": stage.name,
                    "state": stage.word(),
                    "tries": stage.tries,
                    "turns": stage.turns.len(),
                    "summary": stage.handover.as_ref().map(|handover| &handover.summary),
                })
            })
            .collect();
        print::json(&json!({
            "run": page.run,
            "pipeline": of.pipeline(),
            "inputs": of.inputs(),
            "stages": stages,
            "turns": of.turns,
            "tokens": of.spent.tokens,
            "micro_usd": of.spent.micro_usd,
            "stopped": of.stopped,
            "verified": of.is_verified(),
            "offers": of.offers,
            "files": of.result().files.keys().collect::<Vec<_>>(),
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    print::line(&printable(&show::headline(of)))?;
    print::line(&printable(&show::cost(of)))?;
    for (name, value) in of.inputs() {
        print::line(&printable(&format!("{name}: {value}")))?;
    }
    print::line("")?;
    stages(of)?;
    if of.offers.is_some() {
        print::line("")?;
        for line in show::outcome(run, of) {
            print::line(&printable(&line))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn stages(of: &AgentRun) -> Result<(), Failure> {
    let row = |(n, stage): (usize, &StageRun)| {
        let cost: u64 = stage.turns.iter().filter_map(|turn| turn.reply.as_ref()?.micro_usd).sum();
        let why = match &stage.state {
            StageState::Failed { because, .. } => because.clone(),
            StageState::Waiting | StageState::Working | StageState::Done { .. } | StageState::NotRun => {
                stage.handover.as_ref().map(|handover| handover.summary.clone()).unwrap_or_default()
            }
        };
        let tone = match stage.state {
            StageState::Done { .. } => Tone::Good,
            StageState::Failed { .. } => Tone::Bad,
            StageState::Waiting | StageState::Working | StageState::NotRun => Tone::Quiet,
        };
        let first = why.lines().next().unwrap_or_default().chars().take(80).collect::<String>();
        let row = vec![
            n.to_string(),
            stage.name.clone(),
            stage.word().to_owned(),
            stage.tries.to_string(),
            stage.turns.len().to_string(),
            words::agent::usd(cost),
            first,
        ];
        (tone, row)
    };
    let rows: Vec<_> = of.stages.iter().enumerate().map(row).collect();
    print::table(&["stage", "name", "state", "tries", "turns", "cost", "says"], &rows, "no stages yet")
}

async fn transcript(config: &ConfigArg, id: RunId, stage: u16, as_json: bool) -> Result<ExitCode, Failure> {
    let ask: Ask = super::source(config).await?.transcript(id, stage).await?;
    if as_json {
        print::json(&ask)?;
        return Ok(ExitCode::SUCCESS);
    }
    part("system", &ask.system)?;
    for message in &ask.messages {
        match message {
            Message::User { text } => part("said to the model", text)?,
            Message::Model { text, calls, .. } => {
                part("model", text)?;
                for call in calls {
                    let arguments = match &call.arguments {
                        Arguments::Json(value) => value.to_string(),
                        Arguments::Malformed(text) => text.clone(),
                    };
                    part(&format!("model uses {}", printable(&call.name)), &arguments)?;
                }
            }
            Message::Results { results } => {
                for result in results {
                    let failed = if result.is_error { ", failed" } else { "" };
                    part(&format!("{}{failed}", printable(&result.name)), &result.content)?;
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn part(name: &str, text: &str) -> Result<(), Failure> {
    if text.trim().is_empty() {
        return Ok(());
    }
    print::line(&format!("--- {name}"))?;
    print::line(&printable_lines(text.trim_end()))
}
