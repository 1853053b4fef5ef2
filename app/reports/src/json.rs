//! JSON as a stream: the outer levels are walked here, and what lies in them is handed to serde item by item, so that no more
//! than one item is held at a time.

use std::io::Read;

use serde::de::DeserializeOwned;

use crate::error::{Fault, Place, ReportError, one_line};
use crate::input::{Declares, Input};
use crate::skip::{Skip, Wrong};

/// Objects and arrays may lie so deep in each other: as deep as serde_json reads. Beyond, the report is refused.
const DEPTH_MAX: usize = 128;

/// What is handed to serde at once may have so many bytes. Beyond, the report is refused.
const ITEM_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The same of what takes up to a hundred times as much in memory: values of any shape, objects of which all may be missing.
const SMALL_ITEM_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// A key of the outer levels may have so many bytes. Beyond, the report is refused.
const KEY_BYTES_MAX: u64 = 64 * 1024;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    String,
    /// A number, `true`, `false` or `null`.
    Plain,
}

/// A report that is being read.
pub(crate) struct Json<R> {
    input: Input<R>,
    depth: usize,
    /// The bytes of the item at hand.
    item: Vec<u8>,
    /// Where it begins.
    begin: Place,
}

impl<R: Read> Json<R> {
    pub(crate) fn new(source: R) -> Json<R> {
        let begin = Place { line: 1, column: 1 };
        Json { input: Input::new(source, Declares::Nothing), depth: 0, item: Vec::new(), begin }
    }

    /// An error where the latest item began.
    pub(crate) fn error(&self, fault: Fault) -> ReportError {
        fault.at(self.begin)
    }

    /// What the next value is.
    pub(crate) fn kind(&mut self) -> Result<Kind, ReportError> {
        match self.token()? {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b't' | b'f' | b'n' | b'-' | b'0'..=b'9') => Ok(Kind::Plain),
            Some(_) => Err(self.unexpected("a value")),
            None => Err(self.unexpected("a value, and the file ends")),
        }
    }

    /// Walks an object: `each` has to take the value of the key that it is given.
    pub(crate) fn object(
        &mut self,
        mut each: impl FnMut(&mut Json<R>, &str) -> Result<(), ReportError>,
    ) -> Result<(), ReportError> {
        self.open(b'{', "an object")?;
        if self.closes(b'}')? {
            return Ok(());
        }
        loop {
            if self.token()? != Some(b'"') {
                return Err(self.unexpected("a key"));
            }
            self.raw(KEY_BYTES_MAX, "a key of more than 64 KiB")?;
            let key: String = self.parsed()?;
            self.expect(b':', "`:`")?;
            each(self, &key)?;
            match self.token()? {
                Some(b',') => self.input.advance(1),
                Some(b'}') => break self.close(),
                Some(_) | None => return Err(self.unexpected("`,` or `}`")),
            }
        }
        Ok(())
    }

    /// Walks an array: `each` has to take a value.
    pub(crate) fn array(&mut self, mut each: impl FnMut(&mut Json<R>) -> Result<(), ReportError>) -> Result<(), ReportError> {
        self.open(b'[', "an array")?;
        if self.closes(b']')? {
            return Ok(());
        }
        loop {
            each(self)?;
            match self.token()? {
                Some(b',') => self.input.advance(1),
                Some(b']') => break self.close(),
                Some(_) | None => return Err(self.unexpected("`,` or `]`")),
            }
        }
        Ok(())
    }

    /// The next value, whole: up to 16 MiB. To be used where no few bytes of it become many in memory.
    pub(crate) fn item<T: DeserializeOwned>(&mut self) -> Result<T, ReportError> {
        self.kind()?;
        self.raw(ITEM_BYTES_MAX, "an item of more than 16 MiB")?;
        self.parsed()
    }

    /// The next value, whole: up to 2 MiB.
    pub(crate) fn small_item<T: DeserializeOwned>(&mut self) -> Result<T, ReportError> {
        self.kind()?;
        self.raw(SMALL_ITEM_BYTES_MAX, "an item of more than 2 MiB")?;
        self.parsed()
    }

    /// Goes past the next value, of whatever size.
    pub(crate) fn skip(&mut self) -> Result<(), ReportError> {
        self.kind()?;
        let mut skip = Skip::new(DEPTH_MAX - self.depth);
        loop {
            let next = self.input.peek()?;
            if next.is_empty() {
                return Err(self.error(Fault::broken("a value that does not end")));
            }
            let (amount, done) = match skip.step(next) {
                Ok(step) => step,
                Err((wrong, amount)) => {
                    self.input.advance(amount);
                    return Err(match wrong {
                        Wrong::Syntax => self.input.error(Fault::broken("this is no JSON: a value that is not well formed")),
                        Wrong::Depth => self.input.error(too_deep()),
                    });
                }
            };
            self.input.advance(amount);
            if done {
                return Ok(());
            }
        }
    }

    /// Nothing may follow.
    pub(crate) fn end(&mut self) -> Result<(), ReportError> {
        match self.token()? {
            None => Ok(()),
            Some(_) => Err(self.unexpected("the end of the file")),
        }
    }

    /// The first byte that is no white space; it is left where it is.
    fn token(&mut self) -> Result<Option<u8>, ReportError> {
        self.input.allow(u64::MAX, "");
        loop {
            let next = self.input.peek()?;
            let white = next.iter().take_while(|b| matches!(b, b' ' | b'\n' | b'\r' | b'\t')).count();
            let (token, ended) = (next.get(white).copied(), next.is_empty());
            self.input.advance(white);
            if token.is_some() || ended {
                self.begin = self.input.place();
                return Ok(token);
            }
        }
    }

    fn unexpected(&self, wanted: &str) -> ReportError {
        self.input.error(Fault::Broken(format!("this is no JSON: expected {wanted}")))
    }

    fn expect(&mut self, byte: u8, wanted: &str) -> Result<(), ReportError> {
        if self.token()? != Some(byte) {
            return Err(self.unexpected(wanted));
        }
        self.input.advance(1);
        Ok(())
    }

    fn open(&mut self, byte: u8, wanted: &str) -> Result<(), ReportError> {
        if self.token()? != Some(byte) {
            return Err(self.input.error(Fault::Broken(format!("expected {wanted}"))));
        }
        if self.depth >= DEPTH_MAX {
            return Err(self.input.error(too_deep()));
        }
        self.depth += 1;
        self.input.advance(1);
        Ok(())
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.input.advance(1);
    }

    /// Whether an object or array that has just begun ends at once.
    fn closes(&mut self, byte: u8) -> Result<bool, ReportError> {
        let closes = self.token()? == Some(byte);
        if closes {
            self.close();
        }
        Ok(closes)
    }

    /// Copies the next value into the item. It is not checked: whoever parses it does.
    fn raw(&mut self, bytes_max: u64, limit: &'static str) -> Result<(), ReportError> {
        self.item.clear();
        self.begin = self.input.place();
        self.input.allow(bytes_max, limit);
        let mut scan = Scan::default();
        loop {
            let next = self.input.peek()?;
            if next.is_empty() {
                // What there is of it: the parser says that it is cut off, unless it was a number.
                break;
            }
            let (amount, done) = scan.step(next);
            self.item.extend_from_slice(&next[..amount]);
            self.input.advance(amount);
            if done {
                break;
            }
        }
        self.input.allow(u64::MAX, "");
        Ok(())
    }

    fn parsed<T: DeserializeOwned>(&self) -> Result<T, ReportError> {
        serde_json::from_slice(&self.item).map_err(|error| parse_error(&error, self.begin))
    }
}

