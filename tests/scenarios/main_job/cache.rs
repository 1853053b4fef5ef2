//! Folders that gates bring from one run to the next, and who may write what others read.

use gatewright_core::run::{Run, StepState};
use gatewright_core::store::{Blobs, Store};
use gatewright_tests::on_every_forge;
use gatewright_tests::stage::{Scene, in_containers};
use insta::assert_snapshot;

/// Prints what it finds, and leaves what the change says.
const FILE: &str = "\
image: gatewright-sandbox:local
gates:
  kept:
    when: { events: [push, pull_request], branches: main }
    run: found=$(cat deps/made/of 2>/dev/null || echo nothing); mkdir -p deps/made; cat who > deps/made/of; echo found $found; exit $(cat code)
    cache: { paths: deps/made, key: lock }
";

on_every_forge!(a_cache_comes_from_the_own_branch_or_the_base_and_nobody_reads_what_a_fork_has_written(FILE, in_containers));

/// What the gate found in its cache, as its log has it.
async fn found(scene: &Scene, head: &str) -> String {
    scene.idle().await;
    let mut outcomes = Vec::new();
    for record in scene.service.runs().await {
        let (_, journal) = scene.service.store.journal(record.id).await.expect("it is there");
        let run = Run::replay(record.id, &journal).expect("it is whole");
        let steps = run.gates().filter(|gates| gates.spec.head.as_str() == head).map(|gates| gates.steps.clone());
        outcomes.extend(steps.into_iter().flatten().filter_map(|step| match step.state {
            StepState::Done { outcome, .. } => Some(outcome),
            _ => None,
        }));
    }
    let [outcome] = outcomes.as_slice() else { panic!("it was run once: {outcomes:?}") };
    let log = outcome.log.as_ref().expect("a log was stored");
    let log = scene.service.store.get(&log.blob).await.expect("it can be read").expect("it is there");
    String::from_utf8_lossy(&log).trim().replace('\n', "; ")
}

async fn a_cache_comes_from_the_own_branch_or_the_base_and_nobody_reads_what_a_fork_has_written(scene: Scene) {
    let files = |who: &'static str, lock: &'static str, code: &'static str| [("who", who), ("lock", lock), ("code", code)];
    scene.forge.commit("main", "alice", &files("main", "1", "0"));
    scene.idle().await;
    let mut told = Vec::new();
    let head = scene.forge.commit("topic", "alice", &files("topic", "1", "0"));
    scene.forge.open("alice", "topic");
    told.push(format!("a change finds what its base has: {}", found(&scene, &head).await));
    let head = scene.forge.commit("topic", "alice", &files("topic", "2", "1"));
    told.push(format!("with another lock file an older one: {}", found(&scene, &head).await));
    let head = scene.forge.commit("topic", "alice", &files("topic again", "2", "0"));
    told.push(format!("what failed was not kept: {}", found(&scene, &head).await));
    let head = scene.forge.commit("topic", "alice", &files("topic", "2", "0"));
    told.push(format!("what passed was: {}", found(&scene, &head).await));
    let head = scene.forge.commit_to_fork("fix", "mallory", &files("mallory", "3", "0"));
    let fork = scene.forge.open_from_fork("mallory", "fix");
    scene.idle().await;
    scene.say(fork, "wendy", &format!("/gw approve {head}")).await;
    told.push(format!("a fork reads the base's: {}", found(&scene, &head).await));
    let head = scene.forge.commit("other", "alice", &files("other", "3", "0"));
    scene.forge.open("alice", "other");
    told.push(format!("and writes nothing: {}", found(&scene, &head).await));
    assert_snapshot!(told.join("\n"), @"
    a change finds what its base has: gatewright: restored the cache; found main
    with another lock file an older one: gatewright: restored an older cache: the files that decide about it have changed; found main
    what failed was not kept: gatewright: restored an older cache: the files that decide about it have changed; found main
    what passed was: gatewright: restored the cache; found topic again
    a fork reads the base's: gatewright: restored an older cache: the files that decide about it have changed; found main
    and writes nothing: gatewright: restored an older cache: the files that decide about it have changed; found main
    ");
    scene.end().await;
}
