//! Hogs of every kind, and how they end.

use std::time::Duration;

use gatewright_core::sandbox::{ExecEnd, ExecResult, Limits, SandboxSpec};

use crate::rig::{Rig, inspect, spec};

fn with_limits(change: impl FnOnce(&mut Limits)) -> SandboxSpec {
    let mut spec = spec();
    change(&mut spec.limits);
    spec
}

#[tokio::test]
async fn a_memory_hog_is_killed_and_named() {
    let rig = Rig::new();
    let ran = rig.run("tail /dev/zero").await;
    assert_eq!(ran.result.end, ExecEnd::OutOfMemory, "{}", ran.text);
}

#[tokio::test]
async fn a_memory_hog_whose_shell_survives_is_named_too() {
    let rig = Rig::new();
    let ran = rig.run("tail /dev/zero; echo survived; exit 3").await;
    assert_eq!(ran.result.end, ExecEnd::OutOfMemory, "{}", ran.text);
}

#[tokio::test]
async fn memory_that_the_files_leave_over_is_not_the_processes() {
    let rig = Rig::new();
    // The kernel's bound is 1 GiB and more; the processes may have 64 MiB of it. The hog stays at 300 MB.
    let sandbox = rig.open(&with_limits(|limits| limits.disk_mib = 1024)).await;
    let ran = rig.exec(&sandbox, "(head -c 300000000 /dev/zero; sleep 50) | tail -c 299999999 >/dev/null").await;
    assert_eq!(ran.result.end, ExecEnd::OutOfMemory, "{}", ran.text);
}

#[tokio::test]
async fn a_kill_that_was_no_want_of_memory_is_an_exit_code() {
    let rig = Rig::new();
    assert_eq!(rig.run("sh -c 'kill -9 $$'").await.code(), 137);
}

#[tokio::test]
async fn an_earlier_want_of_memory_is_not_put_down_to_a_later_command() {
    let rig = Rig::new();
    let sandbox = rig.open(&spec()).await;
    assert_eq!(rig.exec(&sandbox, "tail /dev/zero").await.result.end, ExecEnd::OutOfMemory);
    assert_eq!(rig.exec(&sandbox, "exit 4").await.code(), 4);
}

#[tokio::test]
async fn a_full_workspace_is_an_error_of_the_command_and_is_told() {
    let rig = Rig::new();
    let sandbox = rig.open(&spec()).await;
    let ran = rig.exec(&sandbox, "dd if=/dev/zero of=big bs=1M count=100").await;
    assert!(ran.text.contains("No space left on device"), "{}", ran.text);
    assert_eq!(ran.result, ExecResult { end: ExecEnd::Exited(1), disk_full: true });
    let ran = rig.exec(&sandbox, "rm big; false").await;
    assert_eq!(ran.result, ExecResult { end: ExecEnd::Exited(1), disk_full: false });
}

#[tokio::test]
async fn the_whole_workspace_can_be_filled_without_it_counting_as_memory() {
    let rig = Rig::new();
    let sandbox = rig.open(&with_limits(|limits| limits.disk_mib = 256)).await;
    let ran = rig.exec(&sandbox, "dd if=/dev/zero of=big bs=1M count=250 2>/dev/null && ls -l big | awk '{print $5}'").await;
    assert_eq!((ran.code(), ran.text.as_str()), (0, "262144000\n"));
}

#[tokio::test]
async fn tmp_is_bounded_too() {
    let rig = Rig::new();
    let ran = rig.run("dd if=/dev/zero of=/tmp/big bs=1M count=100; dd if=/dev/zero of=/dev/shm/big bs=1M count=100; true").await;
    assert_eq!(ran.text.matches("No space left on device").count(), 2, "{}", ran.text);
}

#[tokio::test]
async fn a_process_bomb_stays_small_and_ends_at_the_time_limit() {
    let rig = Rig::new();
    let sandbox = rig.open(&with_limits(|limits| limits.pids = 32)).await;
    // In a shell of its own: one that cannot fork any more ends.
    let bomb = "b() { b | b & }; (b); while :; do :; done";
    let mut exec = std::pin::pin!(rig.try_exec(&sandbox, bomb, Duration::from_secs(3)));
    let mut most = 0;
    let ran = loop {
        tokio::select! {
            biased;
            ran = &mut exec => break ran.expect("the command runs"),
            () = tokio::task::yield_now() => most = most.max(running(&sandbox.name)),
        }
    };
    assert_eq!(ran.result.end, ExecEnd::TimedOut);
    assert!((1..=32).contains(&most), "{most} processes");
    assert!(running(&sandbox.name) <= 2, "nothing but the keeper is left, if that");
}

fn running(name: &str) -> usize {
    let top = std::process::Command::new("docker").args(["top", name, "-eo", "pid"]).output().expect("there is a docker client");
    String::from_utf8_lossy(&top.stdout).lines().count().saturating_sub(1)
}

#[tokio::test]
async fn a_command_that_hangs_is_killed_with_all_that_it_started() {
    let rig = Rig::new();
    let sandbox = rig.open(&spec()).await;
    let script = "echo begun; trap '' TERM INT; echo partial > report.xml; (setsid sleep 1000 &); sleep 1001 & sleep 1002";
    let ran = rig.try_exec(&sandbox, script, Duration::from_secs(1)).await.expect("the command runs");
    assert_eq!(ran.result.end, ExecEnd::TimedOut);
    assert_eq!(ran.text, "begun\n");
    let left = rig.exec(&sandbox, "ps -o args | grep -c '[s]leep 100'; cat report.xml").await;
    assert_eq!(left.text, "0\npartial\n", "what it wrote is still there");
}

#[tokio::test]
async fn the_engine_is_told_every_bound() {
    let rig = Rig::new();
    let sandbox = rig.open(&with_limits(|limits| limits.cpus = 0.5)).await;
    let said = inspect(
        &sandbox,
        "{{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} \
         {{.HostConfig.SecurityOpt}} {{.HostConfig.NetworkMode}} {{.HostConfig.IpcMode}} {{.HostConfig.LogConfig.Type}} \
         {{.HostConfig.Init}} {{.HostConfig.OomScoreAdj}}",
    );
    assert_eq!(said, "500000000 64 true [ALL] [no-new-privileges] none private none true 500");
    let said = inspect(&sandbox, "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}");
    assert_eq!(said, format!("{0} {0}", (64 + 16 + 16) << 20));
}
