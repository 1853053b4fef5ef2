//! Runs a command in a sandbox, within its time and memory, and finds out how it ended.

use std::sync::PoisonError;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bollard::models::{ContainerMemoryStats, ContainerState};
use bollard::query_parameters::{InspectContainerOptions, KillContainerOptions, StatsOptionsBuilder};
use futures_util::StreamExt;
use gatewright_core::sandbox::{Command, ExecEnd, ExecResult, Folder, OutputSink, SandboxError, SandboxHandle};

use super::error::{lost, status, unavailable, within, words};
use super::shape::{self, BASE, LABEL_MEMORY, USER, WORKSPACE};
use super::{CALL_MAX, DockerSandbox, cache};

/// Linux takes no single argument over 128 KiB; a longer script is refused with words instead.
const SCRIPT_BYTES_MAX: usize = 120 * 1024;

/// Only a command that has run this long is watched for its memory: asking costs more than short commands last, and the
/// kernel's own bound holds from the start.
const WATCH_AFTER: Duration = Duration::from_secs(1);

/// A command can close its output and go on. Whether it has ended is then asked this often, at first and at most.
const END_POLL_MIN: Duration = Duration::from_millis(5);
const END_POLL_MAX: Duration = Duration::from_millis(500);

/// A sandbox that still runs after pauses up to this did not end with its command.
const SETTLE_MAX: Duration = Duration::from_secs(1);

/// A kill that takes longer than this inside of the sandbox is done from outside, which ends the sandbox.
const KILL_MAX: Duration = Duration::from_secs(10);

/// Looking around after a failed command takes a tenth of a second; it is done without after this time.
const LOOK_MAX: Duration = Duration::from_secs(10);

/// The answer to looking around is two lines.
const LOOK_BYTES_MAX: usize = 4096;

/// A workspace with less left than this, or than 1 %, is full.
const DISK_LEFT_KIB_MIN: u64 = 64;

/// The shell's exit code of a process that was ended by SIGKILL.
const CODE_KILLED: i64 = 137;

/// Both outputs go into one pipe: from two, the engine would pass them on in any order.
const IN_ORDER: &str = "exec sh -c \"$1\" 2>&1";

/// How many processes the kernel has killed (cgroup v1, v2), and what the workspace has left. Only the shell is sure to be
/// there; without a `df` in the image it stays unknown whether the disk was full.
const LOOK: &str = "for f in /sys/fs/cgroup/memory/memory.oom_control /sys/fs/cgroup/memory.events; do \
    [ -r $f ] && while read -r name value; do [ \"$name\" = oom_kill ] && echo \"oom_kill $value\"; done < $f; done; \
    df -Pk /workspace; [ -d /base ] && df -Pk /base";

pub(super) async fn exec(
    this: &DockerSandbox,
    sandbox: &SandboxHandle,
    command: &Command,
    output: &dyn OutputSink,
) -> Result<ExecResult, SandboxError> {
    if command.script.len() > SCRIPT_BYTES_MAX {
        let cause = format!("the command is longer than {} KiB; move it into a file of the repository", SCRIPT_BYTES_MAX / 1024);
        return Err(SandboxError::NotStartable(cause));
    }
    let docker = this.docker().await?;
    let id = sandbox.name.as_str();
    let ended = tokio::select! {
        ran = run(docker, id, shape::path(sandbox.folder), &command.script, |bytes| output.write(bytes)) => Ended::Itself(ran?),
        () = tokio::time::sleep(command.wall) => Ended::TimedOut,
        () = too_much_memory(docker, id) => Ended::TooMuchMemory,
    };
    let code = match ended {
        Ended::Itself(code) => code,
        Ended::TimedOut => return killed(this, docker, id, ExecEnd::TimedOut).await,
        Ended::TooMuchMemory => return killed(this, docker, id, ExecEnd::OutOfMemory).await,
    };
    if code == 0 {
        let plan = this.to_save.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        if let Some(plan) = plan.filter(|_| sandbox.folder == Folder::Workspace) {
            cache::save(this, docker, sandbox, &plan).await;
        }
        return Ok(ExecResult { end: ExecEnd::Exited(0), disk_full: false });
    }
    if this.closing.lock().unwrap_or_else(PoisonError::into_inner).contains(&sandbox.key) {
        return Err(SandboxError::Gone("it was closed while the command ran".to_owned()));
    }
    failed(this, docker, id, code).await
}

enum Ended {
    Itself(i64),
    TimedOut,
    TooMuchMemory,
}

