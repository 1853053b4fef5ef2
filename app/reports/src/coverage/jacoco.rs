//! JaCoCo XML. It counts instructions of a line, not how often they ran: a line counts as run where one of them did.

use std::io::Read;

use super::CoverageReport;
use super::build::Builder;
use crate::error::ReportError;
use crate::xml::{Node, Xml};

/// Reads a report.
pub(super) fn read(source: impl Read) -> Result<CoverageReport, ReportError> {
    let mut xml = Xml::new(source, "JaCoCo", &["report"]);
    let mut builder = Builder::default();
    let mut package = String::new();
    loop {
        match xml.next()? {
            Node::Start => begin(&xml, &mut builder, &mut package)?,
            Node::End if xml.name() == "sourcefile" => builder.close(),
            Node::End | Node::Text => {}
            Node::Over => break,
        }
    }
    match builder.is_empty() {
        true => Err(xml.broken("no source file is in it; this is no JaCoCo report, or an empty one")),
        false => Ok(builder.finish()),
    }
}

fn begin<R: Read>(xml: &Xml<R>, builder: &mut Builder, package: &mut String) -> Result<(), ReportError> {
    match xml.name() {
        "package" => {
            let [name] = xml.attributes(["name"])?;
            xml.needed("name", &name)?.clone_into(package);
        }
        "sourcefile" => {
            let [name] = xml.attributes(["name"])?;
            let name = xml.needed("name", &name)?;
            let path = if package.is_empty() { name.to_owned() } else { format!("{package}/{name}") };
            builder.file(&path).map_err(|fault| xml.error(fault))?;
        }
        "line" if builder.is_open() => line(xml, builder)?,
        _ => {}
    }
    Ok(())
}

/// `nr`, missed and covered instructions, missed and covered branches.
fn line<R: Read>(xml: &Xml<R>, builder: &mut Builder) -> Result<(), ReportError> {
    let [nr, instructions, missed, taken] = xml.attributes(["nr", "ci", "mb", "cb"])?;
    let nr = xml.number("nr", xml.needed("nr", &nr)?)?;
    let ran: u64 = xml.number("ci", xml.needed("ci", &instructions)?)?;
    let number = |key, value: Option<_>| value.map_or(Ok(0), |value: std::borrow::Cow<'_, str>| xml.number::<u64>(key, &value));
    let (missed, taken) = (number("mb", missed)?, number("cb", taken)?);
    let at = |fault| xml.error(fault);
    builder.line(nr, ran.min(1)).map_err(at)?;
    builder.counted(nr, taken, missed.saturating_add(taken)).map_err(at)
}
