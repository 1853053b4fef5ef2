//! Benchmark reports of real tools.

use std::collections::BTreeMap;

use gatewright_reports::benchmarks::{BenchmarkFormat, Benchmarks, Better, read, read_criterion, sniff};

use crate::fixtures::{files, folder, report};

fn good(format: BenchmarkFormat, text: impl AsRef<[u8]>) -> Benchmarks {
    read(format, text.as_ref()).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(format: BenchmarkFormat, text: impl AsRef<[u8]>) -> String {
    read(format, text.as_ref()).expect_err("it is refused").to_string()
}

/// Name, unit, how many samples, and their mean to seven digits.
fn shown(benchmarks: &Benchmarks) -> Vec<String> {
    let shown = benchmarks.list.iter().map(|measurement| {
        let mean = measurement.samples.iter().sum::<f64>() / measurement.samples.len() as f64;
        format!("{} [{}] {} x {mean:.6e}", measurement.name, measurement.unit, measurement.samples.len())
    });
    shown.collect()
}

fn check(format: BenchmarkFormat, path: &str, expected: &[&str]) -> Option<Benchmarks> {
    let bytes = report(path)?;
    assert_eq!(sniff(&bytes), Some(format), "{path}");
    let benchmarks = good(format, &bytes);
    assert_eq!(shown(&benchmarks), expected, "{path}");
    Some(benchmarks)
}

#[test]
fn hyperfine_means_are_its_own() {
    // The means are those that hyperfine states.
    let two = ["sleep 0.1 [s] 27 x 1.075345e-1", "sleep 0.2 [s] 13 x 2.085140e-1"];
    check(BenchmarkFormat::Hyperfine, "bench/bencher/shell__hyperfine__two.json", &two);
    check(BenchmarkFormat::Hyperfine, "generated/hyperfine/single.json", &["sleep 0.01 [s] 8 x 1.199422e-2"]);
    check(BenchmarkFormat::Hyperfine, "generated/hyperfine/unicode-name.json", &["naïve|name \"quoted\" [s] 4 x 9.037713e-3"]);
    let text = r#"{"results":[{"command":"x","mean":1,"parameters":{"n":"1"}},{"command":"x","mean":2,"parameters":{"n":"2"}}]}"#;
    assert_eq!(shown(&good(BenchmarkFormat::Hyperfine, text)), ["x n=1 [s] 1 x 1.000000e0", "x n=2 [s] 1 x 2.000000e0"]);
}

/// The means in a table of hyperfine's. Its names may hold what ends a line or a cell elsewhere; none of these does.
fn means(table: &str) -> Vec<f64> {
    let header: Vec<&str> = table.lines().next().unwrap().split(',').collect();
    let behind = header.len() - header.iter().position(|name| *name == "mean").unwrap();
    let mean = |row: &str| row.rsplit(',').nth(behind - 1).unwrap().parse().unwrap();
    table.lines().skip(1).map(mean).collect()
}

#[test]
fn hyperfines_means_are_those_of_its_table_whatever_it_was_asked_for() {
    macro_rules! run {
        ($name:literal) => {
            (
                $name,
                include_str!(concat!("../data/benchmarks/hyperfine-", $name, ".json")),
                include_str!(concat!("../data/benchmarks/hyperfine-", $name, ".csv")),
            )
        };
    }
    let runs = [run!("several"), run!("parameters"), run!("lists"), run!("failures"), run!("names"), run!("one")];
    let mut names = Vec::new();
    for (name, json, table) in runs {
        assert_eq!(sniff(json.as_bytes()), Some(BenchmarkFormat::Hyperfine), "{name}");
        let found = good(BenchmarkFormat::Hyperfine, json);
        let stated = means(table);
        assert_eq!(found.list.len(), stated.len(), "{name}");
        for (one, stated) in found.list.iter().zip(stated) {
            let mean = one.samples.iter().sum::<f64>() / one.samples.len() as f64;
            assert!((mean - stated).abs() <= stated * 1e-6, "{name}: {mean} is read, {stated} is stated");
            names.push(one.name.clone());
        }
    }
    assert_eq!(names.len(), 15, "{names:?}");
    assert!(
        names.contains(&"build: fast 🚀".to_owned()) && names.contains(&"echo small a how=a size=small".to_owned()),
        "{names:?}"
    );
}

#[test]
fn pytest_benchmark_means_are_its_own() {
    let expected = ["test_b.py::test_fib[5] [s] 152 x 1.310558e-6", "test_b.py::test_fib[10] [s] 78 x 1.392523e-5"];
    check(BenchmarkFormat::Pytest, "generated/pytest/benchmark.json", &expected);
    // Of this file most samples were left out by hand, so the means that it states are what is left.
    let expected = [
        "bench.py::test_fib_1 [s] 1 x 1.499561e-7",
        "bench.py::test_fib_10 [s] 1 x 2.885754e-5",
        "bench.py::test_fib_20 [s] 1 x 3.611916e-3",
        "bench.py::test_sleep_2 [s] 5 x 2.003843e0",
    ];
    check(BenchmarkFormat::Pytest, "bench/github-action-benchmark/pytest_several_units.json", &expected);
}

#[test]
fn google_benchmark_is_read_in_nanoseconds() {
    let expected = ["fib_10 [ns] 1 x 2.149898e2", "fib_20 [ns] 1 x 2.745560e4"];
    check(BenchmarkFormat::Google, "bench/github-action-benchmark/googlecpp_output.json", &expected);
    check(BenchmarkFormat::Google, "bench/bencher/cpp__google__two.txt", &expected);
    let text = r#"{"context":{},"benchmarks":[
        {"name":"a/8","run_name":"a","run_type":"iteration","real_time":1.5,"time_unit":"us"},
        {"name":"a/8","run_name":"a","run_type":"iteration","real_time":2500,"time_unit":"ns"},
        {"name":"a_mean","run_name":"a","run_type":"aggregate","aggregate_name":"mean","real_time":2,"time_unit":"us"},
        {"name":"b_mean","run_name":"b","run_type":"aggregate","aggregate_name":"mean","real_time":3,"time_unit":"ms"},
        {"name":"b_cv","run_name":"b","run_type":"aggregate","aggregate_name":"cv","real_time":0.1,"time_unit":"ms"},
        {"name":"c","error_occurred":true,"error_message":"no device"}]}"#;
    let benchmarks = good(BenchmarkFormat::Google, text);
    assert_eq!(shown(&benchmarks), ["a [ns] 2 x 2.000000e3", "b [ns] 1 x 3.000000e6"]);
    assert_eq!(benchmarks.problems, ["c: no device"]);
}

