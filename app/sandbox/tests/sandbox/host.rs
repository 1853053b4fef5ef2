//! Commands on the machine itself.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use gatewright_core::RunId;
use gatewright_core::sandbox::{Command, ExecEnd, ExecResult, Sandbox, SandboxError, SandboxHandle, SandboxSpec, Source};
use gatewright_sandbox::{HostConfig, HostSandbox, HostWorkspace};
use tempfile::TempDir;

use crate::rig::{Printed, Ran, spec};

pub(crate) struct Host {
    pub(crate) sandbox: HostSandbox,
    /// Kept as long as the sandbox is.
    around: TempDir,
}

impl Host {
    fn of(workspace: HostWorkspace, local: Option<PathBuf>) -> Host {
        let around = tempfile::tempdir().expect("a temporary folder can be made");
        let config = HostConfig {
            workspace,
            instance: format!("test-{}", RunId::new()),
            mirrors: around.path().join("mirrors"),
            local,
            env: BTreeMap::from([("EVERYWHERE".to_owned(), "1".to_owned())]),
        };
        Host { sandbox: HostSandbox::new(config), around }
    }

    pub(crate) fn fresh(root: &Path) -> Host {
        Host::of(HostWorkspace::Fresh(root.to_owned()), None)
    }

    pub(crate) fn fresh_of(root: &Path, repository: &Path) -> Host {
        Host::of(HostWorkspace::Fresh(root.to_owned()), Some(repository.to_owned()))
    }

    pub(crate) fn in_place_of(folder: &Path, repository: &Path) -> Host {
        Host::of(HostWorkspace::InPlace(folder.to_owned()), Some(repository.to_owned()))
    }

    fn in_place(folder: &Path) -> Host {
        Host::of(HostWorkspace::InPlace(folder.to_owned()), None)
    }

    /// Where it keeps what it has fetched.
    pub(crate) fn mirrors(&self) -> PathBuf {
        self.around.path().join("mirrors")
    }

