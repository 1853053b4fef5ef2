//! Ollama's `POST /api/chat`, without a stream.
//!
//! Arguments are objects and calls have no ids: results go by the tool's name and their order. A failure may come as an `error` under
//! a 200.

use gatewright_core::model::{Finish, Usage};
use serde::Deserialize;
use serde_json::{Value, json};

use super::chat::tools;
use super::{Calls, Dialect, Unread, Wire, arguments_of, finish};
use crate::conversation::{Conversation, Turn, Used};
use crate::trouble::Said;

pub(crate) struct Ollama {
    pub(crate) context_tokens: Option<u32>,
}

impl Wire for Ollama {
    fn path(&self, _model: &str) -> String {
        "/api/chat".to_owned()
    }

    fn body(&self, conversation: &Conversation<'_>, model: &str) -> Value {
        let mut messages = Vec::new();
        if !conversation.system.trim().is_empty() {
            messages.push(json!({ "role": "system", "content": conversation.system }));
        }
        conversation.turns.iter().for_each(|turn| add(turn, &mut messages));
        let mut body = json!({
            "model": model,
            "messages": messages,
            "stream": false,
            "options": { "num_predict": conversation.tokens_max },
        });
        if let Some(tokens) = self.context_tokens {
            body["options"]["num_ctx"] = json!(tokens);
        }
        if !conversation.tools.is_empty() {
            body["tools"] = tools(conversation);
        }
        body
    }

    fn read(&self, body: &[u8], _model: &str) -> Result<Said, Unread> {
        let answer: Answer = serde_json::from_slice(body).map_err(|error| Unread::shape(&error))?;
        let usage =
            Usage { input: answer.prompt_eval_count.unwrap_or(0), output: answer.eval_count.unwrap_or(0), ..Usage::default() };
        if let Some(words) = answer.error {
            return Err(Unread::Failed { words, usage });
        }
        if answer.done == Some(false) {
            return Err(Unread::Failed { words: "the answer ends before it is done".to_owned(), usage });
        }
        let Some(message) = answer.message else { return Err(Unread::Shape("the answer has no `message`".to_owned())) };
        let mut calls = Calls::default();
        for call in message.tool_calls.unwrap_or_default() {
            calls.push(call.id, call.function.name.unwrap_or_default(), arguments_of(call.function.arguments));
        }
        let why = match answer.done_reason.as_deref() {
            Some("stop") | None => Finish::End,
            Some("length") => Finish::Length,
            Some(_) => Finish::Other,
        };
        let finish = finish(why, &calls);
        Ok(Said { text: message.content.unwrap_or_default(), calls: calls.0, opaque: None, finish, usage })
    }

    fn dialect(&self) -> Dialect {
        Dialect::Ollama
    }
}

fn add(turn: &Turn<'_>, messages: &mut Vec<Value>) {
    match turn {
        Turn::Ours { results, text } => {
            messages.extend(
                results.iter().map(|result| json!({ "role": "tool", "tool_name": result.name, "content": result.told() })),
            );
            messages.extend(text.iter().map(|text| json!({ "role": "user", "content": text })));
        }
        Turn::Theirs { text, calls, opaque: _ } => {
            let mut message = json!({ "role": "assistant", "content": text });
            if !calls.is_empty() {
                message["tool_calls"] = calls.iter().map(call).collect();
            }
            messages.push(message);
        }
    }
}

fn call(call: &Used<'_>) -> Value {
    json!({ "function": { "name": call.name, "arguments": call.arguments } })
}

#[derive(Deserialize)]
struct Answer {
    message: Option<Message>,
    done: Option<bool>,
    done_reason: Option<String>,
    prompt_eval_count: Option<u64>,
    eval_count: Option<u64>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
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
