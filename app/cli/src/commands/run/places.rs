//! Where results are to be written: tried before anything runs.

use std::fs;
use std::io;
use std::path::Path;

use crate::failure::Failure;

/// A file that can be made or written over.
pub(in crate::commands) fn file(option: &str, file: &Path) -> Result<(), Failure> {
    let above = file.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let usable = match fs::metadata(file) {
        Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(_) => fs::File::options().append(true).open(file).map(drop),
        Err(_) => tempfile::tempfile_in(above).map(drop),
    };
    usable.map_err(|e| Failure::Wrong(format!("{option}: {} cannot be written: {e}", file.display())))
}

/// A folder that is there and can be written into, or can be made; then it is made.
pub(in crate::commands) fn folder(option: &str, folder: &Path) -> Result<(), Failure> {
    let usable = fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder));
    usable.map(drop).map_err(|e| Failure::Wrong(format!("{option}: {} cannot be written into: {e}", folder.display())))
}
