//! Reports that the tools themselves wrote (`data/README.md`), read beside a second, plain reader: what the report itself states, or the
//! same run in another of the tool's formats.

use std::collections::{BTreeMap, BTreeSet};

use gatewright_reports::benchmarks::{BenchmarkFormat, Benchmarks};
use gatewright_reports::coverage::{self, CoverageFormat};
use gatewright_reports::findings::{self, FindingsFormat};
use gatewright_reports::testing::{self, TestFormat};
use gatewright_reports::{SNIFF_BYTES, benchmarks};
use serde_json::Value;

/// Files of `data`, each with its name.
macro_rules! data {
    ($($file:literal),+ $(,)?) => {
        [$(($file, include_str!(concat!("../data/", $file)))),+]
    };
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn read(format: BenchmarkFormat, name: &str, text: &str) -> Benchmarks {
    assert_eq!(benchmarks::sniff(text.as_bytes()), Some(format), "{name}");
    benchmarks::read(format, text.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn mean(samples: &[f64]) -> f64 {
    samples.iter().sum::<f64>() / samples.len() as f64
}

fn assert_close(ours: f64, stated: f64, name: &str) {
    assert!((ours - stated).abs() <= stated.abs() * 1e-6, "{name}: {ours} is read, {stated} is stated");
}

#[test]
fn of_pytest_benchmark_every_test_has_the_mean_and_the_rounds_that_are_stated() {
    for (name, text) in data![
        "benchmarks/pytest-stats.json",
        "benchmarks/pytest-data.json",
        "benchmarks/pytest-failures.json",
        "benchmarks/pytest-gc.json",
    ] {
        let (found, stated) = (read(BenchmarkFormat::Pytest, name, text), json(text));
        let stated = list(&stated, "benchmarks");
        assert_eq!(found.list.len(), stated.len(), "{name}");
        for (one, stated) in found.list.iter().zip(stated) {
            assert_eq!(one.name, stated["fullname"].as_str().unwrap());
            assert_eq!(one.samples.len() as u64, stated["stats"]["rounds"].as_u64().unwrap(), "{name} {}", one.name);
            assert_close(mean(&one.samples), stated["stats"]["mean"].as_f64().unwrap(), name);
        }
    }
}

#[test]
fn of_google_benchmark_repetitions_are_samples_and_aggregates_are_none_unless_they_are_all_there_is() {
    for (name, text) in data![
        "benchmarks/google-plain.json",
        "benchmarks/google-repeated.json",
        "benchmarks/google-aggregates.json",
        "benchmarks/google-complexity.json",
        "benchmarks/google-errors.json",
    ] {
        let (found, stated) = (read(BenchmarkFormat::Google, name, text), json(text));
        let nanoseconds = |row: &Value| {
            let unit = match row["time_unit"].as_str().unwrap() {
                "ns" => 1.0,
                "us" => 1e3,
                "ms" => 1e6,
                "s" => 1e9,
                other => panic!("{other}"),
            };
            row["real_time"].as_f64().unwrap() * unit
        };
        let mut samples: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        let (failed, rows): (Vec<&Value>, Vec<&Value>) =
            list(&stated, "benchmarks").iter().partition(|row| row["error_occurred"] == Value::Bool(true));
        let is = |row: &Value, kind: &str| row["run_type"] == kind;
        let alone = !rows.iter().any(|row| is(row, "iteration"));
        for row in rows {
            if is(row, "iteration") || alone && row["aggregate_name"] == "mean" {
                samples.entry(row["run_name"].as_str().unwrap().to_owned()).or_default().push(nanoseconds(row));
            }
        }
        let ours: BTreeMap<String, f64> = found.list.iter().map(|one| (one.name.clone(), mean(&one.samples))).collect();
        assert_eq!(ours.keys().collect::<Vec<_>>(), samples.keys().collect::<Vec<_>>(), "{name}");
        for (of, samples) in &samples {
            assert_close(ours[of], mean(samples), name);
        }
        assert_eq!(found.problems.len(), failed.len(), "{name}: {:?}", found.problems);
    }
}

#[test]
fn of_go_every_value_of_every_line_is_a_sample() {
    for (name, text) in
        data!["benchmarks/go/plain.txt", "benchmarks/go/mem.txt", "benchmarks/go/cpus.txt", "benchmarks/go/failing.txt"]
    {
        let found = read(BenchmarkFormat::Go, name, text);
        let mut values: BTreeMap<(String, String), Vec<f64>> = BTreeMap::new();
        let (mut package, mut failures) = ("", 0);
        for line in text.lines() {
            package = line.strip_prefix("pkg: ").unwrap_or(package);
            failures += usize::from(line.starts_with("--- FAIL"));
            let words: Vec<&str> = line.split_whitespace().collect();
            if words.len() < 4 || !words[0].starts_with("Benchmark") {
                continue;
            }
            for pair in words[2..].chunks_exact(2) {
                let key = (format!("{package} {}", words[0]), pair[1].to_owned());
                values.entry(key).or_default().push(pair[0].parse().unwrap());
            }
        }
        let ours: BTreeMap<(String, String), Vec<f64>> =
            found.list.iter().map(|one| ((one.name.clone(), one.unit.clone()), one.samples.clone())).collect();
        assert_eq!(ours, values, "{name}");
        assert_eq!(found.problems.len(), failures, "{name}: {:?}", found.problems);
    }
}

#[test]
fn of_coverage_py_the_totals_are_those_that_it_states_and_its_lcov_has_the_same_lines() {
    let totals = |name: &str, text: &str| {
        let format = coverage::sniff(name, &text.as_bytes()[..text.len().min(SNIFF_BYTES)]).unwrap();
        let totals = coverage::read(format, text.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}")).totals();
        (format, totals)
    };
    for (name, text) in data![
        "coverage/coveragepy-branch.json",
        "coverage/coveragepy-pretty.json",
        "coverage/coveragepy-contexts.json",
        "coverage/coveragepy-omitted.json",
    ] {
        let (format, found) = totals(name, text);
        assert_eq!(format, CoverageFormat::CoveragePy, "{name}");
        let stated = json(text);
        let stated = |key: &str| stated["totals"][key].as_u64().unwrap_or_default();
        assert_eq!((found.lines.covered, found.lines.total), (stated("covered_lines"), stated("num_statements")), "{name}");
        assert_eq!(
            (found.branches.covered, found.branches.total),
            (stated("covered_branches"), stated("num_branches")),
            "{name}"
        );
    }
    for ((json_name, json), (lcov_name, lcov)) in [
        data!["coverage/coveragepy-branch.json", "coverage/coveragepy-branch.lcov"],
        data!["coverage/coveragepy-contexts.json", "coverage/coveragepy-contexts.lcov"],
        data!["coverage/coveragepy-omitted.json", "coverage/coveragepy-omitted.lcov"],
    ]
    .map(|[json, lcov]| (json, lcov))
    {
        assert_eq!(totals(json_name, json).1, totals(lcov_name, lcov).1, "{lcov_name}");
    }
}

#[test]
fn ruffs_rdjson_has_the_rules_and_places_of_its_json() {
    for [(name, rdjson), (_, plain)] in [
        data!["findings/ruff/all.rdjson", "findings/ruff/all.json"],
        data!["findings/ruff/default.rdjson", "findings/ruff/default.json"],
        data!["findings/ruff/broken.rdjson", "findings/ruff/broken.json"],
        data!["findings/ruff/clean.rdjson", "findings/ruff/clean.json"],
    ] {
        assert_eq!(findings::sniff(name, rdjson.as_bytes()), Some(FindingsFormat::RdJson), "{name}");
        let found = findings::read(FindingsFormat::RdJson, rdjson.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let place = |finding: &findings::Finding| {
            let location = finding.location.as_ref().unwrap();
            (location.path.to_string(), u64::from(location.range.unwrap().start_line), finding.rule.id.clone())
        };
        let mut ours: Vec<_> = found.list.iter().map(place).collect();
        let plain = json(plain);
        let stated = |row: &Value| {
            let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
            (text("filename"), row["location"]["row"].as_u64().unwrap(), text("code"))
        };
        let mut stated: Vec<_> = plain.as_array().unwrap().iter().map(stated).collect();
        ours.sort();
        stated.sort();
        assert_eq!(ours, stated, "{name}");
    }
}

#[test]
fn libtest_and_nextest_count_as_the_ends_of_their_suites_do() {
    for (name, text) in data![
        "testing/libtest.json",
        "testing/libtest-all.json",
        "testing/libtest-shown.json",
        "testing/libtest-ignored.json",
        "testing/libtest-doc.json",
        "testing/nextest-all.json",
        "testing/nextest-good.json",
        "testing/nextest-ignored.json",
        "testing/nextest-plus.json",
    ] {
        assert_eq!(testing::sniff(text.as_bytes()), Some(TestFormat::Libtest), "{name}");
        let run = testing::read(TestFormat::Libtest, text.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        // How many were ignored is counted from the tests: nextest's suites count those that they do not have, too. Of one that a filter
        // leaves out it says that it begins, and no more.
        let mut stated = [0; 2];
        let [mut ignored, mut begun, mut ended, mut failed] = [(); 4].map(|()| BTreeSet::new());
        for line in text.lines().map(json) {
            let name = line["name"].as_str().unwrap_or_default().to_owned();
            match (line["type"].as_str().unwrap(), line["event"].as_str().unwrap_or_default()) {
                ("suite", "started") => {}
                ("suite", _) => {
                    for (sum, key) in stated.iter_mut().zip(["passed", "failed"]) {
                        *sum += line[key].as_u64().unwrap();
                    }
                }
                ("test", "started") => drop(begun.insert(name)),
                ("test", "ignored") => drop(ignored.insert(name)),
                ("test", event) => {
                    if event == "failed" {
                        failed.insert(name.clone());
                    }
                    // Of several tries each has a number.
                    ended.insert(name.split_once('#').map_or(name.as_str(), |(name, _)| name).to_owned());
                }
                _ => {}
            }
        }
        ignored.extend(begun.difference(&ended).cloned());
        let stated = [stated[0], stated[1], ignored.len() as u64];
        let counts = run.counts;
        assert_eq!([counts.passed, counts.failed + counts.errored, counts.skipped], stated, "{name}");
        assert_eq!(run.bad.len(), failed.len(), "{name}: {:?} and {failed:?}", run.bad);
    }
}
