//! The sign-flip test: exact, whatever the noise is shaped like, and for many benchmarks at once.
//!
//! In a round the base and the head are measured one right after the other, and which of them comes first changes from round
//! to round. Where the head is as fast as the base (or slower by exactly the factor that is tested), the logarithm of the
//! ratio less that of the factor is as likely to be `+x` as `-x`, whatever else the machine does. So each way of giving signs
//! to the rounds is as likely as the one that was seen, and the p-value is the share of them whose statistic is no smaller
//! (Fisher, *The Design of Experiments*, 1935, section 21).
//!
//! The signs of a round are flipped for all benchmarks together, and the largest statistic of all of them is compared: what
//! strikes a round strikes all its benchmarks, and the error rate holds for all of them together (Westfall and Young,
//! *Resampling-Based Multiple Testing*, 1993, the single-step maxT procedure).
//!
//! The statistic is Yuen's: the trimmed mean over its standard error from winsorised variance (*Biometrika* 61, 1974), so that
//! a round that something else on the machine struck does not hide a change. The test is exact with any statistic.

/// Up to so many rounds every way of giving signs is tried: 4096 of them.
const EXACT_ROUNDS_MAX: usize = 12;

/// Beyond that, so many that are drawn once and for all, and the one that was seen.
const DRAWN: u64 = 4095;

/// More rounds than this do not fit into a pattern.
pub(super) const ROUNDS_MAX: usize = 64;

/// Of every three rounds beyond this many, one is trimmed at each end. Were it more, too many patterns would differ from the one
/// that was seen in what is trimmed only, and a few rounds could not tell anything.
const UNTRIMMED: usize = 6;

/// And no more than one in so many.
const TRIMMED_SHARE: usize = 4;

/// A statistic of more than this is that of values that are all the same.
const CERTAIN: f64 = 1e9;

/// Statistics that differ by no more than this share are the same but for rounding.
const ROUNDING: f64 = 1e-9;

/// Ways of giving signs to rounds: a round's bit is set where its sign is flipped. The first one flips none.
pub(super) struct Patterns(Vec<u64>);

impl Patterns {
    /// The patterns for so many rounds, at most [`ROUNDS_MAX`].
    pub(super) fn of(rounds: usize) -> Patterns {
        if rounds <= EXACT_ROUNDS_MAX {
            return Patterns((0..1 << rounds).collect());
        }
        let mask = u64::MAX >> (ROUNDS_MAX - rounds.min(ROUNDS_MAX));
        Patterns(std::iter::once(0).chain((1..=DRAWN).map(|n| drawn(n) & mask)).collect())
    }

    /// The share of patterns whose statistic is no smaller than the one that was seen: the p-value that this row lies above 0.
    pub(super) fn p(&self, row: &Row) -> f64 {
        let seen = row.statistic(0);
        self.share(|pattern| no_smaller(row.statistic(pattern), seen))
    }

    /// The same of many rows, each corrected for all the others.
    pub(super) fn p_of_all(&self, rows: &[Row]) -> Vec<f64> {
        let largest: Vec<f64> = self
            .0
            .iter()
            .map(|pattern| rows.iter().map(|row| row.statistic(*pattern)).fold(f64::NEG_INFINITY, f64::max))
            .collect();
        let p_of = |row: &Row| {
            let seen = row.statistic(0);
            largest.iter().filter(|largest| no_smaller(**largest, seen)).count() as f64 / largest.len() as f64
        };
        rows.iter().map(p_of).collect()
    }

    fn share(&self, is: impl Fn(u64) -> bool) -> f64 {
        self.0.iter().filter(|pattern| is(**pattern)).count() as f64 / self.0.len() as f64
    }
}

fn no_smaller(statistic: f64, seen: f64) -> bool {
    statistic >= seen || (seen - statistic) <= ROUNDING * seen.abs()
}

