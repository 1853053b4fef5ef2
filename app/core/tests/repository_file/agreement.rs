//! The JSON Schema that editors use and the reading agree.

use std::sync::LazyLock;

use gatewright_core::config::{parse, schema};
use jsonschema::Validator;
use serde_json::{Value, json};

/// Whether the schema takes a file, and whether the reading does. JSON is YAML, so one text serves both.
fn taken(file: &Value) -> (bool, bool) {
    static SCHEMA: LazyLock<Validator> = LazyLock::new(|| jsonschema::validator_for(&schema()).unwrap());
    (SCHEMA.is_valid(file), parse(&file.to_string()).is_ok())
}

/// A file whose only gate has this beside its command.
fn gate_with(key: &str, value: &Value) -> Value {
    let mut file = json!({ "image": "a", "gates": { "t": { "run": "x" }, "u": { "run": "x" } } });
    file["gates"]["t"][key] = value.clone();
    file
}

#[test]
fn the_schema_is_a_schema() {
    assert!(jsonschema::meta::is_valid(&schema()));
}

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
            with(&[json!(""), json!([]), json!(5), json!({}), json!("~/a.xml"), json!("./a.xml")]),
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
            vec![json!({}), json!({ "submodules": true })],
            with(&[json!(true), json!({ "depth": 1 }), json!({ "lfs": false }), json!({ "submodules": "yes" }), json!([])]),
        ),
    ]
}

/// More than there may be.
fn many_variables() -> Value {
    (0..201).map(|n| (format!("A{n}"), json!("x"))).collect::<serde_json::Map<_, _>>().into()
}

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

/// Values of the keys of `require` that ask something of the change itself: right ones, wrong ones.
fn policies() -> Vec<(&'static str, Vec<Value>, Vec<Value>)> {
    let globs = || vec![json!("docs/**"), json!(["docs/**", "!docs/x"])];
    let no_globs = || vec![Value::Null, json!(5), json!([]), json!("../a"), json!({}), json!(false), json!([["a"]])];
    let or_true = || globs().into_iter().chain([json!(true)]).collect::<Vec<_>>();
    let no_words = || vec![Value::Null, json!(true), json!(5), json!([]), json!({ "a": 1 }), json!("a b"), json!([5])];
    let with = |mut all: Vec<Value>, more: Vec<Value>| {
        all.extend(more);
        all
    };
    vec![
        ("touched", globs(), with(no_globs(), vec![json!(true)])),
        ("changelog", or_true(), no_globs()),
        ("title", vec![json!("conventional")], with(no_words(), vec![json!("free"), json!(["conventional"])])),
        (
            "commits",
            vec![json!("conventional"), json!(["signed-off", "conventional"])],
            with(no_words(), vec![json!("signed"), json!(["signed-off", "signed-off"])]),
        ),
        ("types", vec![json!("feat"), json!(["feat", "fix-2"])], with(no_words(), vec![json!("fe_at"), json!("")])),
        (
            "size-at-most",
            vec![json!({ "files": 0 }), json!({ "lines": 500, "file-bytes": 1_048_576, "except": ["gen/**"] })],
            vec![Value::Null, json!(5), json!({}), json!({ "except": "a" }), json!({ "files": -1 }), json!({ "files": "5" })],
        ),
        (
            "forbidden",
            with(globs(), vec![json!({ "added": "*.exe" }), json!({ "changed": ["a"], "removed": ["b", "!c"] })]),
            vec![Value::Null, json!(true), json!([]), json!({}), json!({ "add": "a" }), json!({ "added": "/a" })],
        ),
        ("links", or_true(), no_globs()),
        (
            "reviewers",
            vec![
                json!("codeowners"),
                json!({ "from": "@a" }),
                json!([{ "paths": ["a/**"], "from": ["@octo/core", "@me"], "count": 2 }, {}]),
            ],
            with(
                no_words(),
                vec![json!("me"), json!([{ "from": "me" }]), json!([{ "count": 0 }]), json!([{ "who": "@a" }]), json!(["@a"])],
            ),
        ),
        (
            "dependencies",
            vec![
                json!({}),
                json!({ "new-at-most": 3, "sources": ["crates.io", "github.com/acme/*"] }),
                json!({ "licences": { "allow": ["MIT", "BSD-*"], "deny": "AGPL-*" } }),
            ],
            vec![
                Value::Null,
                json!(true),
                json!([]),
                json!({ "new-at-most": 1.5 }),
                json!({ "sources": "a b" }),
                json!({ "licences": ["MIT"] }),
                json!({ "licences": { "deny": [] } }),
                json!({ "licenses": {} }),
            ],
        ),
    ]
}