#[test]
fn jmh_scores_are_its_own() {
    let name = "caffeine.cache.ComputeBenchmark.compute";
    let expected = [
        format!("com.github.caffeine.{name}_sameKey computeType=Caffeine [ops/s] 3 x 1.525201e8"),
        format!("com.github.guava.{name}_sameKey computeType=Guava [ops/s] 3 x 2.994572e7"),
        format!("com.github.hashmap.{name}_sameKey computeType=ConcurrentHashMap [ops/s] 3 x 7.828948e6"),
        format!("com.github.caffeine.{name}_spread computeType=Caffeine [ops/s] 3 x 7.581322e7"),
        format!("com.github.guava.{name}_spread computeType=Guava [ops/s] 3 x 3.270998e7"),
        format!("com.github.hashmap.{name}_spread computeType=ConcurrentHashMap [ops/s] 3 x 1.136409e8"),
    ];
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    let Some(benchmarks) = check(BenchmarkFormat::Jmh, "bench/bencher/java__jmh__six.json", &expected) else { return };
    assert!(benchmarks.list.iter().all(|measurement| measurement.better == Better::Bigger));
    let sampled = r#"[{"benchmark":"b","mode":"sample","primaryMetric":{"score":2.5,"scoreError":"NaN","scoreConfidence":[2.0,3.0],"scoreUnit":"ms/op"}}]"#;
    let benchmarks = good(BenchmarkFormat::Jmh, sampled);
    assert_eq!((benchmarks.list[0].better, benchmarks.list[0].interval), (Better::Smaller, Some((2.0, 3.0))));
}

