//! What starts pipelines besides commands: labels, issues, gates that fail, and times. Which pipeline that is, and whether whoever did it
//! may, is found out when its run prepares; most come to nothing there, without a word.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use gatewright_core::agent::inputs::Inputs;
use gatewright_core::config::{self, Pipeline};
use gatewright_core::event::{IssueChange, IssueEvent, LabelledEvent, PullEvent, User};
use gatewright_core::forge::{Forge, ForgeError};
use gatewright_core::report::Conclusion;
use gatewright_core::run::{AgentSpec, Preparation, Run, RunSpec, Trigger, Work};
use gatewright_core::{CommitId, RepoRef, Subject, Timestamp};
use jiff::SignedDuration;

use super::policy::LABEL;
use crate::perform::read;
use crate::{Engine, history, take};

/// So many labels that come at once start something. Further ones do not.
const LABELS_MAX: usize = 5;

/// The repository file of the default branch is looked at so often for times. A new one counts from then on.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// A forge that does not answer for so many repositories one after the other is left alone until the next sweep: each time it is waited for, and
/// so is the rest of the sweep.
const SILENT_MAX: u32 = 3;

/// A time that was missed for longer is not made up for.
const MISSED: SignedDuration = SignedDuration::from_mins(30);

/// The runs that a label on a pull request starts.
pub(crate) fn labelled(event: &LabelledEvent, now: Timestamp) -> Vec<RunSpec> {
    let about = Subject::Pull { number: event.number };
    let at = event.at.unwrap_or(now);
    by_labels(&event.repo, &about, Some(&event.head), &event.sender, &event.labels, at)
}

/// The runs that the labels start which a pull request was opened with, where no event of their own tells of them.
pub(crate) fn opened(event: &PullEvent, now: Timestamp) -> Vec<RunSpec> {
    let about = Subject::Pull { number: event.number };
    let at = event.changed_at.unwrap_or(now);
    by_labels(&event.repo, &about, Some(&event.head), &event.sender, &event.labels, at)
}

/// The runs that an issue starts.
pub(crate) fn issue(event: &IssueEvent, now: Timestamp) -> Vec<RunSpec> {
    let about = Subject::Issue { number: event.number };
    let at = event.at.unwrap_or(now);
    match &event.change {
        IssueChange::Labelled { labels } => by_labels(&event.repo, &about, None, &event.sender, labels, at),
        IssueChange::Opened { labels } => {
            let mut runs = by_labels(&event.repo, &about, None, &event.sender, labels, at);
            runs.push(spec(&event.repo, &about, Trigger::IssueOpened, None, Some(&event.sender), at));
            runs
        }
    }
}

fn by_labels(
    repo: &RepoRef,
    about: &Subject,
    head: Option<&CommitId>,
    by: &User,
    labels: &[String],
    at: Timestamp,
) -> Vec<RunSpec> {
    // What we have labelled ourselves starts nothing.
    let labels = labels.iter().filter(|label| *label != LABEL).take(LABELS_MAX);
    labels.map(|label| spec(repo, about, Trigger::Labelled { label: label.clone() }, head, Some(by), at)).collect()
}

fn spec(
    repo: &RepoRef,
    about: &Subject,
    trigger: Trigger,
    head: Option<&CommitId>,
    by: Option<&User>,
    triggered_at: Timestamp,
) -> RunSpec {
    let task = task(&trigger);
    let of = AgentSpec { trigger, task, inputs: Inputs::new(), head: head.cloned(), by: by.cloned(), triggered_at };
    let subject = Subject::Agents { about: Box::new(about.clone()) };
    RunSpec { repo: repo.clone(), subject, work: Work::Agent(of) }
}

/// What is to be done where nobody has said so in words.
fn task(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Failed { gates, .. } => {
            let names: Vec<&str> = gates.iter().map(|gate| gate.as_str()).collect();
            format!("These gates fail on this pull request: {}. Find out why, and mend it.", names.join(", "))
        }
        Trigger::Labelled { .. } | Trigger::IssueOpened => {
            "Do what the description asks for, as far as your role and your tools allow. Where it asks for anything else than a change of \
             the source or a report, leave that undone."
                .to_owned()
        }
        Trigger::Command { .. } | Trigger::Scheduled { .. } | Trigger::Local { .. } => "Do what your role is for.".to_owned(),
    }
}

