//! Rollouts that never happened: how often the analysis is wrong, beside other ways to judge a canary, on the same data.
//!
//! A [`Cell`] says how much traffic there is, how good the stable version is, how bad the new one is and since when, and what else
//! goes on. A [`World`](world::World) draws what would be measured in it: requests, errors and slow requests of both versions, in buckets of ten
//! seconds. Each [`Method`] drives a rollout through it, by the weights of [`STEPS`], and says how it ended. [`run`] does that many times for
//! many cells; [`Report`] makes tables of it.
//!
//! Everything follows from the seed: each trial and each bucket has a generator of its own (PCG, `rand_pcg::Pcg64Mcg`), so that all
//! methods see the same traffic as long as they have set the same weights, and neither the number of threads nor the choice of cells
//! changes a figure.
//!
//! Deliberately absent: the machine of a rollout, routers and time. What is tried here is the judgement alone. Who calls it:
//! `gatewright rollout simulate`, and `benches/grid.rs`.

mod cell;
mod methods;
mod report;
mod run;
mod tally;
pub mod world;

pub use cell::{Cell, Confounder, Fault, Grid, Onset};
pub use methods::{Ending, Method};
pub use report::{Promise, Report, Table};
pub use run::{CellResult, Job, run};
pub use tally::Rate;

/// The weights of the rollout that is tried, in percent. After the last of them everything would go to the new version.
pub const STEPS: [u32; 4] = [5, 10, 25, 50];

/// Each of them lasts so long.
pub const STEP_SECS: u64 = 300;

/// It is looked so often, at buckets of this length.
pub const BUCKET_SECS: u32 = 10;
