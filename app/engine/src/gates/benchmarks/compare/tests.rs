use proptest::prelude::*;

use super::*;

fn changes(rounds: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Vec<Vec<f64>>> {
    rounds.prop_flat_map(|rounds| {
        let noise = prop::collection::vec(-0.2..0.2_f64, rounds);
        let one = (noise, -0.1..0.3_f64, prop_oneof![Just(0.0), Just(0.1), Just(1.0)]);
        let one = one.prop_map(|(noise, shift, loud)| noise.iter().map(|noise| noise * loud + shift).collect());
        prop::collection::vec(one, 1..4)
    })
}

fn found(change: &[f64], percent: f64) -> Found {
    interleaved(&[change.to_vec()], Limit::percent(Some(percent)))[0]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_order_of_rounds_changes_nothing(changes in changes(6..=13), turned in 0..13_usize) {
        let moved: Vec<Vec<f64>> = changes.iter().map(|change| {
            let mut moved = change.clone();
            moved.rotate_left(turned % change.len());
            moved.swap(0, change.len() - 1);
            moved
        }).collect();
        let limit = Limit::percent(Some(5.0));
        prop_assert_eq!(interleaved(&changes, limit), interleaved(&moved, limit));
        prop_assert_eq!(interval(&changes[0]), interval(&moved[0]));
    }

    #[test]
    fn base_and_head_exchanged_is_the_same_seen_from_the_other_side(changes in changes(6..=10)) {
        let exchanged: Vec<Vec<f64>> = changes.iter().map(|change| negated(change)).collect();
        let limit = Limit::percent(None);
        for (one, other) in interleaved(&changes, limit).iter().zip(interleaved(&exchanged, limit)) {
            prop_assert!((one.change + other.change).abs() < 1e-12);
            let mirrored = match other.way { Way::Slower => Way::Faster, Way::Faster => Way::Slower, Way::Unchanged => Way::Unchanged };
            prop_assert_eq!(one.way, mirrored);
        }
    }

    #[test]
    fn the_interval_holds_the_change_and_agrees_with_the_word(change in changes(6..=10)) {
        let change = &change[0];
        let (low, high) = interval(change).expect("there are rounds enough");
        let found = found(change, 5.0);
        prop_assert!(low <= found.change && found.change <= high, "{low} {} {high}", found.change);
        let limit = 0.05_f64.ln_1p();
        match found.allowed {
            Allowed::No => prop_assert!(low > limit - 1e-3, "{low}"),
            Allowed::Yes => prop_assert!(high < limit + 1e-3, "{high}"),
            Allowed::Unclear => prop_assert!(low < limit + 1e-3 && high > limit - 1e-3, "{low} {high}"),
        }
    }
}

#[test]
fn of_more_rounds_than_are_looked_at_some_are() {
    let change: Vec<f64> = (0..70).map(|n| 0.1 + f64::from(n % 7) / 100.0).collect();
    assert_eq!(found(&change, 5.0).allowed, Allowed::No);
}

/// The exact error rate: of all ways in which noise of these sizes can fall, how many say that one of the benchmarks is slower.
fn false_alarms(sizes: &[Vec<f64>]) -> f64 {
    let rounds = sizes[0].len();
    let fallen = |pattern: u32| -> Vec<Vec<f64>> {
        let sign = |(round, size): (usize, &f64)| if pattern >> round & 1 == 1 { -size } else { *size };
        sizes.iter().map(|sizes| sizes.iter().enumerate().map(sign).collect()).collect()
    };
    let alarms = (0..1_u32 << rounds).filter(|pattern| {
        interleaved(&fallen(*pattern), Limit::percent(Some(0.0))).iter().any(|found| found.allowed == Allowed::No)
    });
    alarms.count() as f64 / f64::from(1_u32 << rounds)
}

#[test]
fn equal_code_is_called_slower_no_more_often_than_is_said_whatever_the_noise_and_however_many_benchmarks() {
    let quiet = vec![0.01, 0.02, 0.015, 0.03, 0.005, 0.012, 0.018, 0.022];
    let with_outliers = vec![0.01, 0.02, 3.0, 0.03, 0.005, 5.0, 0.018, -0.022];
    let mixed = vec![0.2, -0.2, 0.01, 0.2, -0.01, -0.2, 0.2, 0.01];
    for sizes in [vec![quiet.clone()], vec![with_outliers.clone()], vec![quiet, with_outliers, mixed]] {
        let rate = false_alarms(&sizes);
        assert!(rate > 0.0 && rate <= ERROR_RATE, "{rate}");
    }
}

#[test]
fn a_slowdown_is_found_beyond_the_limit_and_not_within_it() {
    let ten_percent = [0.094, 0.096, 0.09, 0.101, 0.095, 0.092, 0.097, 0.1];
    let sorts = |percent: f64| (found(&ten_percent, percent).way, found(&ten_percent, percent).allowed);
    assert_eq!(sorts(5.0), (Way::Slower, Allowed::No));
    assert_eq!(sorts(20.0), (Way::Slower, Allowed::Yes));
    assert_eq!(sorts(10.0), (Way::Slower, Allowed::Unclear));
}

#[test]
fn a_round_that_something_else_struck_hides_nothing() {
    let mut change = vec![0.094, 0.096, 0.09, 0.101, 0.095, 0.092, 0.097, 0.1, 0.093, 0.098, 0.094, -2.0];
    assert_eq!(found(&change, 5.0).allowed, Allowed::No);
    change[11] = 2.0;
    assert_eq!(found(&change, 5.0).allowed, Allowed::No);
}

#[test]
fn too_few_rounds_tell_nothing() {
    let few = found(&[0.5; 5], 5.0);
    assert_eq!((few.way, few.allowed), (Way::Unchanged, Allowed::Unclear));
    assert_eq!(interval(&[0.5; 5]), None);
    assert_eq!(interleaved(&[], Limit::percent(None)), []);
    assert_eq!(found(&[], 5.0).allowed, Allowed::Unclear);
}

#[test]
fn noise_that_hides_the_limit_is_unclear_and_no_pass() {
    let loud = [0.3, -0.25, 0.1, -0.3, 0.2, -0.1, 0.25, -0.2];
    assert_eq!(found(&loud, 5.0).allowed, Allowed::Unclear);
    assert_eq!(interleaved(&[loud.to_vec()], Limit::percent(None))[0].allowed, Allowed::Unclear);
}
