//! Reports that are read line by line.

use std::io::Read;

use serde::de::DeserializeOwned;

use crate::error::{Fault, Place, ReportError};
use crate::input::{Declares, Input};
use crate::json::parse_error;

/// A line may have so many bytes: in one may be all that a test has written. Beyond, the report is refused.
const LINE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The lines of a report.
pub(crate) struct Lines<R> {
    input: Input<R>,
    /// The line at hand, where it did not come in one piece.
    line: Vec<u8>,
    /// How much of the input is the line at hand, where it did.
    whole: usize,
    begin: Place,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(source: R) -> Lines<R> {
        Lines { input: Input::new(source, Declares::Nothing), line: Vec::new(), whole: 0, begin: Place { line: 1, column: 1 } }
    }

    /// Steps to the next line; false at the end.
    pub(crate) fn next(&mut self) -> Result<bool, ReportError> {
        self.line.clear();
        self.whole = 0;
        self.begin = self.input.place();
        self.input.allow(LINE_BYTES_MAX, "a line of more than 16 MiB");
        loop {
            let next = self.input.peek()?;
            if next.is_empty() {
                return Ok(!self.line.is_empty());
            }
            match memchr::memchr(b'\n', next) {
                Some(end) if self.line.is_empty() => {
                    self.whole = end + 1;
                    self.input.advance_line(end + 1);
                    return Ok(true);
                }
                Some(end) => {
                    self.line.extend_from_slice(&next[..=end]);
                    self.input.advance_line(end + 1);
                    return Ok(true);
                }
                None => {
                    let amount = next.len();
                    self.line.extend_from_slice(next);
                    self.input.advance(amount);
                }
            }
        }
    }

    /// The line at hand, without its end.
    pub(crate) fn line(&self) -> &str {
        let line = match self.whole {
            // The input hands out valid UTF-8 only, and a line end is no part of a character.
            0 => std::str::from_utf8(&self.line).unwrap_or_default(),
            whole => self.input.taken(whole),
        };
        let line = line.strip_suffix('\n').unwrap_or(line);
        line.strip_suffix('\r').unwrap_or(line)
    }

    /// The line at hand, which is JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, ReportError> {
        serde_json::from_str(self.line()).map_err(|error| parse_error(&error, self.begin))
    }

    /// An error in the line at hand.
    pub(crate) fn error(&self, fault: Fault) -> ReportError {
        fault.at(self.begin)
    }
}
