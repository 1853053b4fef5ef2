//! What a sandbox costs: a gate that does nothing (open, run `true`, close) against a plain `docker run --rm` of the same
//! image, in turns, so that whatever else the machine does falls on both. And what a tool of an agent costs in an open one: a
//! command, a file that is laid, and finding out what was changed among 2,000 files.
//!
//! `cargo bench -p gatewright-sandbox` needs what `tests/setup/all.sh` installs and starts.
#![expect(clippy::print_stdout, reason = "a bench is there to print")]

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use gatewright_core::forge::CloneCredential;
use gatewright_core::sandbox::{
    Command, ExecEnd, Limits, Network, OutputSink, Sandbox, SandboxKey, SandboxSpec, Source, Workshop,
};
use gatewright_core::tree::{FileChange, FileMode};
use gatewright_core::{ForgeKind, RepoRef, RunId};
use gatewright_sandbox::local::{Content, WorkingTree};
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
    runtime.block_on(async {
        measure().await;
        measure_tools().await;
    });
}

/// Files of the repository in which tools are measured, and how often each is.
const FILES: usize = 2000;
const TOOL_ROUNDS: usize = 100;

/// A repository of [`FILES`] files of some kilobytes, as a source, and where it is.
async fn large_source(around: &std::path::Path) -> (Source, std::path::PathBuf) {
    let folder = around.join("tree");
    for n in 0..FILES {
        let path = folder.join(format!("src/{}/{n}.txt", n % 50));
        std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder can be made");
        std::fs::write(path, format!("{n} of many\n").repeat(300)).expect("a file can be written");
    }
    std::fs::write(folder.join(".gitignore"), "target/\n").expect("a file can be written");
    let script = "git init -q && git add -A && git -c user.name=b -c user.email=b@example.com commit -q -m files";
    let made = std::process::Command::new("sh").args(["-c", script]).current_dir(&folder).status().expect("there is git");
    assert!(made.success());
    let tree = WorkingTree::find(&folder).await.expect("it is a working tree");
    let snapshot = tree.snapshot(&around.join("snapshot"), Content::Head).await.expect("it can be taken up");
    let source = Source {
        repo: RepoRef { forge: ForgeKind::Github, id: 1, path: "local".to_owned(), installation: None },
        commit: snapshot.commit,
        credential: CloneCredential { url: String::new(), login: None, one_repository: true },
        checkout: Default::default(),
        overlay: Default::default(),
    };
    (source, snapshot.repository)
}

async fn measure_tools() {
    let around = tempfile::tempdir().expect("a temporary folder can be made");
    let (source, repository) = large_source(around.path()).await;
    let instance = format!("bench-{}", RunId::new());
    let config = DockerConfig { pull: PullPolicy::Never, local: Some(repository), ..DockerConfig::new(instance, around.path()) };
    let sandbox = DockerSandbox::new(config);
    let key = SandboxKey { run: RunId::new(), gate: "agent.1".parse().expect("the name is valid") };
    let began = Instant::now();
    let spec = SandboxSpec { source: Some(source.clone()), watched: true, ..spec(key.clone()) };
    let handle = sandbox.open(&spec).await.expect("it opens");
    println!("\na watched workspace of {FILES} files opens in {:.0} ms", began.elapsed().as_secs_f64() * 1000.0);
    let mut parts = [const { Vec::new() }; 5];
    for round in 0..TOOL_ROUNDS {
        let mut times = Vec::new();
        let began = Instant::now();
        let look = Command { script: "cat src/7/7.txt".to_owned(), wall: Duration::from_secs(60) };
        sandbox.look(&handle, &look, 1000).await.expect("it runs");
        times.push(began.elapsed());
        for script in ["true", "printf x >> src/7/7.txt; mkdir -p target; echo x > target/$$"] {
            let began = Instant::now();
            let command = Command { script: script.to_owned(), wall: Duration::from_secs(60) };
            sandbox.capture(&handle, &command, 1000).await.expect("it runs");
            times.push(began.elapsed());
        }
        let began = Instant::now();
        let changes = sandbox.changes(&handle, &source, &[]).await.expect("they can be told");
        times.push(began.elapsed());
        assert_eq!(changes.iter().filter(|change| change.path == "src/7/7.txt").count(), 1);
        let began = Instant::now();
        let now = Some((FileMode::Plain, round.to_string().into()));
        sandbox.lay(&handle, &[FileChange { path: "src/new.txt".to_owned(), now }]).await.expect("it can be laid");
        times.push(began.elapsed());
        parts.iter_mut().zip(times).for_each(|(part, took)| part.push(took));
    }
    sandbox.close(&key).await.expect("it closes");
    for (name, times) in
        ["look at a file", "command `true`", "command that writes", "changes after it", "lay one file"].iter().zip(&mut parts)
    {
        times.sort();
        let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)].as_secs_f64() * 1000.0;
        println!("{name:<22} p50 {:>6.1} ms  p99 {:>6.1} ms", at(50), at(99));
    }
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
    let spec = spec(key.clone());
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

fn spec(key: SandboxKey) -> SandboxSpec {
    SandboxSpec {
        key,
        image: IMAGE.to_owned(),
        env: BTreeMap::new(),
        limits: Limits::default(),
        network: Network::None,
        source: None,
        cache: None,
        base: None,
        watched: false,
    }
}

/// In milliseconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}
