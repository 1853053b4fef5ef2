//! Agents: what the loop adds to a turn beside the model and the tool, how long a tool takes in its sandbox, and many pipelines at once.
//!
//! `cargo bench -p gatewright-tests --bench agents [-- PIPELINES]`
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use gatewright_core::model::Price;
use gatewright_core::run::{AgentEvent, RunEvent};
use gatewright_core::store::Store;
use gatewright_model::{Script, Scripted};
use gatewright_tests::service::Setting;
use gatewright_tests::stage::{GitHubStage, Scene};
use serde_json::{Value, json};

const FILE: &str = "\
image: gatewright-sandbox:local
gates:
  tests: { run: 'true' }
agents:
  do: { steps: [{ role: coder, turns: 300, timeout: 30m }, verify], budget: { usd: none, tokens: 1000000000, turns: 400, minutes: 60 } }
";

/// So many turns are measured, one tool each.
const TURNS: usize = 200;

/// All pipelines at once are over by then, on whatever machine this is.
const PATIENCE: Duration = Duration::from_secs(1_800);

#[tokio::main]
async fn main() {
    let pipelines = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(50);
    println!("{} build", if cfg!(debug_assertions) { "debug" } else { "release" });
    turns().await;
    at_once(pipelines).await;
}

fn uses(tool: &str, arguments: Value) -> Value {
    json!({ "reply": { "calls": [{ "tool": tool, "arguments": arguments }], "usage": { "input": 1_000, "output": 50 } } })
}

/// An agent that uses a tool in each turn, each of them otherwise than before, and is done after so many.
fn script(turns: usize) -> Arc<Scripted> {
    let turn = |n: usize| match n % 5 {
        0 => uses("read", json!({ "path": "a", "from_line": n + 1 })),
        1 => uses("list", json!({ "depth": 1 + n % 3 })),
        2 => uses("search", json!({ "pattern": format!("nothing{n}") })),
        3 => uses("shell", json!({ "command": format!("echo {n}") })),
        _ => uses("write", json!({ "path": "b", "content": n.to_string() })),
    };
    let mut exchanges: Vec<Value> = (0..turns).map(turn).collect();
    exchanges.push(uses("finish", json!({ "summary": "It is done.", "title": "Do it" })));
    let script = json!({ "conversations": [{ "exchanges": exchanges }] }).to_string();
    let price = Price { input: 3_000_000, cache_read: 300_000, cache_write: 3_750_000, output: 15_000_000 };
    Arc::new(Scripted::new(Script::read(&script).expect("it is a script")).with_price(price))
}

async fn scene(turns: usize) -> Scene {
    let model = script(turns);
    Scene::with(Arc::new(GitHubStage::start().await), FILE, |setting: &mut Setting| setting.models = model).await
}

async fn turns() {
    let scene = scene(TURNS).await;
    let (number, _) = scene.open("topic", "a", "1\n");
    scene.idle().await;
    scene.forge.advance(2);
    scene.forge.comment(number, "wendy", "/gw do it");
    scene.idle_within(PATIENCE).await;
    let (mut whole, mut tools, mut beside) = (Vec::new(), Vec::new(), Vec::new());
    for record in scene.service.runs().await {
        let (_, journal) = scene.service.store.journal(record.id).await.expect("it is there");
        let mut last = None;
        for entry in &journal {
            let RunEvent::Agent { event } = &entry.event else { continue };
            let AgentEvent::Acted { acted, .. } = &**event else { continue };
            let tool = Duration::from_millis(acted.acts.iter().map(|act| act.millis).sum());
            if let Some(last) = last.replace(entry.at) {
                let turn = Duration::try_from(entry.at.duration_since(last)).unwrap_or_default();
                whole.push(turn);
                tools.push(tool);
                beside.push(turn.saturating_sub(tool));
            }
        }
    }
    assert!(whole.len() >= TURNS - 1, "{} turns", whole.len());
    figures("a turn, all in all", &mut whole);
    figures("a tool in its sandbox", &mut tools);
    figures("the loop beside the tool and the model", &mut beside);
    scene.end().await;
}

async fn at_once(pipelines: usize) {
    let scene = scene(5).await;
    let pulls: Vec<u64> = (0..pipelines).map(|n| scene.open(&format!("topic-{n}"), "a", &n.to_string()).0).collect();
    scene.idle_within(PATIENCE).await;
    let (before, began) = (resident_mib(), Instant::now());
    scene.forge.advance(2);
    // One person alone would soon have said too much.
    for (n, number) in pulls.iter().enumerate() {
        scene.forge.comment(*number, ["wendy", "max", "ada"][n % 3], "/gw do it");
    }
    let mut most = before;
    let mut there = Vec::new();
    while there.len() < pipelines && began.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(100)).await;
        most = most.max(resident_mib());
        let proposed = scene.forge.proposed().len();
        there.resize(proposed.max(there.len()), began.elapsed());
    }
    println!("{pipelines} pipelines at once: {} proposed after {:.0} s", there.len(), began.elapsed().as_secs_f64());
    figures("comment sent -> draft there", &mut there);
    println!("  memory of service and fake {before} MiB before, {most} MiB at most");
    scene.idle_within(PATIENCE).await;
    scene.end().await;
}

fn figures(what: &str, times: &mut [Duration]) {
    times.sort();
    let at = |share: f64| {
        times.get(((times.len().max(1) - 1) as f64 * share) as usize).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    };
    println!("{what}, {} of them:", times.len());
    println!("  p50 {:.0} ms   p99 {:.0} ms   max {:.0} ms", at(0.5), at(0.99), at(1.0));
}

/// The memory of this process, in MiB.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
