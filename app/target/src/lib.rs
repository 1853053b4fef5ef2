//! Adapters of the traits in `gatewright_core::target`: where instances run, what shares requests out among them, and what is
//! measured there.
//!
//! - [`docker`]: instances are containers of one engine.
//! - [`haproxy`]: a backend of HAProxy is the router, by its runtime API, and its counters are a source of metrics.
//!
//! Every call converges: repeated, or repeated after a crash in the middle, it comes to the same. Nothing here decides anything: when
//! traffic moves, what a number means and when to give up is the engine's. Nothing here is remembered that matters; what holds is read from
//! the engine and the router each time. The binary makes these parts from the server file and hands them to the engine.

pub mod docker;
mod error;
pub mod haproxy;
