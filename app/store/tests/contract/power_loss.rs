//! What was acknowledged survives a power loss.

use std::sync::Arc;

use crate::bed::open;
use crate::busy::{Busy, assert_all_there};
use crate::loop_disk::LoopDisk;

/// The number of power losses, where it is to be another than 5.
const ROUNDS: &str = "GATEWRIGHT_POWER_LOSS_ROUNDS";

/// Enough for the records of several rounds, their bodies, and what must stay free.
const DISK_MIB: u64 = 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everything_acknowledged_before_the_power_went_is_there_afterwards() {
    let rounds = std::env::var(ROUNDS).map_or(5, |rounds| rounds.parse().expect("a number of rounds"));
    for round in 0..rounds {
        // After three losses in a row with the same disk comes a new one: how a store begins is where most can go wrong.
        let Some(mut disk) = LoopDisk::new(DISK_MIB) else { return };
        let mut acknowledged = Vec::new();
        for loss in 0..3 {
            let store = Arc::new(open(&disk.root().join("data")));
            assert_all_there(&store, &acknowledged).await;
            let mut busy = Busy::start(&store, round * 10 + loss, |_| {});
            // Another moment each time, the first ones soon after the files were made.
            busy.wait_for([20, 200, 800][loss as usize] + (round as usize * 37) % 200).await;
            let so_far = busy.so_far();
            let pulled = tokio::task::block_in_place(|| disk.after_power_loss());
            busy.stop().await;
            drop(Arc::into_inner(store).expect("the callers have ended"));
            acknowledged.extend(so_far);
            disk = pulled.plug_in();
        }
        let store = open(&disk.root().join("data"));
        assert_all_there(&store, &acknowledged).await;
        drop(store);
    }
}
