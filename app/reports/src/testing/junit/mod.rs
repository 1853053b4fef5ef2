//! JUnit's XML, in the dialects that are in use: there is no standard for these files.
//!
//! All of them share `testsuite` (nested, or as the root), `testcase`, and in it `failure`, `error` and `skipped`. A case is
//! counted once, by the worst that it says of itself. What tests wrote, which may be most of a file, is gone past.

use std::io::Read;

use super::{Names, Outcome, TEXT_BYTES_MAX, Tally, TestCase, TestCounts, TestRun};
use crate::error::ReportError;
use crate::xml::{Node, Xml};
use case::{Case, Declared};

mod case;

/// What the outermost element may be.
const ROOTS: [&str; 3] = ["testsuites", "testsuite", "testrun"];

/// Whether a text begins as such a report does.
pub(super) fn is_junit(head: &str) -> bool {
    let mut tags = head.match_indices('<').map(|(at, _)| &head[at + 1..]);
    let root = tags.find(|tag| tag.starts_with(char::is_alphabetic)).unwrap_or_default();
    let name = root.split(|c: char| c.is_whitespace() || c == '>' || c == '/').next().unwrap_or_default();
    ROOTS.contains(&name.rsplit_once(':').map_or(name, |(_, local)| local))
}

/// Reads a report.
pub(super) fn read(source: impl Read) -> Result<TestRun, ReportError> {
    let mut xml = Xml::new(source, "JUnit", &ROOTS).with_long_tags();
    let tally = Tally::new(Names::MayRepeat);
    let mut reading = Reading { tally, stack: Vec::new(), suites: Vec::new(), case: None };
    loop {
        xml.pass_text(reading.kept_text(), TEXT_BYTES_MAX)?;
        match xml.next()? {
            Node::Start => reading.begin(&xml)?,
            Node::End => reading.end(&xml)?,
            Node::Text => {}
            Node::Over => return Ok(reading.tally.finish()),
        }
    }
}

/// An element that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Suite,
    Case,
    /// A failure or an error, of a case or of a suite: its text is kept.
    Problem,
    Other,
}

/// A suite that is open. Counts of the suites in it are in its own.
struct Suite {
    name: String,
    cases: u64,
    bad: u64,
    declared: Declared,
}

struct Reading {
    tally: Tally,
    stack: Vec<Element>,
    suites: Vec<Suite>,
    /// A test that is open, or a suite's own failure.
    case: Option<Case>,
}

impl Reading {
    /// Where the text that comes goes.
    fn kept_text(&mut self) -> Option<&mut String> {
        match self.stack.last() {
            Some(Element::Problem) if self.tally.has_room_for_texts() => self.case.as_mut().map(|case| &mut case.text),
            Some(Element::Problem | Element::Suite | Element::Case | Element::Other) | None => None,
        }
    }

    fn begin<R: Read>(&mut self, xml: &Xml<R>) -> Result<(), ReportError> {
        let element = match xml.name() {
            "testsuites" | "testsuite" | "testrun" if self.case.is_none() => self.begin_suite(xml)?,
            "testcase" if self.case.is_none() => {
                self.case = Some(Case::begin(xml, self.counts_from_zero())?);
                Element::Case
            }
            name @ ("testsuite" | "testcase") => return Err(xml.broken(format!("a <{name}> in a <testcase>"))),
            _ => self.begin_part(xml)?,
        };
        self.stack.push(element);
        Ok(())
    }

    fn begin_suite<R: Read>(&mut self, xml: &Xml<R>) -> Result<Element, ReportError> {
        let (name, declared) = Declared::of(xml)?;
        self.suites.push(Suite { name, declared, cases: 0, bad: 0 });
        Ok(Element::Suite)
    }

    /// Whether the lines of this suite's cases are counted from 0, as pytest does.
    fn counts_from_zero(&self) -> bool {
        self.suites.last().is_some_and(|suite| suite.name == "pytest")
    }

