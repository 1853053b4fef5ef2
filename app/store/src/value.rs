//! How bytes of any size are kept: small ones at their key, larger ones in chunks beside it, large ones as a blob.

use gatewright_core::BlobId;
use gatewright_core::store::StoreError;

use crate::blobs::BlobShelves;
use crate::keys::{self, Key};
use crate::kv::{Changes, Kv, VALUE_BYTES_MAX};

/// A value or chunk has at most so many bytes; the driver takes a little more, for what stands in front of it.
const CHUNK_BYTES: usize = 16 * 1024;
const _: () = assert!(CHUNK_BYTES < VALUE_BYTES_MAX);

/// What has more bytes than this when compressed becomes a blob, so that it does not go through the log again and again.
const CHUNKED_BYTES_MAX: usize = 256 * 1024;

/// Not worth compressing below this.
const COMPRESSED_BYTES_MIN: usize = 256;

/// Nothing that unpacks to more than this was ever packed: bodies end at 25 MiB, and events far below.
const UNPACKED_BYTES_MAX: usize = 256 * 1024 * 1024;

const RAW: u8 = 0;
const LZ4: u8 = 1;

const INLINE: u8 = b'i';
const CHUNKS: u8 = b'c';
const BLOB: u8 = b'b';

/// Bytes on their way to their key.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// They go to the key itself.
    Inline(Vec<u8>),
    /// They go to keys beside it.
    Chunks(Vec<Vec<u8>>),
    /// They are a blob already.
    Blob(BlobId),
}

impl Value {
    /// Compresses bytes, and makes a blob of them where they are large.
    pub(crate) fn new(bytes: &[u8], blobs: &dyn BlobShelves) -> Result<Value, StoreError> {
        let packed = pack(bytes);
        if packed.len() <= CHUNK_BYTES {
            Ok(Value::Inline(packed))
        } else if packed.len() <= CHUNKED_BYTES_MAX {
            Ok(Value::Chunks(packed.chunks(CHUNK_BYTES).map(<[u8]>::to_vec).collect()))
        } else {
            blobs.put(&packed).map(Value::Blob)
        }
    }

    /// So many bytes go into the tree.
    pub(crate) fn len(&self) -> usize {
        match self {
            Value::Inline(bytes) => bytes.len(),
            Value::Chunks(chunks) => chunks.iter().map(Vec::len).sum(),
            Value::Blob(id) => id.as_str().len(),
        }
    }

    /// The changes that put it at a key, where nothing is yet.
    pub(crate) fn place(self, key: Key) -> Changes {
        let mut changes = Changes::new();
        let head = match self {
            Value::Inline(bytes) => [&[INLINE], bytes.as_slice()].concat(),
            Value::Chunks(chunks) => {
                let count = u16::try_from(chunks.len()).expect("CHUNKED_BYTES_MAX is not so many chunks");
                for (n, chunk) in (0..count).zip(chunks) {
                    changes.insert(keys::chunk(&key, n), Some(chunk));
                }
                [&[CHUNKS], count.to_be_bytes().as_slice()].concat()
            }
            Value::Blob(id) => {
                changes.insert(keys::blob_use(&id, &key), Some(Vec::new()));
                [&[BLOB], id.as_str().as_bytes()].concat()
            }
        };
        changes.insert(key, Some(head));
        changes
    }
}

/// Brings back what was placed at a key, given what lies there.
pub(crate) fn read(key: &[u8], head: &[u8], kv: &dyn Kv, blobs: &dyn BlobShelves) -> Result<Vec<u8>, StoreError> {
    match split(head)? {
        (INLINE, packed) => unpack(packed),
        (CHUNKS, count) => {
            let mut packed = Vec::new();
            for n in 0..chunk_count(count)? {
                let chunk = kv.get(&keys::chunk(key, n))?;
                packed.extend(chunk.ok_or_else(|| StoreError::Damaged(format!("chunk {n} of a value is missing")))?);
            }
            unpack(&packed)
        }
        (BLOB, id) => {
            let id = blob_id(id)?;
            let packed = blobs.get(&id)?;
            unpack(&packed.ok_or_else(|| StoreError::Damaged(format!("blob {id} is missing")))?)
        }
        (kind, _) => Err(StoreError::Damaged(format!("a value is of the unknown kind {kind}"))),
    }
}

