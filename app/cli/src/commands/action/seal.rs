//! What the step that runs the gates tells the step with the token: which files it has written, each by its SHA-256. It goes by the
//! step's output, so the second step takes nothing that lay in the checkout before, or was changed since.

use std::collections::BTreeMap;

use gatewright_action::Variables;
use gatewright_action::result;
use gatewright_core::run::StepState;
use gatewright_core::{BlobId, GateName};
use gatewright_engine::local::LocalReport;

use crate::failure::Failure;

/// Where the second step has it from.
const VARIABLE: &str = "GATEWRIGHT_SEAL";

/// Digests by the files' names within the folder of reports.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seal(BTreeMap<String, BlobId>);

/// What a gate gives to code scanning, within the folder of reports.
pub(super) fn scan_file(gate: &GateName) -> String {
    format!("code-scanning/{gate}.sarif.gz")
}

impl Seal {
    /// Of the files that can be published, as this process knows them, whatever becomes of them in the folder.
    pub(super) fn of(result: &str, report: &LocalReport) -> Seal {
        let mut files = BTreeMap::from([(result::FILE_NAME.to_owned(), BlobId::of(result.as_bytes()))]);
        for step in &report.gates().steps {
            if let StepState::Done { outcome, .. } = &step.state
                && let Some(scan) = &outcome.scan
            {
                files.insert(scan_file(&step.gate.name), scan.clone());
            }
        }
        Seal(files)
    }

    /// What the step before has said; None where it has said nothing.
    ///
    /// # Errors
    /// Where it is no seal.
    pub(super) fn told(variables: &Variables) -> Result<Option<Seal>, Failure> {
        let Some(text) = variables.get(VARIABLE).filter(|text| !text.trim().is_empty()) else { return Ok(None) };
        let unreadable =
            |_| Failure::Wrong(format!("the variable {VARIABLE} is not the output `seal` of the step that runs the gates"));
        serde_json::from_str(text).map(|files| Some(Seal(files))).map_err(unreadable)
    }

    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(&self.0).expect("names and digits can be written as JSON")
    }

    /// Whether the step before has written such a file.
    pub(super) fn names(&self, file: &str) -> bool {
        self.0.contains_key(file)
    }

    /// Whether a file has what the step before has written.
    pub(super) fn holds(&self, file: &str, content: &[u8]) -> bool {
        self.0.get(file).is_some_and(|digest| *digest == BlobId::of(content))
    }
}
