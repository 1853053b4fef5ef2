//! What a gate requires of the change itself.

use serde_json::{Value, json};

use super::taken;

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
