//! The repository file from the outside: what a file may say, and what it is told when it is wrong.

#![expect(clippy::unwrap_used, reason = "tests")]

mod agents;
mod agreement;
mod any_file;
mod environments;
mod generated;
mod generated_agents;
mod generated_gates;
mod messages;
mod reading;
mod releases;
