//! XML, one event after another. Entities are never expanded: a document type that defines any is refused.

use std::borrow::Cow;
use std::io::Read;
use std::str::FromStr;

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::attributes::{Attribute, Attributes};
use quick_xml::events::{BytesRef, Event};
use quick_xml::reader::Reader;

use crate::error::{Fault, Place, ReportError, one_line};
use crate::input::{Declares, Input};

/// Elements may lie so deep in each other. Beyond, the report is refused.
const DEPTH_MAX: usize = 128;

/// An element may have so many attributes. Beyond, the report is refused.
const ATTRIBUTES_MAX: usize = 64;

/// A tag, a text or a comment may have so many bytes. Beyond, the report is refused.
const EVENT_BYTES_MAX: u64 = 1024 * 1024;
const EVENT_LIMIT: &str = "a tag, text or comment of more than 1 MiB";

/// The same where [`Xml::pass_text`] goes past texts and comments, and tags hold what programs wrote.
const TAG_BYTES_MAX: u64 = 8 * 1024 * 1024;
const TAG_LIMIT: &str = "a tag of more than 8 MiB";

/// The name of an element may have so many bytes: those of all that are open are held. Beyond, the report is refused.
const NAME_BYTES_MAX: usize = 1024;

/// A reference to a character is within so many bytes.
const REFERENCE_BYTES_MAX: usize = 16;

/// What comes next in a report. What it holds is asked of [`Xml`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Node {
    /// The beginning of an element: [`Xml::name`], [`Xml::attributes`].
    Start,
    /// The end of an element: [`Xml::name`].
    End,
    /// A part of the text of an element: [`Xml::text`].
    Text,
    /// The end of the report.
    Over,
}

/// Whether the outermost element has been seen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Root {
    Awaited,
    Open,
    Closed,
}

/// A report that is being read.
pub(crate) struct Xml<R> {
    reader: Reader<Input<R>>,
    buffer: Vec<u8>,
    /// What such a report is called, and what its outermost element may be.
    called: &'static str,
    roots: &'static [&'static str],
    root: Root,
    depth: usize,
    /// Where the latest event begins.
    begin: Place,
    /// The latest tag, or text.
    content: String,
    /// How much of the tag is the element's name, with its namespace.
    name_len: usize,
    /// The element at hand is empty: its end comes next.
    is_empty: bool,
    /// The latest event was a tag, so that text may come.
    behind_tag: bool,
    /// How much a tag may have, and what to say of one that has more.
    event_limit: (u64, &'static str),
    /// The raw text at hand, as far as it is wanted.
    raw: Vec<u8>,
}

