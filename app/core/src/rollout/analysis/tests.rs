#![expect(clippy::unwrap_used, reason = "a test may fail at once")]

use insta::assert_snapshot;
use jiff::Timestamp;

use super::*;

const BEGAN: i64 = 1_790_000_000;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_second(BEGAN + secs).unwrap()
}

/// Ten seconds, from so many after the beginning on.
fn bucket(from: i64, canary: (u64, u64), stable: (u64, u64)) -> Bucket {
    let counts = |(requests, errors)| Counts { requests, errors, ..Counts::default() };
    Bucket { from: at(from), secs: 10, canary: counts(canary), stable: counts(stable) }
}

/// So many seconds in which every bucket is the same.
fn minutes(minutes: i64, canary: (u64, u64), stable: (u64, u64)) -> Vec<Bucket> {
    (0..minutes * 6).map(|n| bucket(n * 10, canary, stable)).collect()
}

/// The last stage of a rollout, that was to last five minutes, after so many seconds.
fn moment(now: i64) -> Moment {
    Moment { now: at(now), stage: Stage { since: at(0), secs: 300, last: true }, instances: None }
}

fn verdict(buckets: &[Bucket], now: i64) -> Verdict {
    judge(&AnalysisConfig::default(), &Baseline::default(), buckets, &moment(now))
}

#[test]
fn a_version_with_four_times_the_errors_is_rolled_back_and_the_evidence_says_why() {
    let Verdict::RollBack { evidence } = verdict(&minutes(5, (100, 4), (900, 9)), 300) else { panic!("it goes on") };
    assert_snapshot!(evidence, @"errors are 4 times as many as the stable version's, at odds of 10^10 to 1 (100 to 1 are needed), since 14:14:20 UTC");
}

#[test]
fn a_version_that_is_no_worse_is_promoted_once_that_is_known() {
    assert_eq!(verdict(&minutes(5, (500, 5), (500, 5)), 300), Verdict::Promote);
}

#[test]
fn without_measurements_nothing_is_promoted_and_nothing_is_rolled_back() {
    assert_eq!(verdict(&[], 300), Verdict::Extend { because: Reason::NotMeasured { since: None } });
    assert_eq!(verdict(&[], 3000), Verdict::Inconclusive { because: Reason::NotMeasured { since: None } });
}
