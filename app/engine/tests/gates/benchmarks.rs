//! What the benchmark gate says of rounds of base and head, and of history.

use gatewright_core::Timestamp;
use gatewright_core::config::{GateConfig, RepoConfig, parse};
use gatewright_core::facts::{BenchmarkFacts, Facts, Past};
use gatewright_core::verdict::{Evidence, Exit, ReportFile, ReportKind, Reports, Round, Rounds};
use gatewright_engine::gates::{self, Judgement};
use insta::assert_snapshot;

/// How much a round is off, in percent: what else a machine does.
const NOISE: [f64; 12] = [0.3, -0.8, 1.1, 0.0, -0.4, 6.0, 0.7, -1.2, 0.5, -0.1, 0.9, -0.6];

fn gate(more: &str) -> GateConfig {
    let RepoConfig { gates, .. } = parse(&format!("image: a\ngates:\n  t: {{ run: x, benchmark: out.json{more} }}\n")).unwrap();
    gates.into_iter().next().unwrap()
}

fn interleaved(slower_at_most: &str) -> GateConfig {
    gate(&format!(", compare: interleaved, require: {{ slower-at-most: {slower_at_most} }}"))
}

fn reports(text: String) -> Reports {
    Reports { files: vec![ReportFile::new("out.json", text.into_bytes())], errors: Vec::new() }
}

/// A report of benchmarks by their names, in ms.
fn measured(benchmarks: &[(&str, f64)]) -> Reports {
    let one = |(name, value): &(&str, f64)| serde_json::json!({ "name": name, "unit": "ms", "value": value });
    reports(serde_json::Value::from_iter(benchmarks.iter().map(one)).to_string())
}

/// Rounds of benchmarks that are so many times as slow on the head.
fn rounds(benchmarks: &[(&str, f64)]) -> Rounds {
    let list = NOISE.iter().enumerate().map(|(n, noise)| {
        let base: Vec<(&str, f64)> = benchmarks.iter().map(|(name, _)| (*name, 12.5 + n as f64 / 10.0)).collect();
        let head: Vec<(&str, f64)> = base
            .iter()
            .zip(benchmarks)
            .map(|((name, value), (_, times))| (*name, value * times * (1.0 + noise / 100.0)))
            .collect();
        Round { base: measured(&base), head: measured(&head) }
    });
    Rounds { list: list.collect(), wanted: 12, cut_short: None }
}

fn left_behind(rounds: Rounds) -> Evidence {
    let head = rounds.list.last().map(|round| round.head.clone()).unwrap_or_else(|| measured(&[("parse", 12.5)]));
    Evidence { reports: [(ReportKind::Benchmarks, head)].into(), rounds: Some(rounds), ..Evidence::of(Exit::Code { code: 0 }) }
}

fn judged(config: &GateConfig, rounds: Rounds) -> Judgement {
    gates::judge(config, &left_behind(rounds))
}

fn said(judgement: &Judgement) -> String {
    let verdict = &judgement.verdict;
    format!("{:?}: {} [{}]", verdict.status, verdict.title, verdict.change)
}