    /// An element that is neither suite nor case.
    fn begin_part<R: Read>(&mut self, xml: &Xml<R>) -> Result<Element, ReportError> {
        let outcome = match xml.name() {
            "failure" => Some(Outcome::Failed),
            "error" => Some(Outcome::Errored),
            "skipped" | "disabled" | "ignored" => Some(Outcome::Skipped),
            _ => None,
        };
        let bad = outcome.filter(|outcome| matches!(outcome, Outcome::Failed | Outcome::Errored));
        match (self.stack.last(), &mut self.case) {
            (Some(Element::Case), Some(case)) => match (bad, outcome) {
                (Some(bad), _) => case.begin_problem(xml, bad).map(|()| Element::Problem),
                (None, Some(skipped)) => {
                    case.worsen(skipped);
                    Ok(Element::Other)
                }
                (None, None) if matches!(xml.name(), "flakyFailure" | "flakyError") => {
                    case.begin_flaky(xml).map(|()| Element::Problem)
                }
                (None, None) => Ok(Element::Other),
            },
            // A failure of the suite itself: its set-up, a file that does not compile.
            (Some(Element::Suite), None) => {
                let Some(bad) = bad else { return Ok(Element::Other) };
                let name = self.suites.last().map_or_else(String::new, |suite| suite.name.clone());
                let mut case = Case::of_suite(name);
                case.begin_problem(xml, bad)?;
                self.case = Some(case);
                Ok(Element::Problem)
            }
            _ => Ok(Element::Other),
        }
    }

    fn end<R: Read>(&mut self, xml: &Xml<R>) -> Result<(), ReportError> {
        match self.stack.pop() {
            Some(Element::Suite) => self.end_suite(xml),
            Some(Element::Case) => self.end_case(xml),
            Some(Element::Problem) if self.stack.last() == Some(&Element::Suite) => self.end_case(xml),
            Some(Element::Problem | Element::Other) | None => Ok(()),
        }
    }

    fn end_case<R: Read>(&mut self, xml: &Xml<R>) -> Result<(), ReportError> {
        let Some(case) = self.case.take() else { return Ok(()) };
        let suite = self.suites.last_mut();
        let suite_name = suite.as_ref().map_or("", |suite| suite.name.as_str());
        let (case, is_flaky) = case.end(suite_name);
        if let Some(suite) = suite {
            suite.cases += 1;
            suite.bad += u64::from(matches!(case.outcome, Outcome::Failed | Outcome::Errored));
        }
        let added = if is_flaky { self.tally.add_flaky(case) } else { self.tally.add(case) };
        added.map_err(|fault| xml.error(fault))
    }

    fn end_suite<R: Read>(&mut self, xml: &Xml<R>) -> Result<(), ReportError> {
        let Some(mut suite) = self.suites.pop() else { return Ok(()) };
        let Declared { tests, failed, errored, skipped } = suite.declared;
        let bad = failed.saturating_add(errored);
        if suite.cases == 0 {
            // Only counts: they are all there is.
            let passed = tests.saturating_sub(bad.saturating_add(skipped));
            self.tally.add_unnamed(&suite.name, TestCounts { passed, skipped, ..TestCounts::default() });
            suite.cases = passed.saturating_add(skipped);
        }
        if suite.bad == 0 && bad > 0 {
            // It says that tests failed, and names none: that is no pass either.
            self.add_unnamed_bad(&suite).map_err(|fault| xml.error(fault))?;
            (suite.bad, suite.cases) = (bad, suite.cases.saturating_add(bad));
        }
        if let Some(outer) = self.suites.last_mut() {
            outer.cases = outer.cases.saturating_add(suite.cases);
            outer.bad = outer.bad.saturating_add(suite.bad);
        }
        Ok(())
    }

    fn add_unnamed_bad(&mut self, suite: &Suite) -> Result<(), crate::error::Fault> {
        for (stands_for, outcome) in [(suite.declared.failed, Outcome::Failed), (suite.declared.errored, Outcome::Errored)] {
            if stands_for > 0 {
                let text = format!("{stands_for} failed, which the report does not name");
                let case = TestCase::named(suite.name.clone(), suite.name.clone(), outcome);
                self.tally.add(TestCase { stands_for, text, ..case })?;
            }
        }
        Ok(())
    }
}
