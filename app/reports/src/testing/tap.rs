//! The Test Anything Protocol, versions 12 to 14. A test that has subtests is not counted beside them.

use std::io::Read;

use super::{Cause, Names, Outcome, Tally, TestCase, TestRun, append, cut, secs};
use crate::error::{Fault, ReportError};
use crate::lines::Lines;

/// Subtests may lie so deep in each other. Beyond, the report is refused.
const DEPTH_MAX: usize = 64;

/// So many lines may stand before a report.
const BEFORE_LINES_MAX: usize = 50;

/// Tests of one level.
#[derive(Default)]
struct Level {
    /// The name of what comes next, from `# Subtest: name`.
    name: Option<String>,
    results: u64,
    bad: u64,
    plan: Option<u64>,
}

#[derive(Default)]
struct Reading {
    tally: Tally,
    /// From the outermost; four spaces of indentation each.
    levels: Vec<Level>,
    /// A test whose text is being read.
    case: Option<TestCase>,
    /// The indentation of the YAML block at hand.
    yaml: Option<usize>,
    bailed: bool,
}

/// Whether a line says how a test ended.
pub(super) fn is_result(line: &str) -> bool {
    let rest = line.strip_prefix("not ok").or_else(|| line.strip_prefix("ok"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// Whether a report begins below what its runner says first, as `npm test` does of the command.
pub(super) fn begins_below(head: &str) -> bool {
    let is_plan = |line: &str| {
        let count = line.strip_prefix("1..").map(|rest| rest.split_once(" #").map_or(rest, |(count, _)| count).trim());
        count.is_some_and(|count| !count.is_empty() && count.bytes().all(|b| b.is_ascii_digit()))
    };
    let is_version = |line: &str| matches!(line.trim_end(), "TAP version 12" | "TAP version 13" | "TAP version 14");
    head.lines().take(BEFORE_LINES_MAX).any(|line| is_version(line) || is_plan(line))
}

/// Reads a report. What is no TAP in it is what the tests wrote, as the protocol has it.
pub(super) fn read(source: impl Read) -> Result<TestRun, ReportError> {
    let mut lines = Lines::new(source);
    let tally = Tally::new(Names::MayRepeat);
    let mut reading = Reading { tally, levels: vec![Level::default()], ..Reading::default() };
    while lines.next()? {
        reading.take(lines.line()).map_err(|fault| lines.error(fault))?;
    }
    reading.finish().map_err(|fault| lines.error(fault))
}

impl Reading {
    fn take(&mut self, line: &str) -> Result<(), Fault> {
        let indent = line.bytes().take_while(|b| *b == b' ').count();
        let text = &line[indent..];
        if let Some(at) = self.yaml {
            match indent == at && text == "..." {
                true => self.yaml = None,
                false => self.yaml(line.get(at..).unwrap_or(text))?,
            }
            return Ok(());
        }
        if text == "---" && self.case.is_some() {
            self.yaml = Some(indent);
            return Ok(());
        }
        let depth = indent / 4;
        if let Some(name) = text.strip_prefix("# Subtest: ") {
            self.level(depth)?.name = Some(cut(name));
        } else if is_result(text) && indent % 4 == 0 {
            self.result(text, depth)?;
        } else if let Some(plan) = text.strip_prefix("1..") {
            let count = plan.split_whitespace().next().unwrap_or_default();
            if let Ok(count) = count.parse() {
                self.level(depth)?.plan = Some(count);
            }
        } else if text.starts_with("Bail out!") {
            self.close_case()?;
            self.bailed = true;
            let text = text.to_owned();
            self.tally.add(TestCase { text, ..TestCase::new("", "Bail out!", Outcome::Errored) })?;
        } else if let (Some(case), Some(diagnostic)) = (&mut self.case, text.strip_prefix('#')) {
            append(&mut case.text, diagnostic.strip_prefix(' ').unwrap_or(diagnostic));
            case.text.push('\n');
        }
        Ok(())
    }

    /// The level of this depth, once those beneath it that were left open are made.
    fn level(&mut self, depth: usize) -> Result<&mut Level, Fault> {
        if depth >= DEPTH_MAX {
            return Err(Fault::TooMuch(format!("more than {DEPTH_MAX} subtests in each other")));
        }
        while self.levels.len() <= depth {
            self.levels.push(Level::default());
        }
        Ok(&mut self.levels[depth])
    }

    fn result(&mut self, text: &str, depth: usize) -> Result<(), Fault> {
        self.close_case()?;
        self.level(depth)?;
        let subtests = self.close_below(depth)?;
        let (ok, rest) = match text.strip_prefix("not ok") {
            Some(rest) => (false, rest),
            None => (true, text.strip_prefix("ok").unwrap_or(text)),
        };
        let (name, directive) = directive(rest.trim_start());
        let name = unnumbered(name);
        let (kind, reason) = directive.split_once(char::is_whitespace).unwrap_or((directive, ""));
        let outcome = match (ok, kind.to_ascii_uppercase().as_str()) {
            (_, "SKIP" | "SKIPPED") | (false, "TODO") => Outcome::Skipped,
            (true, _) => Outcome::Passed,
            (false, _) => Outcome::Failed,
        };
        let suite = self.levels[..depth].iter().filter_map(|level| level.name.as_deref()).collect::<Vec<_>>().join(" > ");
        let level = self.level(depth)?;
        (level.results, level.name) = (level.results + 1, None);
        level.bad += u64::from(outcome == Outcome::Failed);
        // What its subtests have said need not be said again, unless none of them says why it is bad.
        if subtests.is_some_and(|below| below.results > 0 && (outcome != Outcome::Failed || below.bad > 0)) {
            return Ok(());
        }
        let unescaped = name.trim_end().replace("\\#", "#").replace("\\\\", "\\");
        let mut case = TestCase { cause: Cause::First, ..TestCase::new(&suite, &unescaped, outcome) };
        append(&mut case.text, reason.trim());
        if !case.text.is_empty() {
            case.text.push('\n');
        }
        self.case = Some(case);
        Ok(())
    }

    /// Ends the levels below a depth; the one just below it.
    fn close_below(&mut self, depth: usize) -> Result<Option<Level>, Fault> {
        let mut last = None;
        while self.levels.len() > depth + 1 {
            last = self.levels.pop();
            if let Some(level) = &last {
                self.check(level)?;
            }
        }
        Ok(last)
    }

    /// As many results as the plan says have to come.
    fn check(&mut self, level: &Level) -> Result<(), Fault> {
        let Some(plan) = level.plan.filter(|plan| *plan != level.results && !self.bailed) else { return Ok(()) };
        let text = format!("the plan says {plan} tests, and {} came", level.results);
        self.tally.add(TestCase { text, ..TestCase::new("", "1..", Outcome::Errored) })
    }

    fn yaml(&mut self, line: &str) -> Result<(), Fault> {
        let Some(case) = &mut self.case else { return Ok(()) };
        if let Some(millis) = line.strip_prefix("duration_ms:").and_then(|value| value.trim().parse::<f64>().ok()) {
            case.secs = Some(secs(millis / 1000.0)?);
            return Ok(());
        }
        append(&mut case.text, line);
        case.text.push('\n');
        Ok(())
    }

    fn close_case(&mut self) -> Result<(), Fault> {
        self.case.take().map_or(Ok(()), |case| self.tally.add(case))
    }

    fn finish(mut self) -> Result<TestRun, Fault> {
        if self.yaml.is_some() {
            return Err(Fault::broken("the file ends within the text of a test"));
        }
        self.close_case()?;
        self.close_below(0)?;
        let outermost = self.levels.pop().unwrap_or_default();
        if outermost.plan.is_none() && !self.bailed {
            let cause = match outermost.results {
                0 => "no plan and no test is in it; this is no TAP, or an empty one",
                _ => "the file ends without a plan: nobody knows whether all tests came",
            };
            return Err(Fault::broken(cause));
        }
        self.check(&outermost)?;
        Ok(self.tally.finish())
    }
}

/// The name without its number, and the dash behind it.
fn unnumbered(text: &str) -> &str {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let name = if rest.is_empty() || rest.starts_with(char::is_whitespace) { rest.trim_start() } else { text };
    name.strip_prefix("- ").unwrap_or(name)
}

/// What stands before and behind the first `#` that is not escaped.
fn directive(text: &str) -> (&str, &str) {
    let found =
        text.match_indices('#').find(|(at, _)| !text[..*at].ends_with('\\') && text[..*at].ends_with([' ', '\t']) || *at == 0);
    match found {
        Some((at, _)) => (&text[..at], text[at + 1..].trim()),
        None => (text, ""),
    }
}