#[test]
fn a_benchmark_that_got_slower_than_allowed_is_named_with_its_interval() {
    let judgement = judged(&interleaved("5"), rounds(&[("parse", 1.0), ("render | <b>@all</b>", 1.12), ("load", 0.8)]));
    assert_snapshot!(said(&judgement), @"Failed: 1 of 3 benchmarks more than 5 % slower, 1 faster [12.2 % slower (11.4..12.9 %)]");
    assert_snapshot!(judgement.verdict.summary, @r"
    Base and head were measured in turn in the same sandbox, 12 rounds. Where none is more than 5 % slower, one is said to be so in at most 2.5 % of runs. This is a sign-flip test of the rounds' ratios, for all benchmarks together; it assumes nothing of how the noise is shaped.

    | benchmark | base | head | slower by | 95 % interval | |
    |---|--:|--:|--:|--:|---|
    | `render \| <b>@all</b>` | 13.1 ms | 14.8 ms | +12.2 % | +11.4 % to +12.9 % | **too slow** |
    | `parse` | 13.1 ms | 13.2 ms | +0.16 % | -0.5 % to +0.79 % | no change |
    | `load` | 13.1 ms | 10.6 ms | -19.9 % | -20.4 % to -19.4 % | faster |
    ");
}

#[test]
fn nothing_changed_is_a_pass() {
    assert_snapshot!(said(&judged(&interleaved("5"), rounds(&[("parse", 1.0)]))), @"Passed: 1 benchmark, none slower [no change (-0.5..0.79 %)]");
    assert_snapshot!(said(&judged(&interleaved("0"), rounds(&[("parse", 1.0)]))), @"Passed: 1 benchmark, none slower [no change (-0.5..0.79 %)]");
    assert_snapshot!(said(&judged(&interleaved("5"), rounds(&[("parse", 1.03)]))), @"Passed: 1 of 1 benchmark slower, within what is allowed [3.17 % slower (2.49..3.82 %)]");
    assert_snapshot!(said(&judged(&interleaved("5"), rounds(&[("parse", 0.5), ("load", 1.0)]))), @"Passed: 2 benchmarks, none slower, 1 faster [none slower]");
}

#[test]
fn without_a_limit_nothing_fails_and_all_is_told() {
    let config = gate(", compare: interleaved");
    assert_snapshot!(said(&judged(&config, rounds(&[("parse", 1.5), ("load", 1.0)]))), @"Passed: 1 of 2 benchmarks slower [50.2 % slower (49.3..51.2 %)]");
}

#[test]
fn what_cannot_be_told_is_neither_a_proof_nor_a_failure() {
    let mut few = rounds(&[("parse", 1.2)]);
    few.list.truncate(4);
    few.cut_short = Some("the gate's time of 300 s does not allow for more".to_owned());
    let judgement = judged(&interleaved("5"), few);
    assert_snapshot!(said(&judgement), @"Passed: inconclusive for 1 of 1 benchmark [unclear]");
    assert_snapshot!(judgement.verdict.summary, @r"
    Base and head were measured in turn in the same sandbox, 4 rounds. Where none is more than 5 % slower, one is said to be so in at most 2.5 % of runs. This is a sign-flip test of the rounds' ratios, for all benchmarks together; it assumes nothing of how the noise is shaped.

    Measured were 4 of 12 rounds: the gate's time of 300 s does not allow for more.

    | benchmark | base | head | slower by | 95 % interval | |
    |---|--:|--:|--:|--:|---|
    | `parse` | 12.7 ms | 15.4 ms | +20.2 % |  | unclear |

    1 benchmark may be more than 5 % slower, or not: the measurements are too few for it or vary too much. That is no failure and no proof. More rounds, longer benchmarks or a quieter machine tell more.
    ");
}

#[test]
fn a_base_that_cannot_be_measured_is_not_the_changes_fault() {
    let cause = "the command fails on the base, with exit code 101".to_owned();
    let judgement = judged(&interleaved("5"), Rounds { list: Vec::new(), wanted: 20, cut_short: Some(cause) });
    assert_snapshot!(said(&judgement), @"Passed: inconclusive: 1 benchmark, none compared []");
    assert_snapshot!(judgement.verdict.summary, @r"
    Measured were 0 of 20 rounds: the command fails on the base, with exit code 101.

    | benchmark | base | head | slower by | 95 % interval | |
    |---|--:|--:|--:|--:|---|
    | `parse` |  | 12.5 ms |  |  | not compared |
    ");
}

#[test]
fn benchmarks_that_came_or_went_are_named() {
    let mut all = rounds(&[("parse", 1.0), ("load", 1.0)]);
    for round in &mut all.list {
        round.head = measured(&[("parse", 12.5), ("brand new", 3.0)]);
    }
    all.list[3].head = measured(&[("parse", 12.5)]);
    let judgement = judged(&interleaved("50"), all);
    assert_snapshot!(said(&judgement), @"Passed: 3 benchmarks, none slower, 1 faster [4.2 % faster (-6.34..-1.98 %)]");
    assert!(judgement.verdict.summary.contains("| `load` | 13.1 ms |  |  |  | gone |"), "{}", judgement.verdict.summary);
    assert!(judgement.verdict.summary.contains("| `brand new` |  | 3 ms |  |  | new |"), "{}", judgement.verdict.summary);
}

#[test]
fn speeds_are_worse_when_they_fall_and_nothing_to_something_has_a_size() {
    let both = |base: &str, head: &str| {
        let list = (0..12).map(|_| Round { base: reports(base.to_owned()), head: reports(head.to_owned()) }).collect();
        said(&judged(&interleaved("5"), Rounds { list, wanted: 12, cut_short: None }))
    };
    let speed = |value: u32| format!(r#"[{{"name": "x", "unit": "ops/s", "better": "bigger", "value": {value}}}]"#);
    assert_snapshot!(both(&speed(200), &speed(100)), @"Failed: 1 of 1 benchmark more than 5 % slower [100 % slower (100..100 %)]");
    assert_snapshot!(both(&speed(100), &speed(200)), @"Passed: 1 benchmark, none slower, 1 faster [50 % faster (-50..-50 %)]");
    let bytes = |value: u32| format!(r#"[{{"name": "x", "unit": "B/op", "value": {value}}}]"#);
    assert_snapshot!(both(&bytes(0), &bytes(0)), @"Passed: 1 benchmark, none slower [no change (0..0 %)]");
    assert_snapshot!(both(&bytes(0), &bytes(16)), @"Failed: 1 of 1 benchmark more than 5 % slower [over 1000 times slower]");
}

#[test]
fn a_unit_changes_nothing() {
    let in_unit = |times: f64, unit: &str| {
        let mut all = rounds(&[]);
        for (round, noise) in all.list.iter_mut().zip(NOISE) {
            let one =
                |value: f64| reports(serde_json::json!([{ "name": "x", "unit": unit, "value": value * times }]).to_string());
            (round.base, round.head) = (one(2.0), one(2.0 * (1.1 + noise / 100.0)));
        }
        judged(&interleaved("5"), all).verdict.summary
    };
    assert_eq!(in_unit(1.0, "ms"), in_unit(1e6, "ns"));
    assert_eq!(in_unit(1.0, "s"), in_unit(1e9, "ns"));
}

/// What runs of the base branch kept, one a value.
fn history(values: &[f64]) -> Vec<Past> {
    let one = |value: &f64| {
        let head = gates::judge(&gate(""), &plain(*value));
        let (run, commit) = ("0199e2a4-7c1e-7000-8000-000000000000".parse().unwrap(), "0123456789".repeat(4).parse().unwrap());
        Past { run, commit, at: Timestamp::UNIX_EPOCH, exact: false, facts: head.facts }
    };
    values.iter().map(one).collect()
}

fn plain(value: f64) -> Evidence {
    Evidence { reports: [(ReportKind::Benchmarks, measured(&[("parse", value)]))].into(), ..Evidence::of(Exit::Code { code: 0 }) }
}

#[test]
fn against_history_the_spread_between_runs_counts() {
    let config = gate(", require: { slower-at-most: 10 }");
    let against = |value: f64, past: &[f64]| gates::judge(&config, &Evidence { history: history(past), ..plain(value) });
    let calm = [12.5, 12.6, 12.4, 12.5, 12.7, 12.5];
    assert_snapshot!(said(&against(12.6, &calm)), @"Passed: 1 benchmark, none slower [no change (-1.74..2.86 %)]");
    assert_snapshot!(said(&against(15.0, &calm)), @"Failed: 1 of 1 benchmark more than 10 % slower [19.7 % slower (17..22.4 %)]");
    assert_snapshot!(said(&against(15.0, &[12.5, 9.0, 15.0, 12.0, 17.0])), @"Passed: inconclusive for 1 of 1 benchmark [unclear (-43.9..145 %)]");
    assert_snapshot!(said(&against(15.0, &[12.5, 12.5])), @"Passed: inconclusive for 1 of 1 benchmark [unclear]");
    assert_snapshot!(said(&against(15.0, &[])), @"Passed: inconclusive: 1 benchmark, none compared []");
    assert_snapshot!(against(15.0, &calm).verdict.summary, @r"
    Compared with 6 earlier runs of the base branch. Where none is more than 10 % slower, one is said to be so in at most 2.5 % of runs. This is Student's test of one further run, for all benchmarks together (Holm); it takes runs to vary about normally. Runs are sessions of their own and vary more than rounds of one: `compare: interleaved` tells smaller changes.

    | benchmark | base | head | slower by | 95 % interval | |
    |---|--:|--:|--:|--:|---|
    | `parse` | 12.5 ms | 15 ms | +19.7 % | +17 % to +22.4 % | **too slow** |
    ");
}

#[test]
fn a_report_that_cannot_be_read_is_an_error_and_none_is_no_pass() {
    let with = |reports: Reports, code: i64| {
        let evidence = Evidence { reports: [(ReportKind::Benchmarks, reports)].into(), ..Evidence::of(Exit::Code { code }) };
        let verdict = gates::judge(&gate(""), &evidence).verdict;
        format!("{:?}: {}\n{}", verdict.status, verdict.title, verdict.summary)
    };
    assert_snapshot!(with(reports("[{\"name\": \"x\", \"value\": NaN}]".to_owned()), 0), @r"
    Errored: a report cannot be read
    The report `out.json` cannot be read: `line 1, column 25: expected value`
    ");
    assert_snapshot!(with(reports("hello".to_owned()), 0), @r"
    Errored: a report cannot be read
    The report `out.json` is in no format of benchmarks that is known.
    ");
    assert_snapshot!(with(Reports::default(), 0), @r"
    Errored: no benchmark report
    No file matches `out.json`. `benchmark` in the repository file says where the command writes its report.
    ");
    assert_snapshot!(with(Reports::default(), 1), @r"
    Failed: exit code 1; no benchmark report
    The command ended with exit code 1.

    No file matches `out.json`. `benchmark` in the repository file says where the command writes its report.
    ");
}

#[test]
fn more_benchmarks_than_can_be_compared_are_refused() {
    let names: Vec<String> = (0..=BenchmarkFacts::LIST_MAX).map(|n| format!("b{n}")).collect();
    let many: Vec<(&str, f64)> = names.iter().map(|name| (name.as_str(), 1.0)).collect();
    let evidence =
        Evidence { reports: [(ReportKind::Benchmarks, measured(&many))].into(), ..Evidence::of(Exit::Code { code: 0 }) };
    assert_snapshot!(said(&gates::judge(&gate(""), &evidence)), @"Errored: a report cannot be read []");
}

#[test]
fn a_folder_is_what_criterion_wrote_into_it() {
    let config = gate("").clone();
    let config = GateConfig {
        benchmark: gatewright_core::config::Benchmark { reports: vec!["target/criterion".to_owned()], ..config.benchmark },
        ..config
    };
    assert_eq!(
        gates::reports_wanted(&config)[0].1,
        ["target/criterion", "target/criterion/**/new/{benchmark,sample,estimates}.json", "target/criterion/*.{json,txt}"]
    );
    let file = |name: &str, text: &str| ReportFile::new(format!("target/criterion/fib/{name}"), text.as_bytes().to_vec());
    let files = vec![
        file("new/benchmark.json", r#"{"full_id": "fib 10"}"#),
        file("new/sample.json", r#"{"iters": [1.0, 2.0], "times": [100.0, 220.0]}"#),
        file("base/benchmark.json", r#"{"full_id": "fib 10"}"#),
        file("base/sample.json", r#"{"iters": [1.0], "times": [1.0]}"#),
    ];
    let reports = Reports { files, errors: Vec::new() };
    let evidence = Evidence { reports: [(ReportKind::Benchmarks, reports)].into(), ..Evidence::of(Exit::Code { code: 0 }) };
    let Facts { benchmarks: Some(facts), .. } = gates::judge(&config, &evidence).facts else { panic!("nothing is kept") };
    assert_eq!((facts.list[0].name.as_str(), facts.list[0].samples, facts.list[0].median), ("fib 10", 2, 105.0));
}
