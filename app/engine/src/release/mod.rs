//! Releases' effects: what a tag is, what its gates say, what every environment would become, and the rollouts that bring it there.

use gatewright_core::run::{ReleaseAction, ReleaseEvent, ReleaseRun, Run, RunEvent};

use crate::Engine;
use crate::perform::Done;

mod gates;
mod notes;
mod plan;
mod start;
mod validate;

pub use notes::{Artefact, Notes, notes};

/// Performs an action of a release.
pub(crate) async fn perform(engine: &Engine, run: &Run, release: &ReleaseRun, action: ReleaseAction) -> Done {
    match action {
        ReleaseAction::Validate => validate::validate(engine, run, release).await,
        ReleaseAction::Gates => gates::gates(engine, run, release).await,
        ReleaseAction::Plan => plan::plan(engine, run, release).await,
        // Everything that belongs to the release is published by the time that this is wanted.
        ReleaseAction::Draft => done(ReleaseEvent::Drafted),
        ReleaseAction::Start => start::start(engine, run, release).await,
        ReleaseAction::LookAtTag => validate::look_at_tag(engine, run, release).await,
    }
}

fn done(event: ReleaseEvent) -> Done {
    Done::Events(vec![RunEvent::Release { event: Box::new(event) }])
}

fn again(error: impl std::fmt::Display) -> Done {
    Done::Again { after: None, cause: error.to_string() }
}