    pub(crate) async fn open(&self) -> SandboxHandle {
        self.sandbox.open(&spec()).await.expect("the sandbox opens")
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

    /// What a command prints in a folder with these files.
    pub(crate) async fn run_source(&self, source: Source, script: &str) -> String {
        let spec = SandboxSpec { source: Some(source), ..spec() };
        let handle = self.sandbox.open(&spec).await.expect("the sandbox opens");
        let ran = self.exec(&handle, script).await;
        self.sandbox.close(&spec.key).await.expect("it can be removed");
        assert_eq!(ran.code(), 0, "{}", ran.text);
        ran.text
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

#[tokio::test]
async fn output_comes_in_its_order_and_the_exit_code_is_the_commands() {
    let root = folder();
    let host = Host::fresh(root.path());
    let sandbox = host.open().await;
    let ran = host.exec(&sandbox, "echo 1; echo 2 >&2; echo 3; exit 7").await;
    assert_eq!((ran.code(), ran.text.as_str()), (7, "1\n2\n3\n"));
    let killed = host.exec(&sandbox, "kill -TERM $$").await;
    assert_eq!(killed.code(), 128 + 15);
    let reads = host.exec(&sandbox, "cat; echo end").await;
    assert_eq!(reads.text, "end\n", "standard input is empty");
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_ended_with_all_that_it_started() {
    let root = folder();
    let host = Host::fresh(root.path());
    let sandbox = host.open().await;
    let mark = format!("{}", 100_000 + std::process::id());
    let script = format!("sleep {mark} & setsid sleep {mark} & echo started; sleep {mark}");
    let ran = host.try_exec(&sandbox, &script, Duration::from_secs(1)).await.expect("it is a result");
    assert_eq!(ran.result, ExecResult { end: ExecEnd::TimedOut, disk_full: false });
    assert_eq!(ran.text, "started\n");
    assert_eq!(sleepers(&mark), 0);
}

#[tokio::test]
async fn what_a_command_leaves_in_the_background_ends_with_it() {
    let root = folder();
    let host = Host::fresh(root.path());
    let sandbox = host.open().await;
    let mark = format!("{}", 200_000 + std::process::id());
    let ran = host.exec(&sandbox, &format!("sleep {mark} & echo done")).await;
    assert_eq!((ran.code(), ran.text.as_str()), (0, "done\n"));
    assert_eq!(sleepers(&mark), 0);
}

#[tokio::test]
async fn closing_ends_what_left_its_group_and_removes_the_folder() {
    let root = folder();
    let host = Host::fresh(root.path());
    let sandbox = host.open().await;
    let mark = format!("{}", 300_000 + std::process::id());
    let script =
        format!("setsid sleep {mark} > /dev/null 2>&1 & mkdir -p locked/inner; touch locked/inner/x; chmod -R a-w locked");
    assert_eq!(host.exec(&sandbox, &script).await.code(), 0);
    assert_eq!(host.sandbox.leftovers().await.expect("the folder can be read"), vec![sandbox.key.clone()]);
    host.sandbox.close(&sandbox.key).await.expect("it closes");
    assert_eq!(sleepers(&mark), 0);
    assert!(!Path::new(&sandbox.name).exists());
    assert_eq!(host.sandbox.leftovers().await.expect("the folder can be read"), []);
    host.sandbox.close(&sandbox.key).await.expect("closing again changes nothing");
    let gone = host.try_exec(&sandbox, "true", Duration::from_secs(5)).await.map(|_| ()).expect_err("there is none");
    assert!(matches!(gone, SandboxError::Gone(_)), "{gone:?}");
}

/// How many processes sleep for so long. Those that were killed and not reaped yet are none.
fn sleepers(seconds: &str) -> usize {
    let processes = std::fs::read_dir("/proc").expect("there is /proc");
    let cmdline = |entry: std::io::Result<std::fs::DirEntry>| std::fs::read(entry.ok()?.path().join("cmdline")).ok();
    processes.filter_map(cmdline).filter(|line| *line == format!("sleep\0{seconds}\0").into_bytes()).count()
}

#[tokio::test]
async fn a_command_that_is_closed_while_it_runs_is_no_failure_of_its_own() {
    let root = folder();
    let host = Host::fresh(root.path());
    let sandbox = host.open().await;
    let running = host.try_exec(&sandbox, "touch begun; sleep 600", Duration::from_secs(600));
    let close = async {
        while !Path::new(&sandbox.name).join("begun").exists() {
            tokio::task::yield_now().await;
        }
        host.sandbox.close(&sandbox.key).await.expect("it closes");
    };
    let (ran, ()) = tokio::join!(running, close);
    let ended = ran.map(|ran| ran.result.end);
    // Who notices first is chance; neither is an end by itself.
    assert!(matches!(ended, Err(SandboxError::Gone(_)) | Ok(ExecEnd::Exited(137))), "{ended:?}");
}

#[tokio::test]
async fn the_environment_is_what_is_known_to_be_harmless() {
    let root = folder();
    let host = Host::fresh(root.path());
    let env = BTreeMap::from([("OWN".to_owned(), "2".to_owned()), ("EVERYWHERE".to_owned(), "3".to_owned())]);
    let sandbox = host.sandbox.open(&SandboxSpec { env, ..spec() }).await.expect("the sandbox opens");
    let text = host.exec(&sandbox, "env").await.text;
    let has = |line: &str| text.lines().any(|found| found == line);
    assert!(has("CI=true") && has("GATEWRIGHT=true") && has("OWN=2") && has("EVERYWHERE=3"), "{text}");
    assert!(has(&format!("PATH={}", std::env::var("PATH").expect("there is a PATH"))), "{text}");
    // Cargo sets this for its tests, and nobody has said that commands should have it.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    assert!(!text.contains("CARGO_MANIFEST_DIR"), "{text}");
}

#[tokio::test]
async fn in_place_the_folder_is_the_checkout_and_stays() {
    let checkout = folder();
    std::fs::write(checkout.path().join("a.txt"), "1").expect("a file can be written");
    let host = Host::in_place(checkout.path());
    let sandbox = host.open().await;
    assert_eq!(host.exec(&sandbox, "cat a.txt; echo 2 > b.txt").await.text, "1");
    let here = host.exec(&sandbox, "pwd -P").await.text;
    assert_eq!(host.sandbox.workspace(&sandbox), here.trim(), "as programs name files");
    host.sandbox.close(&sandbox.key).await.expect("it closes");
    assert_eq!(std::fs::read_to_string(checkout.path().join("b.txt")).expect("it stays"), "2\n");
    assert_eq!(host.sandbox.leftovers().await.expect("there is nothing to find"), []);
}

#[tokio::test]
async fn reports_are_found_by_globs_and_never_through_a_link() {
    let (root, secret) = (folder(), folder());
    std::fs::write(secret.path().join("x.xml"), "secret").expect("a file can be written");
    let host = Host::fresh(root.path());
    let sandbox = host.open().await;
    let script = "mkdir -p out/deep .git; echo 1 > out/a.xml; echo 2 > out/deep/b.xml; echo 3 > out/c.txt; echo 4 > .git/d.xml; \
                  mkfifo out/pipe.xml; : > out/empty.xml";
    host.exec(&sandbox, script).await;
    let workspace = Path::new(&sandbox.name);
    symlink(secret.path(), workspace.join("out/linked")).expect("a link can be made");
    symlink(secret.path().join("x.xml"), workspace.join("out/link.xml")).expect("a link can be made");
    let read = async |glob: &str| {
        let files = host.sandbox.read(&sandbox, glob, 10, 1000).await?;
        Ok::<_, SandboxError>(files.into_iter().map(|file| file.path).collect::<Vec<_>>())
    };
    assert_eq!(read("out/*.xml").await, Ok(vec!["out/a.xml".to_owned(), "out/empty.xml".to_owned()]));
    assert_eq!(read("**/*.xml").await, Ok(["out/a.xml", "out/deep/b.xml", "out/empty.xml"].map(str::to_owned).to_vec()));
    assert_eq!(read("out/deep/b.xml").await, Ok(vec!["out/deep/b.xml".to_owned()]));
    assert_eq!(read("nowhere/*.xml").await, Ok(vec![]));
    for link in ["out/linked/x.xml", "out/link.xml", "out/linked/*.xml"] {
        let refused = read(link).await;
        assert!(matches!(&refused, Err(SandboxError::Report(words)) if words.contains("is a symbolic link")), "{refused:?}");
    }
    for outside in ["/etc/passwd", "../*", "", "a/../../b"] {
        assert!(matches!(read(outside).await, Err(SandboxError::Report(_))), "{outside}");
    }
}

#[tokio::test]
async fn reports_are_bounded_in_number_and_size() {
    let root = folder();
    let host = Host::fresh(root.path());
    let sandbox = host.open().await;
    host.exec(&sandbox, "echo 12345 > a; echo 12345 > b; echo 12345 > c; truncate -s 1T huge").await;
    let words = async |glob: &str, files, bytes| {
        host.sandbox.read(&sandbox, glob, files, bytes).await.map(|_| ()).expect_err("it is too much").to_string()
    };
    assert_eq!(words("?", 2, 1000).await, "more than 2 files match `?`");
    assert_eq!(words("?", 10, 17).await, "the files that match `?` hold more than 17 bytes");
    assert_eq!(words("huge", 10, 100).await, "the files that match `huge` hold more than 100 bytes");
    assert_eq!(host.sandbox.read(&sandbox, "?", 3, 18).await.expect("it is just enough").len(), 3);
}

#[tokio::test]
async fn files_are_written_within_the_folder_only() {
    let (root, outside) = (folder(), folder());
    let host = Host::fresh(root.path());
    let sandbox = host.open().await;
    let write = async |path: &str| host.sandbox.write(&sandbox, path, Bytes::from_static(b"x")).await;
    write("a/b/c.txt").await.expect("it can be written");
    write("a/b/c.txt").await.expect("and again");
    assert_eq!(host.exec(&sandbox, "cat a/b/c.txt").await.text, "x");
    symlink(outside.path(), Path::new(&sandbox.name).join("link")).expect("a link can be made");
    symlink(outside.path().join("y"), Path::new(&sandbox.name).join("file")).expect("a link can be made");
    for refused in ["link/x", "../x", "/tmp/x", "", "a/"] {
        assert!(matches!(write(refused).await, Err(SandboxError::Report(_))), "{refused}");
    }
    write("file").await.expect("a link in the place of a file makes way for it");
    assert_eq!(std::fs::read_dir(outside.path()).expect("it is there").count(), 0);
}

#[tokio::test]
async fn a_script_that_is_too_long_is_said_to_be() {
    let root = folder();
    let host = Host::fresh(root.path());
    let sandbox = host.open().await;
    let refused = host.try_exec(&sandbox, &"#".repeat(121 * 1024), Duration::from_secs(5)).await.map(|_| ());
    assert!(matches!(refused, Err(SandboxError::NotStartable(_))), "{refused:?}");
}
