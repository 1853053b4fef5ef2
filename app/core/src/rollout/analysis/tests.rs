#![expect(clippy::unwrap_used, reason = "a test may fail at once")]

use insta::assert_snapshot;
use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::config::Percent;
use crate::target::{Latency, PoolId, Reading, Totals};

const BEGAN: i64 = 1_790_000_000;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_second(BEGAN + secs).unwrap()
}

fn counts((requests, errors): (u64, u64)) -> Counts {
    Counts { requests, errors, ..Counts::default() }
}

/// Ten seconds, from so many after the beginning on: requests and errors of both versions.
fn bucket(from: i64, canary: (u64, u64), stable: (u64, u64)) -> Bucket {
    Bucket { from: at(from), secs: 10, canary: counts(canary), stable: counts(stable) }
}

/// So many minutes in which every bucket is the same.
fn minutes(minutes: i64, canary: (u64, u64), stable: (u64, u64)) -> Vec<Bucket> {
    (0..minutes * 6).map(|n| bucket(n * 10, canary, stable)).collect()
}

/// The last stage of a rollout, that was to last five minutes, after so many seconds.
fn moment(now: i64) -> Moment {
    Moment { now: at(now), stage: Stage { since: at(0), secs: 300, last: true }, instances: None }
}

/// One that judges from the first request on.
fn warm() -> AnalysisConfig {
    AnalysisConfig { warm_up_secs: 0, ..AnalysisConfig::default() }
}

fn verdict(config: AnalysisConfig, buckets: &[Bucket], now: i64) -> Verdict {
    judge(&config, &Baseline::default(), buckets, &moment(now))
}

fn evidence(verdict: Verdict) -> Evidence {
    let Verdict::RollBack { evidence } = verdict else { panic!("it is not rolled back: {verdict:?}") };
    *evidence
}

/// The evidence that the version is worse, as a logarithm, after all buckets.
fn log_odds(config: AnalysisConfig, buckets: &[Bucket]) -> f64 {
    let mut analysis = Analysis::new(config, &Baseline::default());
    buckets.iter().for_each(|bucket| analysis.take(bucket));
    analysis.log_odds()
}

#[test]
fn a_version_with_four_times_the_errors_is_rolled_back_and_the_evidence_says_why() {
    let evidence = evidence(verdict(AnalysisConfig::default(), &minutes(5, (100, 4), (900, 9)), 300));
    assert_snapshot!(evidence, @"errors are 4 times as many as the stable version's, at odds of 10^11 to 1 (100 to 1 are needed), since 14:14:20 UTC");
    assert_eq!((evidence.seen.canary.errors, evidence.seen.secs), (4 * 24, 240), "the warm-up does not count");
}

#[test]
fn evidence_says_since_when_it_got_worse() {
    let mut buckets = minutes(10, (500, 1), (500, 1));
    buckets.extend((60..90).map(|n| bucket(n * 10, (500, 8), (500, 1))));
    let evidence = evidence(verdict(warm(), &buckets, 900));
    assert_eq!(evidence.since, Some(at(600)));
}

#[test]
fn a_version_that_is_no_worse_gets_everything_once_that_is_known() {
    let same = (500, 5);
    assert_eq!(verdict(warm(), &minutes(20, same, same), 1200), Verdict::Promote);
    let early = verdict(warm(), &minutes(4, same, same), 240);
    assert_eq!(early, Verdict::Extend { because: Reason::StageLasts { until: at(300) } });
}

#[test]
fn too_little_traffic_is_inconclusive_and_says_how_bad_it_can_still_be() {
    let few = minutes(40, (5, 0), (5, 0)).into_iter().enumerate();
    let few: Vec<Bucket> = few.map(|(n, b)| if n % 40 == 0 { bucket(n as i64 * 10, (5, 1), (5, 1)) } else { b }).collect();
    let Verdict::Extend { because } = verdict(warm(), &few, 1200) else { panic!("it goes on") };
    assert_snapshot!(because, @"too little is known to say that errors are at most 1.5 times as many as the stable version's");
    let Verdict::Inconclusive { because } = verdict(warm(), &few, 2400) else { panic!("it goes on") };
    assert_snapshot!(because, @"errors can still be up to 4 times as many, and may be 1.5 times");
}

