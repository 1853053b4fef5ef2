//! Dependencies point one way, and core does no I/O: asked from Cargo itself.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Crates with which code does I/O, waits or tells the time. Core has none of them, however indirectly.
const IO: [&str; 14] = [
    "axum",
    "bollard",
    "fs2",
    "hyper",
    "mio",
    "octocrab",
    "reqwest",
    "rustix",
    "rustls",
    "sled",
    "socket2",
    "sqlx",
    "tokio",
    "tower-http",
];

/// Each crate of the workspace, and the crates of the workspace that it may depend on.
const MAY_DEPEND_ON: [(&str, &[&str]); 16] = [
    ("gatewright-core", &[]),
    ("gatewright-webhook", &["gatewright-core"]),
    ("gatewright-engine", &["gatewright-core", "gatewright-reports"]),
    ("gatewright-forge-github", &["gatewright-core", "gatewright-forge-shared"]),
    ("gatewright-forge-gitlab", &["gatewright-core", "gatewright-forge-shared"]),
    ("gatewright-forge-shared", &[]),
    ("gatewright-model", &["gatewright-core"]),
    ("gatewright-store", &["gatewright-core"]),
    ("gatewright-notify", &["gatewright-core"]),
    ("gatewright-reports", &[]),
    ("gatewright-sandbox", &["gatewright-core"]),
    ("gatewright-simulate", &["gatewright-core"]),
    ("gatewright-target", &["gatewright-core"]),
    ("gatewright-action", &["gatewright-core", "gatewright-engine", "gatewright-forge-shared", "gatewright-reports"]),
    (
        "gatewright",
        &[
            "gatewright-action",
            "gatewright-core",
            "gatewright-engine",
            "gatewright-forge-github",
            "gatewright-forge-gitlab",
            "gatewright-forge-shared",
            "gatewright-model",
            "gatewright-notify",
            "gatewright-reports",
            "gatewright-sandbox",
            "gatewright-simulate",
            "gatewright-store",
            "gatewright-target",
            "gatewright-webhook",
        ],
    ),
    (
        "gatewright-tests",
        &[
            "gatewright",
            "gatewright-action",
            "gatewright-core",
            "gatewright-engine",
            "gatewright-forge-github",
            "gatewright-forge-gitlab",
            "gatewright-model",
            "gatewright-notify",
            "gatewright-sandbox",
            "gatewright-store",
            "gatewright-target",
            "gatewright-webhook",
        ],
    ),
];

/// The normal dependencies of each package, by name, and the names of the workspace's own.
fn graph() -> (BTreeMap<String, BTreeSet<String>>, BTreeSet<String>) {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--offline", "--locked", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let names: BTreeMap<String, String> =
        list(&metadata["packages"]).iter().map(|p| (text(&p["id"]), text(&p["name"]))).collect();
    let normal = |dep: &&Value| list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in list(&metadata["resolve"]["nodes"]) {
        let deps = list(&node["deps"]);
        let deps = deps.iter().filter(normal).map(|dep| names[&text(&dep["pkg"])].clone());
        graph.entry(names[&text(&node["id"])].clone()).or_default().extend(deps);
    }
    let own = list(&metadata["workspace_members"]).iter().map(|id| names[&text(id)].clone()).collect();
    (graph, own)
}

#[test]
fn core_reaches_nothing_that_does_io() {
    let (graph, _) = graph();
    let mut reached = BTreeSet::new();
    let mut open = vec!["gatewright-core".to_owned()];
    while let Some(name) = open.pop() {
        if reached.insert(name.clone()) {
            open.extend(graph[&name].iter().cloned());
        }
    }
    let io: Vec<&String> = reached.iter().filter(|name| IO.contains(&name.as_str())).collect();
    assert!(io.is_empty(), "gatewright-core reaches {io:?}");
    assert!(reached.len() > 5, "the graph was read");
}

#[test]
fn no_crate_of_the_workspace_depends_on_one_that_it_should_not_know() {
    let (graph, own) = graph();
    let named: BTreeSet<String> = MAY_DEPEND_ON.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(own, named, "every crate of the workspace has its line here");
    for (name, allowed) in MAY_DEPEND_ON {
        let inner: Vec<&String> = graph[name].iter().filter(|dep| own.contains(*dep)).collect();
        let forbidden: Vec<&&String> = inner.iter().filter(|dep| !allowed.contains(&dep.as_str())).collect();
        assert!(forbidden.is_empty(), "{name} depends on {forbidden:?}");
    }
}
