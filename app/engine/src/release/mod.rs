//! What is made for a release. Pure.

mod notes;

pub use notes::{Artefact, Notes, notes};
