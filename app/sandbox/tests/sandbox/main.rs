//! The Docker sandbox against a real engine, and mirrors against a real git server.
//!
//! They need what `tests/setup/all.sh` installs and starts, and fail without it.

mod escape;
mod git_server;
mod lifecycle;
mod limits;
mod mirror;
mod reports;
mod rig;
mod survey;
