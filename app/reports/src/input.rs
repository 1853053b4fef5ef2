//! The text of a report, decoded as it comes, with the place that has been reached.
//!
//! Everything behind it sees valid UTF-8. Bytes that the encoding does not have are an error: guessing could hide a result.

use std::io::{self, BufRead, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::error::{Fault, Place, ReportError};

/// So many bytes of a file's beginning are enough to tell its format by.
pub const SNIFF_BYTES: usize = 8192;

/// So many bytes are read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// An XML declaration is within so many bytes.
const DECLARATION_BYTES_MAX: usize = 256;

/// Whether the first bytes may say which encoding follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Declares {
    Nothing,
    /// An XML declaration does.
    Xml,
}

enum State {
    /// Nothing has been read.
    New(Declares),
    Utf8,
    Other(Box<Decoder>),
}

/// A stream of text.
pub(crate) struct Input<R> {
    source: R,
    state: State,
    /// Room for what is read and not decoded, which is its first `raw_len` bytes.
    raw: Box<[u8]>,
    raw_len: usize,
    /// Decoded; `at..` is what nobody has taken yet.
    text: String,
    at: usize,
    /// The source has ended and everything is decoded.
    ended: bool,
    /// What is wrong behind the decoded text.
    fault: Option<Fault>,
    line: u64,
    column: u64,
    /// How much more of the item at hand may be taken, and what to say of one that is larger.
    left: u64,
    limit: &'static str,
}

impl<R: Read> Input<R> {
    pub(crate) fn new(source: R, declares: Declares) -> Input<R> {
        let (raw, text) = (vec![0; CHUNK_BYTES].into_boxed_slice(), String::with_capacity(CHUNK_BYTES));
        let state = State::New(declares);
        Input {
            source,
            state,
            raw,
            raw_len: 0,
            text,
            at: 0,
            ended: false,
            fault: None,
            line: 1,
            column: 1,
            left: u64::MAX,
            limit: "",
        }
    }

    /// Begins an item that may have so many bytes.
    pub(crate) fn allow(&mut self, bytes: u64, limit: &'static str) {
        (self.left, self.limit) = (bytes, limit);
    }

    pub(crate) fn place(&self) -> Place {
        Place { line: self.line, column: self.column }
    }

    /// An error at this place.
    pub(crate) fn error(&self, fault: Fault) -> ReportError {
        fault.at(self.place())
    }

    /// What comes next; empty only at the end.
    pub(crate) fn peek(&mut self) -> Result<&[u8], ReportError> {
        while self.at == self.text.len() && !self.ended {
            if let Some(fault) = self.fault.clone() {
                return Err(self.error(fault));
            }
            self.refill().map_err(ReportError::Unread)?;
        }
        if self.left == 0 && self.at < self.text.len() {
            return Err(self.error(Fault::too_much(self.limit)));
        }
        let room = usize::try_from(self.left).unwrap_or(usize::MAX);
        let end = self.text.len().min(self.at.saturating_add(room));
        Ok(&self.text.as_bytes()[self.at..end])
    }

    /// What comes next, and that at least so many bytes, unless the end comes before. They may be whole characters or not.
    pub(crate) fn peek_at_least(&mut self, bytes: usize) -> Result<&[u8], ReportError> {
        while self.text.len() - self.at < bytes && !self.ended && self.fault.is_none() {
            let rest = self.text.split_off(self.at);
            self.refill().map_err(ReportError::Unread)?;
            self.text.insert_str(0, &rest);
        }
        self.peek()
    }

    /// Takes the first `amount` bytes of what was peeked at.
    pub(crate) fn advance(&mut self, amount: usize) {
        let taken = &self.text.as_bytes()[self.at..self.at + amount];
        // Most of what is taken at once is short, and on one line.
        match memchr::memrchr(b'\n', taken) {
            Some(last) => {
                self.line += memchr::memchr_iter(b'\n', &taken[..=last]).count() as u64;
                self.column = (amount - last) as u64;
            }
            None => self.column += amount as u64,
        }
        self.left -= amount as u64;
        self.at += amount;
    }

    /// The same of bytes of which only the last is a line end.
    pub(crate) fn advance_line(&mut self, amount: usize) {
        (self.line, self.column) = (self.line + 1, 1);
        self.left -= amount as u64;
        self.at += amount;
    }

    /// What was peeked at last, after it was taken: so many bytes, which are whole characters.
    pub(crate) fn taken(&self, amount: usize) -> &str {
        &self.text[self.at - amount..self.at]
    }

    fn refill(&mut self) -> io::Result<()> {
        self.text.clear();
        self.at = 0;
        let ended = self.read_raw()?;
        if let State::New(declares) = self.state {
            // All that may tell the encoding has to be there.
            if !ended && self.raw_len < DECLARATION_BYTES_MAX {
                return Ok(());
            }
            match begin(&self.raw[..self.raw_len], declares) {
                Ok((state, mark)) => {
                    self.state = state;
                    self.drop_raw(mark);
                }
                Err(fault) => self.fault = Some(fault),
            }
        }
        match &mut self.state {
            State::New(_) => {}
            State::Utf8 => self.decode_utf8(ended),
            State::Other(_) => self.decode_other(ended),
        }
        self.ended = ended && self.raw_len == 0 && self.fault.is_none();
        Ok(())
    }

