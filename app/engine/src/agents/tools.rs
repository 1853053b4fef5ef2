//! Uses a tool: within the sandbox, reads included, so that nothing is seen or done that a command there could not.

use std::time::Duration;

use bytes::Bytes;
use gatewright_core::sandbox::{Captured, Command, ExecEnd, SandboxError, SandboxHandle, Workshop};
use gatewright_core::tree::{FileChange, FileMode};

use super::toolbox::Use;

/// A tool says so many bytes at most.
const SAID_BYTES_MAX: usize = 32 * 1024;

/// A file that is patched may have so many bytes.
const PATCHED_BYTES_MAX: usize = 1024 * 1024;

/// Looking at files takes no longer than this.
const LOOK: Duration = Duration::from_secs(20);

/// A search finds so many lines at most, and a list names so many files.
const LINES_MAX: u32 = 300;

/// What a tool said.
pub(super) struct Said {
    /// What.
    pub(super) text: String,
    /// What it was used on, for people.
    pub(super) about: String,
    /// Whether it failed.
    pub(super) failed: bool,
}

impl Said {
    /// It could not be used.
    pub(super) fn wrong(text: String) -> Said {
        Said { text, about: String::new(), failed: true }
    }
}

/// Uses a tool.
pub(super) async fn used(sandbox: &dyn Workshop, handle: &SandboxHandle, wanted: &Use) -> Result<Said, SandboxError> {
    match wanted {
        Use::Read { path, from_line, lines } => {
            let (from, to) = (*from_line, from_line.saturating_add(*lines).saturating_sub(1));
            let file = word(path)?;
            // Numbered, as the model was told.
            let script = format!(
                "test -f {file} || {{ echo 'no such file'; exit 1; }}; awk 'NR>{to}{{exit}} NR>={from}{{printf \"%6d  %s\\n\", NR, $0}}' < {file}"
            );
            look(sandbox, handle, wanted, &script).await
        }
        Use::List { path, depth } => {
            let folder = word(&place(path.as_deref()))?;
            let script =
                format!("find {folder} -mindepth 1 -maxdepth {depth} -name .git -prune -o -print | sort | head -n {LINES_MAX}");
            look(sandbox, handle, wanted, &script).await
        }
        Use::Search { pattern, path } => {
            let (pattern, place) = (word(pattern)?, word(&place(path.as_deref()))?);
            // `grep` of small images knows no `--exclude-dir`.
            let script = format!(
                "find {place} -name .git -prune -o -type f -print0 | xargs -0 grep -nIEH -e {pattern} -- 2>&1 | head -n {LINES_MAX}"
            );
            look(sandbox, handle, wanted, &script).await
        }
        Use::Shell { command, timeout_secs } => {
            let wall = Duration::from_secs(*timeout_secs);
            let captured = sandbox.capture(handle, &Command { script: command.clone(), wall }, SAID_BYTES_MAX).await?;
            Ok(of_command(wanted, &captured, wall))
        }
        Use::Write { path, content, executable } => write(sandbox, handle, path, content, *executable).await,
        Use::Patch { path, old, new } => patch(sandbox, handle, path, old, new).await,
        Use::Finish(_) => Ok(Said { text: String::new(), about: String::new(), failed: false }),
    }
}

/// Writes a whole file, which can be run where it could before, unless something else is said.
async fn write(
    sandbox: &dyn Workshop,
    handle: &SandboxHandle,
    path: &str,
    content: &str,
    executable: Option<bool>,
) -> Result<Said, SandboxError> {
    let executable = match executable {
        Some(executable) => executable,
        None => {
            let script = format!("test -f {0} && test -x {0}", word(path)?);
            let captured = sandbox.look(handle, &Command { script, wall: LOOK }, 1024).await?;
            captured.result.end == ExecEnd::Exited(0)
        }
    };
    let mode = if executable { FileMode::Executable } else { FileMode::Plain };
    let said = format!("{} bytes written", content.len());
    lay(sandbox, handle, path, Some((mode, Bytes::from(content.to_owned()))), said).await
}

/// Where to look. Without what stands before it `find` would take a name such as `-delete` or `!` for what to do.
fn place(path: Option<&str>) -> String {
    path.map_or_else(|| ".".to_owned(), |path| format!("./{path}"))
}

/// A word of a script that stands for just this text.
fn word(text: &str) -> Result<String, SandboxError> {
    shlex::try_quote(text).map(std::borrow::Cow::into_owned).map_err(|error| SandboxError::Report(error.to_string()))
}