#[test]
fn a_version_without_a_single_error_is_promoted_where_there_is_enough_traffic() {
    assert_eq!(verdict(warm(), &minutes(5, (500, 0), (500, 0)), 300), Verdict::Promote);
    let few = verdict(warm(), &minutes(5, (5, 0), (95, 0)), 300);
    assert!(matches!(few, Verdict::Extend { because: Reason::TooLittleKnown { .. } }), "{few:?}");
}

#[test]
fn an_incident_that_strikes_both_versions_is_no_fault_of_the_new_one() {
    let mut buckets = minutes(5, (100, 1), (900, 9));
    buckets.extend((30..60).map(|n| bucket(n * 10, (100, 30), (900, 270))));
    let verdict = verdict(warm(), &buckets, 600);
    assert!(!matches!(verdict, Verdict::RollBack { .. }), "{verdict:?}");
}

#[test]
fn a_version_that_is_worse_by_less_than_is_tolerated_stays() {
    let verdict = verdict(warm(), &minutes(20, (50_000, 650), (50_000, 500)), 1200);
    assert_eq!(verdict, Verdict::Promote);
}

#[test]
fn one_cluster_of_errors_is_not_many_errors() {
    let mut buckets = minutes(5, (500, 1), (500, 1));
    buckets.push(bucket(300, (500, 40), (500, 1)));
    assert!(!matches!(verdict(warm(), &buckets, 310), Verdict::RollBack { .. }));
    // One every half a minute is no accident.
    let often = (0..60).map(|n| bucket(n * 10, (500, if n % 3 == 0 { 40 } else { 1 }), (500, 1)));
    evidence(verdict(warm(), &often.collect::<Vec<_>>(), 600));
}

#[test]
fn a_version_that_fails_altogether_is_found_in_one_bucket_even_late() {
    let mut buckets = minutes(20, (500, 5), (500, 5));
    buckets.push(bucket(1200, (500, 500), (500, 5)));
    evidence(verdict(warm(), &buckets, 1210));
}

#[test]
fn without_measurements_nothing_is_promoted_and_nothing_is_rolled_back() {
    assert_eq!(verdict(warm(), &[], 300), Verdict::Extend { because: Reason::NotMeasured { since: None } });
    assert_eq!(verdict(warm(), &[], 3000), Verdict::Inconclusive { because: Reason::NotMeasured { since: None } });
}

#[test]
fn a_metrics_outage_keeps_a_stage_from_being_left() {
    let healthy = minutes(3, (5000, 5), (5000, 5));
    // Measured for three of five minutes, and then no more.
    let stale = verdict(warm(), &healthy, 300);
    assert_eq!(stale, Verdict::Extend { because: Reason::NotMeasured { since: Some(at(180)) } });
    // Measured at the end only.
    let late: Vec<Bucket> = (20..30).map(|n| bucket(n * 10, (5000, 5), (5000, 5))).collect();
    assert!(matches!(verdict(warm(), &late, 300), Verdict::Extend { because: Reason::NotMeasured { .. } }));
}

#[test]
fn no_traffic_is_no_success() {
    assert_eq!(verdict(warm(), &minutes(5, (0, 0), (900, 9)), 300), Verdict::Extend { because: Reason::NoTraffic });
    let alone = verdict(warm(), &minutes(5, (900, 9), (0, 0)), 300);
    assert_eq!(alone, Verdict::Extend { because: Reason::NothingToCompare });
}

