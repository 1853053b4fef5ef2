//! What the commands about environments share: what is known of each, and how the one that is meant is found.

use gatewright_core::command::CommandName;
use gatewright_core::event::User;
use gatewright_core::order::{Order, OrderChange, Ordered};
use gatewright_core::rollout::{Arrival, Live};
use gatewright_core::run::{Deed, Rollout, RolloutWord, Run, Signal, SignalTarget};
use gatewright_core::{EnvironmentName, RunId, Subject};

use super::{Answer, Case, Granted, escape};

/// What is known of an environment.
pub(crate) struct EnvironmentCase {
    /// Its name.
    pub(crate) name: EnvironmentName,
    /// What it runs.
    pub(crate) live: Option<Live>,
    /// Who has frozen it.
    pub(crate) frozen_by: Option<String>,
    /// Why releases do not come by themselves.
    pub(crate) hold: Option<String>,
    /// What became of the releases that have come here, the last one first.
    pub(crate) arrivals: Vec<Arrival>,
    /// The rollouts that are not over, the newest first.
    pub(crate) open: Vec<Run>,
}

impl EnvironmentCase {
    /// The rollouts that are not over.
    pub(crate) fn rollouts(&self) -> impl Iterator<Item = (RunId, &Rollout)> {
        self.open.iter().filter_map(|run| Some((run.id, run.rollout()?)))
    }

    /// The rollout that has begun, and whose outcome is not yet certain.
    pub(crate) fn under_way(&self) -> Option<(RunId, &Rollout)> {
        self.rollouts().find(|(_, rollout)| rollout.admission.is_some() && !rollout.settled)
    }
}

/// Whether a command is about an environment, and not about a change.
pub(crate) fn is_about_one(name: CommandName) -> bool {
    match name {
        CommandName::Deploy
        | CommandName::Promote
        | CommandName::Pause
        | CommandName::Resume
        | CommandName::Rollback
        | CommandName::Freeze
        | CommandName::Unfreeze => true,
        CommandName::Help
        | CommandName::Status
        | CommandName::Explain
        | CommandName::Run
        | CommandName::Rerun
        | CommandName::Cancel
        | CommandName::Approve
        | CommandName::Skip
        | CommandName::Hold
        | CommandName::Unhold
        | CommandName::Fix
        | CommandName::Review
        | CommandName::Do => false,
    }
}

impl Case<'_> {
    /// The environment of this name.
    pub(super) fn environment(&self, word: &str) -> Result<&EnvironmentCase, String> {
        if let Some(found) = self.environments.iter().find(|environment| environment.name.as_str() == word) {
            return Ok(found);
        }
        let names: Vec<&str> = self.environments.iter().map(|environment| environment.name.as_str()).collect();
        if names.is_empty() {
            return Err("the repository file has no environments.".to_owned());
        }
        let word = escape(word);
        match gatewright_core::config::nearest(&word, names.iter().copied()) {
            Some(near) => Err(format!("there is no environment {word}. Did you mean `{near}`?")),
            None => {
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                Err(format!("there is no environment {word}. The environments are {}.", names.join(", ")))
            }
        }
    }

    /// The environment that is named first, or the only one that `fits` where the first word names none; and the other words.
    pub(super) fn environment_and_rest<'a>(
        &self,
        name: CommandName,
        args: &'a [String],
        fits: impl Fn(&EnvironmentCase) -> bool,
    ) -> Result<(&EnvironmentCase, &'a [String]), String> {
        if let Some((word, rest)) = args.split_first()
            && let Ok(environment) = self.environment(word)
        {
            return Ok((environment, rest));
        }
        let mut fitting = self.environments.iter().filter(|environment| fits(environment));
        match (fitting.next(), fitting.next(), args) {
            (Some(only), None, []) => Ok((only, args)),
            (_, _, [word, ..]) => self.environment(word).map(|environment| (environment, args)),
            (Some(_), Some(_), []) => Err(format!("say which environment is meant: {}", super::wrong_args(name))),
            (None, _, []) => Err("nothing is being rolled out here.".to_owned()),
        }
    }

    /// Tells rollouts something.
    pub(super) fn tell(&self, rollouts: &[RunId], word: &RolloutWord, means: String) -> Answer {
        let signal = |run: &RunId| (SignalTarget::Run { run: *run }, Signal::Rollout { word: word.clone() });
        let deed = Deed { signals: rollouts.iter().map(signal).collect(), ..Deed::default() };
        Ok(Granted { deed, means })
    }

    /// What stands about an environment changes, and whoever waits there looks again.
    pub(super) fn change(&self, environment: &EnvironmentCase, changes: Vec<OrderChange>, means: String) -> Answer {
        let key = Subject::Environment { name: environment.name.clone() }.key(self.repo);
        let look = Signal::Rollout { word: RolloutWord::Look };
        let signals = vec![(SignalTarget::Subject { key: key.clone(), before: None, commit: None }, look)];
        let elsewhere = changes.into_iter().map(|change| (key.clone(), change)).collect();
        Ok(Granted { deed: Deed { signals, elsewhere, ..Deed::default() }, means })
    }

    /// An order in the person's name.
    pub(super) fn ordered(&self, what: Ordered) -> OrderChange {
        OrderChange::Set { order: Order { by: self.by.clone(), at: self.now, run: self.run, what } }
    }

    /// The person.
    pub(super) fn user(&self) -> User {
        self.by.clone()
    }
}
