//! Reads a JUnit file as a stream: nothing is kept but counts, the first failures and the slowest tests, however long it is.
//!
//! All dialects share `testsuite` (nested, or as the root), `testcase`, and in it `failure`, `error` and `skipped`. A case is
//! counted once, by the worst that it says of itself. Entities are never expanded: a document type that defines any is
//! refused.

use gatewright_core::verdict::{Annotation, AnnotationLevel};
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::super::markdown::one_line;
use super::decode::{at, decode};
use super::place::{self, Place};
use super::show::{NAME_CHARS_MAX, excerpt};
use super::{Broken, Failure, SHOWN_MAX, Tally};

/// Elements may lie so deep in each other. Beyond, the report is refused.
const DEPTH_MAX: usize = 64;

/// A report may have so many tests. Beyond, it is refused.
const CASES_MAX: u64 = 2_000_000;

/// An element may have so many attributes. Beyond, the report is refused.
const ATTRIBUTES_MAX: usize = 64;

/// Of an attribute so many bytes are kept.
const ATTRIBUTE_BYTES_MAX: usize = 4 * 1024;

/// Of the text of a failed test so many bytes are kept.
const TEXT_BYTES_MAX: usize = 8 * 1024;

/// Adds what a report says to a tally. After an error a part of it may have been added.
pub(super) fn read(bytes: &[u8], tally: &mut Tally) -> Result<(), Broken> {
    let text = decode(bytes)?;
    let mut reader = Reader::from_str(&text);
    reader.config_mut().expand_empty_elements = true;
    let mut reading = Reading { tally, stack: Vec::new(), suites: Vec::new(), case: None, root: Root::Awaited, cases: 0 };
    loop {
        let begin = reader.buffer_position();
        let event = match reader.read_event() {
            Ok(Event::Eof) => return reading.end_of_file().map_err(|cause| at(&text, text.len(), cause)),
            Ok(event) => event,
            Err(error) => return Err(at(&text, offset(reader.error_position()), error.to_string())),
        };
        reading.take(event).map_err(|cause| at(&text, offset(begin), cause))?;
    }
}

fn offset(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

/// Whether the outermost element has been seen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Root {
    Awaited,
    Open,
    Closed,
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

/// How a test ended, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ended {
    Passed,
    Skipped,
    Failed,
    Errored,
}

/// A suite that is open. Counts of the suites in it are in its own.
#[derive(Default)]
struct Suite {
    name: String,
    cases: u64,
    bad: u64,
    declared: Declared,
}

/// What a suite's attributes say of it.
#[derive(Default, Clone, Copy)]
struct Declared {
    tests: u64,
    failed: u64,
    errored: u64,
    skipped: u64,
}

/// A test that is open, or a suite's own failure.
#[derive(Default)]
struct Case {
    name: String,
    class: String,
    file: Option<String>,
    line: Option<u32>,
    secs: Option<f64>,
    ended: Option<Ended>,
    flaky: bool,
    message: String,
    text: String,
}

impl Case {
    fn worsen(&mut self, ended: Ended) {
        self.ended = self.ended.max(Some(ended));
    }

    fn full_name(&self) -> String {
        let name = match (self.class.as_str(), self.name.as_str()) {
            ("", name) => name.to_owned(),
            (class, "") => class.to_owned(),
            (class, name) if name.starts_with(class) => name.to_owned(),
            (class, name) => format!("{class} {name}"),
        };
        one_line(&name, NAME_CHARS_MAX)
    }

    fn place(&self) -> Option<Place> {
        place::find(self.file.as_deref(), self.line, [&self.message, &self.text])
    }
}

struct Reading<'t> {
    tally: &'t mut Tally,
    stack: Vec<Element>,
    suites: Vec<Suite>,
    case: Option<Case>,
    root: Root,
    cases: u64,
}

