//! Runs a command in a folder of the host, within its time.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use gatewright_core::sandbox::{Command, ExecEnd, ExecResult, OutputSink, SandboxError, SandboxHandle, SandboxKey};
use rustix::process::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;

use super::{HostSandbox, processes};

/// Linux takes no single argument over 128 KiB; a longer script is refused with words instead.
const SCRIPT_BYTES_MAX: usize = 120 * 1024;

/// Both outputs go into one pipe, so that they come in the order in which they were written.
const IN_ORDER: &str = "exec sh -c \"$1\" 2>&1";

/// So much of the output is taken at once.
const CHUNK: usize = 64 * 1024;

/// A process that a command left behind may have taken a session of its own and still hold the output. What it says after so
/// long is not waited for.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// A folder whose file system has less left than this is full. It is the machine's, so there is no share of it to go by.
const DISK_LEFT_BYTES_MIN: u64 = 1 << 20;

/// The code of a process that was ended by a signal is this and the signal's number, as shells have it.
const CODE_OF_SIGNALS: i64 = 128;

pub(super) async fn exec(
    this: &HostSandbox,
    sandbox: &SandboxHandle,
    command: &Command,
    output: &dyn OutputSink,
) -> Result<ExecResult, SandboxError> {
    if command.script.len() > SCRIPT_BYTES_MAX {
        let cause = format!("the command is longer than {} KiB; move it into a file of the repository", SCRIPT_BYTES_MAX / 1024);
        return Err(SandboxError::NotStartable(cause));
    }
    let folder = this.folder(sandbox)?;
    let mut child = start(this, sandbox, &folder, &command.script)?;
    let group = Group::enter(this, &sandbox.key, &child);
    let mut pipe = child.stdout.take();
    let ended = tokio::select! {
        status = to_its_end(&mut child, &mut pipe, output) => Some(status),
        () = tokio::time::sleep(command.wall) => None,
    };
    // What a command leaves running in the background ends with it.
    group.kill();
    let status = match ended {
        Some(status) => status.map_err(|e| SandboxError::Gone(format!("the command could not be waited for: {e}")))?,
        None => return timed_out(this, sandbox, child).await,
    };
    // Without the group nobody holds the pipe any more, but for those that left the group.
    let _ = tokio::time::timeout(DRAIN_MAX, pump(&mut pipe, output)).await;
    if this.state().closing.contains(&sandbox.key) {
        return Err(SandboxError::Gone("it was closed while the command ran".to_owned()));
    }
    let code = code(status);
    Ok(ExecResult { end: ExecEnd::Exited(code), disk_full: code != 0 && is_full(&folder) })
}

fn start(this: &HostSandbox, sandbox: &SandboxHandle, folder: &Path, script: &str) -> Result<Child, SandboxError> {
    let env = this.state().open.get(&sandbox.key).map(|open| open.env.clone());
    let env = env.ok_or_else(|| SandboxError::Gone("it is not open".to_owned()))?;
    let mut command = tokio::process::Command::new("sh");
    command.args(["-c", IN_ORDER, "sh", script]).current_dir(folder).env_clear().envs(env).env("PWD", folder);
    // A command that reads its standard input finds it empty. Its group is what it is ended by.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
    command.spawn().map_err(|e| SandboxError::NotStartable(format!("`sh` could not be started: {e}")))
}

/// Passes the output on until the command itself has ended.
async fn to_its_end(
    child: &mut Child,
    pipe: &mut Option<impl AsyncRead + Unpin>,
    output: &dyn OutputSink,
) -> std::io::Result<ExitStatus> {
    let mut waiting = std::pin::pin!(child.wait());
    tokio::select! {
        biased;
        () = pump(pipe, output) => {}
        status = &mut waiting => return status,
    }
    // It has closed its output and goes on.
    waiting.await
}

async fn pump(pipe: &mut Option<impl AsyncRead + Unpin>, output: &dyn OutputSink) {
    let Some(pipe) = pipe else { return };
    let mut chunk = vec![0; CHUNK];
    // A pipe that breaks ends as one that ends: how the command ended tells the two apart.
    while let Ok(length @ 1..) = pipe.read(&mut chunk).await {
        output.write(&chunk[..length]);
    }
}

async fn timed_out(this: &HostSandbox, sandbox: &SandboxHandle, mut child: Child) -> Result<ExecResult, SandboxError> {
    // Those that left the group count into its time as well.
    this.kill(&sandbox.key);
    // Killed at once, and then only to be reaped.
    let _ = child.wait().await;
    Ok(ExecResult { end: ExecEnd::TimedOut, disk_full: false })
}

/// How a command ended, as a shell says it.
fn code(status: ExitStatus) -> i64 {
    let signal = status.signal().map(|signal| CODE_OF_SIGNALS + i64::from(signal));
    status.code().map(i64::from).or(signal).unwrap_or(CODE_OF_SIGNALS)
}

fn is_full(folder: &Path) -> bool {
    rustix::fs::statvfs(folder).is_ok_and(|found| found.f_bavail.saturating_mul(found.f_frsize) < DISK_LEFT_BYTES_MIN)
}

/// A command's process group, known to whoever closes the sandbox until this is dropped.
struct Group<'a> {
    this: &'a HostSandbox,
    key: &'a SandboxKey,
    id: Option<Pid>,
}

impl<'a> Group<'a> {
    fn enter(this: &'a HostSandbox, key: &'a SandboxKey, child: &Child) -> Self {
        let id = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        if let Some(open) = this.state().open.get_mut(key) {
            open.groups.extend(id);
        }
        Group { this, key, id }
    }

    /// Ends all of it. Its number may belong to others afterwards.
    fn kill(self) {
        let Some(id) = self.id else { return };
        processes::kill_group(id);
        if let Some(open) = self.this.state().open.get_mut(self.key) {
            open.groups.retain(|group| *group != id);
        }
    }
}
