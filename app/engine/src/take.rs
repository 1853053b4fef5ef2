//! Takes a delivery: what it starts, what it stops, made durable before it is acknowledged.

use async_trait::async_trait;
use gatewright_core::command::CommandName;
use gatewright_core::event::{
    ButtonEvent, CommentEvent, CommentRef, Delivery, Event, Intake, IntakeError, MergeGroupEvent, ProtectionRuleEvent,
    PullChange, PullEvent, PullOfCheck, PushEvent, Rerequested, RerequestedEvent, TagEvent, Taken, User,
};
use gatewright_core::report::{EXPLAIN, RERUN_FAILED, SKIP, parse_external_id};
use gatewright_core::run::{
    Call, CancelReason, Cause, CommandSpec, GatesSpec, NewRun, Origin, PermitSpec, ReleaseSpec, ReleaseWord, RunSpec, Signal,
    SignalTarget, Start, Work,
};
use gatewright_core::store::{Acceptance, Accepted, RunFilter, StoreError};
use gatewright_core::{DeliveryId, GateName, RepoRef, RunId, Subject, Timestamp};

use crate::agents::start;
use crate::commands::parse::{self, Said};
use crate::flood::Commands;
use crate::history;
use crate::{Engine, Point};

/// A sender is asked to come back after so long when the store cannot take its delivery.
const RETRY_AFTER_SECS: u32 = 30;

/// When a whole commit is to be checked again, so many of its runs are looked at to find its subjects.
const RUNS_OF_A_COMMIT_MAX: usize = 50;

/// What an event comes to.
#[derive(Debug, Default)]
struct Intent {
    /// Runs to start.
    runs: Vec<RunSpec>,
    /// What else must not be taken twice: two webhooks can tell of one comment, each by deliveries of its own.
    once: Option<String>,
    /// What others are told.
    signals: Vec<(SignalTarget, Signal)>,
}

#[async_trait]
impl Intake for Engine {
    async fn take(&self, delivery: Delivery) -> Result<Taken, IntakeError> {
        let taken = self.take_delivery(delivery).await;
        taken.map_err(|error| IntakeError { retry_after_secs: RETRY_AFTER_SECS, cause: error.to_string() })
    }
}

impl Engine {
    async fn take_delivery(&self, delivery: Delivery) -> Result<Taken, StoreError> {
        let now = delivery.received_at;
        let mut intent = self.intent(&delivery.id, &delivery.event, now).await?;
        let mut led_to = None;
        if let Some(once) = intent.once.take()
            && let Some(spec) = intent.runs.pop()
        {
            let acceptance = internal(&once, spec, now);
            let run = acceptance.run.as_ref().map(|run| run.id);
            if let Accepted::New { .. } = self.accept(acceptance).await? {
                led_to = run;
            }
        }
        let own = intent.runs.pop();
        // Further runs go first, under ids that follow from the delivery's: should the process die in between, the
        // forge sends the delivery again, and these are found to be there already.
        for (n, spec) in intent.runs.into_iter().enumerate() {
            self.accept(internal(&format!("{}/{n}", delivery.id), spec, now)).await?;
        }
        let id = delivery.id.clone();
        let run = own.map(|spec| NewRun { id: RunId::new(), spec });
        let acceptance = Acceptance {
            id,
            delivery: Some(delivery),
            led_to,
            run,
            start: Start::Always,
            signals: intent.signals,
            orders: Vec::new(),
            audit: Vec::new(),
            now,
        };
        let accepted = self.accept(acceptance).await?;
        (self.hook)(Point::Accepted);
        Ok(match accepted {
            Accepted::New { .. } => Taken::New,
            Accepted::Duplicate => Taken::Duplicate,
        })
    }

    async fn intent(&self, id: &DeliveryId, event: &Event, now: Timestamp) -> Result<Intent, StoreError> {
        Ok(match event {
            Event::Pull(event) => {
                let mut intent = pull(event);
                // In front: the last one is the delivery's own.
                intent.runs.splice(0..0, start::opened(event, now));
                intent
            }
            Event::MergeGroup(event) => merge_group(event),
            Event::Push(event) => Intent { runs: vec![push(event)], ..Intent::default() },
            Event::Rerequested(event) => Intent { runs: self.rerequested(event).await?, ..Intent::default() },
            Event::Comment(event) => {
                Intent { runs: self.said(event, now).into_iter().collect(), once: Some(once(event)), ..Intent::default() }
            }
            Event::Button(event) => {
                Intent { runs: self.pressed(id, event, now).await?.into_iter().collect(), ..Intent::default() }
            }
            Event::Tag(event) => tag(event),
            Event::Labelled(event) => Intent { runs: start::labelled(event, now), ..Intent::default() },
            Event::Issue(event) => Intent { runs: start::issue(event, now), ..Intent::default() },
            Event::ProtectionRule(event) => Intent { runs: vec![permit(event)], ..Intent::default() },
            Event::Unused { .. } => Intent::default(),
        })
    }

