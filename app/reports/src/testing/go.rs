//! `go test -json` (`go doc test2json`): one event a line. What Go's tools write between them is no part of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use serde::Deserialize;

use super::{Outcome, RUNNING_MAX, Tally, TestCase, TestRun, append, cut, secs};
use crate::error::{Fault, ReportError};
use crate::lines::Lines;

/// The output of all tests under way may have so many bytes together. Beyond, it is not kept.
const OUTPUT_BYTES_MAX: usize = 64 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    action: String,
    #[serde(default)]
    package: String,
    #[serde(default)]
    import_path: String,
    #[serde(default)]
    test: String,
    #[serde(default)]
    elapsed: Option<f64>,
    #[serde(default)]
    output: String,
    #[serde(default)]
    failed_build: String,
}

#[derive(Default)]
struct Reading {
    tally: Tally,
    /// The output of what is under way, by package and test; the package itself has no test.
    running: BTreeMap<(String, String), String>,
    /// Packages in which a test was bad.
    bad: BTreeSet<String>,
    /// What the compiler said, by what it compiled.
    builds: BTreeMap<String, String>,
    output_bytes: usize,
    events: u64,
}

/// The package of a line that says that it could not be built: before Go 1.24 that is no event.
pub(super) fn unbuilt(line: &str) -> Option<&str> {
    let (package, why) = line.strip_prefix("FAIL\t")?.split_once(' ')?;
    matches!(why, "[build failed]" | "[setup failed]").then_some(package)
}

/// Reads a report.
pub(super) fn read(source: impl Read) -> Result<TestRun, ReportError> {
    let mut lines = Lines::new(source);
    let mut reading = Reading::default();
    while lines.next()? {
        if lines.line().starts_with('{') {
            let event: Event = lines.json()?;
            reading.take(event).map_err(|fault| lines.error(fault))?;
        } else if let Some(package) = unbuilt(lines.line()) {
            reading.unbuilt(package, lines.line()).map_err(|fault| lines.error(fault))?;
        }
    }
    if reading.events == 0 {
        return Err(lines.error(Fault::broken("no event is in it; this is no output of `go test -json`, or an empty one")));
    }
    reading.finish().map_err(|fault| lines.error(fault))
}

impl Reading {
    fn take(&mut self, mut event: Event) -> Result<(), Fault> {
        self.events += 1;
        (event.package, event.test) = (cut(&event.package), cut(&event.test));
        let key = (event.package.clone(), event.test.clone());
        match event.action.as_str() {
            "start" | "run" => {
                if self.running.len() >= RUNNING_MAX {
                    return Err(Fault::TooMuch(format!("more than {RUNNING_MAX} tests under way")));
                }
                self.running.entry(key).or_default();
            }
            "output" => self.output(&key, &event.output),
            "build-output" => self.build_output(cut(&event.import_path), &event.output)?,
            "pass" | "bench" if !event.test.is_empty() => self.end(&event, Outcome::Passed)?,
            "skip" if !event.test.is_empty() => self.end(&event, Outcome::Skipped)?,
            "fail" if !event.test.is_empty() => {
                if self.bad.len() >= RUNNING_MAX {
                    return Err(Fault::TooMuch(format!("more than {RUNNING_MAX} packages with bad tests under way")));
                }
                self.bad.insert(event.package.clone());
                self.end(&event, Outcome::Failed)?;
            }
            "fail" => self.package_failed(&event)?,
            // A package without tests is skipped; it is no test.
            "pass" | "skip" => drop(self.running.remove(&key)),
            // `pause`, `cont`, `attr`, `build-fail`, and what later versions bring.
            _ => {}
        }
        Ok(())
    }

    fn unbuilt(&mut self, package: &str, line: &str) -> Result<(), Fault> {
        self.events += 1;
        let text = format!("{line}\n");
        self.tally.add(TestCase { text, ..TestCase::new(package, "", Outcome::Errored) })
    }

    fn output(&mut self, key: &(String, String), output: &str) {
        let noise = output.starts_with("=== ") || output.trim_start().starts_with("--- ");
        let Some(text) = self.running.get_mut(key).filter(|_| !noise && self.output_bytes < OUTPUT_BYTES_MAX) else { return };
        let before = text.len();
        append(text, output);
        self.output_bytes = (self.output_bytes + text.len()).saturating_sub(before);
    }

    fn build_output(&mut self, package: String, output: &str) -> Result<(), Fault> {
        if self.builds.len() >= RUNNING_MAX {
            return Err(Fault::TooMuch(format!("output of more than {RUNNING_MAX} builds")));
        }
        let text = self.builds.entry(package).or_default();
        if self.output_bytes < OUTPUT_BYTES_MAX {
            self.output_bytes += output.len();
            append(text, output);
        }
        Ok(())
    }

    fn end(&mut self, event: &Event, outcome: Outcome) -> Result<(), Fault> {
        let text = self.running.remove(&(event.package.clone(), event.test.clone())).unwrap_or_default();
        self.output_bytes = self.output_bytes.saturating_sub(text.len());
        let mut case = TestCase::new(&event.package, &event.test, outcome);
        case.secs = event.elapsed.map(secs).transpose()?;
        case.text = text;
        self.tally.add(case)
    }

    /// A package that failed: for its tests, for one that did not end, or for no test at all.
    fn package_failed(&mut self, event: &Event) -> Result<(), Fault> {
        let begin = (event.package.clone(), String::new());
        let under_way = self.running.range(begin..).take_while(|((package, _), _)| *package == event.package);
        let keys: Vec<_> = under_way.map(|(key, _)| key.clone()).collect();
        let (mut own, mut of_package) = (String::new(), Vec::new());
        for key in keys {
            let text = self.running.remove(&key).unwrap_or_default();
            if key.1.is_empty() { own = text } else { of_package.push((key.1, text)) }
        }
        let unended = !of_package.is_empty();
        for (test, text) in of_package {
            self.output_bytes = self.output_bytes.saturating_sub(text.len());
            let text = if text.is_empty() { "it did not end".to_owned() } else { text };
            self.tally.add(TestCase { text, ..TestCase::new(&event.package, &test, Outcome::Errored) })?;
        }
        self.output_bytes = self.output_bytes.saturating_sub(own.len());
        if unended || self.bad.remove(&event.package) {
            return Ok(());
        }
        let build = self.builds.get(&cut(&event.failed_build)).cloned().unwrap_or_default();
        let text = format!("{build}{own}");
        self.tally.add(TestCase { text, ..TestCase::new(&event.package, "", Outcome::Errored) })
    }

    fn finish(mut self) -> Result<TestRun, Fault> {
        for ((package, test), text) in std::mem::take(&mut self.running) {
            let text = format!("{text}the report ends before it did");
            self.tally.add(TestCase { text, ..TestCase::new(&package, &test, Outcome::Errored) })?;
        }
        Ok(self.tally.finish())
    }
}
