//! Files that were read out of a sandbox: small ones are kept in memory, large ones in a file without a name, which is gone with
//! the last reader, whatever becomes of the process.

use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use gatewright_core::verdict::ReportContent;

/// Up to this size a file is kept in memory: most reports are smaller.
const MEMORY_BYTES_MAX: u64 = 256 * 1024;

/// So much is read of a file at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// A large file.
#[derive(Debug)]
struct Spooled {
    file: Arc<File>,
    bytes: u64,
}

/// Takes a file, at most `bytes_max` bytes of it. None where it is longer.
pub(crate) fn keep(file: &mut impl Read, bytes_max: u64, folder: &Path) -> std::io::Result<Option<Arc<dyn ReportContent>>> {
    let mut first = Vec::new();
    let some = bytes_max.saturating_add(1).min(MEMORY_BYTES_MAX + 1);
    file.take(some).read_to_end(&mut first)?;
    let bytes = first.len() as u64;
    if bytes > bytes_max {
        return Ok(None);
    }
    if bytes < some {
        return Ok(Some(Arc::new(Bytes::from(first))));
    }
    std::fs::create_dir_all(folder)?;
    let mut spool = tempfile::tempfile_in(folder)?;
    let left = bytes_max - bytes;
    let bytes = std::io::copy(&mut first.as_slice().chain(file.take(left.saturating_add(1))), &mut spool)?;
    Ok((bytes <= bytes_max).then(|| Arc::new(Spooled { file: Arc::new(spool), bytes }) as Arc<dyn ReportContent>))
}

impl ReportContent for Spooled {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn open(&self) -> std::io::Result<Box<dyn Read + Send>> {
        let reader = At { file: Arc::clone(&self.file), offset: 0 };
        Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, reader)))
    }
}

/// Reads a file from a place of its own.
struct At {
    file: Arc<File>,
    offset: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail at once")]

    use super::*;

    fn kept(bytes: u64, bytes_max: u64) -> Option<Arc<dyn ReportContent>> {
        let folder = tempfile::tempdir().unwrap();
        keep(&mut std::io::repeat(7).take(bytes), bytes_max, folder.path()).unwrap()
    }

    #[test]
    fn a_file_of_any_size_is_read_as_it_was_by_several_readers_at_once() {
        for bytes in [0, 1, MEMORY_BYTES_MAX, MEMORY_BYTES_MAX + 1, MEMORY_BYTES_MAX * 3] {
            let content = kept(bytes, bytes).unwrap();
            assert_eq!(content.bytes(), bytes);
            let (mut one, mut other) = (content.open().unwrap(), content.open().unwrap());
            let mut first = [0];
            assert_eq!(one.read(&mut first).unwrap() as u64, bytes.min(1));
            let mut all = Vec::new();
            other.read_to_end(&mut all).unwrap();
            assert_eq!(all.len() as u64, bytes);
            assert!(all.iter().all(|byte| *byte == 7));
        }
    }

    #[test]
    fn a_file_that_is_longer_than_allowed_is_refused_wherever_it_would_be_kept() {
        for bytes_max in [0, 10, MEMORY_BYTES_MAX - 1, MEMORY_BYTES_MAX, MEMORY_BYTES_MAX + 1, MEMORY_BYTES_MAX * 2] {
            assert!(kept(bytes_max + 1, bytes_max).is_none(), "{bytes_max}");
            assert!(kept(bytes_max, bytes_max).is_some(), "{bytes_max}");
        }
        assert!(keep(&mut std::io::repeat(7), 10 * MEMORY_BYTES_MAX, &std::env::temp_dir()).unwrap().is_none(), "an endless one");
    }
}