/// The changes that remove what was placed at a key, and the blob that it no longer refers to.
pub(crate) fn remove(key: &[u8], head: &[u8]) -> Result<(Changes, Option<BlobId>), StoreError> {
    let mut changes = Changes::from([(key.to_vec(), None)]);
    let mut blob = None;
    match split(head)? {
        (CHUNKS, count) => changes.extend((0..chunk_count(count)?).map(|n| (keys::chunk(key, n), None))),
        (BLOB, id) => {
            let id = blob_id(id)?;
            changes.insert(keys::blob_use(&id, key), None);
            blob = Some(id);
        }
        (_, _) => {}
    }
    Ok((changes, blob))
}

fn split(head: &[u8]) -> Result<(u8, &[u8]), StoreError> {
    let (kind, rest) = head.split_first().ok_or_else(|| StoreError::Damaged("a value is empty".to_owned()))?;
    Ok((*kind, rest))
}

fn chunk_count(bytes: &[u8]) -> Result<u16, StoreError> {
    let count = bytes.try_into().map_err(|_| StoreError::Damaged("a value's count of chunks is not whole".to_owned()))?;
    Ok(u16::from_be_bytes(count))
}

fn blob_id(bytes: &[u8]) -> Result<BlobId, StoreError> {
    let id = String::from_utf8_lossy(bytes).into_owned();
    BlobId::try_from(id).map_err(|e| StoreError::Damaged(e.to_string()))
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    if bytes.len() >= COMPRESSED_BYTES_MIN {
        let packed = lz4_flex::compress_prepend_size(bytes);
        if packed.len() < bytes.len() {
            return [&[LZ4], packed.as_slice()].concat();
        }
    }
    [&[RAW], bytes].concat()
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>, StoreError> {
    match split(packed)? {
        (RAW, bytes) => Ok(bytes.to_vec()),
        (LZ4, bytes) => {
            let damaged = || StoreError::Damaged("a value cannot be unpacked".to_owned());
            let (size, compressed) = lz4_flex::block::uncompressed_size(bytes).map_err(|_| damaged())?;
            // Checked first: what is damaged must not make us ask for all the memory there is.
            if size > UNPACKED_BYTES_MAX {
                return Err(damaged());
            }
            lz4_flex::decompress(compressed, size).map_err(|_| damaged())
        }
        (kind, _) => Err(StoreError::Damaged(format!("a value is packed in the unknown way {kind}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs::BlobMap;
    use crate::kv::MemoryKv;

    /// Bytes that do not compress.
    fn noise(len: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn bytes_of_every_size_come_back_and_leave_nothing_behind() {
        let kv = MemoryKv::default();
        let blobs = BlobMap::default();
        let key = b"the key".to_vec();
        let everything = keys::under(vec![0]);
        let everything = keys::Range { from: Vec::new(), to: vec![u8::MAX; 4].into_iter().chain(everything.to).collect() };
        for len in [0, 1, 255, 256, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNKED_BYTES_MAX - 1, CHUNKED_BYTES_MAX, 3_000_000] {
            let bytes = noise(len);
            let changes = Value::new(&bytes, &blobs).expect("there is room").place(key.clone());
            assert!(changes.values().flatten().all(|value| value.len() <= VALUE_BYTES_MAX), "{len}");
            kv.apply(changes).expect("memory takes everything");
            let head = kv.get(&key).expect("memory can be read").expect("it was put there");
            assert_eq!(read(&key, &head, &kv, &blobs).expect("it is whole"), bytes, "{len}");
            let (changes, blob) = remove(&key, &head).expect("it is whole");
            kv.apply(changes).expect("memory takes everything");
            assert_eq!(blob.is_some(), len >= CHUNKED_BYTES_MAX, "{len}");
            let left = crate::kv::keys(&kv, &everything, crate::kv::Order::Up, 1).expect("memory can be read");
            assert!(left.is_empty(), "{len}");
        }
    }

    #[test]
    fn a_damaged_size_is_an_error_and_takes_no_memory() {
        let mut packed = pack(&[7; 1000]);
        packed[1..5].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(unpack(&packed), Err(StoreError::Damaged(_))));
        assert!(matches!(unpack(&[]), Err(StoreError::Damaged(_))));
        assert!(matches!(unpack(&[9, 9]), Err(StoreError::Damaged(_))));
    }
}