#[test]
fn a_stage_that_is_not_the_last_is_left_by_time_and_measurement() {
    let stage = Stage { since: at(0), secs: 300, last: false };
    let few = minutes(5, (5, 0), (95, 1));
    let moment = Moment { now: at(300), stage, instances: None };
    assert_eq!(judge(&warm(), &Baseline::default(), &few, &moment), Verdict::Promote);
}

#[test]
fn the_warm_up_is_seen_and_not_judged() {
    let mut buckets = minutes(1, (100, 50), (900, 9));
    buckets.extend((6..36).map(|n| bucket(n * 10, (500, 5), (500, 5))));
    let judged = |config| matches!(verdict(config, &buckets, 360), Verdict::RollBack { .. });
    assert!(!judged(AnalysisConfig::default()) && judged(warm()));
}

#[test]
fn no_instance_that_is_ready_rolls_back_at_once() {
    let moment = Moment { instances: Some(Instances { ready: 0, all: 3 }), ..moment(10) };
    let found = evidence(judge(&AnalysisConfig::default(), &Baseline::default(), &[], &moment));
    assert_snapshot!(found, @"none of its 3 instances is ready any more");
    let some = Moment { instances: Some(Instances { ready: 1, all: 3 }), ..moment };
    assert!(matches!(judge(&AnalysisConfig::default(), &Baseline::default(), &[], &some), Verdict::Extend { .. }));
}

#[test]
fn a_fixed_limit_is_broken_by_three_of_five_windows() {
    let limits = FixedLimits { max_error_rate: Some(Percent { hundredths: 200 }), ..FixedLimits::default() };
    let config = AnalysisConfig { errors: None, fixed: limits, ..warm() };
    // Windows of 100 requests, that is of two buckets.
    let bad = |windows: &[bool]| -> Vec<Bucket> {
        let errors = windows.iter().flat_map(|bad| [if *bad { 3 } else { 1 }; 2]);
        errors.enumerate().map(|(n, errors)| bucket(n as i64 * 10, (50, errors), (50, errors))).collect()
    };
    let found = evidence(verdict(config, &bad(&[true, false, true, true]), 80));
    assert_snapshot!(found, @"6 % of its requests failed, and 2 % may");
    let spread = bad(&[true, false, false, false, true, false, true]);
    assert!(matches!(verdict(config, &spread, 140), Verdict::Extend { .. }));
}

#[test]
fn a_percentile_beyond_its_limit_counts_and_one_that_was_not_measured_does_not() {
    let limits = FixedLimits { max_p95_ms: Some(250), ..FixedLimits::default() };
    let config = AnalysisConfig { errors: None, fixed: limits, ..warm() };
    let with = |p95_ms, slow| -> Vec<Bucket> {
        let slower = |b: Bucket| Bucket { canary: Counts { p95_ms, slow, ..b.canary }, ..b };
        minutes(3, (100, 0), (100, 0)).into_iter().map(slower).collect()
    };
    assert_snapshot!(evidence(verdict(config, &with(Some(400), None), 180)), @"its 95th percentile was 400 ms, and may be 250 ms");
    assert_snapshot!(evidence(verdict(config, &with(None, Some(9)), 180)), @"its 95th percentile was longer than is measured, and may be 250 ms");
    for fine in [with(Some(250), None), with(None, None)] {
        assert!(matches!(verdict(config, &fine, 180), Verdict::Extend { .. }));
    }
}

