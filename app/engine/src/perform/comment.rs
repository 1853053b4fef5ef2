//! The one comment of a pull request: what its gates say, and below that what each pipeline of agents does.
//!
//! Whichever run has something new to show makes the whole of it anew from the journals, while no other does (`publish.rs` has one hand at a
//! time at it). Nothing is read back from the forge: so no part is lost where gates and agents are at work at once, where one of them is
//! killed in the middle, or where somebody has edited the comment.

use gatewright_core::Subject;
use gatewright_core::report::{COMMENT_MARKER, CommentReport, Holds, Report, ReportKey};
use gatewright_core::run::Run;
use gatewright_core::store::{RunFilter, StoreError};

use crate::{Engine, agents, render};

/// The run whose gates are shown is looked for among so many of the newest ones. Where none of them shows anything, agents are told of alone.
const GATES_RUNS_MAX: usize = 10;

/// Pipelines are looked for among so many of the newest runs of agents.
const AGENT_RUNS_MAX: usize = 20;

/// So many pipelines are told of, each by its newest run. The pages of the others have what they came to.
const PIPELINES_MAX: usize = 5;

/// Earlier pipelines are told of as long as all that agents have to say has at most so many bytes: GitHub takes 64 KiB, and the table of the
/// gates comes first.
const AGENTS_BYTES_MAX: usize = 40 * 1024;

/// What the comment is to say, or why that cannot be written. An error: the store did not tell.
pub(super) async fn of_pull(engine: &Engine, run: &Run) -> Result<Result<Report, String>, StoreError> {
    let gates = of_gates(engine, run).await?;
    let agents = of_agents(engine, run).await?;
    Ok(whole(run, gates, agents))
}

fn whole(run: &Run, gates: Option<Result<String, String>>, agents: Result<Vec<String>, String>) -> Result<Report, String> {
    let on = run.about().item().ok_or("the run is about no pull request")?;
    let parts: Vec<String> = gates.transpose()?.into_iter().chain(agents?).collect();
    Ok(Report::Comment(CommentReport { on, marker: COMMENT_MARKER.to_owned(), body: parts.join("\n\n"), holds: Holds::Yes }))
}

/// What gates say: those of this run, or of the one that shows its gates now.
async fn of_gates(engine: &Engine, run: &Run) -> Result<Option<Result<String, String>>, StoreError> {
    let rendered = |run: &Run| render::comment_of_gates(run, engine.options.public_url.as_deref());
    if run.gates().is_some() {
        return Ok(Some(rendered(run)));
    }
    let filter = RunFilter { subject: Some(run.about().key(&run.repo)), ..RunFilter::default() };
    let runs = engine.runs(&filter, GATES_RUNS_MAX).await?;
    // A run that gives way to a newer one is shown until that one has something to show.
    let has_shown = |run: &&Run| run.published.get(&ReportKey::Comment).is_some_and(|state| state.shown.is_some());
    let newest = runs.iter().find(|run| wants(run, &ReportKey::Comment)).or_else(|| runs.iter().find(has_shown));
    Ok(newest.map(rendered))
}

fn wants(run: &Run, key: &ReportKey) -> bool {
    run.wanted().iter().any(|(wanted, _)| wanted == key)
}

/// What agents do and did: each pipeline by its newest run, all but the newest folded. One that was not started says so until something newer
/// is there.
async fn of_agents(engine: &Engine, about: &Run) -> Result<Result<Vec<String>, String>, StoreError> {
    let subject = Subject::Agents { about: Box::new(about.about().clone()) };
    let filter = RunFilter { subject: Some(subject.key(&about.repo)), ..RunFilter::default() };
    let runs = engine.runs(&filter, AGENT_RUNS_MAX).await?;
    let mut told: Vec<Option<&str>> = Vec::new();
    let mut parts: Vec<String> = Vec::new();
    for run in runs.iter().filter(|run| wants(run, &ReportKey::AgentComment)) {
        let Some(of) = run.agent() else { continue };
        let name = of.pipeline();
        if told.contains(&name) || told.len() == PIPELINES_MAX || (name.is_none() && !told.is_empty()) {
            continue;
        }
        let body = match agents::body(engine, run, of).await {
            Ok(body) => body,
            Err(because) if run.id == about.id => return Ok(Err(because)),
            // What another run can no longer tell is no reason to show nothing of this one.
            Err(_) => continue,
        };
        let part = if told.is_empty() { Ok(render::agent::headed(of, &body)) } else { render::agent::folded(of, &body) };
        told.push(name);
        match part {
            Ok(part) if parts.iter().map(String::len).sum::<usize>() + part.len() <= AGENTS_BYTES_MAX || parts.is_empty() => {
                parts.push(part);
            }
            Ok(_) => {}
            Err(because) => return Ok(Err(because)),
        }
    }
    Ok(Ok(parts))
}
