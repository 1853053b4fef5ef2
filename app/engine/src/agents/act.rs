//! Act: does what a model wants, call by call, in the stage's sandbox, and takes out what was changed.

use std::time::Instant;

use bytes::Bytes;
use gatewright_core::model::{Reply, ToolCall, ToolResult};
use gatewright_core::run::{ActNote, Acted, AgentEvent, AgentPrepared, AgentRun, HandoverNote, Run, StageRun};
use gatewright_core::sandbox::ChangesError;
use gatewright_core::tree::Tree;
use tokio_util::sync::CancellationToken;

use super::session::{self, NoSession, Session};
use super::toolbox::{self, Use};
use super::tools::{self, Said};
use super::turn::{Deeds, Lost, kept, shown, signature};
use super::{done, leftovers, protect};
use crate::Engine;
use crate::perform::Done;
use crate::redact::Redactor;

/// So many tools are used in one turn. Further calls are told to come again.
const CALLS_MAX: usize = 10;

/// What a model is told that used no tool.
const NO_TOOL: &str = "You used no tool. Nothing happens by talking: use a tool, or `finish` when you are done.";

/// Why a turn could not be done.
enum Undone {
    Again(String),
    Failed(String),
    Stopped,
}

impl From<NoSession> for Undone {
    fn from(error: NoSession) -> Undone {
        match error {
            NoSession::Later(cause) => Undone::Again(cause),
            NoSession::Never(cause) => Undone::Failed(cause),
        }
    }
}

impl From<Lost> for Undone {
    fn from(error: Lost) -> Undone {
        match error {
            Lost::Later(cause) => Undone::Again(cause),
            Lost::Never(cause) => Undone::Failed(cause),
        }
    }
}

/// Does what a model wants.
pub(super) async fn act(engine: &Engine, run: &Run, of: &AgentRun, (n, number): (u16, u32), stop: &CancellationToken) -> Done {
    let (Some(prepared), Some(stage)) = (&of.prepared, of.stage(n)) else { return Done::GivenUp };
    match acted(engine, run, prepared, (n, stage), stop).await {
        Err(Undone::Stopped) => Done::GivenUp,
        Ok(acted) => {
            if acted.handover.is_some() {
                session::close(engine, run.id, Some(n)).await;
            }
            done(AgentEvent::Acted { stage: n, turn: number, acted: Box::new(acted) })
        }
        Err(Undone::Again(cause)) => {
            // Whatever is left of it is opened anew.
            session::close(engine, run.id, Some(n)).await;
            Done::Again { after: None, cause }
        }
        Err(Undone::Failed(because)) => {
            session::close(engine, run.id, Some(n)).await;
            let because = Redactor::new(engine.options.secrets.iter().cloned()).text(&because);
            done(AgentEvent::Broken { stage: n, because })
        }
    }
}

async fn acted(
    engine: &Engine,
    run: &Run,
    prepared: &AgentPrepared,
    (n, stage): (u16, &StageRun),
    stop: &CancellationToken,
) -> Result<Acted, Undone> {
    let reply = stage.turns.last().and_then(|turn| turn.reply.as_ref());
    let reply: Reply =
        kept(&*engine.deps.blobs, &reply.ok_or_else(|| Undone::Failed("nothing was said".to_owned()))?.blob).await?;
    if reply.calls.is_empty() {
        return note(engine, Deeds { results: Vec::new(), note: Some(NO_TOOL.to_owned()) }, Vec::new(), None, None).await;
    }
    let place = engine.sessions.of(run.id, n);
    let mut place = place.lock().await;
    if !session::open(engine, run, prepared, (n, stage), &mut place, stop).await? {
        return Err(Undone::Stopped);
    }
    let session = place.as_ref().ok_or_else(|| Undone::Again("the sandbox is gone".to_owned()))?;
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(Undone::Stopped),
        worked = work(engine, session, prepared, stage, &reply) => worked,
    }
}

/// Uses the tools that a model wants used, in an open sandbox.
async fn work(
    engine: &Engine,
    session: &Session,
    prepared: &AgentPrepared,
    stage: &StageRun,
    reply: &Reply,
) -> Result<Acted, Undone> {
    let mut worked = Worked::default();
    for (at, call) in reply.calls.iter().enumerate() {
        let began = Instant::now();
        let said = match at < CALLS_MAX {
            true => used(engine, session, prepared, stage, call, &mut worked).await?,
            false => Said::wrong(format!("only {CALLS_MAX} tools are used in one turn; ask again")),
        };
        worked.heard(engine, call, said, began);
    }
    let tree = match worked.changed {
        true => changes(engine, session, prepared, stage, &mut worked).await?,
        false => None,
    };
    let Worked { results, acts, handover, .. } = worked;
    note(engine, Deeds { results, note: None }, acts, tree, handover).await
}

/// What has come of the calls of a turn so far.
#[derive(Default)]
struct Worked {
    results: Vec<ToolResult>,
    acts: Vec<ActNote>,
    handover: Option<gatewright_core::agent::Handover>,
    changed: bool,
    /// What was written by its name.
    written: Vec<String>,
}

impl Worked {
    fn heard(&mut self, engine: &Engine, call: &ToolCall, said: Said, began: Instant) {
        let mut redactor = Redactor::new(engine.options.secrets.iter().cloned());
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        metrics::histogram!("gatewright_agent_tool_seconds", "tool" => known(&call.name)).record(began.elapsed().as_secs_f64());
        let about = redactor.text(&said.about);
        self.acts.push(ActNote { tool: shown(&call.name), about, failed: said.failed, millis });
        let content = redactor.text(&said.text);
        let (call, name) = (call.id.clone(), call.name.clone());
        self.results.push(ToolResult { call, name, content, is_error: said.failed });
    }
}

