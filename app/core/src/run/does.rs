//! Which events are those of which kind of run.

use std::fmt;

use super::{Kind, RunEvent};

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    Gates,
    Command,
    Release,
    Rollout,
    Agent,
    Notice,
    Permit,
}

/// In words, behind "the run".
impl fmt::Display for Does {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Does::Gates => "checks a commit",
            Does::Command => "obeys a command",
            Does::Release => "is a release",
            Does::Rollout => "is a rollout",
            Does::Agent => "is a pipeline of agents",
            Does::Notice => "tells people something",
            Does::Permit => "answers a workflow",
        })
    }
}

impl Kind {
    /// What such a run does.
    pub(super) fn does(&self) -> Does {
        match self {
            Kind::Gates(_) => Does::Gates,
            Kind::Command(_) => Does::Command,
            Kind::Release(_) => Does::Release,
            Kind::Rollout(_) => Does::Rollout,
            Kind::Agent(_) => Does::Agent,
            Kind::Notice(_) => Does::Notice,
            Kind::Permit(_) => Does::Permit,
        }
    }
}

impl RunEvent {
    /// What the only runs do that have such an event. None where it is any run's.
    pub(super) fn whose(&self) -> Option<Does> {
        match self {
            RunEvent::Prepared { .. } | RunEvent::StepStarted { .. } | RunEvent::StepFinished { .. } => Some(Does::Gates),
            RunEvent::Ruled { .. } | RunEvent::Obeyed => Some(Does::Command),
            RunEvent::Release { .. } => Some(Does::Release),
            RunEvent::Rollout { .. } => Some(Does::Rollout),
            RunEvent::Agent { .. } => Some(Does::Agent),
            RunEvent::Notice { .. } => Some(Does::Notice),
            RunEvent::Permit { .. } => Some(Does::Permit),
            RunEvent::Created { .. }
            | RunEvent::Resumed { .. }
            | RunEvent::Signalled { .. }
            | RunEvent::PublishBegun { .. }
            | RunEvent::Published { .. }
            | RunEvent::PublishRefused { .. }
            | RunEvent::GivenUp { .. }
            | RunEvent::Finished { .. } => None,
        }
    }
}
