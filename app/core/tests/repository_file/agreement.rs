//! The JSON Schema that editors use and the reading agree.

use std::sync::LazyLock;

use gatewright_core::config::{parse, schema};
use jsonschema::Validator;
use serde_json::{Value, json};

mod agents;
mod gates;
mod policy;
mod releases;
mod reports;

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
fn the_schema_is_a_schema() {
    assert!(jsonschema::meta::is_valid(&schema()));
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
