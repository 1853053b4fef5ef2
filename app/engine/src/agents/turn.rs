//! A turn: what is said to the model, from the journal alone, and what it answers.

use std::time::{Duration, Instant};

use bytes::Bytes;
use gatewright_core::config::AgentStage;
use gatewright_core::model::{Arguments, Ask, Message, Reply, ToolResult};
use gatewright_core::run::{AgentEvent, AgentPrepared, AgentRun, Doing, Feedback, ReplyNote, Run, StageRun, models_of};
use gatewright_core::store::Blobs;
use gatewright_core::verdict::StepOutcome;
use gatewright_core::{BlobId, GateName};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::prompt::{self, InputShown, Prompt, PromptInput};
use super::{done, session, toolbox};
use crate::Engine;
use crate::perform::Done;
use crate::redact::Redactor;

/// A model has so long to answer, with all that is tried on the way.
const ANSWER_WITHIN: Duration = Duration::from_secs(300);

/// What tools said is left out again for so many turns at a time, so that what providers have kept of a conversation holds for the turns
/// in between.
const LEFT_OUT_TURNS: usize = 8;

/// What came of what a model wanted done, as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deeds {
    /// What the tools said, in the order of the calls.
    pub results: Vec<ToolResult>,
    /// What it is told where it used no tool.
    pub note: Option<String>,
}

/// Asks the model.
pub(super) async fn turn(engine: &Engine, run: &Run, of: &AgentRun, (n, number): (u16, u32), stop: &CancellationToken) -> Done {
    let (Some(prepared), Some(stage)) = (&of.prepared, of.stage(n)) else { return Done::GivenUp };
    let Doing::Agent(agent) = &stage.what else { return Done::GivenUp };
    let ask = match ask(&*engine.deps.blobs, run, of, prepared, n, agent).await {
        Ok(ask) => ask,
        Err(Lost::Later(cause)) => return Done::Again { after: None, cause },
        Err(Lost::Never(because)) => {
            session::close(engine, run.id, Some(n)).await;
            return done(AgentEvent::TurnFailed { stage: n, turn: number, because });
        }
    };
    let began = Instant::now();
    let reply = tokio::select! {
        reply = engine.deps.models.reply(&ask) => reply,
        () = stop.cancelled() => return Done::GivenUp,
    };
    let role = agent.role.name.to_string();
    let reply = match reply {
        Ok(reply) => reply,
        Err(error) => {
            metrics::counter!("gatewright_agent_turns_total", "role" => role, "outcome" => "failed").increment(1);
            let because = Redactor::new(engine.options.secrets.iter().cloned()).text(&error.to_string());
            tracing::warn!(run.id = %run.id, stage = n, turn = number, because, "no model answers");
            session::close(engine, run.id, Some(n)).await;
            return done(AgentEvent::TurnFailed { stage: n, turn: number, because });
        }
    };
    metrics::counter!("gatewright_agent_turns_total", "role" => role, "outcome" => "answered").increment(1);
    let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    match note(engine, reply, millis).await {
        Ok(reply) => done(AgentEvent::Replied { stage: n, turn: number, reply: Box::new(reply) }),
        Err(cause) => Done::Again { after: None, cause },
    }
}

/// Keeps an answer, without what must not be known.
async fn note(engine: &Engine, mut reply: Reply, millis: u64) -> Result<ReplyNote, String> {
    let mut redactor = Redactor::new(engine.options.secrets.iter().cloned());
    reply.text = redactor.text(&reply.text);
    for call in &mut reply.calls {
        call.name = redactor.text(&call.name);
        let wanted = call.arguments.clone();
        match &mut call.arguments {
            Arguments::Json(value) => redacted(value, &mut redactor),
            Arguments::Malformed(text) => *text = redactor.text(text),
        }
        // Done with the mask in it, it would write the mask into somebody's files.
        if call.arguments != wanted && call.name != toolbox::FINISH {
            call.arguments = Arguments::Malformed(toolbox::HELD_SECRET.to_owned());
        }
    }
    let said: Vec<_> = reply.calls.iter().map(|call| (&call.name, &call.arguments)).collect();
    let signature = signature(&said);
    let json = Bytes::from(serde_json::to_vec(&reply).map_err(|error| error.to_string())?);
    let blob = engine.deps.blobs.put(json.clone()).await.map_err(|error| error.to_string())?;
    Ok(ReplyNote {
        blob,
        bytes: json.len() as u64,
        calls: reply.calls.iter().map(|call| shown(&call.name)).collect(),
        signature,
        finish: reply.finish,
        usage: reply.usage,
        micro_usd: reply.micro_usd,
        model: reply.model,
        millis,
    })
}

