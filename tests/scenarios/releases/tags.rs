//! Tags that come together, move, go, or are none to release.

use gatewright_core::{ForgeKind, Timestamp};
use gatewright_tests::service::until;
use gatewright_tests::site::load::{Load, People};

use crate::world::{REPO, World};

const MANUAL: &str = "    strategy: { canary: { steps: [{ percent: 50, hold: manual }, 100], every: 1s, keep: 0s } }\n    analysis: { warm-up: 0s, extend-at-most: 20s }\n";

const AT_ONCE: &str = "    strategy: { blue-green: { watch: 0s, keep: 0s } }\n";

#[tokio::test(flavor = "multi_thread")]
async fn of_two_releases_the_second_waits_for_the_first() {
    let world = World::start().await;
    world.tag("v1.0.0", &world.file(MANUAL, ""));
    world.idle().await;
    let pull = world.merge("v1.1.0", &world.file(MANUAL, ""));
    world.until_at("v1.1.0", "production", "until somebody says").await;
    world.tag("v1.2.0", &world.file(AT_ONCE, ""));
    world.until_at("v1.2.0", "production", "another rollout to end").await;
    world.say(pull, "max", "/gw promote production").await;
    world.idle().await;
    assert_eq!(world.steps("production").last().map(String::as_str), Some("v1.2.0 is live"));
    assert_eq!(world.containers(), ["1.2.0", "1.2.0"]);
    let deployed = world.github.deployed(REPO, "production");
    assert!(deployed.iter().all(|(_, state)| state == "success" || state == "inactive"), "{deployed:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_no_delivery_told_of_is_caught_up_with_and_older_ones_are_left_alone() {
    let world = World::start().await;
    world.tag("v1.1.0", &world.file(AT_ONCE, ""));
    world.idle().await;
    // The hook is lost: nobody listens there.
    world.github.move_webhook("http://127.0.0.1:9/nowhere");
    world.tag("v1.2.0", &world.file(AT_ONCE, ""));
    world.tag("v1.0.9", &world.file(AT_ONCE, ""));
    let now = Timestamp::now();
    let catch_up = async || world.service.engine.catch_up(ForgeKind::Github, now, now).await.map(|all| all.started);
    // The service's own sweep may have had the first look: then the second one starts it, and a third nothing more.
    let started = [catch_up().await, catch_up().await, catch_up().await];
    assert!(started.iter().flatten().sum::<u64>() <= 1, "{started:?}");
    world.until_at("v1.2.0", "production", "v1.2.0 is live").await;
    let tags = world.service.runs().await.into_iter().filter(|run| run.subject.contains("/release/")).count();
    assert_eq!(tags, 2, "one run each of v1.1.0 and v1.2.0");
    world.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_release_takes_the_place_of_one_on_its_way() {
    let world = World::start().await;
    world.tag("v1.0.0", &world.file(MANUAL, ""));
    world.idle().await;
    world.tag("v1.1.0", &world.file(MANUAL, ""));
    world.until_at("v1.1.0", "production", "until somebody says").await;
    world.tag("v1.2.0", &world.file(&format!("{AT_ONCE}    busy: supersede\n"), ""));
    world.idle().await;
    assert_eq!(world.steps("production").last().map(String::as_str), Some("v1.2.0 is live"));
    let told = world.github.deployments(REPO);
    assert!(told.contains("v1.2.0 takes its place"), "{told}");
    assert_eq!(world.containers(), ["1.2.0", "1.2.0"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_is_moved_or_deleted_while_its_gates_run_is_not_released() {
    let world = World::start().await;
    let slow =
        |tag: &str| world.file(AT_ONCE, "").replace("good: { run: 'true' }", &format!("good: {{ run: 'sleep 3; : {tag}' }}"));
    let commit = world.tag("v1.0.0", &slow("v1.0.0"));
    let runs = || async { world.service.runs().await.iter().any(|run| run.subject.contains("/tag/")) };
    until("its gates run", runs).await;
    world.github.delete_tag(REPO, "v1.0.0", "alice");
    world.idle().await;
    assert_eq!((world.github.deployments(REPO), world.containers()), (String::new(), vec![]));
    assert_eq!(world.github.releases(REPO), "");
    // It comes again, elsewhere: that is a release of its own.
    let other = world.github.commit(REPO, "main", "alice", "fix: it", [("f", "again")]);
    assert_ne!(commit, other);
    world.github.push_tag(REPO, "v1.0.0", &other, "alice");
    world.idle().await;
    assert_eq!(world.steps("production").last().map(String::as_str), Some("v1.0.0 is live"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_tags_that_come_at_once_the_higher_one_is_there_in_the_end() {
    let world = World::start().await;
    world.tag("v1.0.0", &world.file(AT_ONCE, ""));
    world.idle().await;
    let load = Load::start(&world.router.address(), People { eager: 2, slow: 0, talking: 0 });
    load.more(20).await;
    // The higher one first: the other one finds it there, or is there before it.
    let [higher, lower] = ["v1.2.0", "v1.1.0"].map(|tag| {
        world.github.commit(
            REPO,
            "main",
            "alice",
            &format!("feat: {tag}"),
            [(".gatewright.yml", world.file(AT_ONCE, "").as_str()), ("f", tag)],
        )
    });
    world.github.push_tag(REPO, "v1.2.0", &higher, "alice");
    world.github.push_tag(REPO, "v1.1.0", &lower, "alice");
    world.idle().await;
    let seen = load.stop().await;
    assert!(seen.bad.is_empty() && seen.of("1.2.0") > 0, "{seen:?}");
    let after = world.answers(30).await;
    assert_eq!(after.good(), after.of("1.2.0"), "{after:?}");
    assert_eq!(world.containers(), ["1.2.0", "1.2.0"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_is_moved_and_deleted_in_the_middle_of_its_rollout_leaves_that_to_its_end() {
    let world = World::start().await;
    world.tag("v1.0.0", &world.file(MANUAL, ""));
    world.idle().await;
    let pull = world.merge("v1.1.0", &world.file(MANUAL, ""));
    world.until_at("v1.1.0", "production", "until somebody says").await;
    let elsewhere = world.github.commit(REPO, "main", "mallory", "feat: something else", [("f", "else")]);
    world.github.push_tag(REPO, "v1.1.0", &elsewhere, "mallory");
    let comment = || world.github.release_comment(REPO, pull).unwrap_or_default();
    until("the comment says that the tag was moved", || async { comment().contains("the tag was moved from ") }).await;
    world.github.delete_tag(REPO, "v1.1.0", "mallory");
    until("the comment says that the tag is gone", || async { comment().contains("the tag was deleted") }).await;
    world.say(pull, "max", "/gw promote production").await;
    world.until_says("production", "v1.1.0 is live").await;
    world.idle().await;
    assert_eq!(world.containers(), ["1.1.0", "1.1.0"]);
    let deployments = world.github.deployments(REPO);
    assert_eq!(deployments.matches("v1.1.0 to production").count(), 1, "what it was moved to goes nowhere: {deployments}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_on_no_protected_branch_is_refused_where_people_read_it() {
    let world = World::start().await;
    let file = world.file(AT_ONCE, "");
    world.github.commit(REPO, "main", "alice", "feat: w", [("f", "w")]);
    world.github.commit(REPO, "develop", "alice", "feat: x", [("h", "x")]);
    world.github.commit(REPO, "topic", "alice", "feat: y", [(".gatewright.yml", file.as_str()), ("g", "y")]);
    let spec = gatewright_tests::github::PullSpec::of("alice", "topic").into_branch("develop");
    let pull = world.github.open_pull(REPO, spec);
    world.idle().await;
    let commit = world.github.merge_pull(REPO, pull, "wendy");
    let commit = commit.expect("nothing conflicts");
    world.github.push_tag(REPO, "v1.0.0", &commit, "alice");
    world.idle().await;
    let comment = world.github.release_comment(REPO, pull).unwrap_or_default();
    assert!(comment.contains("is on no protected branch"), "{comment}");
    assert_eq!((world.github.deployments(REPO), world.github.releases(REPO)), (String::new(), String::new()));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_whose_gates_fail_goes_nowhere() {
    let world = World::start().await;
    let pull = world.merge("v1.0.0", &world.file(AT_ONCE, "").replace("good: { run: 'true' }", "good: { run: exit 3 }"));
    world.idle().await;
    let comment = world.github.release_comment(REPO, pull).unwrap_or_default();
    assert!(comment.contains("good did not pass"), "{comment}");
    assert_eq!((world.github.deployments(REPO), world.containers()), (String::new(), vec![]));
    world.end().await;
}
