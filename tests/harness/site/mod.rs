//! A site to release to: HAProxy with the templates of `templates/deploy`, a Prometheus, and people who use what runs behind them.
//!
//! The instances themselves are made by whoever is tested, from [`IMAGE`]. The tests of `app/target` and the scenarios use this.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

pub mod engine;
pub mod load;

/// The image of the program in `tests/setup/instance.rs`, which listens on 8080 and answers `/healthz`.
pub const IMAGE: &str = "gatewright-instance:local";

/// HAProxy starts in a tenth of a second; on a machine under load, in a few.
const START_MAX: Duration = Duration::from_secs(20);

/// What HAProxy writes, in a router's folder.
const LOG: &str = "haproxy.log";

/// Only what failed is logged.
const LOG_FAILURES: &str = "  log stderr format raw local0 err\n  option httplog\n  option log-separate-errors\n";

/// Between two looks.
const POLL: Duration = Duration::from_millis(20);

/// What a site's HAProxy is like.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shape {
    /// Whether a cookie keeps users with their server.
    pub sticky: bool,
    /// Requests wait so many milliseconds for an answer. 0: as in the template.
    pub answer_ms: u64,
}

/// A running HAProxy with a frontend on loopback and the backend `web`.
pub struct Router {
    dir: tempfile::TempDir,
    port: u16,
    process: std::process::Child,
}

impl Router {
    /// Starts it, and waits until it answers.
    ///
    /// # Panics
    /// Where HAProxy is not installed, or takes the templates not.
    pub async fn start(shape: Shape) -> Router {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let port = free_port();
        write_configuration(dir.path(), port, shape);
        let process = spawn(dir.path());
        let mut router = Router { dir, port, process };
        router.until_answers().await;
        router
    }

