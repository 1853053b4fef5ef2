//! The unfinished runs, in memory: which one is leased next does not depend on how many have finished.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use gatewright_core::run::Signal;
use gatewright_core::store::{RunState, StoreStats};
use gatewright_core::{ForgeKind, RunId, Timestamp};

use crate::keys::Index;
use crate::row::Row;

/// An unfinished run.
#[derive(Debug, Clone)]
pub(crate) struct OpenRun {
    pub(crate) row: Row,
    /// The worker that holds the lease with the row's token. It holds it past its end too, until somebody else gets it.
    pub(crate) holder: Option<String>,
    /// All its signals, the first of them numbered 1.
    pub(crate) signals: Vec<Signal>,
}

/// A place in a queue: when, and then the older run first.
type Turn = (Timestamp, RunId);

/// All unfinished runs.
#[derive(Debug, Default)]
pub(crate) struct Open {
    runs: BTreeMap<RunId, OpenRun>,
    /// All ready runs.
    ready: BTreeSet<Turn>,
    /// The ready runs of each repository.
    queues: HashMap<Arc<str>, BTreeSet<Turn>>,
    /// The first of each of these queues.
    heads: BTreeSet<(Turn, Arc<str>)>,
    /// The leased runs, by the lease's end.
    leases: BTreeSet<Turn>,
    leased_per_repo: HashMap<Arc<str>, u32>,
    /// By what they are looked up, as the indexes of the finished ones have it.
    named: HashMap<(Index, Box<str>), BTreeSet<RunId>>,
    set_aside: u64,
    /// Those that have finished, until whoever reads the map finds them there.
    finished: BTreeMap<RunId, Row>,
    /// When the last delivery of each forge was taken.
    pub(crate) last_delivery_at: BTreeMap<ForgeKind, Timestamp>,
    /// The number of the next line of the audit log.
    pub(crate) next_audit: u64,
}

impl Open {
    /// A run, unless it is finished or unknown.
    pub(crate) fn get(&self, id: RunId) -> Option<&OpenRun> {
        self.runs.get(&id)
    }

    /// All runs, newest first, that are older than `before`.
    pub(crate) fn newest_first(&self, before: Option<RunId>) -> impl Iterator<Item = &OpenRun> {
        let end = before.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        self.runs.range((std::ops::Bound::Unbounded, end)).rev().map(|(_, run)| run)
    }

    /// The runs that an index leads to under a name, oldest first.
    pub(crate) fn named(&self, index: Index, name: &str) -> impl DoubleEndedIterator<Item = &OpenRun> {
        let runs = self.named.get(&(index, name.into()));
        runs.into_iter().flatten().filter_map(|run| self.get(*run))
    }

    /// The runs about a subject.
    pub(crate) fn about(&self, subject: &str) -> Vec<RunId> {
        self.named(Index::Subject, subject).map(|run| run.row.id()).collect()
    }

    /// Takes a run in.
    pub(crate) fn insert(&mut self, run: OpenRun) {
        for (index, name) in run.row.names() {
            self.named.entry((index, name.into())).or_default().insert(run.row.id());
        }
        self.enter(&run);
        self.runs.insert(run.row.id(), run);
    }

    /// Changes a run, and returns its row as it is then. None where there is no such run.
    pub(crate) fn change(&mut self, id: RunId, change: impl FnOnce(&mut OpenRun)) -> Option<Row> {
        let mut run = self.runs.remove(&id)?;
        self.leave(&run);
        change(&mut run);
        self.enter(&run);
        let row = run.row.clone();
        self.runs.insert(id, run);
        Some(row)
    }

    /// Gives a run out of hand, since it is finished. Lists have it until [`Self::forget_finished`].
    pub(crate) fn finish(&mut self, id: RunId) {
        let Some(run) = self.runs.remove(&id) else { return };
        self.leave(&run);
        for (index, name) in run.row.names() {
            let name = (index, name.into());
            if let Some(runs) = self.named.get_mut(&name) {
                runs.remove(&id);
                if runs.is_empty() {
                    self.named.remove(&name);
                }
            }
        }
        self.finished.insert(id, run.row);
    }

