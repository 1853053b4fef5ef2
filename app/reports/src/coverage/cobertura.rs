//! Cobertura XML, and what coverage.py, Istanbul, coverlet and others write in its name. The rates that it states are not
//! read: they are counted.

use std::io::Read;

use super::CoverageReport;
use super::build::{Builder, PATH_BYTES_MAX, count};
use crate::error::{Fault, ReportError, one_line};
use crate::xml::{Node, Xml};

/// A class may have so many lines that stand in its methods. Beyond, the report is refused.
const METHOD_LINES_MAX: usize = 1_000_000;

struct Reading<R> {
    xml: Xml<R>,
    builder: Builder,
    /// Whether the element at hand is in a method.
    in_methods: bool,
    /// The lines of the methods of the class at hand: number, hits, branches taken and all. Of use only where the class names
    /// none itself; some writers put into methods what is no line that can be run.
    methods: Vec<[u64; 4]>,
    /// Whether the class at hand names its lines itself.
    own: bool,
    /// The text of the `source` at hand.
    source: Option<String>,
}

/// Reads a report.
pub(super) fn read(source: impl Read) -> Result<CoverageReport, ReportError> {
    let xml = Xml::new(source, "Cobertura", &["coverage"]);
    let mut reading =
        Reading { xml, builder: Builder::default(), in_methods: false, methods: Vec::new(), own: false, source: None };
    loop {
        match reading.xml.next()? {
            Node::Start => reading.begin()?,
            Node::End => reading.end()?,
            Node::Text => {
                if let Some(source) = &mut reading.source {
                    source.push_str(reading.xml.text());
                    if source.len() > PATH_BYTES_MAX {
                        let limit = format!("a source of more than {PATH_BYTES_MAX} bytes");
                        return Err(reading.xml.error(Fault::TooMuch(limit)));
                    }
                }
            }
            Node::Over => break,
        }
    }
    match reading.builder.is_empty() {
        true => Err(reading.xml.broken("no class is in it; this is no Cobertura report, or an empty one")),
        false => Ok(reading.builder.finish()),
    }
}

impl<R: Read> Reading<R> {
    fn begin(&mut self) -> Result<(), ReportError> {
        match self.xml.name() {
            "source" => self.source = Some(String::new()),
            "class" => {
                let [path] = self.xml.attributes(["filename"])?;
                let path = self.xml.needed("filename", &path)?;
                // What a compiler makes up is in no file; its lines are left out.
                if !path.is_empty() {
                    self.builder.file(path).map_err(|fault| self.xml.error(fault))?;
                }
                self.own = false;
            }
            "methods" => self.in_methods = true,
            "line" if self.builder.is_open() => self.line()?,
            _ => {}
        }
        Ok(())
    }

    fn line(&mut self) -> Result<(), ReportError> {
        let [number, hits, conditions] = self.xml.attributes(["number", "hits", "condition-coverage"])?;
        let number = self.xml.number("number", self.xml.needed("number", &number)?)?;
        let hits = self.xml.number("hits", self.xml.needed("hits", &hits)?)?;
        let at = |fault| self.xml.error(fault);
        let (taken, all) = conditions.map_or(Ok((0, 0)), |conditions| conditions_of(&conditions)).map_err(at)?;
        if !self.in_methods {
            self.own = true;
            return note(&mut self.builder, [number, hits, taken, all]).map_err(at);
        }
        if self.methods.len() >= METHOD_LINES_MAX {
            return Err(at(Fault::TooMuch(format!("more than {METHOD_LINES_MAX} lines in the methods of a class"))));
        }
        self.methods.push([number, hits, taken, all]);
        Ok(())
    }

    fn end_class(&mut self) -> Result<(), ReportError> {
        for line in self.methods.drain(..).filter(|_| !self.own) {
            note(&mut self.builder, line).map_err(|fault| self.xml.error(fault))?;
        }
        self.builder.close();
        Ok(())
    }

    fn end(&mut self) -> Result<(), ReportError> {
        match self.xml.name() {
            "class" => self.end_class()?,
            "methods" => self.in_methods = false,
            "source" => {
                let source = self.source.take().unwrap_or_default();
                self.builder.source(&source).map_err(|fault| self.xml.error(fault))?;
            }
            _ => {}
        }
        Ok(())
    }
}

fn note(builder: &mut Builder, [number, hits, taken, all]: [u64; 4]) -> Result<(), Fault> {
    builder.line(number, hits)?;
    builder.counted(number, taken, all)
}

/// `50% (1/2)`; a percentage alone says nothing that can be counted.
fn conditions_of(text: &str) -> Result<(u64, u64), Fault> {
    let Some((_, counts)) = text.split_once('(') else { return Ok((0, 0)) };
    let counts = counts.trim_end().strip_suffix(')').and_then(|counts| counts.split_once('/'));
    let (taken, all) = counts.ok_or_else(|| Fault::Broken(format!("condition-coverage is {:?}", one_line(text, 40))))?;
    Ok((count("the branches taken", taken)?, count("the branches", all)?))
}
