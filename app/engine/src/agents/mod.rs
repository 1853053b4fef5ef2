//! The effects of pipelines of agents: what a model is asked, what its tools do in the sandbox, what gates make of it, and what of the
//! result people get to see.
//!
//! The loop that asks the model is here, outside of any sandbox; every tool that a model uses is used within one. Nothing is written to a
//! forge here: what [`policy`] lets through is published like any report.

use gatewright_core::config::Offering;
use gatewright_core::report::{Report, ReportKey};
use gatewright_core::run::{AgentAction, AgentEvent, AgentRun, Run, RunEvent};
use tokio_util::sync::CancellationToken;

use self::policy::Shown;
use self::session::NoSession;
use crate::perform::Done;
use crate::{Engine, render};

mod act;
mod context;
pub(crate) mod day;
pub(crate) mod fence;
mod judge;
mod leftovers;
mod past;
pub mod policy;
mod prepare;
mod program;
pub(crate) mod prompt;
mod prose;
mod protect;
pub mod replay;
pub(crate) mod session;
pub mod show;
pub(crate) mod start;
pub(crate) mod toolbox;
mod tools;
pub mod turn;
mod verify;

/// Performs an action of a pipeline.
pub(crate) async fn perform(engine: &Engine, run: &Run, of: &AgentRun, action: AgentAction, stop: &CancellationToken) -> Done {
    match action {
        AgentAction::Prepare => prepare::prepare(engine, run, of).await,
        AgentAction::Turn { stage, turn, .. } => turn::turn(engine, run, of, (stage, turn), stop).await,
        AgentAction::Act { stage, turn } => act::act(engine, run, of, (stage, turn), stop).await,
        AgentAction::Program { stage, .. } => program::program(engine, run, of, stage, stop).await,
        AgentAction::Verify { stage, gate, .. } => verify::verify(engine, run, of, stage, &gate, stop).await,
        AgentAction::Expire { stage } => {
            session::close(engine, run.id, Some(stage)).await;
            done(AgentEvent::Expired { stage })
        }
        AgentAction::Stop { what } => {
            session::close(engine, run.id, None).await;
            done(AgentEvent::Spent { what })
        }
        AgentAction::Judge => judge::judge(engine, run, of).await,
    }
}

/// A report of a pipeline, from what the policy let through.
pub(crate) async fn report(engine: &Engine, run: &Run, key: &ReportKey) -> Result<Report, String> {
    let of = run.agent().ok_or("the run has no agents")?;
    let shown = shown(engine, of).await?;
    let changes = match key {
        ReportKey::Proposal | ReportKey::Pushed => session::laid(engine, of.result()).await.map_err(|lost| match lost {
            NoSession::Later(cause) | NoSession::Never(cause) => cause,
        })?,
        _ => Vec::new(),
    };
    render::agent::report(run, of, key, &shown, changes, details_url(engine, run))
}

/// How a pipeline goes and what came of it, for the comment of a pull request.
pub(crate) async fn body(engine: &Engine, run: &Run, of: &AgentRun) -> Result<String, String> {
    render::agent::body(run, of, &shown(engine, of).await?, details_url(engine, run).as_deref())
}

/// What the policy let through.
async fn shown(engine: &Engine, of: &AgentRun) -> Result<Vec<(Offering, Shown)>, String> {
    let mut shown = Vec::new();
    for offer in of.offers.iter().flatten() {
        let Some(blob) = &offer.blob else { continue };
        let bytes = engine.deps.blobs.get(blob).await.map_err(|error| error.to_string())?;
        let bytes = bytes.ok_or("what was handed over has been pruned")?;
        shown.push((offer.what, serde_json::from_slice(&bytes).map_err(|error| error.to_string())?));
    }
    Ok(shown)
}

fn details_url(engine: &Engine, run: &Run) -> Option<String> {
    engine.options.public_url.as_ref().map(|url| format!("{url}/runs/{}", run.id))
}

fn done(event: AgentEvent) -> Done {
    Done::Events(vec![RunEvent::Agent { event: Box::new(event) }])
}
