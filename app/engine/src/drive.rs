//! Drives one leased run: performs what it wants, appends what happened, applies it, until it is over.
//!
//! Effects run as tasks beside each other. Appending and applying happen here, one after the other, so that the journal
//! has one writer. Whatever goes wrong with the store ends the driving: what was not appended was not said, and the next
//! driver finds out by key what was done.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use gatewright_core::report::Conclusion;
use gatewright_core::run::{
    Action, ActionKey, CancelReason, Cause, Gates, Next, ReleaseWord, Run, RunEvent, Signal, SignalTarget,
};
use gatewright_core::store::{Acceptance, Lease, Leased, Release, Signals, StoreError};
use gatewright_core::{GateName, RunId, Timestamp};
use jiff::SignedDuration;
use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::agents;
use crate::perform::{self, Done};
use crate::slots::Slot;
use crate::step::Kept;
use crate::worker::Stopping;
use crate::{Engine, Point, statistics};

mod pauses;

use pauses::Pause;

/// A run that wants nothing for longer than this is given out of hand until then. Nothing of it stays in memory meanwhile, and what it waits for
/// may be a run that finds no room beside it: whatever looks again and again does so less often than this.
pub(crate) const PATIENCE: SignedDuration = SignedDuration::from_secs(20);

/// When driving fails, the run is left alone for so long.
const RETRY_SECS: i64 = 5;

/// Drives a leased run until it is over, the lease is lost, or the process stops.
pub(crate) async fn drive(engine: Arc<Engine>, leased: Leased, stopping: Stopping) {
    let run = leased.lease.run;
    let notify = Arc::new(Notify::new());
    engine.driven.lock().unwrap_or_else(PoisonError::into_inner).insert(run, Arc::clone(&notify));
    // Whatever ends this function, a panic in it too, the run is no longer driven here.
    let mut driven = Driven { engine: Arc::clone(&engine), run, waits: false };
    let lease = leased.lease.clone();
    let ended = match Driver::start(Arc::clone(&engine), leased, notify, stopping).await {
        Ok(mut driver) => {
            let ended = driver.go_on().await;
            driven.waits = driver.waits;
            ended
        }
        Err(error) => Err(error),
    };
    if let Err(failure) = ended {
        tracing::error!(run.id = %run, error = %failure, "driving the run failed");
        if matches!(failure, Failure::Store(StoreError::LeaseLost(_))) {
            // Whoever has the lease now opens the sandboxes anew; what is there may be theirs.
            engine.sessions.forget(run);
        } else {
            agents::session::close(&engine, run, None).await;
            let now = Timestamp::now();
            let release = Release::Failed { retry_at: now + SignedDuration::from_secs(RETRY_SECS), cause: failure.to_string() };
            // Should this fail too, the lease ends by itself.
            let _ = engine.deps.store.release(&lease, release, now).await;
        }
    }
}

struct Driven {
    engine: Arc<Engine>,
    run: RunId,
    /// It was given out of hand because something is to be tried again later: people are still told so.
    waits: bool,
}

impl Drop for Driven {
    fn drop(&mut self) {
        self.engine.driven.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.run);
        if !self.waits {
            self.engine.waits.forget(self.run);
        }
    }
}

/// Why a run could not be driven on.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Impossible(#[from] gatewright_core::run::Impossible),
    #[error("the run is not over, and yet there is nothing to do")]
    Stuck,
    #[error("an effect ended in a panic: {0}")]
    Panicked(String),
}

/// An action under way.
struct Flight {
    key: ActionKey,
    /// Tells it to give up, or, for a step, to stop.
    stop: CancellationToken,
}

struct Driver {
    engine: Arc<Engine>,
    run: Run,
    lease: Lease,
    notify: Arc<Notify>,
    stopping: Stopping,
    tasks: JoinSet<Done>,
    flights: HashMap<Id, Flight>,
    pauses: HashMap<ActionKey, Pause>,
    /// The slots of the steps that run.
    slots: HashMap<GateName, Slot>,
    renew_at: Instant,
    /// It is given out of hand because something is to be tried again later.
    waits: bool,
}

