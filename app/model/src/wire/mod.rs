//! How providers are spoken to: one file each, that makes the request's body of a conversation and reads the answer's.
//!
//! Bodies are read leniently: what is not known is passed by, what is missing is taken as empty. What cannot be an answer at all is an
//! [`Unread`], never a panic.

use gatewright_core::model::{Arguments, Finish, ToolCall, Usage};
use gatewright_core::secret::{ExposeSecret, SecretString};
use http::header::{AUTHORIZATION, InvalidHeaderValue};
use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::conversation::Conversation;
use crate::trouble::Said;

mod anthropic;
mod chat;
mod gemini;
mod ollama;
mod responses;

pub(crate) use anthropic::Anthropic;
pub(crate) use chat::Chat;
pub(crate) use gemini::Gemini;
pub(crate) use ollama::Ollama;
pub(crate) use responses::Responses;

/// How a provider is spoken to.
pub(crate) trait Wire: Send + Sync {
    /// The path of a question to this model, behind the provider's address.
    fn path(&self, model: &str) -> String;

    /// The header that says who we are.
    fn key_header(&self, key: &SecretString) -> Result<(HeaderName, HeaderValue), InvalidHeaderValue> {
        Ok((AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {}", key.expose_secret()))?))
    }

    /// Another header that the provider wants.
    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        None
    }

    /// The request's body.
    fn body(&self, conversation: &Conversation<'_>, model: &str) -> Value;

    /// The answer in a body that came with a 2xx.
    fn read(&self, body: &[u8], model: &str) -> Result<Said, Unread>;

    /// Which provider's words of refusal are expected.
    fn dialect(&self) -> Dialect;
}

/// Whose words of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Anthropic,
    OpenAi,
    Gemini,
    Perplexity,
    Ollama,
}

impl Dialect {
    fn as_str(self) -> &'static str {
        match self {
            Dialect::Anthropic => "anthropic",
            Dialect::OpenAi => "openai",
            Dialect::Gemini => "gemini",
            Dialect::Perplexity => "perplexity",
            Dialect::Ollama => "ollama",
        }
    }
}

/// Why a body that came with a 2xx is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is not what the provider answers with. Holds none of it.
    Shape(String),
    /// It is a failure in an answer's clothes: the provider's words, and what it used, where it says so.
    Failed { words: String, usage: Usage },
}

impl Unread {
    fn shape(error: &serde_json::Error) -> Unread {
        // Where, not what: the message may hold a piece of the body.
        Unread::Shape(format!("the answer is not what was expected, at line {}, column {}", error.line(), error.column()))
    }
}

/// What a model wants to get back with its answer, with whose it is: nobody else can do anything with it, and some refuse it.
fn opaque(dialect: Dialect, model: &str, value: Value) -> Value {
    json!({ "by": dialect.as_str(), "model": model, "value": value })
}

/// What this very model wants to get back.
fn own<'a>(opaque: Option<&'a Value>, dialect: Dialect, model: &str) -> Option<&'a Value> {
    opaque.filter(|opaque| opaque["by"] == dialect.as_str() && opaque["model"] == model).map(|opaque| &opaque["value"])
}

/// The calls of an answer. A call without an id, or with one that another call of the answer has, gets one of ours.
#[derive(Default)]
struct Calls(Vec<ToolCall>);

impl Calls {
    fn push(&mut self, id: Option<String>, name: String, arguments: Arguments) {
        let taken = |id: &String| self.0.iter().any(|call| call.id == *id);
        let id = id.filter(|id| !id.is_empty() && !taken(id));
        let id = id.unwrap_or_else(|| format!("call_{}", uuid::Uuid::new_v4().simple()));
        self.0.push(ToolCall { id, name, arguments });
    }
}

/// Arguments that came as a text of JSON. No text at all is what models write where a tool takes nothing.
fn arguments(text: &str) -> Arguments {
    if text.trim().is_empty() {
        return Arguments::Json(Value::Object(serde_json::Map::new()));
    }
    serde_json::from_str(text).map_or_else(|_| Arguments::Malformed(text.to_owned()), Arguments::Json)
}

/// Arguments that came as a value: an object, though some servers send a text.
fn arguments_of(value: Option<Value>) -> Arguments {
    match value {
        None | Some(Value::Null) => arguments(""),
        Some(Value::String(text)) => arguments(&text),
        Some(value) => Arguments::Json(value),
    }
}

/// Providers end with a word of their own where tools are wanted, or with the usual one.
fn finish(said: Finish, calls: &Calls) -> Finish {
    match said {
        Finish::End | Finish::Other if !calls.0.is_empty() => Finish::Tools,
        Finish::Tools if calls.0.is_empty() => Finish::End,
        Finish::End | Finish::Tools | Finish::Length | Finish::Refused | Finish::Other => said,
    }
}
