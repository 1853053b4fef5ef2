//! What a person reads at the end of a local run: the ends of the logs of gates that did not pass, the places that they name,
//! and a table.

use gatewright_core::run::{Step, StepState};
use gatewright_core::store::Blobs;
use gatewright_core::verdict::{Annotation, AnnotationLevel, StepOutcome, VerdictStatus};
use gatewright_engine::render;

use super::Done;
use crate::failure::Failure;
use crate::print::{self, Tone, printable, printable_lines};
use crate::words;

/// So many lines are shown of the end of a log; the file has all.
const TAIL_LINES_MAX: usize = 30;

/// A line of a log is cut to so many characters.
const LINE_CHARS_MAX: usize = 500;

/// So many lines are shown of what a gate says; the report and the JSON have all.
const WORDS_LINES_MAX: usize = 30;

/// So many places are shown of one gate; the report and the JSON have more.
const PLACES_MAX: usize = 50;

/// What each gate that did not pass has left.
pub(super) async fn failures(done: &Done<'_>) -> Result<(), Failure> {
    for step in &done.report.gates().steps {
        let StepState::Done { outcome, .. } = &step.state else { continue };
        match outcome.verdict.status {
            VerdictStatus::Failed | VerdictStatus::Errored => failure(done, step, outcome).await?,
            // A warning is worth a line wherever it comes from.
            VerdictStatus::Passed => places(&outcome.verdict.annotations)?,
            VerdictStatus::Cancelled | VerdictStatus::Skipped => {}
        }
    }
    Ok(())
}

async fn failure(done: &Done<'_>, step: &Step, outcome: &StepOutcome) -> Result<(), Failure> {
    let (name, word) = (&step.gate.name, outcome.verdict.status.words());
    let (title, exit) = (&outcome.verdict.title, words::exit(&outcome.exit));
    // A gate without a command has ended in no way of its own, and most titles begin with how a command did.
    let says_so = step.gate.run.is_none() || title.starts_with("exit code") || title.starts_with(&exit);
    let exit = if says_so { String::new() } else { format!(" ({exit})") };
    print::line(&printable(&format!("── {name} {word}: {title}{exit}")))?;
    if let Some(log) = &outcome.log
        && let Ok(Some(bytes)) = done.report.blobs.get(&log.blob).await
    {
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.trim_end().lines().collect();
        let from = lines.len().saturating_sub(TAIL_LINES_MAX);
        if from > 0 {
            print::line(&format!("   [{from} lines before this are in the log]"))?;
        }
        for line in &lines[from..] {
            print::line(&format!("   {}", printable_lines(&line.chars().take(LINE_CHARS_MAX).collect::<String>())))?;
        }
    }
    // What a command wrote does not say why its reports cannot be judged, nor which rules a change breaks.
    if outcome.verdict.status == VerdictStatus::Errored || step.gate.run.is_none() {
        words_of(&outcome.verdict.summary)?;
    }
    places(&outcome.verdict.annotations)?;
    print::line("")
}

/// What a gate says, as the Markdown that it is.
fn words_of(summary: &str) -> Result<(), Failure> {
    // What follows a heading is long, or shown here in another way.
    let lines: Vec<&str> = summary.lines().take_while(|line| !line.starts_with("#") && !line.starts_with("<details>")).collect();
    for line in lines.iter().take(WORDS_LINES_MAX).filter(|line| !line.is_empty() && !line.starts_with("|---")) {
        print::line(&format!("   {}", printable(&line.chars().take(LINE_CHARS_MAX).collect::<String>())))?;
    }
    match lines.len().checked_sub(WORDS_LINES_MAX) {
        Some(more @ 1..) => print::line(&format!("   [{more} more lines are in the report]")),
        Some(0) | None => Ok(()),
    }
}

/// Places in the source as compilers name them, for editors to jump to.
pub(in crate::commands) fn places(annotations: &[Annotation]) -> Result<(), Failure> {
    for annotation in annotations.iter().take(PLACES_MAX) {
        let Annotation { path, start_line, column, level, title, message, .. } = annotation;
        let column = column.map(|column| format!(":{column}")).unwrap_or_default();
        let level = match level {
            AnnotationLevel::Failure => "error",
            AnnotationLevel::Warning => "warning",
            AnnotationLevel::Notice => "note",
        };
        let message = message.lines().next().unwrap_or_default();
        let what = if message.is_empty() || message == title { title.clone() } else { format!("{title}: {message}") };
        print::line(&printable(&format!("{path}:{start_line}{column}: {level}: {what}")))?;
    }
    match annotations.len().checked_sub(PLACES_MAX) {
        Some(more @ 1..) => print::line(&format!("and {more} more places")),
        Some(0) | None => Ok(()),
    }
}

/// Every gate in a line, and how it went as a whole.
pub(super) fn table(done: &Done<'_>) -> Result<(), Failure> {
    let gates = done.report.gates();
    let rows: Vec<(Tone, Vec<String>)> = gates.steps.iter().map(row).collect();
    print::table(&["verdict", "gate", "change", "time", "what"], &rows, "the file has no gates")?;
    let head = format!("{}: {}", render::headline(&done.report.run), checked(done));
    print::line(&format!("\n{}", printable(&head)))?;
    unknown_base(done)?;
    if done.kept.logs.is_empty() {
        return Ok(());
    }
    print::line(&printable(&format!("logs: {}", done.kept.folder.display())))
}

/// What was checked, and compared with what.
pub(super) fn checked(done: &Done<'_>) -> String {
    let against = match &done.tree.base {
        Some(base) => format!(", compared with {} ({})", base.commit.short(), base.name),
        None => ", compared with nothing: there is no default branch here; name a base with --base".to_owned(),
    };
    let state = if done.tree.change.lasting { "" } else { " with what is not committed" };
    format!("{}{state}{against}", done.tree.change.commit.short())
}

/// Says why there is nothing in the column of changes though a gate compares.
fn unknown_base(done: &Done<'_>) -> Result<(), Failure> {
    let silent = |step: &&Step| step.gate.compares() && step.verdict().is_some_and(|verdict| verdict.change.is_empty());
    let names: Vec<&str> = done.report.gates().steps.iter().filter(silent).map(|step| step.gate.name.as_str()).collect();
    if names.is_empty() || done.tree.base.is_none() {
        return Ok(());
    }
    print::line(&format!("nothing is known of the base for {}; --measure-base runs it there first", names.join(", ")))
}

fn row(step: &Step) -> (Tone, Vec<String>) {
    let name = if step.gate.required { step.gate.name.to_string() } else { format!("{} (advisory)", step.gate.name) };
    let (status, change, time, what) = match &step.state {
        StepState::Done { outcome, .. } => {
            let verdict = &outcome.verdict;
            (Some(verdict.status), verdict.change.clone(), words::span(outcome.duration_ms), verdict.title.clone())
        }
        StepState::NotRun { because, status, .. } => (Some(*status), String::new(), String::new(), because.clone()),
        StepState::Carried { verdict } => (Some(verdict.status), verdict.change.clone(), String::new(), verdict.title.clone()),
        StepState::Waiting | StepState::Running { .. } => (None, String::new(), String::new(), String::new()),
    };
    let tone = match status {
        Some(VerdictStatus::Passed) => Tone::Good,
        Some(VerdictStatus::Failed | VerdictStatus::Errored) => Tone::Bad,
        Some(VerdictStatus::Cancelled) | None => Tone::Busy,
        Some(VerdictStatus::Skipped) => Tone::Quiet,
    };
    (tone, vec![status.map_or("waiting", VerdictStatus::words).to_owned(), name, change, time, what])
}
