//! The Docker sandbox against a real engine, mirrors against a real git server, and the machine itself.
//!
//! They need what `tests/setup/all.sh` installs and starts, and fail without it.

mod disk;
mod egress;
mod escape;
mod git_server;
mod host;
mod lfs;
mod lfs_server;
mod lifecycle;
mod limits;
mod local;
mod mirror;
mod reports;
mod rig;
mod survey;
mod tree;
mod workshop;
