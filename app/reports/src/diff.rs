//! Unified diffs, as `git diff` writes them: which lines of which files are new.

use std::collections::BTreeMap;
use std::io::Read;

use crate::error::{Fault, ReportError, one_line};
use crate::lines::Lines;

/// A diff may have so many files. Beyond, it is refused.
const FILES_MAX: usize = 100_000;

/// All their paths may have so many bytes together. Beyond, it is refused.
const PATHS_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A diff may add so many ranges of lines. Beyond, it is refused.
const RANGES_MAX: usize = 2_000_000;

/// Lines from one to another, both of them included, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineRange {
    /// The first line.
    pub first: u32,
    /// The last line.
    pub last: u32,
}

/// The lines that a change adds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diff {
    added: BTreeMap<String, Vec<LineRange>>,
}

/// Where the reader is in a diff.
#[derive(Default)]
struct Reading {
    diff: Diff,
    /// The file at hand; None where it is deleted.
    path: Option<String>,
    /// What is left of the hunk at hand: old lines, new lines.
    old_left: u32,
    new_left: u32,
    /// The number of the next new line.
    next: u32,
    ranges: usize,
    paths_bytes: usize,
    seen: bool,
}

impl Diff {
    /// Reads a diff. One without any file is no error: nothing was changed.
    ///
    /// # Errors
    /// [`ReportError`] where it is broken, cut off or beyond a limit.
    pub fn read(source: impl Read) -> Result<Diff, ReportError> {
        let mut lines = Lines::new(source);
        let mut reading = Reading::default();
        while lines.next()? {
            reading.take(lines.line()).map_err(|fault| lines.error(fault))?;
        }
        if reading.in_hunk() {
            return Err(lines.error(Fault::broken("the diff ends within a hunk")));
        }
        Ok(reading.diff)
    }

    /// The lines that are added to each file, in order. Files that lines are only taken from have none.
    pub fn added(&self) -> impl Iterator<Item = (&str, &[LineRange])> {
        self.added.iter().map(|(path, ranges)| (path.as_str(), ranges.as_slice()))
    }

    /// Whether a line of a file is new.
    pub fn adds(&self, path: &str, line: u32) -> bool {
        self.adds_any(path, line, line)
    }

    /// Whether one of a file's lines from the first to the last is new.
    pub fn adds_any(&self, path: &str, first: u32, last: u32) -> bool {
        self.from(path, first).is_some_and(|range| range.first <= last)
    }

    /// Whether all of a file's lines from the first to the last are new, and stand together.
    pub fn adds_all(&self, path: &str, first: u32, last: u32) -> bool {
        self.from(path, first).is_some_and(|range| range.first <= first && last <= range.last)
    }

    /// Whether the file is in the diff: new, or with lines that came or went. One that is only deleted is not.
    pub fn touches(&self, path: &str) -> bool {
        self.added.contains_key(path)
    }

    /// The first range of new lines that ends in this line or behind it.
    fn from(&self, path: &str, line: u32) -> Option<&LineRange> {
        let ranges = self.added.get(path)?;
        ranges.get(ranges.partition_point(|range| range.last < line))
    }
}

impl Reading {
    fn in_hunk(&self) -> bool {
        self.old_left > 0 || self.new_left > 0
    }

    fn take(&mut self, line: &str) -> Result<(), Fault> {
        if self.in_hunk() {
            return self.body(line);
        }
        if let Some(rest) = line.strip_prefix("@@ -") {
            return self.hunk(rest);
        }
        if let Some(name) = line.strip_prefix("+++ ") {
            self.path = new_path(name)?;
            self.seen = true;
            if let Some(path) = &self.path {
                self.paths_bytes += path.len();
                if self.diff.added.len() >= FILES_MAX || self.paths_bytes > PATHS_BYTES_MAX {
                    return Err(Fault::TooMuch(format!("more than {FILES_MAX} files, or {PATHS_BYTES_MAX} bytes of paths")));
                }
                self.diff.added.entry(path.clone()).or_default();
            }
        }
        Ok(())
    }

