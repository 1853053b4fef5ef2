//! Checkstyle XML, and what many others write in its name.

use std::io::Read;
use std::sync::Arc;

use super::collect::Collector;
use super::{Finding, Findings, Level, Location, TextRange};
use crate::error::{Fault, ReportError, one_line};
use crate::xml::{Node, Xml};

/// Reads a report.
pub(super) fn read(source: impl Read) -> Result<Findings, ReportError> {
    let mut xml = Xml::new(source, "Checkstyle", &["checkstyle"]);
    let mut collector = Collector::default();
    let mut file: Option<Arc<str>> = None;
    loop {
        match xml.next()? {
            Node::Start => match xml.name() {
                "file" => {
                    let [name] = xml.attributes(["name"])?;
                    file = Some(collector.shared(xml.needed("name", &name)?));
                }
                "error" => error(&xml, file.as_ref(), &mut collector)?,
                // The tool could not read the file.
                "exception" => collector.problem(&format!("an exception in {}", file.as_deref().unwrap_or("no file"))),
                _ => {}
            },
            Node::End if xml.name() == "file" => file = None,
            Node::End | Node::Text => {}
            Node::Over => return Ok(collector.finish()),
        }
    }
}

fn error<R: Read>(xml: &Xml<R>, file: Option<&Arc<str>>, collector: &mut Collector) -> Result<(), ReportError> {
    let [line, column, severity, message, source] = xml.attributes(["line", "column", "severity", "message", "source"])?;
    let file = file.ok_or_else(|| xml.broken("an <error> that is in no <file>"))?;
    let number = |key, value: Option<std::borrow::Cow<'_, str>>| match value {
        // What is about the whole file has line 0, or none.
        Some(value) if !value.trim().is_empty() => xml.number::<u32>(key, &value).map(|number| (number > 0).then_some(number)),
        Some(_) | None => Ok(None),
    };
    let (line, column) = (number("line", line)?, number("column", column)?);
    let level = match severity.as_deref().unwrap_or("error").to_ascii_lowercase().as_str() {
        "error" | "fatal" => Level::Error,
        "warning" => Level::Warning,
        "info" | "information" | "style" | "note" => Level::Note,
        "ignore" => return Ok(()),
        other => return Err(xml.error(Fault::Broken(format!("the severity {:?}", one_line(other, 40))))),
    };
    let rule = collector.rule("checkstyle", source.as_deref().unwrap_or_default());
    let mut finding = Finding::new(rule, level, xml.needed("message", &message)?);
    let range = line.map(|line| TextRange { start_line: line, start_column: column, end_line: line, end_column: None });
    finding.location = Some(Location { path: file.clone(), range });
    collector.push(finding);
    Ok(())
}
