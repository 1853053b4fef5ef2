//! What a gate requires of its reports.

use serde_json::{Value, json};

use super::taken;

#[test]
fn what_is_required_of_coverage_is_read_as_the_schema_says() {
    let file =
        |require: Value| json!({ "gates": { "t": { "run": "x", "image": "a", "coverage": "l.info", "require": require } } });
    for right in [json!({ "lines": 80 }), json!({ "branches": 87.5, "changed-lines": 100 }), json!({ "lines": 0 }), json!({})] {
        assert_eq!(taken(&file(right.clone())), (true, true), "{right}");
    }
    for wrong in [json!({ "lines": 100.5 }), json!({ "lines": -1 }), json!({ "lines": "80" }), json!({ "line": 80 })] {
        assert_eq!(taken(&file(wrong.clone())), (false, false), "{wrong}");
    }
}

#[test]
fn whose_coverage_counts_is_read_as_the_schema_says() {
    let file = |gate: Value| {
        let unit = json!({ "run": "x", "image": "a", "coverage": "u.info" });
        json!({ "gates": { "u": unit, "v": unit, "t": gate } })
    };
    let counts = |coverage: Value| json!({ "needs": ["u", "v"], "coverage": coverage, "require": { "lines": 80 } });
    let with = |mut gate: Value, key: &str, value: Value| {
        gate[key] = value;
        gate
    };
    let both = json!({ "of": ["u", "v"] });
    for right in [
        counts(both.clone()),
        counts(json!({ "of": "u" })),
        with(with(counts(json!({ "of": "u", "reports": "own.info" })), "run", json!("x")), "image", json!("a")),
        with(counts(both.clone()), "require", json!({ "lines": 80, "touched": "docs/**" })),
        with(counts(both.clone()), "timeout", json!("90s")),
    ] {
        assert_eq!(taken(&file(right.clone())), (true, true), "{right}");
    }
    for wrong in [
        counts(json!({ "reports": "own.info" })),
        counts(json!({ "of": ["u", "v"], "reports": "own.info" })),
        with(counts(both.clone()), "junit", json!("a.xml")),
        with(counts(both), "retries", json!(1)),
    ] {
        assert_eq!(taken(&file(wrong.clone())), (false, false), "{wrong}");
    }
}

#[test]
fn what_is_required_of_tests_is_read_as_the_schema_says() {
    let file = |reports: &str, require: Value| json!({ "gates": { "t": { "run": "x", "image": "a", reports: "r.xml", "require": require } } });
    for reports in ["junit", "tests"] {
        for right in [json!({ "new-failures-at-most": 0 }), json!({ "tests-drop-at-most": 2.5, "new-failures-at-most": 10 })] {
            assert_eq!(taken(&file(reports, right.clone())), (true, true), "{right}");
        }
        for wrong in [
            json!({ "new-failures-at-most": -1 }),
            json!({ "new-failures-at-most": "0" }),
            json!({ "tests-drop-at-most": 101 }),
            json!({ "lines": 80 }),
        ] {
            assert_eq!(taken(&file(reports, wrong.clone())), (false, false), "{wrong}");
        }
    }
    assert_eq!(taken(&file("coverage", json!({ "tests-drop-at-most": 5 }))), (false, false));
    let both = json!({ "gates": { "t": { "run": "x", "image": "a", "junit": "a.xml", "tests": "b.xml" } } });
    assert_eq!(taken(&both), (false, false));
}

#[test]
fn what_is_required_of_findings_is_read_as_the_schema_says() {
    for key in ["sarif", "findings"] {
        let file = |require: &Value| {
            let gate = json!({ "run": "x", "image": "a", key: "o.sarif", "code-scanning": true, "require": require });
            json!({ "gates": { "t": gate } })
        };
        for right in [
            json!({}),
            json!({ "new": { "error": 0 } }),
            json!({ "new": { "warning": 5, "note": 1_000_000 }, "total": { "critical": 0, "high": 1, "medium": 2, "low": 3 } }),
        ] {
            assert_eq!(taken(&file(&right)), (true, true), "{right}");
        }
        for wrong in [
            json!({ "new": {} }),
            json!({ "new": 0 }),
            json!({ "new": { "error": -1 } }),
            json!({ "new": { "error": 1.5 } }),
            json!({ "new": { "error": "0" } }),
            json!({ "new": { "errors": 0 } }),
            json!({ "total": { "note": 1_000_001 } }),
            json!({ "lines": 80 }),
        ] {
            assert_eq!(taken(&file(&wrong)), (false, false), "{wrong}");
        }
    }
}

#[test]
fn what_benchmarks_are_compared_with_is_read_as_the_schema_says() {
    let file = |mut gate: Value| {
        let more = json!({ "run": "x", "image": "a", "benchmark": "out.json" });
        gate.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "gates": { "t": gate } })
    };
    for right in [
        json!({}),
        json!({ "compare": "history" }),
        json!({ "compare": "interleaved" }),
        json!({ "compare": "interleaved", "rounds": 6, "prepare": "make" }),
        json!({ "compare": "interleaved", "rounds": 60, "retries": 0 }),
        json!({ "compare": "history", "retries": 5 }),
        json!({ "require": { "slower-at-most": 7.5 } }),
    ] {
        assert_eq!(taken(&file(right.clone())), (true, true), "{right}");
    }
    for wrong in [
        json!({ "compare": "base" }),
        json!({ "compare": ["history"] }),
        json!({ "rounds": 20 }),
        json!({ "compare": "history", "rounds": 20 }),
        json!({ "compare": "history", "prepare": "make" }),
        json!({ "compare": "interleaved", "retries": 1 }),
        json!({ "compare": "interleaved", "rounds": 5 }),
        json!({ "compare": "interleaved", "rounds": 61 }),
        json!({ "compare": "interleaved", "rounds": 7.5 }),
        json!({ "compare": "interleaved", "prepare": "" }),
        json!({ "require": { "slower-at-most": -1 } }),
        json!({ "require": { "slower-at-most": 5, "lines": 80 } }),
    ] {
        assert_eq!(taken(&file(wrong.clone())), (false, false), "{wrong}");
    }
}
