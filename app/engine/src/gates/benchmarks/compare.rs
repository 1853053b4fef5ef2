//! How the head's speed differs from the base's, and how sure that is. Pure: the same figures give the same answer, in whatever
//! order the rounds come and whatever unit they are in.
//!
//! Changes are logarithms of ratios, positive where the head is worse: so twice as slow is as far from no change as twice as
//! fast, and a change of unit changes nothing.

use super::signs::{Patterns, ROUNDS_MAX, Row, trimmed_mean};

/// So often at most is something said of a benchmark that is not so, of all the benchmarks of a gate together: that one is
/// slower (than allowed, or at all), or that one is faster. Both ends of a 95 % interval are drawn at this level.
pub(super) const ERROR_RATE: f64 = 0.025;

/// With fewer rounds not even all of them saying the same is enough for [`ERROR_RATE`]: 2 to the power of -5 is more than that.
pub(super) const ROUNDS_MIN: usize = 6;

/// Where no limit above 0 is asked for, a benchmark that may be this much slower without its being seen is unclear.
const SEEN_MIN: f64 = 0.10;

/// The ends of an interval are found to within one in two to the power of this of the rounds' range.
const HALVINGS: u32 = 16;

/// How far below the rounds' range the end of an interval is looked for, in doublings.
const DOUBLINGS_MAX: u32 = 40;

/// What is found out about one benchmark.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    /// The change, as far as can be told.
    pub(super) change: f64,
    /// Which way it went.
    pub(super) way: Way,
    /// Whether that is within what is allowed.
    pub(super) allowed: Allowed,
}

/// Which way a benchmark went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It is slower, for all that can be told.
    Slower,
    /// It is faster.
    Faster,
    /// No change was seen.
    Unchanged,
}

/// Whether a change is within what is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowed {
    /// It is not.
    No,
    /// It is.
    Yes,
    /// The measurements are too few, or vary too much, to tell.
    Unclear,
}

/// What changes are judged by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Limit(Option<f64>);

impl Limit {
    /// From percent; none where nothing is asked for.
    pub(super) fn percent(percent: Option<f64>) -> Limit {
        Limit(percent.map(|percent| (percent / 100.0).ln_1p()))
    }

    /// More than that is not allowed.
    pub(super) fn allowed(self) -> Option<f64> {
        self.0
    }

    /// A benchmark that may be slower than this is unclear.
    pub(super) fn clear(self) -> f64 {
        self.0.filter(|limit| *limit > 0.0).unwrap_or_else(|| SEEN_MIN.ln_1p())
    }

    /// Whether a benchmark is within the limit, by how likely its figures are where it is exactly at it, and where it is as slow
    /// as would still be clear.
    pub(super) fn judge(self, way: Way, p_at_limit: Option<f64>, p_within: impl Fn() -> f64) -> Allowed {
        match p_at_limit {
            Some(p) if p <= ERROR_RATE => Allowed::No,
            // Nothing is asked for, and it is clear that it is slower.
            None if way == Way::Slower => Allowed::Yes,
            Some(_) | None if p_within() <= ERROR_RATE => Allowed::Yes,
            Some(_) | None => Allowed::Unclear,
        }
    }
}

/// Judges benchmarks by their changes in each round: a list for each benchmark, all of the same number of rounds.
///
/// With fewer than [`ROUNDS_MIN`] rounds all are unclear; of more than [`ROUNDS_MAX`] the first so many count.
pub(super) fn interleaved(changes: &[Vec<f64>], limit: Limit) -> Vec<Found> {
    let changes: Vec<Vec<f64>> = in_order(changes, limit);
    let rounds = changes.first().map_or(0, Vec::len);
    if rounds < ROUNDS_MIN {
        let unclear = |change: &Vec<f64>| Found { change: centre(change), way: Way::Unchanged, allowed: Allowed::Unclear };
        return changes.iter().map(unclear).collect();
    }
    let patterns = Patterns::of(rounds);
    let above = |tested: f64| patterns.p_of_all(&changes.iter().map(|change| Row::new(change, tested)).collect::<Vec<_>>());
    let below = patterns.p_of_all(&changes.iter().map(|change| Row::new(&negated(change), 0.0)).collect::<Vec<_>>());
    let too_slow = limit.allowed().map(above);
    let above = above(0.0);
    let one = |(at, change): (usize, &Vec<f64>)| {
        let way = way(above[at], below[at]);
        let within = || patterns.p(&Row::new(&negated(change), -limit.clear()));
        let allowed = limit.judge(way, too_slow.as_ref().map(|p| p[at]), within);
        Found { change: trimmed_mean(change), way, allowed }
    };
    changes.iter().enumerate().map(one).collect()
}

/// The interval around the change of one benchmark that holds it with 95 %: all changes that the test does not refuse. None with
/// fewer than [`ROUNDS_MIN`] rounds.
pub(super) fn interval(change: &[f64]) -> Option<(f64, f64)> {
    let change = &change[..change.len().min(ROUNDS_MAX)];
    if change.len() < ROUNDS_MIN {
        return None;
    }
    let patterns = Patterns::of(change.len());
    let sorted = in_order(&[change.to_vec()], Limit(None)).remove(0);
    Some((lower_end(&patterns, &sorted), -lower_end(&patterns, &negated(&sorted))))
}

/// The largest change that is refused as too small.
fn lower_end(patterns: &Patterns, change: &[f64]) -> f64 {
    let refused = |tested: f64| patterns.p(&Row::new(change, tested)) <= ERROR_RATE;
    let (least, most) = change.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)));
    let mut inside = trimmed_mean(change);
    // Rounds that are all the same differ from anything by more than rounding does.
    let mut step = (most - least).max(least.abs() * 1e-6).max(1e-9);
    let mut outside = least - step;
    for _ in 0..DOUBLINGS_MAX {
        if refused(outside) {
            break;
        }
        step *= 2.0;
        outside = least - step;
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(inside, outside);
        if refused(middle) { outside = middle } else { inside = middle }
    }
    outside
}

/// The rounds in an order that follows from how far they are from what is tested, not from which came first: so that which signs
/// are tried of many rounds does not depend on it either. Signs do not change that order, as the test needs it.
fn in_order(changes: &[Vec<f64>], limit: Limit) -> Vec<Vec<f64>> {
    let rounds = changes.first().map_or(0, Vec::len);
    let tested = limit.allowed().unwrap_or(0.0);
    let far = |round: usize| changes.iter().map(move |change| (change[round] - tested).abs());
    let mut order: Vec<usize> = (0..rounds).collect();
    order.sort_by(|a, b| {
        let pairs = far(*a).zip(far(*b));
        pairs.map(|(a, b)| a.total_cmp(&b)).find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
    });
    order.truncate(ROUNDS_MAX);
    changes.iter().map(|change| order.iter().map(|round| change[*round]).collect()).collect()
}

fn negated(change: &[f64]) -> Vec<f64> {
    change.iter().map(|x| -x).collect()
}

fn centre(change: &[f64]) -> f64 {
    if change.is_empty() { 0.0 } else { trimmed_mean(change) }
}

/// Which way it went, by how likely such figures are where it did not.
pub(super) fn way(p_slower: f64, p_faster: f64) -> Way {
    if p_slower <= ERROR_RATE {
        Way::Slower
    } else if p_faster <= ERROR_RATE {
        Way::Faster
    } else {
        Way::Unchanged
    }
}

#[cfg(test)]
mod tests;
