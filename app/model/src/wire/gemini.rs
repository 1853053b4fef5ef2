//! Google's Gemini API, `POST /v1beta/models/MODEL:generateContent`.
//!
//! What the model said goes back part by part as it came, since its parts carry signatures of its thoughts that belong to their places,
//! and the API refuses a call without its own. A signature is of use to the model alone that made it: a history that another model
//! wrote goes with the word that the API documents for such a case.

use gatewright_core::model::{Arguments, Finish, Usage};
use gatewright_core::secret::{ExposeSecret, SecretString};
use http::header::InvalidHeaderValue;
use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Calls, Dialect, Unread, Wire, finish, opaque, own};
use crate::conversation::{Conversation, Outcome, Turn, Used};
use crate::trouble::Said;

/// In the place of a signature of which there is none, because another model made the call.
const NOT_SIGNED: &str = "skip_thought_signature_validator";

pub(crate) struct Gemini;

impl Wire for Gemini {
    fn path(&self, model: &str) -> String {
        // A name goes into the path as it is but for what would change which path it is.
        let name: String = model.chars().map(|c| if "?#%\\".contains(c) { '_' } else { c }).collect();
        format!("/v1beta/models/{name}:generateContent")
    }

    fn key_header(&self, key: &SecretString) -> Result<(HeaderName, HeaderValue), InvalidHeaderValue> {
        Ok((HeaderName::from_static("x-goog-api-key"), HeaderValue::from_str(key.expose_secret())?))
    }

    fn body(&self, conversation: &Conversation<'_>, model: &str) -> Value {
        let contents: Vec<Value> = conversation.turns.iter().map(|turn| content(turn, model)).collect();
        let mut body = json!({
            "contents": contents,
            "generationConfig": { "maxOutputTokens": conversation.tokens_max },
        });
        if !conversation.system.trim().is_empty() {
            body["systemInstruction"] = json!({ "parts": [{ "text": conversation.system }] });
        }
        if !conversation.tools.is_empty() {
            let tool = |tool: &gatewright_core::model::ToolSpec| json!({ "name": tool.name, "description": tool.about, "parametersJsonSchema": tool.takes });
            body["tools"] = json!([{ "functionDeclarations": conversation.tools.iter().map(tool).collect::<Vec<_>>() }]);
        }
        body
    }

    fn read(&self, body: &[u8], model: &str) -> Result<Said, Unread> {
        let answer: Answer = serde_json::from_slice(body).map_err(|error| Unread::shape(&error))?;
        let usage: Usage = answer.usage.unwrap_or_default().into();
        let Some(candidate) = answer.candidates.into_iter().next() else {
            // Without a candidate the question itself was refused.
            let Some(reason) = answer.feedback.and_then(|feedback| feedback.block_reason) else {
                return Err(Unread::Failed { words: "the answer has no candidate".to_owned(), usage });
            };
            let text = format!("The question was refused: {reason}");
            return Ok(Said { text, calls: Vec::new(), opaque: None, finish: Finish::Refused, usage });
        };
        let reason = candidate.finish_reason.unwrap_or_default();
        if ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"].contains(&reason.as_str()) {
            return Err(Unread::Failed { words: format!("the model made no valid call ({reason})"), usage });
        }
        let parts = candidate.content.unwrap_or_default().parts;
        let (mut text, mut calls) = (String::new(), Calls::default());
        for part in &parts {
            if let Some(call) = call_of(part) {
                let field = |name: &str| call[name].as_str().map(str::to_owned);
                let args = call.get("args").filter(|args| !args.is_null()).cloned().unwrap_or_else(|| json!({}));
                calls.push(field("id"), field("name").unwrap_or_default(), Arguments::Json(args));
            } else if part["thought"] != true {
                text.push_str(part["text"].as_str().unwrap_or_default());
            }
        }
        let signed = parts.iter().any(|part| part.get("thoughtSignature").is_some());
        let opaque = signed.then(|| opaque(self.dialect(), model, json!(parts)));
        let finish = finish(why(&reason), &calls);
        Ok(Said { text, calls: calls.0, opaque, finish, usage })
    }

    fn dialect(&self) -> Dialect {
        Dialect::Gemini
    }
}