    /// Those that have finished, and may not be where everybody finds them yet.
    pub(crate) fn just_finished(&self) -> impl Iterator<Item = &Row> {
        self.finished.values()
    }

    /// The finished ones are where everybody finds them.
    pub(crate) fn forget_finished(&mut self) {
        self.finished.clear();
    }

    /// Runs whose lease is over are ready again.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        while let Some((expired_at, id)) = self.leases.first().copied().filter(|(at, _)| *at <= now) {
            self.change(id, |run| run.row.record.state = RunState::Ready { ready_at: expired_at });
        }
    }

    /// The run whose turn it is, leaving out repositories that have `per_repo_max` leased ones.
    pub(crate) fn next_ready(&self, now: Timestamp, per_repo_max: u32) -> Option<RunId> {
        let due = self.heads.iter().take_while(|((ready_at, _), _)| *ready_at <= now);
        let mut free = due.filter(|(_, repo)| self.leased_per_repo.get(repo).copied().unwrap_or(0) < per_repo_max);
        free.next().map(|((_, id), _)| *id)
    }

    /// What is waiting. A run whose lease is over wants a worker.
    pub(crate) fn stats(&self, now: Timestamp) -> StoreStats {
        let later = (now, RunId(uuid::Uuid::max()))..;
        let waiting = self.ready.range(later.clone()).count();
        let leased = self.leases.range(later.clone()).count();
        let expired = self.leases.len() - leased;
        let due = |turns: &BTreeSet<Turn>| turns.first().map(|(at, _)| *at).filter(|at| *at <= now);
        StoreStats {
            ready: (self.ready.len() - waiting + expired) as u64,
            leased: leased as u64,
            waiting: waiting as u64,
            set_aside: self.set_aside,
            oldest_ready_at: due(&self.ready).into_iter().chain(due(&self.leases)).min(),
            next_ready_at: self.ready.range(later).next().map(|(at, _)| *at),
            last_delivery_at: self.last_delivery_at.clone(),
        }
    }

    fn enter(&mut self, run: &OpenRun) {
        let id = run.row.id();
        let repo: Arc<str> = run.row.record.repo.key().into();
        match &run.row.record.state {
            RunState::Ready { ready_at } => {
                let turn = (*ready_at, id);
                self.ready.insert(turn);
                let queue = self.queues.entry(Arc::clone(&repo)).or_default();
                let head = queue.first().copied();
                queue.insert(turn);
                self.move_head(repo, head);
            }
            RunState::Leased { expires_at, .. } => {
                self.leases.insert((*expires_at, id));
                *self.leased_per_repo.entry(repo).or_default() += 1;
            }
            RunState::SetAside { .. } => self.set_aside += 1,
            RunState::Finished { .. } => {}
        }
    }

    fn leave(&mut self, run: &OpenRun) {
        let id = run.row.id();
        let repo: Arc<str> = run.row.record.repo.key().into();
        match &run.row.record.state {
            RunState::Ready { ready_at } => {
                let turn = (*ready_at, id);
                self.ready.remove(&turn);
                if let Some(queue) = self.queues.get_mut(&repo) {
                    let head = queue.first().copied();
                    queue.remove(&turn);
                    self.move_head(repo, head);
                }
            }
            RunState::Leased { expires_at, .. } => {
                self.leases.remove(&(*expires_at, id));
                if let Some(leased) = self.leased_per_repo.get_mut(&repo) {
                    *leased -= 1;
                    if *leased == 0 {
                        self.leased_per_repo.remove(&repo);
                    }
                }
            }
            RunState::SetAside { .. } => self.set_aside -= 1,
            RunState::Finished { .. } => {}
        }
    }

    /// Brings `heads` in line after a repository's queue has changed, whose head was `before`.
    fn move_head(&mut self, repo: Arc<str>, before: Option<Turn>) {
        let now = self.queues.get(&repo).and_then(|queue| queue.first().copied());
        if before == now {
            return;
        }
        if let Some(turn) = before {
            self.heads.remove(&(turn, Arc::clone(&repo)));
        }
        match now {
            Some(turn) => {
                self.heads.insert((turn, repo));
            }
            None => {
                self.queues.remove(&repo);
            }
        }
    }
}