/// A tool's name for people: a model may make up any.
pub(super) fn shown(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || "_-".contains(*c)).take(30).collect()
}

/// Takes secrets out of every text of a JSON value, keys too.
pub(super) fn redacted(value: &mut serde_json::Value, redactor: &mut Redactor) {
    match value {
        serde_json::Value::String(text) => *text = redactor.text(text),
        serde_json::Value::Array(values) => values.iter_mut().for_each(|value| redacted(value, redactor)),
        serde_json::Value::Object(values) => {
            let entries = std::mem::take(values);
            for (key, mut value) in entries {
                redacted(&mut value, redactor);
                values.insert(redactor.text(&key), value);
            }
        }
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}

/// The same for the same.
pub(super) fn signature(of: &impl Serialize) -> String {
    let json = serde_json::to_vec(of).unwrap_or_default();
    hex::encode(&Sha256::digest(json)[..8])
}

/// Why something that was kept is not there.
pub(super) enum Lost {
    /// Trying again may help.
    Later(String),
    /// It would not.
    Never(String),
}

/// Something that was kept as JSON.
pub(super) async fn kept<T: DeserializeOwned>(blobs: &dyn Blobs, blob: &BlobId) -> Result<T, Lost> {
    let bytes = blobs.get(blob).await.map_err(|error| Lost::Later(error.to_string()))?;
    let bytes = bytes.ok_or_else(|| Lost::Never("what was said before has been pruned".to_owned()))?;
    serde_json::from_slice(&bytes).map_err(|error| Lost::Never(format!("what was said before cannot be read: {error}")))
}

/// All that was said in an agent's stage, with what the last turn came to: for people who want to know.
pub async fn transcript(blobs: &dyn Blobs, run: &Run, stage: u16) -> Result<Ask, String> {
    let of = run.agent().ok_or("the run has no agents")?;
    let prepared = of.prepared.as_ref().ok_or("it has not begun")?;
    let Some(Doing::Agent(agent)) = of.stage(stage).map(|stage| &stage.what) else {
        return Err(format!("stage {stage} is no agent's"));
    };
    ask(blobs, run, of, prepared, stage, agent).await.map_err(|lost| match lost {
        Lost::Later(cause) | Lost::Never(cause) => cause,
    })
}

/// What a stage's next turn asks.
pub(super) async fn ask(
    blobs: &dyn Blobs,
    run: &Run,
    of: &AgentRun,
    prepared: &AgentPrepared,
    n: u16,
    agent: &AgentStage,
) -> Result<Ask, Lost> {
    let stage = of.stage(n).ok_or_else(|| Lost::Never("the stage is gone".to_owned()))?;
    let Prompt { system, user: first } = opening(blobs, of, prepared, n, agent).await?;
    let mut messages = vec![Message::User { text: first }];
    for (at, turn) in stage.turns.iter().enumerate().skip(stage.talk_from) {
        let (Some(reply), Some(acted)) = (&turn.reply, &turn.acted) else { break };
        let reply: Reply = kept(blobs, &reply.blob).await?;
        let deeds: Deeds = kept(blobs, &acted.blob).await?;
        let feedback = stage.feedback.iter().find(|feedback| feedback.after == at + 1);
        let feedback = feedback.map(|feedback| against(of, prepared, stage, feedback)).transpose().map_err(Lost::Never)?;
        messages.extend(exchange(reply, deeds, feedback));
    }
    leave_out(&mut messages, AgentRun::HISTORY_BYTES_MAX);
    Ok(Ask {
        run: run.id,
        stage: n,
        turn: u32::try_from(stage.turns.iter().filter(|turn| turn.acted.is_some()).count() + 1).unwrap_or(u32::MAX),
        models: models_of(prepared, agent).to_vec(),
        system,
        messages,
        tools: toolbox::tool_specs(&agent.role.tools),
        tokens_max: prepared.tokens_max,
        within: ANSWER_WITHIN,
    })
}

/// What was said in a turn by both sides.
fn exchange(reply: Reply, deeds: Deeds, feedback: Option<String>) -> [Message; 2] {
    let Deeds { mut results, note } = deeds;
    let text = match (reply.text.trim(), reply.calls.as_slice()) {
        // Providers take no message without content.
        ("", []) => "(no answer)".to_owned(),
        _ => reply.text,
    };
    let said = Message::Model { text, calls: reply.calls, opaque: reply.opaque };
    let answer = match results.last_mut() {
        None => Message::User { text: [note, feedback].into_iter().flatten().collect::<Vec<_>>().join("\n\n") },
        Some(last) => {
            if let Some(feedback) = feedback {
                (last.content, last.is_error) = (feedback, true);
            }
            Message::Results { results }
        }
    };
    [said, answer]
}

/// Who the agent is, and what it is told first.
async fn opening(blobs: &dyn Blobs, of: &AgentRun, prepared: &AgentPrepared, n: u16, agent: &AgentStage) -> Result<Prompt, Lost> {
    let context: super::context::Context = kept(blobs, &prepared.context).await?;
    let role_prompt = match prepared.prompts.get(agent.role.name.as_str()) {
        Some(blob) => Some(kept::<String>(blobs, blob).await?),
        None => None,
    };
    let input = PromptInput {
        role: &agent.role.name,
        role_prompt: role_prompt.as_deref(),
        task: &of.spec.task,
        inputs: &inputs(prepared),
        sections: &context.sections,
        earlier: &earlier(of, n),
        feedback: None,
        delimiter: &prepared.delimiter,
        tools: &agent.role.tools,
        network: prepared.pipeline.network,
        protected: &prepared.protected,
        turns: agent.turns_max,
        minutes: agent.secs_max / 60,
    };
    prompt::render(&input).map_err(Lost::Never)
}

/// What it is given beside the task: name, value, and what the file says that it is.
fn inputs(prepared: &AgentPrepared) -> Vec<InputShown<'_>> {
    let declared = &prepared.pipeline.inputs;
    let shown = declared.iter().filter_map(|input| {
        let value = prepared.inputs.get(&input.name)?;
        Some(InputShown { name: input.name.as_str(), value, description: input.description.as_deref() })
    });
    shown.collect()
}

