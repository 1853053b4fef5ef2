//! The contract of a store: what every implementation of `Store`, `StoreUpkeep` and `Blobs` must do.
//!
//! Each behaviour is tried with every driver. What only makes sense where something outlives the process (restarts,
//! kills, power losses, full disks) is tried with the one on disk.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on is to fail where it stands")]

/// Tries each behaviour with each driver.
macro_rules! with_every_driver {
    ($($behaviour:ident),* $(,)?) => {
        mod in_memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                super::$behaviour(crate::bed::Bed::in_memory()).await;
            })*
        }
        mod on_disk {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                super::$behaviour(crate::bed::Bed::on_disk()).await;
            })*
        }
    };
}

mod accepting;
mod bed;
mod blobs;
mod busy;
mod full_disk;
mod journals;
mod killing;
mod leasing;
mod listing;
mod loop_disk;
mod model;
mod orders;
mod power_loss;
mod pruning;
mod restarting;
mod signalling;
