//! Reports that are read line by line.

use std::io::Read;

use serde::de::DeserializeOwned;

use crate::error::{Fault, Place, ReportError};
use crate::input::{Declares, Input};
use crate::json::parse_error;

/// A line may have so many bytes. Beyond, the report is refused.
const LINE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The lines of a report.
pub(crate) struct Lines<R> {
    input: Input<R>,
    line: Vec<u8>,
    begin: Place,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(source: R) -> Lines<R> {
        Lines { input: Input::new(source, Declares::Nothing), line: Vec::new(), begin: Place { line: 1, column: 1 } }
    }

    /// Steps to the next line; false at the end.
    pub(crate) fn next(&mut self) -> Result<bool, ReportError> {
        self.line.clear();
        self.begin = self.input.place();
        self.input.allow(LINE_BYTES_MAX, "a line of more than 4 MiB");
        loop {
            let next = self.input.peek()?;
            if next.is_empty() {
                return Ok(!self.line.is_empty());
            }
            let end = next.iter().position(|b| *b == b'\n');
            let amount = end.map_or(next.len(), |end| end + 1);
            self.line.extend_from_slice(&next[..amount]);
            self.input.advance(amount);
            if end.is_some() {
                return Ok(true);
            }
        }
    }

    /// The line at hand, without its end.
    pub(crate) fn line(&self) -> &str {
        // The input hands out valid UTF-8 only, and a line end is no part of a character.
        std::str::from_utf8(&self.line).unwrap_or_default().trim_end_matches(['\n', '\r'])
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
