//! A full disk: what is new is refused, what runs goes on, what is there stays.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatewright_core::report::Conclusion;
use gatewright_core::store::{Accepted, Blobs, Release, Store, StoreError, StoreUpkeep};
use gatewright_store::{EmbeddedStore, Options};

use crate::bed::{Wanted, at, delivery_id, noise, open, request};
use crate::journals::step_finished;
use crate::loop_disk::LoopDisk;

const MIB: usize = 1024 * 1024;

/// Something else on the disk, of this size or as large as there is room.
fn other_file(root: &Path, name: &str, mib: usize) -> PathBuf {
    let path = root.join(name);
    let mut file = File::create(&path).unwrap();
    for _ in 0..mib {
        if file.write_all(&[7; MIB]).is_err() {
            break;
        }
    }
    // What does not fit is the point.
    let _synced = file.sync_all();
    path
}

/// Accepts until the store has no room, and returns how many it took.
async fn accept_until_full(store: &EmbeddedStore) -> u64 {
    for n in 0.. {
        let delivery = n.to_string();
        let wanted = Wanted { repo: n, second: 0, body: noise(n, 400_000), ..Wanted::by(&delivery) };
        match store.accept(wanted.acceptance()).await {
            Ok(accepted) => assert_eq!(accepted, Accepted::New { signalled: vec![] }),
            Err(StoreError::Full(_)) => return n,
            Err(error) => panic!("{error}"),
        }
    }
    unreachable!("the numbers do not end")
}

async fn assert_taken(store: &EmbeddedStore, count: u64) {
    for n in 0..count {
        let (_, body) = store.delivery(&delivery_id(&n.to_string())).await.unwrap().unwrap();
        assert!(body == noise(n, 400_000), "{n}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_up_refuses_what_is_new_and_keeps_what_it_has() {
    let Some(disk) = LoopDisk::new(200) else { return };
    let root = disk.root();
    let folder = root.join("data");
    let store = open(&folder);
    let other = other_file(&root, "other", 60);
    let taken = accept_until_full(&store).await;
    assert!(taken > 10, "only {taken}");
    // Something small would still have fitted in.
    other_file(&root, "a little", 3);
    let late = Wanted::by("late");
    assert!(matches!(store.accept(late.acceptance()).await, Err(StoreError::Full(_))));
    assert!(matches!(store.probe().await, Err(StoreError::Full(_))), "it is not ready to take anything");

    // What was taken can be worked on to its end, with a log.
    let leased = store.lease(&request(1)).await.unwrap().unwrap();
    let log = store.put(noise(1, MIB)).await.unwrap();
    store.append(&leased.lease, 1, &[step_finished(Some(log), 20_000)], at(1)).await.unwrap();
    store.release(&leased.lease, Release::Finished(Conclusion::Success), at(1)).await.unwrap();

    // Then nothing at all is left.
    let leased = store.lease(&request(2)).await.unwrap().unwrap();
    let rest = other_file(&root, "rest", 200);
    let event = step_finished(None, 10);
    assert!(matches!(store.append(&leased.lease, 1, std::slice::from_ref(&event), at(2)).await, Err(StoreError::Full(_))));
    assert!(matches!(store.put(noise(2, 10)).await, Err(StoreError::Full(_))));
    store.renew(&leased.lease, at(3), 30, 0).await.unwrap();
    assert_taken(&store, taken).await;

    // As soon as there is room, it goes on.
    std::fs::remove_file(rest).unwrap();
    store.append(&leased.lease, 1, &[event], at(4)).await.unwrap();
    std::fs::remove_file(other).unwrap();
    store.accept(late.acceptance()).await.unwrap();
    drop(store);
    let store = open(&folder);
    assert_taken(&store, taken).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_disk_that_is_full_all_of_a_sudden_hangs_nobody_and_loses_nothing() {
    let Some(disk) = LoopDisk::new(64) else { return };
    let folder = disk.root().join("data");
    let without_reserve = Options { reserve_bytes: 0, ..Options::default() };
    let store = Arc::new(EmbeddedStore::open(&folder, &without_reserve).unwrap());
    let other = other_file(&disk.root(), "other", 20);
    let caller = |caller: u64| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut taken = Vec::new();
            for n in caller * 100_000.. {
                let delivery = n.to_string();
                let wanted = Wanted { body: noise(n, 12_000), ..Wanted::by(&delivery) };
                match store.accept(wanted.acceptance()).await {
                    Ok(_) => taken.push(n),
                    Err(error) => return (taken, error),
                }
            }
            unreachable!("the numbers do not end")
        })
    };
    let mut taken = Vec::new();
    for task in (0..8).map(caller).collect::<Vec<_>>() {
        let (of_one, error) = task.await.unwrap();
        assert!(matches!(error, StoreError::Unavailable(_) | StoreError::Full(_)), "{error:?}");
        taken.extend(of_one);
    }
    assert!(matches!(store.probe().await, Err(StoreError::Unavailable(_))));
    drop(Arc::into_inner(store).expect("the callers have ended"));

    std::fs::remove_file(other).unwrap();
    let store = open_with(&folder, &without_reserve);
    assert!(!taken.is_empty());
    for n in taken {
        let (_, body) = store.delivery(&delivery_id(&n.to_string())).await.unwrap().expect("it was acknowledged");
        assert!(body == noise(n, 12_000), "{n}");
    }
    store.probe().await.unwrap();
}

fn open_with(folder: &Path, options: &Options) -> EmbeddedStore {
    EmbeddedStore::open(folder, options).unwrap()
}
