//! What the commands that start agents have in common: which pipeline of the base branch's file it is, and why none is started.
//!
//! The words of the command are the only text that instructs agents. Whether a model is there, and whether the budget of the day allows
//! for it, is found out when the run prepares.

use gatewright_core::Subject;
use gatewright_core::agent::inputs;
use gatewright_core::command::CommandName;
use gatewright_core::run::{AgentSpec, Deed, NewRun, Run, RunSpec, Trigger, Work};
use gatewright_core::{RunId, config};
use jiff::SignedDuration;

use super::{Answer, Case, Granted};
use crate::agents::show::headline;

/// So many pipelines are started about a pull request within an hour, whoever asks: beyond that somebody should look at what the earlier
/// ones came to. As many of the newest are looked at.
pub(crate) const STARTS_PER_HOUR: usize = 10;
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Starts the pipeline of a command, with the inputs that stand before its text. `task`: what is to be done, by the text.
pub(super) fn start(
    case: &Case<'_>,
    name: CommandName,
    args: &[String],
    task: impl FnOnce(&str) -> Result<String, String>,
) -> Answer {
    if case.pull.is_none() && !matches!(case.about, Subject::Issue { .. }) {
        return Err("agents work on pull requests and issues, and this is about neither.".to_owned());
    }
    let Some(pipeline) = case.pipelines.iter().find(|pipeline| pipeline.on.command == Some(name)) else {
        return Err(no_pipeline(name));
    };
    let words = args.join(" ");
    let (inputs, text) = inputs::of_words(&pipeline.inputs, &words).map_err(wrong_input)?;
    // What has to be given and is not is known now: the run would say it later, and to fewer people.
    inputs::resolved(&pipeline.inputs, &inputs).map_err(wrong_input)?;
    let task = task(text)?;
    if let Some(why) = case.needs_approval() {
        return Err(why);
    }
    if let Some(run) = under_way(case) {
        let stands = run.agent().map(headline).unwrap_or_default();
        return Err(format!("agents are at work here already ({stands}; run {}). Wait for them, or write `/gw cancel`.", run.id));
    }
    if started_within_the_hour(case) >= STARTS_PER_HOUR {
        return Err(format!("{STARTS_PER_HOUR} pipelines were started here within an hour. Look at what they came to first."));
    }
    let spec = AgentSpec {
        trigger: Trigger::Command { name },
        task: bounded(task),
        inputs,
        // Of an issue they work on the default branch as it is when they begin.
        head: case.pull.map(|_| case.head.clone()),
        by: Some(case.by.clone()),
        triggered_at: case.said_at,
    };
    let spec = RunSpec { repo: case.repo.clone(), subject: about(case), work: Work::Agent(spec) };
    let run = NewRun { id: RunId::new(), spec };
    let means = format!("the pipeline {} starts", pipeline.name);
    Ok(Granted { deed: Deed { run: Some(run), ..Deed::default() }, means })
}

/// What agents do about what the case is about.
pub(super) fn about(case: &Case<'_>) -> Subject {
    Subject::Agents { about: Box::new(case.about.clone()) }
}

/// The pipeline that is at work.
pub(super) fn under_way<'c>(case: &Case<'c>) -> Option<&'c Run> {
    case.agents.iter().find(|run| run.finished.is_none())
}

fn started_within_the_hour(case: &Case<'_>) -> usize {
    case.agents.iter().filter(|run| case.now.duration_since(run.created_at) < HOUR).count()
}

fn wrong_input(cause: String) -> String {
    if cause.ends_with('?') { cause } else { format!("{cause}.") }
}

fn no_pipeline(name: CommandName) -> String {
    let lines = match name {
        CommandName::Fix | CommandName::Review => format!("agents: {{ {name}: {{}} }}"),
        _ => format!("agents: {{ help: {{ on: {{ command: {name} }}, steps: [coder, verify] }} }}"),
    };
    format!("no pipeline is started by it. Add `{lines}` to `{}` on the base branch.", config::PATH)
}

fn bounded(mut task: String) -> String {
    task.truncate(task.floor_char_boundary(AgentSpec::TASK_BYTES_MAX));
    task
}

#[cfg(test)]
mod tests;
