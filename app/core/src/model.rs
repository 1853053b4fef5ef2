//! Language models: what an agent asks of them, what they answer, and the trait that the adapter of providers implements.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::{InvalidId, RunId};
use crate::sandbox::Injection;

/// A model, as the repository file and the server file write it: `PROVIDER/NAME`, such as `anthropic/claude-sonnet-4-5`. The provider is
/// a name of the server file, so that no name is ever guessed to belong to one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelName {
    provider: String,
    name: String,
}

impl ModelName {
    /// The rule in words, for error texts.
    pub const RULE: &'static str =
        "PROVIDER/NAME, such as anthropic/claude-sonnet-4-5, of at most 200 printable characters without spaces";

    /// The provider, by its name in the server file.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The model, as the provider calls it. May hold slashes.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for ModelName {
    type Err = InvalidId;
    fn from_str(s: &str) -> Result<Self, InvalidId> {
        let printable = s.len() <= 200 && s.chars().all(|c| c.is_ascii_graphic());
        match s.split_once('/') {
            Some((provider, name)) if printable && !provider.is_empty() && !name.is_empty() => {
                Ok(ModelName { provider: provider.to_owned(), name: name.to_owned() })
            }
            Some(_) | None => Err(crate::ids::invalid("model", s, Self::RULE)),
        }
    }
}

impl TryFrom<String> for ModelName {
    type Error = InvalidId;
    fn try_from(s: String) -> Result<Self, InvalidId> {
        s.parse()
    }
}

impl From<ModelName> for String {
    fn from(model: ModelName) -> String {
        model.to_string()
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.name)
    }
}

/// One question to a model: everything that was said so far, and what it may use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// The run that asks, for logs.
    pub run: RunId,
    /// The stage of its pipeline that asks, for whoever answers by a journal.
    #[serde(default)]
    pub stage: u16,
    /// Which of the stage's turns it is, from 1.
    #[serde(default)]
    pub turn: u32,
    /// The models that may answer, the one to ask first at the front. The others are asked where one cannot answer now.
    pub models: Vec<ModelName>,
    /// What the model is. The same for all turns of a stage, so providers may keep it.
    pub system: String,
    /// What was said so far, in order. The first one is the user's, and those of both sides alternate.
    pub messages: Vec<Message>,
    /// What it may use.
    pub tools: Vec<ToolSpec>,
    /// The answer may have so many tokens.
    pub tokens_max: u32,
    /// It is given up after this time, over all models and tries.
    pub within: Duration,
}

/// Something that was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum Message {
    /// By us.
    User {
        /// What.
        text: String,
    },
    /// By the model.
    Model {
        /// What.
        text: String,
        /// The tools that it wants used.
        calls: Vec<ToolCall>,
        /// What its provider wants to get back with it, unread (Gemini's thought signatures).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        opaque: Option<Value>,
    },
    /// What its tools said: one result for each call of the message before.
    Results {
        /// In the order of the calls.
        results: Vec<ToolResult>,
    },
}

/// A tool that a model may use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Its name.
    pub name: String,
    /// What it does, for the model.
    pub about: String,
    /// What it takes: a JSON Schema of an object.
    pub takes: Value,
}

/// A tool that a model wants used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The provider's id of it; where the provider has none, one that we made.
    pub id: String,
    /// The tool. May be one that does not exist.
    pub name: String,
    /// What it is given.
    pub arguments: Arguments,
}

/// What a tool is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "value")]
pub enum Arguments {
    /// JSON.
    Json(Value),
    /// Text that is no JSON.
    Malformed(String),
}

/// What a tool said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolResult {
    /// The call's id.
    pub call: String,
    /// The tool. Some providers match results by it.
    pub name: String,
    /// What it said.
    pub content: String,
    /// Whether it failed.
    pub is_error: bool,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// What it says.
    pub text: String,
    /// The tools that it wants used.
    pub calls: Vec<ToolCall>,
    /// See [`Message::Model`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opaque: Option<Value>,
    /// Why it ends.
    pub finish: Finish,
    /// What was used over all tries and models that are billed, this answer among them.
    pub usage: Usage,
    /// The model that answered.
    pub model: ModelName,
    /// What asking came to over all tries and models, in millionths of a US dollar. None: the price of one of them is not known.
    pub micro_usd: Option<u64>,
}

/// Why an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model has said what it wanted to.
    End,
    /// It wants tools used.
    Tools,
    /// It reached its limit of tokens: the last call may be cut off.
    Length,
    /// It will not answer that.
    Refused,
    /// Something else.
    Other,
}