impl Engine {
    /// Starts the pipelines that wait for gates to fail, once for each commit.
    pub(crate) async fn start_after_gates(&self, run: &Run) {
        let Some(gates) = run.gates() else { return };
        let Some(Preparation::Planned { agents_on, .. }) = gates.preparation() else { return };
        let failed: Vec<_> = history::failed(gates).into_iter().filter(|gate| agents_on.contains(gate)).collect();
        let pull = gates.prepared.as_ref().and_then(|prepared| prepared.pull.as_ref());
        let (Some(pull), false, Conclusion::Failure) = (pull.filter(|pull| !pull.fork), failed.is_empty(), run.conclusion())
        else {
            return;
        };
        let (head, at) = (&gates.spec.head, run.updated_at);
        let trigger = Trigger::Failed { gates: failed, run: run.id };
        let spec = spec(&run.repo, &run.subject, trigger, Some(head), Some(&pull.author), at);
        let words = format!("agents-failed/{}/{head}", run.subject.key(&run.repo));
        if let Err(error) = self.accept(take::internal(&words, spec, at)).await {
            tracing::warn!(run.id = %run.id, %error, "agents were not told that gates fail");
        }
    }

    /// Starts the pipelines whose time has come. Returns false where a forge did not answer.
    pub(crate) async fn start_scheduled(&self, now: Timestamp) -> bool {
        let mut complete = true;
        for forge in self.deps.forges.values() {
            let repositories = match forge.repositories().await {
                Ok(repositories) => repositories,
                Err(error) => {
                    tracing::warn!(%error, "times of agents could not be looked for");
                    complete = false;
                    continue;
                }
            };
            let mut silent = 0;
            for repo in repositories {
                let started = self.start_scheduled_of(forge.as_ref(), &repo, now).await;
                let is_silent = matches!(started, Err(ForgeError::Unavailable { .. } | ForgeError::RateLimited { .. }));
                silent = if is_silent { silent + 1 } else { 0 };
                if let Err(error) = started {
                    tracing::warn!(repo = %repo, %error, "times of agents could not be looked for");
                    complete = false;
                }
                if silent == SILENT_MAX {
                    break;
                }
            }
        }
        complete
    }

    async fn start_scheduled_of(&self, forge: &dyn Forge, repo: &RepoRef, now: Timestamp) -> Result<(), ForgeError> {
        let Timetable { branch, pipelines, since, .. } = match self.timetables.known(repo, now) {
            Some(known) => known,
            None => self.timetables.learn(forge, repo, now).await?,
        };
        let about = Subject::Branch { name: branch };
        for pipeline in pipelines {
            let from = (now - MISSED).max(since);
            let Some(time) = pipeline.next_time(from).filter(|time| *time <= now) else { continue };
            let trigger = Trigger::Scheduled { pipeline: pipeline.name.clone() };
            let spec = spec(repo, &about, trigger, None, None, time);
            let words = format!("agents-time/{}/{}/{time}", repo.key(), pipeline.name);
            if let Err(error) = self.accept(take::internal(&words, spec, now)).await {
                tracing::warn!(repo = %repo, %error, "a pipeline whose time has come could not be started");
                return Ok(());
            }
        }
        Ok(())
    }
}

/// What is known of the times of repositories.
#[derive(Default)]
pub(crate) struct Timetables {
    of: Mutex<HashMap<String, Timetable>>,
}

#[derive(Clone)]
struct Timetable {
    looked_at: Timestamp,
    /// Times before this are not of interest: the file was not known then.
    since: Timestamp,
    branch: String,
    pipelines: Vec<Pipeline>,
}

impl Timetables {
    fn known(&self, repo: &RepoRef, now: Timestamp) -> Option<Timetable> {
        let of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        of.get(&repo.key()).filter(|known| now.duration_since(known.looked_at) < LOOK_AGAIN).cloned()
    }

    async fn learn(&self, forge: &dyn Forge, repo: &RepoRef, now: Timestamp) -> Result<Timetable, ForgeError> {
        let branch = forge.default_branch(repo).await?;
        let commit = forge.branch(repo, &branch).await?;
        let text = forge.file(repo, &commit, config::PATH).await?;
        let config = text.and_then(|text| read(&text).ok());
        let pipelines = config.into_iter().flat_map(|config| config.agents).filter(|pipeline| pipeline.on.schedule.is_some());
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        // After a restart the times of the last half hour are made up for; accepting one twice changes nothing.
        let since = of.get(&repo.key()).map_or(now - MISSED, |known| known.since);
        let known = Timetable { looked_at: now, since, branch, pipelines: pipelines.collect() };
        of.insert(repo.key(), known.clone());
        Ok(known)
    }
}
