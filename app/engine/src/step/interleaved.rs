//! Benchmarks of base and head in turn, in one sandbox: what differs between machines and hours strikes both alike.
//!
//! Each source has a folder of its own, and the gate's command runs in the one and then in the other. Which comes first changes
//! from round to round (head base, base head, head base, ...), so that neither gains from its place. The reports are read after
//! each run, since the next one writes over them.
//!
//! The head decides how the step ended. What goes wrong with the base (it does not build, it has no such benchmark) only ends the
//! rounds: it is not the change's fault.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gatewright_core::sandbox::{Command, ExecEnd, ExecResult, Folder, Limits, SandboxHandle, Source};
use gatewright_core::verdict::{Exit, ReportKind, Reports, Round, Rounds};

use super::{Ended, Failure, StepInput, StepRunner, exit, outputs};
use crate::gates;
use crate::log::StepLog;

/// The reports of all rounds together may have so many bytes. Beyond, there are no more rounds.
const REPORT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Why there are no rounds where nothing is known that the commit could be compared with.
const NO_BASE: &str = "there is no commit that this one is compared with";

/// A step with a base beside its source.
struct Session<'a> {
    runner: &'a StepRunner<'a>,
    input: &'a StepInput<'a>,
    head: SandboxHandle,
    base: SandboxHandle,
    limits: Limits,
    log: &'a StepLog,
    began: Instant,
}

/// What the head's last run of the command came to.
struct Head {
    exit: Exit,
    disk_full: bool,
    reports: BTreeMap<ReportKind, Reports>,
}

/// Why there are no more rounds.
enum Over {
    /// The head's command failed: the step has ended like that.
    Head(Head),
    /// In words for the user.
    Cause(String),
}

/// Why a run of the command is of no use for a round.
enum Lost {
    Failed(Failure),
    Over(Over),
}

impl From<Failure> for Lost {
    fn from(failure: Failure) -> Self {
        Lost::Failed(failure)
    }
}

impl StepRunner<'_> {
    /// Runs the rounds that the gate asks for, as many as its time allows.
    pub(super) async fn run_interleaved(&self, input: &StepInput<'_>, script: &str, log: &StepLog) -> Result<Ended, Failure> {
        let Some(since) = &input.since else {
            let ended = self.run_command(input, script, log).await?;
            return Ok(Ended { rounds: Some(without(input, NO_BASE.to_owned())), ..ended });
        };
        let base = Source { commit: since.clone(), overlay: Arc::default(), ..input.source.clone() };
        let spec = self.spec(input, Some(base));
        let head = self.open(&spec, log).await?;
        let base = head.within(Folder::Base);
        Session { runner: self, input, head, base, limits: spec.limits, log, began: Instant::now() }.run(script).await
    }
}

fn without(input: &StepInput<'_>, cause: String) -> Rounds {
    Rounds { list: Vec::new(), wanted: input.gate.benchmark.rounds, cut_short: Some(cause) }
}

