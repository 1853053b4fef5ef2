//! The reports that gates left, for the files that the job leaves.

use std::sync::{Mutex, PoisonError};

use gatewright_core::GateName;
use gatewright_core::verdict::ReportFile;

/// A report, and the gate and the glob that it was read for. Its content is read from where it is kept, not held here.
pub(super) struct Kept {
    pub(super) gate: GateName,
    pub(super) glob: String,
    pub(super) file: ReportFile,
}

/// What gates left, in the order in which it was read.
#[derive(Default)]
pub(super) struct Reports {
    kept: Mutex<Vec<Kept>>,
}

impl Reports {
    /// Keeps these. A later try's report takes the place of the one before.
    pub(super) fn keep(&self, gate: &GateName, glob: &str, files: &[ReportFile]) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for file in files {
            kept.retain(|known| known.gate != *gate || known.glob != glob || known.file.path != file.path);
            kept.push(Kept { gate: gate.clone(), glob: glob.to_owned(), file: file.clone() });
        }
    }

    /// All of them.
    pub(super) fn into_list(self) -> Vec<Kept> {
        self.kept.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
