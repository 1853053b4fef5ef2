//! Messages of rustc and Clippy: from `cargo --message-format=json`, or from rustc itself; one a line.

use std::collections::HashSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::collect::{Collector, RELATED_MAX, cut, small};
use super::{Edit, Finding, Findings, Fix, Level, Location, Related, TextRange};
use crate::error::{Fault, ReportError, one_line};
use crate::lines::Lines;

/// Expansions of macros are followed so far.
const EXPANSIONS_MAX: usize = 32;

/// A line of Cargo, or of rustc.
#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    reason: Option<String>,
    /// Cargo's: the message. rustc's: its text.
    #[serde(default)]
    message: Option<MessageOrText>,
    #[serde(default)]
    success: Option<bool>,
}

enum MessageOrText {
    Message(Box<Message>),
    /// rustc's; then the line itself is the message.
    Text,
}

/// Not one of serde's untagged enums: those hold all that they may have to read again.
impl<'de> Deserialize<'de> for MessageOrText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MessageOrText, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = MessageOrText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a message, or its text")
            }

            fn visit_str<E>(self, _: &str) -> Result<MessageOrText, E> {
                Ok(MessageOrText::Text)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<MessageOrText, A::Error> {
                Message::deserialize(MapAccessDeserializer::new(map)).map(|message| MessageOrText::Message(Box::new(message)))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[derive(Deserialize)]
struct Message {
    message: String,
    #[serde(default)]
    code: Option<Code>,
    level: String,
    #[serde(default)]
    spans: Vec<Span>,
    #[serde(default)]
    children: Vec<Child>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Child {
    message: String,
    #[serde(default)]
    spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Span {
    file_name: String,
    line_start: u32,
    line_end: u32,
    column_start: u32,
    column_end: u32,
    #[serde(default)]
    is_primary: bool,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    suggested_replacement: Option<String>,
    #[serde(default)]
    suggestion_applicability: Option<String>,
    #[serde(default)]
    expansion: Option<Box<Expansion>>,
}

#[derive(Deserialize)]
struct Expansion {
    span: Span,
}

/// Reads the lines that are JSON; programs that Cargo runs may write others between them.
pub(super) fn read(source: impl Read) -> Result<Findings, ReportError> {
    let mut lines = Lines::new(source);
    let mut collector = Collector::default();
    // Cargo compiles a file several times, as a library and for its tests, and says the same each time.
    let mut seen: HashSet<u64> = HashSet::new();
    let (mut by_cargo, mut by_rustc, mut finished) = (false, false, None);
    while lines.next()? {
        if !lines.line().trim_start().starts_with('{') {
            continue;
        }
        let entry: Entry = lines.json()?;
        let message = match (entry.reason.as_deref(), entry.message) {
            (Some("compiler-message"), Some(MessageOrText::Message(message))) => Some(message),
            (Some("build-finished"), _) => {
                finished = entry.success;
                None
            }
            (None, Some(MessageOrText::Text)) => {
                by_rustc = true;
                Some(lines.json()?)
            }
            (Some(_) | None, _) => None,
        };
        by_cargo |= entry.reason.is_some();
        if let Some(message) = message {
            take(&message, &mut seen, &mut collector).map_err(|fault| lines.error(fault))?;
        }
    }
    let errors = collector.list().iter().any(|finding| finding.level == Level::Error);
    match (by_cargo, finished) {
        (true, None) => Err(lines.error(Fault::broken("the file ends before Cargo says that the build has finished"))),
        (true, Some(false)) if !errors => {
            collector.unfinished("Cargo says that the build failed, and no message says why");
            Ok(collector.finish())
        }
        (false, _) if !by_rustc => Err(lines.error(Fault::broken("no message of Cargo or rustc is in it"))),
        (true, Some(_)) | (false, _) => Ok(collector.finish()),
    }
}

fn take(message: &Message, seen: &mut HashSet<u64>, collector: &mut Collector) -> Result<(), Fault> {
    let level = match message.level.as_str() {
        "error" | "error: internal compiler error" => Level::Error,
        "warning" => Level::Warning,
        "note" | "help" | "failure-note" => Level::Note,
        other => return Err(Fault::Broken(format!("the level {:?}", one_line(other, 40)))),
    };
    let primary = message.spans.iter().find(|span| span.is_primary).or(message.spans.first());
    if primary.is_none() && message.code.is_none() && is_sum(&message.message) {
        return Ok(());
    }
    let id = message.code.as_ref().map_or("", |code| code.code.as_str());
    let tool = if id.starts_with("clippy::") { "Clippy" } else { "rustc" };
    let rule = collector.rule_with(tool, id, |rule| rule.help_url = help_url(id));
    let mut finding = Finding::new(rule, level, &message.message);
    let mut place = |span: &Span| -> Result<Location, Fault> {
        let span = outermost(span);
        Ok(Location { path: collector.shared(&span.file_name), range: Some(range(span)?) })
    };
    finding.location = primary.map(&mut place).transpose()?;
    for span in message.spans.iter().filter(|span| !span.is_primary).take(RELATED_MAX) {
        let message = cut(span.label.as_deref().unwrap_or_default(), 1024);
        finding.related.push(Related { location: place(span)?, message });
    }
    let mut hasher = DefaultHasher::new();
    (tool, id, level, &finding.message, finding.location.as_ref().map(|l| (&l.path, l.range))).hash(&mut hasher);
    if !seen.insert(hasher.finish()) {
        return Ok(());
    }
    finding.fix = fix(message, collector)?;
    collector.push(finding);
    Ok(())
}

/// Whether a message only sums up others.
fn is_sum(text: &str) -> bool {
    text.starts_with("aborting due to ")
        || text.starts_with("For more information about ")
        || text.starts_with("Some errors have detailed explanations")
        || text.ends_with(" emitted")
        || text.ends_with(" emitted; 1 warning emitted")
}

/// Where a macro is used in the source, if the span lies in a macro of somebody else.
fn outermost(span: &Span) -> &Span {
    let mut span = span;
    for _ in 0..EXPANSIONS_MAX {
        let foreign = span.file_name.starts_with(['/', '<']);
        match &span.expansion {
            Some(expansion) if foreign => span = &expansion.span,
            Some(_) | None => break,
        }
    }
    span
}

fn range(span: &Span) -> Result<TextRange, Fault> {
    if span.line_start == 0 || span.line_end < span.line_start {
        return Err(Fault::Broken(format!("a span from line {} to line {}", span.line_start, span.line_end)));
    }
    let column = |column: u32| (column > 0).then_some(column);
    let (start_column, end_column) = (column(span.column_start), column(span.column_end));
    Ok(TextRange { start_line: span.line_start, start_column, end_line: span.line_end, end_column })
}

/// The first help whose replacements may all be made without looking.
fn fix(message: &Message, collector: &mut Collector) -> Result<Option<Box<Fix>>, Fault> {
    let sure = |span: &Span| {
        span.suggested_replacement.is_some() && span.suggestion_applicability.as_deref() == Some("MachineApplicable")
    };
    let Some(child) = message.children.iter().find(|child| !child.spans.is_empty() && child.spans.iter().all(sure)) else {
        return Ok(None);
    };
    let mut edits = Vec::new();
    for span in &child.spans {
        let text = span.suggested_replacement.clone().unwrap_or_default();
        edits.push(Edit { path: collector.shared(&span.file_name), range: range(span)?, text });
    }
    Ok(small(Fix { description: child.message.clone(), edits }))
}

fn help_url(id: &str) -> Option<String> {
    if let Some(lint) = id.strip_prefix("clippy::") {
        return Some(format!("https://rust-lang.github.io/rust-clippy/master/index.html#{}", cut(lint, 100)));
    }
    let is_code = id.len() == 5 && id.starts_with('E') && id[1..].bytes().all(|b| b.is_ascii_digit());
    is_code.then(|| format!("https://doc.rust-lang.org/error_codes/{id}.html"))
}
