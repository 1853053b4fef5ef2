//! What agents are shown of the pull request or issue that they work on: data, never instructions.
//!
//! Only what was there when the pipeline was started is shown: what was written or edited later could be made to look like part of the
//! task, and nobody would have looked at it.

use gatewright_core::Timestamp;
use gatewright_core::forge::{Item, ItemComment, Permission};
use gatewright_core::run::{AgentSpec, Run};
use gatewright_core::verdict::VerdictStatus;
use serde::{Deserialize, Serialize};

use super::fence::Kind;
use super::prompt::Section;

/// So many comments are shown, the last ones.
const COMMENTS_MAX: usize = 20;

/// What agents are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Context {
    pub(crate) sections: Vec<Section>,
}

impl Context {
    /// Adds a section, unless it is empty.
    pub(super) fn add(&mut self, name: impl Into<String>, kind: Kind, text: String) {
        if !text.trim().is_empty() {
            self.sections.push(Section { name: name.into(), text, kind });
        }
    }
}

impl Context {
    /// How long all of it is, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.sections.iter().map(|section| section.name.len() + section.text.len() + 200).sum()
    }
}

/// What is shown of an item.
pub(super) fn of_item(context: &mut Context, item: &Item, spec: &AgentSpec) {
    let until = spec.triggered_at;
    // It was there before anything was done about it, though forges name the times of events to the second only.
    if item.edited_at.is_none_or(|edited| edited <= until) {
        context.add(format!("title, by {}", item.author.login), Kind::Prose, item.title.clone());
        context.add(format!("description, by {}", item.author.login), Kind::Prose, item.body.clone());
    } else {
        context.add("description", Kind::Prose, "(left out: it was edited after this was started)".to_owned());
    }
    let shown = |comment: &&ItemComment| !comment.bot && is_from_before(comment.written_at, comment.edited_at, until);
    let comments: Vec<&ItemComment> = item.comments.iter().filter(shown).collect();
    for comment in comments.iter().skip(comments.len().saturating_sub(COMMENTS_MAX)) {
        context.add(format!("comment by {} at {}", comment.author.login, comment.written_at), Kind::Prose, comment.body.clone());
    }
}

fn is_from_before(written: Timestamp, edited: Option<Timestamp>, until: Timestamp) -> bool {
    written <= until && edited.is_none_or(|edited| edited <= until)
}

/// What the gates of a commit say that did not pass, with the end of what they wrote.
pub(super) fn of_gates(context: &mut Context, run: &Run, logs: &[(String, String)]) {
    let Some(gates) = run.gates() else { return };
    for step in &gates.steps {
        let Some(verdict) = step.verdict().filter(|verdict| verdict.status != VerdictStatus::Passed) else { continue };
        let name = &step.gate.name;
        context.add(format!("gate {name}: verdict"), Kind::Source, format!("{}\n\n{}", verdict.title, verdict.summary));
        if let Some((_, log)) = logs.iter().find(|(of, _)| of == name.as_str()) {
            context.add(format!("gate {name}: end of its log"), Kind::Source, log.clone());
        }
    }
}

/// Whether somebody's words may start a pipeline: not a program's, and not those of somebody who may only read.
pub(super) fn may_start(permission: Permission, bot: bool) -> bool {
    !bot && permission >= Permission::Write
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_edited_after_the_start_is_not_shown() {
        let at = |secs| Timestamp::from_second(secs).expect("in range");
        assert!(is_from_before(at(1), None, at(2)));
        assert!(is_from_before(at(1), Some(at(2)), at(2)));
        assert!(!is_from_before(at(1), Some(at(3)), at(2)));
        assert!(!is_from_before(at(3), None, at(2)));
    }
}