/// A tool's name for a metric: not one that a model made up.
fn known(name: &str) -> &'static str {
    let tools = gatewright_core::agent::Tool::ALL.iter().map(|tool| tool.as_str()).chain([toolbox::FINISH]);
    tools.into_iter().find(|tool| *tool == name).unwrap_or("unknown")
}

async fn used(
    engine: &Engine,
    session: &Session,
    prepared: &AgentPrepared,
    stage: &StageRun,
    call: &ToolCall,
    worked: &mut Worked,
) -> Result<Said, Undone> {
    if worked.handover.is_some() {
        return Ok(Said::wrong("you had finished already".to_owned()));
    }
    let gatewright_core::run::Doing::Agent(agent) = &stage.what else {
        return Err(Undone::Failed("the stage has no agent".to_owned()));
    };
    let wanted = match toolbox::parse_call(call, &agent.role.tools) {
        Ok(wanted) => wanted,
        Err(wrong) => return Ok(Said::wrong(wrong)),
    };
    if let Use::Finish(handover) = wanted {
        worked.handover = Some(handover);
        return Ok(Said { text: "Done.".to_owned(), about: String::new(), failed: false });
    }
    if let Some(path) = writes(&wanted) {
        if protect::is_protected(&prepared.protected, path) {
            return Ok(Said::wrong(format!("`{path}` is protected: nobody but people may change it. Leave it as it is.")));
        }
        worked.written.push(path.to_owned());
    }
    worked.changed |= matches!(wanted, Use::Write { .. } | Use::Patch { .. } | Use::Shell { .. });
    tools::used(&*engine.deps.sandbox, &session.handle, &wanted).await.map_err(|error| Undone::from(NoSession::from(error)))
}

/// The file that is changed for certain.
fn writes(wanted: &Use) -> Option<&str> {
    match wanted {
        Use::Write { path, .. } | Use::Patch { path, .. } => Some(path),
        Use::Read { .. } | Use::List { .. } | Use::Search { .. } | Use::Shell { .. } | Use::Finish(_) => None,
    }
}

/// What differs from the commit now, without what is protected. None: the same as before.
async fn changes(
    engine: &Engine,
    session: &Session,
    prepared: &AgentPrepared,
    stage: &StageRun,
    worked: &mut Worked,
) -> Result<Option<Tree>, Undone> {
    let all = match engine.deps.sandbox.changes(&session.handle, &session.source, &prepared.leftovers).await {
        Ok(all) => all,
        Err(ChangesError::Refused(refused)) => {
            worked
                .tell(format!("What you changed cannot be taken over: {refused}. Until that is mended, it counts for nothing."));
            worked.handover = None;
            return Ok(Some(stage.tree_before.clone()));
        }
        Err(ChangesError::Failed(error)) => return Err(NoSession::from(error).into()),
    };
    let (barred, taken): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|change| protect::is_protected(&prepared.protected, &change.path));
    if !barred.is_empty() {
        let paths: Vec<String> = barred.iter().take(5).map(|change| format!("`{}`", change.path)).collect();
        worked.tell(format!("{} is protected: your change there does not count. Put it back.", paths.join(", ")));
    }
    // A command that leaves its reports does no wrong, but who writes there by name means it.
    let kept = |path: &String| barred.iter().chain(&taken).any(|change| change.path == *path);
    let lost = worked.written.iter().find(|path| leftovers::are_at(&prepared.leftovers, path) && !kept(path));
    if let Some(path) = lost.cloned() {
        worked.tell(format!("`{path}` is where a gate leaves its files: a new file there does not count. Write it elsewhere."));
    }
    let tree = session::kept(engine, taken).await?;
    Ok((tree != stage.tree).then_some(tree))
}

impl Worked {
    /// Tells the model something with what its last tool said.
    fn tell(&mut self, what: String) {
        if let Some(last) = self.results.last_mut() {
            last.content = format!("{}\n\n{what}", last.content);
            last.is_error = true;
        }
        if let Some(act) = self.acts.last_mut() {
            act.failed = true;
        }
    }
}

async fn note(
    engine: &Engine,
    deeds: Deeds,
    acts: Vec<ActNote>,
    tree: Option<Tree>,
    handover: Option<gatewright_core::agent::Handover>,
) -> Result<Acted, Undone> {
    let said: Vec<_> = deeds.results.iter().map(|result| (&result.content, result.is_error)).collect();
    let signature = signature(&said);
    let (blob, bytes) = put(engine, &deeds).await?;
    let handover = match handover {
        Some(handover) => Some(handed_over(engine, handover).await?),
        None => None,
    };
    Ok(Acted { blob, bytes, acts, signature, tree, handover })
}

async fn handed_over(engine: &Engine, handover: gatewright_core::agent::Handover) -> Result<HandoverNote, Undone> {
    // What an agent says here came through its reply, which was redacted when it was kept.
    let findings = u32::try_from(handover.findings.len()).unwrap_or(u32::MAX);
    let (blob, _) = put(engine, &handover).await?;
    let most = HandoverNote::SUMMARY_BYTES_MAX;
    let end = (0..=most.min(handover.summary.len())).rev().find(|at| handover.summary.is_char_boundary(*at)).unwrap_or(0);
    Ok(HandoverNote { blob, summary: handover.summary[..end].to_owned(), findings })
}

async fn put(engine: &Engine, value: &impl serde::Serialize) -> Result<(gatewright_core::BlobId, u64), Undone> {
    let json = Bytes::from(serde_json::to_vec(value).map_err(|error| Undone::Failed(error.to_string()))?);
    let bytes = json.len() as u64;
    let blob = engine.deps.blobs.put(json).await.map_err(|error| Undone::Again(error.to_string()))?;
    Ok((blob, bytes))
}
