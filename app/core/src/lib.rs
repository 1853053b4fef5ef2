//! The vocabulary of Gatewright: ids, events, the repository file, the plan, the run and its journal, reports,
//! and the traits that the engine drives.
//!
//! Everything that Gatewright does is a [`Run`](run::Run): a journal of [`RunEvent`](run::RunEvent)s, a pure state
//! machine over it, and a loop (in the engine) that performs the next action and appends what happened.
//!
//! Deliberately absent: tokio, HTTP, SQL and a clock. `now` is always an argument, so that a test can be any time
//! it likes. Every other crate of the workspace depends on this one, and this one on none of them.

pub mod agent;
pub mod cause;
pub mod command;
pub mod config;
pub mod event;
pub mod facts;
pub mod forge;
pub mod ids;
pub mod model;
pub mod notice;
pub mod order;
pub mod plan;
pub mod report;
pub mod rollout;
pub mod run;
pub mod sandbox;
pub mod secret;
pub mod store;
pub mod suggestion;
pub mod survey;
pub mod target;
pub mod tree;
pub mod unseen;
pub mod verdict;

pub use ids::{
    BlobId, CommitId, DeliveryId, EnvironmentName, ForgeKind, GateName, ItemRef, PipelineName, RepoRef, RunId, Subject,
};
pub use jiff::Timestamp;
