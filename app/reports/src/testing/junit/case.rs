//! One test of a JUnit file, and what a suite says of itself.

use std::borrow::Cow;
use std::io::Read;

use super::super::tally::CASES_MAX;
use super::super::{Cause, Outcome, TEXT_BYTES_MAX, TestCase, cut};
use crate::error::{ReportError, one_line};
use crate::xml::Xml;

/// What a suite's attributes say of it.
#[derive(Clone, Copy)]
pub(super) struct Declared {
    pub(super) tests: u64,
    pub(super) failed: u64,
    pub(super) errored: u64,
    pub(super) skipped: u64,
}

impl Declared {
    /// The name and the counts of the suite at hand.
    pub(super) fn of<R: Read>(xml: &Xml<R>) -> Result<(String, Declared), ReportError> {
        const KEYS: [&str; 10] =
            ["tests", "total", "failures", "failed", "errors", "skipped", "disabled", "ignored", "skip", "name"];
        let values = xml.attributes(KEYS)?;
        // The first that is a number.
        let number = |range: std::ops::Range<usize>| -> Result<u64, ReportError> {
            for at in range {
                if let Some(count) = count(xml, KEYS[at], &values[at])? {
                    return Ok(count);
                }
            }
            Ok(0)
        };
        let (tests, failed, errored, skipped) = (number(0..2)?, number(2..4)?, number(4..5)?, number(5..9)?);
        let name = cut(values[9].as_deref().unwrap_or_default());
        Ok((name, Declared { tests, failed, errored, skipped }))
    }
}

/// A count. Where it is no number, none; where it is one that cannot be, an error.
fn count<R: Read>(xml: &Xml<R>, key: &str, value: &Option<Cow<'_, str>>) -> Result<Option<u64>, ReportError> {
    let Some(value) = value.as_deref().map(str::trim) else { return Ok(None) };
    match (value.parse::<u64>(), value.parse::<f64>()) {
        (Ok(count), _) => Ok(Some(count.min(CASES_MAX))),
        (Err(_), Ok(number)) if number < 0.0 || !number.is_finite() => Err(impossible(xml, key, value)),
        (Err(_), Ok(_) | Err(_)) => Ok(None),
    }
}

fn impossible<R: Read>(xml: &Xml<R>, key: &str, value: &str) -> ReportError {
    xml.broken(format!("<{}> has {key}={:?}, which cannot be", xml.name(), one_line(value, 40)))
}

/// A test that is open, or a suite's own failure.
#[derive(Default)]
pub(super) struct Case {
    name: String,
    class: String,
    file: Option<String>,
    line: Option<u32>,
    secs: Option<f64>,
    outcome: Option<Outcome>,
    is_flaky: bool,
    message: String,
    pub(super) text: String,
}

impl Case {
    /// The test at hand.
    pub(super) fn begin<R: Read>(xml: &Xml<R>, from_zero: bool) -> Result<Case, ReportError> {
        let [name, class, time, duration, status, result, places @ ..] = xml.attributes([
            "name",
            "classname",
            "time",
            "duration",
            "status",
            "result",
            "file",
            "filepath",
            "filename",
            "line",
            "lineno",
            "linenumber",
        ])?;
        let [name, class] = [name, class].map(|value| cut(value.as_deref().unwrap_or_default().trim()));
        let (file, line) = place(&places);
        let line = line.map(|line| if from_zero { line.saturating_add(1) } else { line });
        let secs = match (used(&time), used(&duration)) {
            (Some(time), _) => secs(xml, "time", time)?,
            (None, Some(duration)) => secs(xml, "duration", duration)?,
            (None, None) => None,
        };
        let mut case = Case { name, class, file, line, secs, ..Case::default() };
        for word in [status, result].iter().flatten() {
            match word.trim().to_ascii_lowercase().as_str() {
                "failed" | "failure" | "fail" => case.worsen(Outcome::Failed),
                "error" | "errored" => case.worsen(Outcome::Errored),
                "skipped" | "disabled" | "notrun" | "ignored" | "pending" | "suppressed" => case.worsen(Outcome::Skipped),
                _ => {}
            }
        }
        Ok(case)
    }

