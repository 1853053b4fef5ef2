//! TRX, the results of Visual Studio's test platform: `dotnet test --logger trx`.
//!
//! A result says what a test is called and how it ended; of which class it is, some adapters (MSTest's, NUnit's) say only in the
//! definitions behind all results, so results whose name has no class wait for these. Results within a result, of a test with rows of
//! data, are not counted beside it.

use std::collections::HashMap;
use std::io::Read;

use super::{Cause, Names, Outcome, TEXT_BYTES_MAX, Tally, TestCase, TestRun, cut, secs};
use crate::error::{ReportError, one_line};
use crate::xml::{Node, Xml};

/// What the outermost element is.
const ROOT: &str = "TestRun";

/// So many results wait for their class, and so many classes are known. Beyond, a test is known by its own name.
const WAITING_MAX: usize = 100_000;

/// Results that wait may have so many bytes of texts together. Those beyond are not kept.
const WAITING_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Whether a text begins as such a report does.
pub(super) fn is_trx(head: &str) -> bool {
    let mut tags = head.match_indices('<').map(|(at, _)| &head[at + 1..]);
    let root = tags.find(|tag| tag.starts_with(char::is_alphabetic)).unwrap_or_default();
    root.strip_prefix(ROOT).is_some_and(|rest| rest.starts_with(|c: char| c.is_whitespace() || c == '>'))
}

/// Reads a report.
pub(super) fn read(source: impl Read) -> Result<TestRun, ReportError> {
    let mut xml = Xml::new(source, "TRX", &[ROOT]).with_long_tags();
    let mut reading = Reading { tally: Tally::new(Names::MayRepeat), ..Reading::default() };
    loop {
        xml.pass_text(reading.kept_text(), TEXT_BYTES_MAX)?;
        match xml.next()? {
            Node::Start => reading.begin(&xml)?,
            Node::End => reading.end(&xml)?,
            Node::Text => {}
            Node::Over => return reading.finish(&xml),
        }
    }
}

/// An element that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Run,
    Results,
    Result,
    /// The results within one, and one of them.
    Inner,
    InnerResult,
    Output,
    ErrorInfo,
    Message,
    StackTrace,
    Definitions,
    Definition,
    Summary,
    Remarks,
    /// A remark on the run as a whole that is an error.
    Remark,
    RemarkText,
    Other,
}

#[derive(Default)]
struct Reading {
    tally: Tally,
    stack: Vec<Element>,
    /// The result at hand, and by what its definition is found.
    case: Option<(String, TestCase)>,
    waiting: Vec<(String, TestCase)>,
    waiting_bytes: usize,
    /// The definition at hand, and the classes of all.
    definition: String,
    classes: HashMap<String, String>,
    /// How many bad results there are.
    bad: u64,
    summary: Summary,
}

/// What the report says of the run as a whole.
#[derive(Default)]
struct Summary {
    has_failed: bool,
    bad: u64,
    errors: String,
}

impl Reading {
    /// Where the text that comes goes.
    fn kept_text(&mut self) -> Option<&mut String> {
        let has_room = self.tally.has_room_for_texts() && self.waiting_bytes < WAITING_BYTES_MAX;
        let at = *self.stack.last()?;
        if at == Element::RemarkText {
            return Some(&mut self.summary.errors);
        }
        let (_, case) = self.case.as_mut().filter(|_| has_room && matches!(at, Element::Message | Element::StackTrace))?;
        Some(if at == Element::Message { &mut case.message } else { &mut case.text })
    }

    fn begin<R: Read>(&mut self, xml: &Xml<R>) -> Result<(), ReportError> {
        let is_result = |name: &str| name.ends_with("Result") || name == "TestResultAggregation";
        let element = match (self.stack.last(), xml.name()) {
            (None, _) => Element::Run,
            (Some(Element::Run), "Results") => Element::Results,
            (Some(Element::Run), "TestDefinitions") => Element::Definitions,
            (Some(Element::Run), "ResultSummary") => self.begin_summary(xml)?,
            (Some(Element::Results), name) if is_result(name) => self.begin_result(xml)?,
            (Some(Element::Result | Element::InnerResult), "InnerResults") => Element::Inner,
            (Some(Element::Inner), name) if is_result(name) => Element::InnerResult,
            (Some(Element::Result | Element::InnerResult), "Output") => Element::Output,
            (Some(Element::Output), "ErrorInfo") => Element::ErrorInfo,
            (Some(Element::ErrorInfo), "Message") => self.begin_text(Element::Message),
            (Some(Element::ErrorInfo), "StackTrace") => self.begin_text(Element::StackTrace),
            (Some(Element::Definitions), _) => {
                let [id] = xml.attributes(["id"])?;
                self.definition = cut(id.as_deref().unwrap_or_default());
                Element::Definition
            }
            (Some(Element::Definition), "TestMethod") => self.class(xml)?,
            (Some(Element::Summary), "Counters") => self.counters(xml)?,
            (Some(Element::Summary), "RunInfos") => Element::Remarks,
            (Some(Element::Remarks), "RunInfo") => {
                let [outcome] = xml.attributes(["outcome"])?;
                if outcome.is_some_and(|outcome| outcome == "Error") { Element::Remark } else { Element::Other }
            }
            (Some(Element::Remark), "Text") => Element::RemarkText,
            (Some(_), _) => Element::Other,
        };
        self.stack.push(element);
        Ok(())
    }

