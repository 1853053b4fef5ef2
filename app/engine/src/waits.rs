//! What runs that this process drives wait for, for whoever wonders why one does not get on.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use gatewright_core::report::ReportKey;
use gatewright_core::run::{ActionKey, AgentAction, AgentKey, NoticeAction, ReleaseAction, RolloutKey, Way};
use gatewright_core::{RunId, Timestamp};
use serde::{Deserialize, Serialize};

/// An action that failed and is to be tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// What is to be done, in words.
    pub what: String,
    /// Why it was not done the last time.
    pub cause: String,
    /// How often it has failed.
    pub failures: u32,
    /// When it is tried again.
    pub again_at: Timestamp,
}

/// The waits of all runs that are driven.
#[derive(Default)]
pub(crate) struct Waits(Mutex<HashMap<RunId, HashMap<ActionKey, Wait>>>);

impl Waits {
    pub(crate) fn begin(&self, run: RunId, key: &ActionKey, cause: &str, failures: u32, again_at: Timestamp) {
        let wait = Wait { what: words(key), cause: cause.to_owned(), failures, again_at };
        self.lock().entry(run).or_default().insert(key.clone(), wait);
    }

    pub(crate) fn end(&self, run: RunId, key: &ActionKey) {
        let mut all = self.lock();
        if let Some(of_run) = all.get_mut(&run) {
            of_run.remove(key);
            if of_run.is_empty() {
                all.remove(&run);
            }
        }
    }

    /// The run is no longer driven here.
    pub(crate) fn forget(&self, run: RunId) {
        self.lock().remove(&run);
    }

    /// Those of a run, the next one first.
    pub(crate) fn of(&self, run: RunId) -> Vec<Wait> {
        let mut waits: Vec<Wait> = self.lock().get(&run).map(|of_run| of_run.values().cloned().collect()).unwrap_or_default();
        waits.sort_by(|a, b| (a.again_at, &a.what).cmp(&(b.again_at, &b.what)));
        waits
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, HashMap<ActionKey, Wait>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn words(key: &ActionKey) -> String {
    match key {
        ActionKey::Prepare => "asking the forge how things are".to_owned(),
        ActionKey::Claim(gate) => format!("a slot for the gate {gate}"),
        ActionKey::Execute(gate) => format!("running the gate {gate}"),
        ActionKey::Stop(gate) => format!("stopping the gate {gate}"),
        ActionKey::Rule => "weighing the command".to_owned(),
        ActionKey::Obey => "doing what the command says".to_owned(),
        ActionKey::Release(ReleaseAction::Validate) => "asking the forge what the tag is".to_owned(),
        ActionKey::Release(ReleaseAction::Gates) => "asking what the release's gates say".to_owned(),
        ActionKey::Release(ReleaseAction::Plan) => "looking at the environments".to_owned(),
        ActionKey::Release(ReleaseAction::Draft) => "drafting the release".to_owned(),
        ActionKey::Release(ReleaseAction::Start) => "starting the rollouts".to_owned(),
        ActionKey::Release(ReleaseAction::Changelog) => "looking what the changelog says".to_owned(),
        ActionKey::Release(ReleaseAction::LookAtTag) => "asking the forge where the tag points".to_owned(),
        ActionKey::Rollout(RolloutKey::Look) => "looking whether the rollout may begin".to_owned(),
        ActionKey::Rollout(RolloutKey::Share) => "sharing out the requests".to_owned(),
        ActionKey::Rollout(RolloutKey::Make(Way::Forth, n)) => format!("move {} of the rollout", n + 1),
        ActionKey::Rollout(RolloutKey::Make(Way::Back, n)) => format!("move {} of the way back", n + 1),
        ActionKey::Rollout(RolloutKey::Measure) => "looking how the rollout goes".to_owned(),
        ActionKey::Rollout(RolloutKey::Tell) => "telling others how the rollout stands".to_owned(),
        ActionKey::Rollout(RolloutKey::Remind) => "writing down a reminder".to_owned(),
        ActionKey::Permit(_) => "looking whether a workflow may deploy".to_owned(),
        ActionKey::Notice(NoticeAction::Send { channel }) => format!("telling people through {channel}"),
        ActionKey::Agent(AgentKey::Turn(..)) => "asking a model".to_owned(),
        ActionKey::Agent(AgentKey::Other(action)) => agent_words(action),
        ActionKey::Publish(ReportKey::Gate(gate)) => format!("showing the check of the gate {gate}"),
        ActionKey::Publish(ReportKey::Aggregate) => "showing the check of the whole".to_owned(),
        ActionKey::Publish(ReportKey::Scan(gate)) => format!("giving the findings of the gate {gate} to code scanning"),
        ActionKey::Publish(ReportKey::Comment) => "showing the comment".to_owned(),
        ActionKey::Publish(ReportKey::Seen | ReportKey::Answered) => "reacting to the command".to_owned(),
        ActionKey::Publish(ReportKey::Reply) => "replying to the command".to_owned(),
        ActionKey::Publish(ReportKey::Resolved(_)) => "folding an earlier reply".to_owned(),
        ActionKey::Publish(ReportKey::Release) => "showing the release".to_owned(),
        ActionKey::Publish(ReportKey::Asset(name)) => format!("giving the artefact {name} to the forge"),
        ActionKey::Publish(ReportKey::ReleaseComment) => "showing the release's comment".to_owned(),
        ActionKey::Publish(ReportKey::Deployment(environment)) => format!("showing the deployment to {environment}"),
        ActionKey::Publish(ReportKey::ProtectionRule) => "answering the workflow that waits".to_owned(),
        ActionKey::Publish(ReportKey::AgentComment) => "showing the agents' comment".to_owned(),
        ActionKey::Publish(ReportKey::Proposal) => "opening the pull request".to_owned(),
        ActionKey::Publish(ReportKey::Pushed) => "pushing the commit".to_owned(),
        ActionKey::Publish(ReportKey::Issue(_)) => "opening an issue".to_owned(),
        ActionKey::SetAside => "setting the run aside".to_owned(),
        ActionKey::Finish => "ending the run".to_owned(),
    }
}

fn agent_words(action: &AgentAction) -> String {
    match action {
        AgentAction::Prepare => "asking the forge what agents are to work on".to_owned(),
        AgentAction::Turn { .. } => "asking a model".to_owned(),
        AgentAction::Act { .. } => "doing what a model wants".to_owned(),
        AgentAction::Program { .. } => "running an agent's program".to_owned(),
        AgentAction::Verify { gate, .. } => format!("having the gate {gate} look at the work"),
        AgentAction::Expire { .. } | AgentAction::Stop { .. } => "ending what took too long".to_owned(),
        AgentAction::Judge => "deciding what is shown of the work".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_run_waits_for_is_told_until_it_is_done() {
        let (waits, run) = (Waits::default(), RunId::new());
        let at = |secs| Timestamp::from_second(secs).expect("in range");
        waits.begin(run, &ActionKey::Publish(ReportKey::Comment), "no answer", 1, at(9));
        waits.begin(run, &ActionKey::Prepare, "no answer", 2, at(5));
        let told: Vec<String> = waits.of(run).into_iter().map(|wait| wait.what).collect();
        assert_eq!(told, ["asking the forge how things are", "showing the comment"]);
        waits.end(run, &ActionKey::Prepare);
        assert_eq!(waits.of(run).len(), 1);
        waits.forget(run);
        assert_eq!(waits.of(run), []);
    }
}