fn content(turn: &Turn<'_>, model: &str) -> Value {
    match turn {
        Turn::Ours { results, text } => {
            let said = text.iter().map(|text| json!({ "text": text }));
            json!({ "role": "user", "parts": results.iter().map(result).chain(said).collect::<Vec<_>>() })
        }
        Turn::Theirs { text, calls, opaque } => {
            json!({ "role": "model", "parts": theirs(text, calls, own(*opaque, Dialect::Gemini, model)) })
        }
    }
}

fn theirs(text: &str, calls: &[Used<'_>], own: Option<&Value>) -> Vec<Value> {
    if let Some(parts) = own.and_then(Value::as_array)
        && parts.iter().filter(|part| call_of(part).is_some()).count() == calls.len()
    {
        return with_ids(parts, calls);
    }
    let said = (!text.trim().is_empty()).then(|| json!({ "text": text }));
    let call = |(nth, call): (usize, &Used<'_>)| {
        let mut part = json!({ "functionCall": { "id": call.id, "name": call.name, "args": call.arguments } });
        // The first call of several is the one that is signed.
        if nth == 0 {
            part["thoughtSignature"] = json!(NOT_SIGNED);
        }
        part
    };
    said.into_iter().chain(calls.iter().enumerate().map(call)).collect()
}

/// The parts as they came, each call with the id and the name that its result has.
fn with_ids(parts: &[Value], calls: &[Used<'_>]) -> Vec<Value> {
    let mut calls = calls.iter();
    let mut parts = parts.to_vec();
    for part in parts.iter_mut().filter_map(|part| part.get_mut("functionCall")?.as_object_mut()) {
        if let Some(call) = calls.next() {
            part.insert("id".to_owned(), json!(call.id));
            part.insert("name".to_owned(), json!(call.name));
        }
    }
    parts
}

/// The call that a part is, if it is one.
fn call_of(part: &Value) -> Option<&Value> {
    part.get("functionCall").filter(|call| call.is_object())
}

fn result(result: &Outcome<'_>) -> Value {
    let key = if result.is_error { "error" } else { "output" };
    json!({ "functionResponse": { "id": result.id, "name": result.name, "response": { key: result.content } } })
}

fn why(reason: &str) -> Finish {
    match reason {
        "STOP" => Finish::End,
        "MAX_TOKENS" => Finish::Length,
        "SAFETY" | "RECITATION" | "PROHIBITED_CONTENT" | "BLOCKLIST" | "SPII" => Finish::Refused,
        _ => Finish::Other,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(default)]
    candidates: Vec<Candidate>,
    #[serde(rename = "promptFeedback")]
    feedback: Option<Feedback>,
    #[serde(rename = "usageMetadata")]
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    content: Option<Content>,
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Content {
    #[serde(default)]
    parts: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    block_reason: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tokens {
    prompt_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
    tool_use_prompt_token_count: Option<u64>,
}

impl From<Tokens> for Usage {
    /// What was kept is in the prompt's count too; thoughts are billed as answers.
    fn from(tokens: Tokens) -> Usage {
        let prompt = tokens.prompt_token_count.unwrap_or(0);
        let cached = tokens.cached_content_token_count.unwrap_or(0).min(prompt);
        Usage {
            input: (prompt - cached).saturating_add(tokens.tool_use_prompt_token_count.unwrap_or(0)),
            cache_read: cached,
            cache_write: 0,
            output: tokens.candidates_token_count.unwrap_or(0).saturating_add(tokens.thoughts_token_count.unwrap_or(0)),
        }
    }
}
