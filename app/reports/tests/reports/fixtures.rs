//! Reports that real tools wrote, and hostile files that others collected. They lie outside of the project, where
//! `GATEWRIGHT_FIXTURES` says.

use std::path::PathBuf;

/// The bytes of a report. Says loudly when there is none: the tests here have then tested nothing.
pub(crate) fn report(path: &str) -> Option<Vec<u8>> {
    let file = folder(path)?;
    Some(std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())))
}

/// A folder of reports.
pub(crate) fn folder(path: &str) -> Option<PathBuf> {
    match std::env::var_os("GATEWRIGHT_FIXTURES") {
        Some(root) => Some(PathBuf::from(root).join("reports").join(path)),
        None => {
            eprintln!("GATEWRIGHT_FIXTURES is not set: `{path}` WAS NOT TRIED");
            None
        }
    }
}

/// All files below a folder, in order.
pub(crate) fn files(path: &str) -> Vec<PathBuf> {
    let Some(root) = folder(path) else { return Vec::new() };
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "no files in {}", root.display());
    files
}