    /// Where users go.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The socket of the runtime API.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("admin.sock")
    }

    /// The file with the backend.
    pub fn servers_file(&self) -> PathBuf {
        self.dir.path().join("gatewright-web.cfg")
    }

    /// The map of pins.
    pub fn pins(&self) -> PathBuf {
        self.dir.path().join("gatewright-web.pins")
    }

    /// What the runtime API answers.
    pub async fn ask(&self, command: &str) -> std::io::Result<String> {
        let mut stream = UnixStream::connect(self.socket()).await?;
        stream.write_all(format!("{command}\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    /// What HAProxy says of itself, and of each request that failed: between whom, and in which state it ended.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join(LOG)).unwrap_or_default()
    }

    /// A reload, as `systemctl reload haproxy` does it. Returns once the new process answers.
    ///
    /// # Panics
    /// Where it does not within some seconds.
    pub async fn reload(&self) {
        let before = self.worker().await;
        let mut tries = 0;
        until("HAProxy is reloaded", || {
            // A master that is just about a reload hears no other; so it is told again, every half second.
            if tries % 25 == 0 {
                signal(self.process.id(), "USR2");
            }
            tries += 1;
            async { self.worker().await.is_some_and(|now| Some(now) != before) }
        })
        .await;
    }

    /// Killed at once, as by a crash, and started again.
    pub async fn restart(&mut self) {
        if let Some(worker) = self.worker().await {
            signal(worker, "KILL");
        }
        self.stop();
        self.process = spawn(self.dir.path());
        self.until_answers().await;
    }

    /// Gone until [`Router::restart`].
    pub fn stop(&mut self) {
        // An error means that it is dead already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    async fn worker(&self) -> Option<u32> {
        let info = self.ask("show info").await.ok()?;
        info.lines().find_map(|line| line.strip_prefix("Pid: ")?.parse().ok())
    }

    /// # Panics
    /// With what it says, where it has ended.
    async fn until_answers(&mut self) {
        while self.worker().await.is_none() {
            if let Ok(Some(status)) = self.process.try_wait() {
                panic!("HAProxy has ended, {status}: {}", self.log());
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.stop();
    }
}

fn write_configuration(dir: &Path, port: u16, shape: Shape) {
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find_map(|folder| {
        let templates = folder.join("templates/deploy");
        templates.is_dir().then_some(templates)
    });
    let templates = templates.expect("the templates are in the repository");
    let read = |name: &str| std::fs::read_to_string(templates.join(name)).expect("the template is there");
    let here = dir.display();
    let mut main = read("haproxy.cfg")
        // Whoever runs the tests is root or not, and has no user for each part.
        .replace("  user haproxy\n  group haproxy\n", "")
        .replace(" user root group gatewright", "")
        .replace("defaults\n", &format!("defaults\n{LOG_FAILURES}"))
        .replace("/run/haproxy/gatewright.sock", &format!("{here}/admin.sock"))
        .replace("bind :80", &format!("bind 127.0.0.1:{port}"));
    let mut service = read("gatewright-web.cfg").replace("/etc/haproxy/gatewright/", &format!("{here}/gatewright-"));
    if shape.sticky {
        service = service.replace("  #cookie", "  cookie").replace("  #dynamic-cookie-key", "  dynamic-cookie-key");
    }
    if shape.answer_ms > 0 {
        main = main.replace("timeout server 60s", &format!("timeout server {}ms", shape.answer_ms));
    }
    let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).expect("the folder is ours");
    write("haproxy.cfg", &main);
    write("gatewright-web.cfg", &service);
    write("gatewright-web.pins", "");
}

fn spawn(dir: &Path) -> std::process::Child {
    let log = std::fs::File::options().create(true).append(true).open(dir.join(LOG)).expect("the folder is ours");
    let mut command = Command::new("/usr/sbin/haproxy");
    // With a master, as Debian's unit has it: a reload keeps the connections of the process before.
    command.arg("-W").arg("-f").arg(dir.join("haproxy.cfg")).arg("-f").arg(dir.join("gatewright-web.cfg"));
    command.stdout(Stdio::null()).stderr(log);
    command.spawn().expect("haproxy is installed by tests/setup")
}

fn signal(process: u32, name: &str) {
    // One that is gone needs no signal.
    let _ = Command::new("kill").arg(format!("-{name}")).arg(process.to_string()).stderr(Stdio::null()).status();
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}

/// Waits until something is so.
///
/// # Panics
/// Where it is not within some seconds.
pub async fn until<F: Future<Output = bool>>(what: &str, mut is: impl FnMut() -> F) {
    let waited = async {
        while !is().await {
            tokio::time::sleep(POLL).await;
        }
    };
    assert!(tokio::time::timeout(START_MAX, waited).await.is_ok(), "{what}: not within {} s", START_MAX.as_secs());
}

/// A running Prometheus that scrapes instances twice a second.
pub struct Scraper {
    /// Removed with this.
    _dir: tempfile::TempDir,
    port: u16,
    process: std::process::Child,
}

impl Scraper {
    /// Starts it for instances at these addresses, each with its label `pool`, and waits until it answers.
    ///
    /// # Panics
    /// Where Prometheus is not installed.
    pub async fn start(instances: &[(String, String)]) -> Scraper {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let port = free_port();
        let target = |(address, pool): &(String, String)| {
            format!("      - targets: ['{address}']\n        labels: {{ pool: '{pool}' }}\n")
        };
        let targets: String = instances.iter().map(target).collect();
        let config = format!(
            "global: {{ scrape_interval: 500ms, scrape_timeout: 400ms }}\nscrape_configs:\n  - job_name: app\n    static_configs:\n{}",
            targets
        );
        let file = dir.path().join("prometheus.yml");
        std::fs::write(&file, config).expect("the folder is ours");
        let log = std::fs::File::create(dir.path().join("prometheus.log")).expect("the folder is ours");
        let mut command = Command::new("/usr/bin/prometheus");
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let process = command.stdout(Stdio::null()).stderr(log).spawn().expect("prometheus is installed by tests/setup");
        let scraper = Scraper { _dir: dir, port, process };
        until("Prometheus is ready", || async { is_ready(port).await.is_ok_and(|ready| ready) }).await;
        scraper
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Scraper {
    fn drop(&mut self) {
        // An error means that it is dead already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn is_ready(port: u16) -> std::io::Result<bool> {
    let mut connection = load::Connection::open(&format!("127.0.0.1:{port}")).await?;
    Ok(connection.get("/-/ready", "").await?.is_some_and(|answer| answer.status == 200))
}

/// The program of [`IMAGE`] as a file of this machine.
///
/// # Panics
/// Where the image was not built.
pub fn instance_program() -> String {
    static PROGRAM: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    PROGRAM.get_or_init(|| copy_out().expect("tests/setup/site.sh has built the image")).clone()
}

/// One file for each image, which later runs find.
fn copy_out() -> Option<String> {
    let docker = |arguments: &[&str]| {
        let output = Command::new("docker").args(arguments).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let image = docker(&["image", "inspect", "--format", "{{.Id}}", IMAGE])?;
    let path = std::env::temp_dir().join(format!("gatewright-instance-{}", image.trim_start_matches("sha256:")));
    if !path.exists() {
        let container = docker(&["create", IMAGE])?;
        let beside = format!("{}-{}", path.display(), std::process::id());
        let copied = docker(&["cp", &format!("{container}:/instance"), &beside]);
        docker(&["rm", &container])?;
        copied?;
        std::fs::rename(beside, &path).ok()?;
    }
    Some(path.display().to_string())
}
