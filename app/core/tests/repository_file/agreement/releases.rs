//! Releases, environments, and the containers in them.

use gatewright_core::config::schema;
use serde_json::{Value, json};

use super::gates::many_variables;
use super::{agree, taken};

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
