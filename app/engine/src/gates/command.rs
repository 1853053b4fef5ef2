//! The exit code: every gate that has a command is judged by it. Says of a command that did not end by itself why.

use gatewright_core::config::GateConfig;
use gatewright_core::verdict::{Evidence, Exit, VerdictStatus};

use super::{Kind, Opinion, markdown};

pub(super) const KIND: Kind = Kind { about: None, reports: |config| config.run.is_some().then_some(&[]), judge };

/// A cause in a title may have so many characters.
const CAUSE_CHARS_MAX: usize = 160;

fn judge(_config: &GateConfig, evidence: &Evidence) -> Opinion {
    let mut opinion = of_exit(&evidence.exit);
    tell_of_tries(&mut opinion, evidence);
    if evidence.disk_full && opinion.status != VerdictStatus::Passed && opinion.status != VerdictStatus::Cancelled {
        opinion.status = VerdictStatus::Errored;
        opinion.title = format!("the workspace's disk was full; {}", opinion.title);
        opinion.summary.push_str(
            "\n\nThe workspace had no space left when the command ended. Write less, or raise the service's disk limit \
             (`disk_mib`).",
        );
    }
    opinion
}

/// That the command was run more than once is said whatever came of it: what fails now and then hides what is broken.
fn tell_of_tries(opinion: &mut Opinion, evidence: &Evidence) {
    let Some(tries) = Some(evidence.earlier.len() + 1).filter(|tries| *tries > 1) else { return };
    let ends: Vec<String> = evidence.earlier.iter().map(|earlier| of_exit(&earlier.exit).title).collect();
    if opinion.status == VerdictStatus::Passed {
        opinion.title = format!("{} at try {tries}", opinion.title);
        opinion.summary = format!("⚠️ The command had failed before it passed at try {tries}: {}.", ends.join(", "));
    } else {
        let text = format!("This was try {tries}; it ended before with {}.", ends.join(", "));
        opinion.summary = format!("{}\n\n{text}", opinion.summary);
    }
}

fn of_exit(exit: &Exit) -> Opinion {
    match exit {
        Exit::Code { code: 0 } => Opinion::plain(VerdictStatus::Passed, "exit code 0", ""),
        Exit::Code { code } => {
            let summary = format!("The command ended with exit code {code}{}.", meaning(*code));
            Opinion::plain(VerdictStatus::Failed, format!("exit code {code}"), summary)
        }
        Exit::TimedOut { after_secs } => {
            let limit = span(*after_secs);
            let summary =
                format!("The command was killed at its time limit of {limit}. `timeout` in the repository file raises it.");
            Opinion::plain(VerdictStatus::Errored, format!("timed out after {limit}"), summary)
        }
        Exit::OutOfMemory { memory_mib } => {
            let summary = format!("The command wanted more memory than its limit of {memory_mib} MiB, and was killed for it.");
            Opinion::plain(VerdictStatus::Errored, format!("out of memory ({memory_mib} MiB)"), summary)
        }
        Exit::Cancelled => {
            Opinion::plain(VerdictStatus::Cancelled, "cancelled", "The command was stopped: its result is not wanted any more.")
        }
        Exit::NotStarted { cause } => {
            let title = format!("not started: {}", markdown::one_line(cause, CAUSE_CHARS_MAX));
            Opinion::plain(VerdictStatus::Errored, title, format!("The command did not start:\n\n{}", markdown::fenced(cause)))
        }
    }
}

/// What a shell means by an exit code.
fn meaning(code: i64) -> &'static str {
    match code {
        126 => ": the command cannot be executed",
        127 => ": the command was not found",
        134 => ": it was aborted (SIGABRT)",
        137 => ": it was killed (SIGKILL)",
        139 => ": it made a memory fault (SIGSEGV)",
        143 => ": it was ended (SIGTERM)",
        _ => "",
    }
}

fn span(secs: u64) -> String {
    let parts = [(secs / 3600, "h"), (secs / 60 % 60, "min"), (secs % 60, "s")];
    let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n} {unit}")).collect();
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}
