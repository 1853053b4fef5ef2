//! The process is killed, for real, at every place in a run's work, and started again: what people see in the end is
//! what they would have seen without.

use super::{REPO, without_times};
use gatewright_engine::Point;
use gatewright_tests::FakeGitHub;
use gatewright_tests::github::PullSpec;
use gatewright_tests::process::{Crash, Home};

const FILE: &str = "image: gatewright-sandbox:local\ngates:\n  a: { run: 'true' }\n  b: { run: exit 4, needs: [a] }\n";

/// A run has fewer appends and effects than this; a crash beyond its last one does not happen, and ends the series.
const PLACES_MAX: u64 = 60;

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_any_append_the_end_is_the_same() {
    killed_at_each(Point::Appended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_any_effect_before_it_is_journaled_the_end_is_the_same() {
    killed_at_each(Point::Performed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_a_durable_delivery_and_its_acknowledgement_nothing_is_lost_or_doubled() {
    let github = github_with_repository().await;
    let home = Home::new(&github);
    // The first deliveries are about the push of the branch; the pull request's own is among these.
    for nth in 1..=4 {
        assert!(pull_request_ends_right(&github, &home, Crash { point: Point::Accepted, nth }).await, "it was to die");
    }
}

async fn github_with_repository() -> FakeGitHub {
    let github = FakeGitHub::start().await;
    github.create_repo(REPO);
    github.commit(REPO, "main", "alice", "the gates", [(".gatewright.yml", FILE)]);
    github
}

/// A pull request after the other, each with a crash one place further, until a run ends before its crash comes.
async fn killed_at_each(point: Point) {
    let github = github_with_repository().await;
    let home = Home::new(&github);
    let mut crashes = 0;
    for nth in 1..=PLACES_MAX {
        if !pull_request_ends_right(&github, &home, Crash { point, nth }).await {
            break;
        }
        crashes += 1;
    }
    assert!(crashes > 10, "a run has more places than {crashes}");
    assert!(crashes < PLACES_MAX, "the series came to its end");
}

/// Opens a pull request over a service that kills itself, starts it again, and looks at what people see. True if it did
/// kill itself.
async fn pull_request_ends_right(github: &FakeGitHub, home: &Home, crash: Crash) -> bool {
    let program = env!("CARGO_BIN_EXE_service-under-test");
    let mut service = home.start(program, Some(crash)).await;
    let nth = crash.nth;
    let branch = format!("topic-{nth}");
    let head = github.commit(REPO, &branch, "alice", "a change", [("a", format!("{nth}").as_str())]);
    let number = github.open_pull(REPO, PullSpec::of("alice", &branch));
    let died = service.dies_or_idles(github).await;
    service.kill().await;
    let mut service = home.start(program, None).await;
    assert!(!service.dies_or_idles(github).await, "without a crash it lives on: {}", home.log());
    service.kill().await;

    let place = format!("crash {nth}");
    let checks = github.all_check_runs(REPO, &head);
    let mut lines: Vec<String> = checks.iter().map(|check| format!("{} {}", check.name, check.state())).collect();
    lines.sort();
    assert_eq!(lines, ["gatewright failure", "gatewright/a success", "gatewright/b failure"], "{place}");
    let comments = github.bot_comments(REPO, number);
    assert_eq!(comments.len(), 1, "{place}: one comment, not {comments:#?}");
    let table = "| ✅ | a | exit code 0 | T |\n| ❌ | b | exit code 4 | T |";
    assert!(without_times(&comments[0].body).contains(table), "{place}: {}", comments[0].body);
    assert_eq!(leftovers(&home.instance()).await, Vec::<String>::new(), "{place}");
    github.assert_valid();
    died
}

/// The names of the containers of this service that exist.
async fn leftovers(instance: &str) -> Vec<String> {
    let filter = format!("label=dev.gatewright.instance={instance}");
    let output = tokio::process::Command::new("docker")
        .args(["ps", "--all", "--quiet", "--filter", &filter])
        .output()
        .await
        .expect("the docker client is installed by tests/setup/all.sh");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}
