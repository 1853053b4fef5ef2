//! Each strategy, and versions and hooks that fail.

use gatewright_tests::site::load::{Load, People};
use gatewright_tests::stage::in_containers;

use crate::world::World;

/// So short a time is too little to compare errors in.
const QUICK: &str = "    analysis: { errors: none, warm-up: 0s, extend-at-most: 20s }\n";

fn strategy(words: &str) -> String {
    format!("    strategy: {words}\n{QUICK}")
}

#[tokio::test(flavor = "multi_thread")]
async fn blue_green_switches_and_a_rollback_brings_everything_back() {
    let world = World::start().await;
    let blue_green = strategy("{ blue-green: { watch: 2s, keep: 1s } }");
    world.tag("v1.0.0", &world.file(&blue_green, ""));
    world.idle().await;
    let load = Load::start(&world.router.address(), People { eager: 3, slow: 1, talking: 0 });
    load.more(20).await;
    let pull = world.merge("v1.1.0", &world.file(&blue_green, ""));
    world.idle().await;
    assert_eq!(world.steps("production").last().map(String::as_str), Some("v1.1.0 is live"));
    assert_eq!(world.containers(), ["1.1.0", "1.1.0"], "the old version was kept for a second");
    world.say(pull, "max", "/gw rollback production it looks odd").await;
    world.idle().await;
    load.more(50).await;
    let seen = load.stop().await;
    assert!(seen.bad.is_empty() && seen.of("1.0.0") > 0 && seen.of("1.1.0") > 0, "{seen:?}");
    let after = world.answers(30).await;
    assert_eq!(after.good(), after.of("1.0.0"), "{after:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rolling_goes_instance_by_instance_and_nobody_notices() {
    let world = World::start().await;
    let rolling = strategy("{ rolling: { batch: 50, every: 1s } }");
    world.tag("v1.0.0", &world.file(&rolling, ""));
    world.idle().await;
    let load = Load::start(&world.router.address(), People { eager: 3, slow: 1, talking: 0 });
    load.more(20).await;
    world.tag("v1.1.0", &world.file(&rolling, ""));
    world.idle().await;
    load.more(20).await;
    let seen = load.stop().await;
    assert!(seen.bad.is_empty(), "{seen:?}");
    assert_eq!(world.containers(), ["1.1.0", "1.1.0"]);
    assert_eq!(world.steps("production"), ["queued", "at 0 %", "at 50 %", "at 100 %", "v1.1.0 is live"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recreate_ends_with_the_new_version_alone_and_brings_the_old_one_back_where_that_fails() {
    let world = World::start().await;
    let recreate = strategy("recreate");
    world.tag("v1.0.0", &world.file(&recreate, ""));
    world.idle().await;
    world.tag("v1.1.0", &world.file(&recreate, ""));
    world.idle().await;
    assert_eq!(world.containers(), ["1.1.0", "1.1.0"]);
    world.tag("v1.2.0", &world.file(&recreate, ", CRASH: start"));
    world.idle().await;
    assert_eq!(world.containers(), ["1.1.0", "1.1.0"], "what was stopped runs again");
    let seen = world.answers(30).await;
    assert!(seen.bad.is_empty() && seen.good() == seen.of("1.1.0"), "{seen:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_that_is_reloaded_in_the_middle_of_a_rollout_loses_neither_requests_nor_shares() {
    let world = World::start().await;
    let canary = strategy("{ canary: { steps: [25, 75, 100], every: 2s, keep: 2s } }");
    world.tag("v1.0.0", &world.file(&canary, ""));
    world.idle().await;
    let load = Load::start(&world.router.address(), People { eager: 3, slow: 1, talking: 0 });
    load.more(20).await;
    world.tag("v1.1.0", &world.file(&canary, ""));
    for share in ["at 25 %", "at 75 %"] {
        world.until_at("v1.1.0", "production", share).await;
        world.router.reload().await;
    }
    world.idle().await;
    assert_eq!(world.steps("production").last().map(String::as_str), Some("v1.1.0 is live"));
    load.more(20).await;
    let seen = load.stop().await;
    assert!(seen.bad.is_empty() && seen.of("1.1.0") > 0, "{seen:?}");
    let after = world.answers(30).await;
    assert_eq!(after.good(), after.of("1.1.0"), "{after:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_does_not_start_or_is_never_ready_gets_no_request() {
    let world = World::start().await;
    let canary = strategy("{ canary: { steps: [50, 100], every: 1s, keep: 0s } }");
    world.tag("v1.0.0", &world.file(&canary, ""));
    world.idle().await;
    let load = Load::start(&world.router.address(), People { eager: 2, slow: 0, talking: 0 });
    load.more(20).await;
    // One that crashes has its full time: on a slow machine three seconds are over before it has crashed three times.
    for (tag, fault, within, why) in [
        ("v1.1.0", ", CRASH: start", "20s", "as soon as it was started"),
        ("v1.2.0", ", HEALTH_STATUS: '500'", "3s", "of 2 instances were ready after 3 s"),
    ] {
        let file = world.file(&canary, fault).replace("ready-within: 20s", &format!("ready-within: {within}"));
        world.tag(tag, &file);
        world.idle().await;
        let last = world.steps("production").pop().unwrap_or_default();
        if tag == "v1.1.0" {
            assert!(last.contains("rolled back") && last.contains(why), "{last}");
            // What undid itself keeps the next one waiting until somebody says that it may come.
            let number = world.merge("v1.1.1", &world.file(&canary, ""));
            world.until_at("v1.1.1", "production", "resume").await;
            world.say(number, "max", "/gw resume production").await;
            world.idle().await;
            assert_eq!(world.steps("production").last().map(String::as_str), Some("v1.1.1 is live"));
        } else {
            assert!(last.contains("rolled back") && last.contains(why), "{last}");
        }
    }
    load.more(20).await;
    let seen = load.stop().await;
    assert!(seen.bad.is_empty() && seen.of("1.1.0") == 0 && seen.of("1.2.0") == 0, "{seen:?}");
    assert_eq!(world.containers(), ["1.1.1", "1.1.1"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_fails_before_leaves_everything_and_one_after_undoes_everything() {
    let world = World::start_with(in_containers).await;
    let hooked = |hooks: &str| strategy("{ canary: { steps: [50, 100], every: 1s, keep: 0s } }") + hooks;
    world.tag("v1.0.0", &world.file(&hooked(""), ""));
    world.idle().await;
    let pull = world.merge("v1.1.0", &world.file(&hooked("    hooks: { before: { name: migrate, run: exit 7 } }\n"), ""));
    world.idle().await;
    let last = world.steps("production").pop().unwrap_or_default();
    assert!(last.starts_with("rolled back: ") && last.contains("migrate") && last.contains("exit code 7"), "{last}");
    assert_eq!(world.containers(), ["1.0.0", "1.0.0"]);
    world.say(pull, "max", "/gw resume production").await;
    world.tag("v1.2.0", &world.file(&hooked("    hooks: { after: { name: smoke, run: 'test $GATEWRIGHT_VERSION = 1' } }\n"), ""));
    world.idle().await;
    let last = world.steps("production").pop().unwrap_or_default();
    assert!(last.starts_with("rolled back: ") && last.contains("smoke") && last.contains("exit code 1"), "{last}");
    let seen = world.answers(30).await;
    assert!(seen.bad.is_empty() && seen.good() == seen.of("1.0.0"), "{seen:?}");
    assert_eq!(world.containers(), ["1.0.0", "1.0.0"]);
    world.end().await;
}
