//! hyperfine, pytest-benchmark and Criterion.

use std::process::Command;
use std::time::Duration;

use criterion::Criterion;
use gatewright_reports::benchmarks::{BenchmarkFormat, Benchmarks, read, read_criterion};
use serde_json::Value;

use crate::{Project, python};

fn mean(samples: &[f64]) -> f64 {
    samples.iter().sum::<f64>() / samples.len() as f64
}

fn assert_close(ours: f64, stated: f64) {
    assert!((ours - stated).abs() <= stated.abs() * 1e-6, "{ours} is read, where the tool states {stated}");
}

fn names(benchmarks: &Benchmarks) -> Vec<&str> {
    benchmarks.list.iter().map(|one| one.name.as_str()).collect()
}

#[test]
fn of_hyperfine_the_means_of_its_table_are_read() {
    let project = Project::new(&[]);
    let mut command = Command::new("hyperfine");
    command.args(["--runs", "5", "--warmup", "1", "--export-json", "out.json", "--export-csv", "out.csv"]);
    project.run(command.args(["true", "sleep 0.01"]), &[0]);
    let found = read(BenchmarkFormat::Hyperfine, project.open("out.json")).expect("it is read");
    assert_eq!(names(&found), ["true", "sleep 0.01"]);
    let table = std::fs::read_to_string(project.path("out.csv")).expect("it is there");
    for (one, row) in found.list.iter().zip(table.lines().skip(1)) {
        assert_eq!(one.samples.len(), 5);
        assert_close(mean(&one.samples), row.split(',').nth(1).and_then(|mean| mean.parse().ok()).expect("a mean"));
    }
}

#[test]
fn of_pytest_benchmark_the_means_that_it_states_are_read() {
    let tests = "
import pytest

@pytest.mark.parametrize('size', [10, 1000])
def test_sum(benchmark, size):
    benchmark.pedantic(sum, args=(range(size),), rounds=7, iterations=3)
";
    let project = Project::new(&[("test_speed.py", tests)]);
    let arguments = ["-q", "-p", "no:cacheprovider", "--benchmark-json=out.json", "--benchmark-save-data"];
    project.run(python("pytest").args(arguments), &[0]);
    let found = read(BenchmarkFormat::Pytest, project.open("out.json")).expect("it is read");
    assert_eq!(names(&found), ["test_speed.py::test_sum[10]", "test_speed.py::test_sum[1000]"]);
    let stated = project.json("out.json");
    for (one, stated) in found.list.iter().zip(stated["benchmarks"].as_array().expect("a list")) {
        assert_eq!(one.samples.len(), 7, "{stated}");
        assert_close(mean(&one.samples), stated["stats"]["mean"].as_f64().expect("a number"));
    }
}

#[test]
fn of_criterion_the_medians_that_it_states_are_read() {
    let project = Project::new(&[]);
    let mut criterion = Criterion::default()
        .output_directory(&project.path("criterion"))
        .without_plots()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(1))
        .measurement_time(Duration::from_millis(10));
    let mut group = criterion.benchmark_group("a group / of sums");
    for size in [10_u64, 1000] {
        group.bench_function(format!("sum {size}"), |bencher| bencher.iter(|| (0..size).map(std::hint::black_box).sum::<u64>()));
    }
    group.finish();
    let files = project.all("criterion");
    let found = read_criterion(&files).expect("it is read");
    assert_eq!(names(&found), ["a group / of sums/sum 10", "a group / of sums/sum 1000"]);
    let stated: Vec<Value> = files
        .iter()
        .filter(|(path, _)| path.ends_with("new/estimates.json"))
        .map(|(_, file)| serde_json::from_slice(file).expect("it is JSON"))
        .collect();
    assert_eq!(stated.len(), 2);
    for one in &found.list {
        assert_eq!(one.samples.len(), 10);
        let mut samples = one.samples.clone();
        samples.sort_by(f64::total_cmp);
        let median = mean(&samples[4..6]);
        // Folders are named by Criterion in a way of its own, so either may be meant.
        let medians: Vec<f64> = stated.iter().filter_map(|stated| stated.pointer("/median/point_estimate")?.as_f64()).collect();
        assert!(medians.iter().any(|stated| (median - stated).abs() <= stated * 1e-6), "{median} is none of {medians:?}");
    }
}
