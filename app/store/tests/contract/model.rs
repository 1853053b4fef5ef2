//! Any order of calls gives what a simple model says.

use std::collections::BTreeMap;

use gatewright_core::report::Conclusion;
use gatewright_core::run::{CancelReason, RunEvent, Signal, SignalTarget};
use gatewright_core::store::{
    Acceptance, Accepted, Lease, LeaseRequest, Release, RunFilter, RunState, Store, StoreError, StoreUpkeep,
};
use gatewright_core::{RunId, Timestamp};
use proptest::prelude::*;

use crate::bed::{Bed, Wanted, at, request};

const LEASE_SECS: i64 = 30;
const PER_REPO_MAX: usize = 2;
const ATTEMPTS_MAX: u32 = 2;

/// A call. Leases are named by their place among all that were given.
#[derive(Debug, Clone)]
enum Call {
    Accept { delivery: u8, repo: u64, pull: u64, starts: bool, tells: bool },
    Lease,
    Append { lease: prop::sample::Index, wrong: bool },
    Renew { lease: prop::sample::Index },
    Release { lease: prop::sample::Index, how: How },
    Retry { run: prop::sample::Index },
    Prune { age: i64 },
    Wait { secs: i64 },
    Restart,
}

#[derive(Debug, Clone, Copy)]
enum How {
    Finished,
    Wait,
    HandBack,
    Failed,
}

fn call() -> impl Strategy<Value = Call> {
    let index = any::<prop::sample::Index>;
    let how = prop_oneof![Just(How::Finished), Just(How::Wait), Just(How::HandBack), Just(How::Failed)];
    prop_oneof![
        6 => (0..20_u8, 1..3_u64, 1..3_u64, prop::bool::weighted(0.8), any::<bool>())
            .prop_map(|(delivery, repo, pull, starts, tells)| Call::Accept { delivery, repo, pull, starts, tells }),
        6 => Just(Call::Lease),
        4 => (index(), prop::bool::weighted(0.1)).prop_map(|(lease, wrong)| Call::Append { lease, wrong }),
        2 => index().prop_map(|lease| Call::Renew { lease }),
        4 => (index(), how).prop_map(|(lease, how)| Call::Release { lease, how }),
        1 => index().prop_map(|run| Call::Retry { run }),
        1 => (0..60_i64).prop_map(|age| Call::Prune { age }),
        3 => (1..40_i64).prop_map(|secs| Call::Wait { secs }),
        1 => Just(Call::Restart),
    ]
}

/// A run as the model has it.
#[derive(Debug, Clone)]
struct Known {
    repo: u64,
    subject: String,
    delivery: String,
    state: State,
    /// The token of the lease that may still write.
    held: Option<u64>,
    token: u64,
    attempts: u32,
    seq: u64,
    signals: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready { at: i64 },
    Leased { until: i64 },
    Finished { at: i64 },
    SetAside,
}

/// The store and what it should be like.
struct Tried {
    bed: Bed,
    on_disk: bool,
    now: i64,
    runs: BTreeMap<RunId, Known>,
    /// Accepted ids: when, and whether a run came of it.
    accepted: BTreeMap<String, (i64, bool)>,
    leases: Vec<Lease>,
}

impl Tried {
    fn new(bed: Bed, on_disk: bool) -> Tried {
        Tried { bed, on_disk, now: 0, runs: BTreeMap::new(), accepted: BTreeMap::new(), leases: Vec::new() }
    }

    async fn perform(mut self, call: Call) -> Tried {
        match call {
            Call::Accept { delivery, repo, pull, starts, tells } => self.accept(delivery, repo, pull, starts, tells).await,
            Call::Lease => self.lease().await,
            Call::Append { lease, wrong } => self.append(&lease, wrong).await,
            Call::Renew { lease } => self.renew(&lease).await,
            Call::Release { lease, how } => self.release(&lease, how).await,
            Call::Retry { run } => self.retry(&run).await,
            Call::Prune { age } => self.prune(age).await,
            Call::Wait { secs } => self.now += secs,
            Call::Restart if self.on_disk => self = self.restart(),
            Call::Restart => {}
        }
        self.compare().await;
        self
    }

    async fn accept(&mut self, delivery: u8, repo: u64, pull: u64, starts: bool, tells: bool) {
        let delivery = delivery.to_string();
        let wanted = Wanted { repo, pull, second: self.now, ..Wanted::by(&delivery) };
        let subject = wanted.subject();
        let mut acceptance = wanted.acceptance();
        let id = acceptance.run.as_ref().unwrap().id;
        let target = SignalTarget::Subject { key: subject.clone(), before: None, commit: None };
        let signal = Signal::Cancel { reason: CancelReason::Closed };
        acceptance = Acceptance {
            run: acceptance.run.filter(|_| starts),
            signals: if tells { vec![(target, signal)] } else { vec![] },
            ..acceptance
        };
        let accepted = self.bed.store.accept(acceptance).await;
        if self.accepted.contains_key(&delivery) {
            assert_eq!(accepted, Ok(Accepted::Duplicate));
            return;
        }
        let mut signalled = Vec::new();
        for (run, known) in self.runs.iter_mut().filter(|(_, known)| tells && known.subject == subject) {
            match &mut known.state {
                State::Finished { .. } => continue,
                State::Ready { at } => *at = self.now.min(*at),
                State::Leased { .. } | State::SetAside => {}
            }
            known.signals += 1;
            // Nobody can say when a set-aside run will take what it was told.
            if known.state != State::SetAside {
                signalled.push(*run);
            }
        }
        assert_eq!(accepted, Ok(Accepted::New { signalled }));
        self.accepted.insert(delivery.clone(), (self.now, starts));
        if starts {
            let state = State::Ready { at: self.now };
            let known = Known { repo, subject, delivery, state, held: None, token: 0, attempts: 0, seq: 1, signals: 0 };
            self.runs.insert(id, known);
        }
    }

