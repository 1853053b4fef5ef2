//! libtest's JSON (`-Z unstable-options --format json`), and cargo-nextest's `libtest-json` and `libtest-json-plus`: one event
//! a line.

use std::collections::BTreeSet;
use std::io::Read;

use serde::Deserialize;

use super::{Outcome, RUNNING_MAX, Tally, TestCase, TestRun, cut, secs};
use crate::error::{Fault, ReportError};
use crate::lines::Lines;

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    event: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    exec_time: Option<f64>,
    #[serde(default)]
    stdout: String,
    #[serde(default)]
    message: Option<String>,
    /// Of a suite that has ended, how many of its tests were not run.
    #[serde(default)]
    ignored: u64,
}

#[derive(Default)]
struct Reading {
    tally: Tally,
    /// Tests that have begun and not ended, with the number of their program: other programs have tests of the same name.
    running: BTreeSet<(u64, String)>,
    /// How many programs have begun; whether the last one has not ended.
    programs: u64,
    open: bool,
    /// Whether tests are named as nextest does, with their program. Then those of several are told from each other.
    nextest: bool,
    /// So many tests were not run, by the ends of suites, and by what is said of the tests themselves.
    ignored: [u64; 2],
}

/// Reads a report. Lines that are no JSON are of Cargo, or of the tests.
pub(super) fn read(source: impl Read) -> Result<TestRun, ReportError> {
    let mut lines = Lines::new(source);
    let mut reading = Reading::default();
    let mut events = 0_u64;
    while lines.next()? {
        if lines.line().starts_with('{') {
            events += 1;
            let event: Event = lines.json()?;
            reading.take(event).map_err(|fault| lines.error(fault))?;
        }
    }
    if events == 0 {
        return Err(lines.error(Fault::broken("no event is in it; this is no JSON of libtest, or an empty one")));
    }
    reading.finish().map_err(|fault| lines.error(fault))
}

impl Reading {
    fn take(&mut self, mut event: Event) -> Result<(), Fault> {
        event.name = cut(&event.name);
        match (event.kind.as_str(), event.event.as_str()) {
            ("suite", "started") => {
                self.unended()?;
                self.programs += 1;
                self.open = true;
            }
            ("suite", _) => {
                self.unended()?;
                self.open = false;
                self.ignored[0] += event.ignored;
            }
            ("test", "started") => {
                self.nextest |= event.name.contains('$');
                if self.running.len() >= RUNNING_MAX {
                    return Err(Fault::TooMuch(format!("more than {RUNNING_MAX} tests under way")));
                }
                self.running.insert((self.program(), event.name));
            }
            ("test", "ok") => self.end(event, Outcome::Passed)?,
            ("test", "failed") => self.end(event, Outcome::Failed)?,
            ("test", "ignored") => {
                self.ignored[1] += 1;
                self.end(event, Outcome::Skipped)?;
            }
            // `timeout` only says that a test is slow.
            _ => {}
        }
        Ok(())
    }

    fn program(&self) -> u64 {
        if self.nextest { 0 } else { self.programs }
    }

    fn end(&mut self, event: Event, outcome: Outcome) -> Result<(), Fault> {
        let (name, again) = match event.name.rsplit_once('#') {
            Some((name, attempt)) if name.contains('$') && attempt.parse::<u32>().is_ok() => (name, true),
            Some(_) | None => (event.name.as_str(), false),
        };
        self.running.remove(&(self.program(), name.to_owned()));
        let mut case = self.case(name, outcome);
        case.secs = event.exec_time.map(secs).transpose()?;
        case.text = if event.stdout.is_empty() { event.message.unwrap_or_default() } else { event.stdout };
        match again && outcome == Outcome::Passed {
            // What it wrote when it passed says nothing of why it had not.
            true => self.tally.add_flaky(TestCase { text: String::new(), ..case }),
            false => self.tally.add(case),
        }
    }

    /// nextest's names are `crate::program$test`; libtest does not say which program it is.
    fn case(&self, name: &str, outcome: Outcome) -> TestCase {
        match name.split_once('$') {
            Some((suite, test)) => TestCase::new(suite, test, outcome),
            None if self.programs > 1 => TestCase::new(&format!("program {}", self.programs), name, outcome),
            None => TestCase::new("", name, outcome),
        }
    }

    /// Where a program has ended or another begins, what has not ended never will. nextest runs several programs at once.
    fn unended(&mut self) -> Result<(), Fault> {
        if self.nextest {
            return Ok(());
        }
        let unended = !self.running.is_empty();
        for (_, name) in std::mem::take(&mut self.running) {
            let text = "it did not end".to_owned();
            self.tally.add(TestCase { text, ..self.case(&name, Outcome::Errored) })?;
        }
        self.open &= !unended;
        Ok(())
    }

    fn finish(mut self) -> Result<TestRun, Fault> {
        if self.nextest && !self.open {
            // Of an ignored test that a filter leaves out nextest says that it has begun, and then nothing but its suite's count.
            let [of_suites, of_tests] = self.ignored;
            for _ in of_tests..of_suites {
                let Some((_, name)) = self.running.pop_first() else { break };
                self.tally.add(self.case(&name, Outcome::Skipped))?;
            }
        }
        self.nextest = false;
        let open = self.open;
        let before = self.tally.run.counts.errored;
        self.unended()?;
        if open && self.tally.run.counts.errored == before {
            let text = "the report ends before the program did".to_owned();
            self.tally.add(TestCase { text, ..self.case("", Outcome::Errored) })?;
        }
        Ok(self.tally.finish())
    }
}