#[test]
fn slow_requests_are_compared_where_both_versions_tell_them() {
    let config = AnalysisConfig { latency_p95: Some(Times { hundredths: 120 }), ..warm() };
    let baseline = Baseline { thresholds: Thresholds::exact(100.0, 1.2), ..Baseline::default() };
    let slow = |canary, stable| -> Vec<Bucket> {
        let slower = |b: Bucket| {
            let (canary, stable) = (Counts { slow: canary, ..b.canary }, Counts { slow: stable, ..b.stable });
            Bucket { canary, stable, ..b }
        };
        minutes(20, (500, 1), (500, 1)).into_iter().map(slower).collect()
    };
    let judged = |buckets: &[Bucket]| judge(&config, &baseline, buckets, &moment(1200));
    assert_snapshot!(evidence(judged(&slow(Some(75), Some(25)))), @"slow requests are 3 times as many as the stable version's, at odds of 10^83 to 1 (100 to 1 are needed), since 14:13:20 UTC");
    assert_eq!(judged(&slow(Some(15), Some(25))), Verdict::Promote);
    assert_eq!(judged(&slow(None, Some(25))), Verdict::Extend { because: Reason::LatencyNotMeasured });
}

fn reading(secs: i64, canary: Option<u64>, stable: u64, latency: Option<&Latency>) -> Reading {
    let totals = |requests| Totals { requests, errors: requests / 100, latency: latency.cloned() };
    let pools = [("new", canary), ("old", Some(stable))];
    let pools =
        pools.into_iter().filter_map(|(name, requests)| Some((name.parse::<PoolId>().unwrap(), totals(requests?)))).collect();
    Reading { at: at(secs), pools }
}

#[test]
fn buckets_are_what_lies_between_two_looks_and_a_reset_is_no_bucket() {
    let (canary, stable): (PoolId, PoolId) = ("new".parse().unwrap(), "old".parse().unwrap());
    let pools = Pools { canary: &canary, stable: &stable };
    let between = |a: &Reading, b: &Reading| Bucket::between(a, b, pools, None);
    let first = reading(0, None, 1000, None);
    let then = reading(10, Some(100), 1900, None);
    assert_eq!(between(&first, &then), Some(bucket(0, (100, 1), (900, 9))));
    assert_eq!(between(&then, &reading(20, Some(50), 2800, None)), None, "a counter was reset");
    assert_eq!(between(&first, &reading(10, None, 1900, None)), None, "a version was not counted");
    assert_eq!(between(&then, &first), None, "the wrong way round");
    assert_eq!(between(&first, &reading(130, Some(100), 1900, None)), None, "too far apart");
}

#[test]
fn thresholds_are_bounds_of_the_histogram() {
    let histogram = |counts: [u64; 5]| Latency { bounds_ms: vec![5.0, 10.0, 33.333_333, 100.0], counts: counts.to_vec() };
    let before = histogram([50, 44, 4, 1, 1]);
    assert_eq!(before.percentile(95), Some(33.333_333));
    let thresholds = Thresholds::within(&before, 1.2).unwrap();
    assert_eq!((thresholds.stable_us, thresholds.canary_us), (33_333, 100_000));
    assert_eq!((before.slower_than(thresholds.stable_ms()), before.slower_than(thresholds.canary_ms())), (2, 1));
    assert_eq!(Thresholds::within(&histogram([0, 0, 0, 0, 9]), 1.2), None, "it ends before");
    let totals = |requests, counts| Totals { requests, errors: 0, latency: Some(histogram(counts)) };
    let (before, after) = (totals(100, [90, 10, 0, 0, 0]), totals(200, [90, 20, 85, 5, 0]));
    let counts = Counts::between(&before, &after, Some(thresholds.stable_ms())).unwrap();
    assert_eq!((counts.requests, counts.slow, counts.p95_ms), (100, Some(5), Some(34)));
}

#[test]
fn evidence_is_written_the_same_for_ever() {
    let written = serde_json::to_string(&evidence(verdict(warm(), &minutes(5, (100, 4), (900, 9)), 300))).unwrap();
    assert_snapshot!(written, @r#"{"at":"2026-09-21T14:18:20Z","rule":{"rule":"worse","metric":"errors"},"since":"2026-09-21T14:13:20Z","odds":1396,"needed":200,"metrics":[{"metric":"errors","odds":1396,"estimate":400,"at_most":600,"tolerated":150}],"seen":{"from":"2026-09-21T14:13:20Z","to":"2026-09-21T14:18:20Z","buckets":30,"secs":300,"canary":{"requests":3000,"errors":120},"stable":{"requests":27000,"errors":270}}}"#);
    let journaled = serde_json::to_string(&bucket(0, (100, 4), (900, 9))).unwrap();
    assert_snapshot!(journaled, @r#"{"from":"2026-09-21T14:13:20Z","secs":10,"canary":{"requests":100,"errors":4},"stable":{"requests":900,"errors":9}}"#);
    let read: Evidence = serde_json::from_str(&written).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), written);
}