impl Driver {
    async fn start(engine: Arc<Engine>, leased: Leased, notify: Arc<Notify>, stopping: Stopping) -> Result<Driver, Failure> {
        let (_, journal) = engine.deps.store.journal(leased.lease.run).await?;
        let run = Run::replay(leased.lease.run, &journal)?;
        let worker = engine.options.worker.clone();
        let mut driver = Driver {
            renew_at: Instant::now() + renew_after(&engine),
            engine,
            run,
            lease: leased.lease,
            notify,
            stopping,
            tasks: JoinSet::new(),
            flights: HashMap::new(),
            pauses: HashMap::new(),
            slots: HashMap::new(),
            waits: false,
        };
        // Whoever drove it before may have ended in the middle of that, just now.
        let until = Instant::now() + Duration::from_millis(driver.engine.options.uncertain_ms);
        for key in driver.run.uncertain() {
            driver.pauses.insert(ActionKey::Publish(key), Pause { until, failures: 0 });
        }
        if driver.run.finished.is_none() {
            let attempt = leased.attempt;
            let mut events = vec![RunEvent::Resumed { attempt, worker }];
            if attempt > driver.engine.options.attempts_max {
                events.push(RunEvent::GivenUp { cause: given_up(attempt - 1, leased.failed) });
            }
            driver.append(events).await?;
            driver.renew().await?;
        }
        Ok(driver)
    }

    async fn go_on(&mut self) -> Result<(), Failure> {
        loop {
            self.engine.turns.fetch_add(1, Ordering::Relaxed);
            let now = Timestamp::now();
            let (actions, wake_at) = match self.run.next(now) {
                Next::Over(conclusion) => {
                    agents::session::close(&self.engine, self.run.id, None).await;
                    self.log_end(conclusion);
                    self.tell_release().await;
                    self.engine.start_after_gates(&self.run).await;
                    let now = Timestamp::now();
                    return Ok(self.engine.deps.store.release(&self.lease, Release::Finished(conclusion), now).await?);
                }
                Next::Perform { actions, wake_at } => match actions.as_slice() {
                    [Action::SetAside { cause }] => {
                        tracing::error!(run.id = %self.run.id, repo = %self.run.repo, cause, "the run was set aside");
                        agents::session::close(&self.engine, self.run.id, None).await;
                        let aside = Release::SetAside { cause: cause.clone() };
                        return Ok(self.engine.deps.store.release(&self.lease, aside, Timestamp::now()).await?);
                    }
                    [..] => (actions, wake_at),
                },
            };
            if let Some(wake_at) = wake_at.filter(|at| at.duration_since(now) > PATIENCE && self.is_idle(&actions)) {
                return Ok(self.engine.deps.store.release(&self.lease, Release::WaitUntil(wake_at), now).await?);
            }
            if let Some(wake_at) = self.waits_for_forge(&actions, wake_at, now) {
                self.waits = true;
                return Ok(self.engine.deps.store.release(&self.lease, Release::WaitUntil(wake_at), now).await?);
            }
            if self.stopping.kill.is_cancelled() || (self.stopping.drain.is_cancelled() && self.tasks.is_empty()) {
                return self.hand_back().await;
            }
            if !self.start_wanted(&actions, wake_at).await? {
                self.wait(wake_at).await?;
            }
        }
    }

