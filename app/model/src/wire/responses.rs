//! The Responses API as Perplexity serves it, `POST /v1/responses`.
//!
//! What was said is a list of items: messages, calls and results each by themselves. Items that are none of these go back unread.

use gatewright_core::model::{Finish, Usage};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Calls, Dialect, Unread, Wire, arguments_of, finish, opaque, own};
use crate::conversation::{Conversation, Turn, Used};
use crate::trouble::Said;

pub(crate) struct Responses;

impl Wire for Responses {
    fn path(&self, _model: &str) -> String {
        "/v1/responses".to_owned()
    }

    fn body(&self, conversation: &Conversation<'_>, model: &str) -> Value {
        let (mut items, mut signatures) = (Vec::new(), Vec::new());
        conversation.turns.iter().for_each(|turn| add(turn, model, &mut items, &mut signatures));
        let mut body = json!({
            "model": model,
            "input": items,
            "max_output_tokens": conversation.tokens_max,
            "stream": false,
        });
        if !conversation.system.trim().is_empty() {
            body["instructions"] = json!(conversation.system);
        }
        if !conversation.tools.is_empty() {
            let tool = |tool: &gatewright_core::model::ToolSpec| json!({ "type": "function", "name": tool.name, "description": tool.about, "parameters": tool.takes });
            body["tools"] = conversation.tools.iter().map(tool).collect();
        }
        body
    }

    fn read(&self, body: &[u8], model: &str) -> Result<Said, Unread> {
        let answer: Answer = serde_json::from_slice(body).map_err(|error| Unread::shape(&error))?;
        let usage: Usage = answer.usage.unwrap_or_default().into();
        if let Some(error) = answer.error.filter(|error| !error.is_null()) {
            let words = error["message"].as_str().unwrap_or("an error without words").to_owned();
            return Err(Unread::Failed { words, usage });
        }
        if let Some(status @ ("failed" | "cancelled" | "in_progress" | "queued")) = answer.status.as_deref() {
            return Err(Unread::Failed { words: format!("the answer is {status}"), usage });
        }
        let Some(output) = answer.output else { return Err(Unread::Shape("the answer has no `output`".to_owned())) };
        let (mut text, mut calls, mut refused) = (String::new(), Calls::default(), false);
        let mut signatures = Vec::new();
        for item in &output {
            match item["type"].as_str() {
                Some("message") => {
                    for part in item["content"].as_array().into_iter().flatten() {
                        refused |= part["type"] == "refusal";
                        text.push_str(part["text"].as_str().or(part["refusal"].as_str()).unwrap_or_default());
                    }
                }
                Some("function_call") => {
                    let field = |name: &str| item[name].as_str().map(str::to_owned);
                    calls.push(field("call_id"), field("name").unwrap_or_default(), arguments_of(item.get("arguments").cloned()));
                    signatures.push(item.get("thought_signature").cloned().unwrap_or_default());
                }
                Some(_) | None => {}
            }
        }
        let signed = signatures.iter().any(|signature| !signature.is_null());
        let opaque = signed.then(|| opaque(self.dialect(), model, json!(signatures)));
        let why = if refused { Finish::Refused } else { why(answer.status.as_deref(), answer.incomplete_details.as_ref()) };
        let finish = finish(why, &calls);
        Ok(Said { text, calls: calls.0, opaque, finish, usage })
    }

    fn dialect(&self) -> Dialect {
        Dialect::Perplexity
    }
}

/// `signatures` are those of the calls that were added last: their results go back with them too.
fn add<'a>(turn: &'a Turn<'a>, model: &str, items: &mut Vec<Value>, signatures: &mut Vec<Option<&'a str>>) {
    let message = |role: &str, text: &str| json!({ "type": "message", "role": role, "content": text });
    match turn {
        Turn::Ours { results, text } => {
            items.extend(results.iter().enumerate().map(|(nth, result)| {
                let (id, name) = (&result.id, &result.name);
                let item = json!({ "type": "function_call_output", "call_id": id, "name": name, "output": result.told() });
                signed(item, signatures.get(nth).copied().flatten())
            }));
            items.extend(text.iter().map(|text| message("user", text)));
        }
        Turn::Theirs { text, calls, opaque } => {
            let own = own(*opaque, Dialect::Perplexity, model).and_then(Value::as_array);
            *signatures = own.into_iter().flatten().map(Value::as_str).collect();
            items.extend((!text.trim().is_empty()).then(|| message("assistant", text)));
            items.extend(calls.iter().enumerate().map(|(nth, used)| signed(call(used), signatures.get(nth).copied().flatten())));
        }
    }
}

fn call(call: &Used<'_>) -> Value {
    let arguments = Value::Object(call.arguments.clone()).to_string();
    json!({ "type": "function_call", "call_id": call.id, "name": call.name, "arguments": arguments })
}

fn signed(mut item: Value, signature: Option<&str>) -> Value {
    if let Some(signature) = signature {
        item["thought_signature"] = json!(signature);
    }
    item
}

fn why(status: Option<&str>, details: Option<&Incomplete>) -> Finish {
    match (status, details.and_then(|details| details.reason.as_deref())) {
        (_, Some("max_output_tokens")) => Finish::Length,
        (_, Some("content_filter")) => Finish::Refused,
        (Some("completed" | "requires_action") | None, _) => Finish::End,
        (Some("incomplete"), None) => Finish::Length,
        (Some(_), _) => Finish::Other,
    }
}

#[derive(Deserialize)]
struct Answer {
    output: Option<Vec<Value>>,
    status: Option<String>,
    incomplete_details: Option<Incomplete>,
    usage: Option<Tokens>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Incomplete {
    reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Tokens {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    input_tokens_details: Option<Details>,
}

#[derive(Default, Deserialize)]
struct Details {
    cached_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
}

impl From<Tokens> for Usage {
    /// What was kept, or is from now on, is in `input_tokens` too.
    fn from(tokens: Tokens) -> Usage {
        let input = tokens.input_tokens.unwrap_or(0);
        let details = tokens.input_tokens_details.unwrap_or_default();
        let read = details.cache_read_input_tokens.or(details.cached_tokens).unwrap_or(0).min(input);
        let write = details.cache_creation_input_tokens.unwrap_or(0).min(input - read);
        Usage { input: input - read - write, cache_read: read, cache_write: write, output: tokens.output_tokens.unwrap_or(0) }
    }
}
