//! Puts the lines of a report together, within bounds.

use std::collections::HashMap;

use super::{Branch, CoverageReport, FileCoverage, Line};
use crate::error::{Fault, one_line};

/// A file may have so many lines. Beyond, the report is refused.
pub(super) const LINE_MAX: u64 = 10_000_000;

/// A report may have so many files. Beyond, it is refused.
const FILES_MAX: usize = 500_000;

/// All paths of a report together may have so many bytes, and one so many. Beyond, it is refused.
const PATHS_BYTES_MAX: usize = 32 * 1024 * 1024;
pub(super) const PATH_BYTES_MAX: usize = 16 * 1024;

/// A report may name so many folders that its paths begin in. Beyond, it is refused.
const SOURCES_MAX: usize = 64;

/// So many lines of a report are held, which take 8 bytes each. Beyond, it is refused.
const LINES_MAX: usize = 14_000_000;

/// So many branches of a report are held, which take 8 bytes each too. Beyond, it is refused.
const BRANCHES_MAX: usize = 8_000_000;

/// What a few bytes of a report stand for, ranges of lines and counts of branches, may come to so many. Beyond, it is
/// refused: a short file could keep a processor busy for hours.
const SPREAD_MAX: u64 = 64_000_000;

/// A file is put in order again once it has twice what it had then, and at least this.
const TIDY_MIN: usize = 4096;

/// A report that is being read.
#[derive(Default)]
pub(super) struct Builder {
    files: Vec<Building>,
    by_path: HashMap<String, usize>,
    sources: Vec<String>,
    /// The file at hand.
    open: Option<usize>,
    path_bytes: usize,
    lines: usize,
    branches: usize,
    spread: u64,
}

#[derive(Default)]
struct Building {
    file: FileCoverage,
    /// How many lines and branches there were when it was in order.
    tidy: (usize, usize),
}

impl Builder {
    /// A folder that relative paths may begin in.
    pub(super) fn source(&mut self, folder: &str) -> Result<(), Fault> {
        let folder = folder.trim();
        if folder.is_empty() || self.sources.iter().any(|known| known == folder) {
            return Ok(());
        }
        if self.sources.len() >= SOURCES_MAX || folder.len() > PATH_BYTES_MAX {
            return Err(Fault::too_much(format!("more than {SOURCES_MAX} sources, or one of more than {PATH_BYTES_MAX} bytes")));
        }
        self.sources.push(folder.to_owned());
        Ok(())
    }

    /// Begins a file, or goes on with one that was there before.
    pub(super) fn file(&mut self, path: &str) -> Result<(), Fault> {
        self.close();
        if path.is_empty() {
            return Err(Fault::broken("a file without a path"));
        }
        if let Some(known) = self.by_path.get(path) {
            self.open = Some(*known);
            return Ok(());
        }
        self.path_bytes += path.len();
        if self.files.len() >= FILES_MAX || self.path_bytes > PATHS_BYTES_MAX || path.len() > PATH_BYTES_MAX {
            let limits = format!("more than {FILES_MAX} files, {PATHS_BYTES_MAX} bytes of paths or {PATH_BYTES_MAX} of one");
            return Err(Fault::TooMuch(limits));
        }
        self.by_path.insert(path.to_owned(), self.files.len());
        self.open = Some(self.files.len());
        self.files.push(Building::default());
        Ok(())
    }

    /// Ends the file at hand.
    pub(super) fn close(&mut self) {
        let Some(at) = self.open.take() else { return };
        let building = &self.files[at];
        let (lines, branches) = building.tidy;
        // Not each time: a report may go to and fro between two large files.
        if building.file.lines.len() > 2 * lines || building.file.branches.len() > 2 * branches {
            self.tidy(at);
            let file = &mut self.files[at].file;
            file.lines.shrink_to_fit();
            file.branches.shrink_to_fit();
        }
    }

    /// Notes how often a line of the file at hand was run. Line 0 stands for what the compiler made up, and is left out.
    pub(super) fn line(&mut self, number: u64, hits: u64) -> Result<(), Fault> {
        let number = numbered(number)?;
        let at = self.at()?;
        if number == 0 {
            return Ok(());
        }
        let hits = u32::try_from(hits).unwrap_or(u32::MAX);
        let building = &mut self.files[at];
        building.file.lines.push(Line { number, hits });
        self.lines += 1;
        if building.file.lines.len() >= TIDY_MIN.max(2 * building.tidy.0) {
            self.tidy(at);
        }
        match self.lines > LINES_MAX {
            true => Err(Fault::TooMuch(format!("more than {LINES_MAX} lines"))),
            false => Ok(()),
        }
    }