    /// Starts what is wanted and not under way, and gives up what is no longer wanted. True if the journal has grown, so
    /// that what is wanted must be asked anew.
    async fn start_wanted(&mut self, actions: &[Action], wake_at: Option<Timestamp>) -> Result<bool, Failure> {
        self.give_up_unwanted(actions);
        let fresh: Vec<&Action> = actions.iter().filter(|action| self.can_start(action)).collect();
        if let Some(conclusion) = fresh.iter().find_map(|action| match action {
            Action::Finish { conclusion } => Some(*conclusion),
            Action::Prepare
            | Action::Claim { .. }
            | Action::Execute { .. }
            | Action::Stop { .. }
            | Action::Rule
            | Action::Obey
            | Action::Release(_)
            | Action::Rollout(_)
            | Action::Agent(_)
            | Action::Notice(_)
            | Action::Permit(_)
            | Action::Publish { .. }
            | Action::SetAside { .. } => None,
        }) {
            // What was begun for a release or a rollout is waited for: it may come to something, such as a lock that was taken.
            if self.flights.values().any(|flight| matches!(flight.key, ActionKey::Release(_) | ActionKey::Rollout(_))) {
                return Ok(false);
            }
            self.finish(conclusion).await?;
            return Ok(true);
        }
        // Steps that can start at once do so before anything is published: their checks are then made as running ones,
        // which saves a write each.
        let started = self.claim_free_slots(&fresh);
        let stopped = self.stop_steps(&fresh);
        if !started.is_empty() || !stopped.is_empty() {
            self.append(started.into_iter().chain(stopped).collect()).await?;
            return Ok(true);
        }
        let begins: Vec<RunEvent> = fresh.iter().filter_map(|action| action.begins()).collect();
        let fresh: Vec<Action> = fresh.into_iter().cloned().collect();
        if !begins.is_empty() {
            self.append(begins).await?;
        }
        for action in fresh {
            self.spawn(action);
        }
        if self.tasks.is_empty() && self.pauses.is_empty() && wake_at.is_none() && !self.stopping.drain.is_cancelled() {
            return Err(Failure::Stuck);
        }
        Ok(false)
    }

    fn can_start(&self, action: &Action) -> bool {
        let key = action.key();
        let paused = self.pauses.get(&key).is_some_and(|pause| pause.until > Instant::now());
        let starts_work = match action {
            Action::Prepare
            | Action::Claim { .. }
            | Action::Execute { .. }
            | Action::Release(_)
            | Action::Agent(_)
            | Action::Notice(_)
            | Action::Permit(_) => true,
            Action::Rollout(action) => perform::starts_work(action),
            Action::Stop { .. }
            | Action::Rule
            | Action::Obey
            | Action::Publish { .. }
            | Action::SetAside { .. }
            | Action::Finish { .. } => false,
        };
        let drained = starts_work && self.stopping.drain.is_cancelled();
        !paused && !drained && !self.flights.values().any(|flight| flight.key == key)
    }

    fn give_up_unwanted(&mut self, actions: &[Action]) {
        let wanted: Vec<ActionKey> = actions.iter().map(Action::key).collect();
        for flight in self.flights.values().filter(|flight| !wanted.contains(&flight.key)) {
            flight.stop.cancel();
        }
        for (key, _) in self.pauses.extract_if(|key, _| !wanted.contains(key)) {
            self.engine.waits.end(self.run.id, &key);
        }
    }

    fn claim_free_slots(&mut self, fresh: &[&Action]) -> Vec<RunEvent> {
        let repo = self.run.repo.key();
        let mut started = Vec::new();
        for action in fresh {
            if let Action::Claim { gate, attempt } = action
                && let Some(slot) = self.engine.slots.try_claim(&repo)
            {
                self.slots.insert(gate.clone(), slot);
                started.push(RunEvent::StepStarted { gate: gate.clone(), attempt: *attempt });
            }
        }
        started
    }

    /// Stops the steps that are to be stopped. One that was claimed and is not under way ends here and now.
    fn stop_steps(&mut self, fresh: &[&Action]) -> Vec<RunEvent> {
        let mut stopped = Vec::new();
        for action in fresh {
            let Action::Stop { gate } = action else { continue };
            let key = ActionKey::Execute(gate.clone());
            match self.flights.values().find(|flight| flight.key == key) {
                Some(flight) => flight.stop.cancel(),
                None => {
                    stopped.push(perform::cancelled_step(gate, &self.why_stopped(), Kept::default()));
                    self.slots.remove(gate);
                }
            }
        }
        stopped
    }