impl<R: Read> Xml<R> {
    pub(crate) fn new(source: R, called: &'static str, roots: &'static [&'static str]) -> Xml<R> {
        let reader = Reader::from_reader(Input::new(source, Declares::Xml));
        let begin = Place { line: 1, column: 1 };
        let (root, content) = (Root::Awaited, String::new());
        let (buffer, raw, event_limit) = (Vec::new(), Vec::new(), (EVENT_BYTES_MAX, EVENT_LIMIT));
        let (is_empty, behind_tag) = (false, false);
        Xml { reader, buffer, called, roots, root, depth: 0, begin, content, name_len: 0, is_empty, behind_tag, event_limit, raw }
    }

    /// The same for a report whose texts are gone past.
    pub(crate) fn with_long_tags(mut self) -> Xml<R> {
        self.event_limit = (TAG_BYTES_MAX, TAG_LIMIT);
        self
    }

    /// An error at the latest event.
    pub(crate) fn error(&self, fault: Fault) -> ReportError {
        fault.at(self.begin)
    }

    /// An error at the latest event.
    pub(crate) fn broken(&self, cause: impl Into<String>) -> ReportError {
        self.error(Fault::broken(cause))
    }

    /// The name of the latest element, without its namespace.
    pub(crate) fn name(&self) -> &str {
        let name = &self.content[..self.name_len];
        name.rsplit_once(':').map_or(name, |(_, local)| local)
    }

    /// The latest text.
    pub(crate) fn text(&self) -> &str {
        &self.content
    }

    /// What the latest element says of these keys.
    pub(crate) fn attributes<const N: usize>(&self, keys: [&str; N]) -> Result<[Option<Cow<'_, str>>; N], ReportError> {
        let mut values = [const { None }; N];
        let mut attributes = Attributes::new(&self.content, self.name_len);
        // It would compare each with each; only of those that are wanted it matters.
        attributes.with_checks(false);
        for (count, attribute) in attributes.enumerate() {
            let attribute = attribute.map_err(|error| self.broken(format!("<{}>: {error}", self.name())))?;
            if count >= ATTRIBUTES_MAX {
                let limit = format!("more than {ATTRIBUTES_MAX} attributes on one element");
                return Err(self.error(Fault::TooMuch(limit)));
            }
            let local = attribute.key.local_name();
            if let Some(at) = keys.iter().position(|key| *key == AsRef::<str>::as_ref(&local)) {
                if values[at].is_some() {
                    return Err(self.broken(format!("<{}> has {:?} twice", self.name(), keys[at])));
                }
                values[at] = Some(self.value(&attribute)?);
            }
        }
        Ok(values)
    }

    /// What an attribute says, with the characters that its references stand for.
    fn value<'v>(&self, attribute: &Attribute<'v>) -> Result<Cow<'v, str>, ReportError> {
        // Nearly all are short and have nothing in them to be replaced.
        if !attribute.value.bytes().any(|byte| matches!(byte, b'&' | b'\t' | b'\n' | b'\r')) {
            return Ok(attribute.value.clone());
        }
        let value = attribute.normalized_value(XmlVersion::Implicit1_0);
        value.map_err(|error| self.broken(format!("<{}>: {error}", self.name())))
    }

    /// A number that an attribute of the latest element is.
    pub(crate) fn number<T: FromStr>(&self, key: &str, value: &str) -> Result<T, ReportError> {
        let wrong = |_| self.broken(format!("<{} {key}={:?}> is no number that it may be", self.name(), one_line(value, 40)));
        value.trim().parse().map_err(wrong)
    }

    /// An attribute that has to be there.
    pub(crate) fn needed<'v>(&self, key: &str, value: &'v Option<Cow<'_, str>>) -> Result<&'v str, ReportError> {
        value.as_deref().ok_or_else(|| self.broken(format!("<{}> has no {key:?}", self.name())))
    }

    /// Steps to the next beginning or end of an element, or text in one.
    pub(crate) fn next(&mut self) -> Result<Node, ReportError> {
        if std::mem::take(&mut self.is_empty) {
            return self.ended();
        }
        loop {
            self.buffer.clear();
            self.begin = self.reader.get_ref().place();
            self.reader.get_mut().allow(self.event_limit.0, self.event_limit.1);
            let event = match self.reader.read_event_into(&mut self.buffer) {
                Ok(event) => event,
                Err(error) => return Err(refused(error, self.begin)),
            };
            self.content.clear();
            let kind = match keep(event, &mut self.content) {
                Ok(Some(kind)) => kind,
                Ok(None) => continue,
                Err(fault) => return Err(fault.at(self.begin)),
            };
            self.behind_tag = matches!(kind, Kept::Start { .. } | Kept::End);
            match kind {
                Kept::Start { name_len, is_empty } => (self.name_len, self.is_empty) = (name_len, is_empty),
                Kept::End => self.name_len = self.content.len(),
                Kept::Text => {}
                Kept::Over => return self.over(),
            }
            if let Some(node) = self.step(kind)? {
                return Ok(node);
            }
        }
    }

    /// Goes past the text, the comments and the instructions before the next tag, however long they are, and adds the beginning
    /// of the text to `kept` while that has less than `bytes_max`. References in what is not kept are not looked at.
    pub(crate) fn pass_text(&mut self, mut kept: Option<&mut String>, bytes_max: usize) -> Result<(), ReportError> {
        if !self.behind_tag || self.is_empty || self.depth == 0 {
            return Ok(());
        }
        self.reader.get_mut().allow(u64::MAX, "");
        loop {
            self.begin = self.reader.get_ref().place();
            let room = kept.as_ref().map_or(0, |kept| bytes_max.saturating_sub(kept.len()));
            let input = self.reader.get_mut();
            self.raw.clear();
            let next = input.peek_at_least(CDATA.len())?;
            if next.starts_with(CDATA) {
                input.advance(CDATA.len());
                pass(input, b"]]>", room, &mut self.raw)?;
                if let Some(kept) = &mut kept {
                    kept.push_str(whole_characters(&self.raw));
                }
            } else if next.starts_with(b"<!--") {
                input.advance(4);
                pass(input, b"-->", 0, &mut self.raw)?;
            } else if next.starts_with(b"<?") {
                pass(input, b"?>", 0, &mut self.raw)?;
            } else if next.is_empty() || next[0] == b'<' {
                return Ok(());
            } else {
                pass_plain(input, room * 2, &mut self.raw)?;
                if let Some(kept) = &mut kept {
                    unescape(whole_characters(&self.raw), kept, bytes_max).map_err(|fault| fault.at(self.begin))?;
                }
            }
        }
    }

    fn step(&mut self, kind: Kept) -> Result<Option<Node>, ReportError> {
        match kind {
            Kept::Start { .. } => self.started().map(|()| Some(Node::Start)),
            Kept::End => self.ended().map(Some),
            Kept::Text if self.depth > 0 => Ok(Some(Node::Text)),
            Kept::Text if self.content.trim().is_empty() => Ok(None),
            Kept::Text | Kept::Over => {
                let called = self.called;
                Err(self.broken(format!("text outside of the outermost element; this is no {called} report")))
            }
        }
    }

    fn started(&mut self) -> Result<(), ReportError> {
        if self.depth >= DEPTH_MAX {
            return Err(self.error(Fault::TooMuch(format!("more than {DEPTH_MAX} elements in each other"))));
        }
        if self.name_len > NAME_BYTES_MAX {
            return Err(self.error(Fault::too_much("an element's name of more than 1 KiB")));
        }
        match self.root {
            Root::Closed => return Err(self.broken("a second outermost element")),
            Root::Awaited if !self.roots.contains(&self.name()) => {
                let name = one_line(self.name(), 40);
                return Err(self.broken(format!("this is no {} report: its outermost element is <{name}>", self.called)));
            }
            Root::Awaited => self.root = Root::Open,
            Root::Open => {}
        }
        self.depth += 1;
        Ok(())
    }

    fn ended(&mut self) -> Result<Node, ReportError> {
        self.depth = self.depth.checked_sub(1).ok_or_else(|| self.broken("an end without a beginning"))?;
        if self.depth == 0 {
            self.root = Root::Closed;
        }
        Ok(Node::End)
    }

    fn over(&self) -> Result<Node, ReportError> {
        match self.root {
            Root::Closed => Ok(Node::Over),
            Root::Open => Err(self.broken("the file ends before its last element does")),
            Root::Awaited => Err(self.broken("the file has no element; it is empty")),
        }
    }
}