impl Session<'_> {
    async fn run(&self, script: &str) -> Result<Ended, Failure> {
        let mut rounds = Rounds { wanted: self.input.gate.benchmark.rounds, ..Rounds::default() };
        let mut last = None;
        match self.rounds(script, &mut rounds.list, &mut last).await {
            Ok(()) => {}
            Err(Lost::Failed(failure)) => return Err(failure),
            Err(Lost::Over(Over::Cause(cause))) => rounds.cut_short = Some(cause),
            Err(Lost::Over(Over::Head(head))) => last = Some(head),
        }
        let Head { exit, disk_full, reports } = match last {
            Some(head) => head,
            // The base could not be prepared. The head's command is judged all the same.
            None => self.head_alone(script).await?,
        };
        let outputs = outputs::keep(self.runner, &self.head, &self.input.gate.outputs).await?;
        let workspace = self.runner.sandbox.workspace(&self.head);
        Ok(Ended { workspace, disk_full, reports, outputs, rounds: Some(rounds), ..Ended::of(exit) })
    }

    async fn rounds(&self, script: &str, list: &mut Vec<Round>, last: &mut Option<Head>) -> Result<(), Lost> {
        self.prepare().await?;
        let wanted = self.input.gate.benchmark.rounds;
        let mut longest = Duration::ZERO;
        for number in 0..wanted {
            // A round that is cut off is no round.
            if number > 0 && self.left() < longest {
                return Err(self.no_time());
            }
            let began = Instant::now();
            self.say(&format!("round {} of {wanted}", number + 1));
            let base = if number % 2 == 0 {
                self.head_after(script, list, last).await?;
                self.base(script).await?
            } else {
                let base = self.base(script).await?;
                self.head_after(script, list, last).await?;
                base
            };
            longest = longest.max(began.elapsed());
            let head = last.as_ref().map(|head| of_benchmarks(&head.reports)).unwrap_or_default();
            list.push(Round { base, head });
            if bytes(list) > REPORT_BYTES_MAX {
                let cause = format!("the reports of all rounds have more than {} MiB", REPORT_BYTES_MAX >> 20);
                return Err(Lost::Over(Over::Cause(cause)));
            }
        }
        Ok(())
    }

    /// Runs the head's command and keeps what it came to. That one of many runs took too long only ends the rounds.
    async fn head_after(&self, script: &str, list: &[Round], last: &mut Option<Head>) -> Result<(), Lost> {
        match self.head(script).await {
            Ok(head) => *last = Some(head),
            Err(Lost::Over(Over::Head(Head { exit: Exit::TimedOut { .. }, .. }))) if !list.is_empty() => {
                return Err(self.no_time());
            }
            Err(lost) => return Err(lost),
        }
        Ok(())
    }

    fn no_time(&self) -> Lost {
        Lost::Over(Over::Cause(format!("the gate's time of {} s does not allow for more", self.limits.wall_secs)))
    }

    /// Runs what need not be measured, in both sources.
    async fn prepare(&self) -> Result<(), Lost> {
        let Some(script) = &self.input.gate.benchmark.prepare else { return Ok(()) };
        self.say("prepare, head");
        let result = self.exec(&self.head, script, self.left()).await?;
        if result.end != ExecEnd::Exited(0) {
            let exit = exit(result.end, &self.limits);
            return Err(Lost::Over(Over::Head(Head { exit, disk_full: result.disk_full, reports: BTreeMap::new() })));
        }
        self.say("prepare, base");
        self.of_base(self.exec(&self.base, script, self.left() / 2).await?, "`prepare`")
    }

    async fn base(&self, script: &str) -> Result<Reports, Lost> {
        self.say("base");
        self.of_base(self.exec(&self.base, script, self.left() / 2).await?, "the command")?;
        let reports = self.runner.read_reports(&self.base, self.wanted(true)).await?;
        let reports = of_benchmarks(&reports);
        match reports.files.is_empty() && reports.errors.is_empty() {
            true => Err(Lost::Over(Over::Cause("the base writes no such report".to_owned()))),
            false => Ok(reports),
        }
    }

    async fn head(&self, script: &str) -> Result<Head, Lost> {
        self.say("head");
        let result = self.exec(&self.head, script, self.left()).await?;
        let exit = exit(result.end, &self.limits);
        let ended = matches!(exit, Exit::Code { .. });
        let wanted = if ended { self.wanted(false) } else { Vec::new() };
        let reports = self.runner.read_reports(&self.head, wanted).await?;
        let head = Head { disk_full: result.disk_full, reports, exit };
        if head.exit == (Exit::Code { code: 0 }) { Ok(head) } else { Err(Lost::Over(Over::Head(head))) }
    }

    /// The head's command once, where there is no round.
    async fn head_alone(&self, script: &str) -> Result<Head, Failure> {
        match self.head(script).await {
            Ok(head) | Err(Lost::Over(Over::Head(head))) => Ok(head),
            Err(Lost::Failed(failure)) => Err(failure),
            Err(Lost::Over(Over::Cause(cause))) => Err(Failure { cause, may_pass: false }),
        }
    }

    /// What it means that a command of the base did not end well.
    fn of_base(&self, result: ExecResult, what: &str) -> Result<(), Lost> {
        let cause = match result.end {
            ExecEnd::Exited(0) => return Ok(()),
            ExecEnd::Exited(code) => format!("{what} fails on the base, with exit code {code}"),
            // It is given half of what is left, so that there is time for the head.
            ExecEnd::TimedOut => format!("{what} takes too much of the gate's time of {} s on the base", self.limits.wall_secs),
            ExecEnd::OutOfMemory => format!("{what} takes more than {} MiB of memory on the base", self.limits.memory_mib),
        };
        Err(Lost::Over(Over::Cause(cause)))
    }

    /// What is left of the gate's time, which is that of all its commands together.
    fn left(&self) -> Duration {
        Duration::from_secs(self.limits.wall_secs).saturating_sub(self.began.elapsed())
    }

    async fn exec(&self, folder: &SandboxHandle, script: &str, wall: Duration) -> Result<ExecResult, Failure> {
        let command = Command { script: script.to_owned(), wall };
        Ok(self.runner.sandbox.exec(folder, &command, self.log).await?)
    }

    /// Which reports are read: of the base only those that are compared.
    fn wanted(&self, only_benchmarks: bool) -> Vec<(ReportKind, Vec<String>)> {
        let mut wanted = gates::reports_wanted(self.input.gate);
        wanted.retain(|(kind, _)| !only_benchmarks || *kind == ReportKind::Benchmarks);
        wanted
    }

    /// Marks a place in the log.
    fn say(&self, text: &str) {
        gatewright_core::sandbox::OutputSink::write(self.log, format!("[gatewright] {text}\n").as_bytes());
    }
}

fn bytes(list: &[Round]) -> u64 {
    let files = list.iter().flat_map(|round| round.base.files.iter().chain(&round.head.files));
    files.map(|file| file.content.bytes()).sum()
}

fn of_benchmarks(reports: &BTreeMap<ReportKind, Reports>) -> Reports {
    reports.get(&ReportKind::Benchmarks).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests;
