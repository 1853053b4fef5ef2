//! Commands: from a comment's sending to the first reaction on an idle service; and how long reading comments takes.
//!
//! `cargo bench -p gatewright-tests --bench commands [-- COMMENTS]`
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use gatewright_engine::commands::parse::parse;
use gatewright_tests::stage::{GitHubStage, GitLabStage, Scene, Stage};

const FILE: &str = "image: gatewright-sandbox:local\ngates:\n  good: { run: 'true' }\n";

/// As people write them: some prose, a quote, code, a list, now and then a command.
fn comment(n: usize) -> String {
    let command = if n.is_multiple_of(3) { "/gw rerun\n" } else { "" };
    format!(
        "Looks good to me, but see `src/cart_{n}.rs` line {n}.\n\n> /gw run\n> quoted, with **bold** and [a link](https://example.com/{n})\n\n\
         ```rust\nfn main() {{\n    println!(\"/gw run {n}\");\n}}\n```\n\n- one\n- two, with <b>markup</b>\n\n| a | b |\n|---|---|\n| 1 | {n} |\n\n\
         {command}Thanks!\n"
    )
}

#[tokio::main]
async fn main() {
    read();
    let comments = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(60);
    reactions("GitHub", Arc::new(GitHubStage::start().await), comments).await;
    reactions("GitLab", Arc::new(GitLabStage::start().await), comments).await;
}

fn read() {
    let comments: Vec<String> = (0..1_000).map(comment).collect();
    let bytes: usize = comments.iter().map(String::len).sum();
    let started = Instant::now();
    let found: usize = comments.iter().map(|comment| parse(comment).calls.len()).sum();
    let took = started.elapsed();
    assert_eq!(found, 334, "every third has a command");
    println!("1,000 comments of {} bytes read in {:.1} ms", bytes / 1_000, took.as_secs_f64() * 1000.0);
}

async fn reactions(name: &str, forge: Arc<dyn Stage>, comments: usize) {
    let scene = Scene::with_file(forge, FILE).await;
    let (number, _) = scene.open("topic", "a", "1");
    let mut times = Vec::new();
    for n in 0..comments {
        scene.idle().await;
        let said = Instant::now();
        // One person alone would soon have said too much.
        let comment = scene.forge.comment(number, ["rita", "wendy", "max", "ada"][n % 4], "/gw status");
        while scene.forge.reactions(number, comment).is_empty() {
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        times.push(said.elapsed());
    }
    scene.idle().await;
    scene.end().await;
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
    println!("comment sent -> first reaction on {name}, {comments} comments on an idle service:");
    println!("  p50 {:.0} ms   p99 {:.0} ms   max {:.0} ms", at(0.5), at(0.99), at(1.0));
}
