//! What came of the gates of a job, and what that means for the job.

use gatewright_core::verdict::{Verdict, VerdictStatus};
use gatewright_core::{CommitId, GateName};
use serde::{Deserialize, Serialize};

use crate::inputs::FailOn;

/// What came of all gates.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The commit that it is about.
    pub head: Option<CommitId>,
    /// The commit that it was compared with.
    pub base: Option<CommitId>,
    /// In the order of the repository file.
    pub gates: Vec<CheckedGate>,
}

/// What came of one gate.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedGate {
    /// Its name.
    pub name: GateName,
    /// Whether it counts for the verdict.
    pub required: bool,
    /// What it says. A gate that did not run says why in its title.
    pub verdict: Verdict,
    /// How long it took; None where it did not run.
    pub duration_ms: Option<u64>,
}

/// How often what was said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Gates that passed.
    pub passed: u64,
    /// Gates that failed.
    pub failed: u64,
    /// Gates that could not be judged.
    pub errored: u64,
    /// Gates that were stopped.
    pub cancelled: u64,
    /// Gates that do not apply.
    pub skipped: u64,
    /// Of those that did not pass, how many are advisory.
    pub advisory: u64,
    /// Remarks at places in the source, those that are not shown included.
    pub annotations: u64,
}

impl CheckedGate {
    /// Whether it says that something is wrong.
    pub fn is_bad(&self) -> bool {
        is_bad(self.verdict.status)
    }
}

impl Checked {
    /// The worst that a required gate says; passed where none says anything, skipped where none applies.
    pub fn status(&self) -> VerdictStatus {
        let required = self.gates.iter().filter(|gate| gate.required).map(|gate| gate.verdict.status);
        required.max_by_key(|status| badness(*status)).unwrap_or_else(|| {
            let any = self.gates.iter().any(|gate| gate.verdict.status != VerdictStatus::Skipped);
            if any { VerdictStatus::Passed } else { VerdictStatus::Skipped }
        })
    }

    /// Whether the job is to fail.
    pub fn fails(&self, fail_on: FailOn) -> bool {
        match fail_on {
            FailOn::Never => false,
            FailOn::Failed => is_bad(self.status()),
            FailOn::Advisory => self.gates.iter().any(CheckedGate::is_bad),
        }
    }

    /// How often what was said.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for gate in &self.gates {
            *match gate.verdict.status {
                VerdictStatus::Passed => &mut counts.passed,
                VerdictStatus::Failed => &mut counts.failed,
                VerdictStatus::Errored => &mut counts.errored,
                VerdictStatus::Cancelled => &mut counts.cancelled,
                VerdictStatus::Skipped => &mut counts.skipped,
            } += 1;
            counts.advisory += u64::from(gate.is_bad() && !gate.required);
            counts.annotations += gate.verdict.annotations.len() as u64 + gate.verdict.annotations_left_out;
        }
        counts
    }

    /// All of it in one line.
    pub fn headline(&self) -> String {
        let counts = self.counts();
        let ran = counts.passed + counts.failed + counts.errored + counts.cancelled;
        let gates = |count: u64| if count == 1 { "1 gate".to_owned() } else { format!("{count} gates") };
        let bad = ran - counts.passed;
        match (ran, bad) {
            (0, _) => "no gate applies here".to_owned(),
            (_, 0) => format!("{} passed", gates(ran)),
            (_, bad) if bad == counts.advisory => format!("{} passed, {bad} advisory did not", gates(counts.passed)),
            (_, bad) => format!("{bad} of {} did not pass", gates(ran)),
        }
    }
}

/// As outputs and files write it.
pub fn word(status: VerdictStatus) -> &'static str {
    match status {
        VerdictStatus::Passed => "passed",
        VerdictStatus::Failed => "failed",
        VerdictStatus::Errored => "errored",
        VerdictStatus::Cancelled => "cancelled",
        VerdictStatus::Skipped => "skipped",
    }
}

/// Whether it means that something is wrong.
pub fn is_bad(status: VerdictStatus) -> bool {
    match status {
        VerdictStatus::Failed | VerdictStatus::Errored | VerdictStatus::Cancelled => true,
        VerdictStatus::Passed | VerdictStatus::Skipped => false,
    }
}

fn badness(status: VerdictStatus) -> u8 {
    match status {
        VerdictStatus::Skipped => 0,
        VerdictStatus::Passed => 1,
        VerdictStatus::Failed => 2,
        VerdictStatus::Errored => 3,
        VerdictStatus::Cancelled => 4,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A gate that says this.
    pub(crate) fn gate(name: &str, required: bool, status: VerdictStatus) -> CheckedGate {
        CheckedGate {
            name: name.parse().expect("a name"),
            required,
            verdict: Verdict::plain(status, format!("{name} title"), String::new()),
            duration_ms: Some(1_500),
        }
    }

    pub(crate) fn checked(gates: Vec<CheckedGate>) -> Checked {
        Checked { head: None, base: None, gates }
    }

    use VerdictStatus::{Errored, Failed, Passed, Skipped};

    #[test]
    fn only_required_gates_make_the_verdict() {
        let some = checked(vec![gate("a", true, Passed), gate("b", false, Failed), gate("c", true, Skipped)]);
        assert_eq!((some.status(), some.fails(FailOn::Failed), some.fails(FailOn::Advisory)), (Passed, false, true));
        assert_eq!(some.headline(), "1 gate passed, 1 advisory did not");
        let worse = checked(vec![gate("a", true, Failed), gate("b", true, Errored)]);
        assert_eq!((worse.status(), worse.fails(FailOn::Failed), worse.fails(FailOn::Never)), (Errored, true, false));
        assert_eq!(worse.headline(), "2 of 2 gates did not pass");
    }

    #[test]
    fn a_job_to_which_no_gate_applies_passes_and_says_so() {
        for none in [checked(vec![]), checked(vec![gate("a", true, Skipped)])] {
            assert_eq!((none.status(), none.fails(FailOn::Advisory)), (Skipped, false));
            assert_eq!(none.headline(), "no gate applies here");
        }
        assert_eq!(checked(vec![gate("a", false, Failed)]).status(), Passed, "an advisory one alone is in nobody's way");
    }
}
