//! The output of a command, both ends of it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::{ExecResult, OutputSink};

/// What a command wrote, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// How it ended.
    pub result: ExecResult,
    /// The beginning of what it wrote.
    pub head: Bytes,
    /// The end of it, where not all of it was kept; otherwise empty.
    pub tail: Bytes,
    /// How many bytes between the two were dropped.
    pub dropped_bytes: u64,
}

/// Keeps both ends of an output.
pub struct Ends {
    half: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped_bytes: u64,
}

impl Ends {
    /// Keeps the first and the last half of so many bytes.
    pub fn new(bytes_max: usize) -> Ends {
        Ends { half: bytes_max / 2, kept: Mutex::default() }
    }

    /// What was kept, once the output is over.
    pub fn captured(self, result: ExecResult) -> Captured {
        let Kept { mut head, tail, dropped_bytes } = self.kept.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut tail = Vec::from(tail);
        if dropped_bytes == 0 {
            head.append(&mut tail);
        }
        Captured { result, head: head.into(), tail: tail.into(), dropped_bytes }
    }
}

impl OutputSink for Ends {
    fn write(&self, bytes: &[u8]) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, rest) = bytes.split_at(bytes.len().min(self.half.saturating_sub(kept.head.len())));
        kept.head.extend_from_slice(first);
        // Of a piece that is longer than what is kept, only its end can stay.
        let skipped = rest.len().saturating_sub(self.half);
        kept.tail.extend(&rest[skipped..]);
        let over = kept.tail.len().saturating_sub(self.half);
        kept.tail.drain(..over);
        kept.dropped_bytes += (skipped + over) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::super::ExecEnd;
    use super::*;

    fn captured(bytes_max: usize, pieces: &[&str]) -> (String, String, u64) {
        let ends = Ends::new(bytes_max);
        pieces.iter().for_each(|piece| ends.write(piece.as_bytes()));
        let captured = ends.captured(ExecResult { end: ExecEnd::Exited(0), disk_full: false });
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        (text(&captured.head), text(&captured.tail), captured.dropped_bytes)
    }

    #[test]
    fn of_a_long_output_both_ends_are_kept_however_it_comes() {
        assert_eq!(captured(10, &["12345", "67890"]), ("1234567890".to_owned(), String::new(), 0));
        let long = ("12345".to_owned(), "vwxyz".to_owned(), 3);
        assert_eq!(captured(10, &["12345abcvwxyz"]), long);
        assert_eq!(captured(10, &["1", "2345ab", "cvw", "xyz"]), long);
        assert_eq!(captured(0, &["abc"]), (String::new(), String::new(), 3));
    }
}
