//! Anthropic's Messages API, `POST /v1/messages`.
//!
//! Parts of the request are marked for keeping (prompt caching): the system text, which covers the tools too, and our last two turns, so
//! that the next question finds all but its own last turn kept.

use gatewright_core::model::{Arguments, Finish, Usage};
use gatewright_core::secret::{ExposeSecret, SecretString};
use http::header::InvalidHeaderValue;
use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Calls, Dialect, Unread, Wire, finish, opaque, own};
use crate::conversation::{Conversation, Outcome, Turn, Used};
use crate::trouble::Said;

/// The version of the API that this speaks.
const VERSION: &str = "2023-06-01";

/// So many of our turns are marked for keeping. The API takes four marks in all.
const TURNS_KEPT: usize = 2;

pub(crate) struct Anthropic;

impl Wire for Anthropic {
    fn path(&self, _model: &str) -> String {
        "/v1/messages".to_owned()
    }

    fn key_header(&self, key: &SecretString) -> Result<(HeaderName, HeaderValue), InvalidHeaderValue> {
        Ok((HeaderName::from_static("x-api-key"), HeaderValue::from_str(key.expose_secret())?))
    }

    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        Some((HeaderName::from_static("anthropic-version"), HeaderValue::from_static(VERSION)))
    }

    fn body(&self, conversation: &Conversation<'_>, model: &str) -> Value {
        let mut messages: Vec<Value> = conversation.turns.iter().map(|turn| message(turn, model)).collect();
        keep_last(&mut messages);
        let mut body = json!({ "model": model, "max_tokens": conversation.tokens_max, "messages": messages });
        // No empty text is taken, and no empty list of tools is needed.
        if !conversation.system.trim().is_empty() {
            body["system"] = json!([{ "type": "text", "text": conversation.system, "cache_control": kept() }]);
        }
        if !conversation.tools.is_empty() {
            let tool = |tool: &gatewright_core::model::ToolSpec| json!({ "name": tool.name, "description": tool.about, "input_schema": tool.takes });
            body["tools"] = conversation.tools.iter().map(tool).collect();
        }
        body
    }

    fn read(&self, body: &[u8], model: &str) -> Result<Said, Unread> {
        let answer: Answer = serde_json::from_slice(body).map_err(|error| Unread::shape(&error))?;
        if let Some(error) = answer.error {
            return Err(Unread::Failed { words: error.message, usage: Usage::default() });
        }
        let Some(content) = answer.content else { return Err(Unread::Shape("the answer has no `content`".to_owned())) };
        let (mut text, mut calls, mut thoughts) = (String::new(), Calls::default(), Vec::new());
        for block in content {
            match block["type"].as_str() {
                Some("text") => text.push_str(block["text"].as_str().unwrap_or_default()),
                Some("tool_use") => {
                    let field = |name: &str| block[name].as_str().map(str::to_owned);
                    let input = block.get("input").filter(|input| !input.is_null()).cloned().unwrap_or_else(|| json!({}));
                    calls.push(field("id"), field("name").unwrap_or_default(), Arguments::Json(input));
                }
                // To be sent back unread, before what was said.
                Some("thinking" | "redacted_thinking") => thoughts.push(block),
                Some(_) | None => {}
            }
        }
        let opaque = (!thoughts.is_empty()).then(|| opaque(self.dialect(), model, json!(thoughts)));
        let finish = finish(why(answer.stop_reason.as_deref()), &calls);
        Ok(Said { text, calls: calls.0, opaque, finish, usage: answer.usage.into() })
    }

    fn dialect(&self) -> Dialect {
        Dialect::Anthropic
    }
}

fn kept() -> Value {
    json!({ "type": "ephemeral" })
}

/// Marks the last block of our last turns.
fn keep_last(messages: &mut [Value]) {
    let ours = messages.iter_mut().rev().filter(|message| message["role"] == "user");
    for message in ours.take(TURNS_KEPT) {
        if let Some(block) = message["content"].as_array_mut().and_then(|blocks| blocks.last_mut()) {
            block["cache_control"] = kept();
        }
    }
}

fn message(turn: &Turn<'_>, model: &str) -> Value {
    match turn {
        Turn::Ours { results, text } => {
            // Results have to come first.
            let said = text.iter().map(|text| json!({ "type": "text", "text": text }));
            json!({ "role": "user", "content": results.iter().map(result).chain(said).collect::<Vec<_>>() })
        }
        Turn::Theirs { text, calls, opaque } => {
            let thoughts = own(*opaque, Dialect::Anthropic, model).and_then(Value::as_array).cloned().unwrap_or_default();
            let said = (!text.trim().is_empty()).then(|| json!({ "type": "text", "text": text }));
            let blocks: Vec<Value> = thoughts.into_iter().chain(said).chain(calls.iter().map(call)).collect();
            json!({ "role": "assistant", "content": blocks })
        }
    }
}

fn call(call: &Used<'_>) -> Value {
    json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments })
}

fn result(result: &Outcome<'_>) -> Value {
    json!({
        "type": "tool_result",
        "tool_use_id": result.id,
        "content": result.content,
        "is_error": result.is_error,
    })
}

fn why(reason: Option<&str>) -> Finish {
    match reason {
        Some("end_turn" | "stop_sequence") => Finish::End,
        Some("tool_use") => Finish::Tools,
        Some("max_tokens" | "model_context_window_exceeded") => Finish::Length,
        Some("refusal") => Finish::Refused,
        Some(_) | None => Finish::Other,
    }
}

#[derive(Deserialize)]
struct Answer {
    content: Option<Vec<Value>>,
    stop_reason: Option<String>,
    #[serde(default)]
    usage: Tokens,
    error: Option<Error>,
}

#[derive(Deserialize)]
struct Error {
    #[serde(default)]
    message: String,
}

#[derive(Default, Deserialize)]
struct Tokens {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
}

impl From<Tokens> for Usage {
    /// What was kept is not in `input_tokens`.
    fn from(used: Tokens) -> Usage {
        Usage {
            input: used.input_tokens.unwrap_or(0),
            cache_read: used.cache_read_input_tokens.unwrap_or(0),
            cache_write: used.cache_creation_input_tokens.unwrap_or(0),
            output: used.output_tokens.unwrap_or(0),
        }
    }
}
