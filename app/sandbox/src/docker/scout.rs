//! A shell in a sandbox that answers small questions: starting it takes as long as a command does, asking it a millisecond.
//!
//! It runs as the sandbox's user, so it sees and can do no more than what runs there, and may be killed or fooled by it. Its answers
//! are bounded, and taken for what the sandbox says of itself.

use std::pin::Pin;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use futures_util::{Stream, StreamExt};
use gatewright_core::sandbox::SandboxError;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::error::lost;
use super::shape::USER;

/// Listing a full workspace takes a second or two. A scout that takes longer is given up.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// What it is asked with has to be there: only the shell is sure to be.
const TOOLS: &str = "for tool in find stat head readlink; do command -v $tool || exit 3; done >/dev/null 2>&1";

/// The shell's code where they are not.
const WITHOUT_TOOLS: i64 = 3;

pub(super) struct Scout {
    output: Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>,
    input: Pin<Box<dyn AsyncWrite + Send>>,
}

/// Why a scout did not answer. It is of no further use then.
#[derive(Debug)]
pub(super) enum Silence {
    /// It has ended: something killed it.
    Ended,
    /// It took too long.
    TooSlow,
    /// Its answer is longer than was asked for.
    TooLong,
}

impl Scout {
    /// Starts one in a folder. None where the image does not have what it is asked with.
    pub(super) async fn start(docker: &Docker, id: &str, folder: &str) -> Result<Option<Scout>, SandboxError> {
        let options = CreateExecOptions {
            cmd: Some(vec!["sh"]),
            user: Some(USER),
            working_dir: Some(folder),
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            ..CreateExecOptions::default()
        };
        let exec = docker.create_exec(id, options).await.map_err(|e| lost(&e))?.id;
        let started = docker.start_exec(&exec, None).await.map_err(|e| lost(&e))?;
        let StartExecResults::Attached { output, input } = started else { return Ok(None) };
        let mut scout = Scout { output, input };
        match scout.ask(&format!("( {TOOLS} )"), 0).await {
            Ok((_, 0)) => Ok(Some(scout)),
            Ok((_, WITHOUT_TOOLS)) => Ok(None),
            Ok((_, code)) => Err(SandboxError::Gone(format!("its shell answers with {code}"))),
            Err(silence) => Err(SandboxError::Gone(format!("its shell does not answer: {silence:?}"))),
        }
    }

    /// Runs a script, and returns what it printed and its code.
    pub(super) async fn ask(&mut self, script: &str, bytes_max: usize) -> Result<(Vec<u8>, i64), Silence> {
        let mut text = Vec::new();
        let code = self.run(script, "2>/dev/null", ANSWER_MAX, |bytes| {
            if text.len() + bytes.len() > bytes_max {
                return Err(Silence::TooLong);
            }
            text.extend_from_slice(bytes);
            Ok(())
        });
        let code = code.await?;
        Ok((text, code))
    }

    /// Runs a script, passes on what it prints on either output, however long it is, and returns its code.
    pub(super) async fn tell(&mut self, script: &str, wall: Duration, mut take: impl FnMut(&[u8])) -> Result<i64, Silence> {
        self.run(&format!("( {script}\n)"), "2>&1", wall, |bytes| {
            take(bytes);
            Ok(())
        })
        .await
    }

    async fn run(
        &mut self,
        script: &str,
        errors: &str,
        wall: Duration,
        mut take: impl FnMut(&[u8]) -> Result<(), Silence>,
    ) -> Result<i64, Silence> {
        // What was printed and may be the beginning of the end.
        let mut held = Vec::new();
        match tokio::time::timeout(wall, self.answer(script, errors, &mut held, &mut take)).await {
            Ok(answered) => answered,
            Err(_) => take(&held).and(Err(Silence::TooSlow)),
        }
    }

    async fn answer(
        &mut self,
        script: &str,
        errors: &str,
        held: &mut Vec<u8>,
        take: &mut impl FnMut(&[u8]) -> Result<(), Silence>,
    ) -> Result<i64, Silence> {
        // Not to be guessed, so that nothing of what is printed is taken for the end by accident.
        let end = uuid::Uuid::new_v4().simple().to_string();
        let asked = format!("{{ {script}\n}} </dev/null {errors}; printf '\\n{end} %s\\n' \"$?\"\n");
        self.input.write_all(asked.as_bytes()).await.map_err(|_| Silence::Ended)?;
        self.input.flush().await.map_err(|_| Silence::Ended)?;
        let mark = format!("\n{end} ");
        let finder = memchr::memmem::Finder::new(mark.as_bytes());
        loop {
            let part = match self.output.next().await {
                Some(Ok(LogOutput::StdOut { message } | LogOutput::Console { message })) => message,
                Some(Ok(LogOutput::StdErr { .. } | LogOutput::StdIn { .. })) => continue,
                Some(Err(_)) | None => return Err(Silence::Ended),
            };
            held.extend_from_slice(&part);
            let marked = finder.find(held);
            let printed = marked.unwrap_or_else(|| held.len().saturating_sub(mark.len() - 1));
            take(&held[..printed])?;
            held.drain(..printed);
            if marked.is_some() {
                match code_in(&held[mark.len()..]) {
                    Some(code) => return Ok(code),
                    // No shell says so much after it.
                    None if held.len() > 2 * mark.len() => return Err(Silence::Ended),
                    None => {}
                }
            }
        }
    }
}

/// The number that ends the line.
fn code_in(rest: &[u8]) -> Option<i64> {
    let line = rest.iter().position(|byte| *byte == b'\n').map(|end| &rest[..end])?;
    std::str::from_utf8(line).ok()?.parse().ok()
}

/// A path of the folder as one word of a script.
pub(super) fn word(path: &[u8]) -> Option<String> {
    let path = std::str::from_utf8(path).ok().filter(|path| !path.contains('\0'))?;
    Some(format!("'./{}'", path.replace('\'', "'\\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_whatever_is_in_it() {
        assert_eq!(word(b"a b/$(c)").as_deref(), Some("'./a b/$(c)'"));
        assert_eq!(word(b"it's").as_deref(), Some("'./it'\\''s'"));
        assert_eq!(word(b"-rf").as_deref(), Some("'./-rf'"));
        assert_eq!(word(b"\xff"), None);
    }
}
