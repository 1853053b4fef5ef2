//! `explain GATE`: says why a gate says what it says, with its evidence.

use gatewright_core::command::CommandName;
use gatewright_core::run::{Step, StepState};

use super::{Answer, Case, wrong_args};
use crate::render::escape;

pub(super) fn obey(case: &Case<'_>, args: &[String]) -> Answer {
    let [word] = args else { return Err(wrong_args(CommandName::Explain)) };
    let gate = case.gate(word)?;
    let Some((_, gates)) = case.latest_gates() else {
        return Err(format!("no run of commit {} is known. `/gw run` starts one.", case.head.short()));
    };
    let Some(step) = gates.step(&gate) else {
        return Err(format!("the gate `{gate}` is not part of the newest run. `/gw status` says where that stands."));
    };
    case.answer(CommandName::Explain, format!("explain {gate}"), explained(step))
}

fn explained(step: &Step) -> String {
    let mut lines = vec![match &step.gate.run {
        Some(run) => format!("The command is `{}` in the image `{}`.", first_line(run), step.gate.image),
        None => "It runs no command: it looks at the change itself.".to_owned(),
    }];
    if !step.gate.needs.is_empty() {
        let needs: Vec<String> = step.gate.needs.iter().map(|need| format!("`{need}`")).collect();
        lines.push(format!("It needs {}.", needs.join(", ")));
    }
    if let Some(waiver) = &step.waiver {
        lines.push(format!("{} has it count as passed: {}", escape(&waiver.by), escape(&waiver.reason)));
    }
    match &step.state {
        StepState::Waiting => lines.push("It waits: for a slot, or for what it needs.".to_owned()),
        StepState::Running { started_at, .. } => lines.push(format!("It runs since {started_at}.")),
        StepState::NotRun { because, .. } => lines.push(format!("It did not run: {}.", escape(because))),
        StepState::Done { outcome, .. } => {
            lines.push(format!("**{}**", escape(&outcome.verdict.title)));
            lines.push(outcome.verdict.summary.clone());
        }
        StepState::Carried { verdict } => {
            lines.push(format!("**{}**, in an earlier run of this commit.", escape(&verdict.title)));
            lines.push(verdict.summary.clone());
        }
    }
    lines.join("\n\n")
}

/// The first line of a command from the base branch's file, as it can stand in a code span.
fn first_line(command: &str) -> String {
    let line: String = command.trim().lines().next().unwrap_or_default().chars().take(120).collect();
    line.replace('`', "'")
}
