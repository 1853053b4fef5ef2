//! The binary itself, in a process of its own, which can be killed, or told to kill itself at a certain point of its work.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gatewright::{Hook, Point};
use tokio::process::{Child, Command};

use crate::FakeGitHub;
use crate::service::{GithubSetting, Setting, WEBHOOK_SECRET, delivered, idle, until};
use crate::stage::Stage;

/// Tells the test binary where to kill itself: `POINT:NTH`.
const CRASH_VARIABLE: &str = "GATEWRIGHT_TEST_CRASH";

/// Set: series of crashes have every place.
const EVERYWHERE_VARIABLE: &str = "GATEWRIGHT_CRASH_EVERYWHERE";

/// Where a series of crashes is tried: at each `step`th place, and at every one where `GATEWRIGHT_CRASH_EVERYWHERE` is set. Places are the
/// same on every forge, so series on several begin at different ones and have more of them together than each.
pub fn places(from: u64, step: usize, last: u64) -> impl Iterator<Item = u64> {
    let (from, step) = if std::env::var_os(EVERYWHERE_VARIABLE).is_some() { (1, 1) } else { (from, step) };
    (from..=last).step_by(step)
}

/// A place at which the process kills itself.
#[derive(Debug, Clone, Copy)]
pub struct Crash {
    /// The kind of place.
    pub point: Point,
    /// Which one, from 1.
    pub nth: u64,
}

/// The service's files: its configuration, its store, its log. It can be started on them again and again.
pub struct Home {
    dir: tempfile::TempDir,
    port: u16,
    url: String,
}

impl Home {
    /// A home whose service serves this fake.
    ///
    /// # Panics
    /// Where the temporary folder cannot be written.
    pub fn new(github: &FakeGitHub) -> Home {
        let home = Self::with(|dir| GithubSetting::of(github).table(dir));
        github.set_webhook(&format!("{}/webhooks/github", home.url), WEBHOOK_SECRET);
        home
    }

    /// A home whose service serves this forge.
    pub fn on(forge: &dyn Stage) -> Home {
        Self::on_with(forge, "")
    }

    /// The same with more tables in its file.
    pub fn on_with(forge: &dyn Stage, more: &str) -> Home {
        let mut setting = Setting::without_forge(Path::new(""));
        forge.connect(&mut setting);
        let home = Self::with(|dir| format!("{}{more}", setting.tables(dir)));
        forge.send_to(&home.url);
        home
    }

    fn with(tables: impl FnOnce(&Path) -> String) -> Home {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let home = Home { dir, port, url: format!("http://127.0.0.1:{port}") };
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\npublic_url = \"https://ci.example.com\"\n\n\
             [store]\nurl = \"sled:./data\"\n\n\
             {tables}\
             [sandbox]\npull = \"never\"\nmemory_mib = 256\ndisk_mib = 64\n\n[engine]\nsweep_secs = 1\n",
            tables = tables(home.dir()),
        );
        std::fs::write(home.path("gatewright.toml"), config).expect("the folder is ours");
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What the service has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("service.log")).unwrap_or_default()
    }

    /// Names the service's sandboxes, once it was started.
    pub fn instance(&self) -> String {
        let name = std::fs::read_to_string(self.path("data/instance"));
        name.expect("the service writes it when it starts").trim().to_owned()
    }

    /// The containers of this service that exist.
    ///
    /// # Panics
    /// Where the container engine does not answer.
    pub async fn leftovers(&self) -> Vec<String> {
        let filter = format!("label=dev.gatewright.instance={}", self.instance());
        let output = Command::new("docker").args(["ps", "--all", "--quiet", "--filter", &filter]).output().await;
        let output = output.expect("the docker client is installed by tests/setup/all.sh");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    /// Starts the test binary `service-under-test` at `program`, and waits until it answers or is dead.
    ///
    /// # Panics
    /// Where the program is not there.
    pub async fn start(&self, program: &str, crash: Option<Crash>) -> ServiceProcess {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path("service.log"));
        let mut command = Command::new(program);
        command.arg("serve").arg("--config").arg(self.path("gatewright.toml")).env("TEST_WEBHOOK_SECRET", WEBHOOK_SECRET);
        if let Some(crash) = crash {
            command.env(CRASH_VARIABLE, format!("{:?}:{}", crash.point, crash.nth));
        }
        command.stdout(Stdio::null()).stderr(log.expect("the folder is ours")).kill_on_drop(true);
        let mut service = ServiceProcess { url: self.url.clone(), child: command.spawn().expect("the test binary was built") };
        let client = reqwest::Client::new();
        let health = format!("{}/healthz", self.url);
        tokio::select! {
            _ = service.child.wait() => {}
            () = until("the service answers", || async { client.get(&health).send().await.is_ok() }) => {}
        }
        service
    }

    /// The port that its service listens on.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// A running, or dead, service.
pub struct ServiceProcess {
    /// Where it listens.
    pub url: String,
    child: Child,
}

impl ServiceProcess {
    /// Kills it, as `kill -9` does. Does nothing where it is dead.
    pub async fn kill(mut self) {
        // An error means that it is dead already.
        let _ = self.child.kill().await;
    }

    /// Waits until it is dead.
    ///
    /// # Panics
    /// Where it lives on for two minutes.
    pub async fn dies(&mut self) {
        let dead = tokio::time::timeout(std::time::Duration::from_secs(120), self.child.wait()).await;
        assert!(dead.is_ok(), "it was to die");
    }

    /// Waits until it is dead, or until nothing is left to do. True if it died.
    pub async fn dies_or_idles(&mut self, github: &FakeGitHub) -> bool {
        self.dies_or(|| delivered(github)).await
    }

    /// The same, with any forge.
    pub async fn dies_or_idles_on(&mut self, forge: &dyn Stage) -> bool {
        self.dies_or(|| forge.delivered()).await
    }

    async fn dies_or<D, E>(&mut self, delivered: D) -> bool
    where
        D: Fn() -> E,
        E: Future<Output = bool>,
    {
        let client = reqwest::Client::new();
        let url = format!("{}/metrics", self.url);
        let open = || async { open_runs(&client.get(&url).send().await.ok()?.text().await.ok()?) };
        tokio::select! {
            status = self.child.wait() => status.is_ok(),
            () = idle(delivered, open) => false,
        }
    }
}

/// The number of runs that are not over, from the service's metrics.
fn open_runs(metrics: &str) -> Option<u64> {
    let count = |state: &str| {
        let name = format!("gatewright_queue_runs{{state=\"{state}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse::<u64>().ok())
    };
    Some(count("ready")? + count("leased")? + count("waiting")?)
}

/// What kills the process at the place that the environment names.
pub fn crash_hook() -> Hook {
    let wanted = std::env::var(CRASH_VARIABLE).ok();
    let wanted = wanted.as_deref().and_then(|wanted| wanted.split_once(':'));
    let wanted = wanted.map(|(point, nth)| (point.to_owned(), nth.parse::<u64>().expect("a number")));
    let count = AtomicU64::new(0);
    Arc::new(move |point| {
        let Some((wanted, nth)) = &wanted else { return };
        if format!("{point:?}") == *wanted && count.fetch_add(1, Ordering::SeqCst) + 1 == *nth {
            // As `kill -9` would: nothing is flushed, nothing is dropped.
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
    })
}