#[test]
fn go_benchmarks_have_a_measurement_a_unit_and_a_sample_a_run() {
    let five = [
        "BenchmarkFib10-8 [ns/op] 1 x 3.250000e2",
        "BenchmarkFib20 [ns/op] 1 x 4.053712e4",
        "BenchmarkFib/my_tabled_benchmark_-_10-8 [ns/op] 1 x 3.250000e2",
        "BenchmarkFib/my_tabled_benchmark_-_20 [ns/op] 1 x 4.053712e4",
        "BenchmarkFib/my/tabled/benchmark_-_20 [ns/op] 1 x 4.053746e4",
    ];
    check(BenchmarkFormat::Go, "bench/bencher/go__bench__five.txt", &five);
    let Some(bytes) = report("bench/github-action-benchmark/go_output.txt") else { return };
    let benchmarks = good(BenchmarkFormat::Go, bytes);
    assert_eq!(benchmarks.list.len(), 10);
    assert_eq!(shown(&benchmarks)[9], "BenchmarkFib22-16 [auxMetricUnits] 1 x 4.000000e0");
    let runs = "pkg: example.com/m\nBenchmarkA-8\n  a_test.go:3: log\nBenchmarkA-8 10 2.0 ns/op 5 MB/s\nBenchmarkA-8 10 4.0 ns/op 6 MB/s\n--- FAIL: BenchmarkB-8\n";
    let benchmarks = good(BenchmarkFormat::Go, runs);
    let expected = ["example.com/m BenchmarkA-8 [ns/op] 2 x 3.000000e0", "example.com/m BenchmarkA-8 [MB/s] 2 x 5.500000e0"];
    assert_eq!(shown(&benchmarks), expected);
    assert_eq!(
        (benchmarks.list[1].better, benchmarks.problems.as_slice()),
        (Better::Bigger, ["BenchmarkB-8 failed".to_owned()].as_slice())
    );
}

#[test]
fn cargo_bench_states_a_value_and_an_interval() {
    let Some(benchmarks) =
        check(BenchmarkFormat::Cargo, "bench/bencher/rust__bench__one.txt", &["tests::benchmark [ns/iter] 1 x 3.161000e3"])
    else {
        return;
    };
    assert_eq!(benchmarks.list[0].interval, Some((2186.0, 4136.0)));
    for (path, count) in [
        ("bench/github-action-benchmark/cargo_output2.txt", 4),
        ("bench/github-action-benchmark/cargo_output3.txt", 2),
        ("bench/github-action-benchmark/cargo_output_units.txt", 5),
        ("bench/bencher/rust__bench__many.txt", 6),
    ] {
        let Some(bytes) = report(path) else { return };
        assert_eq!(good(BenchmarkFormat::Cargo, bytes).list.len(), count, "{path}");
    }
    let Some(none) = report("bench/bencher/rust__bench__zero.txt") else { return };
    assert!(refused(BenchmarkFormat::Cargo, none).contains("no measurement is in it"));
}

#[test]
fn a_plain_list_is_read() {
    let Some(bytes) = report("bench/github-action-benchmark/customSmallerIsBetter_output2.json") else { return };
    let expected = [
        "No instrumentation [ns] 1 x 9.094390e1",
        "Deactivated probe [ns] 1 x 4.456610e2",
        "No logging [ns] 1 x 1.847380e3",
        "Binary file [ns] 1 x 3.886750e3",
    ];
    assert_eq!(shown(&good(BenchmarkFormat::Plain, &bytes)), expected);
    assert_eq!(sniff(&bytes), Some(BenchmarkFormat::Plain));
    let text = r#"[{"name":"rate","unit":"req/s","samples":[1,2,3],"better":"bigger"}]"#;
    let benchmarks = good(BenchmarkFormat::Plain, text);
    assert_eq!((shown(&benchmarks)[0].as_str(), benchmarks.list[0].better), ("rate [req/s] 3 x 2.000000e0", Better::Bigger));
}

