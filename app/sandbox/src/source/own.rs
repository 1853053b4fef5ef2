//! Passes a tar archive through, and makes every file in it the sandbox user's.
//!
//! Git writes its archives as root's, and the engine would unpack them so. Only headers are touched; what the files hold
//! streams by, but for those that are kept in Git LFS: they get their content in the place of their pointers. It also counts, so that a
//! source that does not fit is known before the workspace is full.

use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::lfs::{Content, Contents};
use super::link;

/// A tar archive is made of blocks of this size.
pub(super) const BLOCK: usize = 512;

/// Where a header says what kind of entry it is.
pub(super) const TYPE: usize = 156;

/// A header beside an entry's own, with names that are too long for that.
const EXTENDED: u8 = b'x';

/// Names are looked for in such headers up to this size. A longer name is that of a file that no system makes.
const EXTENDED_BYTES_MAX: u64 = 64 * 1024;

/// Where a header has the first part of a path, and the rest of it.
pub(super) const PREFIX: std::ops::Range<usize> = 345..500;
pub(super) const NAME: std::ops::Range<usize> = 0..100;

/// So much is held of what streams by.
const CHUNK: usize = 64 * 1024;

/// Two blocks of zeros: the end of an archive.
pub(super) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// The sandbox's user and group, 1000, as a header writes it.
const OWNER: &[u8; 8] = b"0001750\0";

/// The workspace is made of pages: a file takes whole ones.
const PAGE: u64 = 4096;

/// How much of the workspace is left for the source.
#[derive(Debug)]
pub(super) struct Budget {
    mib: u64,
    left: u64,
}

impl Budget {
    pub(super) fn new(mib: u64) -> Self {
        Budget { mib, left: mib.saturating_mul(1 << 20) }
    }

    /// Takes the room for a file.
    pub(super) fn spend(&mut self, bytes: u64) -> Result<(), OwnError> {
        let pages = bytes.div_ceil(PAGE).saturating_mul(PAGE);
        self.left = self.left.checked_sub(pages).ok_or(OwnError::TooLarge { mib: self.mib })?;
        Ok(())
    }
}

/// Why an archive did not pass through whole.
#[derive(Debug)]
pub(super) enum OwnError {
    /// It ended early, or is no archive.
    Torn(std::io::Error),
    /// Whoever was to take it stopped.
    Unread,
    /// It does not fit.
    TooLarge {
        /// Into so much.
        mib: u64,
    },
    /// A content of Git LFS is not there, or not what its pointer names.
    Damaged(Content),
}

/// Passes an archive on, without its end, so that another can follow it. Files that these contents belong to get them.
pub(super) async fn own(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    contents: &Contents,
    budget: &mut Budget,
) -> Result<(), OwnError> {
    let mut header = [0; BLOCK];
    let mut chunk = vec![0; CHUNK];
    // What an extra header before an entry says of it.
    let mut extended: Option<Vec<u8>> = None;
    loop {
        from.read_exact(&mut header).await.map_err(OwnError::Torn)?;
        if header == [0; BLOCK] {
            // Git fills its last record up; it ends well only if that is read.
            tokio::io::copy(from, &mut tokio::io::sink()).await.map_err(OwnError::Torn)?;
            return Ok(());
        }
        let size = size(&header)?;
        let padded = size.next_multiple_of(BLOCK as u64);
        let before = extended.take();
        if let Some(content) = contents.get(&path(&header, before.as_deref())).filter(|_| is_file(&header)) {
            budget.spend(content.pointer.bytes)?;
            set_size(&mut header, content.pointer.bytes);
            set_owner(&mut header);
            to.write_all(&header).await.map_err(|_| OwnError::Unread)?;
            pass(from, &mut tokio::io::sink(), padded, &mut chunk).await?;
            put(content, to, &mut chunk).await?;
            continue;
        }
        budget.spend(size)?;
        if before.is_none() {
            link::turn_inward(&mut header);
        }
        set_owner(&mut header);
        to.write_all(&header).await.map_err(|_| OwnError::Unread)?;
        if header[TYPE] == EXTENDED && size <= EXTENDED_BYTES_MAX {
            let mut body = Vec::new();
            pass(from, &mut body, padded, &mut chunk).await?;
            to.write_all(&body).await.map_err(|_| OwnError::Unread)?;
            extended = Some(body);
            continue;
        }
        pass(from, to, padded, &mut chunk).await?;
        // Nothing is known of an entry whose extra header is that long, but that its own does not say all.
        extended = (header[TYPE] == EXTENDED).then(Vec::new);
    }
}

fn is_file(header: &[u8; BLOCK]) -> bool {
    matches!(header[TYPE], b'0' | 0)
}

/// The path of an entry: that of the extra header before it, if one has it.
fn path(header: &[u8; BLOCK], extended: Option<&[u8]>) -> Vec<u8> {
    if let Some(path) = extended.and_then(extended_path) {
        return path.to_vec();
    }
    let (prefix, name) = (text(&header[PREFIX]), text(&header[NAME]));
    if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
}

