//! Many pull requests at once, against a forge that refuses more writes than it allows: nothing is refused, everything
//! ends right, and how long that takes.
//!
//! `cargo bench -p gatewright-tests --bench mass [-- PULL_REQUESTS [FACTOR]] [github|gitlab]`. The forge's limits are taken
//! times FACTOR, so that it does not take the hours that the forge's own would.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gatewright_tests::service::Setting;
use gatewright_tests::stage::{GitHubStage, GitLabStage, Scene, Stage};
use gatewright_tests::{github, gitlab};

const FILE: &str = "image: gatewright-sandbox:local\ngates:\n  good: { run: 'true' }\n";

/// New comments a minute that GitHub takes, its points, and requests an hour of one installation.
const COMMENTS_PER_MINUTE: u32 = 80;
const POINTS_PER_MINUTE: u32 = 900;
const REQUESTS_PER_HOUR: u32 = 5_000;

/// New notes a minute that gitlab.com takes, and requests.
const NOTES_PER_MINUTE: u32 = 60;
const REQUESTS_PER_MINUTE: u32 = 2_000;

/// Only what hangs is cut by it.
const PATIENCE: Duration = Duration::from_secs(3600);

#[tokio::main]
async fn main() {
    let mut args = std::env::args().filter_map(|arg| arg.parse::<u32>().ok());
    let (pulls, factor) = (args.next().unwrap_or(500), args.next().unwrap_or(20));
    let only = std::env::args().find(|arg| arg == "github" || arg == "gitlab");
    if only.as_deref() != Some("gitlab") {
        on_github(pulls, factor).await;
    }
    if only.as_deref() != Some("github") {
        on_gitlab(pulls, factor).await;
    }
}

async fn on_github(pulls: u32, factor: u32) {
    let stage = Arc::new(GitHubStage::start().await);
    stage.github.set_limits(github::Limits {
        per_hour: u64::from(REQUESTS_PER_HOUR * factor),
        content_per_minute: Some((COMMENTS_PER_MINUTE * factor) as usize),
        points_per_minute: Some(u64::from(POINTS_PER_MINUTE * factor)),
        enforced: true,
    });
    let limit = |setting: &mut Setting| {
        if let Some(github) = &mut setting.github {
            github.comments_per_minute = COMMENTS_PER_MINUTE * factor;
            github.points_per_minute = POINTS_PER_MINUTE * factor;
        }
    };
    let done = open_at_once(stage.clone(), limit, pulls).await;
    let log = stage.github.log();
    let requests = log.iter().filter(|seen| !seen.operation.starts_with("apps/")).count();
    let refused = log.iter().filter(|seen| matches!(seen.status, 403 | 429)).map(|seen| seen.operation.as_str());
    println!("{pulls} pull requests opened at once, GitHub's limits times {factor}: {done}; refused: {}", counted(refused));
    println!("  {} requests a pull request, git's with them", requests / pulls.max(1) as usize);
}

async fn on_gitlab(pulls: u32, factor: u32) {
    let stage = Arc::new(GitLabStage::start().await);
    stage.gitlab.set_limits(gitlab::Limits {
        per_minute: (REQUESTS_PER_MINUTE * factor) as usize,
        notes_per_minute: (NOTES_PER_MINUTE * factor) as usize,
        enforced: true,
    });
    let limit = |setting: &mut Setting| {
        if let Some(gitlab) = &mut setting.gitlab {
            gitlab.notes_per_minute = NOTES_PER_MINUTE * factor;
            gitlab.requests_per_minute = REQUESTS_PER_MINUTE * factor;
        }
    };
    let done = open_at_once(stage.clone(), limit, pulls).await;
    let log = stage.gitlab.log();
    let refused = log.iter().filter(|seen| seen.status == 429).map(|seen| seen.operation.as_str());
    println!("{pulls} merge requests opened at once, gitlab.com's limits times {factor}: {done}; refused: {}", counted(refused));
    println!("  {} requests a merge request, git's with them", log.len() / pulls.max(1) as usize);
}

/// `none`, or how many of which.
fn counted<'a>(operations: impl Iterator<Item = &'a str>) -> String {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    operations.for_each(|operation| *counts.entry(operation).or_default() += 1);
    if counts.is_empty() { "none".to_owned() } else { format!("{counts:?}") }
}

/// Opens so many, waits until all is done, and says how it ended.
async fn open_at_once(forge: Arc<dyn Stage>, limit: impl FnOnce(&mut Setting), pulls: u32) -> String {
    let scene = Scene::with(forge, FILE, limit).await;
    let branch = |n: u32| format!("topic-{n}");
    let heads: Vec<String> = (0..pulls).map(|n| scene.forge.commit(&branch(n), "alice", &[("a", &n.to_string())])).collect();
    scene.idle_within(PATIENCE).await;
    let started = Instant::now();
    let numbers: Vec<u64> = (0..pulls).map(|n| scene.forge.open("alice", &branch(n))).collect();
    scene.idle_within(PATIENCE).await;
    let took = started.elapsed().as_secs_f64();
    let right = heads.iter().filter(|head| scene.forge.checks(head).get("gatewright").is_some_and(|state| state == "success"));
    let odd = heads.iter().map(|head| scene.shown(head)).filter(|shown| !shown.contains("gatewright: success"));
    odd.take(3).for_each(|shown| println!("  not as it should be: {shown}"));
    let commented = numbers.iter().filter(|number| scene.forge.sticky(**number).is_some()).count();
    let done = format!("{} checked and {commented} commented in {took:.0} s", right.count());
    scene.end().await;
    done
}