/// What an answer used, in tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// What it was asked, without what follows.
    pub input: u64,
    /// What of it the provider had kept.
    pub cache_read: u64,
    /// What of it the provider keeps from now on.
    pub cache_write: u64,
    /// What it answered.
    pub output: u64,
}

impl Usage {
    /// All of them.
    pub fn total(&self) -> u64 {
        [self.input, self.cache_read, self.cache_write, self.output].into_iter().fold(0, u64::saturating_add)
    }
}

/// What a model costs, in millionths of a US dollar for a million tokens: 3.00 USD are 3,000,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// What it is asked.
    pub input: u64,
    /// What of it the provider had kept.
    pub cache_read: u64,
    /// What of it the provider keeps from now on.
    pub cache_write: u64,
    /// What it answers.
    pub output: u64,
}

impl Price {
    /// What this use costs, rounded up, in millionths of a US dollar.
    pub fn of(&self, usage: &Usage) -> u64 {
        let part = |tokens: u64, price: u64| u128::from(tokens) * u128::from(price);
        let sum = part(usage.input, self.input)
            + part(usage.cache_read, self.cache_read)
            + part(usage.cache_write, self.cache_write)
            + part(usage.output, self.output);
        u64::try_from(sum.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

/// Why there is no answer. Whatever could be tried again, or asked of another model, was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// Nobody can answer now: a limit, an overload, an open circuit, no connection. Asking later may help.
    #[error("no model answers now: {cause}")]
    Unavailable {
        /// What happened, without any secret and without what was asked.
        cause: String,
        /// When to ask again, where a provider says so.
        after: Option<Duration>,
    },
    /// The account's own limit of spending is reached. Asking again would not help until somebody raises it.
    #[error("the limit of spending at {provider} is reached: {cause}")]
    SpendLimit {
        /// The provider.
        provider: String,
        /// Its words.
        cause: String,
    },
    /// The provider does not take the key, or does not know the model.
    #[error("{provider} does not let us ask {model}: {cause}")]
    NotAllowed {
        /// The provider.
        provider: String,
        /// The model.
        model: String,
        /// Its words.
        cause: String,
    },
    /// The provider will not take the question as it is: it is too long, or not what it expects.
    #[error("{provider} did not take the question: {cause}")]
    Invalid {
        /// The provider.
        provider: String,
        /// Its words.
        cause: String,
    },
    /// The server file has no such provider.
    #[error("{0}")]
    Unknown(String),
}

/// How a provider is, as its circuit breaker knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderHealth {
    /// Its name in the server file.
    pub provider: String,
    /// Whether it is asked.
    pub circuit: Circuit,
    /// The last failure, for people.
    pub last_failure: Option<String>,
}

/// Whether a provider is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Circuit {
    /// It is.
    Closed,
    /// It failed too often and is left alone.
    Open {
        /// Until then.
        until: Timestamp,
    },
    /// One question is let through, to see whether it answers again.
    HalfOpen,
}

/// Asks language models. Retries, fallbacks, circuit breakers and time limits are the adapter's.
#[async_trait]
pub trait Model: Send + Sync {
    /// Answers one turn.
    async fn reply(&self, ask: &Ask) -> Result<Reply, ModelError>;

    /// What a model costs. None where nobody has said so.
    fn price(&self, model: &ModelName) -> Option<Price>;

    /// The models to ask where nothing else is said, the first one at the front. Empty: there are none, and no agent can run.
    fn usual(&self) -> Vec<ModelName>;

    /// Why this model cannot be asked whatever happens (its provider is not configured), for people.
    fn unknown(&self, model: &ModelName) -> Option<String>;

    /// How the providers are.
    fn health(&self) -> Vec<ProviderHealth>;

    /// How a sandbox may ask a provider, by its name, without knowing its key. None where there is no such provider with a key
    /// that programs may use.
    fn injection(&self, _provider: &str) -> Option<Injection> {
        None
    }
}

/// No models: what a service without `[[model]]` has.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoModels;

#[async_trait]
impl Model for NoModels {
    async fn reply(&self, _ask: &Ask) -> Result<Reply, ModelError> {
        Err(ModelError::Unknown(NO_MODELS.to_owned()))
    }

    fn price(&self, _model: &ModelName) -> Option<Price> {
        None
    }

    fn usual(&self) -> Vec<ModelName> {
        Vec::new()
    }

    fn unknown(&self, _model: &ModelName) -> Option<String> {
        Some(NO_MODELS.to_owned())
    }

    fn health(&self) -> Vec<ProviderHealth> {
        Vec::new()
    }
}

const NO_MODELS: &str = "no model is configured; the server file needs `[[model]]`";