/// What the stages before handed over, each with its name.
fn earlier(of: &AgentRun, n: u16) -> Vec<(String, String)> {
    let before = of.stages.iter().take(usize::from(n));
    before.filter_map(|stage| Some((stage.name.clone(), stage.handover.as_ref()?.summary.clone()))).collect()
}

/// What a program is told that stands in for an agent.
pub(super) async fn told(blobs: &dyn Blobs, of: &AgentRun, prepared: &AgentPrepared, n: u16) -> Result<String, Lost> {
    let stage = of.stage(n).ok_or_else(|| Lost::Never("the stage is gone".to_owned()))?;
    let context: super::context::Context = kept(blobs, &prepared.context).await?;
    let feedback = stage.feedback.last().map(|feedback| said(of, feedback));
    let inputs = inputs(prepared);
    prompt::task(&of.spec.task, &inputs, &context.sections, &earlier(of, n), feedback.as_deref(), &prepared.delimiter)
        .map_err(Lost::Never)
}

/// What gates said in a round.
fn said(of: &AgentRun, feedback: &Feedback) -> String {
    let round = of.stage(feedback.verify).and_then(|verify| verify.rounds.get(feedback.round));
    let said = |(gate, outcome): &(GateName, Box<StepOutcome>)| {
        format!("gate {gate}: {}\n\n{}", outcome.verdict.title, outcome.verdict.summary)
    };
    round.into_iter().flatten().map(said).collect::<Vec<_>>().join("\n\n")
}

