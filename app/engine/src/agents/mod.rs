//! The effects of pipelines of agents: what a model is asked, what its tools do in the sandbox, what gates make of it, and what of the
//! result people get to see.

use gatewright_core::run::{AgentAction, AgentRun, Run};
use tokio_util::sync::CancellationToken;

use crate::Engine;
use crate::perform::Done;

pub mod show;

/// Performs an action of a pipeline.
pub(crate) async fn perform(
    _engine: &Engine,
    _run: &Run,
    _of: &AgentRun,
    _action: AgentAction,
    _stop: &CancellationToken,
) -> Done {
    Done::GivenUp
}