#[test]
fn what_is_asked_of_a_change_is_read_as_the_schema_says_with_a_command_and_without() {
    for (key, right, wrong) in policies() {
        for gate in [json!({ "run": "x", "image": "a" }), json!({})] {
            let file = |value: &Value| {
                let mut gate = gate.clone();
                gate["require"] = json!({ key: value });
                json!({ "gates": { "t": gate } })
            };
            for value in &right {
                assert_eq!(taken(&file(value)), (true, true), "{key}: {value}");
            }
            for value in &wrong {
                assert_eq!(taken(&file(value)), (false, false), "{key}: {value}");
            }
        }
    }
}

#[test]
fn a_gate_without_a_command_has_nothing_to_report() {
    for gate in [
        json!({ "require": {} }),
        json!({ "require": { "lines": 80 }, "coverage": "l.info" }),
        json!({ "require": { "touched": "a" }, "junit": "j.xml" }),
        json!({ "require": { "touched": "a", "lines": 80 } }),
        json!({ "timeout": 5 }),
    ] {
        assert_eq!(taken(&json!({ "image": "a", "gates": { "t": gate } })), (false, false), "{gate}");
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
        json!({ "compare": "interleaved", "rounds": 60 }),
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
    for (key, right, wrong) in samples() {
        for value in right {
            assert_eq!(taken(&gate_with(key, &value)), (true, true), "{key}: {value}");
        }
        for value in wrong {
            assert_eq!(taken(&gate_with(key, &value)), (false, false), "{key}: {value}");
        }
    }
}

#[test]
fn schema_and_reading_agree_on_the_file_itself() {
    let gates = json!({ "t": { "run": "x", "image": "a" } });
    assert_eq!(taken(&json!({ "gates": gates })), (true, true));
    assert_eq!(taken(&json!({ "gates": gates, "image": "b", "env": { "A": 1 } })), (true, true));
    for who in [json!("read"), json!("admin"), json!("@alice"), json!(["maintain", "@octo/team"])] {
        assert_eq!(taken(&json!({ "gates": gates, "commands": { "rerun": { "who": who } } })), (true, true), "{who}");
    }
    for wrong in [
        json!([]),
        json!({ "rerun": {} }),
        json!({ "rerun": "write" }),
        json!({ "rerrun": { "who": "write" } }),
        json!({ "rerun": { "who": "owner" } }),
        json!({ "rerun": { "who": [] } }),
        json!({ "rerun": { "who": "@" } }),
        json!({ "rerun": { "who": "@a b" } }),
        json!({ "rerun": { "who": "write", "when": "x" } }),
        json!({ "approve": { "who": "read" } }),
        json!({ "skip": { "who": ["@alice", "read"] } }),
    ] {
        assert_eq!(taken(&json!({ "gates": gates, "commands": wrong })), (false, false), "{wrong}");
    }
    for wrong in [
        json!({}),
        json!([]),
        json!(null),
        json!("x"),
        json!({ "image": "a" }),
        json!({ "gates": {} }),
        json!({ "gates": [] }),
        json!({ "gates": { "t": {} } }),
        json!({ "gates": { "a b": { "run": "x", "image": "a" } } }),
        json!({ "gates": gates, "agents": {} }),
        json!({ "gates": gates, "imag": "a" }),
        json!({ "gates": { "t": null } }),
        json!({ "gates": { "t": { "run": "x" } } }),
        json!({ "gates": { "t": { "run": "x", "image": "a" }, "u": { "run": "x" } } }),
        json!({ "gates": { "t": { "run": "x", "image": "a", "matrix": { "a": [1] } } } }),
        json!({ "gates": { "t": { "run": "x", "image": "a", "require": { "new": { "error": 0 } } } } }),
        json!({ "gates": { "t": { "run": "x", "image": "a", "coverage": "l.info", "require": { "lines": 101 } } } }),
        json!({ "gates": { "t": { "run": "x", "image": "a", "coverage": "l.info", "require": { "lines": "80" } } } }),
    ] {
        assert_eq!(taken(&wrong), (false, false), "{wrong}");
    }
}

/// A file with these environments.
fn environments(of: &Value) -> Value {
    json!({ "image": "a", "gates": { "t": { "run": "x", "outputs": "o" } }, "releases": { "on": { "tag": "v*" } }, "environments": of })
}

/// A file with an environment that has this beside its target.
fn environment_with(key: &str, value: &Value) -> Value {
    let mut environment = json!({ "target": { "exec": { "service": "a" } } });
    environment[key] = value.clone();
    environments(&json!({ "e": environment, "f": { "target": { "exec": { "service": "a" } } } }))
}

/// A file with an environment in containers that has this beside service and image.
fn docker_with(key: &str, value: &Value) -> Value {
    let mut docker = json!({ "service": "a", "image": "b" });
    docker[key] = value.clone();
    environments(&json!({ "e": { "target": { "docker": docker } } }))
}

fn agree(samples: Vec<(&str, Vec<Value>, Vec<Value>)>, file: impl Fn(&str, &Value) -> Value) {
    for (key, right, wrong) in samples {
        for value in right {
            assert_eq!(taken(&file(key, &value)), (true, true), "{key}: {value}");
        }
        for value in wrong {
            assert_eq!(taken(&file(key, &value)), (false, false), "{key}: {value}");
        }
    }
}

#[test]
fn schema_and_reading_agree_on_releases() {
    let file = |key: &str, value: &Value| {
        let mut file = environments(&json!({ "e": { "target": { "exec": { "service": "a" } } } }));
        file["releases"][key] = value.clone();
        file
    };
    let samples = vec![
        (
            "on",
            vec![json!({ "tag": "v*" }), json!({ "tag": ["v*", "shop/v*"] })],
            vec![json!("v*"), json!({}), json!({ "tag": [] }), json!({ "tag": "!v" }), json!({ "branch": "x" }), Value::Null],
        ),
        ("require", vec![json!("t"), json!(["t"])], vec![json!([]), json!(["t", "t"]), json!("a b"), json!(5)]),
        ("notes", vec![json!("conventional"), json!("none")], vec![json!("x"), json!(true), json!(["none"])]),
        ("signed", vec![json!("tag"), json!("commit"), json!("either")], vec![json!("none"), json!(true)]),
        ("artefacts", vec![json!("o"), json!(["dist/*", "o"])], vec![json!([]), json!("../o"), json!(5)]),
        (
            "changelog",
            vec![json!("CHANGELOG.md"), json!("docs/a.md")],
            vec![json!("*.md"), json!("/a"), json!(true), json!(["a"]), json!("a/")],
        ),
        ("draft", vec![], vec![json!(true)]),
    ];
    agree(samples, file);
    let mut without = environments(&json!({ "e": { "target": { "exec": { "service": "a" } } } }));
    without.as_object_mut().unwrap().remove("releases");
    assert_eq!(taken(&without), (false, false));
    without.as_object_mut().unwrap().remove("environments");
    assert_eq!(taken(&without), (true, true));
    without["releases"] = json!({});
    assert_eq!(taken(&without), (false, false));
}

/// For each key of an environment but `target`, values that are right and values that are wrong.
fn of_environments() -> Vec<(&'static str, Vec<Value>, Vec<Value>)> {
    let window = |window: Value| json!([window]);
    vec![
        (
            "strategy",
            [
                json!("canary"),
                json!("recreate"),
                json!({ "recreate": {} }),
                json!({ "rolling": { "batch": 50, "every": "30s" } }),
                json!({ "blue-green": { "preview": "manual", "watch": 0, "keep": "0" } }),
                json!({ "canary": {} }),
                json!({ "canary": { "steps": [0, 5, { "percent": 50, "hold": "manual" }, { "percent": 100, "hold": 60 }] } }),
                json!({ "canary": { "every": "5m", "keep": "1h", "pin": { "header": "X-Canary" } } }),
                json!({ "canary": { "pin": { "cookie": "c" } } }),
            ]
            .into(),
            [
                Value::Null,
                json!("green"),
                json!(["canary"]),
                json!({}),
                json!({ "rolling": {}, "canary": {} }),
                json!({ "recreate": { "every": 5 } }),
                json!({ "recreate": null }),
                json!({ "rolling": { "batch": 0 } }),
                json!({ "rolling": { "batch": 50.5 } }),
                json!({ "blue-green": { "preview": true } }),
                json!({ "blue-green": { "keep": 604_801 } }),
                json!({ "canary": { "steps": [] } }),
                json!({ "canary": { "steps": 50 } }),
                json!({ "canary": { "steps": [101] } }),
                json!({ "canary": { "steps": ["50"] } }),
                json!({ "canary": { "steps": [{ "hold": 5 }] } }),
                json!({ "canary": { "steps": [{ "percent": 100, "hold": "never" }] } }),
                json!({ "canary": { "every": 0 } }),
                json!({ "canary": { "pin": {} } }),
                json!({ "canary": { "pin": { "header": "a", "cookie": "b" } } }),
                json!({ "canary": { "pin": { "header": "a b" } } }),
                json!({ "canary": { "pin": { "cookie": "1" } } }),
            ]
            .into(),
        ),
        (
            "url",
            vec![json!("https://a.example"), json!("http://{{ environment }}.a/{{tag}}/x}"), json!("https://a/{b}")],
            vec![
                json!("a.example"),
                json!("https://"),
                json!("https://a b"),
                json!("https://{{ host }}/"),
                json!("https://a{{"),
                json!(5),
            ],
        ),
        ("after", vec![json!("f"), json!(["f"])], vec![json!([]), json!("a b"), json!(["f", "f"]), json!(5), json!({ "f": 1 })]),
        ("soak", vec![], vec![json!("1h"), json!(5)]),
        (
            "approvals",
            vec![json!(0), json!(20), json!({}), json!({ "count": 2, "who": ["@a/b", "write", "@c"], "author": false })],
            vec![
                json!(21),
                json!(-1),
                json!("2"),
                json!([2]),
                json!({ "count": 0 }),
                json!({ "who": "read" }),
                json!({ "who": [] }),
                json!({ "author": "no" }),
            ],
        ),
        (
            "windows",
            vec![
                json!({ "days": "mon" }),
                json!([{ "days": ["mon-fri", "sun"], "from": "09:00", "to": "24:00", "zone": "Europe/Berlin" }, { "from": "9:30" }]),
                window(json!({ "to": "0:00", "from": "1:00", "zone": "UTC" })),
            ],
            vec![
                json!([]),
                json!("mon"),
                window(json!({})),
                window(json!({ "days": [] })),
                window(json!({ "days": "monday" })),
                window(json!({ "days": "mon-" })),
                window(json!({ "days": "mon-tue-wed" })),
                window(json!({ "from": "24:00" })),
                window(json!({ "from": "9" })),
                window(json!({ "from": 9 })),
                window(json!({ "to": "24:01" })),
                window(json!({ "to": "10:60" })),
                window(json!({ "zone": "Europe Berlin" })),
                window(json!({ "zone": 1 })),
                window(json!({ "until": "10:00" })),
            ],
        ),
        ("busy", vec![json!("wait"), json!("supersede")], vec![json!("queue"), json!(true)]),
        ("start", vec![json!("release"), json!("command")], vec![json!("manual"), Value::Null]),
        (
            "deadline",
            vec![json!("3d"), json!("30d"), json!(60), json!("2w")],
            vec![json!(59), json!("forever"), json!(2_592_001)],
        ),
        ("prereleases", vec![json!(true), json!(false)], vec![json!("yes"), json!(1)]),
        (
            "analysis",
            vec![
                json!({}),
                json!({ "errors": "none" }),
                json!({ "errors": { "worse-at-most": 1.05 }, "latency-p95": { "worse-at-most": 100 } }),
                json!({ "errors": { "more-at-most": 0.25 }, "max-error-rate": 5, "exceeded-in": { "windows": 2, "of": 20 } }),
                json!({ "max-p95-ms": 800, "alpha": 0.01, "warm-up": 0, "extend-at-most": "24h" }),
            ],
            vec![
                json!(true),
                json!({ "errors": {} }),
                json!({ "errors": "off" }),
                json!({ "errors": { "worse-at-most": 1 } }),
                json!({ "errors": { "worse-at-most": "2" } }),
                json!({ "latency-p95": {} }),
                json!({ "latency-p95": { "worse-at-most": 101 } }),
                json!({ "latency-p99": { "worse-at-most": 2 } }),
                json!({ "max-error-rate": 101 }),
                json!({ "max-p95-ms": 0 }),
                json!({ "max-p95-ms": 1, "exceeded-in": {} }),
                json!({ "max-p95-ms": 1, "exceeded-in": { "windows": 21 } }),
                json!({ "alpha": 0 }),
                json!({ "alpha": 10.5 }),
                json!({ "warm-up": 3601 }),
                json!({ "extend-at-most": 86_401 }),
            ],
        ),
        (
            "hooks",
            vec![
                json!({ "before": { "name": "a", "run": "x" } }),
                json!({ "preview": [{ "name": "a", "run": true, "image": "b", "env": { "A": 1 }, "timeout": "5m", "network": true }] }),
                json!({ "after": [{ "name": "a", "run": "x" }, { "name": "b", "run": "x" }] }),
            ],
            vec![
                json!({}),
                json!([]),
                json!({ "before": [] }),
                json!({ "before": "x" }),
                json!({ "before": { "run": "x" } }),
                json!({ "before": { "name": "a" } }),
                json!({ "before": { "name": "a b", "run": "x" } }),
                json!({ "before": { "name": "a", "run": "" } }),
                json!({ "before": { "name": "a", "run": "x", "needs": ["t"] } }),
                json!({ "before": { "name": "a", "run": "x", "env": { "GATEWRIGHT_A": 1 } } }),
                json!({ "during": { "name": "a", "run": "x" } }),
            ],
        ),
        ("drift", vec![json!("report"), json!("restore")], vec![json!("ignore"), json!(false)]),
    ]
}

#[test]
fn schema_and_reading_agree_on_environments() {
    agree(of_environments(), environment_with);
    for name in ["a b", "", "-a"] {
        assert_eq!(
            taken(&environments(&json!({ name: { "target": { "exec": { "service": "a" } } } }))),
            (false, false),
            "{name}"
        );
    }
    for wrong in
        [json!({}), json!([]), Value::Null, json!({ "e": {} }), json!({ "e": null }), json!({ "e": { "strategy": "canary" } })]
    {
        assert_eq!(taken(&environments(&wrong)), (false, false), "{wrong}");
    }
    let soak = json!({ "e": { "target": { "exec": { "service": "a" } } }, "f": { "after": "e", "soak": "1h" } });
    assert_eq!(taken(&environments(&soak)), (true, true));
}

/// For each key of `docker`, values that are right and values that are wrong.
fn of_containers() -> Vec<(&'static str, Vec<Value>, Vec<Value>)> {
    let spans = || vec![json!(0), json!(3601), json!("soon"), json!(-1), Value::Null];
    let health = |key: &str, value: Value| json!({ key: value });
    vec![
        (
            "service",
            vec![json!("shop"), json!("a.b_c-1")],
            vec![json!(""), json!("a b"), json!("-a"), json!(5), json!("a".repeat(61))],
        ),
        (
            "image",
            vec![json!("a:{{ version }}"), json!("{{tag}}"), json!("a{b"), json!("a}}")],
            vec![
                json!(""),
                json!("-a"),
                json!("a b"),
                json!("a:{{ v }}"),
                json!("a:{{ version"),
                json!("a:{{{ version }}"),
                json!(5),
            ],
        ),
        (
            "command",
            vec![json!(["serve"]), json!(["a", 5, true, "", "{{ commit }}", "a b"])],
            vec![json!("serve"), json!([]), json!([["a"]]), json!([null]), json!(["{{ x }}"]), json!(["a\0b"])],
        ),
        ("replicas", vec![json!(1), json!(100)], vec![json!(0), json!(101), json!("2"), json!(1.5)]),
        ("port", vec![json!(1), json!(65_535)], vec![json!(0), json!(65_536), json!("80")]),
        (
            "health",
            vec![json!({}), json!({ "path": "/healthz?a=b", "every": 1, "timeout": "5m", "ready-within": "1h" })],
            vec![
                json!("/healthz"),
                health("path", json!("healthz")),
                health("path", json!("/a b")),
                health("every", json!(0)),
                health("timeout", json!(301)),
                health("ready-within", json!(3601)),
                health("retries", json!(3)),
            ],
        ),
        (
            "env",
            vec![json!({}), json!({ "A": "b", "B": 1, "C": true, "D": { "secret": "x" }, "E": "{{ tag }} {", "F": "" })],
            vec![
                json!([]),
                json!({ "1": "a" }),
                json!({ "GATEWRIGHT_A": "a" }),
                json!({ "A": null }),
                json!({ "A": ["a"] }),
                json!({ "A": {} }),
                json!({ "A": { "secret": "a b" } }),
                json!({ "A": { "secret": "a", "b": 1 } }),
                json!({ "A": "{{ secret }}" }),
                many_variables(),
            ],
        ),
        ("memory-mib", vec![json!(6), json!(1_048_576)], vec![json!(5), json!(1_048_577), json!("512M"), json!(6.5)]),
        ("cpus", vec![json!(0.01), json!(0.5), json!(1024)], vec![json!(0), json!(1025), json!("1")]),
        ("stop", vec![json!("10s"), json!(3600)], spans()),
        ("volumes", vec![], vec![json!(["a:/b"])]),
    ]
}

#[test]
fn schema_and_reading_agree_on_targets() {
    agree(of_containers(), docker_with);
    let exec = |key: &str, value: &Value| {
        let mut exec = json!({ "service": "a" });
        exec[key] = value.clone();
        environments(&json!({ "e": { "target": { "exec": exec } } }))
    };
    let with = vec![json!({}), json!({ "region": "eu", "1.a-b_c": 5, "x": "{{ version }}" })];
    let wrong = vec![json!([]), json!({ "a b": "x" }), json!({ "a": null }), json!({ "a": {} }), json!({ "a": "{{ b }}" })];
    agree(
        vec![("with", with, wrong), ("ready-within", vec![json!("5m")], vec![json!(0)]), ("image", vec![], vec![json!("a")])],
        exec,
    );
    for wrong in [
        json!({}),
        json!("docker"),
        json!({ "docker": { "image": "a" } }),
        json!({ "docker": { "service": "a" } }),
        json!({ "exec": {} }),
        json!({ "exec": null }),
        json!({ "kubernetes": {} }),
        json!({ "exec": { "service": "a" }, "docker": { "service": "a", "image": "b" } }),
    ] {
        assert_eq!(taken(&environments(&json!({ "e": { "target": wrong } }))), (false, false), "{wrong}");
    }
}

#[test]
fn the_samples_know_every_key_of_releases_environments_and_containers() {
    let schema = schema();
    let environment = &schema["properties"]["environments"]["additionalProperties"]["properties"];
    let docker = &environment["target"]["properties"]["docker"]["properties"];
    for (keys, samples) in [(environment, of_environments()), (docker, of_containers())] {
        let sampled: Vec<&str> = samples.iter().map(|(key, _, _)| *key).collect();
        let left_out: Vec<&String> = keys.as_object().unwrap().keys().filter(|key| !sampled.contains(&key.as_str())).collect();
        assert!(left_out.iter().all(|key| *key == "target"), "{left_out:?}");
    }
}

/// A file with these pipelines.
fn agents(of: &Value) -> Value {
    json!({ "image": "a", "gates": { "t": { "run": "x" }, "u": { "run": "x", "benchmark": "b.json" } }, "agents": of })
}

/// For each key of a pipeline, values that are right and values that are wrong.
fn of_pipelines() -> Vec<(&'static str, Vec<Value>, Vec<Value>)> {
    let models = || vec![json!("gpt"), json!("/a"), json!("a/"), json!("a/b c"), json!([]), json!(5), json!({}), Value::Null];
    vec![
        (
            "on",
            vec![
                json!({}),
                json!({ "command": "do", "failed": ["t", "u"], "label": ["a b", "c::d"], "issue": "opened" }),
                json!({ "schedule": "0 3 * * 1" }),
                json!({ "schedule": " */5\t0-6 1,15 JAN-MAR * " }),
            ],
            vec![
                json!("fix"),
                json!({ "command": "run" }),
                json!({ "failed": [] }),
                json!({ "label": "a,b" }),
                json!({ "label": [] }),
                json!({ "label": " " }),
                json!({ "issue": true }),
                json!({ "schedule": "0 3 * *" }),
                json!({ "schedule": "0 0 3 * * 1" }),
                json!({ "schedule": 5 }),
                json!({ "push": "main" }),
                Value::Null,
            ],
        ),
        (
            "steps",
            vec![
                json!(["coder", "verify", "security-review"]),
                json!([{ "verify": "t" }, { "verify": ["t", "u"], "expect": "fail" }, { "verify": "t", "expect": "pass" }]),
                json!([{ "parallel": ["review", ["tester", "verify"], [{ "role": "coder" }]] }]),
                json!([{ "role": "coder", "model": "a/b", "turns": 3, "timeout": "5m" }]),
                json!([{ "agent": { "run": "x" } }]),
                json!([{ "agent": { "run": "x", "name": "y", "image": "i", "egress": ["a.b"], "keys": ["k"], "timeout": 60 } }]),
                json!([{ "parallel": [{ "agent": { "run": "x", "egress": "localhost" } }, "review"] }]),
                json!([{ "agent": { "run": "x", "keys": "k" } }]),
            ],
            vec![
                json!([]),
                json!("coder"),
                json!(["Coder"]),
                json!([5]),
                json!([["coder"]]),
                json!([{}]),
                json!([{ "expect": "fail" }]),
                json!([{ "verify": [] }]),
                json!([{ "verify": "t", "expect": "red" }]),
                json!([{ "verify": "t", "role": "coder" }]),
                json!([{ "parallel": [] }]),
                json!([{ "parallel": "coder" }]),
                json!([{ "parallel": [["coder"], [{ "parallel": ["coder", "tester"] }]] }]),
                json!([{ "role": "coder", "turns": 0 }]),
                json!([{ "role": "coder", "turns": 501 }]),
                json!([{ "role": "coder", "timeout": 0 }]),
                json!([{ "role": "coder", "model": "x" }]),
                json!([{ "agent": {} }]),
                json!([{ "agent": "x" }]),
                json!([{ "agent": { "run": "x", "egress": ["https://a.b"] } }]),
                json!([{ "agent": { "run": "x", "egress": ["a:1"] } }]),
                json!([{ "agent": { "run": "x", "egress": ["A.b"] } }]),
                json!([{ "agent": { "run": "x", "egress": ["a..b"] } }]),
                json!([{ "agent": { "run": "x", "egress": ["-a"] } }]),
                json!([{ "agent": { "run": "x", "egress": [] } }]),
                json!([{ "agent": { "run": "x", "name": "a b" } }]),
                json!([{ "agent": { "run": "" } }]),
                Value::Null,
            ],
        ),
        (
            "budget",
            vec![
                json!({ "usd": 0.01 }),
                json!({ "usd": 1000, "tokens": 1000, "turns": 500, "minutes": 1440 }),
                json!({ "usd": "none" }),
                json!({ "tokens": 1_000_000_000 }),
            ],
            vec![
                json!({}),
                json!({ "usd": 0 }),
                json!({ "usd": 1001 }),
                json!({ "usd": "2" }),
                json!({ "usd": "free" }),
                json!({ "tokens": 999 }),
                json!({ "turns": 0 }),
                json!({ "turns": 501 }),
                json!({ "minutes": 0 }),
                json!({ "minutes": "20m" }),
                json!({ "eur": 2 }),
                json!(2),
            ],
        ),
        ("tries", vec![json!(1), json!(5)], vec![json!(0), json!(6), json!("3")]),
        ("on-red", vec![json!("stop"), json!("go-on")], vec![json!("continue"), json!(true)]),
        (
            "may",
            vec![json!("comment"), json!(["issue", "commit", "finding"]), json!(["pull-request", "suggestion"])],
            vec![
                json!([]),
                json!("merge"),
                json!(["commit", "comment", "pull-request"]),
                json!(["comment", "comment"]),
                json!(true),
            ],
        ),
        (
            "protect",
            vec![json!("db/**"), json!(["a", "*.lock"])],
            vec![json!([]), json!("!a"), json!("/a"), json!("../a"), json!("./a"), json!("~/a"), json!(5)],
        ),
        ("model", vec![json!("a/b"), json!(["a/b", "openai/gpt-5:x/y"])], models()),
        ("image", vec![json!("b:1")], vec![json!(""), json!("a b"), json!(5)]),
        ("network", vec![json!(true), json!(false)], vec![json!("yes"), json!(1)]),
    ]
}

#[test]
fn schema_and_reading_agree_on_agents() {
    let with = |key: &str, value: &Value| {
        let mut pipeline = json!({ "steps": ["coder"] });
        pipeline[key] = value.clone();
        agents(&json!({ "fix": {}, "other": pipeline }))
    };
    agree(of_pipelines(), with);
    let schema = schema();
    let keys = schema["properties"]["agents"]["additionalProperties"]["properties"].as_object().unwrap();
    let sampled: Vec<&str> = of_pipelines().iter().map(|(key, _, _)| *key).collect();
    assert!(keys.keys().all(|key| sampled.contains(&key.as_str())));
    assert_eq!(taken(&agents(&json!({ "fix": {}, "review": {}, "build": {}, "tdd": {}, "optimise": {} }))), (true, true));
    for wrong in [
        json!({}),
        json!([]),
        Value::Null,
        json!({ "other": {} }),
        json!({ "fix": null }),
        json!({ "fix": [] }),
        json!({ "a b": { "steps": ["coder"] } }),
        json!({ "fix": { "step": ["coder"] } }),
    ] {
        assert_eq!(taken(&agents(&wrong)), (false, false), "{wrong}");
    }
}

#[test]
fn schema_and_reading_agree_on_roles() {
    let file = |roles: &Value| json!({ "image": "a", "gates": { "t": { "run": "x" } }, "roles": roles });
    for right in [
        json!({}),
        json!({ "coder": { "tools": "read" } }),
        json!({ "coder": { "prompt": ".gatewright/coder.md" }, "my-own": { "prompt": "a.md", "tools": ["read", "shell"] } }),
    ] {
        assert_eq!(taken(&file(&right)), (true, true), "{right}");
    }
    for wrong in [
        json!([]),
        json!({ "coder": {} }),
        json!({ "my-own": { "tools": "read" } }),
        json!({ "Coder": { "prompt": "a.md" } }),
        json!({ "verify": { "prompt": "a.md" } }),
        json!({ "coder": { "prompt": "a.txt" } }),
        json!({ "coder": { "prompt": "/a.md" } }),
        json!({ "coder": { "prompt": "../a.md" } }),
        json!({ "coder": { "prompt": "a/*.md" } }),
        json!({ "coder": { "tools": [] } }),
        json!({ "coder": { "tools": ["read", "read"] } }),
        json!({ "coder": { "tools": "sudo" } }),
        json!({ "coder": { "about": "x" } }),
        json!({ "a".repeat(41): { "prompt": "a.md" } }),
    ] {
        assert_eq!(taken(&file(&wrong)), (false, false), "{wrong}");
    }
}
