//! How a local pipeline goes, on standard error: on a terminal a line that moves for each stage at work, and one for what was used up;
//! else a line for each thing that happens.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gatewright_core::GateName;
use gatewright_core::run::{AgentEvent, AgentRun, JournalEntry, Run, RunEvent, StageRun, StageState, Step, StepState};
use gatewright_engine::Wait;
use gatewright_engine::local::{Observer, PipelineObserver};
use indicatif::{MultiProgress, ProgressBar};

use crate::commands::run::progress::spinner;
use crate::print::printable;
use crate::words;

/// Of what a tool is used on so many characters are shown; the terminal cuts the rest.
const LINE_CHARS_MAX: usize = 200;

/// What a pipeline is shown on.
pub(super) struct Progress {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// None where nobody watches: then lines are written.
    bars: Option<MultiProgress>,
    /// What is being done before the pipeline runs, and afterwards what it has used up.
    total: Option<ProgressBar>,
    stages: BTreeMap<usize, ProgressBar>,
    /// How each stage was when it was looked at last, and at which try.
    seen: Vec<(&'static str, u32)>,
    /// What was said last of what the pipeline waits for.
    waited: Option<String>,
}

impl Progress {
    pub(super) fn new() -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        Progress { state: Mutex::new(State { bars, ..State::default() }) }
    }

    /// Says what is being done.
    pub(super) fn say(&self, what: &str) {
        self.state().total(what);
    }