#[test]
fn criterions_folder_is_read() {
    let Some(root) = folder("generated/criterion") else { return };
    let read = |path: &std::path::Path| {
        let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        (name, std::fs::read(path).unwrap())
    };
    let mut found: BTreeMap<String, Vec<u8>> = files("generated/criterion").iter().map(|path| read(path)).collect();
    let benchmarks = read_criterion(&found).unwrap();
    // The slopes that Criterion states; of the third benchmark the fixture has neither samples nor estimates.
    assert_eq!(shown(&benchmarks)[0], "fib 10 [ns] 1 x 2.335535e3");
    assert_eq!(benchmarks.list[0].interval, Some((1_373.532_714_480_729_3, 3_086.521_489_283_742)));
    assert_eq!(benchmarks.list.len(), 2);
    assert_eq!(benchmarks.problems, ["group/ünï/sum/64 has neither samples nor estimates"]);
    let sample = br#"{"sampling_mode":"Linear","iters":[1.0,2.0,4.0],"times":[10.0,24.0,40.0]}"#;
    found.insert("fib 10/new/sample.json".to_owned(), sample.to_vec());
    let benchmarks = read_criterion(&found).unwrap();
    assert_eq!((benchmarks.list[0].samples.as_slice(), benchmarks.list[0].interval), ([10.0, 12.0, 10.0].as_slice(), None));
    for (sample, cause) in [
        (r#"{"iters":[1.0],"times":[]}"#, "fib 10/new/sample.json: line 1, column 1: 1 counts and 0 times"),
        (r#"{"iters":[0.0],"times":[1.0]}"#, "has the sample inf"),
        (r#"{"iters":[1.0],"times":[-1.0]}"#, "has the sample -1"),
        (r#"{"iters":[1.0],"ti"#, "fib 10/new/sample.json: line 1, column 18: EOF"),
    ] {
        found.insert("fib 10/new/sample.json".to_owned(), sample.as_bytes().to_vec());
        let error = read_criterion(&found).unwrap_err().to_string();
        assert!(error.contains(cause), "{error}");
    }
    assert!(read_criterion(&BTreeMap::new()).unwrap_err().to_string().contains("no measurement is in it"));
}

#[test]
fn what_cannot_be_measured_is_refused_where_it_stands() {
    for (format, text, error) in [
        (BenchmarkFormat::Go, "BenchmarkA 1 NaN ns/op\n", "line 1, column 1: \"BenchmarkA\" has the sample NaN"),
        (BenchmarkFormat::Go, "x\nBenchmarkA 1 -5 ns/op\n", "line 2, column 1: \"BenchmarkA\" has the sample -5"),
        (BenchmarkFormat::Go, "BenchmarkA 1 5\n", "the value \"5\" has no unit"),
        (BenchmarkFormat::Go, "BenchmarkA 1 5x ns/op\n", "\"5x\" is no number"),
        (BenchmarkFormat::Go, "PASS\n", "no measurement is in it"),
        (BenchmarkFormat::Hyperfine, "{\"results\":[{\"command\":\"x\",\"mean\":NaN}]}", "line 1, column 35: expected value"),
        (BenchmarkFormat::Hyperfine, "{\"results\":[{\"command\":\"x\",\"mean\":1e999}]}", "number out of range"),
        (BenchmarkFormat::Hyperfine, "{\"results\":[]}", "no measurement is in it"),
        (
            BenchmarkFormat::Pytest,
            "{\"benchmarks\":[{\"fullname\":\"x\",\"stats\":{\"mean\":1,\"data\":[-1]}}]}",
            "has the sample -1",
        ),
        (
            BenchmarkFormat::Google,
            "{\"benchmarks\":[{\"name\":\"x\",\"real_time\":1,\"time_unit\":\"h\"}]}",
            "the time unit \"h\"",
        ),
        (
            BenchmarkFormat::Jmh,
            "[{\"benchmark\":\"x\",\"mode\":\"avgt\",\"primaryMetric\":{\"score\":\"NaN\",\"scoreUnit\":\"s\"}}]",
            "a score that is no number",
        ),
        (BenchmarkFormat::Cargo, "test a ... bench: soon\n", "no result of a benchmark"),
        (BenchmarkFormat::Plain, "[{\"name\":\"x\",\"value\":1,\"samples\":[1]}]", "both a value and samples"),
        (BenchmarkFormat::Plain, "[{\"name\":\"x\"}]", "\"x\" has no samples"),
        (BenchmarkFormat::Plain, "[{\"name\":\"x\",\"value\":1}", "expected `,` or `]`"),
    ] {
        let found = refused(format, text);
        assert!(found.contains(error), "{text}: {found}");
    }
}
