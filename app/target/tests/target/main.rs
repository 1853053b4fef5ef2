//! The adapters against real parts: a container engine, HAProxy, Prometheus, programs. All of them are installed by tests/setup.

#![expect(clippy::unwrap_used, reason = "a test may fail at once")]

#[path = "../../../../tests/harness/site/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "the scenarios use the rest of it")]
mod site;

mod docker;
mod exec;
mod haproxy;
mod local;
mod prometheus;
mod world;
