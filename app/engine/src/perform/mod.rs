//! The effects, a file each. Nothing else in the engine touches a forge or a sandbox on behalf of a run.

use std::sync::Arc;
use std::time::Duration;

use gatewright_core::GateName;
use gatewright_core::forge::ForgeError;
use gatewright_core::run::{Action, Kind, RolloutAction, Run, RunEvent, Way};
use gatewright_core::verdict::{Exit, StepOutcome, Verdict, VerdictStatus};
use tokio_util::sync::CancellationToken;

use crate::slots::Slot;
use crate::step::Kept;
use crate::{Engine, agents, notices, permit, release, rollout};

mod comment;
mod execute;
mod obey;
mod prepare;
mod publish;
mod rule;

pub(crate) use execute::runner;
pub(crate) use prepare::{read, read_with};
pub(crate) use rule::environments;

/// A forge that does not let us in is asked again after so long: whoever has mended that does not wait longer.
const LOCKED_OUT: Duration = Duration::from_secs(60);

/// What came of an action.
pub(crate) enum Done {
    /// This happened.
    Events(Vec<RunEvent>),
    /// A slot was got.
    Claimed {
        /// For this gate.
        gate: GateName,
        /// And this try.
        attempt: u32,
        /// The slot.
        slot: Slot,
    },
    /// It failed, or it is too early: the same again, after this long or after a growing pause.
    Again {
        /// As the forge asked.
        after: Option<Duration>,
        /// Why, for the log.
        cause: String,
    },
    /// A step was stopped, and its sandbox is gone.
    Stopped {
        /// The step's gate.
        gate: GateName,
        /// What is kept of it.
        kept: Kept,
    },
    /// It was told to stop before it did anything.
    GivenUp,
}

/// Performs an action of a run. `stop` asks it to end soon.
pub(crate) async fn perform(engine: Arc<Engine>, run: Run, action: Action, stop: CancellationToken) -> Done {
    match (action, &run.kind) {
        (Action::Prepare, Kind::Gates(gates)) => prepare::prepare(&engine, &run, gates).await,
        (Action::Claim { gate, attempt }, _) => claim(&engine, &run, gate, attempt, &stop).await,
        (Action::Execute { gate, attempt }, Kind::Gates(gates)) => {
            execute::execute(&engine, &run, gates, &gate, attempt, &stop).await
        }
        (Action::Rule, Kind::Command(command)) => rule::rule(&engine, &run, command).await,
        (Action::Obey, Kind::Command(command)) => obey::obey(&engine, &run, command).await,
        (Action::Release(action), Kind::Release(of)) => {
            rollout::redacted(&engine.options.secrets, release::perform(&engine, &run, of, action).await)
        }
        (Action::Rollout(action), Kind::Rollout(of)) => {
            rollout::redacted(&engine.options.secrets, rollout::perform(&engine, &run, of, action, &stop).await)
        }
        (Action::Agent(action), Kind::Agent(of)) => agents::perform(&engine, &run, of, action, &stop).await,
        (Action::Notice(action), Kind::Notice(of)) => notices::perform(&engine, of, action).await,
        (Action::Permit(action), Kind::Permit(of)) => permit::perform(&engine, &run, of, action).await,
        (Action::Publish { key, digest, known, .. }, _) => publish::publish(&engine, &run, key, digest, &known, &stop).await,
        (
            Action::Prepare
            | Action::Execute { .. }
            | Action::Rule
            | Action::Obey
            | Action::Release(_)
            | Action::Rollout(_)
            | Action::Agent(_)
            | Action::Notice(_)
            | Action::Permit(_),
            Kind::Gates(_)
            | Kind::Command(_)
            | Kind::Release(_)
            | Kind::Rollout(_)
            | Kind::Agent(_)
            | Kind::Notice(_)
            | Kind::Permit(_),
        ) => unreachable!("a kind of run wants only what it does"),
        (Action::Stop { .. } | Action::SetAside { .. } | Action::Finish { .. }, _) => Done::GivenUp,
    }
}

/// Whether an action of a rollout begins something that takes long. What is short, and what goes back, is done even while the process
/// is about to stop.
pub(crate) fn starts_work(action: &RolloutAction) -> bool {
    match action {
        RolloutAction::Look | RolloutAction::Measure => true,
        RolloutAction::Make { way, .. } => *way == Way::Forth,
        RolloutAction::Tell { .. } | RolloutAction::Remind => false,
    }
}

async fn claim(engine: &Engine, run: &Run, gate: GateName, attempt: u32, stop: &CancellationToken) -> Done {
    let repo = run.repo.key();
    tokio::select! {
        slot = engine.slots.claim(&repo) => Done::Claimed { gate, attempt, slot },
        () = stop.cancelled() => Done::GivenUp,
    }
}

/// A step that ended because nobody wants its result any more.
pub(crate) fn cancelled_step(gate: &GateName, because: &str, kept: Kept) -> RunEvent {
    let verdict = Verdict::plain(VerdictStatus::Cancelled, "cancelled", format!("Cancelled: {because}."));
    let Kept { log, duration_ms } = kept;
    let outcome = StepOutcome { log, duration_ms, ..StepOutcome::of(Exit::Cancelled, verdict) };
    RunEvent::StepFinished { gate: gate.clone(), outcome: Box::new(outcome) }
}

/// The operator has taken the forge of a run out of the configuration, perhaps for a while.
pub(crate) fn not_configured(run: &Run) -> Done {
    Done::Again { after: None, cause: format!("{} is not configured", run.repo.forge) }
}

/// What a failed question to a forge means: ask again, or the forge's final word.
pub(crate) fn again_or_final(error: ForgeError) -> Result<Done, String> {
    match error {
        ForgeError::RateLimited { wait_secs, .. } => {
            let after = Some(Duration::from_secs(wait_secs.max(1)));
            Ok(Done::Again { after, cause: error.to_string() })
        }
        ForgeError::Unavailable { .. } => Ok(Done::Again { after: None, cause: error.to_string() }),
        ForgeError::LockedOut { .. } => Ok(Done::Again { after: Some(LOCKED_OUT), cause: error.to_string() }),
        ForgeError::Missing { .. } | ForgeError::Refused { .. } => Err(error.to_string()),
    }
}
