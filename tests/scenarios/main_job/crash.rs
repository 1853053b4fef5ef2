//! The process is killed, for real, at places all over a run's work, and started again: what people see in the end is
//! what they would have seen without.

use std::sync::Arc;

use gatewright_engine::Point;
use gatewright_tests::process::{Crash, Home, places};
use gatewright_tests::stage::{GitHubStage, GitLabStage, Stage};

const FILE: &str = "image: gatewright-sandbox:local\ngates:\n  a: { run: 'true' }\n  b: { run: exit 4, needs: [a] }\n";

/// A run has fewer appends and effects than this; a crash beyond its last one does not happen, and ends the series.
const PLACES_MAX: u64 = 60;

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_any_append_the_end_is_the_same_on_github() {
    killed_at_some(Arc::new(GitHubStage::start().await), Point::Appended, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_any_append_the_end_is_the_same_on_gitlab() {
    killed_at_some(Arc::new(GitLabStage::start().await), Point::Appended, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_any_effect_before_it_is_journaled_the_end_is_the_same_on_github() {
    killed_at_some(Arc::new(GitHubStage::start().await), Point::Performed, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_any_effect_before_it_is_journaled_the_end_is_the_same_on_gitlab() {
    killed_at_some(Arc::new(GitLabStage::start().await), Point::Performed, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_a_durable_delivery_and_its_acknowledgement_nothing_is_lost_or_doubled_on_github() {
    killed_at_each_acknowledgement(Arc::new(GitHubStage::start().await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_a_durable_delivery_and_its_acknowledgement_nothing_is_lost_or_doubled_on_gitlab() {
    killed_at_each_acknowledgement(Arc::new(GitLabStage::start().await)).await;
}

async fn killed_at_each_acknowledgement(forge: Arc<dyn Stage>) {
    let home = home(&*forge);
    // The first deliveries are about the push of the branch; the pull request's own is among these.
    for nth in 1..=4 {
        assert!(pull_request_ends_right(&*forge, &home, Crash { point: Point::Accepted, nth }).await, "it was to die");
    }
}

fn home(forge: &dyn Stage) -> Home {
    forge.commit("main", "alice", &[(".gatewright.yml", FILE)]);
    Home::on(forge)
}

/// A pull request after the other, each with a crash some places further, until a run ends before its crash comes.
async fn killed_at_some(forge: Arc<dyn Stage>, point: Point, from: u64) {
    let home = home(&*forge);
    let mut reached = 0;
    for nth in places(from, 4, PLACES_MAX) {
        if !pull_request_ends_right(&*forge, &home, Crash { point, nth }).await {
            break;
        }
        reached = nth;
    }
    assert!(reached > 8, "a run has more places than {reached}");
    assert!(reached + 4 < PLACES_MAX, "the series came to its end");
}

/// Opens a pull request over a service that kills itself, starts it again, and looks at what people see. True if it did
/// kill itself.
async fn pull_request_ends_right(forge: &dyn Stage, home: &Home, crash: Crash) -> bool {
    let program = env!("CARGO_BIN_EXE_service-under-test");
    let mut service = home.start(program, Some(crash)).await;
    forge.send_again();
    let nth = crash.nth;
    let branch = format!("topic-{nth}");
    let head = forge.commit(&branch, "alice", &[("a", &nth.to_string())]);
    let number = forge.open("alice", &branch);
    let died = service.dies_or_idles_on(forge).await;
    service.kill().await;
    let mut service = home.start(program, None).await;
    forge.send_again();
    assert!(!service.dies_or_idles_on(forge).await, "without a crash it lives on: {}", home.log());
    service.kill().await;

    let place = format!("crash {nth}");
    let checks = forge.checks(&head);
    let lines: Vec<String> = checks.iter().map(|(name, state)| format!("{name} {state}")).collect();
    assert_eq!(lines, ["gatewright failure", "gatewright/a success", "gatewright/b failure"], "{place}");
    assert_eq!(forge.checks_made(&head), 3, "{place}: no check was made twice");
    assert_eq!(forge.replies(number), [], "{place}: one comment, and no others");
    let sticky = forge.sticky(number).expect("there is one comment");
    let table = "| ✅ | a | exit code 0 | T |\n| ❌ | b | exit code 4 | T |";
    assert!(sticky.contains(table), "{place}: {sticky}");
    assert_eq!(home.leftovers().await, Vec::<String>::new(), "{place}");
    forge.assert_valid();
    died
}