/// What ends at the first zero.
pub(super) fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// From records `LENGTH path=VALUE<LF>`, each as long as it says.
fn extended_path(mut records: &[u8]) -> Option<&[u8]> {
    loop {
        let space = records.iter().position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(&records[..space]).ok()?.parse().ok()?;
        let record = records.get(space + 1..length)?.strip_suffix(b"\n")?;
        if let Some(path) = record.strip_prefix(b"path=") {
            return Some(path);
        }
        records = &records[length..];
    }
}

/// Writes a content, filled up to whole blocks. What was fetched long ago may have been damaged since: it is checked again.
async fn put(content: &Content, to: &mut (impl AsyncWrite + Unpin), chunk: &mut [u8]) -> Result<(), OwnError> {
    let Content { file, pointer } = content;
    if pointer.bytes == 0 {
        return Ok(());
    }
    let damaged = || OwnError::Damaged(content.clone());
    let mut file = tokio::fs::File::open(file.as_deref().ok_or_else(damaged)?).await.map_err(|_| damaged())?;
    let (mut left, mut hasher) = (pointer.bytes, Sha256::new());
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
        file.read_exact(&mut chunk[..part]).await.map_err(|_| damaged())?;
        hasher.update(&chunk[..part]);
        to.write_all(&chunk[..part]).await.map_err(|_| OwnError::Unread)?;
        left -= part as u64;
    }
    if hex::encode(hasher.finalize()) != pointer.oid {
        return Err(damaged());
    }
    let filled = usize::try_from(pointer.bytes % BLOCK as u64).unwrap_or(0);
    let rest = (BLOCK - filled) % BLOCK;
    to.write_all(&END[..rest]).await.map_err(|_| OwnError::Unread)
}

async fn pass(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    mut left: u64,
    chunk: &mut [u8],
) -> Result<(), OwnError> {
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
        from.read_exact(&mut chunk[..part]).await.map_err(OwnError::Torn)?;
        to.write_all(&chunk[..part]).await.map_err(|_| OwnError::Unread)?;
        left -= part as u64;
    }
    Ok(())
}

/// The size of what follows a header, in octal digits. (Git writes larger ones than fit, over 8 GiB, as those that just do,
/// with an extra header: no workspace takes them.)
fn size(header: &[u8; BLOCK]) -> Result<u64, OwnError> {
    let digits = header[124..136].iter().take_while(|b| (b'0'..=b'7').contains(b));
    let size = digits.fold(0_u64, |size, b| size * 8 + u64::from(b - b'0'));
    let ends_well = header[124..136].iter().all(|b| matches!(b, b'0'..=b'7' | b' ' | 0));
    if ends_well { Ok(size) } else { Err(OwnError::Torn(std::io::Error::other("a size in the archive is not octal"))) }
}

/// Pointers to larger contents than a header can tell of are refused when they are read.
fn set_size(header: &mut [u8; BLOCK], bytes: u64) {
    header[124..136].copy_from_slice(format!("{bytes:011o}\0").as_bytes());
}

fn set_owner(header: &mut [u8; BLOCK]) {
    header[108..116].copy_from_slice(OWNER);
    header[116..124].copy_from_slice(OWNER);
    // The names of root's user and group would go before the numbers.
    header[265..329].fill(0);
    // The checksum counts its own field as spaces.
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail at once")]

    use super::*;

    fn archive(size: usize) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(size as u64);
        header.set_uid(0);
        header.set_gid(0);
        header.set_username("root").unwrap();
        builder.append_data(&mut header, "a/b", &vec![b'x'; size][..]).unwrap();
        builder.into_inner().unwrap()
    }

    #[tokio::test]
    async fn files_change_hands_and_nothing_else() {
        let mut out = Vec::new();
        own(&mut &archive(70_000)[..], &mut out, &Contents::none(), &mut Budget::new(1)).await.unwrap();
        out.extend(END);
        let mut owned = tar::Archive::new(&out[..]);
        let mut entries = owned.entries().unwrap();
        let mut entry = entries.next().unwrap().unwrap();
        assert_eq!((entry.header().uid().unwrap(), entry.header().gid().unwrap()), (1000, 1000));
        assert_eq!(entry.header().username().unwrap(), Some(""));
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
        assert_eq!(content, vec![b'x'; 70_000]);
        assert!(entries.next().is_none());
    }

    #[tokio::test]
    async fn a_source_that_does_not_fit_is_told_before_it_is_written() {
        let mut out = Vec::new();
        let refused = own(&mut &archive(2 << 20)[..], &mut out, &Contents::none(), &mut Budget::new(1)).await.unwrap_err();
        assert!(matches!(refused, OwnError::TooLarge { mib: 1 }));
        assert_eq!(out.len(), 0);
    }

    #[tokio::test]
    async fn an_archive_that_is_cut_off_is_not_taken_for_a_whole_one() {
        let whole = archive(1000);
        for cut in [0, 100, 600, 1100] {
            let torn = own(&mut &whole[..cut], &mut Vec::new(), &Contents::none(), &mut Budget::new(1)).await.unwrap_err();
            assert!(matches!(torn, OwnError::Torn(_)), "{cut}");
        }
    }
}
