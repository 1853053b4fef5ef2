//! Made-up reports of benchmarks. One may have 4,000,000 samples, which is why they are not made as large as the others.

use super::{Report, Written, parts};

/// So many different benchmarks at most.
const NAMES: u64 = 4000;

/// `go test -bench`.
pub(super) fn go(report: &mut Report) -> Written {
    parts(report, "", |nth| {
        format!("BenchmarkX/size={}-8 \t 5000000\t {}.5 ns/op\t 16 B/op\t 2 allocs/op\n", nth % NAMES, nth % 1000)
    })
}

/// With as many digits as measured ones have.
fn samples(nth: u64) -> String {
    (0..100)
        .map(|n| format!("0.{:016}", (nth * 100 + n) * 7_919_317_771 % 9_999_999_999_999_999))
        .collect::<Vec<_>>()
        .join(",\n      ")
}

/// One after another; their names come again.
fn benchmarks(report: &mut Report, one: impl Fn(u64) -> String) -> Written {
    parts(report, ",\n", |nth| one(nth % NAMES))
}

pub(super) fn hyperfine(report: &mut Report) -> Written {
    report.put("{\n  \"results\": [\n")?;
    benchmarks(report, |nth| {
        format!(
            "{{\"command\": \"program --option {nth}\", \"mean\": 0.5, \"stddev\": 0.01, \"median\": 0.5, \"user\": 0.4, \"system\": 0.1, \"min\": 0.4, \"max\": 0.6, \"times\": [{}], \"exit_codes\": [{}]}}",
            samples(nth),
            ["0"; 100].join(",\n")
        )
    })?;
    report.put("]}\n")
}

pub(super) fn pytest(report: &mut Report) -> Written {
    report.put("{\"machine_info\": {\"node\": \"n\"}, \"commit_info\": {}, \"benchmarks\": [\n")?;
    benchmarks(report, |nth| {
        format!(
            "{{\"group\": null, \"name\": \"test_{nth}\", \"fullname\": \"tests/test_x.py::test_{nth}\", \"params\": null, \"param\": null, \"extra_info\": {{}}, \"options\": {{\"disable_gc\": false, \"timer\": \"perf_counter\"}}, \"stats\": {{\"min\": 0.1, \"max\": 0.2, \"mean\": 0.15, \"stddev\": 0.01, \"rounds\": 100, \"median\": 0.15, \"data\": [{}], \"iterations\": 1}}}}",
            samples(nth)
        )
    })?;
    report.put("], \"version\": \"5.1.0\"}\n")
}

pub(super) fn google(report: &mut Report) -> Written {
    report.put("{\"context\": {\"num_cpus\": 8}, \"benchmarks\": [\n")?;
    benchmarks(report, |nth| {
        format!(
            "{{\"name\": \"BM_x/{nth}\", \"family_index\": 0, \"per_family_instance_index\": 0, \"run_name\": \"BM_x/{nth}\", \"run_type\": \"iteration\", \"repetitions\": 3, \"repetition_index\": 0, \"threads\": 1, \"iterations\": 1000000, \"real_time\": 5.1234567890123456e+02, \"cpu_time\": 5.1e+02, \"time_unit\": \"ns\"}}"
        )
    })?;
    report.put("]}\n")
}

pub(super) fn jmh(report: &mut Report) -> Written {
    report.put("[\n")?;
    benchmarks(report, |nth| {
        format!(
            "{{\"jmhVersion\": \"1.37\", \"benchmark\": \"org.x.B.m{nth}\", \"mode\": \"avgt\", \"threads\": 1, \"forks\": 1, \"jvm\": \"/usr/bin/java\", \"params\": {{\"size\": \"10\"}}, \"primaryMetric\": {{\"score\": 1.5, \"scoreError\": 0.1, \"scoreConfidence\": [1.4, 1.6], \"scorePercentiles\": {{\"0.0\": 1.4}}, \"scoreUnit\": \"us/op\", \"rawData\": [[{}]]}}, \"secondaryMetrics\": {{}}}}",
            samples(nth)
        )
    })?;
    report.put("]\n")
}

pub(super) fn plain(report: &mut Report) -> Written {
    report.put("[\n")?;
    benchmarks(report, |nth| format!("{{\"name\": \"program {nth}\", \"unit\": \"ms\", \"samples\": [{}]}}", samples(nth)))?;
    report.put("]\n")
}

/// The output of libtest's own harness.
pub(super) fn cargo(report: &mut Report) -> Written {
    parts(report, "", |nth| {
        format!("test module::bench_{} ... bench: {:>14} ns/iter (+/- {})\n", nth % NAMES, (nth * 7919) % 1_000_000, nth % 1000)
    })
}
