//! Which files of a commit are kept in Git LFS: those that its attributes give to the filter `lfs`, and that are pointers. Git tells
//! both; the filter itself is never run.

use std::collections::HashSet;
use std::path::Path;

use bytes::Bytes;
use gatewright_core::CommitId;

use crate::changes::paths;
use crate::source::git::{Ended, Git, GitError};
use crate::source::mirror::LOCAL_MAX;
use crate::source::survey::next_blob;

/// A header of a tar archive cannot tell of more, and no workspace takes a file so large.
const OBJECT_BYTES_MAX: u64 = 8 << 30;

/// How a pointer begins.
const VERSION: &str = "version https://git-lfs.github.com/spec/v1";

/// How git ends that does not know an option.
const USAGE: i32 = 129;

/// A file whose content is kept in Git LFS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pointer {
    /// Where it lies in the commit.
    pub(crate) path: Vec<u8>,
    /// SHA-256 of its content, in hexadecimal digits.
    pub(crate) oid: String,
    /// How long its content is.
    pub(crate) bytes: u64,
}

impl Pointer {
    /// A pointer is no longer than this, as Git LFS has it. What is longer is a file of its own.
    pub(crate) const BYTES_MAX: u64 = 1024;

    /// Its path, for people to read.
    pub(in crate::source) fn shown(&self) -> String {
        paths::shown(&self.path)
    }
}

/// The files of a commit that are kept in Git LFS, in the repository at `path`, which has the commit.
pub(in crate::source) async fn pointers(path: &Path, commit: &CommitId) -> Result<Vec<Pointer>, GitError> {
    let small = small_files(&told(Git::new(path, &["ls-tree", "-r", "-l", "-z", commit.as_str()])).await?);
    if small.is_empty() {
        return Ok(Vec::new());
    }
    let filtered = filtered(path, commit, &small).await?;
    let wanted: Vec<Small> = small.into_iter().filter(|file| filtered.contains(&file.path)).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let ids: String = wanted.iter().map(|file| format!("{}\n", file.id)).collect();
    let mut rest = Bytes::from(told(Git::new(path, &["cat-file", "--batch"]).with_input(ids.into_bytes())).await?);
    let mut pointers = Vec::new();
    for Small { path, .. } in wanted {
        let content = next_blob(&mut rest).ok_or_else(|| GitError::Broken("git does not have all pointers".to_owned()))?;
        pointers.extend(read(path, &content)?);
    }
    Ok(pointers)
}

/// A file that is no longer than a pointer may be.
struct Small {
    path: Vec<u8>,
    id: String,
}

/// From the output of `ls-tree -r -l -z`: `mode type id size<TAB>path`.
fn small_files(output: &[u8]) -> Vec<Small> {
    let small = |entry: &[u8]| {
        let tab = entry.iter().position(|byte| *byte == b'\t')?;
        let what: Vec<&str> = std::str::from_utf8(&entry[..tab]).ok()?.split_whitespace().collect();
        let [mode, "blob", id, bytes] = what[..] else { return None };
        let bytes: u64 = bytes.parse().ok()?;
        let may_be = mode.starts_with("100") && (VERSION.len() as u64..=Pointer::BYTES_MAX).contains(&bytes);
        may_be.then(|| Small { path: entry[tab + 1..].to_vec(), id: id.to_owned() })
    };
    output.split(|byte| *byte == 0).filter_map(small).collect()
}

/// Those of the files that the commit's attributes give to the filter `lfs`.
async fn filtered(path: &Path, commit: &CommitId, files: &[Small]) -> Result<HashSet<Vec<u8>>, GitError> {
    let from = format!("--source={commit}");
    let input: Vec<u8> = files.iter().flat_map(|file| file.path.iter().copied().chain([0])).collect();
    let git = Git::new(path, &["check-attr", "-z", "--stdin", &from, "filter"]).with_input(input);
    let Ended { status, stdout, stderr } = git.run(LOCAL_MAX).await?;
    if status.code() == Some(USAGE) {
        return Err(GitError::Remote("`checkout.lfs` takes git 2.40 or later on the machine of the service".to_owned()));
    }
    if !status.success() {
        return Err(GitError::Broken(stderr));
    }
    let fields: Vec<&[u8]> = stdout.split(|byte| *byte == 0).collect();
    let of_lfs = fields.chunks_exact(3).filter(|fields| fields[2] == b"lfs");
    Ok(of_lfs.map(|fields| fields[0].to_vec()).collect())
}