fn too_deep() -> Fault {
    Fault::TooMuch(format!("more than {DEPTH_MAX} objects and arrays in each other"))
}

/// An error of serde in an item that begins at `begin`.
pub(crate) fn parse_error(error: &serde_json::Error, begin: Place) -> ReportError {
    let text = error.to_string();
    let cause = text.rfind(" at line ").map_or(text.as_str(), |end| &text[..end]);
    let (line, column) = (error.line().max(1) as u64, error.column().max(1) as u64);
    let column = if line == 1 { begin.column + column - 1 } else { column };
    Fault::Broken(one_line(cause, 200)).at(Place { line: begin.line + line - 1, column })
}

/// Finds the end of a value, without checking it.
#[derive(Default)]
struct Scan {
    depth: usize,
    state: State,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Begin,
    /// Between the values of an object or array.
    Between,
    InString,
    /// Behind a backslash.
    Escaped,
    /// In a number or a word, which is the whole value.
    Plain,
}

impl Scan {
    /// How many of the bytes belong to the value, and whether it ends with them.
    fn step(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            match self.state {
                State::InString => {
                    at += memchr::memchr2(b'"', b'\\', &bytes[at..]).unwrap_or(bytes.len() - at);
                    match bytes.get(at) {
                        Some(b'"') if self.depth == 0 => return (at + 1, true),
                        Some(b'"') => self.state = State::Between,
                        Some(_) => self.state = State::Escaped,
                        None => break,
                    }
                }
                State::Escaped => self.state = State::InString,
                State::Plain if matches!(byte, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t' | b':' | b'"') => {
                    return (at, true);
                }
                State::Plain => {}
                // Most of it are commas, colons, white space and digits.
                State::Between if !matches!(byte, b'"' | b'{' | b'[' | b'}' | b']') => {
                    at += bytes[at..].iter().take_while(|b| !matches!(b, b'"' | b'{' | b'[' | b'}' | b']')).count();
                    continue;
                }
                State::Begin | State::Between => match byte {
                    b'"' => self.state = State::InString,
                    b'{' | b'[' => (self.depth, self.state) = (self.depth + 1, State::Between),
                    b'}' | b']' => {
                        self.depth = self.depth.saturating_sub(1);
                        if self.depth == 0 {
                            return (at + 1, true);
                        }
                    }
                    _ if self.state == State::Begin => self.state = State::Plain,
                    _ => {}
                },
            }
            at += 1;
        }
        (bytes.len(), false)
    }
}