    /// `@@ -1,2 +3,4 @@`
    fn hunk(&mut self, rest: &str) -> Result<(), Fault> {
        let wrong = || Fault::broken("this is no head of a hunk: `@@ -line,count +line,count @@` is expected");
        if !self.seen {
            return Err(Fault::broken("a hunk before any file"));
        }
        let (ranges, _) = rest.split_once(" @@").ok_or_else(wrong)?;
        let (old, new) = ranges.split_once(" +").ok_or_else(wrong)?;
        let pair = |text: &str| -> Option<(u32, u32)> {
            let (first, count) = text.split_once(',').unwrap_or((text, "1"));
            Some((first.parse().ok()?, count.parse().ok()?))
        };
        (_, self.old_left) = pair(old).ok_or_else(wrong)?;
        (self.next, self.new_left) = pair(new).ok_or_else(wrong)?;
        match self.next.checked_add(self.new_left) {
            Some(_) => Ok(()),
            None => Err(wrong()),
        }
    }

    fn body(&mut self, line: &str) -> Result<(), Fault> {
        let short = || Fault::broken("a hunk has more lines than its head says");
        match line.as_bytes().first() {
            Some(b'+') => {
                self.new_left = self.new_left.checked_sub(1).ok_or_else(short)?;
                self.add()?;
                self.next += 1;
            }
            Some(b'-') => self.old_left = self.old_left.checked_sub(1).ok_or_else(short)?,
            // "\ No newline at end of file"
            Some(b'\\') => {}
            // An empty line of context may have lost its space.
            Some(b' ') | None => {
                self.old_left = self.old_left.checked_sub(1).ok_or_else(short)?;
                self.new_left = self.new_left.checked_sub(1).ok_or_else(short)?;
                self.next += 1;
            }
            Some(_) => return Err(Fault::Broken(format!("no line of a hunk: {:?}", one_line(line, 40)))),
        }
        Ok(())
    }

    fn add(&mut self) -> Result<(), Fault> {
        let line = self.next;
        let Some(ranges) = self.path.as_ref().and_then(|path| self.diff.added.get_mut(path)) else { return Ok(()) };
        match ranges.last_mut() {
            Some(range) if range.last.checked_add(1) == Some(line) => range.last = line,
            Some(range) if line <= range.last => return Err(Fault::broken("hunks that are not in order")),
            Some(_) | None => {
                self.ranges += 1;
                if self.ranges > RANGES_MAX {
                    return Err(Fault::TooMuch(format!("more than {RANGES_MAX} ranges of lines")));
                }
                ranges.push(LineRange { first: line, last: line });
            }
        }
        Ok(())
    }
}

/// The path behind `+++`: without `b/`, its quotes, and a time that some programs add. None where there is no new file.
fn new_path(name: &str) -> Result<Option<String>, Fault> {
    let name = match name.strip_prefix('"') {
        Some(quoted) => unquoted(quoted)?,
        None => name.split('\t').next().unwrap_or(name).trim_end().to_owned(),
    };
    if name == "/dev/null" {
        return Ok(None);
    }
    // Of git's prefixes: `b/`, or with `diff.mnemonicPrefix` the index's, the working tree's and so on.
    let bare = ["b/", "i/", "w/", "c/", "o/"].iter().find_map(|prefix| name.strip_prefix(prefix));
    Ok(Some(bare.unwrap_or(&name).to_owned()))
}

/// What git has put into quotes, as a C string with bytes in octal.
fn unquoted(text: &str) -> Result<String, Fault> {
    let wrong = || Fault::broken("a path in quotes that is not written as git does");
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    loop {
        let byte = match rest.next().ok_or_else(wrong)? {
            b'"' => break,
            b'\\' => match rest.next().ok_or_else(wrong)? {
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'a' => 7,
                b'b' => 8,
                b'v' => 11,
                b'f' => 12,
                high @ b'0'..=b'3' => {
                    let mut digit = || rest.next().filter(|b| (b'0'..=b'7').contains(b)).map(|b| b - b'0').ok_or_else(wrong);
                    (high - b'0') << 6 | digit()? << 3 | digit()?
                }
                other @ (b'"' | b'\\') => other,
                _ => return Err(wrong()),
            },
            other => other,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).map_err(|_| Fault::broken("a path that is not valid UTF-8"))
}
