//! What a sandbox costs: a gate that does nothing (open, run `true`, close) against a plain `docker run --rm` of the same
//! image, in turns, so that whatever else the machine does falls on both.
//!
//! `cargo bench -p gatewright-sandbox` needs what `tests/setup/all.sh` installs and starts.
#![expect(clippy::print_stdout, reason = "a bench is there to print")]

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use gatewright_core::RunId;
use gatewright_core::sandbox::{Command, ExecEnd, Limits, Network, OutputSink, Sandbox, SandboxKey, SandboxSpec};
use gatewright_sandbox::{DockerConfig, DockerSandbox, PullPolicy};

const IMAGE: &str = "gatewright-sandbox:local";

/// Rounds of each kind, after one that warms up.
const ROUNDS: usize = 30;

struct Nowhere;

impl OutputSink for Nowhere {
    fn write(&self, _: &[u8]) {}
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime can be made");
    runtime.block_on(measure());
}

async fn measure() {
    let instance = format!("bench-{}", RunId::new());
    let sandbox =
        DockerSandbox::new(DockerConfig { pull: PullPolicy::Never, ..DockerConfig::new(instance, std::env::temp_dir()) });
    let (mut plain, mut apart, mut gates) = (Vec::new(), Vec::new(), Vec::new());
    let mut parts = [const { Vec::new() }; 3];
    for round in 0..=ROUNDS {
        let ran = docker_run(&[]).await;
        let ran_apart = docker_run(&["--network", "none"]).await;
        let took = gate(&sandbox).await;
        if round > 0 {
            plain.push(ran);
            apart.push(ran_apart);
            gates.push(took.iter().sum());
            parts.iter_mut().zip(took).for_each(|(part, took)| part.push(took));
        }
    }
    let [open, exec, close] = parts.map(median);
    let (plain, apart, gate) = (median(plain), median(apart), median(gates));
    println!("medians of {ROUNDS} rounds, in ms");
    println!("docker run --rm                 {plain:>7.1}");
    println!("docker run --rm --network none  {apart:>7.1}");
    println!("no-op gate                      {gate:>7.1}  = open {open:.1} + exec {exec:.1} + close {close:.1}");
    println!("ratios                          {:>7.2}  and {:.2}", gate / plain, gate / apart);
}

async fn docker_run(options: &[&str]) -> Duration {
    let began = Instant::now();
    let mut docker = tokio::process::Command::new("docker");
    docker.args(["run", "--rm"]).args(options).args([IMAGE, "true"]).stdout(Stdio::null());
    let status = docker.status().await.expect("there is a docker client");
    assert!(status.success(), "run tests/setup/all.sh first");
    began.elapsed()
}

/// How long opening, running and closing took.
async fn gate(sandbox: &DockerSandbox) -> [Duration; 3] {
    let key = SandboxKey { run: RunId::new(), gate: "no-op".parse().expect("the name is valid") };
    let spec = SandboxSpec {
        key: key.clone(),
        image: IMAGE.to_owned(),
        env: BTreeMap::new(),
        limits: Limits::default(),
        network: Network::None,
        source: None,
        cache: None,
        base: None,
        watched: false,
    };
    let began = Instant::now();
    let handle = sandbox.open(&spec).await.expect("it opens");
    let opened = Instant::now();
    let command = Command { script: "true".to_owned(), wall: Duration::from_secs(60) };
    let result = sandbox.exec(&handle, &command, &Nowhere).await.expect("it runs");
    assert_eq!(result.end, ExecEnd::Exited(0));
    let ran = Instant::now();
    sandbox.close(&key).await.expect("it closes");
    [opened - began, ran - opened, ran.elapsed()]
}

/// In milliseconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}