/// What a section of plain characters begins with.
const CDATA: &[u8] = b"<![CDATA[";

/// Takes everything up to and with `end`; the first `room` bytes before it go into `raw`.
fn pass<R: Read>(input: &mut Input<R>, end: &[u8], room: usize, raw: &mut Vec<u8>) -> Result<(), ReportError> {
    loop {
        let next = input.peek_at_least(end.len())?;
        let found = memchr::memmem::find(next, end);
        // The beginning of `end` may be what the bytes at hand end with.
        let amount = found.unwrap_or((next.len() + 1).saturating_sub(end.len()));
        raw.extend_from_slice(&next[..amount.min(room - raw.len())]);
        let left = next.len();
        match found {
            Some(at) => {
                input.advance(at + end.len());
                return Ok(());
            }
            // That the file ends here, the reader says.
            None if amount == 0 => {
                input.advance(left);
                return Ok(());
            }
            None => input.advance(amount),
        }
    }
}

/// Takes text up to a tag; the first `room` bytes go into `raw`, and a little more where a reference would be cut.
fn pass_plain<R: Read>(input: &mut Input<R>, room: usize, raw: &mut Vec<u8>) -> Result<(), ReportError> {
    loop {
        let next = input.peek()?;
        let end = memchr::memchr(b'<', next);
        let amount = end.unwrap_or(next.len());
        raw.extend_from_slice(&next[..amount.min(room - raw.len())]);
        let ended = end.is_some() || next.is_empty();
        input.advance(amount);
        if ended {
            break;
        }
    }
    // What has been cut is no reference that is not known.
    if raw.len() == room {
        let tail = raw.len().saturating_sub(REFERENCE_BYTES_MAX);
        if let Some(at) = memchr::memrchr(b'&', &raw[tail..]) {
            raw.truncate(tail + at);
        }
    }
    Ok(())
}

