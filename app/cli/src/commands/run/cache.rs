//! What local runs leave behind on this machine: logs to look at, and what later runs compare with. All of it is a cache.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use gatewright_core::run::StepState;
use gatewright_core::{GateName, RunId};
use gatewright_engine::local::LocalReport;
use sha2::{Digest, Sha256};

use crate::failure::Failure;

/// The logs of so many runs are kept of a repository; older ones go.
const RUNS_KEPT: usize = 10;

/// The folders of one repository.
pub(in crate::commands) struct Cache {
    /// What gates said of its commits.
    pub(in crate::commands) pasts: PathBuf,
    /// What gates bring from one run to the next.
    pub(in crate::commands) caches: PathBuf,
    logs: PathBuf,
    /// A file for each run that is under way.
    pub(in crate::commands) running: PathBuf,
}

/// What gates have left, in files of one folder.
pub(in crate::commands) struct Kept {
    pub(in crate::commands) folder: PathBuf,
    /// The logs, by their gates.
    pub(in crate::commands) logs: BTreeMap<GateName, PathBuf>,
    /// The files that gates were asked to keep.
    pub(in crate::commands) outputs: BTreeMap<GateName, Vec<PathBuf>>,
}

impl Cache {
    /// The folders of a repository that has its files at `common`.
    pub(in crate::commands) fn of(common: &Path) -> Cache {
        let digest = hex::encode(Sha256::digest(common.as_os_str().as_bytes()));
        let folder = root().join("gatewright").join(&digest[..16]);
        Cache {
            pasts: folder.join("facts"),
            caches: folder.join("caches"),
            logs: folder.join("logs"),
            running: folder.join("running"),
        }
    }

    /// Writes what gates have left where people can look at it.
    pub(in crate::commands) fn keep(&self, folder: Option<&Path>, report: &LocalReport) -> Result<Kept, Failure> {
        let mut kept = Kept { folder: self.room(folder, report.run.id), logs: BTreeMap::new(), outputs: BTreeMap::new() };
        for step in &report.gates().steps {
            let StepState::Done { outcome, .. } = &step.state else { continue };
            let name = &step.gate.name;
            if let Some(log) = &outcome.log {
                let file = kept.folder.join(format!("{name}.log"));
                copy(&report.blobs.file(&log.blob), &file)?;
                kept.logs.insert(name.clone(), file);
            }
            for output in &outcome.outputs {
                let path = Path::new(&output.path);
                // They were read as paths within the workspace; nothing else is written to.
                if path.components().all(|part| matches!(part, Component::Normal(_))) {
                    let file = kept.folder.join(name.as_str()).join(path);
                    copy(&report.blobs.file(&output.blob), &file)?;
                    kept.outputs.entry(name.clone()).or_default().push(file);
                }
            }
        }
        if folder.is_none() {
            // That older ones stay is no reason to fail.
            let _ = self.prune();
        }
        Ok(kept)
    }

    /// Where a run keeps what people can look at: where the user says, or else a folder of the cache.
    pub(in crate::commands) fn room(&self, folder: Option<&Path>, run: RunId) -> PathBuf {
        folder.map_or_else(|| self.logs.join(run.to_string()), Path::to_owned)
    }

    /// Ids of runs sort by their time.
    pub(in crate::commands) fn prune(&self) -> io::Result<()> {
        let mut all = fs::read_dir(&self.logs)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
        all.sort();
        all.iter().take(all.len().saturating_sub(RUNS_KEPT)).try_for_each(fs::remove_dir_all)
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let above = to.parent().unwrap_or(to);
    let copied = fs::create_dir_all(above).and_then(|()| fs::copy(from, to));
    copied.map(|_| ()).map_err(|e| Failure::Outside(format!("{} cannot be written: {e}", to.display())))
}

/// Where caches are, by the rules of freedesktop.org.
fn root() -> PathBuf {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || absolute("HOME").map(|home| home.join(".cache"));
    absolute("XDG_CACHE_HOME").or_else(home).unwrap_or_else(std::env::temp_dir)
}