#[test]
fn the_picture_has_no_script_and_nothing_that_is_not_a_number() {
    let buckets: Vec<Bucket> = minutes(5, (100, 4), (900, 9)).into_iter().chain([bucket(600, (u64::MAX, 1), (0, 0))]).collect();
    let config = AnalysisConfig::default();
    let found = evidence(verdict(config, &buckets, 610));
    let steps = [(at(-20), 5), (at(100), 10)];
    let draw =
        |buckets, evidence| Picture { config: &config, baseline: &Baseline::default(), buckets, steps: &steps, evidence }.svg();
    let svg = draw(&buckets, Some(&found));
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>") && svg.len() < 40_000);
    assert!(svg.contains("not measured") && svg.contains("rolled back at 100 to 1"));
    assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains("<script"), "{svg}");
    assert_eq!(draw(&[], None), "");
}

/// Numbers without a pattern, the same every time (SplitMix64).
struct Drawn(u64);

impl Drawn {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Errors of both versions: clusters of so many, each of which strikes one version, with the chances of their shares.
    fn errors(&mut self, clusters: u32, size: u64, share: f64) -> (u64, u64) {
        (0..clusters).fold((0, 0), |(canary, stable), _| {
            let size = 1 + (self.next() * size as f64) as u64;
            if self.next() < share { (canary + size, stable) } else { (canary, stable + size) }
        })
    }
}

#[test]
fn of_a_version_that_is_no_worse_the_evidence_is_one_in_the_mean_at_most() {
    for (clusters, size) in [(1, 1), (3, 1), (2, 12), (12, 3), (40, 1)] {
        let mut drawn = Drawn(7);
        let trials = 4000;
        let (mut sum, mut alarms) = (0.0, 0);
        for _ in 0..trials {
            // Weights change from bucket to bucket, and some buckets are missing.
            let buckets = (0..30).filter(|n| n % 7 != 3).map(|n| {
                let (canary, all) = ([50, 100, 250, 500][n as usize % 4], 1000);
                let errors = drawn.errors(clusters, size, canary as f64 / all as f64);
                bucket(n * 10, (canary, errors.0), (all - canary, errors.1))
            });
            let odds = log_odds(warm(), &buckets.collect::<Vec<_>>()).exp();
            sum += odds;
            alarms += u32::from(odds >= 100.0);
        }
        let mean = sum / f64::from(trials);
        // Of a variable with the mean 1 that is at most 100 here but seldom, 4000 draws lie within this; the seed is fixed.
        assert!(mean <= 1.1, "clusters of up to {size}: {mean}");
        assert!(alarms <= 40, "clusters of up to {size}: {alarms} of {trials}");
    }
}

/// Buckets with anything in them.
fn any_buckets() -> impl Strategy<Value = Vec<Bucket>> {
    let few = 0..200_u64;
    let many = 0..=1_000_000_000_000_u64;
    let number = || prop_oneof![Just(0_u64), few.clone(), many.clone()];
    let side = || (number(), number(), prop::option::of(number()), prop::option::of(any::<u32>()));
    let make = |(requests, errors, slow, p95_ms)| Counts { requests, errors, slow, p95_ms };
    let bucket = (0..40_i64, 0..130_u32, side(), side());
    let bucket = bucket.prop_map(move |(gap, secs, canary, stable)| (gap, secs, make(canary), make(stable)));
    prop::collection::vec(bucket, 0..40).prop_map(|list| {
        let mut now = 0;
        let next = |(gap, secs, canary, stable)| {
            now += gap;
            let from = at(now);
            now += i64::from(secs);
            Bucket { from, secs, canary, stable }
        };
        list.into_iter().map(next).collect()
    })
}