/// The n-th number of a fixed sequence without a pattern (SplitMix64; Steele, Lea and Flood, *OOPSLA* 2014).
fn drawn(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What one benchmark's rounds are above the value that is tested, sorted by size so that no pattern has to sort them again.
pub(super) struct Row {
    /// Size, whether it is below 0, and the round's bit; the smallest first.
    sorted: Vec<(f64, bool, u64)>,
}

impl Row {
    /// The differences from `tested`, by round; at most [`ROUNDS_MAX`] of them.
    pub(super) fn new(values: &[f64], tested: f64) -> Row {
        let differences = values.iter().map(|value| value - tested).enumerate();
        let mut sorted: Vec<(f64, bool, u64)> = differences.map(|(round, d)| (d.abs(), d < 0.0, 1 << round)).collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        Row { sorted }
    }

    /// The statistic under a pattern.
    fn statistic(&self, pattern: u64) -> f64 {
        let mut values = [0.0; ROUNDS_MAX];
        let (mut low, mut high) = (0, self.sorted.len());
        // The smallest first: those above 0 fill the array from where those below 0 end.
        for (size, below, bit) in self.sorted.iter().rev() {
            if *below != (pattern & bit != 0) {
                values[low] = -size;
                low += 1;
            } else {
                high -= 1;
                values[high] = *size;
            }
        }
        yuen(&mut values[..self.sorted.len()])
    }
}

/// How many of so many rounds are trimmed at each end.
fn trimmed_at_each_end(rounds: usize) -> usize {
    (rounds.saturating_sub(UNTRIMMED) / 3).min(rounds / TRIMMED_SHARE)
}

/// The mean without the extremes.
pub(super) fn trimmed_mean(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let trimmed = trimmed_at_each_end(sorted.len());
    mean(&sorted[trimmed..sorted.len() - trimmed])
}

/// The trimmed mean of sorted values over its standard error. Where all that is left after trimming is the same, there is no
/// error: then what was trimmed tells apart.
fn yuen(sorted: &mut [f64]) -> f64 {
    let rounds = sorted.len();
    let trimmed = trimmed_at_each_end(rounds);
    let centre = mean(&sorted[trimmed..rounds - trimmed]);
    if centre == 0.0 {
        return 0.0;
    }
    let untrimmed = mean(sorted);
    let (lowest, highest) = (sorted[trimmed], sorted[rounds - trimmed - 1]);
    sorted[..trimmed].fill(lowest);
    sorted[rounds - trimmed..].fill(highest);
    let winsorised = mean(sorted);
    let squares: f64 = sorted.iter().map(|value| (value - winsorised).powi(2)).sum();
    let (all, kept) = (rounds as f64, (rounds - 2 * trimmed) as f64);
    let error = (squares / (all - 1.0) * all).sqrt() / kept;
    if error > centre.abs() / CERTAIN { centre / error } else { CERTAIN * untrimmed / centre.abs() }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_rounds_that_all_say_slower_are_one_of_256_ways() {
        let values = [0.1, 0.11, 0.09, 0.12, 0.1, 0.1, 0.11, 0.09];
        assert_eq!(Patterns::of(8).p(&Row::new(&values, 0.0)), 1.0 / 256.0);
        // All of them as far below what is tested: no other way lies lower.
        assert_eq!(Patterns::of(8).p(&Row::new(&values, 0.3)), 1.0);
    }

    #[test]
    fn what_never_changes_says_nothing_and_what_always_does_says_all() {
        assert_eq!(Patterns::of(8).p(&Row::new(&[0.0; 8], 0.0)), 1.0);
        assert_eq!(Patterns::of(8).p(&Row::new(&[0.25; 8], 0.0)), 1.0 / 256.0);
        assert_eq!(Patterns::of(12).p(&Row::new(&[0.25; 12], 0.0)), 1.0 / 4096.0);
        assert!(Patterns::of(20).p(&Row::new(&[0.25; 20], 0.0)) < 1e-3);
    }

    #[test]
    fn the_statistic_is_that_of_yuen() {
        // 12 values, two trimmed at each end.
        let mut values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 100.0];
        let winsorised = [3.0, 3.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 10.0, 10.0_f64];
        let variance = winsorised.iter().map(|value| (value - 6.5).powi(2)).sum::<f64>() / 11.0;
        let expected = 6.5 / (variance.sqrt() / (8.0 / 12.0 * 12.0_f64.sqrt()));
        assert!((yuen(&mut values) - expected).abs() < 1e-12);
    }

    #[test]
    fn a_pattern_gives_what_sorting_its_values_gives() {
        let values = [0.3, -0.1, 0.25, 0.0, -0.4, 0.15, 0.7, -0.2, 0.05];
        let row = Row::new(&values, 0.1);
        for pattern in 0..1 << values.len() {
            let flip = |(round, value): (usize, &f64)| if pattern >> round & 1 == 1 { 0.1 - value } else { value - 0.1 };
            let mut flipped: Vec<f64> = values.iter().enumerate().map(flip).collect();
            flipped.sort_by(f64::total_cmp);
            assert!((row.statistic(pattern) - yuen(&mut flipped)).abs() < 1e-9, "{pattern:b}");
        }
    }

    #[test]
    fn many_benchmarks_that_share_their_noise_are_no_more_than_one() {
        let values = [0.02, -0.01, 0.03, 0.01, 0.02, -0.005, 0.02, 0.01];
        let alone = Patterns::of(8).p(&Row::new(&values, 0.0));
        let rows: Vec<Row> = (0..50).map(|_| Row::new(&values, 0.0)).collect();
        assert_eq!(Patterns::of(8).p_of_all(&rows), vec![alone; 50]);
    }
}