/// Runs a script in a folder to its end and returns its exit code.
pub(super) async fn run(
    docker: &Docker,
    id: &str,
    folder: &str,
    script: &str,
    mut take: impl FnMut(&[u8]),
) -> Result<i64, SandboxError> {
    let options = CreateExecOptions {
        cmd: Some(vec!["sh", "-c", IN_ORDER, "sh", script]),
        user: Some(USER),
        working_dir: Some(folder),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..CreateExecOptions::default()
    };
    let exec = match docker.create_exec(id, options).await {
        Ok(created) => created.id,
        Err(e) => return Err(refused(docker, id, &e).await),
    };
    let started = match docker.start_exec(&exec, None::<StartExecOptions>).await {
        Ok(started) => started,
        Err(e) => return Err(refused(docker, id, &e).await),
    };
    if let StartExecResults::Attached { mut output, input } = started {
        // A command that reads its standard input finds it empty.
        drop(input);
        while let Some(part) = output.next().await {
            // A torn stream says nothing yet: whether the command has ended is asked below.
            let Ok(part) = part else { break };
            match part {
                LogOutput::StdOut { message } | LogOutput::StdErr { message } | LogOutput::Console { message } => take(&message),
                LogOutput::StdIn { .. } => {}
            }
        }
    }
    exit_code(docker, &exec).await
}

/// Why a sandbox does not run any more. The keeper needs nothing but a shell: if it ended as commands do that cannot be run,
/// it was for want of one.
fn why_ended(state: &ContainerState) -> SandboxError {
    match state.exit_code {
        Some(126 | 127) => SandboxError::NotStartable(
            "the image has no shell `sh`, with which commands are run, or it does not run here".to_owned(),
        ),
        Some(_) | None => SandboxError::Gone("its container has ended".to_owned()),
    }
}

/// What a refusal to run something in a sandbox means.
async fn refused(docker: &Docker, id: &str, error: &bollard::errors::Error) -> SandboxError {
    let words = words(error);
    // The engine answers 409 or 500, by how far it had come.
    if status(error) == Some(409) || words.contains("is not running") {
        return inspect(docker, id).await.map_or_else(|e| e, |state| why_ended(&state));
    }
    if words.contains("OCI runtime exec failed") { SandboxError::NotStartable(words) } else { lost(error) }
}

async fn inspect(docker: &Docker, id: &str) -> Result<ContainerState, SandboxError> {
    let asked = async { docker.inspect_container(id, None::<InspectContainerOptions>).await.map_err(|e| lost(&e)) };
    Ok(within("looking at the sandbox", CALL_MAX, asked).await?.state.unwrap_or_default())
}

