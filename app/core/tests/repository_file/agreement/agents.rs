//! Pipelines of agents and their roles.

use gatewright_core::config::schema;
use serde_json::{Value, json};

use super::{agree, taken};

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
            "inputs",
            vec![
                json!({}),
                json!({ "a": {}, "b-2": { "description": "x y", "default": "z", "options": ["y", "z"] } }),
                json!({ "a": { "options": "y" } }),
            ],
            vec![
                json!([]),
                json!("a"),
                json!({ "A": {} }),
                json!({ "a": "x" }),
                json!({ "a": Value::Null }),
                json!({ "a": { "default": 5 } }),
                json!({ "a": { "default": " " } }),
                json!({ "a": { "default": "x\ny" } }),
                json!({ "a": { "options": [] } }),
                json!({ "a": { "required": true } }),
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