async fn look(sandbox: &dyn Workshop, handle: &SandboxHandle, wanted: &Use, script: &str) -> Result<Said, SandboxError> {
    let captured = sandbox.look(handle, &Command { script: script.to_owned(), wall: LOOK }, SAID_BYTES_MAX).await?;
    let mut said = of_command(wanted, &captured, LOOK);
    if !said.failed {
        said.text = text(&captured);
        if said.text.is_empty() {
            said.text = "(nothing)".to_owned();
        }
    }
    Ok(said)
}

/// What a command wrote, and how it ended where that matters.
fn of_command(wanted: &Use, captured: &Captured, wall: Duration) -> Said {
    let (failed, end) = match captured.result.end {
        ExecEnd::Exited(0) => (false, "It ended with 0.".to_owned()),
        ExecEnd::Exited(code) => (true, format!("It ended with {code}.")),
        ExecEnd::TimedOut => (true, format!("It was killed after {} s.", wall.as_secs())),
        ExecEnd::OutOfMemory => (true, "It was killed: it used too much memory.".to_owned()),
    };
    let wrote = text(captured);
    let text = if wrote.is_empty() { end } else { format!("{}\n\n{end}", wrote.trim_end()) };
    Said { text, about: beginning(wanted.about()), failed }
}

fn text(captured: &Captured) -> String {
    let (head, tail) = (String::from_utf8_lossy(&captured.head), String::from_utf8_lossy(&captured.tail));
    match captured.dropped_bytes {
        0 => head.into_owned(),
        dropped => format!("{head}\n[{dropped} bytes left out]\n{tail}"),
    }
}

/// The beginning of what a tool is used on, on one line, for people.
fn beginning(text: &str) -> String {
    const CHARS_MAX: usize = 100;
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(CHARS_MAX) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

async fn patch(sandbox: &dyn Workshop, handle: &SandboxHandle, path: &str, old: &str, new: &str) -> Result<Said, SandboxError> {
    // The mode comes first, so that the file follows on a line of its own, whatever is in it.
    let at = word(path)?;
    let script = format!("test -f {at} || exit 3; if test -x {at}; then echo x; else echo -; fi; cat -- {at}");
    let captured = sandbox.look(handle, &Command { script, wall: LOOK }, 2 * PATCHED_BYTES_MAX).await?;
    if captured.result.end != ExecEnd::Exited(0) {
        return Ok(Said { about: beginning(path), ..Said::wrong(format!("`{path}` is no file that can be read")) });
    }
    if captured.dropped_bytes > 0 || captured.head.len() > PATCHED_BYTES_MAX {
        return Ok(Said { about: beginning(path), ..Said::wrong(format!("`{path}` is too large to be patched")) });
    }
    let Ok(whole) = std::str::from_utf8(&captured.head) else {
        return Ok(Said { about: beginning(path), ..Said::wrong(format!("`{path}` is no text")) });
    };
    let (mode, content) = whole.split_once('\n').unwrap_or((whole, ""));
    let found = content.matches(old).count();
    if found != 1 {
        let wrong = match found {
            0 => "the old text is not in the file; read it again".to_owned(),
            found => format!("the old text is in the file {found} times; take more lines around it"),
        };
        return Ok(Said { about: beginning(path), ..Said::wrong(wrong) });
    }
    let mode = if mode == "x" { FileMode::Executable } else { FileMode::Plain };
    let patched = content.replacen(old, new, 1);
    lay(sandbox, handle, path, Some((mode, Bytes::from(patched))), "replaced".to_owned()).await
}

async fn lay(
    sandbox: &dyn Workshop,
    handle: &SandboxHandle,
    path: &str,
    now: Option<(FileMode, Bytes)>,
    text: String,
) -> Result<Said, SandboxError> {
    match sandbox.lay(handle, &[FileChange { path: path.to_owned(), now }]).await {
        Ok(()) => Ok(Said { text, about: beginning(path), failed: false }),
        // A link in the way, a folder where a file should be: the model can do it otherwise.
        Err(SandboxError::Report(wrong)) => Ok(Said { about: beginning(path), ..Said::wrong(wrong) }),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_taken_for_what_to_do() {
        for name in ["-delete", "!", "(", "-exec", "src"] {
            assert!(place(Some(name)).starts_with("./"), "{name}");
        }
        assert_eq!(place(None), ".");
    }
}
