//! The log of a step: takes the output of a command as it comes, without secrets and within bounds.
//!
//! Of a log that is too long the beginning and the end are kept: the beginning says what was run, the end how it failed.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use gatewright_core::sandbox::OutputSink;
use gatewright_core::verdict::Evidence;

use crate::redact::Redactor;

/// So many bytes are kept of a log's beginning.
pub const HEAD_BYTES_MAX: usize = 256 * 1024;

/// So many bytes are kept of a log's end. What lies between beginning and end is counted and dropped.
pub const TAIL_BYTES_MAX: usize = 1792 * 1024;

/// A log that is being written.
pub struct StepLog {
    state: Mutex<State>,
}

struct State {
    redactor: Redactor,
    /// What the redactor gave out last; kept to be used again.
    clean: Vec<u8>,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped_bytes: u64,
}

/// A log that is complete.
#[derive(Debug, Clone)]
pub struct FinishedLog {
    /// What was kept, with a line in the place of what was not.
    pub bytes: Bytes,
    /// How many bytes were dropped from its middle.
    pub dropped_bytes: u64,
    /// Its last lines, at most [`Evidence::TAIL_BYTES_MAX`] bytes.
    pub tail: String,
}

impl StepLog {
    /// An empty log.
    pub fn new(redactor: Redactor) -> Self {
        let (head, tail) = (Vec::new(), VecDeque::new());
        StepLog { state: Mutex::new(State { redactor, clean: Vec::new(), head, tail, dropped_bytes: 0 }) }
    }

    /// The log is complete. What is written after that is not kept.
    pub fn finish(&self) -> FinishedLog {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        state.clean.clear();
        state.redactor.finish(&mut state.clean);
        state.keep();
        let bytes = state.bytes();
        (state.head, state.tail) = (Vec::new(), VecDeque::new());
        FinishedLog { tail: last_lines(&bytes), bytes: Bytes::from(bytes), dropped_bytes: state.dropped_bytes }
    }

    /// What it says so far, in whole lines.
    pub fn so_far(&self) -> Bytes {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Bytes::from([state.bytes(), state.redactor.peek()].concat())
    }
}

impl OutputSink for StepLog {
    fn write(&self, bytes: &[u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        // In pieces, so that a huge write is not held a second time as a whole.
        for piece in bytes.chunks(64 * 1024) {
            state.clean.clear();
            state.redactor.write(piece, &mut state.clean);
            state.keep();
        }
    }
}

impl State {
    /// Takes what the redactor gave out.
    fn keep(&mut self) {
        let room = HEAD_BYTES_MAX - self.head.len();
        let (head, rest) = self.clean.split_at(room.min(self.clean.len()));
        self.head.extend_from_slice(head);
        let over = (self.tail.len() + rest.len()).saturating_sub(TAIL_BYTES_MAX);
        let from_tail = over.min(self.tail.len());
        self.tail.drain(..from_tail);
        self.tail.extend(&rest[over - from_tail..]);
        self.dropped_bytes += over as u64;
    }

    fn bytes(&self) -> Vec<u8> {
        let (front, back) = self.tail.as_slices();
        let left_out = match self.dropped_bytes {
            0 => String::new(),
            bytes => format!("\n[... {bytes} bytes were left out here ...]\n"),
        };
        [self.head.as_slice(), left_out.as_bytes(), front, back].concat()
    }
}

/// The last lines of a log that fit, as text. A single line that is too long is cut at its beginning.
fn last_lines(log: &[u8]) -> String {
    let max = Evidence::TAIL_BYTES_MAX;
    let begin = log.len().saturating_sub(max);
    let whole_lines = if begin == 0 || log[begin - 1] == b'\n' {
        begin
    } else {
        log[begin..].iter().position(|b| *b == b'\n').map_or(begin, |end| begin + end + 1)
    };
    let begin = if whole_lines == log.len() { begin } else { whole_lines };
    let mut text = String::from_utf8_lossy(&log[begin..]).into_owned();
    // Each byte that is no text has become a character of three.
    if text.len() > max {
        let cut = (text.len() - max..).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        text.drain(..cut);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(writes: &[&[u8]]) -> FinishedLog {
        let log = StepLog::new(Redactor::new([]));
        for bytes in writes {
            log.write(bytes);
        }
        log.finish()
    }

    #[test]
    fn a_short_log_is_kept_whole() {
        let log = log(&[b"one\n", b"", b"two\n"]);
        assert_eq!((&log.bytes[..], log.dropped_bytes, log.tail.as_str()), (&b"one\ntwo\n"[..], 0, "one\ntwo\n"));
    }

    #[test]
    fn a_long_log_keeps_its_beginning_and_its_end_and_counts_the_rest() {
        let lines: Vec<u8> = (0..500_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        let whole = log(&[&lines]);
        let kept = HEAD_BYTES_MAX + TAIL_BYTES_MAX;
        assert_eq!(whole.dropped_bytes as usize, lines.len() - kept);
        assert!(whole.bytes.starts_with(b"line 0\n") && whole.bytes.ends_with(b"line 499999\n"));
        assert!(whole.bytes.len() < kept + 100);
        assert!(whole.tail.starts_with("line ") && whole.tail.ends_with("line 499999\n"));
        assert!(whole.tail.len() <= Evidence::TAIL_BYTES_MAX);
        let pieces: Vec<&[u8]> = lines.chunks(777).collect();
        assert_eq!(log(&pieces).bytes, whole.bytes);
    }

    #[test]
    fn bytes_that_are_no_text_do_not_make_the_tail_longer_than_it_may_be() {
        let log = log(&[&[0xff; 100_000]]);
        assert!(log.tail.len() <= Evidence::TAIL_BYTES_MAX && log.tail.len() > Evidence::TAIL_BYTES_MAX - 3);
        assert_eq!(log.bytes.len(), 100_000);
    }

    #[test]
    fn one_endless_line_is_cut_and_not_lost() {
        let mut line = vec![b'x'; 20_000];
        line.push(b'\n');
        let log = log(&[&line]);
        assert_eq!(log.tail.len(), Evidence::TAIL_BYTES_MAX);
    }

    #[test]
    fn a_secret_is_in_neither_the_log_nor_the_tail() {
        let log = StepLog::new(Redactor::new(["hunter2hunter2".to_owned().into()]));
        log.write(b"password=hunter2");
        log.write(b"hunter2\n");
        assert_eq!(log.finish().tail, "password=***\n");
    }
}
