//! A local run as JSON. The shape is described in `docs/local-run.md`; keys are added to it, and never change what they mean.

use gatewright_core::run::{Step, StepState};
use gatewright_core::verdict::{Annotation, Exit, VerdictStatus};
use gatewright_engine::local::LocalEnd;
use serde::Serialize;

use super::Done;
use crate::failure::Failure;

#[derive(Serialize)]
struct Answer<'a> {
    /// `success`, `failure`, `timed_out` or `cancelled`.
    conclusion: &'static str,
    /// What the process exits with.
    exit_code: u8,
    commit: &'a str,
    /// Whether the commit is the user's own, and not one of what is not committed.
    committed: bool,
    base: Option<BaseOf<'a>>,
    file: String,
    logs: String,
    duration_ms: u64,
    gates: Vec<GateOf<'a>>,
}

#[derive(Serialize)]
struct BaseOf<'a> {
    commit: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
struct GateOf<'a> {
    name: &'a str,
    status: Option<VerdictStatus>,
    required: bool,
    title: &'a str,
    /// Markdown.
    summary: &'a str,
    change: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit: Option<&'a Exit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<String>,
    /// The files that it was asked to keep.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    outputs: Vec<String>,
    annotations: &'a [Annotation],
    annotations_left_out: u64,
}

/// The answer, as text.
pub(super) fn render(done: &Done<'_>) -> Result<String, Failure> {
    let answer = Answer {
        conclusion: done.report.run.conclusion().as_str(),
        exit_code: match done.report.end() {
            LocalEnd::Passed => 0,
            LocalEnd::NotPassed => Failure::NOT_PASSED,
            LocalEnd::NotRun => Failure::OUTSIDE,
        },
        commit: done.tree.change.commit.as_str(),
        committed: done.tree.change.lasting,
        base: done.tree.base.as_ref().map(|base| BaseOf { commit: base.commit.as_str(), name: &base.name }),
        file: done.file.display().to_string(),
        logs: done.kept.folder.display().to_string(),
        duration_ms: done.duration_ms,
        gates: done.report.gates().steps.iter().map(|step| gate(done, step)).collect(),
    };
    let text = serde_json::to_string_pretty(&answer);
    text.map_err(|e| Failure::Outside(format!("the answer cannot be written as JSON: {e}")))
}

fn gate<'a>(done: &Done<'_>, step: &'a Step) -> GateOf<'a> {
    let (verdict, because) = (step.verdict(), because(step));
    let outcome = match &step.state {
        StepState::Done { outcome, .. } => Some(outcome),
        StepState::Waiting | StepState::Running { .. } | StepState::NotRun { .. } | StepState::Carried { .. } => None,
    };
    GateOf {
        name: step.gate.name.as_str(),
        status: step.status(),
        required: step.gate.required,
        title: verdict.map_or(because, |verdict| verdict.title.as_str()),
        summary: verdict.map_or("", |verdict| verdict.summary.as_str()),
        change: verdict.map_or("", |verdict| verdict.change.as_str()),
        exit: outcome.map(|outcome| &outcome.exit),
        duration_ms: outcome.map(|outcome| outcome.duration_ms),
        log: done.kept.logs.get(&step.gate.name).map(|file| file.display().to_string()),
        outputs: done.kept.outputs.get(&step.gate.name).into_iter().flatten().map(|file| file.display().to_string()).collect(),
        annotations: verdict.map_or(&[], |verdict| &verdict.annotations),
        annotations_left_out: verdict.map_or(0, |verdict| verdict.annotations_left_out),
    }
}

/// Why a gate did not run.
fn because(step: &Step) -> &str {
    match &step.state {
        StepState::NotRun { because, .. } => because,
        StepState::Waiting | StepState::Running { .. } | StepState::Done { .. } | StepState::Carried { .. } => "",
    }
}