    /// The run that obeys what a comment says. None where it says nothing to us.
    fn said(&self, event: &CommentEvent, now: Timestamp) -> Option<RunSpec> {
        let Said { calls, unread } = parse::parse(&event.body);
        if calls.is_empty() {
            return None;
        }
        let commands = Commands { id: once(event), count: calls.len(), said_at: event.written_at };
        let spec = CommandSpec {
            origin: Origin::Comment { comment: event.comment.clone() },
            by: event.by.clone(),
            said_at: event.written_at,
            head: event.head.clone(),
            flood: self.floods.count(&event.repo.key(), event.by.id, &commands, now),
            calls,
            unread,
        };
        Some(command(event.repo.clone(), event.comment.item().subject(), spec))
    }

    /// The run that obeys a button, which is a command by another hand. None where the check is not one that this store
    /// knows.
    async fn pressed(&self, delivery: &DeliveryId, event: &ButtonEvent, now: Timestamp) -> Result<Option<RunSpec>, StoreError> {
        let Some((id, gate)) = parse_external_id(&event.external_id) else { return Ok(None) };
        let Some(run) = self.run(id).await?.filter(|run| run.repo.key() == event.repo.key()) else { return Ok(None) };
        let Some(call) = call_of(&event.button, gate, &event.by) else { return Ok(None) };
        let commands = Commands { id: delivery.to_string(), count: 1, said_at: now };
        let spec = CommandSpec {
            origin: Origin::Button { run: id },
            by: event.by.clone(),
            said_at: now,
            head: Some(event.head.clone()),
            flood: self.floods.count(&event.repo.key(), event.by.id, &commands, now),
            calls: vec![call],
            unread: 0,
        };
        Ok(Some(command(event.repo.clone(), run.subject, spec)))
    }

    /// The runs that answer a wish to run checks again. Where the store knows none of their runs any more, the pull requests that the
    /// forge names are looked at anew.
    async fn rerequested(&self, event: &RerequestedEvent) -> Result<Vec<RunSpec>, StoreError> {
        let again = self.known_again(event).await?;
        if !again.is_empty() {
            return Ok(again);
        }
        let anew = |pull: &PullOfCheck| {
            let cause = Cause::Rerequested { by: event.sender.clone() };
            let spec = GatesSpec::of(event.head.clone(), pull.base_ref.clone(), cause);
            RunSpec { repo: event.repo.clone(), subject: Subject::Pull { number: pull.number }, work: Work::Gates(spec) }
        };
        Ok(event.pulls.iter().map(anew).collect())
    }

    async fn known_again(&self, event: &RerequestedEvent) -> Result<Vec<RunSpec>, StoreError> {
        match &event.what {
            Rerequested::All => self.rerun_commit(event).await,
            Rerequested::Check { external_id } => {
                let Some((id, gate)) = parse_external_id(external_id) else { return Ok(Vec::new()) };
                let run = self.run(id).await?.filter(|run| run.repo.key() == event.repo.key());
                let Some((run, gates)) = run.as_ref().and_then(|run| Some((run, run.gates()?))) else { return Ok(Vec::new()) };
                // What stands besides is what the newest run of the commit says, not the one whose check was pressed.
                let subject = Some(run.subject.key(&run.repo));
                let of_head = RunFilter { subject, commit: Some(gates.spec.head.clone()), ..RunFilter::default() };
                let newest = self.runs(&of_head, 1).await?.pop();
                let newest = newest.as_ref().and_then(|run| Some((run, run.gates()?))).unwrap_or((run, gates));
                let cause = Cause::Rerequested { by: event.sender.clone() };
                Ok(vec![history::again(&event.repo, newest.0, newest.1, cause, gate.map(|gate| vec![gate]))])
            }
        }
    }

    async fn rerun_commit(&self, event: &RerequestedEvent) -> Result<Vec<RunSpec>, StoreError> {
        let filter = RunFilter { repo: Some(event.repo.key()), commit: Some(event.head.clone()), ..RunFilter::default() };
        let mut subjects = Vec::new();
        let mut specs = Vec::new();
        for run in self.runs(&filter, RUNS_OF_A_COMMIT_MAX).await? {
            let Some(gates) = run.gates().filter(|_| !subjects.contains(&run.subject)) else { continue };
            specs.push(history::again(&event.repo, &run, gates, Cause::Rerequested { by: event.sender.clone() }, None));
            subjects.push(run.subject);
        }
        Ok(specs)
    }
}

/// Two webhooks can tell of one comment, each by deliveries of its own.
fn once(event: &CommentEvent) -> String {
    let CommentRef { number, id, place } = &event.comment;
    format!("said/{}/{number}/{place:?}/{id}", event.repo.key())
}

