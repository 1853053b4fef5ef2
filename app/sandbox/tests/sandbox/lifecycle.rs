//! Opening, closing, leftovers, and what is not there.

use std::process::Command as Process;
use std::time::Duration;

use gatewright_core::sandbox::{Sandbox, SandboxError, SandboxSpec};
use gatewright_sandbox::{DockerConfig, DockerSandbox, PullPolicy};

use crate::rig::{IMAGE, Rig, key, spec};

#[tokio::test]
async fn a_command_runs_and_its_output_comes_in_order() {
    let rig = Rig::new();
    let ran = rig.run("echo out; echo err >&2; pwd; cat; exit 7").await;
    assert_eq!((ran.code(), ran.text.as_str()), (7, "out\nerr\n/workspace\n"));
}

#[tokio::test]
async fn output_is_passed_on_whole_and_while_it_comes() {
    let rig = Rig::new();
    let ran = rig.run("yes 0123456789abcde | head -c 5000000").await;
    assert_eq!((ran.code(), ran.text.len()), (0, 5_000_000));
}

#[tokio::test]
async fn a_command_that_closes_its_output_is_waited_for() {
    let rig = Rig::new();
    let ran = rig.run("exec >&- 2>&-; sleep 1; exit 5").await;
    assert_eq!(ran.code(), 5);
}

#[tokio::test]
async fn a_process_that_is_left_running_does_not_hold_the_command_up_and_goes_with_the_sandbox() {
    let rig = Rig::new();
    let spec = spec();
    let sandbox = rig.open(&spec).await;
    let ran = rig.try_exec(&sandbox, "sleep 98765 & echo done", Duration::from_secs(30)).await.expect("it ends by itself");
    assert_eq!((ran.code(), ran.text.as_str()), (0, "done\n"));
    assert!(on_host("sleep\u{0}98765"), "it is still there");
    rig.sandbox.close(&spec.key).await.expect("it closes");
    assert!(!on_host("sleep\u{0}98765"), "it is gone");
}

/// Whether a process of this command line runs on this machine.
fn on_host(args: &str) -> bool {
    let processes = std::fs::read_dir("/proc").expect("there is /proc");
    let cmdline = |entry: std::io::Result<std::fs::DirEntry>| std::fs::read(entry.ok()?.path().join("cmdline")).ok();
    processes.filter_map(cmdline).any(|line| String::from_utf8_lossy(&line).contains(args))
}

#[tokio::test]
async fn closing_stops_a_command_that_runs() {
    let rig = Rig::new();
    let spec = spec();
    let sandbox = rig.open(&spec).await;
    let mut exec = std::pin::pin!(rig.try_exec(&sandbox, "sleep 54321", Duration::from_secs(100)));
    // The command has to run for it to be stopped.
    while !on_host("sleep\u{0}54321") {
        tokio::select! {
            _ = &mut exec => panic!("nothing has stopped it yet"),
            () = tokio::task::yield_now() => {}
        }
    }
    let (ran, closed) = tokio::join!(exec, rig.sandbox.close(&spec.key));
    closed.expect("it closes");
    let ended = ran.map(|ran| ran.result);
    assert!(matches!(ended, Err(SandboxError::Gone(_))), "the command ended with its sandbox: {ended:?}");
}

/// Whoever opens it goes away at many places of its start, at each a little later.
#[tokio::test]
async fn a_start_that_nobody_waits_for_any_more_leaves_nothing_once_its_sandbox_is_closed() {
    let rig = Rig::new();
    let other = DockerSandbox::new(rig.config.clone());
    let mut cut_short = 0;
    for millis in (0..240).step_by(20) {
        let spec = spec();
        let opened = tokio::time::timeout(Duration::from_millis(millis), rig.sandbox.open(&spec)).await;
        cut_short += usize::from(opened.is_err());
        rig.sandbox.close(&spec.key).await.expect("it closes");
        // By another connection, since what one has asked for the engine may do later.
        assert_eq!(other.leftovers().await.expect("the engine answers"), [], "cut short after {millis} ms");
    }
    assert!(cut_short > 2, "a start takes longer than 40 ms");
    assert_eq!(other.leftovers().await.expect("the engine answers"), [], "nothing comes afterwards");
}

