//! Files of reports that are none of the commit's: they count for nothing, so it is said which these are.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use gatewright_reports::{Unmapped, WhyUnmapped};

use super::super::PATH_CHARS_MAX;
use super::super::markdown::code;

/// So many of them are named.
const NAMED_MAX: usize = 10;

/// So many are told apart. Beyond, one that several reports have counts several times.
const KNOWN_MAX: usize = 500_000;

/// The files of all reports that are none of the commit's.
#[derive(Default)]
pub(super) struct Unmatched {
    named: Vec<Unmapped>,
    /// Of their paths: reports of several jobs have the same ones.
    known: HashSet<u64>,
    count: usize,
}

impl Unmatched {
    pub(super) fn add(&mut self, files: Vec<Unmapped>) {
        for file in files {
            let mut hasher = DefaultHasher::new();
            file.path.hash(&mut hasher);
            let hash = hasher.finish();
            if self.known.contains(&hash) {
                continue;
            }
            if self.known.len() < KNOWN_MAX {
                self.known.insert(hash);
            }
            self.count += 1;
            let is_before = self.named.last().is_some_and(|last| rank(&file) < rank(last));
            if is_before || self.named.len() < NAMED_MAX {
                self.named.push(file);
                self.named.sort_by_key(rank);
                self.named.truncate(NAMED_MAX);
            }
        }
    }

    /// How many there are, and why the first of them are none of the commit's.
    pub(super) fn summary(&self) -> String {
        let files = match self.count {
            0 => return String::new(),
            1 => "1 file of the reports is".to_owned(),
            count => format!("{count} files of the reports are"),
        };
        let lines: String = self.named.iter().map(|file| format!("- {}\n", named(file))).collect();
        let more = self.count - self.named.len();
        let more = if more > 0 { format!("- and {more} more\n") } else { String::new() };
        format!("<details><summary>{files} not counted, being none of this commit's</summary>\n\n{lines}{more}\n</details>")
    }
}

/// What is more likely to be the repository's own comes first: headers of the system are in many reports.
fn rank(file: &Unmapped) -> u8 {
    match file.why {
        WhyUnmapped::Ambiguous(_) => 0,
        WhyUnmapped::Unknown => 1,
        WhyUnmapped::Outside => 2,
    }
}

/// Its path, and why it is none of the commit's, where there is more to say than that.
pub(super) fn named(file: &Unmapped) -> String {
    let path = code(&file.path, PATH_CHARS_MAX);
    match &file.why {
        WhyUnmapped::Unknown => path,
        WhyUnmapped::Outside => format!("{path}, outside of the workspace"),
        WhyUnmapped::Ambiguous([one, two]) => {
            format!("{path}, either {} or {}", code(one, PATH_CHARS_MAX), code(two, PATH_CHARS_MAX))
        }
    }
}
