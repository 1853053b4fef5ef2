//! Against earlier runs: each was a session of its own, so what differs between sessions (another machine, other neighbours)
//! counts as noise.
//!
//! The head's value is compared with those of the base branch's runs by Student's test of one further observation: if it is as
//! fast as they are, `(x - mean) / (s * sqrt(1 + 1/n))` has Student's distribution with `n - 1` degrees of freedom (Hahn and
//! Meeker, *Statistical Intervals*, 1991, section 4.7). Over many benchmarks the error rate is kept by Holm's procedure
//! (*Scandinavian Journal of Statistics* 6, 1979), whatever they share. Unlike the test of rounds this one assumes something:
//! that logarithms of values vary about normally from run to run, and that the branch itself did not become slower meanwhile.

use gatewright_core::facts::BenchmarkFact;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::compare::{ERROR_RATE, Found, Limit, Way, way};
use super::rounds::worse;

/// With fewer runs of the base branch nothing is said.
pub(super) const RUNS_MIN: usize = 3;

/// A benchmark against its past: logarithms of its values over the head's own, larger where they are worse.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Against {
    /// The head's.
    pub(super) head: f64,
    /// The base branch's, a run each.
    pub(super) past: Vec<f64>,
}

impl Against {
    /// Of what the head measured, and runs of the base branch before it.
    pub(super) fn of(fact: &BenchmarkFact, past: &[f64]) -> Against {
        let unit = std::iter::once(&fact.value()).chain(past).copied().find(|value| *value > 0.0).unwrap_or(1.0);
        let log = |value: f64| worse(unit, value, fact.better);
        Against { head: log(fact.value()), past: past.iter().map(|value| log(*value)).collect() }
    }

    /// The mean of the past, the error of one further value, and Student's distribution of it. None with fewer than
    /// [`RUNS_MIN`] runs.
    fn expected(&self) -> Option<(f64, f64, StudentsT)> {
        let runs = self.past.len() as f64;
        if self.past.len() < RUNS_MIN {
            return None;
        }
        let mean = self.past.iter().sum::<f64>() / runs;
        let squares: f64 = self.past.iter().map(|x| (x - mean).powi(2)).sum();
        let error = (squares / (runs - 1.0) * (1.0 + 1.0 / runs)).sqrt();
        Some((mean, error, StudentsT::new(0.0, 1.0, runs - 1.0).ok()?))
    }

    fn change(&self) -> f64 {
        let mean = self.past.iter().sum::<f64>() / self.past.len().max(1) as f64;
        if self.past.is_empty() { 0.0 } else { self.head - mean }
    }

    /// How likely a value at least this far above the past and `tested` is where there is no more to it. 1 where nothing can be said.
    fn p_above(&self, tested: f64) -> f64 {
        self.expected().map_or(1.0, |(mean, error, t)| tail(self.head - mean - tested, error, &t))
    }

    fn p_below(&self, tested: f64) -> f64 {
        self.expected().map_or(1.0, |(mean, error, t)| tail(tested - (self.head - mean), error, &t))
    }

    /// The interval around the change that holds it with 95 %.
    pub(super) fn interval(&self) -> Option<(f64, f64)> {
        let (mean, error, t) = self.expected()?;
        let reach = t.inverse_cdf(1.0 - ERROR_RATE) * error;
        Some((self.head - mean - reach, self.head - mean + reach))
    }
}

/// What never varied leaves no doubt.
fn tail(above: f64, error: f64, t: &StudentsT) -> f64 {
    match (error > 0.0, above > 0.0) {
        (true, _) => t.sf(above / error),
        (false, true) => 0.0,
        (false, false) => 1.0,
    }
}

/// Judges benchmarks against their past.
pub(super) fn judge(all: &[Against], limit: Limit) -> Vec<Found> {
    let p_of_all = |p: &dyn Fn(&Against) -> f64| holm(&all.iter().map(p).collect::<Vec<_>>());
    let slower = p_of_all(&|one| one.p_above(0.0));
    let faster = p_of_all(&|one| one.p_below(0.0));
    let too_slow = limit.allowed().map(|limit| p_of_all(&|one| one.p_above(limit)));
    let one = |(at, one): (usize, &Against)| {
        let way = if one.past.len() < RUNS_MIN { Way::Unchanged } else { way(slower[at], faster[at]) };
        let allowed = limit.judge(way, too_slow.as_ref().map(|p| p[at]), || one.p_below(limit.clear()));
        Found { change: one.change(), way, allowed }
    };
    all.iter().enumerate().map(one).collect()
}

/// Each p-value corrected for all the others.
fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let (mut corrected, mut largest) = (vec![1.0; p.len()], 0.0_f64);
    for (before, at) in order.into_iter().enumerate() {
        largest = largest.max(p[at] * (p.len() - before) as f64).min(1.0);
        corrected[at] = largest;
    }
    corrected
}