    async fn lease(&mut self) {
        let wanted = LeaseRequest { per_repo_max: PER_REPO_MAX as u32, attempts_max: ATTEMPTS_MAX, ..request(self.now) };
        let leased = self.bed.store.lease(&wanted).await.unwrap();
        for known in self.runs.values_mut() {
            if let State::Leased { until } = known.state
                && until <= self.now
            {
                known.state = State::Ready { at: until };
            }
        }
        let expected = self.next();
        assert_eq!(leased.as_ref().map(|l| l.lease.run), expected);
        if let Some(leased) = leased {
            let known = self.runs.get_mut(&leased.lease.run).unwrap();
            known.attempts += 1;
            known.token += 1;
            known.held = Some(known.token);
            known.state = State::Leased { until: self.now + LEASE_SECS };
            assert_eq!((leased.attempt, leased.seq, leased.lease.token), (known.attempts, known.seq, known.token));
            self.leases.push(leased.lease);
        }
    }

    /// The run whose turn it is; those that were tried too often are set aside on the way.
    fn next(&mut self) -> Option<RunId> {
        loop {
            let leased = |repo| self.runs.values().filter(|k| k.repo == repo && matches!(k.state, State::Leased { .. })).count();
            let due = self.runs.iter().filter_map(|(run, known)| match known.state {
                State::Ready { at } if at <= self.now && leased(known.repo) < PER_REPO_MAX => Some((at, *run)),
                State::Ready { .. } | State::Leased { .. } | State::Finished { .. } | State::SetAside => None,
            });
            let (_, run) = due.min()?;
            let known = self.runs.get_mut(&run).unwrap();
            if known.attempts < ATTEMPTS_MAX {
                return Some(run);
            }
            known.state = State::SetAside;
            known.held = None;
        }
    }

    /// A lease, and what a call with it must be answered if it may not go on.
    fn with(&self, index: &prop::sample::Index) -> Option<(Lease, Result<(), StoreError>)> {
        let lease = (!self.leases.is_empty()).then(|| index.get(&self.leases).clone())?;
        let allowed = match self.runs.get(&lease.run) {
            None => Err(StoreError::NoRun(lease.run)),
            Some(known) if known.held == Some(lease.token) => Ok(()),
            Some(_) => Err(StoreError::LeaseLost(lease.run)),
        };
        Some((lease, allowed))
    }

    async fn append(&mut self, index: &prop::sample::Index, wrong: bool) {
        let Some((lease, allowed)) = self.with(index) else { return };
        let actual = self.runs.get(&lease.run).map_or(0, |known| known.seq);
        let expected = actual + u64::from(wrong);
        let event = RunEvent::Resumed { attempt: 1, worker: "worker".to_owned() };
        let appended = self.bed.store.append(&lease, expected, &[event.clone(), event], at(self.now)).await;
        let wrong_seq = StoreError::WrongSeq { run: lease.run, expected, actual };
        assert_eq!(appended, allowed.clone().and(if wrong { Err(wrong_seq) } else { Ok(()) }));
        if appended.is_ok() {
            self.runs.get_mut(&lease.run).unwrap().seq += 2;
        }
    }

    async fn renew(&mut self, index: &prop::sample::Index) {
        let Some((lease, allowed)) = self.with(index) else { return };
        let renewed = self.bed.store.renew(&lease, at(self.now), LEASE_SECS as u32, 1).await;
        assert_eq!(renewed.as_ref().map(drop).map_err(Clone::clone), allowed);
        if let Ok((_, signals)) = renewed {
            let known = self.runs.get_mut(&lease.run).unwrap();
            assert_eq!(signals.iter().map(|(n, _)| *n).collect::<Vec<_>>(), (2..=known.signals).collect::<Vec<_>>());
            known.state = State::Leased { until: self.now + LEASE_SECS };
        }
    }

