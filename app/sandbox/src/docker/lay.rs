//! Puts changed files into a workspace, and takes out those that are gone.
//!
//! Files are written by the engine, from an archive in which every folder above a file is named, too: where one of them is something
//! else, a link above all, the engine refuses it. They are removed by the sandbox's own user, who can do no harm with that.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::Docker;
use gatewright_core::sandbox::{SandboxError, SandboxHandle};
use gatewright_core::tree::{FileChange, FileMode};

use super::scout::word;
use super::{exec, shape, write};
use crate::changes::paths;

/// Removing a hundred files takes a moment.
const REMOVE_MAX: Duration = Duration::from_secs(30);

/// The script's code where a link is in the way.
const IN_THE_WAY: i64 = 3;

/// So long a script is taken as an argument; what is to be removed goes in as many as it takes.
const SCRIPT_BYTES_MAX: usize = 100 * 1024;

pub(super) async fn lay(docker: &Docker, sandbox: &SandboxHandle, changes: &[FileChange]) -> Result<(), SandboxError> {
    if let Some((path, cause)) = changes.iter().find_map(|change| Some((&change.path, paths::fault(&change.path)?))) {
        return Err(SandboxError::Report(format!("`{}` cannot be laid: {cause}", paths::shown(path.as_bytes()))));
    }
    remove(docker, sandbox, changes).await?;
    let there: Vec<(&str, u32, &[u8])> = changes.iter().filter_map(there).collect();
    if there.is_empty() { Ok(()) } else { write::write_all(docker, sandbox, &there).await }
}

fn there(change: &FileChange) -> Option<(&str, u32, &[u8])> {
    let (mode, content) = change.now.as_ref()?;
    let mode = match mode {
        FileMode::Plain => 0o644,
        FileMode::Executable => 0o755,
    };
    Some((&change.path, mode, content))
}

async fn remove(docker: &Docker, sandbox: &SandboxHandle, changes: &[FileChange]) -> Result<(), SandboxError> {
    let gone = changes.iter().filter(|change| change.now.is_none());
    let mut script = String::new();
    for change in gone {
        let one = removal(&change.path);
        if !script.is_empty() && script.len() + one.len() > SCRIPT_BYTES_MAX {
            run(docker, sandbox, &std::mem::take(&mut script)).await?;
        }
        script.push_str(&one);
    }
    if script.is_empty() { Ok(()) } else { run(docker, sandbox, &script).await }
}

/// Removes a file, and the folders above it that become empty, unless one of these is a link. What is a folder by now is no file
/// any more, and stays.
fn removal(path: &str) -> String {
    let above: BTreeSet<PathBuf> = Path::new(path).ancestors().skip(1).map(Path::to_owned).collect();
    let words = above.iter().filter_map(|folder| word(folder.to_str()?.as_bytes()).filter(|_| folder.as_os_str() != ""));
    let links: Vec<String> = words.map(|word| format!("[ -h {word} ]")).collect();
    let word = word(path.as_bytes()).unwrap_or_default();
    let rmdirs: String = above
        .iter()
        .rev()
        .filter_map(|folder| super::scout::word(folder.to_str()?.as_bytes()).filter(|_| folder.as_os_str() != ""))
        .map(|folder| format!("rmdir {folder} 2>/dev/null; "))
        .collect();
    let guard = if links.is_empty() {
        String::new()
    } else {
        format!("if {}; then echo {word}; exit {IN_THE_WAY}; fi; ", links.join(" || "))
    };
    format!("{guard}if [ -h {word} ] || [ ! -d {word} ]; then rm -f {word} || {{ echo {word}; exit 1; }}; {rmdirs}fi\n")
}

async fn run(docker: &Docker, sandbox: &SandboxHandle, script: &str) -> Result<(), SandboxError> {
    let mut said = Vec::new();
    let take = |bytes: &[u8]| said.extend_from_slice(&bytes[..bytes.len().min(1000_usize.saturating_sub(said.len()))]);
    // A folder that does not become empty is no failure.
    let script = format!("{script}true");
    let ran = exec::run(docker, &sandbox.name, shape::path(sandbox.folder), &script, take);
    let ran = tokio::time::timeout(REMOVE_MAX, ran).await;
    let code = ran.map_err(|_| SandboxError::Report("removing files takes too long".to_owned()))??;
    let path = || paths::shown(said.trim_ascii());
    match code {
        0 => Ok(()),
        IN_THE_WAY => Err(SandboxError::Report(format!("`{}` is not removed: a symbolic link leads there", path()))),
        _ => Err(SandboxError::Report(format!("`{}` cannot be removed", path()))),
    }
}
