//! What was acknowledged survives a `kill -9`.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::bed::open;
use crate::busy::{Acknowledged, Busy, assert_all_there};

/// Set to its folder for the process that is to be killed, with the round.
const CHILD: &str = "GATEWRIGHT_STORE_TO_BE_KILLED";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everything_acknowledged_before_the_process_was_killed_is_there_afterwards() {
    if let Ok(child) = std::env::var(CHILD) {
        let (round, folder) = child.split_once(' ').unwrap();
        return work_until_killed(folder.as_ref(), round.parse().unwrap()).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..5 {
        acknowledged.extend(kill_after(folder.path(), round, 100 + round * 150));
        assert_all_there(&open(folder.path()), &acknowledged).await;
    }
}

/// Says what was acknowledged, a line each, for ever.
async fn work_until_killed(folder: &std::path::Path, round: u64) {
    let store = Arc::new(open(folder));
    let mut busy = Busy::start(&store, round, |what| {
        let line = match what {
            Acknowledged::Taken { delivery, seed, run } => format!("taken {delivery} {seed} {run}\n"),
            Acknowledged::Finished { run, seq } => format!("finished {run} {seq}\n"),
        };
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    });
    busy.wait_for(usize::MAX).await;
}

/// Kills a process that works in this folder after it has said so much, and returns all that it said.
fn kill_after(folder: &std::path::Path, round: u64, lines_min: u64) -> Vec<Acknowledged> {
    let this_test = "killing::everything_acknowledged_before_the_process_was_killed_is_there_afterwards";
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", this_test, "--nocapture"])
        .env(CHILD, format!("{round} {}", folder.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut acknowledged = Vec::new();
    let mut line = String::new();
    while (acknowledged.len() as u64) < lines_min {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "the process ended by itself");
        acknowledged.extend(parse(&line));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    // The last line may be cut off.
    let whole = rest.rsplit_once('\n').map_or("", |(whole, _)| whole);
    acknowledged.extend(whole.lines().filter_map(parse));
    acknowledged
}

/// What a line says. The test harness says things of its own.
fn parse(line: &str) -> Option<Acknowledged> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        ["taken", delivery, seed, run] => {
            Some(Acknowledged::Taken { delivery: delivery.to_owned(), seed: seed.parse().unwrap(), run: run.parse().unwrap() })
        }
        ["finished", run, seq] => Some(Acknowledged::Finished { run: run.parse().unwrap(), seq: seq.parse().unwrap() }),
        _ => None,
    }
}