async fn told(git: Git) -> Result<Vec<u8>, GitError> {
    let Ended { status, stdout, stderr } = git.run(LOCAL_MAX).await?;
    if status.success() { Ok(stdout) } else { Err(GitError::Broken(stderr)) }
}

/// Reads a pointer (<https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>). None for what is none, as Git LFS itself passes on
/// whatever it does not know.
fn read(path: Vec<u8>, content: &[u8]) -> Result<Option<Pointer>, GitError> {
    let Some(fields) = fields(content) else { return Ok(None) };
    let unusable = |cause: &str| Err(GitError::Unusable(format!("`{}` {cause}", paths::shown(&path))));
    if fields.extended {
        return unusable("is kept by an extension of Git LFS, a program of its own that is not run");
    }
    if fields.bytes >= OBJECT_BYTES_MAX {
        return unusable("holds 8 GiB or more in Git LFS, which no workspace takes");
    }
    Ok(Some(Pointer { path, oid: fields.oid, bytes: fields.bytes }))
}

struct Fields {
    oid: String,
    bytes: u64,
    /// Whether its content went through programs before it was stored.
    extended: bool,
}

fn fields(content: &[u8]) -> Option<Fields> {
    let mut lines = std::str::from_utf8(content).ok()?.strip_prefix(VERSION)?.strip_prefix('\n')?.lines().peekable();
    let mut extended = false;
    while lines.next_if(|line| line.starts_with("ext-")).is_some() {
        extended = true;
    }
    let oid = lines.next()?.strip_prefix("oid sha256:")?;
    let size = lines.next()?.strip_prefix("size ")?;
    let is_digest = oid.len() == 64 && oid.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_number = size.bytes().all(|byte| byte.is_ascii_digit());
    let whole = is_digest && is_number && lines.next().is_none();
    whole.then_some(Fields { oid: oid.to_owned(), bytes: size.parse().ok()?, extended })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail at once")]

    use super::*;

    #[test]
    fn a_pointer_is_read_as_git_lfs_writes_it_and_nothing_else_is_taken_for_one() {
        let oid = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";
        let told = |text: &str| read(b"a".to_vec(), text.as_bytes());
        let pointer = told(&format!("{VERSION}\noid sha256:{oid}\nsize 12345\n")).unwrap();
        assert_eq!(pointer, Some(Pointer { path: b"a".to_vec(), oid: oid.to_owned(), bytes: 12_345 }));
        for other in [
            String::new(),
            VERSION.to_owned(),
            format!("{VERSION}\noid sha256:{oid}\n"),
            format!("{VERSION}\noid sha256:{}\nsize 1\n", &oid[1..]),
            format!("{VERSION}\noid sha256:{}\nsize 1\n", "../".repeat(21) + "x"),
            format!("{VERSION}\noid sha256:{oid}\nsize -1\n"),
            format!("{VERSION}\noid sha256:{oid}\nsize +1\n"),
            format!("{VERSION}\noid sha256:{oid}\nsize 99999999999999999999\n"),
            format!("{VERSION}\noid md5:{oid}\nsize 1\n"),
            format!("{VERSION}\nsize 1\noid sha256:{oid}\n"),
            format!("{VERSION}\noid sha256:{oid}\nsize 1\nmore\n"),
            format!("# {VERSION}\noid sha256:{oid}\nsize 1\n"),
        ] {
            assert_eq!(told(&other).unwrap(), None, "{other}");
        }
        let refused = |text: &str| format!("{:?}", told(text).unwrap_err());
        assert!(refused(&format!("{VERSION}\next-0-x sha256:{oid}\noid sha256:{oid}\nsize 1\n")).contains("an extension"));
        assert!(refused(&format!("{VERSION}\noid sha256:{oid}\nsize 8589934592\n")).contains("8 GiB or more"));
    }
}
