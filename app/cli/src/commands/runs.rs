//! `gatewright runs`, `runs show ID`, `runs outputs ID` and `runs retry ID`

use std::process::ExitCode;

use gatewright_core::report::Conclusion;
use gatewright_core::run::{Gates, JournalEntry, Run, Step};
use gatewright_core::store::{Phase, RunRecord, RunState};
use gatewright_core::verdict::{Output, VerdictStatus};
use gatewright_core::{GateName, RunId, Timestamp};
use gatewright_engine::Wait;
use serde_json::json;

use crate::args::{ConfigArg, RunsArgs, RunsCommand};
use crate::desk::{RunPage, RunsQuery};
use crate::failure::Failure;
use crate::print::{self, Tone, printable};
use crate::words;

pub(super) async fn run(args: RunsArgs) -> Result<ExitCode, Failure> {
    match args.command {
        None => list(args).await,
        Some(RunsCommand::Show { config, id, log: Some(gate), .. }) => log(&config, id, &gate).await,
        Some(RunsCommand::Show { config, id, log: None, json }) => show(&config, id, json).await,
        Some(RunsCommand::Outputs { config, id, gate: Some(gate), path: Some(path), .. }) => {
            print::bytes(&super::source(&config).await?.output(id, &gate, &path).await?)?;
            Ok(ExitCode::SUCCESS)
        }
        Some(RunsCommand::Outputs { config, id, json, .. }) => outputs(&config, id, json).await,
        Some(RunsCommand::Retry { config, id, json }) => retry(&config, id, json).await,
    }
}

async fn list(args: RunsArgs) -> Result<ExitCode, Failure> {
    let of = args.listed;
    let query = RunsQuery { repo: of.repo, state: of.state.map(Phase::from), limit: args.limit, before: of.before };
    let runs = super::source(&of.config).await?.runs(&query).await?;
    if of.json {
        print::json(&runs)?;
        return Ok(ExitCode::SUCCESS);
    }
    let now = Timestamp::now();
    let row = |run: &RunRecord| {
        let commit = run.commit.as_ref().map(|commit| commit.short().to_owned()).unwrap_or_default();
        let row = vec![
            words::state(&run.state, now).to_owned(),
            run.id.to_string(),
            run.repo.path.clone(),
            run.title.clone(),
            commit,
            words::time(run.created_at),
        ];
        (tone_of_state(&run.state), row)
    };
    let rows: Vec<_> = runs.iter().map(row).collect();
    print::table(&["state", "run", "repository", "about", "commit", "accepted (UTC)"], &rows, "no runs")?;
    Ok(ExitCode::SUCCESS)
}

async fn show(config: &ConfigArg, id: RunId, as_json: bool) -> Result<ExitCode, Failure> {
    let page = super::source(config).await?.run(id).await?;
    let run = page.replayed();
    let of_gates = run.as_ref().and_then(Run::gates);
    if as_json {
        let step = |step: &Step| json!({ "gate": step.gate.name, "attempts": step.attempts, "state": step.state });
        let steps = of_gates.map(|gates| gates.steps.iter().map(step).collect::<Vec<_>>());
        print::json(&json!({ "run": page.run, "steps": steps, "waits": page.waits, "journal": page.journal }))?;
        return Ok(ExitCode::SUCCESS);
    }
    header(&page)?;
    match (of_gates, &run) {
        (Some(of_gates), _) if !of_gates.steps.is_empty() => gates(of_gates)?,
        (_, Some(_)) => {}
        (_, None) => print::line("This version cannot read the run's journal as a whole.\n")?,
    }
    timeline(&page)?;
    Ok(ExitCode::SUCCESS)
}

fn header(page: &RunPage) -> Result<(), Failure> {
    let run = &page.run;
    let mut lines = vec![
        format!("run         {}", run.id),
        format!("repository  {}", printable(&run.repo.path)),
        format!("about       {}", printable(&run.title)),
        format!("commit      {}", run.commit.as_ref().map_or("", |commit| commit.as_str())),
        format!("state       {}", words::state(&run.state, Timestamp::now())),
        format!("accepted    {} UTC", words::time(run.created_at)),
    ];
    lines.extend(standing(run, Timestamp::now()));
    lines.extend(page.waits.iter().map(waits_for));
    print::line(&format!("{}\n", lines.join("\n")))
}

fn waits_for(wait: &Wait) -> String {
    let Wait { what, cause, failures, again_at } = wait;
    let times = if *failures == 1 { "once".to_owned() } else { format!("{failures} times") };
    let again_at = words::time(*again_at);
    format!("waits for   {}, which failed {times}: {}; again at {again_at} UTC", printable(what), printable(cause))
}

/// What an operator should know of a run that is not over.
fn standing(run: &RunRecord, now: Timestamp) -> Vec<String> {
    let got_on = format!("got on      last at {} UTC", words::time(run.updated_at));
    match &run.state {
        RunState::SetAside { cause } => {
            vec![format!("cause       {}", printable(cause)), format!("next        gatewright runs retry {}", run.id)]
        }
        RunState::Ready { ready_at } if *ready_at > now => {
            vec![got_on, format!("next        goes on at {} UTC, attempt {}", words::time(*ready_at), run.attempts + 1)]
        }
        RunState::Leased { worker, .. } => vec![got_on, format!("worker      {}", printable(worker))],
        RunState::Ready { .. } | RunState::Finished { .. } => Vec::new(),
    }
}