    /// The same of lines `first..=last`.
    pub(super) fn range(&mut self, first: u64, last: u64, hits: u64) -> Result<(), Fault> {
        if last < first {
            return Err(Fault::Broken(format!("a block that ends in line {last} and begins in line {first}")));
        }
        numbered(last)?;
        self.spend(last - first + 1)?;
        (first..=last).try_for_each(|number| self.line(number, hits))
    }

    /// Notes whether a branch was taken. `id` tells it from the others of its line, in other reports too.
    pub(super) fn branch(&mut self, line: u64, id: u32, taken: bool) -> Result<(), Fault> {
        let line = numbered(line)?;
        let at = self.at()?;
        if line == 0 {
            return Ok(());
        }
        let building = &mut self.files[at];
        building.file.branches.push(Branch::new(line, id, taken));
        self.branches += 1;
        if building.file.branches.len() >= TIDY_MIN.max(2 * building.tidy.1) {
            self.tidy(at);
        }
        match self.branches > BRANCHES_MAX {
            true => Err(Fault::TooMuch(format!("more than {BRANCHES_MAX} branches"))),
            false => Ok(()),
        }
    }

    /// Notes that so many branches of a line were taken, where the report does not say which: the first ones, then.
    pub(super) fn counted(&mut self, line: u64, taken: u64, all: u64) -> Result<(), Fault> {
        if taken > all {
            return Err(Fault::Broken(format!("{taken} of {all} branches taken in line {line}")));
        }
        self.spend(all)?;
        (0..all).try_for_each(|nth| self.branch(line, u32::try_from(nth).unwrap_or(u32::MAX), nth < taken))
    }

    pub(super) fn finish(mut self) -> CoverageReport {
        self.close();
        let mut named: Vec<(String, usize)> = self.by_path.into_iter().collect();
        named.sort_unstable();
        let mut files = Vec::with_capacity(named.len());
        for (path, at) in named {
            let mut file = std::mem::take(&mut self.files[at].file);
            file.tidy();
            files.push((path, file));
        }
        CoverageReport { files, sources: self.sources }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Whether a file is at hand.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    fn at(&self) -> Result<usize, Fault> {
        self.open.ok_or_else(|| Fault::broken("a line that is in no file"))
    }

    fn spend(&mut self, amount: u64) -> Result<(), Fault> {
        self.spread = self.spread.saturating_add(amount);
        match self.spread > SPREAD_MAX {
            true => Err(Fault::TooMuch(format!("ranges of lines and counts of branches that come to more than {SPREAD_MAX}"))),
            false => Ok(()),
        }
    }

    fn tidy(&mut self, at: usize) {
        let Building { file, tidy } = &mut self.files[at];
        let (lines, branches) = (file.lines.len(), file.branches.len());
        file.tidy();
        *tidy = (file.lines.len(), file.branches.len());
        self.lines -= lines - tidy.0;
        self.branches -= branches - tidy.1;
    }
}

fn numbered(line: u64) -> Result<u32, Fault> {
    match u32::try_from(line) {
        Ok(number) if line <= LINE_MAX => Ok(number),
        Ok(_) | Err(_) => Err(Fault::TooMuch(format!("line {line}, where a file may have {LINE_MAX}"))),
    }
}

/// A count that is not negative.
pub(super) fn count(what: &str, text: &str) -> Result<u64, Fault> {
    text.trim().parse().map_err(|_| Fault::Broken(format!("{what} is {:?}, which is no count", one_line(text, 40))))
}

/// An id of two parts: the pair itself where both are small numbers, else a hash of the two (FNV-1a). Two of a line that come
/// to the same are taken for one: with 1,000 branches on a line that happens once in 4,000 times.
pub(super) fn pair_id(first: &str, second: &str) -> u32 {
    if let (Ok(first @ 0..0x4000), Ok(second)) = (first.parse::<u16>(), second.parse::<u16>()) {
        return u32::from(first) << 16 | u32::from(second);
    }
    let bytes = first.bytes().chain([b',']).chain(second.bytes());
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    // Apart from the pairs.
    hash >> 1 | 0x4000_0000
}
