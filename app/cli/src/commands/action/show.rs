//! The output of a job's step: each gate's output in a group of its own, in which no line is a command to the runner, and then
//! what the gates say.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gatewright_action::Variables;
use gatewright_action::annotations::{self, Chosen, JOB_MAX};
use gatewright_action::checked::Checked;
use gatewright_action::github::command;
use gatewright_action::gitlab::section;
use gatewright_action::job::Runner;
use gatewright_action::summary;
use gatewright_core::config::Problem;
use gatewright_core::run::{Step, StepState};
use gatewright_core::verdict::{Annotation, AnnotationLevel, ReportFile};
use gatewright_core::{GateName, Timestamp};
use gatewright_engine::local::Observer;
use uuid::Uuid;

use super::keep::Reports;
use crate::failure::Failure;
use crate::print::{self, printable};

/// Of one gate's output so many bytes are shown. The log among the reports has what the service would keep.
const OUTPUT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Gates whose output is shown as it comes, where one runs after the other, or together once each is over.
pub(super) struct Output {
    runner: Runner,
    live: bool,
    gates: Mutex<BTreeMap<GateName, Shown>>,
    /// What gates left.
    pub(super) reports: Reports,
}

/// What was shown of a gate, or waits for that.
#[derive(Default)]
struct Shown {
    token: String,
    waiting: Vec<u8>,
    bytes: usize,
    left_out: usize,
    /// Whether what was shown last ends its line.
    line_open: bool,
}

impl Output {
    /// `live`: no two gates run at once.
    pub(super) fn new(runner: Runner, live: bool) -> Output {
        Output { runner, live, gates: Mutex::default(), reports: Reports::default() }
    }

    fn gates(&self) -> MutexGuard<'_, BTreeMap<GateName, Shown>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, gate: &GateName, token: &str) -> String {
        match self.runner {
            Runner::Github => command::begin_group(gate.as_str(), token),
            Runner::Gitlab => section::begin(gate, Timestamp::now()),
        }
    }

    fn end(&self, gate: &GateName, token: &str) -> String {
        match self.runner {
            Runner::Github => command::end_group(token),
            Runner::Gitlab => section::end(gate, Timestamp::now()),
        }
    }
}

/// Where standard output is closed, the exit code and the files have to do.
fn say(bytes: &[u8]) {
    let _ = print::bytes(bytes);
}

/// A token that nobody can guess.
fn token() -> String {
    Uuid::new_v4().simple().to_string()
}

impl Observer for Output {
    fn started(&self, gate: &GateName) {
        let token = token();
        if self.live {
            say(self.begin(gate, &token).as_bytes());
        } else {
            say(format!("{gate} runs\n").as_bytes());
        }
        self.gates().insert(gate.clone(), Shown { token, ..Shown::default() });
    }

    fn output(&self, gate: &GateName, bytes: &[u8]) {
        let mut gates = self.gates();
        let Some(shown) = gates.get_mut(gate) else { return };
        let (now, later) = bytes.split_at(bytes.len().min(OUTPUT_BYTES_MAX - shown.bytes));
        shown.bytes += now.len();
        shown.left_out += later.len();
        shown.line_open = now.last().map_or(shown.line_open, |last| *last != b'\n');
        if self.live {
            say(now);
        } else {
            shown.waiting.extend_from_slice(now);
        }
    }

    fn read(&self, gate: &GateName, glob: &str, files: &[ReportFile]) {
        self.reports.keep(gate, glob, files);
    }

    fn over(&self, step: &Step) {
        let name = &step.gate.name;
        let Some(mut shown) = self.gates().remove(name) else { return say(line(step).as_bytes()) };
        let mut text = if self.live { Vec::new() } else { self.begin(name, &shown.token).into_bytes() };
        text.append(&mut shown.waiting);
        if shown.line_open {
            text.push(b'\n');
        }
        if shown.left_out > 0 {
            // Writing to memory does not fail.
            let _ = writeln!(text, "{} more bytes are not shown; the log is among the reports", shown.left_out);
        }
        text.extend_from_slice(self.end(name, &shown.token).as_bytes());
        text.extend_from_slice(line(step).as_bytes());
        say(&text);
    }
}

/// What a gate says, on one line.
fn line(step: &Step) -> String {
    let (words, took) = match &step.state {
        StepState::Done { outcome, .. } => (outcome.verdict.title.as_str(), Some(outcome.duration_ms)),
        StepState::NotRun { because, .. } => (because.as_str(), None),
        StepState::Waiting | StepState::Running { .. } | StepState::Carried { .. } => ("", None),
    };
    let status = step.status().map_or("", gatewright_action::checked::word);
    let took = took.map(|ms| format!(" ({})", summary::duration(ms))).unwrap_or_default();
    format!("{}\n", command::harmless(&printable(&format!("{} {status}: {words}{took}", step.gate.name))))
}

/// The end of the step's output: annotations at their lines, as many as the runner shows, and the verdict.
pub(super) fn end(runner: Runner, checked: &Checked, coverage: Option<&str>) -> Result<u64, Failure> {
    let Chosen { shown, left_out } = annotations::choose(checked, JOB_MAX);
    let left_out = match runner {
        Runner::Github => {
            for annotation in shown {
                print::line(&command::annotation(annotation))?;
            }
            left_out
        }
        // GitLab has none in a job's output; its widgets show the reports.
        Runner::Gitlab => 0,
    };
    if left_out > 0 {
        print::line(&format!("{left_out} more annotations are not shown at their lines"))?;
    }
    if let Some(percent) = coverage {
        print::line(&format!("Gatewright coverage: {percent}%"))?;
    }
    print::line(&format!("Gatewright: {}", checked.headline()))?;
    Ok(left_out)
}

/// Something to know that is in nobody's way.
pub(super) fn note(runner: Runner, text: &str) -> Result<(), Failure> {
    match runner {
        Runner::Github => print::line(&command::remark(AnnotationLevel::Notice, "Gatewright", text)),
        Runner::Gitlab => print::line(&printable(&format!("note: {text}"))),
    }
}

/// What is wrong with the repository file, at its lines.
pub(super) fn problems(runner: Runner, file: &str, problems: &[Problem]) -> Result<(), Failure> {
    if runner != Runner::Github {
        return Ok(());
    }
    for problem in problems.iter().take(annotations::LEVEL_MAX) {
        let line = u32::try_from(problem.line.max(1)).unwrap_or(u32::MAX);
        print::line(&command::annotation(&Annotation {
            path: file.to_owned(),
            start_line: line,
            end_line: line,
            column: u32::try_from(problem.column).ok().filter(|column| *column > 0),
            level: AnnotationLevel::Failure,
            title: "The repository file is not valid".to_owned(),
            message: problem.message.clone(),
        }))?;
    }
    Ok(())
}

/// Why there is no verdict. On standard error everybody says it; on GitHub it is an annotation too.
pub(super) fn failure(variables: &Variables, failure: &Failure) -> Result<(), Failure> {
    match Runner::of(variables) {
        Ok(Runner::Github) => print::line(&command::remark(AnnotationLevel::Failure, "Gatewright", &failure.to_string())),
        Ok(Runner::Gitlab) | Err(_) => Ok(()),
    }
}