impl Reading<'_> {
    fn take(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::Start(element) | Event::Empty(element) => self.begin(&element),
            Event::End(_) => self.end(),
            // The output of a test may be most of the file: it is not even looked at.
            Event::Text(_) | Event::CData(_) if !self.wants_text() => Ok(()),
            Event::Text(text) => self.text(&text.xml10_content()),
            Event::CData(text) => self.text(&text.xml10_content()),
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref().map_err(|error| error.to_string())?;
                match (character, resolve_predefined_entity(&reference)) {
                    (Some(character), _) => self.text(character.encode_utf8(&mut [0; 4])),
                    (None, Some(text)) => self.text(text),
                    (None, None) => Err(format!("the entity &{}; is not known", one_line(&reference, 40))),
                }
            }
            Event::DocType(doctype) => match doctype.contains("<!ENTITY") || doctype.contains('%') {
                true => Err("the document type defines entities, which is not allowed".to_owned()),
                false => Ok(()),
            },
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::Eof => Ok(()),
        }
    }

    fn end_of_file(&self) -> Result<(), String> {
        match self.root {
            Root::Closed => Ok(()),
            Root::Open => Err("the file ends before its last element does".to_owned()),
            Root::Awaited => Err("the file has no element; it is empty".to_owned()),
        }
    }

    fn begin(&mut self, element: &BytesStart<'_>) -> Result<(), String> {
        if self.stack.len() >= DEPTH_MAX {
            return Err(format!("more than {DEPTH_MAX} elements in each other"));
        }
        let attributes = Attributes::of(element)?;
        let local = element.local_name();
        let name: &str = local.as_ref();
        match self.root {
            Root::Closed => return Err("a second outermost element".to_owned()),
            Root::Awaited if !matches!(name, "testsuites" | "testsuite" | "testrun") => {
                return Err(format!("this is no JUnit report: its outermost element is <{}>", one_line(name, 40)));
            }
            Root::Awaited => self.root = Root::Open,
            Root::Open => {}
        }
        let element = match name {
            "testsuites" | "testsuite" | "testrun" if self.case.is_none() => self.begin_suite(&attributes),
            "testcase" if self.case.is_none() => self.begin_case(&attributes)?,
            "testsuite" | "testcase" => return Err(format!("a <{name}> in a <testcase>")),
            _ => self.begin_part(name, &attributes),
        };
        self.stack.push(element);
        Ok(())
    }

    fn begin_suite(&mut self, attributes: &Attributes) -> Element {
        let number = |keys: &[&str]| {
            keys.iter().find_map(|key| attributes.get(key)?.trim().parse().ok()).map_or(0, |n: u64| n.min(CASES_MAX))
        };
        let declared = Declared {
            tests: number(&["tests", "total"]),
            failed: number(&["failures", "failed"]),
            errored: number(&["errors"]),
            skipped: number(&["skipped", "disabled", "ignored", "skip"]),
        };
        self.suites.push(Suite { name: attributes.text("name"), declared, ..Suite::default() });
        Element::Suite
    }

    fn begin_case(&mut self, attributes: &Attributes) -> Result<Element, String> {
        self.cases += 1;
        if self.cases > CASES_MAX {
            return Err(format!("more than {CASES_MAX} tests"));
        }
        let mut case = Case {
            name: attributes.text("name"),
            class: attributes.text("classname"),
            file: attributes.file(),
            line: attributes.line().map(|line| if self.counts_from_zero() { line.saturating_add(1) } else { line }),
            secs: attributes.get("time").or(attributes.get("duration")).and_then(secs),
            ..Case::default()
        };
        for key in ["status", "result"] {
            match attributes.text(key).to_ascii_lowercase().as_str() {
                "failed" | "failure" | "fail" => case.worsen(Ended::Failed),
                "error" | "errored" => case.worsen(Ended::Errored),
                "skipped" | "disabled" | "notrun" | "ignored" | "pending" | "suppressed" => case.worsen(Ended::Skipped),
                _ => {}
            }
        }
        self.case = Some(case);
        Ok(Element::Case)
    }

    /// Whether the lines of this suite's cases are counted from 0, as pytest does.
    fn counts_from_zero(&self) -> bool {
        self.suites.last().is_some_and(|suite| suite.name == "pytest")
    }

    /// An element that is neither suite nor case.
    fn begin_part(&mut self, name: &str, attributes: &Attributes) -> Element {
        let ended = match name {
            "failure" => Ended::Failed,
            "error" => Ended::Errored,
            "skipped" | "disabled" | "ignored" => Ended::Skipped,
            _ => Ended::Passed,
        };
        match (self.stack.last(), &mut self.case) {
            (Some(Element::Case), Some(case)) => match (ended, name) {
                (Ended::Failed | Ended::Errored, _) => begin_problem(case, ended, attributes),
                (Ended::Skipped, _) => {
                    case.worsen(Ended::Skipped);
                    Element::Other
                }
                (Ended::Passed, "flakyFailure" | "flakyError") => {
                    case.flaky = true;
                    Element::Other
                }
                (Ended::Passed, _) => Element::Other,
            },
            // A failure of the suite itself: its set-up, a file that does not compile.
            (Some(Element::Suite), None) if matches!(ended, Ended::Failed | Ended::Errored) => {
                let name = self.suites.last().map_or_else(String::new, |suite| suite.name.clone());
                let mut case = Case { name, ..Case::default() };
                let element = begin_problem(&mut case, ended, attributes);
                self.case = Some(case);
                element
            }
            _ => Element::Other,
        }
    }

    /// Whether text is to be kept here, or must not be here at all.
    fn wants_text(&self) -> bool {
        matches!(self.stack.last(), Some(Element::Problem) | None)
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        match (self.stack.last(), &mut self.case) {
            (Some(Element::Problem), Some(case)) => append(&mut case.text, text, TEXT_BYTES_MAX),
            (None, _) if !text.trim().trim_start_matches('\u{feff}').is_empty() => {
                return Err("text outside of the outermost element; this is no JUnit report".to_owned());
            }
            (Some(_) | None, _) => {}
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        match self.stack.pop() {
            Some(Element::Suite) => self.end_suite(),
            Some(Element::Case) => self.end_case(),
            Some(Element::Problem) if self.stack.last() == Some(&Element::Suite) => self.end_case(),
            Some(Element::Problem | Element::Other) => {}
            None => return Err("the end of an element that did not begin".to_owned()),
        }
        if self.stack.is_empty() {
            self.root = Root::Closed;
        }
        Ok(())
    }

    fn end_case(&mut self) {
        let Some(case) = self.case.take() else { return };
        let ended = case.ended.unwrap_or(Ended::Passed);
        let bad = matches!(ended, Ended::Failed | Ended::Errored);
        match ended {
            Ended::Passed => self.tally.passed += 1,
            Ended::Skipped => self.tally.skipped += 1,
            Ended::Failed => self.tally.failed += 1,
            Ended::Errored => self.tally.errored += 1,
        }
        if let Some(suite) = self.suites.last_mut() {
            suite.cases += 1;
            suite.bad += u64::from(bad);
        }
        if let Some(secs) = case.secs {
            self.tally.took(secs, || case.full_name());
        }
        if bad {
            self.failed(&case);
        } else if ended == Ended::Passed && case.flaky {
            self.tally.flaky += 1;
            let text = "passed only when it was run again".to_owned();
            self.annotate(&case, case.place(), AnnotationLevel::Warning, text);
        }
    }

    fn failed(&mut self, case: &Case) {
        let text = excerpt(&case.message, &case.text);
        let place = case.place();
        if self.tally.shown.len() < SHOWN_MAX {
            let place = place.as_ref().map(|place| format!("{}:{}", place.path, place.line));
            self.tally.shown.push(Failure { name: case.full_name(), place, text: text.clone() });
        }
        self.annotate(case, place, AnnotationLevel::Failure, text);
    }

    fn annotate(&mut self, case: &Case, place: Option<Place>, level: AnnotationLevel, text: String) {
        let Some(Place { path, line, column }) = place else { return };
        let title = case.full_name();
        let message = if text.is_empty() { "failed".to_owned() } else { text };
        let annotation = Annotation { path, start_line: line, end_line: line, column, level, title, message };
        self.tally.annotate(annotation, level == AnnotationLevel::Failure);
    }

    fn end_suite(&mut self) {
        let Some(mut suite) = self.suites.pop() else { return };
        let declared = suite.declared;
        let Declared { tests, failed, errored, skipped } = declared;
        if suite.cases == 0 {
            // Only counts: they are all there is.
            let passed = tests.saturating_sub(failed.saturating_add(errored).saturating_add(skipped));
            self.count(&mut suite, Declared { tests: passed, ..declared });
        } else if suite.bad == 0 && failed.saturating_add(errored) > 0 {
            // It says that tests failed, and names none: that is no pass either.
            self.count(&mut suite, Declared { tests: 0, skipped: 0, ..declared });
        }
        if let Some(outer) = self.suites.last_mut() {
            outer.cases = outer.cases.saturating_add(suite.cases);
            outer.bad = outer.bad.saturating_add(suite.bad);
        }
    }

    /// Counts tests that are not named. `tests` are those that passed.
    fn count(&mut self, suite: &mut Suite, counts: Declared) {
        let Declared { tests: passed, failed, errored, skipped } = counts;
        let tally = &mut *self.tally;
        tally.passed = tally.passed.saturating_add(passed);
        tally.failed = tally.failed.saturating_add(failed);
        tally.errored = tally.errored.saturating_add(errored);
        tally.skipped = tally.skipped.saturating_add(skipped);
        let bad = failed.saturating_add(errored);
        suite.bad = suite.bad.saturating_add(bad);
        suite.cases = suite.cases.saturating_add(passed).saturating_add(bad).saturating_add(skipped);
        if bad > 0 && tally.shown.len() < SHOWN_MAX {
            let text = format!("{bad} failed, which the report does not name");
            tally.shown.push(Failure { name: one_line(&suite.name, NAME_CHARS_MAX), place: None, text });
        }
    }
}

