//! A release goes through, or undoes itself.

use gatewright_tests::site::load::{Load, People};
use insta::assert_snapshot;

use crate::world::{REPO, World};

const CANARY: &str = "    strategy: { canary: { steps: [10, 50, 100], every: 3s, keep: 0s } }\n    analysis: { warm-up: 0s, extend-at-most: 20s }\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_becomes_a_release_and_the_first_version_gets_all_requests() {
    let world = World::start().await;
    world.tag("v1.0.0", &world.file(CANARY, ""));
    world.idle().await;
    assert_snapshot!(world.github.deployments(REPO), @r"
    v1.0.0 to production (production)
      queued: getting ready
      in_progress: at 0 %
      in_progress: at 100 %
      success: v1.0.0 is live
    ");
    assert_snapshot!(world.github.releases(REPO), @r#"v1.0.0 "v1.0.0" latest, by gatewright[bot]"#);
    let load = Load::start(&world.router.address(), People { eager: 2, slow: 0, talking: 0 });
    load.more(20).await;
    let seen = load.stop().await;
    assert!(seen.bad.is_empty() && seen.of("1.0.0") >= 20, "{seen:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_version_gets_more_and_more_of_the_requests_and_nobody_notices() {
    let world = World::start().await;
    world.tag("v1.0.0", &world.file(CANARY, ""));
    world.idle().await;
    let load = Load::start(&world.router.address(), People { eager: 4, slow: 2, talking: 0 });
    load.more(20).await;
    world.tag("v1.1.0", &world.file(CANARY, ""));
    world.idle().await;
    load.more(50).await;
    let seen = load.stop().await;
    assert!(seen.bad.is_empty(), "{seen:?}");
    assert!(seen.of("1.1.0") > 50, "{seen:?}");
    assert_eq!(
        world.steps("production"),
        ["queued", "at 0 %", "at 10 %", "at 50 %", "at 100 %", "v1.1.0 is live"],
        "each share is a status of the deployment"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_fails_requests_undoes_itself() {
    let world = World::start().await;
    world.tag("v1.0.0", &world.file(CANARY, ""));
    world.idle().await;
    let load = Load::start(&world.router.address(), People { eager: 4, slow: 0, talking: 0 });
    load.more(20).await;
    let pull = world.merge("v1.1.0", &world.file(CANARY, ", FAIL_PERCENT: '60'"));
    world.idle().await;
    load.more(50).await;
    let seen = load.stop().await;
    let comment = world.github.release_comment(REPO, pull).unwrap_or_default();
    let (_, picture) =
        comment.split_once("[![v1.1.0 in production. At ").unwrap_or_else(|| panic!("it has a picture: {comment}"));
    assert!(picture.contains(" are needed)") && picture.contains("/measured.svg)](https://ci.example.com/runs/"), "{comment}");
    let last = world.steps("production").pop().unwrap_or_default();
    assert!(last.starts_with("rolled back: Errors happen to the new version only"), "{last}");
    let bad: u64 = seen.bad.values().sum();
    assert!(bad > 0 && bad < seen.good() / 2, "some saw the new version, most did not: {seen:?}");
    let load = Load::start(&world.router.address(), People { eager: 2, slow: 0, talking: 0 });
    load.more(50).await;
    let after = load.stop().await;
    assert!(after.bad.is_empty() && after.of("1.0.0") >= 50, "everything is as it was: {after:?}");
    world.end().await;
}
