//! Adapters of the traits in `gatewright_core::target`: where instances run, what shares requests out among them, and what is
//! measured there.
//!
//! - [`docker`]: instances are containers of one engine.
//! - [`haproxy`]: a backend of HAProxy is the router, by its runtime API, and its counters are a source of metrics.
//! - [`exec`]: the operator's own program is target, router or source of metrics, or all of them.
//! - [`prometheus`]: queries are a source of metrics.
//! - [`probe`]: requests of our own to the instances are a source of metrics.
//! - [`sites`]: which repository's environments may use which of them.
//!
//! Every call converges: repeated, or repeated after a crash in the middle, it comes to the same. Nothing here decides anything: when
//! traffic moves, what a number means and when to give up is the engine's. Nothing here is remembered that matters; what holds is read from
//! the engine and the router each time. The binary makes these parts from the server file and hands them to the engine.

pub mod docker;
mod error;
pub mod exec;
pub mod haproxy;
mod http;
mod latency;
pub mod probe;
pub mod prometheus;
pub mod sites;

pub use latency::BOUNDS_MS as LATENCY_BOUNDS_MS;
