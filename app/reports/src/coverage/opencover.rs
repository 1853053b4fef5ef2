//! OpenCover XML. A line counts as run where any sequence point on it was visited.

use std::collections::HashMap;
use std::io::Read;

use super::CoverageReport;
use super::build::{Builder, pair_id};
use crate::error::{Fault, ReportError};
use crate::xml::{Node, Xml};

/// Compilers give this line to what stands in no source.
const HIDDEN_LINE: u64 = 0xFE_EFEE;

/// A module may have so many files, whose paths have so many bytes together. Beyond, the report is refused.
const FILES_MAX: usize = 500_000;
const FILES_BYTES_MAX: usize = 32 * 1024 * 1024;

struct Reading<R> {
    xml: Xml<R>,
    builder: Builder,
    /// The files of the module by their ids.
    files: HashMap<String, String>,
    files_bytes: usize,
    /// The file of the method at hand.
    method: Option<String>,
    /// The file at hand.
    open: Option<String>,
}

/// Reads a report.
pub(super) fn read(source: impl Read) -> Result<CoverageReport, ReportError> {
    let xml = Xml::new(source, "OpenCover", &["CoverageSession"]);
    let builder = Builder::default();
    let mut reading = Reading { xml, builder, files: HashMap::new(), files_bytes: 0, method: None, open: None };
    loop {
        match reading.xml.next()? {
            Node::Start => reading.begin()?,
            Node::End | Node::Text => {}
            Node::Over => break,
        }
    }
    match reading.builder.is_empty() {
        true => Err(reading.xml.broken("no sequence point is in it; nothing was measured")),
        false => Ok(reading.builder.finish()),
    }
}

impl<R: Read> Reading<R> {
    fn begin(&mut self) -> Result<(), ReportError> {
        match self.xml.name() {
            "Module" => (self.files, self.files_bytes, self.open) = (HashMap::new(), 0, None),
            "File" => {
                let [uid, path] = self.xml.attributes(["uid", "fullPath"])?;
                let uid = self.xml.needed("uid", &uid)?.to_owned();
                let path = self.xml.needed("fullPath", &path)?.to_owned();
                self.files_bytes += uid.len() + path.len();
                if self.files.len() >= FILES_MAX || self.files_bytes > FILES_BYTES_MAX {
                    let limits = format!("more than {FILES_MAX} files, or {FILES_BYTES_MAX} bytes of their paths");
                    return Err(self.xml.error(Fault::TooMuch(limits)));
                }
                self.files.insert(uid, path);
            }
            "Method" => self.method = None,
            "FileRef" => {
                let [uid] = self.xml.attributes(["uid"])?;
                self.method = uid.map(|uid| uid.into_owned());
            }
            "SequencePoint" => self.sequence_point()?,
            "BranchPoint" => self.branch_point()?,
            _ => {}
        }
        Ok(())
    }

    fn sequence_point(&mut self) -> Result<(), ReportError> {
        let [visits, first, last, file] = self.xml.attributes(["vc", "sl", "el", "fileid"])?;
        let (Some(first), Some(file)) = (first, file.as_deref().or(self.method.as_deref())) else { return Ok(()) };
        let file = file.to_owned();
        let visits = self.xml.number("vc", self.xml.needed("vc", &visits)?)?;
        let first = self.xml.number("sl", &first)?;
        let last = last.map_or(Ok(first), |last| self.xml.number("el", &last))?;
        if first == HIDDEN_LINE || first == 0 {
            return Ok(());
        }
        self.open(file)?;
        self.builder.range(first, last, visits).map_err(|fault| self.xml.error(fault))
    }

    fn branch_point(&mut self) -> Result<(), ReportError> {
        let [visits, line, file, offset, path] = self.xml.attributes(["vc", "sl", "fileid", "offset", "path"])?;
        let (Some(line), Some(file)) = (line, file.as_deref().or(self.method.as_deref())) else { return Ok(()) };
        let file = file.to_owned();
        let visits: u64 = self.xml.number("vc", self.xml.needed("vc", &visits)?)?;
        let line = self.xml.number("sl", &line)?;
        if line == HIDDEN_LINE {
            return Ok(());
        }
        let id = pair_id(&offset.unwrap_or_default(), &path.unwrap_or_default());
        self.open(file)?;
        self.builder.branch(line, id, visits > 0).map_err(|fault| self.xml.error(fault))
    }

    /// Makes a file of the module the one at hand.
    fn open(&mut self, uid: String) -> Result<(), ReportError> {
        if self.builder.is_open() && self.open.as_ref() == Some(&uid) {
            return Ok(());
        }
        let path = self.files.get(&uid).ok_or_else(|| self.xml.broken("a file id that no file has"))?;
        self.builder.file(path).map_err(|fault| self.xml.error(fault))?;
        self.open = Some(uid);
        Ok(())
    }
}
