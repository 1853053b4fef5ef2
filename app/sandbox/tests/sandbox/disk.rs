//! The machine's own disk is full: that is not the workspace's fault, and is told apart.

use std::path::{Path, PathBuf};
use std::process::Command as Process;

use gatewright_core::RunId;
use gatewright_core::sandbox::{Sandbox, SandboxError, SandboxSpec};
use gatewright_sandbox::{DockerConfig, DockerSandbox, HostConfig, HostSandbox, HostWorkspace};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use crate::git_server::{GitServer, Speaks};
use crate::rig::{Rig, spec};

/// Set to 1 where nothing can be mounted, as for the store's tests.
const WITHOUT_ROOT: &str = "GATEWRIGHT_TESTS_WITHOUT_ROOT";

/// A file system of one mebibyte, in memory.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// None where the tests are run without root, which is printed.
    fn new() -> Option<SmallDisk> {
        if std::env::var(WITHOUT_ROOT).is_ok_and(|value| value == "1") {
            eprintln!("NOT RUN: {WITHOUT_ROOT}=1, and this needs a disk of its own");
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        // Whoever runs the tests writes to it.
        let mounted = as_root("mount").args(["-t", "tmpfs", "-o", "size=1m,mode=1777", "tmpfs"]).arg(folder.path()).output();
        let mounted = mounted.expect("there is mount");
        assert!(mounted.status.success(), "{mounted:?}: this takes root, or sudo; without either set {WITHOUT_ROOT}=1");
        Some(SmallDisk(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = as_root("umount").arg("--lazy").arg(self.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking(), "it is still mounted");
    }
}

/// The program, as root: by `sudo` where somebody else runs the tests.
fn as_root(program: &str) -> Process {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|found| std::os::unix::fs::MetadataExt::uid(&found) == 0);
    if is_root {
        return Process::new(program);
    }
    let mut command = Process::new("sudo");
    command.args(["--non-interactive", program]);
    command
}

/// What cannot be packed into less.
fn noise(bytes: usize) -> String {
    let mut state = 1_u64;
    let digit = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'0' + (state >> 60) as u8)
    };
    (0..bytes).map(digit).collect()
}

#[tokio::test]
async fn a_full_disk_under_the_mirrors_is_named_as_that() {
    let Some(disk) = SmallDisk::new() else { return };
    let (rig, server) = (Rig::new(), GitServer::start(Speaks::Now).await);
    let repo = server.repo("app");
    let commit = repo.commit(&[("large", &noise(4 << 20))]);
    let config = DockerConfig { mirrors: disk.path().join("mirrors"), ..rig.config.clone() };
    let refused = DockerSandbox::new(config).open(&SandboxSpec { source: Some(server.source(&repo, &commit)), ..spec() }).await;
    assert!(matches!(refused, Err(SandboxError::HostDiskFull(_))), "{refused:?}");
}

#[tokio::test]
async fn a_full_disk_under_the_folders_of_the_machine_itself_is_named_as_that() {
    let Some(disk) = SmallDisk::new() else { return };
    let (around, server) = (tempfile::tempdir().expect("a temporary folder can be made"), GitServer::start(Speaks::Now).await);
    let repo = server.repo("app");
    let commit = repo.commit(&[("large", &noise(4 << 20))]);
    let host = HostSandbox::new(HostConfig {
        workspace: HostWorkspace::Fresh(disk.path().join("work")),
        instance: format!("test-{}", RunId::new()),
        mirrors: around.path().join("mirrors"),
        local: None,
        env: std::collections::BTreeMap::new(),
    });
    let refused = host.open(&SandboxSpec { source: Some(server.source(&repo, &commit)), ..spec() }).await;
    assert!(matches!(refused, Err(SandboxError::HostDiskFull(_))), "{refused:?}");
}

/// The real engine behind a socket of ours, but that it has no room for any upload: so it answers where its own disk is full.
fn engine_without_room(folder: &Path) -> String {
    let socket: PathBuf = folder.join("engine.sock");
    let listener = UnixListener::bind(&socket).expect("a socket can be made");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass(client));
        }
    });
    format!("unix://{}", socket.display())
}

async fn pass(client: UnixStream) {
    let Ok(engine) = UnixStream::connect("/var/run/docker.sock").await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_engine, mut to_engine) = engine.into_split();
    let back = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_engine, &mut to_client).await;
        to_client
    });
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = from_client.read(&mut buffer).await.unwrap_or(0);
        if length == 0 {
            break;
        }
        let head = String::from_utf8_lossy(&buffer[..length.min(400)]).into_owned();
        if head.starts_with("PUT ") && head.lines().next().is_some_and(|line| line.contains("/archive")) {
            drop(to_engine);
            let Ok(mut to_client) = back.await else { return };
            let body = "{\"message\":\"mkdir /var/lib/docker/overlay2/x/merged/.pivot_root1: no space left on device\"}";
            let head = "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nConnection: close";
            let answer = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            let _ = to_client.write_all(answer.as_bytes()).await;
            // What is still being sent is read, or the answer would be lost with the connection.
            let _ = tokio::io::copy(&mut from_client, &mut tokio::io::sink()).await;
            return;
        }
        if to_engine.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn an_engine_without_room_is_told_from_a_source_that_does_not_fit() {
    let (rig, server) = (Rig::new(), GitServer::start(Speaks::Now).await);
    let repo = server.repo("app");
    let commit = repo.commit(&[("a.txt", "1")]);
    let with_source = SandboxSpec { source: Some(server.source(&repo, &commit)), ..spec() };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let config = DockerConfig { engine: Some(engine_without_room(folder.path())), ..rig.config.clone() };
    let sandbox = DockerSandbox::new(config);
    let refused = sandbox.open(&with_source).await;
    assert!(matches!(&refused, Err(SandboxError::HostDiskFull(words)) if words.contains("overlay2")), "{refused:?}");
    let open = sandbox.open(&spec()).await.expect("an empty one needs no upload");
    let refused = sandbox.write(&open, "a.txt", bytes::Bytes::from_static(b"x")).await;
    assert!(matches!(&refused, Err(SandboxError::HostDiskFull(_))), "{refused:?}");
}
