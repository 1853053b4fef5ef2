//! Each key of a gate by itself.

use gatewright_core::config::schema;
use serde_json::{Value, json};

use super::{agree, gate_with};

/// For each key of a gate, values that are right and values that are wrong.
fn samples() -> Vec<(&'static str, Vec<Value>, Vec<Value>)> {
    let wrong = || vec![Value::Null, json!(7.5), json!([[]])];
    let with = |more: &[Value]| wrong().into_iter().chain(more.iter().cloned()).collect::<Vec<_>>();
    vec![
        ("run", vec![json!("x"), json!(true)], with(&[json!(5), json!(""), json!(["x"]), json!({}), json!("a\0b")])),
        (
            "image",
            vec![json!("a:1"), json!("a".repeat(512))],
            with(&[json!("a b"), json!("-a"), json!(""), json!(true), json!("a\u{1}b"), json!("a".repeat(513))]),
        ),
        (
            "env",
            vec![json!({ "A": "x", "_b": 1, "C": true }), json!({})],
            with(&[
                json!("x"),
                json!({ "1": "x" }),
                json!({ "GATEWRIGHT_X": "x" }),
                json!({ "A": null }),
                json!({ "A": [] }),
                many_variables(),
            ]),
        ),
        (
            "needs",
            vec![json!("u"), json!(["u"])],
            with(&[json!([]), json!("a b"), json!(5), json!([5]), json!({}), json!(["u", "u"])]),
        ),
        (
            "when",
            vec![
                json!({}),
                json!({ "changed": "a/**" }),
                json!({ "paths": ["a", "!..a/.b"] }),
                json!({ "branches": ["main", "r/*"] }),
                json!({ "events": "push" }),
                json!({ "events": ["pull_request", "merge_group", "push"] }),
            ],
            with(&[
                json!("x"),
                json!({ "change": "x" }),
                json!({ "changed": 5 }),
                json!({ "branches": [] }),
                json!({ "events": "tag" }),
                json!({ "events": null }),
                json!({ "events": ["push", "push"] }),
                json!({ "changed": "/a" }),
                json!({ "changed": "!../a" }),
                json!({ "changed": "!" }),
                json!({ "changed": "a", "paths": "b" }),
                json!({ "branches": "!main" }),
                json!({ "branches": "refs/heads/main" }),
                json!({ "changed": {} }),
                json!([]),
            ]),
        ),
        (
            "timeout",
            vec![json!(90), json!("10m"), json!("1h30m"), json!("90s"), json!("7"), json!(86400)],
            with(&[json!(0), json!(86401), json!("soon"), json!(""), json!(-5), json!("-5"), json!(true), json!(["10m"])]),
        ),
        (
            "junit",
            vec![json!("a.xml"), json!(["a/**/*.xml", "b.xml"])],
            with(&[json!(""), json!([]), json!(5), json!({}), json!([5]), json!("~/a.xml"), json!("a/../b"), json!("./a.xml")]),
        ),
        (
            "tests",
            vec![json!("a.json"), json!(["a/**/*.xml", "b.tap"])],
            with(&[json!(""), json!([]), json!(5), json!({}), json!("~/a.xml")]),
        ),
        ("retries", vec![json!(0), json!(5)], with(&[json!(6), json!(-1), json!("2"), json!([1])])),
        (
            "coverage",
            vec![json!("lcov.info"), json!(["a/**/*.xml", "b.json"])],
            with(&[
                json!(""),
                json!([]),
                json!(5),
                json!({}),
                json!("~/a.xml"),
                json!("./a.xml"),
                json!({ "of": [] }),
                json!({ "reports": "a.info" }),
                json!({ "of": "u", "reports": [] }),
                json!({ "of": "u", "gates": "u" }),
                json!({ "of": ["u", "u"] }),
            ]),
        ),
        (
            "outputs",
            vec![json!("out/**"), json!(["a.png", "b/*.html"])],
            with(&[json!(""), json!([]), json!(5), json!({}), json!("../a"), json!("./a.xml")]),
        ),
        (
            "cache",
            vec![json!({ "paths": ".cache", "key": "a.lock" }), json!({ "paths": ["a/b", "c"], "key": ["**/*.lock"] })],
            with(&[
                json!({}),
                json!({ "paths": "a" }),
                json!({ "key": "a" }),
                json!("a"),
                json!({ "paths": "a/*", "key": "a" }),
                json!({ "paths": ".", "key": "a" }),
                json!({ "paths": "a/", "key": "a" }),
                json!({ "paths": "a//b", "key": "a" }),
                json!({ "paths": "/a", "key": "a" }),
                json!({ "paths": "../a", "key": "a" }),
                json!({ "paths": [], "key": "a" }),
                json!({ "paths": "a", "key": "a", "ttl": 1 }),
            ]),
        ),
        (
            "findings",
            vec![json!("out.sarif"), json!(["a/**/*.json", "b.xml"])],
            with(&[json!(""), json!([]), json!(5), json!({}), json!("~/a.xml"), json!("./a.xml")]),
        ),
        (
            "sarif",
            vec![json!("out.sarif"), json!(["a/**/*.sarif", "b.sarif"])],
            with(&[json!(""), json!([]), json!(5), json!({}), json!("/a.sarif"), json!("./a.sarif")]),
        ),
        // There is nothing to upload.
        ("code-scanning", vec![json!(false)], with(&[json!(true), json!("yes"), json!(1), json!([])])),
        (
            "benchmark",
            vec![json!("target/criterion"), json!(["a.json", "b/*.json"])],
            with(&[json!(""), json!([]), json!(5), json!({}), json!("/a"), json!("./a.json")]),
        ),
        // What these say is of benchmarks, which the gate does not have.
        ("compare", vec![], with(&[json!("history"), json!("interleaved"), json!("other"), json!(5)])),
        ("rounds", vec![], with(&[json!(20), json!(5), json!("20")])),
        ("prepare", vec![], with(&[json!("make"), json!(""), json!(5)])),
        // What it asks for needs a report to be found in, which these have not.
        (
            "require",
            vec![json!({})],
            with(&[json!({ "lines": 80 }), json!({ "lines": 101 }), json!({ "new": {} }), json!([]), json!(80)]),
        ),
        ("network", vec![json!(true), json!(false)], with(&[json!("yes"), json!(1), json!([])])),
        ("required", vec![json!(true), json!(false)], with(&[json!("yes"), json!(1), json!({})])),
        (
            "checkout",
            vec![json!({}), json!({ "submodules": true }), json!({ "lfs": true }), json!({ "submodules": true, "lfs": false })],
            with(&[json!(true), json!({ "depth": 1 }), json!({ "lfs": 1 }), json!({ "submodules": "yes" }), json!([])]),
        ),
    ]
}

/// More than there may be.
pub(super) fn many_variables() -> Value {
    (0..201).map(|n| (format!("A{n}"), json!("x"))).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn the_samples_know_every_key_of_a_gate() {
    let schema = schema();
    let keys = schema["properties"]["gates"]["additionalProperties"]["properties"].as_object().unwrap();
    let mut keys: Vec<&str> = keys.keys().map(String::as_str).collect();
    let mut sampled: Vec<&str> = samples().iter().map(|(key, _, _)| *key).collect();
    keys.sort_unstable();
    sampled.sort_unstable();
    assert_eq!(keys, sampled);
}

#[test]
fn schema_and_reading_take_and_refuse_the_same() {
    agree(samples(), gate_with);
}
