//! The machine that obeys what somebody has said: see it, rule on it, do it, answer.

use super::event::{Ruled, RulingOutcome, RunEvent};
use super::spec::{CommandSpec, Flood, Origin};
use crate::ids::RunId;
use crate::report::{Conclusion, Reaction};

/// What somebody has said, and how far it has got.
#[derive(Debug, Clone)]
pub struct Command {
    /// What was said.
    pub spec: CommandSpec,
    /// What came of it, once that is known.
    pub ruled: Option<Ruled>,
    /// Whether all of that is done.
    pub obeyed: bool,
}

impl Command {
    pub(super) fn new(spec: CommandSpec) -> Command {
        Command { spec, ruled: None, obeyed: false }
    }

    pub(super) fn apply(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Ruled { ruled } => self.ruled = Some((**ruled).clone()),
            RunEvent::Obeyed => self.obeyed = true,
            _ => {}
        }
    }

    /// Why this event cannot follow, if it cannot.
    pub(super) fn check(&self, event: &RunEvent) -> Result<(), String> {
        let (possible, why) = match event {
            RunEvent::Ruled { .. } => (self.ruled.is_none(), "it was ruled on before"),
            RunEvent::Obeyed => (self.ruled.is_some() && !self.obeyed, "there is nothing to obey"),
            RunEvent::Finished { .. } => (self.obeyed, "it was not obeyed yet"),
            _ => (true, ""),
        };
        possible.then_some(()).ok_or_else(|| why.to_owned())
    }

    /// The reaction that says how it went, once that is known.
    pub fn reaction(&self) -> Option<Reaction> {
        let ruled = self.ruled.as_ref().filter(|ruled| self.obeyed && !ruled.rulings.is_empty())?;
        Some(if ruled.refusals().next().is_none() { Reaction::ThumbsUp } else { Reaction::Confused })
    }

    /// Whether it was said in a comment that eyes are to be shown at. What is too much at once gets one reaction only.
    pub fn is_seen(&self) -> bool {
        self.is_in_comment() && self.spec.flood == Flood::No
    }

    pub(super) fn is_in_comment(&self) -> bool {
        matches!(self.spec.origin, Origin::Comment { .. })
    }

    /// Whether a reply says why something was not obeyed.
    pub fn has_reply(&self) -> bool {
        let quiet = self.ruled.as_ref().is_some_and(|ruled| ruled.quiet);
        self.reaction() == Some(Reaction::Confused) && self.spec.flood != Flood::GoesOn && !quiet
    }

    /// The forge's id of the reply to an earlier command, where this one makes it outdated.
    pub(super) fn outdated_reply(&self, run: RunId) -> Option<u64> {
        let outdated = &self.ruled.as_ref()?.outdated;
        outdated.iter().find(|(earlier, _)| *earlier == run).map(|(_, id)| *id)
    }

    pub(super) fn conclusion(&self) -> Conclusion {
        match self.reaction() {
            Some(Reaction::Confused) => Conclusion::Failure,
            Some(Reaction::ThumbsUp) => Conclusion::Success,
            Some(Reaction::Eyes) | None => Conclusion::Neutral,
        }
    }
}

impl Ruled {
    /// The commands that are not obeyed, each with why.
    pub fn refusals(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rulings.iter().filter_map(|ruling| match &ruling.outcome {
            RulingOutcome::Granted { .. } => None,
            RulingOutcome::Refused { because } => Some((ruling.command.as_str(), because.as_str())),
        })
    }
}
