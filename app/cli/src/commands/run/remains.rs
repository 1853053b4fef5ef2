//! What a local run leaves that was cut short (killed, or stopped twice): its containers, its processes and its temporary folder.
//! The next run removes them.
//!
//! Each run has a file, locked for as long as its process lives, that says what is its own. A file that is there and not locked
//! is of a run that is gone.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use gatewright_core::RunId;
use gatewright_core::sandbox::Sandbox;
use gatewright_sandbox::{DockerConfig, DockerSandbox, HostConfig, HostSandbox, HostWorkspace};

/// Temporary folders begin so; nothing that is called otherwise is removed.
pub(in crate::commands) const SCRATCH_PREFIX: &str = "gatewright-";

/// A path is never longer.
const PATH_BYTES_MAX: u64 = 4096;

/// A run that is under way, as later ones find it.
pub(in crate::commands) struct Here {
    /// Names its containers and processes.
    pub(in crate::commands) instance: String,
    path: PathBuf,
    /// Locked until this is dropped.
    _file: File,
}

impl Here {
    /// Says that a run is under way that uses this temporary folder.
    pub(in crate::commands) fn begin(running: &Path, scratch: &Path) -> io::Result<Here> {
        fs::create_dir_all(running)?;
        let instance = format!("local-{}", RunId::new());
        let path = running.join(&instance);
        let mut file = File::options().create_new(true).write(true).open(&path)?;
        file.lock()?;
        file.write_all(scratch.as_os_str().as_encoded_bytes())?;
        Ok(Here { instance, path, _file: file })
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        // What stays is found to be of a run that is gone.
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes what runs have left that are gone. What cannot be removed now, the next run tries again.
pub(in crate::commands) async fn remove(running: &Path) {
    let Ok(entries) = fs::read_dir(running) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let (Some(instance), Ok(file)) = (path.file_name().and_then(|name| name.to_str()), File::open(&path)) else { continue };
        // A file that is empty was made a moment ago, and is about to be locked.
        let Some(scratch) = scratch_of(&file).filter(|_| file.try_lock().is_ok()) else { continue };
        if remove_one(instance, &scratch).await {
            let _ = fs::remove_file(&path);
        }
    }
}

fn scratch_of(file: &File) -> Option<PathBuf> {
    let mut text = String::new();
    file.take(PATH_BYTES_MAX).read_to_string(&mut text).ok().filter(|length| *length > 0)?;
    let path = PathBuf::from(text);
    let ours = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(SCRATCH_PREFIX));
    (ours && path.is_absolute()).then_some(path)
}

/// Whether nothing is left of it.
async fn remove_one(instance: &str, scratch: &Path) -> bool {
    let mirrors = scratch.join("mirrors");
    let workspace = HostWorkspace::Fresh(scratch.join("workspaces"));
    let instance = instance.to_owned();
    let docker = DockerSandbox::new(DockerConfig::new(instance.clone(), mirrors.clone()));
    let host = HostSandbox::new(HostConfig { workspace, instance, mirrors, local: None, env: BTreeMap::new() });
    let gone = close_all(&host).await && close_all(&docker).await;
    gone && match fs::remove_dir_all(scratch) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

async fn close_all(sandbox: &dyn Sandbox) -> bool {
    let Ok(keys) = sandbox.leftovers().await else { return false };
    for key in keys {
        if sandbox.close(&key).await.is_err() {
            return false;
        }
    }
    true
}
