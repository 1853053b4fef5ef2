//! Fetches contents into a mirror: each is checked while it is written, and has its name only once it is whole.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::TryStreamExt;
use gatewright_core::forge::CloneCredential;
use gatewright_core::sandbox::SandboxError;
use sha2::{Digest, Sha256};
use tempfile::TempPath;
use tokio::io::{AsyncWriteExt, BufWriter};

use super::server::{Server, Way, later, lost};
use super::{Pointer, file_of};
use crate::source::of_disk;

/// Fetching contents is given up after so long. What has come by then stays, so that another try has less to do.
const FETCH_MAX: Duration = Duration::from_secs(600);

/// A server is asked for so many contents in one request, as `git-lfs` does.
const BATCH_MAX: usize = 100;

/// So many contents are under way at once.
const AT_ONCE: usize = 4;

/// So much is held of a content before it is written.
const BUFFER: usize = 256 * 1024;

/// Fetches the contents of these files into the mirror at `mirror`, which nobody else may have meanwhile.
pub(in crate::source) async fn fetch(
    mirror: &Path,
    credential: &CloneCredential,
    wanted: &[&Pointer],
) -> Result<(), SandboxError> {
    let folder = mirror.join("lfs");
    // What a service that was killed has begun.
    let begun = folder.join("begun");
    remove(&begun).await?;
    tokio::fs::create_dir_all(&begun).await.map_err(|error| of_disk("making", &begun, &error))?;
    let mut seen = HashSet::new();
    let wanted: Vec<&Pointer> = wanted.iter().copied().filter(|one| seen.insert((&one.oid, one.bytes))).collect();
    let server = Server::of(credential)?;
    let fetched = async {
        for wanted in wanted.chunks(BATCH_MAX) {
            let ways = server.ways(wanted).await?;
            let each = futures_util::stream::iter(wanted.iter().zip(ways).map(Ok::<_, SandboxError>));
            each.try_for_each_concurrent(AT_ONCE, |(pointer, way)| one(&server, &folder, pointer, way)).await?;
        }
        Ok(())
    };
    match tokio::time::timeout(FETCH_MAX, fetched).await {
        Ok(fetched) => fetched,
        Err(_) => Err(later(&format!("it took longer than {} s; the next try goes on from there", FETCH_MAX.as_secs()))),
    }
}

/// Removes a folder of the mirror, if it is there.
async fn remove(folder: &Path) -> Result<(), SandboxError> {
    match tokio::fs::remove_dir_all(folder).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(of_disk("removing", folder, &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

async fn one(server: &Server, folder: &Path, pointer: &Pointer, way: Way) -> Result<(), SandboxError> {
    let mut response = server.open(pointer, way).await?;
    let mut begun = Begun::new(&folder.join("begun"), pointer)?;
    while let Some(chunk) = response.chunk().await.map_err(|error| lost(&error))? {
        begun.add(&chunk).await?;
    }
    begun.end(file_of(&folder.join("objects"), &pointer.oid)).await
}

/// A content of which not all is there yet. Dropped before its end, it leaves nothing.
struct Begun<'a> {
    pointer: &'a Pointer,
    path: TempPath,
    file: BufWriter<tokio::fs::File>,
    hasher: Sha256,
    bytes: u64,
}

impl<'a> Begun<'a> {
    fn new(folder: &Path, pointer: &'a Pointer) -> Result<Self, SandboxError> {
        let made = tempfile::NamedTempFile::new_in(folder).map_err(|error| of_disk("writing into", folder, &error))?;
        let (file, path) = made.into_parts();
        let file = BufWriter::with_capacity(BUFFER, tokio::fs::File::from_std(file));
        Ok(Begun { pointer, path, file, hasher: Sha256::new(), bytes: 0 })
    }

    async fn add(&mut self, chunk: &[u8]) -> Result<(), SandboxError> {
        self.bytes += chunk.len() as u64;
        if self.bytes > self.pointer.bytes {
            return Err(self.another());
        }
        self.hasher.update(chunk);
        self.file.write_all(chunk).await.map_err(|error| of_disk("writing", &self.path, &error))
    }

    async fn end(mut self, into: PathBuf) -> Result<(), SandboxError> {
        if self.bytes < self.pointer.bytes {
            // A connection that was cut may end as one that has said all.
            let path = self.pointer.shown();
            return Err(later(&format!("of `{path}` came {} bytes of {}", self.bytes, self.pointer.bytes)));
        }
        if hex::encode(std::mem::take(&mut self.hasher).finalize()) != self.pointer.oid {
            return Err(self.another());
        }
        self.file.flush().await.map_err(|error| of_disk("writing", &self.path, &error))?;
        let folder = into.parent().unwrap_or(&into);
        tokio::fs::create_dir_all(folder).await.map_err(|error| of_disk("making", folder, &error))?;
        self.path.persist(&into).map_err(|error| of_disk("naming", &into, &error.error))
    }

    /// What came whole and is something else will not be what the commit names the next time either.
    fn another(&self) -> SandboxError {
        let words = "is kept in Git LFS, and what its server has is not what the commit names (another size or SHA-256)";
        SandboxError::SourceUnusable(format!("`{}` {words}", self.pointer.shown()))
    }
}