    fn spawn(&mut self, action: Action) {
        // `Stop` was done by telling the step's own task; it ends with that task.
        if let Action::Stop { .. } | Action::Finish { .. } = action {
            return;
        }
        let stop = CancellationToken::new();
        let key = action.key();
        let performing = perform::perform(Arc::clone(&self.engine), self.run.clone(), action, stop.clone());
        let task = self.tasks.spawn(performing);
        self.flights.insert(task.id(), Flight { key, stop });
    }

    /// Waits until something happens that may change what is wanted.
    async fn wait(&mut self, wake_at: Option<Timestamp>) -> Result<(), Failure> {
        // A pause that is over stays for its count of failures while its action is under way; there is nothing to wake for.
        let now = Instant::now();
        let pauses = self.pauses.values().map(|pause| pause.until).filter(|until| *until > now);
        let wake_at = pauses.chain(wake_at.map(instant)).min();
        let stopping = self.stopping.clone();
        let draining = stopping.drain.is_cancelled();
        tokio::select! {
            Some(ended) = self.tasks.join_next_with_id() => self.ended(ended).await,
            () = self.notify.notified() => self.renew().await,
            () = tokio::time::sleep_until(self.renew_at) => self.renew().await,
            () = sleep_until(wake_at) => Ok(()),
            () = stopping.drain.cancelled(), if !draining => Ok(()),
            () = stopping.kill.cancelled() => Ok(()),
        }
    }

    async fn ended(&mut self, ended: Result<(Id, Done), JoinError>) -> Result<(), Failure> {
        let (id, done) = ended.map_err(|error| Failure::Panicked(error.to_string()))?;
        let Some(Flight { key, stop }) = self.flights.remove(&id) else { return Ok(()) };
        match done {
            Done::Events(events) => {
                (self.engine.hook)(Point::Performed);
                self.pauses.remove(&key);
                self.engine.waits.end(self.run.id, &key);
                self.append(events).await?;
                if let ActionKey::Execute(gate) = key {
                    self.slots.remove(&gate);
                }
            }
            Done::Claimed { gate, attempt, slot } => {
                self.slots.insert(gate.clone(), slot);
                self.append(vec![RunEvent::StepStarted { gate, attempt }]).await?;
            }
            Done::Stopped { gate, kept } => {
                self.append(vec![perform::cancelled_step(&gate, &self.why_stopped(), kept)]).await?;
                self.slots.remove(&gate);
            }
            Done::Again { after, cause } => match self.farewell_failed(&key, &cause) {
                Some(refused) => self.append(vec![refused]).await?,
                None => self.pause(key, after, &cause),
            },
            // Nobody asked for that: what cannot be done now is not begun again at once, and over and over.
            Done::GivenUp if !stop.is_cancelled() => self.pause(key, None, "it was given up"),
            Done::GivenUp => {}
        }
        Ok(())
    }

    fn why_stopped(&self) -> String {
        let reason = self.run.gates().and_then(|gates: &Gates| gates.cancel.as_ref());
        reason.map_or_else(|| "the run was stopped".to_owned(), CancelReason::to_string)
    }

    /// Ends the run, unless it was told something that it has not heard: then it hears that first.
    async fn finish(&mut self, conclusion: Conclusion) -> Result<(), Failure> {
        match self.append(vec![RunEvent::Finished { conclusion }]).await {
            Err(Failure::Store(StoreError::Untaken(_))) => self.renew().await,
            result => result,
        }
    }

