//! Several JUnit files as one, copied event by event: nothing of them is held but the tag or text at hand.
//!
//! Document types are refused, and with them entities: what GitLab gets has none. So is whatever could make the whole file
//! unreadable: another encoding than UTF-8, an unknown reference, an element that is not closed.

use std::io::{self, BufRead, BufReader, Read, Write};

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;
use quick_xml::{Writer, XmlVersion};

/// A tag, text or comment of a file may have so many bytes.
const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Elements may lie so deep in each other.
const DEPTH_MAX: usize = 64;

/// Why a file is not among the others.
#[derive(Debug, thiserror::Error)]
pub enum JunitError {
    /// It is no JUnit file that others can be put beside.
    #[error("it is not taken into the merged JUnit report: {0}")]
    Unusable(String),
    /// What is written to has failed.
    #[error("the merged JUnit report cannot be written: {0}")]
    Write(io::Error),
}

/// Writes a report of test suites, one file after another.
pub struct Merge<W: Write> {
    out: Writer<W>,
}

impl<W: Write> Merge<W> {
    /// Begins a report.
    pub fn new(out: W) -> Result<Self, JunitError> {
        let mut out = Writer::new(out);
        out.get_mut().write_all(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n").map_err(JunitError::Write)?;
        Ok(Merge { out })
    }

    /// Adds the suites of a file. `open` is called twice: the file is read to its end before anything of it is written, so that
    /// one that is broken spoils nothing.
    pub fn add<R: Read>(&mut self, mut open: impl FnMut() -> io::Result<R>) -> Result<(), JunitError> {
        let source = open().map_err(|error| JunitError::Unusable(error.to_string()))?;
        copy(source, &mut Writer::new(io::sink()))?;
        let source = open().map_err(|error| JunitError::Unusable(error.to_string()))?;
        copy(source, &mut self.out)?;
        self.out.get_mut().write_all(b"\n").map_err(JunitError::Write)
    }

    /// Ends the report.
    pub fn finish(mut self) -> Result<W, JunitError> {
        self.out.get_mut().write_all(b"</testsuites>\n").map_err(JunitError::Write)?;
        Ok(self.out.into_inner())
    }
}

/// Copies the outermost suites of a file, and all that lies in them.
fn copy<W: Write>(source: impl Read, out: &mut Writer<W>) -> Result<(), JunitError> {
    let mut reader = Reader::from_reader(Bounded { source: BufReader::new(source), left: 0 });
    let mut buffer = Vec::new();
    let mut walk = Walk::default();
    loop {
        buffer.clear();
        reader.get_mut().left = EVENT_BYTES_MAX;
        let event = reader.read_event_into(&mut buffer);
        let event = event.map_err(|error| unusable(format!("{error} (at byte {})", reader.error_position())))?;
        if matches!(event, Event::Eof) {
            return if walk.ended { Ok(()) } else { Err(unusable("it is empty, or ends before its last element does")) };
        }
        if walk.step(&event)? {
            out.write_event(event).map_err(JunitError::Write)?;
        }
    }
}

/// Where in a file a copy is.
#[derive(Default)]
struct Walk {
    depth: usize,
    /// How deep the suite lies that is being copied.
    suite: Option<usize>,
    /// The outermost element has ended.
    ended: bool,
}

impl Walk {
    /// Whether the event is to be copied.
    fn step(&mut self, event: &Event<'_>) -> Result<bool, JunitError> {
        match event {
            Event::Start(tag) => {
                let wanted = self.enter(tag)?;
                self.depth += 1;
                Ok(wanted)
            }
            Event::Empty(tag) => {
                let wanted = self.enter(tag)?;
                self.leave();
                Ok(wanted)
            }
            Event::End(_) => {
                let wanted = self.suite.is_some();
                // The reader has seen to it that there is a beginning of each end.
                self.depth = self.depth.saturating_sub(1);
                self.leave();
                Ok(wanted)
            }
            Event::GeneralRef(reference) => judge_reference(reference).map(|()| self.suite.is_some()),
            Event::Text(_) | Event::CData(_) => Ok(self.suite.is_some()),
            Event::DocType(_) => Err(unusable("it has a document type")),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::Eof => Ok(false),
        }
    }

    fn enter(&mut self, tag: &BytesStart<'_>) -> Result<bool, JunitError> {
        judge_tag(tag)?;
        let name = tag.local_name();
        let name: &str = name.as_ref();
        match self.depth {
            0 if self.ended => return Err(unusable("it has a second outermost element")),
            0 if !matches!(name, "testsuites" | "testsuite") => return Err(unusable("its outermost element is no `testsuites`")),
            DEPTH_MAX.. => return Err(unusable(format!("its elements lie more than {DEPTH_MAX} deep"))),
            _ => {}
        }
        if self.suite.is_none() && self.depth <= 1 && name == "testsuite" {
            self.suite = Some(self.depth);
        }
        Ok(self.suite.is_some())
    }

