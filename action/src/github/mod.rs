//! GitHub Actions: the event, workflow commands, and the files by which a step tells the runner what came of it.

pub mod command;
pub mod event;
pub mod files;