/// Waits until a command that has no output any more has ended.
async fn exit_code(docker: &Docker, exec: &str) -> Result<i64, SandboxError> {
    let mut pause = END_POLL_MIN;
    loop {
        let state = docker.inspect_exec(exec).await.map_err(|e| lost(&e))?;
        if let (Some(code), Some(false)) = (state.exit_code, state.running) {
            return Ok(code);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(END_POLL_MAX);
    }
}

/// Kills everything but what keeps the sandbox alive, so that its files can still be read. Where that does not work (a
/// process bomb leaves no process to kill with), the sandbox itself is killed.
pub(super) async fn killed(this: &DockerSandbox, docker: &Docker, id: &str, end: ExecEnd) -> Result<ExecResult, SandboxError> {
    let inside = tokio::time::timeout(KILL_MAX, run(docker, id, WORKSPACE, "kill -9 -1", |_| {})).await;
    if !matches!(inside, Ok(Ok(0))) {
        kill_container(docker, id).await?;
        return Ok(ExecResult { end, disk_full: false });
    }
    // What the kernel killed meanwhile is not to be put down to the next command.
    let disk_full = match look(docker, id).await {
        Some(seen) => {
            this.note_oom_kills(id, seen.oom_kills);
            seen.disk_full
        }
        None => false,
    };
    Ok(ExecResult { end, disk_full })
}

async fn kill_container(docker: &Docker, id: &str) -> Result<(), SandboxError> {
    let killed = async {
        match docker.kill_container(id, None::<KillContainerOptions>).await {
            Ok(()) => Ok(()),
            // Not there or not running: what was to be so.
            Err(e) if matches!(status(&e), Some(404 | 409)) => Ok(()),
            Err(e) => Err(unavailable(&e)),
        }
    };
    within("killing the sandbox", CALL_MAX, killed).await
}

/// Ends once the processes use more memory than is theirs. The container's own bound, which holds in any case, has room for
/// the files in memory too, so it does not tell.
async fn too_much_memory(docker: &Docker, id: &str) {
    tokio::time::sleep(WATCH_AFTER).await;
    if let Some(limit) = memory_of(docker, id).await {
        let options = StatsOptionsBuilder::default().stream(true).build();
        let mut samples = std::pin::pin!(docker.stats(id, Some(options)));
        while let Some(Ok(sample)) = samples.next().await {
            if sample.memory_stats.as_ref().and_then(used_by_processes).is_some_and(|used| used > limit) {
                return;
            }
        }
    }
    // Without the engine's figures there is the kernel's bound.
    std::future::pending().await
}

async fn memory_of(docker: &Docker, id: &str) -> Option<u64> {
    let container = docker.inspect_container(id, None::<InspectContainerOptions>).await.ok()?;
    let mib: u64 = container.config?.labels?.get(LABEL_MEMORY)?.parse().ok()?;
    Some(mib.saturating_mul(1 << 20))
}

/// Memory that is no file's: `anon` of cgroup v2, `total_rss` of v1.
fn used_by_processes(memory: &ContainerMemoryStats) -> Option<u64> {
    let stats = memory.stats.as_ref()?;
    stats.get("anon").or_else(|| stats.get("total_rss")).copied()
}

/// How a command ended that did not end well.
async fn failed(this: &DockerSandbox, docker: &Docker, id: &str, code: i64) -> Result<ExecResult, SandboxError> {
    let Some(seen) = look(docker, id).await else {
        return without_a_look(docker, id, code).await;
    };
    let before = this.note_oom_kills(id, seen.oom_kills);
    let end = if seen.oom_kills > before { ExecEnd::OutOfMemory } else { ExecEnd::Exited(code) };
    Ok(ExecResult { end, disk_full: seen.disk_full })
}

/// What it means that the engine had no room to write into a sandbox. It says the same of a full workspace and of the disk of the
/// machine that it runs on, so the workspace is asked. Where nothing can be run there, it is the machine's.
pub(super) async fn without_room(docker: &Docker, id: &str, words: String, of_workspace: SandboxError) -> SandboxError {
    match look(docker, id).await {
        Some(seen) if seen.disk_full => of_workspace,
        Some(_) | None => SandboxError::HostDiskFull(words),
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    oom_kills: u64,
    disk_full: bool,
}

async fn look(docker: &Docker, id: &str) -> Option<Seen> {
    let mut text = Vec::new();
    let take = |bytes: &[u8]| text.extend_from_slice(&bytes[..bytes.len().min(LOOK_BYTES_MAX.saturating_sub(text.len()))]);
    tokio::time::timeout(LOOK_MAX, run(docker, id, WORKSPACE, LOOK, take)).await.ok()?.ok()?;
    Some(seen(&String::from_utf8_lossy(&text)))
}

fn seen(text: &str) -> Seen {
    let mut seen = Seen { oom_kills: 0, disk_full: false };
    for line in text.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            ["oom_kill", count] => seen.oom_kills = count.parse().unwrap_or(0),
            [_, size, _, left, _, WORKSPACE | BASE] => seen.disk_full |= is_full(size.parse().ok(), left.parse().ok()),
            _ => {}
        }
    }
    seen
}

fn is_full(size_kib: Option<u64>, left_kib: Option<u64>) -> bool {
    let (Some(size), Some(left)) = (size_kib, left_kib) else { return false };
    left < DISK_LEFT_KIB_MIN || left < size / 100
}

/// The sandbox could not be looked into: either it has ended, or there is no room for one more process in it.
async fn without_a_look(docker: &Docker, id: &str, code: i64) -> Result<ExecResult, SandboxError> {
    let state = settled(docker, id, code).await?;
    let end = match state {
        ContainerState { running: Some(true), .. } => ExecEnd::Exited(code),
        ContainerState { oom_killed: Some(true), .. } if code == CODE_KILLED => ExecEnd::OutOfMemory,
        other => return Err(why_ended(&other)),
    };
    Ok(ExecResult { end, disk_full: false })
}

/// The state of a sandbox whose command was perhaps killed with it: the engine notices the command's end first.
async fn settled(docker: &Docker, id: &str, code: i64) -> Result<ContainerState, SandboxError> {
    let mut pause = END_POLL_MIN;
    loop {
        let state = inspect(docker, id).await?;
        if state.running != Some(true) || code != CODE_KILLED || pause > SETTLE_MAX {
            return Ok(state);
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_and_a_full_disk_are_read_from_what_the_sandbox_says() {
        let df = "Filesystem 1024-blocks Used Available Capacity Mounted on\ntmpfs 20480 20480 0 100% /workspace\n";
        assert_eq!(seen(&format!("oom_kill 2\n{df}")), Seen { oom_kills: 2, disk_full: true });
        assert_eq!(seen("sh: df: not found\n"), Seen { oom_kills: 0, disk_full: false });
    }

    #[test]
    fn full_is_less_than_64_kib_or_1_percent() {
        assert!(is_full(Some(20_480), Some(204 - 1)));
        assert!(is_full(Some(1024), Some(63)));
        assert!(!is_full(Some(20_480), Some(400)));
        assert!(!is_full(None, None));
    }
}