#[tokio::test]
async fn closing_leaves_nothing_and_can_be_done_again() {
    let rig = Rig::new();
    let spec = spec();
    rig.sandbox.close(&spec.key).await.expect("there is nothing yet");
    let sandbox = rig.open(&spec).await;
    let volumes = volumes_of(&rig);
    assert_eq!(volumes.len(), 1, "the workspace");
    rig.sandbox.close(&spec.key).await.expect("it closes");
    rig.sandbox.close(&spec.key).await.expect("there is nothing any more");
    assert!(volumes_of(&rig).is_empty());
    assert!(rig.sandbox.leftovers().await.expect("the engine answers").is_empty());
    let refused = rig.try_exec(&sandbox, "true", Duration::from_secs(5)).await;
    assert!(matches!(refused, Err(SandboxError::Gone(_))));
    let refused = rig.sandbox.read(&sandbox, "*.xml", 1, 1).await;
    assert!(matches!(refused, Err(SandboxError::Gone(_))), "{refused:?}");
}

fn volumes_of(rig: &Rig) -> Vec<String> {
    let filter = format!("label=dev.gatewright.instance={}", rig.config.instance);
    let said = Process::new("docker").args(["volume", "ls", "-q", "--filter", &filter]).output();
    String::from_utf8_lossy(&said.expect("there is a docker client").stdout).lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn opening_a_key_again_begins_anew() {
    let rig = Rig::new();
    let spec = spec();
    let first = rig.open(&spec).await;
    rig.exec(&first, "echo old > /workspace/old").await;
    let second = rig.open(&spec).await;
    assert_ne!(first.name, second.name);
    assert_eq!(rig.exec(&second, "ls -A").await.text, "");
    let refused = rig.try_exec(&first, "true", Duration::from_secs(5)).await;
    assert!(matches!(refused, Err(SandboxError::Gone(_))));
}

#[tokio::test]
async fn leftovers_of_an_earlier_process_are_found_and_those_of_other_services_left_alone() {
    let rig = Rig::new();
    let other = Rig::new();
    let (ours, theirs) = (spec(), spec());
    rig.open(&ours).await;
    let others_sandbox = other.open(&theirs).await;
    let restarted = DockerSandbox::new(rig.config.clone());
    assert_eq!(restarted.leftovers().await.expect("the engine answers"), std::slice::from_ref(&ours.key));
    restarted.close(&ours.key).await.expect("it closes");
    restarted.close(&theirs.key).await.expect("another's key is nothing to it");
    assert!(restarted.leftovers().await.expect("the engine answers").is_empty());
    assert_eq!(other.exec(&others_sandbox, "echo here").await.text, "here\n");
}

#[tokio::test]
async fn a_missing_image_is_named_with_the_cause_and_nothing_is_left() {
    let rig = Rig::new();
    for (pull, cause) in [(PullPolicy::Never, "configured to pull none"), (PullPolicy::Missing, "")] {
        let sandbox = DockerSandbox::new(DockerConfig { pull, ..rig.config.clone() });
        // Nobody listens there, so that no registry is asked.
        let image = "127.0.0.1:1/no/such:image";
        let refused = sandbox.open(&SandboxSpec { image: image.to_owned(), ..spec() }).await;
        match refused {
            Err(SandboxError::ImageMissing { image: named, cause: told }) => {
                assert_eq!(named, image);
                assert!(told.contains(cause) && !told.is_empty(), "{told}");
            }
            other => panic!("{other:?}"),
        }
    }
    let refused = rig.sandbox.open(&SandboxSpec { image: "Not A Reference".to_owned(), ..spec() }).await;
    assert!(matches!(refused, Err(SandboxError::ImageMissing { .. })), "{refused:?}");
    assert!(rig.sandbox.leftovers().await.expect("the engine answers").is_empty());
}

/// An image that a test made. It goes with the test, also from under a container that still uses it.
struct Made(&'static str);

impl Drop for Made {
    fn drop(&mut self) {
        let removed = Process::new("docker").args(["image", "rm", "--force", self.0]).output();
        removed.expect("there is a docker client");
    }
}

#[tokio::test]
async fn an_image_without_a_shell_is_told_as_that() {
    let rig = Rig::new();
    // An image of one empty folder.
    let image = Made("gatewright-test-empty:local");
    let import = "tar -C \"$(mktemp -d)\" -cf - . | docker import - \"$0\"";
    let made = Process::new("sh").args(["-c", import, image.0]).output().expect("there is a shell");
    assert!(made.status.success(), "{made:?}");
    let sandbox = rig.open(&SandboxSpec { image: image.0.to_owned(), ..spec() }).await;
    // The engine's init starts, and finds the shell missing a moment later.
    let refused = loop {
        match rig.try_exec(&sandbox, "true", Duration::from_secs(5)).await {
            Err(refused) => break refused,
            Ok(ran) => assert_ne!(ran.code(), 0, "it has no shell to run"),
        }
    };
    assert!(matches!(&refused, SandboxError::NotStartable(words) if words.contains("sh")), "{refused:?}");
}

#[tokio::test]
async fn an_engine_that_is_down_is_told_apart() {
    let rig = Rig::new();
    for engine in ["unix:///nonexistent/docker.sock", "tcp://127.0.0.1:1", "ssh://somewhere"] {
        let down = DockerSandbox::new(DockerConfig { engine: Some(engine.to_owned()), ..rig.config.clone() });
        for error in [down.open(&spec()).await.map(|_| ()), down.probe().await.map(|_| ()), down.close(&key("x")).await] {
            match error {
                Err(SandboxError::Unavailable(words)) => {
                    assert!(words.contains(engine.trim_start_matches("unix://")), "{words}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn an_engine_that_says_nothing_does_not_hold_the_probe_up() {
    let rig = Rig::new();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let socket = folder.path().join("silent.sock");
    let _silent = std::os::unix::net::UnixListener::bind(&socket).expect("a socket can be made");
    let engine = Some(format!("unix://{}", socket.display()));
    let silent = DockerSandbox::new(DockerConfig { engine, ..rig.config.clone() });
    let refused = silent.probe().await;
    assert!(matches!(&refused, Err(SandboxError::Unavailable(words)) if words.contains("longer than 2 s")), "{refused:?}");
}

#[tokio::test]
async fn the_probe_names_the_engine() {
    let rig = Rig::new();
    let engine = rig.sandbox.probe().await.expect("the engine answers");
    assert!(engine.starts_with("Docker ") && engine.len() > "Docker ".len(), "{engine}");
}

#[tokio::test]
async fn an_images_own_entry_point_user_and_volumes_have_no_say() {
    let rig = Rig::new();
    let image = Made("gatewright-test-stubborn:local");
    let import = "docker create --name \"$0\" \"$1\" >/dev/null; docker export \"$0\" | docker import \
                  -c 'ENTRYPOINT [\"/bin/false\"]' -c 'USER 0' -c 'VOLUME /var' -c 'ENV TOOL=/opt/tool' -c 'WORKDIR /etc' - \"$2\"; \
                  docker rm \"$0\"";
    let made = Process::new("sh").args(["-c", import, &rig.config.instance, IMAGE, image.0]).output().expect("there is a shell");
    assert!(made.status.success(), "{made:?}");
    let sandbox = rig.open(&SandboxSpec { image: image.0.to_owned(), ..spec() }).await;
    let ran = rig.exec(&sandbox, "id -u; pwd; echo $TOOL; dd if=/dev/zero of=/var/big bs=1M count=100").await;
    assert!(ran.text.starts_with("1000\n/workspace\n/opt/tool\n"), "{}", ran.text);
    assert!(ran.text.contains("No space left on device"), "a volume of the image is bounded: {}", ran.text);
    assert_eq!(volumes_of(&rig).len(), 1);
}

#[tokio::test]
async fn what_a_script_leaves_dead_is_cleared_away() {
    let rig = Rig::new();
    // In all more orphans than there may be processes: were the dead not cleared away, the third round would not start.
    let script = "for round in 1 2 3; do for i in $(seq 40); do (true &); done; while ps | grep -q '[[]true]'; do :; done; done; echo done";
    assert_eq!(rig.run(script).await.text, "done\n");
}

#[tokio::test]
async fn a_script_too_long_for_an_argument_is_refused_with_words() {
    let rig = Rig::new();
    let sandbox = rig.open(&spec()).await;
    let long = format!("true {}", "x".repeat(100 * 1024));
    assert_eq!(rig.exec(&sandbox, &long).await.code(), 0);
    let refused = rig.try_exec(&sandbox, &"x".repeat(200 * 1024), Duration::from_secs(5)).await;
    assert!(matches!(refused, Err(SandboxError::NotStartable(words)) if words.contains("120 KiB")));
}
