//! The machine that answers a workflow which waits for leave to deploy: look what is known of its commit in that environment, say so,
//! and look again until there is a decision.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::RunEvent;
use crate::event::User;
use crate::ids::CommitId;
use crate::report::{Conclusion, ProtectionAnswer};

/// The forge takes so few comments on what is not decided that no more than these are made; one is left for the decision.
const COMMENTS_MAX: u32 = 8;

/// A workflow waits for leave to deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermitSpec {
    /// The forge's workflow run.
    pub workflow_run: u64,
    /// The environment's name on the forge.
    pub environment: String,
    /// The commit that it wants to deploy, where the delivery says so.
    pub head: Option<CommitId>,
    /// Who started the workflow.
    pub by: User,
}

/// An event of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum PermitEvent {
    /// It was looked whether it may.
    Looked {
        /// What came of it.
        answer: ProtectionAnswer,
        /// Why. Markdown, made by us.
        because: String,
        /// When to look again, where that is no decision.
        look_at: Timestamp,
    },
}

/// A workflow that waits.
#[derive(Debug, Clone)]
pub struct PermitRun {
    /// What is asked for.
    pub spec: PermitSpec,
    /// When it was.
    pub created_at: Timestamp,
    /// What it is told.
    pub answer: Option<(ProtectionAnswer, String)>,
    /// When to look again. None: now.
    look_at: Option<Timestamp>,
    /// So many things it was told that are no decision.
    comments: u32,
}

/// Something to be done for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PermitAction {
    /// Find out whether it may.
    Look,
}

impl PermitRun {
    pub(super) fn new(spec: PermitSpec, created_at: Timestamp) -> PermitRun {
        PermitRun { spec, created_at, answer: None, look_at: None, comments: 0 }
    }

    fn is_decided(&self) -> bool {
        match &self.answer {
            Some((ProtectionAnswer::Approved | ProtectionAnswer::Rejected, _)) => true,
            Some((ProtectionAnswer::NotYet, _)) | None => false,
        }
    }

    /// What is to be done, when that changes by itself, and whether there is nothing more to come.
    pub(super) fn next(&self, now: Timestamp) -> (Vec<PermitAction>, Option<Timestamp>, bool) {
        match self.look_at {
            _ if self.is_decided() => (Vec::new(), None, true),
            Some(at) if at > now => (Vec::new(), Some(at), false),
            Some(_) | None => (vec![PermitAction::Look], None, false),
        }
    }

    pub(super) fn apply(&mut self, event: &RunEvent) {
        let RunEvent::Permit { event: PermitEvent::Looked { answer, because, look_at } } = event else { return };
        self.look_at = Some(*look_at);
        if *answer == ProtectionAnswer::NotYet {
            let news = self.answer.as_ref().is_none_or(|(_, told)| told != because);
            if !news || self.comments >= COMMENTS_MAX {
                return;
            }
            self.comments += 1;
        }
        self.answer = Some((*answer, because.clone()));
    }

    /// Why this event cannot follow, if it cannot.
    pub(super) fn check(&self, event: &RunEvent) -> Result<(), String> {
        let (possible, why) = match event {
            RunEvent::Permit { .. } => (!self.is_decided(), "it was decided before"),
            RunEvent::Finished { .. } => (self.is_decided(), "it is not decided"),
            _ => (true, ""),
        };
        possible.then_some(()).ok_or_else(|| why.to_owned())
    }

    pub(super) fn conclusion(&self) -> Conclusion {
        match &self.answer {
            Some((ProtectionAnswer::Approved, _)) => Conclusion::Success,
            Some((ProtectionAnswer::Rejected, _)) => Conclusion::Failure,
            Some((ProtectionAnswer::NotYet, _)) | None => Conclusion::Neutral,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + secs).unwrap_or_default()
    }

    fn permit() -> PermitRun {
        let by = User { id: 1, login: "ann".to_owned() };
        PermitRun::new(PermitSpec { workflow_run: 7, environment: "production".to_owned(), head: None, by }, at(0))
    }

    fn looked(permit: &mut PermitRun, answer: ProtectionAnswer, because: &str, look_at: i64) {
        let because = because.to_owned();
        permit.apply(&RunEvent::Permit { event: PermitEvent::Looked { answer, because, look_at: at(look_at) } });
    }

    #[test]
    fn it_looks_again_until_there_is_a_decision_and_then_never() {
        let mut permit = permit();
        assert_eq!(permit.next(at(0)), (vec![PermitAction::Look], None, false));
        looked(&mut permit, ProtectionAnswer::NotYet, "it waits", 30);
        assert_eq!(permit.next(at(29)), (vec![], Some(at(30)), false));
        assert_eq!(permit.next(at(30)), (vec![PermitAction::Look], None, false));
        looked(&mut permit, ProtectionAnswer::Approved, "it is live", 60);
        assert_eq!(permit.next(at(99)), (vec![], None, true));
        let again = RunEvent::Permit {
            event: PermitEvent::Looked { answer: ProtectionAnswer::Rejected, because: String::new(), look_at: at(0) },
        };
        assert!(permit.check(&again).is_err());
    }

    #[test]
    fn what_is_no_decision_is_said_so_often_at_most_that_the_decision_can_still_be() {
        let mut permit = permit();
        for n in 0..50 {
            looked(&mut permit, ProtectionAnswer::NotYet, &format!("it waits, {n}"), n);
        }
        let last = COMMENTS_MAX - 1;
        assert_eq!(permit.answer, Some((ProtectionAnswer::NotYet, format!("it waits, {last}"))));
        looked(&mut permit, ProtectionAnswer::Rejected, "it was rolled back", 99);
        assert_eq!(permit.answer, Some((ProtectionAnswer::Rejected, "it was rolled back".to_owned())));
    }
}