fn gates(gates: &Gates) -> Result<(), Failure> {
    let row = |step: &Step| {
        let (word, what) = words::step(step);
        (step.status().map_or(Tone::Busy, tone_of_verdict), vec![word.to_owned(), step.gate.name.to_string(), what])
    };
    let rows: Vec<_> = gates.steps.iter().map(row).collect();
    print::table(&["state", "gate", "verdict"], &rows, "no gates")?;
    print::line("")
}

fn timeline(page: &RunPage) -> Result<(), Failure> {
    let row =
        |entry: &JournalEntry| (Tone::Quiet, vec![words::time(entry.at), entry.seq.to_string(), words::event(&entry.event)]);
    let rows: Vec<_> = page.journal.iter().map(row).collect();
    print::table(&["when (UTC)", "entry", "what happened"], &rows, "no entries")
}

async fn outputs(config: &ConfigArg, id: RunId, as_json: bool) -> Result<ExitCode, Failure> {
    let page = super::source(config).await?.run(id).await?;
    let run = page.replayed();
    let steps = run.as_ref().and_then(Run::gates).into_iter().flat_map(|gates| &gates.steps);
    let kept: Vec<(&GateName, &Output)> =
        steps.flat_map(|step| page.outputs_of(&step.gate.name).map(|output| (&step.gate.name, output))).collect();
    if as_json {
        let one = |(gate, output): &(&GateName, &Output)| json!({ "gate": gate, "path": output.path, "bytes": output.bytes });
        print::json(&kept.iter().map(one).collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |(gate, output): &(&GateName, &Output)| {
        (Tone::Quiet, vec![gate.to_string(), output.bytes.to_string(), output.path.clone()])
    };
    let rows: Vec<_> = kept.iter().map(row).collect();
    print::table(&["gate", "bytes", "path"], &rows, "no files were kept")?;
    Ok(ExitCode::SUCCESS)
}

async fn log(config: &ConfigArg, id: RunId, gate: &GateName) -> Result<ExitCode, Failure> {
    let log = super::source(config).await?.log(id, gate).await?;
    if print::is_terminal() {
        // A program under test wrote this; what it wrote may not control the terminal.
        print::bytes(print::printable_lines(&String::from_utf8_lossy(&log)).as_bytes())?;
    } else {
        print::bytes(&log)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn retry(config: &ConfigArg, id: RunId, as_json: bool) -> Result<ExitCode, Failure> {
    let answer = super::source(config).await?.retry(id, Timestamp::now()).await?;
    if as_json {
        print::json(&answer)?;
    } else if answer.retried {
        print::line(&format!("run {id} is ready again"))?;
    } else {
        print::line(&format!("run {id} is not set aside, so there is nothing to retry"))?;
    }
    Ok(if answer.retried { ExitCode::SUCCESS } else { ExitCode::from(Failure::NOT_PASSED) })
}

pub(in crate::commands) fn tone_of_state(state: &RunState) -> Tone {
    match state {
        RunState::Ready { .. } | RunState::Leased { .. } => Tone::Busy,
        RunState::SetAside { .. } => Tone::Bad,
        RunState::Finished { conclusion } => match conclusion {
            Conclusion::Success => Tone::Good,
            Conclusion::Failure | Conclusion::TimedOut | Conclusion::ActionRequired => Tone::Bad,
            Conclusion::Neutral | Conclusion::Cancelled | Conclusion::Skipped => Tone::Quiet,
        },
    }
}

fn tone_of_verdict(status: VerdictStatus) -> Tone {
    match status {
        VerdictStatus::Passed => Tone::Good,
        VerdictStatus::Failed | VerdictStatus::Errored => Tone::Bad,
        VerdictStatus::Cancelled | VerdictStatus::Skipped => Tone::Quiet,
    }
}

#[cfg(test)]
mod tests {
    use gatewright_core::{ForgeKind, RepoRef, Subject};

    use super::*;

    #[test]
    fn of_a_run_that_is_not_over_it_is_said_how_it_stands() {
        let at = |secs| Timestamp::from_second(secs).expect("in range");
        let repo = RepoRef { forge: ForgeKind::Gitlab, id: 1, path: "octo/app".to_owned(), installation: None };
        let subject = Subject::Pull { number: 7 };
        let mut run = RunRecord {
            id: RunId::new(),
            subject: subject.key(&repo),
            repo,
            title: subject.to_string(),
            commit: None,
            state: RunState::Ready { ready_at: at(90) },
            attempts: 2,
            seq: 1,
            created_at: at(0),
            updated_at: at(60),
        };
        let got_on = "got on      last at 1970-01-01 00:01:00 UTC";
        assert_eq!(standing(&run, at(61)), [got_on, "next        goes on at 1970-01-01 00:01:30 UTC, attempt 3"]);
        assert!(standing(&run, at(90)).is_empty(), "nothing keeps it");
        run.state = RunState::Leased { worker: "ci-7/4711\u{1b}[2J".to_owned(), expires_at: at(100) };
        assert_eq!(standing(&run, at(61)), [got_on, "worker      ci-7/4711[2J"]);
    }
}
