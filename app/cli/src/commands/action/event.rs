//! The event file of a job on GitHub.

use std::path::Path;

use gatewright_action::Variables;
use gatewright_action::github::event::Event;
use gatewright_action::job;

use super::wrong;
use crate::failure::Failure;
use crate::load;

/// A webhook's body has at most 25 MiB, and this is one.
const EVENT_BYTES_MAX: u64 = 26 * 1024 * 1024;

/// The event that the job is run for.
pub(super) fn read(variables: &Variables) -> Result<Event, Failure> {
    let Some(path) = variables.get("GITHUB_EVENT_PATH").filter(|path| !path.is_empty()) else {
        return Err(wrong(job::JobError::Missing("GITHUB_EVENT_PATH")));
    };
    if !Path::new(path).is_file() {
        return Err(Failure::Outside(format!("there is no event file at {path}, which GITHUB_EVENT_PATH names")));
    }
    let payload = load::read_bytes(Path::new(path), EVENT_BYTES_MAX)?;
    job::github_event(variables, &payload).map_err(wrong)
}