    async fn release(&mut self, index: &prop::sample::Index, how: How) {
        let Some((lease, allowed)) = self.with(index) else { return };
        let later = self.now + 20;
        let release = match how {
            How::Finished => Release::Finished(Conclusion::Success),
            How::Wait => Release::WaitUntil(at(later)),
            How::HandBack => Release::HandBack,
            How::Failed => Release::Failed { retry_at: at(later), cause: "it broke".to_owned() },
        };
        let released = self.bed.store.release(&lease, release, at(self.now)).await;
        assert_eq!(released, allowed);
        if released.is_ok() {
            let known = self.runs.get_mut(&lease.run).unwrap();
            known.held = None;
            (known.state, known.attempts) = match how {
                How::Finished => (State::Finished { at: self.now }, known.attempts),
                // What it was told it has not taken, so it does not wait.
                How::Wait if known.signals > 0 => (State::Ready { at: self.now }, 0),
                How::Wait => (State::Ready { at: later }, 0),
                How::HandBack => (State::Ready { at: self.now }, known.attempts - 1),
                How::Failed => (State::Ready { at: later }, known.attempts),
            };
        }
    }

    async fn retry(&mut self, index: &prop::sample::Index) {
        if self.runs.is_empty() {
            return;
        }
        let run = *index.get(&self.runs.keys().copied().collect::<Vec<_>>());
        let known = self.runs.get_mut(&run).unwrap();
        let set_aside = known.state == State::SetAside;
        assert_eq!(self.bed.store.retry(run, at(self.now)).await, Ok(set_aside));
        if set_aside {
            (known.state, known.attempts) = (State::Ready { at: self.now }, 0);
        }
    }

    async fn prune(&mut self, age: i64) {
        let before = self.now - age;
        let old = |known: &Known| matches!(known.state, State::Finished { at } if at < before);
        let gone: Vec<RunId> = self.runs.iter().filter(|(_, known)| old(known)).map(|(run, _)| *run).collect();
        let runless = self.accepted.iter().filter(|(_, (at, run))| !run && *at < before);
        let runless: Vec<String> = runless.map(|(delivery, _)| delivery.clone()).collect();
        let count = gone.len() + runless.len();
        for run in gone {
            let known = self.runs.remove(&run).unwrap();
            self.accepted.remove(&known.delivery);
        }
        self.accepted.retain(|delivery, _| !runless.contains(delivery));
        assert_eq!(self.bed.store.prune(at(before), 1000).await, Ok(count as u64));
    }

    fn restart(mut self) -> Tried {
        self.bed = self.bed.restart();
        for known in self.runs.values_mut() {
            // Its lease may be over already; whether that was noticed before the end does not matter.
            if known.held.take().is_some() {
                known.state = State::Ready { at: i64::MIN };
            }
        }
        self
    }

    /// The store is like the model.
    async fn compare(&mut self) {
        let mut listed = self.bed.store.list(&RunFilter::default(), 1000).await.unwrap();
        listed.reverse();
        assert_eq!(listed.iter().map(|r| r.id).collect::<Vec<_>>(), self.runs.keys().copied().collect::<Vec<_>>());
        for record in &listed {
            let known = self.runs.get_mut(&record.id).unwrap();
            assert_eq!((record.attempts, record.seq), (known.attempts, known.seq));
            let seconds = |time: Timestamp| time.duration_since(at(0)).as_secs();
            let state = match &record.state {
                RunState::Ready { ready_at } => State::Ready { at: seconds(*ready_at) },
                RunState::Leased { expires_at, .. } => State::Leased { until: seconds(*expires_at) },
                RunState::Finished { .. } => State::Finished { at: seconds(record.updated_at) },
                RunState::SetAside { .. } => State::SetAside,
            };
            if known.state == (State::Ready { at: i64::MIN }) {
                // What was leased when the process ended is ready at once: since when, the store may choose.
                assert!(matches!(state, State::Ready { at } if at <= self.now), "{state:?}");
                known.state = state;
            }
            assert_eq!(state, known.state);
            assert_eq!(self.bed.store.journal(record.id).await.unwrap().1.len() as u64, known.seq);
        }
        let stats = self.bed.store.stats(at(self.now)).await.unwrap();
        let count = |wanted: &dyn Fn(State) -> bool| self.runs.values().filter(|known| wanted(known.state)).count() as u64;
        let now = self.now;
        assert_eq!(stats.ready, count(&|s| matches!(s, State::Ready { at: t } | State::Leased { until: t } if t <= now)));
        assert_eq!(stats.leased, count(&|s| matches!(s, State::Leased { until } if until > now)));
        assert_eq!(stats.waiting, count(&|s| matches!(s, State::Ready { at } if at > now)));
        assert_eq!(stats.set_aside, count(&|s| s == State::SetAside));
    }
}

fn try_out(bed: fn() -> Bed, on_disk: bool, calls: Vec<Call>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut tried = Tried::new(bed(), on_disk);
        for call in calls {
            tried = tried.perform(call).await;
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn any_order_of_calls_gives_what_the_model_says_in_memory(calls in prop::collection::vec(call(), 1..80)) {
        try_out(Bed::in_memory, false, calls);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(16) })]

    #[test]
    fn any_order_of_calls_gives_what_the_model_says_on_disk(calls in prop::collection::vec(call(), 1..80)) {
        try_out(Bed::on_disk, true, calls);
    }
}
