//! The folder of reports, which is the step's alone.
//!
//! A pull request's checkout could bring one of its own, with results that nobody has found here: so what an earlier run made is
//! removed whole, and anything else that lies in its place is refused. Nothing is written or removed through a symbolic link
//! that the checkout brings: it could point anywhere.

use std::fs;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

use uuid::Uuid;

use crate::failure::Failure;

/// Says that we have made the folder, and keeps what is in it from becoming part of a commit that a later step makes.
const MARK: &str = ".gitignore";
/// It stays as it is: other versions' folders are known by it.
const MARK_TEXT: &str = "# Made by `gatewright action`, which removes this folder when it runs again.\n*\n";

/// The folder of reports.
pub(super) struct Folder {
    /// As the input has it.
    pub(super) name: String,
    pub(super) path: PathBuf,
}

impl Folder {
    /// Makes it anew, below the current folder.
    pub(super) fn make(here: &Path, name: &str) -> Result<Folder, Failure> {
        let refused = |why: &str| Failure::Wrong(format!("the input `output` is {name:?}, which {why}"));
        let mut path = here.to_owned();
        for part in Path::new(name).components() {
            match part {
                Component::Normal(part) => path.push(part),
                Component::CurDir => continue,
                Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                    return Err(refused("is no folder below the working directory"));
                }
            }
            match fs::symlink_metadata(&path) {
                Ok(found) if !found.is_dir() => return Err(refused("is a link or a file in this checkout")),
                Ok(_) => {}
                Err(_) => fs::create_dir(&path).map_err(|error| cannot(&path, &error))?,
            }
        }
        if path == here {
            return Err(refused("is the working directory itself"));
        }
        if !is_ours(&path).map_err(|error| cannot(&path, &error))? {
            return Err(refused(
                "has files in it that Gatewright has not written; name a folder that is for its reports alone, or remove this one",
            ));
        }
        let folder = Folder { name: name.trim_end_matches('/').to_owned(), path };
        let anew = fs::remove_dir_all(&folder.path).and_then(|()| fs::create_dir(&folder.path));
        anew.map_err(|error| cannot(&folder.path, &error))?;
        folder.write(MARK, MARK_TEXT.as_bytes())?;
        Ok(folder)
    }

    /// Puts a file in its place whole.
    pub(super) fn write(&self, name: &str, content: &[u8]) -> Result<(), Failure> {
        let target = self.path.join(name);
        let (draft, mut file) = self.draft(&target)?;
        let written = file.write_all(content).and_then(|()| fs::rename(&draft, &target));
        written.map_err(|error| cannot(&target, &error))
    }

    /// The same with what lies elsewhere.
    pub(super) fn copy(&self, from: &Path, name: &str) -> Result<(), Failure> {
        let target = self.path.join(name);
        let (draft, mut file) = self.draft(&target)?;
        let copied = fs::File::open(from).and_then(|mut from| io::copy(&mut from, &mut file));
        copied.and_then(|_| fs::rename(&draft, &target)).map_err(|error| cannot(&target, &error))
    }

    /// A file beside its place, to be renamed once it is whole.
    pub(super) fn draft(&self, target: &Path) -> Result<(PathBuf, fs::File), Failure> {
        let folder = target.parent().unwrap_or(&self.path);
        fs::create_dir_all(folder).map_err(|error| cannot(folder, &error))?;
        let draft = folder.join(format!(".{}", Uuid::new_v4().simple()));
        let file = fs::File::options().write(true).create_new(true).open(&draft);
        Ok((draft.clone(), file.map_err(|error| cannot(&draft, &error))?))
    }

    /// A file of it, from the working directory.
    pub(super) fn name_of(&self, file: &str) -> String {
        format!("{}/{file}", self.name)
    }
}

/// Whether a folder may be removed: there is nothing in it, or our mark. A checkout that brings the mark loses what it brings.
fn is_ours(folder: &Path) -> io::Result<bool> {
    if fs::read_dir(folder)?.next().is_none() {
        return Ok(true);
    }
    let mark = folder.join(MARK);
    let is_mark = fs::symlink_metadata(&mark).is_ok_and(|found| found.is_file() && found.len() == MARK_TEXT.len() as u64);
    Ok(is_mark && fs::read(&mark)? == MARK_TEXT.as_bytes())
}

pub(super) fn cannot(path: &Path, error: &io::Error) -> Failure {
    Failure::Outside(format!("{} cannot be written: {error}", path.display()))
}