/// What a button says.
fn call_of(button: &str, gate: Option<GateName>, by: &User) -> Option<Call> {
    let gate = gate.map(String::from);
    let (name, args) = match button {
        RERUN_FAILED => (CommandName::Rerun, Vec::new()),
        EXPLAIN => (CommandName::Explain, vec![gate?]),
        SKIP => (CommandName::Skip, vec![gate?, format!("by the button on the check, {}", by.login)]),
        _ => return None,
    };
    Some(Call { name: name.to_string(), args })
}

fn command(repo: RepoRef, about: Subject, spec: CommandSpec) -> RunSpec {
    RunSpec { repo, subject: Subject::Commands { about: Box::new(about) }, work: Work::Command(spec) }
}

/// A run that the service starts by itself.
pub(crate) fn internal(words: &str, spec: RunSpec, now: Timestamp) -> Acceptance {
    Acceptance { run: Some(NewRun { id: RunId::new(), spec }), ..Acceptance::internal(words, now) }
}

fn pull(event: &PullEvent) -> Intent {
    let subject = Subject::Pull { number: event.number };
    let cause = match event.change {
        PullChange::Opened => Cause::Opened,
        PullChange::Updated => Cause::Updated,
        PullChange::Closed => {
            let agents = Subject::Agents { about: Box::new(subject.clone()) };
            let mut intent = stop(subject.key(&event.repo));
            intent.signals.extend(stop(agents.key(&event.repo)).signals);
            return intent;
        }
    };
    let spec = GatesSpec { changed_at: event.changed_at, ..GatesSpec::of(event.head.clone(), event.base_ref.clone(), cause) };
    let runs = vec![RunSpec { repo: event.repo.clone(), subject, work: Work::Gates(spec) }];
    Intent { runs, ..Intent::default() }
}

fn merge_group(event: &MergeGroupEvent) -> Intent {
    let subject = Subject::MergeGroup { head_ref: event.head_ref.clone() };
    if !event.wanted {
        return stop(subject.key(&event.repo));
    }
    let spec = GatesSpec {
        // By GitHub's words the group's parent, which can be the head of the group before it: nobody has merged that file yet, so what runs
        // goes by the base branch's.
        compare_from: Some(event.base.clone()),
        ..GatesSpec::of(event.head.clone(), event.base_ref.clone(), Cause::MergeQueue)
    };
    let runs = vec![RunSpec { repo: event.repo.clone(), subject, work: Work::Gates(spec) }];
    Intent { runs, ..Intent::default() }
}

fn push(event: &PushEvent) -> RunSpec {
    // A push to the default branch is checked by the file that it brings; a push to another branch by the default
    // branch's, since anybody who may push a branch could otherwise say what runs.
    let own_file = event.branch == event.default_branch;
    let spec = GatesSpec {
        base: own_file.then(|| event.after.clone()),
        config_ref: (!own_file).then(|| event.default_branch.clone()),
        compare_from: event.before.clone(),
        ..GatesSpec::of(event.after.clone(), event.branch.clone(), Cause::Pushed)
    };
    RunSpec { repo: event.repo.clone(), subject: Subject::Branch { name: event.branch.clone() }, work: Work::Gates(spec) }
}

/// A tag that was made may be a release; one that was moved or deleted may have been one that is on its way.
fn tag(event: &TagEvent) -> Intent {
    let subject = Subject::Release { tag: event.tag.clone() };
    let target = SignalTarget::Subject { key: subject.key(&event.repo), before: None, commit: None };
    let signals = vec![(target, Signal::Release { word: ReleaseWord::TagChanged })];
    let spec = ReleaseSpec {
        tag: event.tag.clone(),
        commit: event.commit.clone(),
        by: Some(event.sender.clone()),
        only: None,
        commanded: None,
    };
    let run = RunSpec { repo: event.repo.clone(), subject, work: Work::Release(spec) };
    let runs = event.commit.is_some().then_some(run).into_iter().collect();
    Intent { runs, signals, ..Intent::default() }
}

/// A workflow waits for leave to deploy.
fn permit(event: &ProtectionRuleEvent) -> RunSpec {
    let spec = PermitSpec {
        workflow_run: event.workflow_run,
        environment: event.environment.clone(),
        head: event.head.clone(),
        by: event.sender.clone(),
    };
    let subject = Subject::Permit { environment: event.environment.clone() };
    RunSpec { repo: event.repo.clone(), subject, work: Work::Permit(spec) }
}

fn stop(subject: String) -> Intent {
    let target = SignalTarget::Subject { key: subject, before: None, commit: None };
    Intent { signals: vec![(target, Signal::Cancel { reason: CancelReason::Closed })], ..Intent::default() }
}