fn whole() -> (AnalysisConfig, Baseline) {
    let fixed =
        FixedLimits { max_p95_ms: Some(100), max_error_rate: Some(Percent { hundredths: 500 }), ..FixedLimits::default() };
    let config = AnalysisConfig { latency_p95: Some(Times { hundredths: 120 }), fixed, ..warm() };
    (config, Baseline { thresholds: Thresholds::exact(80.0, 1.2), ..Baseline::default() })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_was_measured_everything_stays_a_number(buckets in any_buckets(), now in 0..8000_i64) {
        let (config, baseline) = whole();
        let mut analysis = Analysis::new(config, &baseline);
        buckets.iter().for_each(|bucket| analysis.take(bucket));
        prop_assert!(analysis.log_odds().is_finite(), "{}", analysis.log_odds());
        let verdict = analysis.verdict(&moment(now));
        prop_assert_eq!(&verdict, &judge(&config, &baseline, &buckets, &moment(now)));
        let evidence = analysis.evidence(at(now), None);
        let read: Evidence = serde_json::from_str(&serde_json::to_string(&evidence).unwrap()).unwrap();
        prop_assert_eq!(&read, &evidence);
        let svg = Picture { config: &config, baseline: &baseline, buckets: &buckets, steps: &[], evidence: Some(&evidence) }.svg();
        prop_assert!(!svg.contains("NaN") && !svg.contains("inf"), "{}", svg);
    }

    #[test]
    fn nothing_is_promoted_that_has_not_been_measured_lately(buckets in any_buckets(), later in 61..10_000_i64) {
        let (config, baseline) = whole();
        let end = buckets.iter().map(|bucket| bucket.to().as_second() - BEGAN).max().unwrap_or(0);
        for last in [true, false] {
            let moment = moment(end + later);
            let moment = Moment { stage: Stage { last, ..moment.stage }, ..moment };
            prop_assert_ne!(judge(&config, &baseline, &buckets, &moment), Verdict::Promote);
        }
    }

    #[test]
    fn more_errors_of_the_new_version_never_speak_for_it(
        list in prop::collection::vec((0..6_u64, 0..6_u64, 0..3_usize), 1..30), which in 0..30_usize
    ) {
        // Errors move from the stable version to the new one: what happened in the bucket stays the same.
        let bucket = |moved: usize| {
            let buckets = list.iter().enumerate().map(|(n, (canary, stable, weight))| {
                let moved = u64::from(n == moved).min(*stable);
                let requests = [50, 250, 500][*weight];
                bucket(n as i64 * 10, (requests, canary + moved), (1000 - requests, stable - moved))
            });
            buckets.collect::<Vec<_>>()
        };
        // In the last bucket only: how a stable version's errors cluster is measured from all before.
        let last = list.len() - 1;
        let (before, after) = (bucket(usize::MAX), bucket(which.max(last)));
        prop_assert!(log_odds(warm(), &after) >= log_odds(warm(), &before) - 1e-9);
    }

    #[test]
    fn a_bucket_that_comes_twice_or_too_late_changes_nothing(buckets in any_buckets(), which in any::<prop::sample::Index>()) {
        prop_assume!(!buckets.is_empty());
        let again = which.get(&buckets);
        let twice: Vec<Bucket> = buckets.iter().copied().chain([*again]).collect();
        let (config, baseline) = whole();
        let judged = |buckets: &[Bucket]| judge(&config, &baseline, buckets, &moment(9000));
        // Unless it has no length, in which case it says nothing either.
        prop_assert_eq!(judged(&twice), judged(&buckets));
    }
}