    /// Takes away what moves.
    pub(super) fn finish(&self) {
        let mut state = self.state();
        for bar in std::mem::take(&mut state.stages).into_values().chain(state.total.take()) {
            bar.finish_and_clear();
        }
        if let Some(bars) = &state.bars {
            // Where the terminal is gone, there is nothing to take away.
            let _ = bars.clear();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn total(&mut self, what: &str) {
        let Some(bars) = &self.bars else { return };
        self.total.get_or_insert_with(|| spinner(bars, "")).set_message(what.to_owned());
    }

    /// A line that stays.
    fn line(&self, text: &str) {
        let text = printable(text);
        // A closed standard error is no reason to stop.
        let _ = match &self.bars {
            Some(bars) => bars.println(text),
            None => writeln!(std::io::stderr(), "{text}"),
        };
    }

    /// A line that stays where nobody watches, and else is shown until the next one.
    fn step(&self, stage: u16, name: &str, text: &str) {
        match self.stages.get(&usize::from(stage)) {
            Some(bar) => bar.set_message(printable(text).chars().take(LINE_CHARS_MAX).collect::<String>()),
            None => self.line(&format!("{name}: {text}")),
        }
    }

    /// Says which stages have begun or ended.
    fn stages(&mut self, of: &AgentRun) {
        self.seen.resize(of.stages.len(), ("waiting", 0));
        for (n, stage) in of.stages.iter().enumerate() {
            let now = (stage.word(), stage.tries);
            if std::mem::replace(&mut self.seen[n], now) == now {
                continue;
            }
            match &stage.state {
                StageState::Working => self.begun(n, stage),
                StageState::Waiting | StageState::Done { .. } | StageState::Failed { .. } | StageState::NotRun => {
                    self.ended(n, stage);
                }
            }
        }
    }

    fn begun(&mut self, n: usize, stage: &StageRun) {
        let again = if stage.tries > 1 { format!(", try {}", stage.tries) } else { String::new() };
        match &self.bars {
            Some(bars) => {
                let bar = self.stages.entry(n).or_insert_with(|| spinner(bars, &stage.name));
                bar.set_message(format!("started{again}"));
            }
            None => self.line(&format!("{}: started{again}", stage.name)),
        }
    }

    fn ended(&mut self, n: usize, stage: &StageRun) {
        if let Some(bar) = self.stages.remove(&n) {
            bar.finish_and_clear();
        }
        match &stage.state {
            StageState::Done { .. } => {
                let said = stage.handover.as_ref().and_then(|handover| handover.summary.lines().next());
                let said = said.map(|said| format!(": {}", said.chars().take(LINE_CHARS_MAX).collect::<String>()));
                self.line(&format!("{}: done{}", stage.name, said.unwrap_or_default()));
            }
            StageState::Failed { because, .. } => self.line(&format!("{}: failed: {because}", stage.name)),
            StageState::Waiting | StageState::Working | StageState::NotRun => {}
        }
    }

    fn happened(&self, of: &AgentRun, event: &AgentEvent) {
        let name = |stage: &u16| of.stage(*stage).map_or("", |stage| stage.name.as_str());
        match event {
            AgentEvent::Prepared { prepared } => {
                let steps: Vec<&str> = of.stages.iter().map(|stage| stage.name.as_str()).collect();
                self.line(&format!("{}: {}; {}", prepared.pipeline.name, steps.join(", "), budget(of)));
            }
            AgentEvent::TurnBegun { stage, turn, .. } if self.bars.is_some() => {
                self.step(*stage, name(stage), &format!("turn {turn}: asking"));
            }
            AgentEvent::Replied { stage, turn, reply } => {
                let cost = reply.micro_usd.map_or_else(|| "price not known".to_owned(), words::agent::usd);
                let calls = if reply.calls.is_empty() { "no tool".to_owned() } else { reply.calls.join(", ") };
                let span = words::span(reply.millis);
                self.step(*stage, name(stage), &format!("turn {turn}: {calls} ({}, {cost}, {span})", reply.model));
            }
            AgentEvent::Acted { stage, acted, .. } => {
                for act in acted.acts.iter().filter(|act| !act.about.is_empty()) {
                    let failed = if act.failed { ", failed" } else { "" };
                    self.step(*stage, name(stage), &format!("  {} {}{failed}", act.tool, act.about));
                }
            }
            AgentEvent::Verified { stage, gate, outcome } => {
                let verdict = &outcome.verdict;
                self.line(&format!("{}: gate {gate} {}: {}", name(stage), verdict.status.words(), verdict.title));
            }
            AgentEvent::Spent { what } => self.line(&format!("stopped: {}", what.words())),
            AgentEvent::TurnBegun { .. }
            | AgentEvent::TurnFailed { .. }
            | AgentEvent::Refused { .. }
            | AgentEvent::ProgramEnded { .. }
            | AgentEvent::Broken { .. }
            | AgentEvent::Expired { .. }
            | AgentEvent::Judged { .. } => {}
        }
    }
}

impl PipelineObserver for Progress {
    fn happened(&self, run: &Run, entry: &JournalEntry) {
        let (Some(of), RunEvent::Agent { event }) = (run.agent(), &entry.event) else { return };
        let mut state = self.state();
        state.happened(of, event);
        state.stages(of);
        if of.prepared.is_some() {
            state.total(&used(of));
        }
    }

    fn waits(&self, waits: &[Wait]) {
        let mut state = self.state();
        let now = waits.first().map(|wait| wait.cause.clone());
        if now != state.waited {
            if let Some(cause) = &now {
                state.line(&format!("to be tried again: {cause}"));
            }
            state.waited = now;
        }
    }
}

/// Before agents begin, gates may be asked.
impl Observer for Progress {
    fn started(&self, gate: &GateName) {
        self.state().total(&format!("before: gate {gate}"));
    }

    fn output(&self, _: &GateName, _: &[u8]) {}

    fn over(&self, step: &Step) {
        if let (Some(verdict), StepState::Done { .. }) = (step.verdict(), &step.state) {
            let said = verdict.status.words();
            self.state().line(&format!("before: gate {} {said}: {}", step.gate.name, verdict.title));
        }
    }
}

/// What may be used up.
fn budget(of: &AgentRun) -> String {
    let Some(prepared) = &of.prepared else { return String::new() };
    let budget = &prepared.pipeline.budget;
    let money = budget.micro_usd.map_or_else(|| "no limit of money".to_owned(), words::agent::usd);
    format!("budget {money}, {} turns, {} tokens, {} min", budget.turns, budget.tokens, budget.secs / 60)
}

/// What has been used up, of what.
fn used(of: &AgentRun) -> String {
    let Some(prepared) = &of.prepared else { return String::new() };
    let budget = &prepared.pipeline.budget;
    let most = budget.micro_usd.map(|most| format!(" of {}", words::agent::usd(most))).unwrap_or_default();
    let spent = words::agent::usd(of.spent.micro_usd);
    format!("turn {} of {}, {} of {} tokens, {spent}{most}", of.turns, budget.turns, of.spent.tokens, budget.tokens)
}
