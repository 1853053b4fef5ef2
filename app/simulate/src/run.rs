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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Confounder, Fault, Grid, Onset, Report};

    fn job(threads: usize, cells: Vec<Cell>, trials: u32) -> Job {
        Job { cells, methods: Method::ALL.to_vec(), trials, seed: 3, warm_up_secs: 60, threads }
    }

    fn cell(fault: Fault, confounder: Confounder) -> Cell {
        Cell { requests_per_sec: 200, base_percent: 0.5, fault, onset: Onset::Start, confounder }
    }

    #[test]
    fn figures_follow_from_the_seed_whatever_the_threads_and_the_other_cells() {
        let all = run(&job(3, Grid::Quick.cells(), 3), &|| {});
        assert_eq!(run(&job(1, Grid::Quick.cells(), 3), &|| {}), all);
        let last = Grid::Quick.cells().split_off(Grid::Quick.cells().len() - 1);
        assert_eq!(run(&job(1, last, 3), &|| {}), all[all.len() - Method::ALL.len()..]);
        let other = Job { seed: 4, ..job(1, Grid::Quick.cells(), 3) };
        assert_ne!(run(&other, &|| {}), all);
    }

    #[test]
    fn faulty_versions_are_rolled_back_and_healthy_ones_are_not() {
        let cells = Confounder::ALL.map(|confounder| [Fault::None, Fault::Errors(10.0)].map(|fault| cell(fault, confounder)));
        let job = Job { methods: vec![Method::Gatewright], ..job(2, cells.concat(), 10) };
        let results = run(&job, &|| {});
        for result in &results {
            let expected = if result.cell.fault == Fault::None { 0 } else { 10 };
            assert_eq!(result.rolled_back, expected, "{}", result.cell);
        }
        let report = Report::of(&job, &results);
        assert!(report.is_held() && report.promises.len() == 8, "{:?}", report.promises);
    }

    #[test]
    fn a_shared_incident_misleads_fixed_thresholds() {
        let job = Job { methods: vec![Method::Fixed99], ..job(1, vec![cell(Fault::None, Confounder::Incident)], 10) };
        assert_eq!(run(&job, &|| {})[0].rolled_back, 10);
    }

    #[test]
    fn a_report_reads_as_markdown() {
        let job = Job { methods: vec![Method::Gatewright, Method::MannWhitney], ..job(1, Grid::Reference.cells(), 2) };
        let markdown = Report::by_cell(&job, &run(&job, &|| {})).markdown();
        let head: Vec<&str> = markdown.lines().take(7).collect();
        insta::assert_snapshot!(head.join("\n"), @r"
        2 trials a cell, seed 3.

        **Rolled back, % (median seconds)**

        | cell | gatewright | mann-whitney |
        | --- | --: | --: |
        | 20 requests/s, 0.5 % errors, healthy | 0 | 0 |
        ");
    }
}