    /// After an element that lies as deep as now has ended.
    fn leave(&mut self) {
        self.ended = self.depth == 0;
        if self.suite == Some(self.depth) {
            self.suite = None;
        }
    }
}

/// What would make the whole report unreadable: attributes that are no attributes, or references that nobody knows.
fn judge_tag(tag: &BytesStart<'_>) -> Result<(), JunitError> {
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|error| unusable(error.to_string()))?;
        attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| unusable(error.to_string()))?;
    }
    Ok(())
}

fn judge_reference(reference: &BytesRef<'_>) -> Result<(), JunitError> {
    let character = reference.resolve_char_ref().map_err(|error| unusable(error.to_string()))?;
    let known = character.is_some() || resolve_predefined_entity(reference).is_some();
    if known { Ok(()) } else { Err(unusable("it refers to an entity that XML does not have")) }
}

fn unusable(cause: impl Into<String>) -> JunitError {
    JunitError::Unusable(cause.into())
}

/// A source of which so many bytes may be taken before the bound is set anew.
struct Bounded<R> {
    source: R,
    left: usize,
}

impl<R: BufRead> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(into)?;
        self.consume(length);
        Ok(length)
    }
}

impl<R: BufRead> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a tag or text in it is longer than 16 MiB"));
        }
        let next = self.source.fill_buf()?;
        Ok(&next[..next.len().min(self.left)])
    }

    fn consume(&mut self, amount: usize) {
        self.left -= amount.min(self.left);
        self.source.consume(amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(files: &[&str]) -> (String, Vec<String>) {
        let mut merge = Merge::new(Vec::new()).expect("memory takes everything");
        let mut refused = Vec::new();
        for file in files {
            if let Err(error) = merge.add(|| Ok(file.as_bytes())) {
                refused.push(error.to_string());
            }
        }
        let out = merge.finish().expect("memory takes everything");
        (String::from_utf8(out).expect("it is UTF-8"), refused)
    }

    #[test]
    fn suites_of_several_files_come_into_one_and_keep_all_that_is_in_them() {
        let one = r#"<?xml version="1.0"?><testsuites name="all" tests="1"><properties/>
<testsuite name="a"><testcase name="x &amp; y"><failure message="1 &lt; 2"><![CDATA[a<b]]></failure></testcase></testsuite>
<testsuite name="empty"/></testsuites>"#;
        let two = r#"<!-- c --><testsuite name="b"><testsuite name="inner"><testcase name="t&#233;"/></testsuite></testsuite>"#;
        let (text, refused) = merged(&[one, two]);
        assert_eq!(refused, Vec::<String>::new());
        insta::assert_snapshot!(text, @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites>
        <testsuite name="a"><testcase name="x &amp; y"><failure message="1 &lt; 2"><![CDATA[a<b]]></failure></testcase></testsuite><testsuite name="empty"/>
        <testsuite name="b"><testsuite name="inner"><testcase name="t&#233;"/></testsuite></testsuite>
        </testsuites>
        "#);
    }

    #[test]
    fn a_file_that_would_spoil_the_others_is_left_out() {
        let good = r#"<testsuite name="good"><testcase name="x"/></testsuite>"#;
        for bad in [
            "",
            "no xml",
            "<html/>",
            "<testsuite><testcase>",
            "<testsuite></testcase></testsuite>",
            "<testsuite/><testsuite/>",
            "<testsuite a=1/>",
            "<testsuite a=\"1\" a=\"2\"/>",
            "<testsuite a=\"&x;\"/>",
            "<testsuite>&x;</testsuite>",
            "<!DOCTYPE t [<!ENTITY x \"y\">]><testsuite>&x;</testsuite>",
            &format!("{}{}", "<testsuite>".repeat(100), "</testsuite>".repeat(100)),
            &format!("<testsuite><testcase name=\"{}\"/></testsuite>", "x".repeat(EVENT_BYTES_MAX)),
        ] {
            let (text, refused) = merged(&[good, bad, good]);
            assert_eq!(refused.len(), 1, "{}", &bad[..bad.len().min(80)]);
            assert_eq!(text.matches("good").count(), 2);
            assert!(text.ends_with("</testsuites>\n") && !text.contains("DOCTYPE"));
        }
    }

    #[test]
    fn bytes_of_another_encoding_are_left_out() {
        let mut merge = Merge::new(Vec::new()).expect("memory takes everything");
        assert!(merge.add(|| Ok(&b"<testsuite name=\"\xe9\"/>"[..])).is_err());
    }
}
