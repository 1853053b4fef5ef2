//! OpenAI's Chat Completions, `POST /chat/completions`, and whatever speaks the same.
//!
//! The provider keeps what it was asked by itself and says so in `cached_tokens`. Arguments are texts of JSON.

use gatewright_core::model::{Finish, Usage};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Calls, Dialect, Unread, Wire, arguments_of, finish, opaque, own};
use crate::conversation::{Conversation, Turn, Used};
use crate::trouble::Said;

pub(crate) struct Chat {
    /// Whether it is OpenAI itself. Its models that think refuse `max_tokens`; other servers may know no other.
    pub(crate) openai: bool,
}

impl Wire for Chat {
    fn path(&self, _model: &str) -> String {
        "/chat/completions".to_owned()
    }

    fn body(&self, conversation: &Conversation<'_>, model: &str) -> Value {
        let mut messages = Vec::new();
        if !conversation.system.trim().is_empty() {
            messages.push(json!({ "role": "system", "content": conversation.system }));
        }
        conversation.turns.iter().for_each(|turn| add(turn, model, &mut messages));
        let limit = if self.openai { "max_completion_tokens" } else { "max_tokens" };
        let mut body = json!({ "model": model, "messages": messages, "stream": false });
        body[limit] = json!(conversation.tokens_max);
        if !conversation.tools.is_empty() {
            body["tools"] = tools(conversation);
        }
        body
    }

    fn read(&self, body: &[u8], model: &str) -> Result<Said, Unread> {
        let answer: Answer = serde_json::from_slice(body).map_err(|error| Unread::shape(&error))?;
        let usage: Usage = answer.usage.unwrap_or_default().into();
        if let Some(error) = answer.error {
            let words = error["message"].as_str().or(error.as_str()).unwrap_or("an error without words").to_owned();
            return Err(Unread::Failed { words, usage });
        }
        let Some(choice) = answer.choices.into_iter().next() else {
            return Err(Unread::Shape("the answer has no `choices`".to_owned()));
        };
        let message = choice.message;
        let mut calls = Calls::default();
        for call in message.tool_calls.unwrap_or_default() {
            let function = call.function;
            calls.push(call.id, function.name.unwrap_or_default(), arguments_of(function.arguments));
        }
        let refusal = message.refusal.filter(|refusal| !refusal.is_empty());
        let finish = if refusal.is_some() { Finish::Refused } else { finish(why(choice.finish_reason.as_deref()), &calls) };
        // DeepSeek and others think aloud in a field of their own, and want it back.
        let opaque = message.reasoning_content.map(|thoughts| opaque(self.dialect(), model, json!(thoughts)));
        let text = message.content.or(refusal).unwrap_or_default();
        Ok(Said { text, calls: calls.0, opaque, finish, usage })
    }

    fn dialect(&self) -> Dialect {
        Dialect::OpenAi
    }
}

/// The tools as OpenAI and Ollama take them.
pub(super) fn tools(conversation: &Conversation<'_>) -> Value {
    let tool = |tool: &gatewright_core::model::ToolSpec| {
        json!({
            "type": "function",
            "function": { "name": tool.name, "description": tool.about, "parameters": tool.takes },
        })
    };
    conversation.tools.iter().map(tool).collect()
}

fn add(turn: &Turn<'_>, model: &str, messages: &mut Vec<Value>) {
    match turn {
        Turn::Ours { results, text } => {
            // One message for each result, then what is said besides.
            messages.extend(
                results.iter().map(|result| json!({ "role": "tool", "tool_call_id": result.id, "content": result.told() })),
            );
            messages.extend(text.iter().map(|text| json!({ "role": "user", "content": text })));
        }
        Turn::Theirs { text, calls, opaque } => {
            let mut message = json!({ "role": "assistant", "content": text });
            if !calls.is_empty() {
                message["tool_calls"] = calls.iter().map(call).collect();
            }
            if let Some(thoughts) = own(*opaque, Dialect::OpenAi, model).and_then(Value::as_str) {
                message["reasoning_content"] = json!(thoughts);
            }
            messages.push(message);
        }
    }
}

fn call(call: &Used<'_>) -> Value {
    let arguments = Value::Object(call.arguments.clone()).to_string();
    json!({ "id": call.id, "type": "function", "function": { "name": call.name, "arguments": arguments } })
}

fn why(reason: Option<&str>) -> Finish {
    match reason {
        Some("stop") => Finish::End,
        Some("tool_calls" | "function_call") => Finish::Tools,
        Some("length") => Finish::Length,
        Some("content_filter") => Finish::Refused,
        Some(_) | None => Finish::Other,
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Tokens>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
    refusal: Option<String>,
    reasoning_content: Option<String>,
    tool_calls: Option<Vec<Call>>,
}

#[derive(Deserialize)]
struct Call {
    id: Option<String>,
    #[serde(default)]
    function: Function,
}

#[derive(Default, Deserialize)]
struct Function {
    name: Option<String>,
    arguments: Option<Value>,
}

#[derive(Default, Deserialize)]
struct Tokens {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<Details>,
}

#[derive(Default, Deserialize)]
struct Details {
    cached_tokens: Option<u64>,
}

impl From<Tokens> for Usage {
    /// What was kept is in `prompt_tokens` too.
    fn from(tokens: Tokens) -> Usage {
        let prompt = tokens.prompt_tokens.unwrap_or(0);
        let cached = tokens.prompt_tokens_details.and_then(|details| details.cached_tokens).unwrap_or(0).min(prompt);
        Usage { input: prompt - cached, cache_read: cached, cache_write: 0, output: tokens.completion_tokens.unwrap_or(0) }
    }
}
