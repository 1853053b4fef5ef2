//! Starts the program, within bounds.

use std::process::Stdio;
use std::time::Duration;

use gatewright_core::secret::ExposeSecret;
use gatewright_core::target::TargetError;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::Program;
use super::wire::Request;
use crate::error::{refused, unavailable};

/// So many calls of a program run at once; others wait their turn.
pub(super) const AT_ONCE: usize = 4;

/// An answer of more bytes is refused, and the program ended.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// So much of the end of its standard error is shown; the rest is read and dropped.
const ERROR_BYTES_MAX: usize = 2000;

/// By this exit code a program says that it may pass (`EX_TEMPFAIL` of sysexits.h).
const MAY_PASS: i32 = 75;

/// Where programs are looked for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub(super) async fn run(program: &Program, request: &Request<'_>) -> Result<Vec<u8>, TargetError> {
    let name = program.name(request);
    let _turn = program.running.acquire().await.expect("it is never closed");
    let limit = Duration::from_secs(program.config.timeout_secs);
    let mut child = start(program, &name)?;
    let _group = Group::of(&child);
    let input = serde_json::to_vec(request).expect("texts and numbers are JSON");
    match tokio::time::timeout(limit, exchange(&mut child, &input)).await {
        Ok(Ok(ended)) => judge(&name, ended),
        Ok(Err(error)) => Err(unavailable(name, error.to_string())),
        Err(_) => Err(unavailable(name, format!("it did not end within {} s", limit.as_secs()))),
    }
}

fn start(program: &Program, name: &str) -> Result<Child, TargetError> {
    let Some((first, arguments)) = program.config.command.split_first() else {
        return Err(refused(name, "no program is named"));
    };
    let mut command = Command::new(first);
    command.args(arguments).env_clear().env("PATH", PATH).env("LANG", "C.UTF-8").env("HOME", "/");
    for (variable, value) in &program.config.env {
        command.env(variable, value.expose_secret());
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    command.spawn().map_err(|error| refused(name, format!("it cannot be started: {error}")))
}

/// The program and all that it started, which end with this.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // An error means that nothing of it is left.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// How a program ended.
struct Ended {
    code: Option<i32>,
    answer: Vec<u8>,
    error: String,
}

async fn exchange(child: &mut Child, input: &[u8]) -> std::io::Result<Ended> {
    let mut stdin = child.stdin.take();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let write = async {
        if let Some(stdin) = &mut stdin {
            // One that does not read what it is asked may still answer.
            let _ = stdin.write_all(input).await;
        }
        drop(stdin.take());
    };
    let read = async {
        let mut answer = Vec::new();
        if let Some(stdout) = stdout {
            stdout.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut answer).await?;
        }
        Ok::<_, std::io::Error>(answer)
    };
    let ((), answer, error) = tokio::join!(write, read, tail(stderr));
    let answer = answer?;
    if answer.len() as u64 > ANSWER_BYTES_MAX {
        return Err(std::io::Error::other(format!("it answers more than {ANSWER_BYTES_MAX} bytes")));
    }
    let status = child.wait().await?;
    Ok(Ended { code: status.code(), answer, error })
}

/// The end of what comes.
async fn tail(stream: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut stream) = stream else { return String::new() };
    let mut kept = Vec::new();
    let mut part = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut part).await {
        kept.extend_from_slice(&part[..count]);
        kept.drain(..kept.len().saturating_sub(ERROR_BYTES_MAX));
    }
    String::from_utf8_lossy(&kept).trim().to_owned()
}

fn judge(name: &str, ended: Ended) -> Result<Vec<u8>, TargetError> {
    // Its last line is where a program says what was wrong.
    let last = ended.error.lines().last().unwrap_or("it does not say why").to_owned();
    match ended.code {
        Some(0) => Ok(ended.answer),
        Some(MAY_PASS) => Err(unavailable(name, last)),
        Some(code) => Err(refused(name, format!("exit code {code}: {last}"))),
        None => Err(unavailable(name, "it was ended by a signal")),
    }
}