    async fn append(&mut self, events: Vec<RunEvent>) -> Result<(), Failure> {
        let now = Timestamp::now();
        // Tried on a copy first: an event that the run refuses must not get into its journal.
        let mut next = self.run.clone();
        for event in &events {
            next.apply(now, event)?;
        }
        self.engine.deps.store.append(&self.lease, self.run.seq, &events, now).await?;
        let goes_back = |run: &Run| run.rollout().is_some_and(|rollout| rollout.back.is_some());
        if goes_back(&next) && !goes_back(&self.run) {
            // What failed on the way forth is no reason to wait with the way back.
            self.pauses.clear();
        }
        self.run = next;
        (self.engine.hook)(Point::Appended);
        Ok(())
    }

    async fn renew(&mut self) -> Result<(), Failure> {
        let after = self.run.signals_taken;
        let secs = self.engine.options.lease_secs;
        let (lease, signals): (Lease, Signals) = self.engine.deps.store.renew(&self.lease, Timestamp::now(), secs, after).await?;
        self.lease = lease;
        self.renew_at = Instant::now() + renew_after(&self.engine);
        if !signals.is_empty() && self.run.finished.is_none() {
            self.append(signals.into_iter().map(|(n, signal)| RunEvent::Signalled { n, signal }).collect()).await?;
        }
        Ok(())
    }

    /// Stops everything, removes the sandboxes, and lets somebody else go on.
    async fn hand_back(&mut self) -> Result<(), Failure> {
        self.tasks.shutdown().await;
        for gate in std::mem::take(&mut self.slots).into_keys() {
            let key = gatewright_core::sandbox::SandboxKey { run: self.run.id, gate };
            if let Err(error) = self.engine.deps.sandbox.close(&key).await {
                // The next driver removes what is left under the key before it opens a sandbox anew.
                tracing::warn!(run.id = %self.run.id, step.key = %key.gate, %error, "a sandbox was left behind");
            }
        }
        agents::session::close(&self.engine, self.run.id, None).await;
        Ok(self.engine.deps.store.release(&self.lease, Release::HandBack, Timestamp::now()).await?)
    }

    /// The release that asked for these gates looks at once what they say. Should it not hear of them, it looks by itself.
    async fn tell_release(&self) {
        let Some(Cause::Released { run: release }) = self.run.gates().map(|gates| &gates.spec.cause) else { return };
        let signal = Signal::Release { word: ReleaseWord::Look };
        let acceptance = Acceptance {
            signals: vec![(SignalTarget::Run { run: *release }, signal)],
            ..Acceptance::internal(&format!("gates-over/{}", self.run.id), Timestamp::now())
        };
        if let Err(error) = self.engine.accept(acceptance).await {
            tracing::warn!(run.id = %self.run.id, %error, "a release was not told that its gates are over");
        }
    }

    fn log_end(&self, conclusion: Conclusion) {
        let duration = self.run.updated_at.duration_since(self.run.created_at);
        metrics::histogram!("gatewright_run_seconds", "conclusion" => conclusion.as_str()).record(duration.as_secs_f64());
        statistics::count_over(&self.run);
        let duration_ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        tracing::info!(
            run.id = %self.run.id, repo = %self.run.repo, subject = %self.run.subject,
            commit = self.run.commit().map(|commit| commit.short()),
            conclusion = conclusion.as_str(), duration_ms, "run finished"
        );
    }
}

/// Why a run is given up.
fn given_up(attempts: u32, failed: Option<String>) -> String {
    let times = if attempts == 1 { "once".to_owned() } else { format!("{attempts} times") };
    match failed {
        Some(cause) => format!("it was tried {times}; the last time: {cause}"),
        None => format!("it was tried {times}; the last time, the process ended or hung while it ran"),
    }
}

fn renew_after(engine: &Engine) -> Duration {
    Duration::from_secs(u64::from(engine.options.lease_secs)) / 3
}

/// The moment of the process's own clock at which a time of day comes, by how far away that is now.
fn instant(at: Timestamp) -> Instant {
    let away = at.duration_since(Timestamp::now());
    Instant::now() + Duration::try_from(away).unwrap_or_default()
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
