//! Which files are to be read out of a sandbox, and how many of them: the same rules and the same words whatever a sandbox is
//! made of.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use gatewright_core::sandbox::SandboxError;
use globset::GlobMatcher;

/// Reading a full workspace of the default size takes some seconds. Beyond this the user is told to name a narrower folder.
pub(crate) const READ_MAX: Duration = Duration::from_secs(120);

/// What may be read at most; more is an error.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) files_max: usize,
    pub(crate) bytes_max: u64,
}

/// What a glob matches.
pub(crate) fn matcher(glob: &str) -> Result<GlobMatcher, SandboxError> {
    let glob =
        gatewright_core::plan::glob(glob).map_err(|e| SandboxError::Report(format!("`{glob}` is not a valid glob: {e}")))?;
    Ok(glob.compile_matcher())
}

/// The part of a glob before its first wildcard: a folder, or the file itself where there is none.
pub(crate) fn literal_part(glob: &str) -> Result<PathBuf, SandboxError> {
    let mut literal = PathBuf::new();
    for part in glob.split('/') {
        if part.contains(['*', '?', '[', '{', '\\']) {
            break;
        }
        literal.push(part);
    }
    let inside = literal.components().all(|c| matches!(c, Component::Normal(_)));
    if glob.is_empty() || glob.starts_with('/') || !inside {
        return Err(SandboxError::Report(format!(
            "`{glob}` does not name files of the workspace: it must be relative and without `..`"
        )));
    }
    Ok(literal)
}

pub(crate) fn too_slow(glob: &str) -> SandboxError {
    SandboxError::Report(format!("reading `{glob}` took longer than {} s; name a narrower folder", READ_MAX.as_secs()))
}

pub(crate) fn too_large(glob: &str, bounds: Bounds) -> SandboxError {
    SandboxError::Report(format!("the files that match `{glob}` hold more than {} bytes", bounds.bytes_max))
}

pub(crate) fn too_many(glob: &str, bounds: Bounds) -> SandboxError {
    SandboxError::Report(format!("more than {} files match `{glob}`", bounds.files_max))
}

pub(crate) fn is_a_link(path: &Path) -> SandboxError {
    SandboxError::Report(format!("`{}` is a symbolic link, which is not followed", path.display()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail at once")]

    use super::*;

    #[test]
    fn the_literal_part_ends_at_the_first_wildcard() {
        assert_eq!(literal_part("a/b/*.xml").unwrap(), Path::new("a/b"));
        assert_eq!(literal_part("**/x.xml").unwrap(), Path::new(""));
        assert_eq!(literal_part("a/b.xml").unwrap(), Path::new("a/b.xml"));
        assert_eq!(literal_part("a/{b,c}/d").unwrap(), Path::new("a"));
        for outside in ["", "/etc/passwd", "../x", "a/../../x", "./x"] {
            assert!(literal_part(outside).is_err(), "{outside}");
        }
    }
}