/// The beginning of a failure or error.
fn begin_problem(case: &mut Case, ended: Ended, attributes: &Attributes) -> Element {
    case.worsen(ended);
    if case.message.is_empty() {
        case.message = attributes.get("message").or(attributes.get("type")).unwrap_or_default().to_owned();
    } else if !case.text.is_empty() {
        append(&mut case.text, "\n", TEXT_BYTES_MAX);
    }
    if case.file.is_none() {
        (case.file, case.line) = (attributes.file(), attributes.line());
    }
    Element::Problem
}

/// Appends what there is room for.
fn append(text: &mut String, more: &str, bytes_max: usize) {
    let mut end = bytes_max.saturating_sub(text.len()).min(more.len());
    while !more.is_char_boundary(end) {
        end -= 1;
    }
    text.push_str(&more[..end]);
}

/// A time in seconds. None where it cannot be one: a time that is written wrong is no reason to distrust a test.
fn secs(time: &str) -> Option<f64> {
    let time = time.trim();
    let plain = match (time.contains(','), time.contains('.')) {
        (true, true) => time.replace(',', ""),
        (true, false) => time.replace(',', "."),
        (false, _) => time.to_owned(),
    };
    plain.parse::<f64>().ok().filter(|secs| secs.is_finite() && (0.0..1e9).contains(secs))
}