    fn begin_result<R: Read>(&mut self, xml: &Xml<R>) -> Result<Element, ReportError> {
        let [name, id, duration, outcome] = xml.attributes(["testName", "testId", "duration", "outcome"])?;
        let outcome = match outcome.as_deref() {
            Some(word) => self::outcome(word)
                .ok_or_else(|| xml.broken(format!("the outcome {:?}, which is not known", one_line(word, 40))))?,
            // What never came to an end has none.
            None => Outcome::Errored,
        };
        let name = name.unwrap_or_default();
        let case = TestCase::named(class_of(&name).map(cut).unwrap_or_default(), cut(&name), outcome);
        let secs = duration.as_deref().and_then(duration_secs).map(|time| secs(time).map_err(|fault| xml.error(fault)));
        let case = TestCase { secs: secs.transpose()?, cause: Cause::First, ..case };
        self.case = Some((cut(id.as_deref().unwrap_or_default()), case));
        Ok(Element::Result)
    }

    /// Of several texts of one result, each has lines of its own.
    fn begin_text(&mut self, element: Element) -> Element {
        if let Some((_, case)) = &mut self.case {
            let text = if element == Element::Message { &mut case.message } else { &mut case.text };
            if !text.is_empty() && text.len() < TEXT_BYTES_MAX {
                text.push('\n');
            }
        }
        element
    }

    fn class<R: Read>(&mut self, xml: &Xml<R>) -> Result<Element, ReportError> {
        let [class] = xml.attributes(["className"])?;
        // Old versions put the assembly behind the class.
        let class = class.as_deref().and_then(|class| class.split(',').next()).unwrap_or_default().trim();
        if !class.is_empty() && self.classes.len() < WAITING_MAX {
            self.classes.insert(self.definition.clone(), cut(class));
        }
        Ok(Element::Other)
    }

    fn begin_summary<R: Read>(&mut self, xml: &Xml<R>) -> Result<Element, ReportError> {
        let [outcome] = xml.attributes(["outcome"])?;
        let outcome = outcome.as_deref().and_then(self::outcome);
        self.summary.has_failed = matches!(outcome, Some(Outcome::Failed | Outcome::Errored));
        Ok(Element::Summary)
    }

    fn counters<R: Read>(&mut self, xml: &Xml<R>) -> Result<Element, ReportError> {
        let keys = ["failed", "error", "timeout", "aborted"];
        let counts = xml.attributes(keys)?;
        for (key, count) in keys.iter().zip(&counts) {
            let count: u64 = count.as_deref().map_or(Ok(0), |count| xml.number(key, count))?;
            self.summary.bad = self.summary.bad.saturating_add(count.min(super::tally::CASES_MAX));
        }
        Ok(Element::Other)
    }

    fn end<R: Read>(&mut self, xml: &Xml<R>) -> Result<(), ReportError> {
        if self.stack.pop() != Some(Element::Result) {
            return Ok(());
        }
        let Some((id, case)) = self.case.take() else { return Ok(()) };
        self.bad += u64::from(matches!(case.outcome, Outcome::Failed | Outcome::Errored));
        if case.suite.is_empty() && self.waiting.len() < WAITING_MAX {
            self.waiting_bytes += case.text.len() + case.message.len();
            self.waiting.push((id, case));
            return Ok(());
        }
        self.tally.add(case).map_err(|fault| xml.error(fault))
    }

    fn finish<R: Read>(mut self, xml: &Xml<R>) -> Result<TestRun, ReportError> {
        for (id, case) in std::mem::take(&mut self.waiting) {
            let case = match self.classes.get(&id) {
                Some(class) => TestCase { suite: class.clone(), name: cut(&format!("{class}.{}", case.name)), ..case },
                None => case,
            };
            self.tally.add(case).map_err(|fault| xml.error(fault))?;
        }
        let Summary { has_failed, bad, errors } = self.summary;
        // A host of tests that broke down leaves what had passed until then.
        if self.bad == 0 && (has_failed || bad > 0) {
            let text = if errors.is_empty() { "the run has failed, and no result says why".to_owned() } else { errors };
            let case =
                TestCase { text, stands_for: bad.max(1), ..TestCase::named(String::new(), ROOT.to_owned(), Outcome::Errored) };
            self.tally.add(case).map_err(|fault| xml.error(fault))?;
        }
        Ok(self.tally.finish())
    }
}

/// What a word for the end of a test means.
fn outcome(word: &str) -> Option<Outcome> {
    Some(match word {
        "Passed" | "Completed" | "Warning" | "PassedButRunAborted" => Outcome::Passed,
        "Failed" => Outcome::Failed,
        "Error" | "Timeout" | "Aborted" | "Disconnected" | "NotRunnable" | "InProgress" => Outcome::Errored,
        "NotExecuted" | "Inconclusive" | "Pending" => Outcome::Skipped,
        _ => return None,
    })
}

/// `Shop.CartTests` of `Shop.CartTests.Adds(n: 1.5)`. None of a name without class, or one that people made up.
fn class_of(name: &str) -> Option<&str> {
    let (class, _) = name.split('(').next()?.rsplit_once('.')?;
    (!class.is_empty() && !class.contains(char::is_whitespace)).then_some(class)
}

/// The seconds of `01:02:03.0040000`, with days and a `.` before it where there are any. None where it is written in another way.
fn duration_secs(text: &str) -> Option<f64> {
    let [hours, minutes, secs]: [&str; 3] = text.trim().split(':').collect::<Vec<_>>().try_into().ok()?;
    let (days, hours) = hours.split_once('.').unwrap_or(("0", hours));
    let number = |part: &str| part.parse::<f64>().ok();
    Some(((number(days)? * 24.0 + number(hours)?) * 60.0 + number(minutes)?) * 60.0 + number(secs)?)
}
