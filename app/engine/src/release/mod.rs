//! Releases' effects: what a tag is, what its gates say, what every environment would become, and the rollouts that bring it there.

use gatewright_core::run::{GatesState, ReleaseAction, ReleaseEvent, ReleaseRun, Run, RunEvent};
use gatewright_core::store::StoreError;

use crate::Engine;
use crate::perform::Done;

pub(crate) mod changelog;
mod gates;
mod notes;
mod plan;
mod start;
mod validate;

pub use changelog::{Entry as ChangelogSection, added as with_section, changelog_words};
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
        ReleaseAction::Changelog => changelog::look(engine, run, release).await,
        ReleaseAction::LookAtTag => validate::look_at_tag(engine, run, release).await,
    }
}

/// Finds out what a tag is, for a run that nobody drives.
pub(crate) async fn try_validate(engine: &Engine, run: &Run) -> Done {
    match run.release() {
        Some(release) => validate::validate(engine, run, release).await,
        None => Done::GivenUp,
    }
}

/// Looks at every environment, for a run that nobody drives.
pub(crate) async fn try_plan(engine: &Engine, run: &Run) -> Done {
    match run.release() {
        Some(release) => plan::plan(engine, run, release).await,
        None => Done::GivenUp,
    }
}

/// What the gates of a release say as far as it is known. None where some would have to be run first.
pub(crate) async fn known_gates(engine: &Engine, run: &Run) -> Result<Option<GatesState>, StoreError> {
    match run.release().and_then(|release| release.valid.as_deref()) {
        Some(valid) => gates::known_state(engine, run, valid).await,
        None => Ok(None),
    }
}

fn done(event: ReleaseEvent) -> Done {
    Done::Events(vec![RunEvent::Release { event: Box::new(event) }])
}

fn again(error: impl std::fmt::Display) -> Done {
    Done::Again { after: None, cause: error.to_string() }
}
