//! Clover XML: of OpenClover, PHPUnit and Istanbul. Statements and conditions are lines; the line that a method begins in is
//! none.

use std::io::Read;

use super::CoverageReport;
use super::build::Builder;
use crate::error::ReportError;
use crate::xml::{Node, Xml};

/// What Istanbul says that its version of Clover is. No Clover writes files any more that say so.
const ISTANBUL: &str = "3.2.0";

/// What the two counts of a condition are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counts {
    /// How often it was true, and how often false.
    Outcomes,
    /// Istanbul: how many of its branches were taken, and how many not.
    Branches,
}

/// Reads a report.
pub(super) fn read(source: impl Read) -> Result<CoverageReport, ReportError> {
    let mut xml = Xml::new(source, "Clover", &["coverage"]);
    let mut builder = Builder::default();
    let mut counts = Counts::Outcomes;
    loop {
        match xml.next()? {
            Node::Start => match xml.name() {
                "coverage" => {
                    let [version] = xml.attributes(["clover"])?;
                    counts = if version.as_deref() == Some(ISTANBUL) { Counts::Branches } else { Counts::Outcomes };
                }
                "file" => {
                    let [path, name] = xml.attributes(["path", "name"])?;
                    let path = path.filter(|path| !path.is_empty()).or(name);
                    builder.file(xml.needed("path", &path)?).map_err(|fault| xml.error(fault))?;
                }
                "line" if builder.is_open() => line(&xml, &mut builder, counts)?,
                _ => {}
            },
            Node::End if xml.name() == "file" => builder.close(),
            Node::End | Node::Text => {}
            Node::Over => break,
        }
    }
    match builder.is_empty() {
        true => Err(xml.broken("no file is in it; this is no Clover report, or an empty one")),
        false => Ok(builder.finish()),
    }
}

fn line<R: Read>(xml: &Xml<R>, builder: &mut Builder, counts: Counts) -> Result<(), ReportError> {
    let [kind, num, hits, yes, no] = xml.attributes(["type", "num", "count", "truecount", "falsecount"])?;
    let is_condition = match kind.as_deref() {
        Some("cond") => true,
        Some("stmt") | None => false,
        Some(_) => return Ok(()),
    };
    let number = |key, value: Option<std::borrow::Cow<'_, str>>| value.map_or(Ok(0), |value| xml.number::<u64>(key, &value));
    let num = xml.number("num", xml.needed("num", &num)?)?;
    let (yes, no) = (number("truecount", yes)?, number("falsecount", no)?);
    let hits = match hits {
        Some(hits) => xml.number("count", &hits)?,
        None => yes.saturating_add(no),
    };
    let at = |fault| xml.error(fault);
    builder.line(num, hits).map_err(at)?;
    match (is_condition, counts) {
        (false, _) => Ok(()),
        (true, Counts::Branches) => builder.counted(num, yes, yes.saturating_add(no)).map_err(at),
        (true, Counts::Outcomes) => {
            builder.branch(num, 0, yes > 0).map_err(at)?;
            builder.branch(num, 1, no > 0).map_err(at)
        }
    }
}
