//! The adapter against a small server that records what it is sent and answers as each test says.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod auth;
mod catch_up;
mod checks;
mod comments;
mod deliveries;
mod limits;
mod minimise;
mod people;
mod reactions;
mod reads;
mod safety;
mod scanning;
mod shipping;
mod stub;
