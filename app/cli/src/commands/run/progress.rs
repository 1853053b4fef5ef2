//! How a local run goes, on standard error: a line that moves for each gate on a terminal, and else a line for what happens.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gatewright_core::GateName;
use gatewright_core::run::{Step, StepState};
use gatewright_engine::local::Observer;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::print::printable;
use crate::words;

/// What moves is drawn so often.
const TICK: Duration = Duration::from_millis(120);

/// Of a command's last line so many characters are shown; the terminal cuts the rest.
const LINE_CHARS_MAX: usize = 200;

/// The bytes of a line that has no end yet are kept up to here.
const LINE_BYTES_MAX: usize = 1024;

/// What a run is shown on.
pub(super) struct Progress {
    state: Mutex<State>,
}

struct State {
    /// None where nobody watches: then lines are written.
    bars: Option<MultiProgress>,
    /// What is being done before the gates run.
    before: Option<ProgressBar>,
    gates: BTreeMap<GateName, Running>,
}

struct Running {
    since: Instant,
    bar: Option<ProgressBar>,
    /// The line that the command is writing.
    line: Vec<u8>,
}

impl Progress {
    pub(super) fn new() -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        Progress { state: Mutex::new(State { bars, before: None, gates: BTreeMap::new() }) }
    }

    /// Says what is being done before the gates run.
    pub(super) fn say(&self, what: &str) {
        let mut state = self.state();
        state.clear();
        let bar = state.bars.as_ref().map(|bars| spinner(bars, ""));
        if let Some(bar) = &bar {
            bar.set_message(what.to_owned());
        }
        state.before = bar;
    }

    /// Takes away what moves.
    pub(super) fn finish(&self) {
        let mut state = self.state();
        state.clear();
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
    fn clear(&mut self) {
        if let Some(bar) = self.before.take() {
            bar.finish_and_clear();
        }
    }

    /// A line that stays.
    fn line(&self, text: &str) {
        // A closed standard error is no reason to stop.
        let _ = match &self.bars {
            Some(bars) => bars.println(text),
            None => writeln!(std::io::stderr(), "{text}"),
        };
    }
}

/// A line that moves. It has no colour of its own, so there is none to leave out.
pub(in crate::commands) fn spinner(bars: &MultiProgress, prefix: &str) -> ProgressBar {
    let bar = bars.add(ProgressBar::new_spinner());
    let style = if prefix.is_empty() { "{spinner} {wide_msg}" } else { "{spinner} {prefix}  {elapsed}  {wide_msg}" };
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.set_prefix(prefix.to_owned());
    bar.enable_steady_tick(TICK);
    bar
}

impl Observer for Progress {
    fn started(&self, gate: &GateName) {
        let mut state = self.state();
        state.clear();
        let bar = state.bars.as_ref().map(|bars| spinner(bars, gate.as_str()));
        if bar.is_none() {
            state.line(&format!("{gate}: started"));
        }
        state.gates.insert(gate.clone(), Running { since: Instant::now(), bar, line: Vec::new() });
    }

    fn output(&self, gate: &GateName, bytes: &[u8]) {
        let mut state = self.state();
        let Some(Running { bar: Some(bar), line, .. }) = state.gates.get_mut(gate) else { return };
        // Only what is left of the last line can be seen.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n');
        let shown = match whole {
            Some(end) => {
                let from = bytes[..end].iter().rposition(|byte| *byte == b'\n').map_or(0, |before| before + 1);
                if from == 0 {
                    line.extend_from_slice(&bytes[..end]);
                } else {
                    *line = bytes[from..end].to_vec();
                }
                let shown = std::mem::take(line);
                line.extend_from_slice(&bytes[end + 1..]);
                shown
            }
            None => {
                line.extend_from_slice(bytes);
                line.clone()
            }
        };
        line.truncate(LINE_BYTES_MAX);
        let text = printable(&String::from_utf8_lossy(&shown));
        if !text.trim().is_empty() {
            bar.set_message(text.chars().take(LINE_CHARS_MAX).collect::<String>());
        }
    }

    fn over(&self, step: &Step) {
        let mut state = self.state();
        state.clear();
        let running = state.gates.remove(&step.gate.name);
        let took = running.as_ref().map(|running| u64::try_from(running.since.elapsed().as_millis()).unwrap_or(u64::MAX));
        if let Some(bar) = running.and_then(|running| running.bar) {
            bar.finish_and_clear();
        }
        let (word, what) = match &step.state {
            StepState::Done { outcome, .. } => (outcome.verdict.status.words(), outcome.verdict.title.clone()),
            StepState::NotRun { because, status, .. } => (status.words(), because.clone()),
            StepState::Carried { verdict } => (verdict.status.words(), verdict.title.clone()),
            StepState::Waiting | StepState::Running { .. } => return,
        };
        let took = took.map(|ms| format!(" ({})", words::span(ms))).unwrap_or_default();
        state.line(&printable(&format!("{}: {word}: {what}{took}", step.gate.name)));
    }
}