/// The attributes of an element, cut to what is kept of them.
struct Attributes(Vec<(String, String)>);

impl Attributes {
    fn of(element: &BytesStart<'_>) -> Result<Attributes, String> {
        let mut attributes = Vec::new();
        for attribute in element.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            if attributes.len() >= ATTRIBUTES_MAX {
                return Err(format!("more than {ATTRIBUTES_MAX} attributes on one element"));
            }
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| error.to_string())?;
            let mut kept = String::new();
            append(&mut kept, &value, ATTRIBUTE_BYTES_MAX);
            attributes.push((attribute.key.local_name().as_ref().to_owned(), kept));
        }
        Ok(Attributes(attributes))
    }

    /// An attribute that is there and not empty.
    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, value)| name == key && !value.trim().is_empty()).map(|(_, value)| value.as_str())
    }

    fn text(&self, key: &str) -> String {
        self.get(key).unwrap_or_default().to_owned()
    }

    fn file(&self) -> Option<String> {
        ["file", "filepath", "filename"].iter().find_map(|key| self.get(key)).map(str::to_owned)
    }

    fn line(&self) -> Option<u32> {
        ["line", "lineno", "linenumber"].iter().find_map(|key| self.get(key)).and_then(|line| line.trim().parse().ok())
    }
}