    /// What a suite says of itself as a whole.
    pub(super) fn of_suite(name: String) -> Case {
        Case { name, ..Case::default() }
    }

    pub(super) fn worsen(&mut self, outcome: Outcome) {
        self.outcome = self.outcome.max(Some(outcome));
    }

    /// The beginning of a failure or error.
    pub(super) fn begin_problem<R: Read>(&mut self, xml: &Xml<R>, outcome: Outcome) -> Result<(), ReportError> {
        self.worsen(outcome);
        self.describe(xml)
    }

    /// The beginning of a failure after which the test was run again, and passed.
    pub(super) fn begin_flaky<R: Read>(&mut self, xml: &Xml<R>) -> Result<(), ReportError> {
        self.is_flaky = true;
        self.describe(xml)
    }

    fn describe<R: Read>(&mut self, xml: &Xml<R>) -> Result<(), ReportError> {
        let [message, kind, places @ ..] =
            xml.attributes(["message", "type", "file", "filepath", "filename", "line", "lineno", "linenumber"])?;
        if self.message.is_empty() {
            let message = used(&message).or(used(&kind)).unwrap_or_default();
            message[..message.floor_char_boundary(TEXT_BYTES_MAX)].clone_into(&mut self.message);
        } else if !self.text.is_empty() && self.text.len() < TEXT_BYTES_MAX {
            self.text.push('\n');
        }
        if self.file.is_none() {
            (self.file, self.line) = place(&places);
        }
        Ok(())
    }

    /// The test as a whole, and whether it passed only when run again.
    pub(super) fn end(self, suite: &str) -> (TestCase, bool) {
        let Case { name, class, file, line, secs, outcome, is_flaky, message, text } = self;
        let outcome = outcome.unwrap_or(Outcome::Passed);
        // Where all tests are in one suite, the classes are what tells them apart.
        let suite = if suite.is_empty() || suite == "pytest" { class.as_str() } else { without_time(suite) }.to_owned();
        let full = match (class.as_str(), name.as_str()) {
            ("", _) => name,
            (_, "") => class,
            (class, name) if name.starts_with(class) => name.to_owned(),
            (class, name) => format!("{class} {name}"),
        };
        let case = TestCase::named(suite, full, outcome);
        let is_flaky = is_flaky && outcome == Outcome::Passed;
        (TestCase { secs, file, line, message, text, cause: Cause::First, ..case }, is_flaky)
    }
}

/// The name of a suite without the time of day behind it, which `unittest-xml-reporting` puts there.
fn without_time(suite: &str) -> &str {
    match suite.rsplit_once('-') {
        Some((name, time)) if time.len() == 14 && time.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => suite,
    }
}

/// An attribute that is there and not empty.
fn used<'v>(value: &'v Option<Cow<'_, str>>) -> Option<&'v str> {
    value.as_deref().filter(|value| !value.trim().is_empty())
}

/// File and line of three attributes each, which tools call differently.
fn place(values: &[Option<Cow<'_, str>>; 6]) -> (Option<String>, Option<u32>) {
    let file = values[..3].iter().find_map(used).map(cut);
    (file, values[3..].iter().find_map(used).and_then(|line| line.trim().parse().ok()))
}

/// A time in seconds. None where it is no number, which is no reason to distrust a test; one that cannot be is an error.
fn secs<R: Read>(xml: &Xml<R>, key: &str, time: &str) -> Result<Option<f64>, ReportError> {
    let time = time.trim();
    let plain: Cow<'_, str> = match (time.contains(','), time.contains('.')) {
        (true, true) => time.replace(',', "").into(),
        (true, false) => time.replace(',', ".").into(),
        (false, _) => time.into(),
    };
    match plain.parse::<f64>() {
        Ok(secs) if !secs.is_finite() || secs < 0.0 => Err(impossible(xml, key, time)),
        Ok(secs) => Ok((secs < 1e9).then_some(secs)),
        Err(_) => Ok(None),
    }
}