/// What gates have to say against a stage's work, for its agent.
fn against(of: &AgentRun, prepared: &AgentPrepared, stage: &StageRun, feedback: &Feedback) -> Result<String, String> {
    let number = stage.feedback.iter().position(|other| other == feedback).map_or(1, |at| at + 1);
    let left = (prepared.pipeline.tries as usize).saturating_sub(number + 1);
    prompt::feedback(&said(of, feedback), u32::try_from(left).unwrap_or(u32::MAX), &prepared.delimiter)
}

/// Leaves out what tools said long ago, so that all that is said has at most about so many bytes.
fn leave_out(messages: &mut [Message], bytes_max: u64) {
    let size = |message: &Message| -> u64 {
        match message {
            Message::User { text } => text.len() as u64,
            Message::Model { text, calls, .. } => {
                text.len() as u64
                    + calls.iter().map(|call| serde_json::to_vec(call).map_or(0, |json| json.len() as u64)).sum::<u64>()
            }
            Message::Results { results } => results.iter().map(|result| result.content.len() as u64).sum(),
        }
    };
    let mut total: u64 = messages.iter().map(size).sum();
    let mut exchanges = messages.get_mut(1..).unwrap_or_default().chunks_mut(2 * LEFT_OUT_TURNS).peekable();
    while total > bytes_max {
        let Some(exchange) = exchanges.next().filter(|_| exchanges.peek().is_some()) else { return };
        for message in exchange {
            let before = size(message);
            shorten(message);
            total -= before.saturating_sub(size(message));
        }
    }
}

/// What is still worth knowing of an old message: what was done, and that something came of it.
fn shorten(message: &mut Message) {
    const WORTH: usize = 200;
    let cut = |text: &mut String| {
        if text.len() > WORTH {
            let bytes = text.len();
            *text = format!("[{bytes} bytes, left out to save room. Use the tool again if you need them.]");
        }
    };
    match message {
        Message::User { .. } => {}
        Message::Model { calls, .. } => {
            for call in calls {
                if let Arguments::Json(serde_json::Value::Object(values)) = &mut call.arguments {
                    for value in values.values_mut() {
                        if let serde_json::Value::String(text) = value {
                            cut(text);
                        }
                    }
                }
            }
        }
        Message::Results { results } => results.iter_mut().for_each(|result| cut(&mut result.content)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(bytes: usize) -> Message {
        let content = "x".repeat(bytes);
        Message::Results { results: vec![ToolResult { call: "1".to_owned(), name: "read".to_owned(), content, is_error: false }] }
    }

    fn said() -> Message {
        Message::Model { text: "I read.".to_owned(), calls: Vec::new(), opaque: None }
    }

    #[test]
    fn what_tools_said_long_ago_is_left_out_for_some_turns_at_a_time() {
        let mut messages = vec![Message::User { text: "mend it".to_owned() }];
        messages.extend((0..20).flat_map(|_| [said(), results(1_000)]));
        let left = |messages: &[Message]| {
            messages
                .iter()
                .filter(|message| matches!(message, Message::Results { results } if results[0].content.len() == 1_000))
                .count()
        };
        let mut all = messages.clone();
        leave_out(&mut all, 100_000);
        assert_eq!(left(&all), 20);
        for room in [19_000, 13_000] {
            let mut some = messages.clone();
            leave_out(&mut some, room);
            assert_eq!(left(&some), 12, "of 20 the first 8 go together");
        }
        let mut some = messages.clone();
        leave_out(&mut some, 1);
        assert_eq!(left(&some), 4, "the last ones stay whatever their size");
    }
}
