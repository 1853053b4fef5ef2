//! What the tests run against: a sandbox adapter of its own instance, cleaned up whatever happens.

use std::collections::BTreeMap;
use std::process::Command as Process;
use std::sync::Mutex;
use std::time::Duration;

use gatewright_core::RunId;
use gatewright_core::sandbox::{
    Command, ExecEnd, ExecResult, Limits, Network, OutputSink, Sandbox, SandboxError, SandboxHandle, SandboxKey, SandboxSpec,
};
use gatewright_sandbox::{DockerConfig, DockerSandbox, PullPolicy};
use tempfile::TempDir;

/// Built by `tests/setup/image.sh`.
pub(crate) const IMAGE: &str = "gatewright-sandbox:local";

pub(crate) struct Rig {
    pub(crate) sandbox: DockerSandbox,
    pub(crate) config: DockerConfig,
    pub(crate) mirrors: TempDir,
}

/// What a command printed, both streams.
#[derive(Default)]
pub(crate) struct Printed(Mutex<Vec<u8>>);

impl OutputSink for Printed {
    fn write(&self, bytes: &[u8]) {
        self.0.lock().expect("no test panics while it holds this").extend_from_slice(bytes);
    }
}

impl Printed {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no test panics while it holds this")).into_owned()
    }
}

/// How a command ended and what it printed.
pub(crate) struct Ran {
    pub(crate) result: ExecResult,
    pub(crate) text: String,
}

impl Ran {
    pub(crate) fn code(&self) -> i64 {
        match self.result.end {
            ExecEnd::Exited(code) => code,
            other @ (ExecEnd::TimedOut | ExecEnd::OutOfMemory) => panic!("{other:?}, having printed: {}", self.text),
        }
    }
}

impl Rig {
    pub(crate) fn new() -> Self {
        let found = Process::new("docker").args(["image", "inspect", IMAGE]).output();
        let found = found.expect("there is no docker client; run tests/setup/all.sh");
        assert!(found.status.success(), "no container engine answers, or it has no image {IMAGE}; run tests/setup/all.sh");
        let mirrors = tempfile::tempdir().expect("a temporary folder can be made");
        let instance = format!("test-{}", RunId::new());
        let config = DockerConfig { pull: PullPolicy::Never, ..DockerConfig::new(instance, mirrors.path().join("mirrors")) };
        Rig { sandbox: DockerSandbox::new(config.clone()), config, mirrors }
    }

    pub(crate) async fn open(&self, spec: &SandboxSpec) -> SandboxHandle {
        self.sandbox.open(spec).await.expect("the sandbox opens")
    }

    pub(crate) async fn exec(&self, sandbox: &SandboxHandle, script: &str) -> Ran {
        self.try_exec(sandbox, script, Duration::from_secs(60)).await.expect("the command runs")
    }

    pub(crate) async fn try_exec(&self, sandbox: &SandboxHandle, script: &str, wall: Duration) -> Result<Ran, SandboxError> {
        let printed = Printed::default();
        let command = Command { script: script.to_owned(), wall };
        let result = self.sandbox.exec(sandbox, &command, &printed).await?;
        Ok(Ran { result, text: printed.text() })
    }

    /// Runs a script in a sandbox of the usual kind.
    pub(crate) async fn run(&self, script: &str) -> Ran {
        let sandbox = self.open(&spec()).await;
        self.exec(&sandbox, script).await
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let config = self.config.clone();
        // A runtime of its own: a test that panics has none left.
        let cleaned = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
            runtime.block_on(async {
                let sandbox = DockerSandbox::new(config);
                for key in sandbox.leftovers().await.unwrap_or_default() {
                    sandbox.close(&key).await.expect("what a test left can be removed");
                }
            });
        });
        cleaned.join().expect("the engine removes what the test made");
    }
}

pub(crate) fn key(gate: &str) -> SandboxKey {
    SandboxKey { run: RunId::new(), gate: gate.parse().expect("a test's gate name is valid") }
}

/// A small sandbox without a source.
pub(crate) fn spec() -> SandboxSpec {
    SandboxSpec {
        key: key("unit"),
        image: IMAGE.to_owned(),
        env: BTreeMap::new(),
        limits: Limits { memory_mib: 64, cpus: 2.0, pids: 64, disk_mib: 16, wall_secs: 60 },
        network: Network::None,
        source: None,
        cache: None,
        base: None,
        watched: false,
    }
}

/// What the engine itself says of a container, as `docker inspect --format` has it.
pub(crate) fn inspect(sandbox: &SandboxHandle, format: &str) -> String {
    let said = Process::new("docker").args(["inspect", "--format", format, &sandbox.name]).output();
    String::from_utf8_lossy(&said.expect("there is a docker client").stdout).trim().to_owned()
}
