//! From a delivery's sending to its check run "in progress" on the forge, on an idle service: p50, p99.
//!
//! `cargo bench -p gatewright-tests --bench latency [-- PULL_REQUESTS]`
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::time::Duration;

use gatewright_tests::FakeGitHub;
use gatewright_tests::github::PullSpec;
use gatewright_tests::service::{Service, Setting};

const REPO: &str = "octo/app";
const FILE: &str = "image: gatewright-sandbox:local\ngates:\n  slow:\n    run: sleep 100\n";

#[tokio::main]
async fn main() {
    let pulls = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(100);
    let github = FakeGitHub::start().await;
    github.create_repo(REPO);
    github.commit(REPO, "main", "alice", "the gates", [(".gatewright.yml", FILE)]);
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let service = Service::start(&github, &Setting::new(&github, dir.path())).await;
    let mut times = Vec::new();
    for n in 0..pulls {
        let branch = format!("topic-{n}");
        let head = github.commit(REPO, &branch, "alice", "a change", [("a", n.to_string().as_str())]);
        service.idle(&github).await;
        let opened = std::time::Instant::now();
        let number = github.open_pull(REPO, PullSpec::of("alice", &branch));
        while github.check_runs(REPO, &head).get("gatewright/slow").is_none_or(|check| check.state() != "in_progress") {
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        times.push(opened.elapsed());
        github.close_pull(REPO, number, "alice");
    }
    service.idle(&github).await;
    service.stop().await;
    github.assert_valid();
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
    println!("delivery sent -> check in progress, {pulls} pull requests on an idle service:");
    println!("  p50 {:.0} ms   p99 {:.0} ms   max {:.0} ms", at(0.5), at(0.99), at(1.0));
}
