//! Things by their SHA-256.

use bytes::Bytes;
use gatewright_core::BlobId;
use gatewright_core::store::{Blobs, StoreUpkeep};

use crate::bed::{Bed, noise};

with_every_driver!(a_blob_comes_back_by_its_hash, the_same_blob_at_once_from_many_is_one, a_probe_passes);

async fn a_blob_comes_back_by_its_hash(bed: Bed) {
    for len in [0, 1, 5_000_000] {
        let bytes = noise(3, len);
        let id = bed.store.put(bytes.clone()).await.unwrap();
        assert_eq!(id, BlobId::of(&bytes));
        assert_eq!(bed.store.put(bytes.clone()).await.unwrap(), id);
        assert!(bed.store.get(&id).await.unwrap() == Some(bytes), "{len}");
    }
    assert_eq!(bed.store.get(&BlobId::of(b"never put")).await, Ok(None));
}

async fn the_same_blob_at_once_from_many_is_one(bed: Bed) {
    let put = || {
        let store = bed.store.clone();
        tokio::spawn(async move { store.put(Bytes::from_static(b"the log")).await.unwrap() })
    };
    let tasks: Vec<_> = (0..8).map(|_| put()).collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), BlobId::of(b"the log"));
    }
    assert_eq!(bed.store.get(&BlobId::of(b"the log")).await.unwrap().as_deref(), Some(&b"the log"[..]));
}

async fn a_probe_passes(bed: Bed) {
    assert_eq!(bed.store.probe().await, Ok(()));
}
