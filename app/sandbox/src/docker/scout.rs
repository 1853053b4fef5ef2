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
        tokio::time::timeout(ANSWER_MAX, self.answer(script, bytes_max)).await.unwrap_or(Err(Silence::TooSlow))
    }

    async fn answer(&mut self, script: &str, bytes_max: usize) -> Result<(Vec<u8>, i64), Silence> {
        // Not to be guessed, so that nothing of what is printed is taken for the end by accident.
        let end = uuid::Uuid::new_v4().simple().to_string();
        let asked = format!("{{ {script}\n}} </dev/null 2>/dev/null; printf '\\n{end} %s\\n' \"$?\"\n");
        self.input.write_all(asked.as_bytes()).await.map_err(|_| Silence::Ended)?;
        self.input.flush().await.map_err(|_| Silence::Ended)?;
        let mark = format!("\n{end} ");
        let finder = memchr::memmem::Finder::new(mark.as_bytes());
        let mut text: Vec<u8> = Vec::new();
        loop {
            let part = match self.output.next().await {
                Some(Ok(LogOutput::StdOut { message } | LogOutput::Console { message })) => message,
                Some(Ok(LogOutput::StdErr { .. } | LogOutput::StdIn { .. })) => continue,
                Some(Err(_)) | None => return Err(Silence::Ended),
            };
            let looked_at = text.len().saturating_sub(mark.len());
            text.extend_from_slice(&part);
            if let Some(at) = finder.find(&text[looked_at..]).map(|at| at + looked_at)
                && let Some(code) = code_in(&text[at + mark.len()..])
            {
                text.truncate(at);
                return if text.len() > bytes_max { Err(Silence::TooLong) } else { Ok((text, code)) };
            }
            if text.len() > bytes_max + 2 * mark.len() {
                return Err(Silence::TooLong);
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
