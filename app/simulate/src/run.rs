//! Many trials of many cells, on several threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::world::World;
use crate::{Cell, Ending, Method, Rate};

/// What is to be tried.
#[derive(Debug, Clone)]
pub struct Job {
    /// The cells.
    pub cells: Vec<Cell>,
    /// The methods.
    pub methods: Vec<Method>,
    /// So often.
    pub trials: u32,
    /// From which everything follows.
    pub seed: u64,
    /// What is measured in the first seconds is not judged, by any method.
    pub warm_up_secs: u32,
    /// On so many threads. It changes no figure.
    pub threads: usize,
}

/// What came of a cell with a method.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellResult {
    /// The cell.
    pub cell: Cell,
    /// The method.
    pub method: Method,
    /// Trials.
    pub trials: u64,
    /// Trials in which the new version was rolled back once it was bad; of a healthy one, at all.
    pub rolled_back: u64,
    /// Trials in which a bad version was rolled back before it was bad.
    pub too_early: u64,
    /// Trials in which it got everything.
    pub promoted: u64,
    /// Trials in which nobody knew.
    pub inconclusive: u64,
    /// From the onset to the rollback, in seconds, ascending.
    #[serde(skip)]
    pub times: Vec<u32>,
}

impl CellResult {
    /// How often it was rolled back: what was found of a bad version, what was wrong of a healthy one.
    pub fn rolled_back(&self) -> Rate {
        Rate { count: self.rolled_back, of: self.trials }
    }

    fn take(&mut self, ending: Ending) {
        self.trials += 1;
        let onset = self.cell.onset.secs();
        match ending {
            Ending::RolledBack(at) if at > onset => {
                self.rolled_back += 1;
                self.times.push(at - onset);
            }
            Ending::RolledBack(_) => self.too_early += 1,
            Ending::Promoted(_) => self.promoted += 1,
            Ending::Inconclusive(_) => self.inconclusive += 1,
        }
    }
}

/// Tries all of it. `done` is called after each cell, from any thread.
pub fn run(job: &Job, done: &(dyn Fn() + Sync)) -> Vec<CellResult> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..job.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(cell) = job.cells.get(number) else { break };
                    let tried = try_cell(job, *cell);
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((number, tried));
                    done();
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().flat_map(|(_, results)| results).collect()
}

fn try_cell(job: &Job, cell: Cell) -> Vec<CellResult> {
    let none = |method| CellResult {
        cell,
        method,
        trials: 0,
        rolled_back: 0,
        too_early: 0,
        promoted: 0,
        inconclusive: 0,
        times: Vec::new(),
    };
    let mut results: Vec<CellResult> = job.methods.iter().map(|method| none(*method)).collect();
    for trial in 0..u64::from(job.trials) {
        let world = World::new(cell, job.seed, trial);
        for result in &mut results {
            result.take(result.method.judge(&world, job.warm_up_secs));
        }
    }
    for result in &mut results {
        result.times.sort_unstable();
    }
    results
}
