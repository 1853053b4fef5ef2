//! What the adapters of all forges need, and in which no forge has a word.
//!
//! A bounded [`Cache`], [`Locks`] by name, the sliding [`Window`] that limits go by, [`text`], which cuts Markdown to a
//! limit without breaking it, and [`address`], which keeps requests on the configured host. They decide nothing about a forge: its limits and its words are in its adapter.
//!
//! Deliberately absent: requests, retries, errors and anything that only one adapter uses.
//!
//! Who calls it: `app/forge/github` and `app/forge/gitlab`.

pub mod address;
mod cache;
mod locks;
pub mod text;
mod window;

pub use cache::Cache;
pub use locks::Locks;
pub use window::Window;
