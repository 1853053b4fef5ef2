//! What gates said of commits that were checked here before, in a folder: a file for each commit and gate.
//!
//! It is a cache. What is missing, cannot be read, or cannot be written costs a comparison, and never a run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use gatewright_core::config::GateConfig;
use gatewright_core::facts::{Facts, Past};
use gatewright_core::verdict::Evidence;
use gatewright_core::{CommitId, GateName, RunId, Timestamp};
use serde::{Deserialize, Serialize};

use super::LocalChange;
use crate::step::Known;

/// So many commits are kept. The ones that were written longest ago go first.
const COMMITS_MAX: usize = 200;

/// The facts of one repository.
#[derive(Debug, Clone)]
pub struct Pasts {
    folder: PathBuf,
}

/// The facts of one repository, as far as a change of it is compared with them.
#[derive(Debug, Clone)]
pub struct PastsHere {
    /// The facts.
    pub pasts: Pasts,
    /// The change.
    pub change: LocalChange,
}

impl PastsHere {
    /// What a gate said of the commit that the change is compared with, or of a newer one of its branch.
    pub(crate) fn base(&self, gate: &GateConfig) -> Option<Past> {
        self.pasts.of(&self.change, gate).base
    }
}

/// What a file holds.
#[derive(Serialize, Deserialize)]
struct Kept {
    run: RunId,
    at: Timestamp,
    facts: Facts,
}

/// The same with what it is of, where it is handed from one machine to another.
#[derive(Serialize, Deserialize)]
struct Line {
    commit: CommitId,
    gate: GateName,
    kept: Kept,
}

impl Pasts {
    /// The facts in this folder, which belongs to one repository. It is made when something is kept.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Pasts { folder: folder.into() }
    }

    /// Whether anything is kept of what a gate said of a commit.
    pub fn has(&self, commit: &CommitId, gate: &GateName) -> bool {
        self.file(commit, gate).is_file()
    }

    /// What is known of a gate's past, as far as the gate looks at it.
    pub(super) fn of(&self, change: &LocalChange, gate: &GateConfig) -> Known {
        if !gate.compares() && !gate.looks_back() {
            return Known::default();
        }
        let exact = change.base.as_ref().and_then(|base| self.read(base, &gate.name));
        let exact = exact.map(|past| Past { exact: true, ..past });
        let history = change.history.iter().filter_map(|commit| self.read(commit, &gate.name));
        let history: Vec<Past> = history.take(if gate.looks_back() { Evidence::HISTORY_MAX } else { 1 }).collect();
        let base = exact.or_else(|| history.first().cloned());
        Known { base, history: if gate.looks_back() { history } else { Vec::new() }, ..Known::default() }
    }

    fn read(&self, commit: &CommitId, gate: &GateName) -> Option<Past> {
        let Kept { run, at, facts } = self.kept(commit, gate)?;
        Some(Past { run, commit: commit.clone(), at, exact: false, facts })
    }

    fn kept(&self, commit: &CommitId, gate: &GateName) -> Option<Kept> {
        let file = self.file(commit, gate);
        let length = fs::metadata(&file).ok()?.len();
        // Facts are never larger; something else is no use, and may be endless.
        let text = (length <= 2 * Facts::BYTES_MAX as u64).then(|| fs::read(&file)).and_then(Result::ok)?;
        // What another version wrote and this one cannot read is as good as nothing.
        serde_json::from_slice(&text).ok()
    }

    /// Keeps what a gate said of a commit: its facts as JSON.
    pub(super) fn keep(&self, commit: &CommitId, gate: &GateName, run: RunId, facts: &[u8]) {
        let kept = || {
            let kept = Kept { run, at: Timestamp::now(), facts: serde_json::from_slice(facts)? };
            Self::write(&self.file(commit, gate), &serde_json::to_vec(&kept)?)
        };
        if let Err(error) = kept() {
            tracing::warn!(%error, folder = %self.folder.display(), "what later runs would compare with could not be kept");
        }
        self.prune();
    }

    /// All of it as a text of at most so many bytes, a line for each commit and gate, newest first: what is too much is left out from the
    /// oldest on.
    pub fn hand_over(&self, bytes_max: usize) -> String {
        let mut all: Vec<Line> = self.lines();
        all.sort_by_key(|line| std::cmp::Reverse(line.kept.at));
        let mut text = String::new();
        for line in all {
            let Ok(line) = serde_json::to_string(&line) else { continue };
            if text.len() + line.len() >= bytes_max {
                break;
            }
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    /// Takes over what was handed over elsewhere. Lines that cannot be read, another version's, are passed over; of what is known here
    /// already nothing is changed.
    pub fn take_over(&self, text: &str) {
        let mut lines: Vec<Line> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        // By the times of the folders it is seen what may go: the newest is written last.
        lines.sort_by_key(|line| line.kept.at);
        for Line { commit, gate, kept } in lines {
            let file = self.file(&commit, &gate);
            if file.exists() {
                continue;
            }
            if let Err(error) = serde_json::to_vec(&kept).map_err(io::Error::from).and_then(|text| Self::write(&file, &text)) {
                tracing::warn!(%error, folder = %self.folder.display(), "what was said of earlier commits could not be taken over");
                break;
            }
        }
        self.prune();
    }

    /// Everything that is kept and can be read.
    fn lines(&self) -> Vec<Line> {
        let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        let of_gate = |commit: &CommitId, file: fs::DirEntry| {
            let gate = file.file_name().to_str()?.strip_suffix(".json")?.parse().ok()?;
            Some(Line { commit: commit.clone(), kept: self.kept(commit, &gate)?, gate })
        };
        let of_commit = |folder: fs::DirEntry| {
            let commit: CommitId = folder.file_name().to_str()?.parse().ok()?;
            Some(entries(&folder.path()).filter_map(|file| of_gate(&commit, file)).collect::<Vec<Line>>())
        };
        entries(&self.folder).filter_map(of_commit).flatten().collect()
    }

    fn write(file: &Path, text: &[u8]) -> io::Result<()> {
        let folder = file.parent().unwrap_or(file);
        fs::create_dir_all(folder)?;
        // Written elsewhere first, so that a run beside this one never reads half of it.
        let draft = folder.join(format!(".{}", RunId::new()));
        fs::write(&draft, text)?;
        fs::rename(&draft, file)
    }

    fn prune(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let aged = |entry: fs::DirEntry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()));
        let mut all: Vec<(SystemTime, PathBuf)> = entries.filter_map(Result::ok).filter_map(aged).collect();
        all.sort();
        for (_, folder) in all.iter().take(all.len().saturating_sub(COMMITS_MAX)) {
            // Another run may be removing it too.
            let _ = fs::remove_dir_all(folder);
        }
    }

    fn file(&self, commit: &CommitId, gate: &GateName) -> PathBuf {
        self.folder.join(commit.as_str()).join(format!("{gate}.json"))
    }
}