    /// Whether the source has ended.
    fn read_raw(&mut self) -> io::Result<bool> {
        loop {
            match self.source.read(&mut self.raw[self.raw_len..]) {
                Ok(amount) => {
                    self.raw_len += amount;
                    return Ok(amount == 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn drop_raw(&mut self, amount: usize) {
        self.raw.copy_within(amount..self.raw_len, 0);
        self.raw_len -= amount;
    }

    fn decode_utf8(&mut self, ended: bool) {
        let raw = &self.raw[..self.raw_len];
        let (valid, wrong) = match std::str::from_utf8(raw) {
            Ok(text) => (text, false),
            Err(error) => {
                let valid = raw.utf8_chunks().next().map_or("", |chunk| chunk.valid());
                (valid, error.error_len().is_some() || ended)
            }
        };
        if wrong {
            self.fault = Some(Fault::broken("bytes that are not valid UTF-8, which the report is in"));
        }
        self.text.push_str(valid);
        let amount = valid.len();
        self.drop_raw(amount);
    }

    fn decode_other(&mut self, ended: bool) {
        let State::Other(decoder) = &mut self.state else { return };
        let room = decoder.max_utf8_buffer_length_without_replacement(self.raw_len).unwrap_or(CHUNK_BYTES * 3);
        self.text.reserve(room);
        let (result, read) = decoder.decode_to_string_without_replacement(&self.raw[..self.raw_len], &mut self.text, ended);
        if let DecoderResult::Malformed(..) = result {
            let name = decoder.encoding().name();
            self.fault = Some(Fault::broken(format!("bytes that are not valid {name}, which the report says that it is in")));
        }
        self.drop_raw(read);
    }
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let next = self.fill_buf()?;
        let amount = next.len().min(buf.len());
        buf[..amount].copy_from_slice(&next[..amount]);
        self.advance(amount);
        Ok(amount)
    }
}

impl<R: Read> BufRead for Input<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.peek().map_err(|error| match error {
            ReportError::Unread(error) => error,
            refused @ (ReportError::Broken { .. } | ReportError::TooMuch { .. }) => {
                io::Error::new(io::ErrorKind::InvalidData, refused)
            }
        })
    }

    fn consume(&mut self, amount: usize) {
        self.advance(amount);
    }
}

/// How the bytes are decoded, and how many of them are the byte order mark.
fn begin(bytes: &[u8], declares: Declares) -> Result<(State, usize), Fault> {
    let (encoding, mark) = match Encoding::for_bom(bytes) {
        Some(found) => found,
        None => (unmarked(bytes, declares)?, 0),
    };
    if encoding == UTF_8 {
        return Ok((State::Utf8, mark));
    }
    Ok((State::Other(Box::new(encoding.new_decoder_without_bom_handling())), mark))
}

/// The encoding of a text without a byte order mark.
fn unmarked(bytes: &[u8], declares: Declares) -> Result<&'static Encoding, Fault> {
    match bytes {
        // Whatever format it is, it begins with an ASCII character.
        [0, second, ..] if *second != 0 => return Ok(UTF_16BE),
        [first, 0, ..] if *first != 0 => return Ok(UTF_16LE),
        _ => {}
    }
    if declares == Declares::Nothing {
        return Ok(UTF_8);
    }
    let Some(label) = label(&bytes[..bytes.len().min(DECLARATION_BYTES_MAX)]) else { return Ok(UTF_8) };
    match Encoding::for_label(label) {
        // That it could be read byte by byte shows that it is not. Files whose writer took the word from a string in memory
        // are common.
        Some(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => Ok(UTF_8),
        Some(encoding) => Ok(encoding),
        None => Err(Fault::broken(format!("the encoding {:?} is not known", String::from_utf8_lossy(label)))),
    }
}

/// What stands behind `encoding=` in the XML declaration.
fn label(bytes: &[u8]) -> Option<&[u8]> {
    let bytes = bytes.trim_ascii_start().strip_prefix(b"<?xml")?;
    let declaration = &bytes[..bytes.windows(2).position(|two| two == b"?>")?];
    let behind = declaration.windows(8).position(|word| word == b"encoding")? + 8;
    let value = declaration[behind..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (quote, value) = value.split_first()?;
    value.split(|b| b == quote).next()
}

/// The text that a file begins with, to tell its format by: without a byte order mark; of UTF-16 what is ASCII.
pub(crate) fn head(bytes: &[u8]) -> String {
    let bytes: Vec<u8> = bytes.iter().take(SNIFF_BYTES).copied().filter(|byte| *byte != 0).collect();
    let text = String::from_utf8_lossy(&bytes);
    text.trim_start_matches(['\u{feff}', '\u{fffd}']).trim_start().to_owned()
}
