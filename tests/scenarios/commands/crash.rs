//! The process is killed, for real, at places all over a command's work, and started again: what was said is done once,
//! and answered once.

use std::sync::Arc;

use gatewright_core::store::StoreUpkeep;
use gatewright_engine::Point;
use gatewright_store::{EmbeddedStore, Options};
use gatewright_tests::process::{Crash, Home, places};
use gatewright_tests::stage::{GitHubStage, GitLabStage, Role, Stage};

const FILE: &str = "image: gatewright-sandbox:local\ngates:\n  good: { run: 'true' }\n  bad: { run: exit 3 }\n";

/// Three commands: one that is shown on a gate, one on the whole, one that does not exist.
const SAID: &str = "/gw skip bad flaky\n/gw hold\n/gw nonsense";

/// A command has fewer appends and effects than this, with the run that draws anew what it changes.
const PLACES_MAX: u64 = 40;

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_any_append_a_command_is_done_and_answered_once_on_github() {
    killed_at_some(Arc::new(GitHubStage::start().await), Point::Appended, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_any_effect_a_command_is_done_and_answered_once_on_github() {
    killed_at_some(Arc::new(GitHubStage::start().await), Point::Performed, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_any_append_a_command_is_done_and_answered_once_on_gitlab() {
    killed_at_some(Arc::new(GitLabStage::start().await), Point::Appended, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_any_effect_a_command_is_done_and_answered_once_on_gitlab() {
    killed_at_some(Arc::new(GitLabStage::start().await), Point::Performed, 4).await;
}

/// A comment after the other, each with a crash some places further, until one is obeyed before its crash comes.
async fn killed_at_some(forge: Arc<dyn Stage>, point: Point, from: u64) {
    forge.commit("main", "alice", &[(".gatewright.yml", FILE)]);
    forge.set_role("ada", Role::Admin);
    let home = Home::on(&*forge);
    let mut reached = 0;
    for nth in places(from, 4, PLACES_MAX) {
        if !command_ends_right(&*forge, &home, Crash { point, nth }).await {
            break;
        }
        reached = nth;
    }
    assert!(reached > 5, "a command has more places than {reached}");
    assert!(reached + 4 < PLACES_MAX, "the series came to its end");
}

/// Says something to a service that kills itself, starts it again, and looks at what people see. True if it did kill
/// itself.
async fn command_ends_right(forge: &dyn Stage, home: &Home, crash: Crash) -> bool {
    let program = env!("CARGO_BIN_EXE_service-under-test");
    let nth = crash.nth;
    let branch = format!("topic-{nth}");
    let mut service = home.start(program, None).await;
    forge.send_again();
    let head = forge.commit(&branch, "alice", &[("a", &nth.to_string())]);
    let number = forge.open("alice", &branch);
    assert!(!service.dies_or_idles_on(forge).await, "without a crash it lives on: {}", home.log());
    service.kill().await;

    let mut service = home.start(program, Some(crash)).await;
    forge.advance(2);
    let comment = forge.comment(number, "ada", SAID);
    let died = service.dies_or_idles_on(forge).await;
    service.kill().await;
    let mut service = home.start(program, None).await;
    forge.send_again();
    assert!(!service.dies_or_idles_on(forge).await, "without a crash it lives on: {}", home.log());
    service.kill().await;

    let place = format!("crash {nth}");
    assert_eq!(forge.reactions(number, comment), ["eyes", "confused"], "{place}");
    assert_eq!(forge.replies(number).len(), 1, "{place}: one reply");
    let sticky = forge.sticky(number).expect("there is one comment");
    assert!(sticky.contains("Held by ada") && sticky.contains("skipped by ada"), "{place}: {sticky}");
    let checks = forge.checks(&head);
    assert_ne!(checks["gatewright"], "success", "{place}");
    assert!(checks.values().all(|state| state != "running" && state != "pending"), "{place}: {checks:?}");
    let store = EmbeddedStore::open(&home.dir().join("data"), &Options::default()).expect("nobody else has it open");
    let audited = store.audited(1_000).await.expect("it can be read");
    let lines = audited.iter().filter(|line| line.target.ends_with(&format!(" #{number}"))).count();
    assert_eq!(lines, 3, "{place}: a line for each command: {audited:#?}");
    forge.assert_valid();
    died
}
