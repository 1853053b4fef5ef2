//! Files that are kept in Git LFS: what a commit has of them are pointers, and their content lies on a server beside git's. It is
//! fetched to the mirror, checked, and put into the workspace in the pointers' places, by this process alone: neither git's filters
//! nor `git-lfs` run, and nothing of the commit decides which server is asked.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use gatewright_core::sandbox::SandboxError;

mod fetch;
mod pointer;
mod server;

pub(in crate::source) use fetch::fetch;
pub(crate) use pointer::Pointer;
pub(super) use pointer::pointers;

use super::FillError;
use super::mirror::does_not_fit;
use super::own::Budget;

/// Takes the room for the contents of these files.
pub(super) fn spend(pointers: &[Pointer], budget: &mut Budget, disk_mib: u64) -> Result<(), SandboxError> {
    let fits = pointers.iter().all(|pointer| budget.spend(pointer.bytes).is_ok());
    if fits { Ok(()) } else { Err(does_not_fit(disk_mib)) }
}

/// Where the content of files lies, each named by its digest.
#[derive(Debug, Clone)]
pub(super) enum Store {
    /// Fetched, in the mirror's folder.
    Mirror(PathBuf),
    /// In the repositories of the user who runs Gatewright: nothing is fetched there, and nothing removed.
    User(Vec<PathBuf>),
}

impl Store {
    /// The one of the mirror at `path`.
    pub(super) fn of_mirror(path: &Path) -> Store {
        Store::Mirror(path.join("lfs/objects"))
    }

    /// Those of the repositories from which the one at `path` borrows: Git LFS keeps its objects beside git's.
    pub(super) async fn of_user(path: &Path) -> Store {
        use std::os::unix::ffi::OsStrExt;
        let borrowed = tokio::fs::read(path.join("objects/info/alternates")).await.unwrap_or_default();
        let lines = borrowed.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let objects = lines.map(|line| Path::new(std::ffi::OsStr::from_bytes(line)));
        Store::User(objects.filter_map(|objects| Some(objects.parent()?.join("lfs/objects"))).collect())
    }

    /// For each of the pointers the file of its content, if it is there with all its bytes.
    async fn find(&self, pointers: &[Pointer]) -> Vec<Option<PathBuf>> {
        let folders = match self {
            Store::Mirror(folder) => std::slice::from_ref(folder),
            Store::User(folders) => folders,
        };
        let files = |pointer: &Pointer| folders.iter().map(|folder| file_of(folder, &pointer.oid)).collect();
        let wanted: Vec<(u64, Vec<PathBuf>)> = pointers.iter().map(|pointer| (pointer.bytes, files(pointer))).collect();
        let find = |(bytes, files): (u64, Vec<PathBuf>)| {
            let whole = |file: &PathBuf| file.metadata().is_ok_and(|found| found.is_file() && found.len() == bytes);
            files.into_iter().find(whole)
        };
        let found = tokio::task::spawn_blocking(move || wanted.into_iter().map(find).collect());
        found.await.unwrap_or_else(|_| vec![None; pointers.len()])
    }

    /// Those of the pointers whose content is not there. Of an empty file there is none to be kept.
    pub(super) async fn missing<'a>(&self, pointers: &'a [Pointer]) -> Vec<&'a Pointer> {
        let found = self.find(pointers).await;
        let missing = pointers.iter().zip(found).filter(|(pointer, file)| pointer.bytes > 0 && file.is_none());
        missing.map(|(pointer, _)| pointer).collect()
    }

    /// The contents of these files, which are to be below `folder` in an archive.
    pub(super) async fn contents(self, pointers: Vec<Pointer>, folder: &str) -> Contents {
        let files = self.find(&pointers).await;
        let named = pointers.into_iter().zip(files).map(|(pointer, file)| {
            let path = [folder.as_bytes(), &pointer.path].concat();
            (path, Content { file, pointer })
        });
        Contents { by_path: named.collect(), store: self }
    }
}

/// Where a content lies in a folder of them, as Git LFS has it too.
fn file_of(folder: &Path, oid: &str) -> PathBuf {
    folder.join(&oid[..2]).join(&oid[2..4]).join(oid)
}

/// What is to be in the places of the pointers of an archive.
#[derive(Debug)]
pub(super) struct Contents {
    by_path: HashMap<Vec<u8>, Content>,
    store: Store,
}

/// The content of one file.
#[derive(Debug, Clone)]
pub(super) struct Content {
    /// Where it lies. None where there is none.
    pub(super) file: Option<PathBuf>,
    pub(super) pointer: Pointer,
}

impl Contents {
    /// For an archive that stays as it is.
    pub(super) fn none() -> Contents {
        Contents { by_path: HashMap::new(), store: Store::User(Vec::new()) }
    }

    /// What is to be at a path of the archive, where it is not what git has.
    pub(super) fn get(&self, path: &[u8]) -> Option<&Content> {
        self.by_path.get(path)
    }

    /// What it means that a content turned out not to be what its pointer names.
    pub(super) async fn damaged(&self, content: &Content) -> FillError {
        let path = content.pointer.shown();
        match (&self.store, &content.file) {
            (Store::Mirror(_), file) => {
                if let Some(file) = file {
                    // That it cannot be removed changes nothing: the mirror is made anew.
                    let _ = tokio::fs::remove_file(file).await;
                }
                FillError::Broken(format!("the content of `{path}` was lost or damaged"))
            }
            (Store::User(_), _) => {
                let words =
                    format!("the content of `{path}` on this machine is not what the commit names; `git lfs fsck` finds it");
                FillError::Failed(SandboxError::SourceUnusable(words))
            }
        }
    }
}