/// The characters that the bytes begin with; they may end within one.
fn whole_characters(raw: &[u8]) -> &str {
    // Several bytes at a time, unlike looking for the parts that are valid one after the other.
    std::str::from_utf8(raw).unwrap_or_else(|_| raw.utf8_chunks().next().map_or("", |chunk| chunk.valid()))
}

/// Adds a text to `kept`, with the characters that its references stand for, while that has less than `bytes_max`.
fn unescape(text: &str, kept: &mut String, bytes_max: usize) -> Result<(), Fault> {
    let mut parts = text.split('&');
    kept.push_str(parts.next().unwrap_or_default());
    for part in parts {
        if kept.len() >= bytes_max {
            break;
        }
        let (reference, rest) = part.split_once(';').ok_or_else(|| Fault::broken("an `&` that begins no reference"))?;
        kept.push_str(&character(&BytesRef::new(reference))?);
        kept.push_str(rest);
    }
    kept.truncate(kept.floor_char_boundary(bytes_max));
    Ok(())
}

/// An event that matters.
#[derive(Clone, Copy)]
enum Kept {
    Start { name_len: usize, is_empty: bool },
    End,
    Text,
    Over,
}

/// What matters of an event; its text goes into `content`.
fn keep(event: Event<'_>, content: &mut String) -> Result<Option<Kept>, Fault> {
    Ok(Some(match event {
        Event::Start(start) => {
            content.push_str(&start);
            Kept::Start { name_len: AsRef::<str>::as_ref(&start.name()).len(), is_empty: false }
        }
        Event::Empty(start) => {
            content.push_str(&start);
            Kept::Start { name_len: AsRef::<str>::as_ref(&start.name()).len(), is_empty: true }
        }
        Event::End(end) => {
            content.push_str(AsRef::<str>::as_ref(&end.local_name()));
            Kept::End
        }
        Event::Text(text) => {
            content.push_str(&text.xml10_content());
            Kept::Text
        }
        Event::CData(text) => {
            content.push_str(&text.xml10_content());
            Kept::Text
        }
        Event::GeneralRef(reference) => {
            content.push_str(&character(&reference)?);
            Kept::Text
        }
        Event::DocType(doctype) if doctype.contains("<!ENTITY") || doctype.contains('%') => {
            return Err(Fault::broken("the document type defines entities, which is not allowed"));
        }
        Event::DocType(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => return Ok(None),
        Event::Eof => Kept::Over,
    }))
}

fn character(reference: &BytesRef<'_>) -> Result<String, Fault> {
    let character = reference.resolve_char_ref().map_err(|error| Fault::broken(error.to_string()))?;
    match (character, resolve_predefined_entity(reference)) {
        (Some(character), _) => Ok(character.to_string()),
        (None, Some(text)) => Ok(text.to_owned()),
        (None, None) => Err(Fault::broken(format!("the entity &{}; is not known", one_line(reference, 40)))),
    }
}

/// An error of the XML reader; one of the input that it passes on says itself where it is.
fn refused(error: quick_xml::Error, begin: Place) -> ReportError {
    let quick_xml::Error::Io(error) = error else { return Fault::broken(error.to_string()).at(begin) };
    match error.get_ref().and_then(|inner| inner.downcast_ref::<ReportError>()) {
        Some(ReportError::Broken { place, cause }) => ReportError::Broken { place: *place, cause: cause.clone() },
        Some(ReportError::TooMuch { place, limit }) => ReportError::TooMuch { place: *place, limit: limit.clone() },
        Some(ReportError::Unread(_)) | None => ReportError::Unread(std::io::Error::new(error.kind(), error.to_string())),
    }
}
