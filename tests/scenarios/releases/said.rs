//! What people say about a release, in the pull request that brought it.

use crate::world::World;

const MANUAL: &str = "    strategy: { canary: { steps: [{ percent: 50, hold: manual }, 100], every: 1s, keep: 0s } }\n    analysis: { errors: none, warm-up: 0s, extend-at-most: 20s }\n";

#[tokio::test(flavor = "multi_thread")]
async fn two_others_have_to_agree_and_the_author_does_not_count() {
    let world = World::start().await;
    let file = world.file(&format!("{MANUAL}    approvals: {{ count: 2, author: false }}\n"), "");
    world.github.set_permission(crate::world::REPO, "alice", gatewright_tests::github::Level::Admin);
    let pull = world.merge("v1.0.0", &file);
    world.until_says("production", "2 approvals").await;
    world.say(pull, "alice", "/gw promote production").await;
    let refused = world.say(pull, "rita", "/gw promote production").await;
    assert!(refused.contains("may not give this command"), "{refused}");
    world.say(pull, "max", "/gw promote production").await;
    world.until_says("production", "1 approval").await;
    assert_eq!(world.containers(), Vec::<String>::new(), "nothing has begun");
    world.say(pull, "ada", "/gw promote production").await;
    world.idle().await;
    assert_eq!(world.steps("production").last().map(String::as_str), Some("v1.0.0 is live"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_paused_resumed_promoted_and_taken_back_by_words() {
    let world = World::start().await;
    world.tag("v1.0.0", &world.file(MANUAL, ""));
    world.idle().await;
    let pull = world.merge("v1.1.0", &world.file(MANUAL, ""));
    world.until_at("v1.1.0", "production", "until somebody says").await;
    world.say(pull, "max", "/gw pause production").await;
    world.until_says("production", "paused by max").await;
    let wrong = world.say(pull, "max", "/gw promote producton").await;
    assert!(wrong.contains("Did you mean `production`?"), "{wrong}");
    world.say(pull, "max", "/gw resume production").await;
    let split = world.answers(60).await;
    assert!(split.bad.is_empty() && split.of("1.0.0") > 5 && split.of("1.1.0") > 5, "half and half: {split:?}");
    world.say(pull, "max", "/gw rollback production too slow").await;
    world.idle().await;
    let last = world.steps("production").pop().unwrap_or_default();
    assert!(last.contains("Rolled back by max: too slow"), "{last}");
    let seen = world.answers(30).await;
    assert!(seen.bad.is_empty() && seen.good() == seen.of("1.0.0"), "{seen:?}");
    // Who says `deploy` has seen that, and it begins anew.
    world.say(pull, "max", "/gw deploy production v1.1.0").await;
    let again = || async { world.github.deployments(crate::world::REPO).matches("v1.1.0 to production").count() == 2 };
    gatewright_tests::service::until("it comes a second time", again).await;
    world.until_at("v1.1.0", "production", "until somebody says").await;
    world.say(pull, "max", "/gw promote production").await;
    world.idle().await;
    let seen = world.answers(30).await;
    assert!(seen.bad.is_empty() && seen.good() == seen.of("1.1.0"), "{seen:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_environment_gets_nothing_until_it_is_thawed() {
    let world = World::start().await;
    let straight = "    strategy: { blue-green: { watch: 0s, keep: 0s } }\n";
    let pull = world.merge("v1.0.0", &world.file(straight, ""));
    world.idle().await;
    world.say(pull, "max", "/gw freeze production 2h a holiday").await;
    world.tag("v1.1.0", &world.file(straight, ""));
    world.until_at("v1.1.0", "production", "max's freeze").await;
    let seen = world.answers(20).await;
    assert_eq!(seen.good(), seen.of("1.0.0"), "{seen:?}");
    world.say(pull, "max", "/gw unfreeze production").await;
    world.idle().await;
    assert_eq!(world.steps("production").last().map(String::as_str), Some("v1.1.0 is live"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_stopped_in_the_middle_of_a_canary_goes_on_where_it_was() {
    let world = World::start().await;
    world.tag("v1.0.0", &world.file(MANUAL, ""));
    world.idle().await;
    let pull = world.merge("v1.1.0", &world.file(MANUAL, ""));
    world.until_at("v1.1.0", "production", "until somebody says").await;
    let world = world.restarted().await;
    let split = world.answers(60).await;
    assert!(split.bad.is_empty() && split.of("1.0.0") > 5 && split.of("1.1.0") > 5, "it stays where it is: {split:?}");
    world.say(pull, "max", "/gw promote production").await;
    world.idle().await;
    assert_eq!(world.github.deployments(crate::world::REPO).matches("v1.1.0 to production").count(), 1);
    assert_eq!(world.containers(), ["1.1.0", "1.1.0"]);
    world.end().await;
}
