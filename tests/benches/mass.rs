//! Many pull requests at once, against a forge that refuses more writes than it allows: nothing is refused, everything
//! ends right, and how long that takes.
//!
//! `cargo bench -p gatewright-tests --bench mass [-- PULL_REQUESTS [FACTOR]]`. The forge's limits are taken times FACTOR, so that it does
//! not take the half hour that GitHub's own would.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::sync::Arc;
use std::time::Instant;

use gatewright_tests::github::Limits;
use gatewright_tests::stage::{GitHubStage, Scene};

const FILE: &str = "image: gatewright-sandbox:local\ngates:\n  good: { run: 'true' }\n";

/// New comments a minute that GitHub takes, its points, and requests an hour of one installation.
const COMMENTS_PER_MINUTE: u32 = 80;
const POINTS_PER_MINUTE: u32 = 900;
const REQUESTS_PER_HOUR: u32 = 5_000;

#[tokio::main]
async fn main() {
    let mut args = std::env::args().filter_map(|arg| arg.parse::<u32>().ok());
    let (pulls, factor) = (args.next().unwrap_or(500), args.next().unwrap_or(20));
    let stage = Arc::new(GitHubStage::start().await);
    let per_minute = COMMENTS_PER_MINUTE * factor;
    let per_hour = u64::from(REQUESTS_PER_HOUR * factor);
    stage.github.set_limits(Limits { per_hour, content_per_minute: Some(per_minute as usize), ..Limits::default() });
    let scene = Scene::with(stage.clone(), FILE, |setting| {
        if let Some(github) = &mut setting.github {
            github.comments_per_minute = per_minute;
            github.points_per_minute = POINTS_PER_MINUTE * factor;
        }
    })
    .await;
    let heads: Vec<String> =
        (0..pulls).map(|n| scene.forge.commit(&format!("topic-{n}"), "alice", &[("a", &n.to_string())])).collect();
    scene.idle().await;
    let started = Instant::now();
    let numbers: Vec<u64> = (0..pulls).map(|n| scene.forge.open("alice", &format!("topic-{n}"))).collect();
    scene.idle_within(std::time::Duration::from_secs(3600)).await;
    let took = started.elapsed().as_secs_f64();
    let right = heads.iter().filter(|head| scene.forge.checks(head).get("gatewright").is_some_and(|state| state == "success"));
    let (right, comments) = (right.count(), numbers.iter().filter(|number| scene.forge.sticky(**number).is_some()).count());
    let refused = stage.github.log().iter().filter(|seen| matches!(seen.status, 403 | 429)).count();
    let requests = stage.github.log().iter().filter(|seen| !seen.operation.starts_with("apps/")).count();
    println!("{pulls} pull requests opened at once, GitHub's limits times {factor}:");
    println!("  {} requests a pull request, git's with them", requests / pulls.max(1) as usize);
    println!("  {right} checked and {comments} commented in {took:.0} s; {refused} writes refused by the forge");
    scene.end().await;
}
