//! What local runs leave behind on this machine: logs to look at, and what later runs compare with. All of it is a cache.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use gatewright_core::GateName;
use gatewright_core::run::StepState;
use gatewright_core::store::Blobs;
use gatewright_engine::local::LocalReport;
use sha2::{Digest, Sha256};

use crate::failure::Failure;

/// The logs of so many runs are kept of a repository; older ones go.
const RUNS_KEPT: usize = 10;

/// The folders of one repository.
pub(super) struct Cache {
    /// What gates said of its commits.
    pub(super) pasts: PathBuf,
    logs: PathBuf,
    /// A file for each run that is under way.
    pub(super) running: PathBuf,
}

impl Cache {
    /// The folders of a repository that has its files at `common`.
    pub(super) fn of(common: &Path) -> Cache {
        let digest = hex::encode(Sha256::digest(common.as_os_str().as_bytes()));
        let folder = root().join("gatewright").join(&digest[..16]);
        Cache { pasts: folder.join("facts"), logs: folder.join("logs"), running: folder.join("running") }
    }

    /// Writes the gates' logs, and says where they are.
    pub(super) async fn keep_logs(
        &self,
        folder: Option<&Path>,
        report: &LocalReport,
    ) -> Result<(PathBuf, BTreeMap<GateName, PathBuf>), Failure> {
        let own = folder.is_none();
        let folder = folder.map_or_else(|| self.logs.join(report.run.id.to_string()), Path::to_owned);
        let mut files = BTreeMap::new();
        for step in &report.gates().steps {
            let StepState::Done { outcome, .. } = &step.state else { continue };
            let Some(log) = &outcome.log else { continue };
            // They were stored in this process a moment ago, so they are there.
            let Ok(Some(bytes)) = report.blobs.get(&log.blob).await else { continue };
            let file = folder.join(format!("{}.log", step.gate.name));
            let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&file, &bytes));
            written.map_err(|e| Failure::Outside(format!("the log {} cannot be written: {e}", file.display())))?;
            files.insert(step.gate.name.clone(), file);
        }
        if own {
            // That older ones stay is no reason to fail.
            let _ = self.prune();
        }
        Ok((folder, files))
    }

    /// Ids of runs sort by their time.
    fn prune(&self) -> io::Result<()> {
        let mut all = fs::read_dir(&self.logs)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
        all.sort();
        all.iter().take(all.len().saturating_sub(RUNS_KEPT)).try_for_each(fs::remove_dir_all)
    }
}

/// Where caches are, by the rules of freedesktop.org.
fn root() -> PathBuf {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || absolute("HOME").map(|home| home.join(".cache"));
    absolute("XDG_CACHE_HOME").or_else(home).unwrap_or_else(std::env::temp_dir)
}
