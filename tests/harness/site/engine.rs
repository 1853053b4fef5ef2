//! A container engine of a test's own, which it can stop and start: the machine's other containers notice nothing.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use super::IMAGE;

/// dockerd starts in about 2 s; on a machine under load it takes longer.
const START_MAX: Duration = Duration::from_secs(60);

/// Between two looks.
const POLL: Duration = Duration::from_millis(100);

/// Where its containers are: a bridge of its own, at addresses that Docker gives to nobody by itself.
const BRIDGE: &str = "gw-engine";
const ADDRESS: &str = "192.168.213.1/24";

/// A running dockerd, with everything that is its own in one folder. It takes root, or `sudo` without a password.
pub struct Engine {
    dir: tempfile::TempDir,
    process: Child,
}

impl Engine {
    /// Starts it with [`IMAGE`], and waits until it answers.
    ///
    /// # Panics
    /// Where dockerd is not installed, or does not start.
    pub async fn start() -> Engine {
        // A socket's path is short, so the folder is not below another temporary one.
        let dir = tempfile::Builder::new().prefix("gw").tempdir_in("/tmp").expect("a temporary folder can be made");
        // One that a killed test left is taken over.
        let _ = as_root("ip").args(["link", "add", "name", BRIDGE, "type", "bridge"]).stderr(Stdio::null()).status();
        let _ = as_root("ip").args(["address", "add", ADDRESS, "dev", BRIDGE]).stderr(Stdio::null()).status();
        let process = spawn(dir.path());
        let mut engine = Engine { dir, process };
        engine.until_answers().await;
        let image = Command::new("docker").args(["save", IMAGE]).stdout(Stdio::piped()).spawn();
        let image = image.expect("the docker client is installed by tests/setup").stdout.take().expect("stdout is piped");
        checked(&["load"], engine.command(&["load"]).stdin(image).output());
        engine
    }

    /// Its address.
    pub fn address(&self) -> String {
        format!("unix://{}", self.dir.path().join("docker.sock").display())
    }

    /// What its client prints.
    ///
    /// # Panics
    /// Where the client fails.
    pub fn docker(&self, arguments: &[&str]) -> String {
        let output = checked(arguments, self.command(arguments).output());
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Stopped as a machine's own update stops it, its containers with it, and started again.
    pub async fn restart(&mut self) {
        self.stop();
        self.process = spawn(self.dir.path());
        self.until_answers().await;
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.arg("--host").arg(self.address()).args(arguments);
        command
    }

    fn stop(&mut self) {
        let id = std::fs::read_to_string(self.dir.path().join("pid")).unwrap_or_default();
        // One that is gone needs no signal.
        let _ = as_root("kill").arg(id.trim()).stderr(Stdio::null()).status();
        let _ = self.process.wait();
    }

    async fn until_answers(&mut self) {
        let begun = std::time::Instant::now();
        while !self.command(&["version"]).output().is_ok_and(|output| output.status.success()) {
            let log = || std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            assert!(self.process.try_wait().is_ok_and(|ended| ended.is_none()), "dockerd has ended: {}", log());
            assert!(begun.elapsed() < START_MAX, "dockerd does not answer: {}", log());
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let ids = self.command(&["ps", "-aq"]).output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let ids = ids.unwrap_or_default();
        let ids: Vec<&str> = ids.split_whitespace().collect();
        if !ids.is_empty() {
            let _ = self.command(&[&["rm", "-f", "-v"], ids.as_slice()].concat()).output();
        }
        self.stop();
        let _ = as_root("ip").args(["link", "delete", BRIDGE]).status();
        // What root made is root's to remove.
        let _ = as_root("rm").arg("-rf").arg(self.dir.path()).status();
    }
}

fn spawn(dir: &Path) -> Child {
    let log = std::fs::File::create(dir.join("log")).expect("the folder is ours");
    let at = |name: &str| dir.join(name).display().to_string();
    let mut command = as_root("dockerd");
    command.args(["--data-root", &at("data"), "--exec-root", &at("exec"), "--pidfile", &at("pid")]);
    command.args(["--host", &format!("unix://{}", at("docker.sock"))]);
    command.args(["--group", &rustix::process::getegid().as_raw().to_string()]);
    // The machine's own engine has the rules of the firewall and the usual bridge, which an engine without any bridge would remove.
    command.args(["--bridge", BRIDGE, "--iptables=false", "--ip6tables=false", "--ip-masq=false", "--shutdown-timeout", "2"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("dockerd is installed by tests/setup")
}

fn as_root(program: &str) -> Command {
    if rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["--non-interactive", program]);
    command
}

fn checked(arguments: &[&str], output: std::io::Result<Output>) -> Output {
    let output = output.expect("the docker client is installed by tests/setup");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {arguments:?}: {words}");
    output
}
