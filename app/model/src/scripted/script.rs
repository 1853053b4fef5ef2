//! What a script holds, and how its file is read.

use gatewright_core::model::{Finish, Usage};
use serde::Deserialize;
use serde_json::{Map, Value};

/// A script: conversations, of which the first one that matches is had.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// At least one.
    pub conversations: Vec<Conversation>,
}

/// A conversation.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conversation {
    /// It is the one that is meant where all of these texts are in the system text or in the first message. None: it always is.
    #[serde(default, rename = "match")]
    pub matches: Texts,
    /// What is asked and answered, in order: the first one where the model has not spoken yet.
    pub exchanges: Vec<Exchange>,
}

/// A question and its answer. It has failures, a reply, or both.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// What has to be asked. Anything else is an error that names what came.
    #[serde(default)]
    pub expect: Expect,
    /// What is answered instead, in order, the first times. Without a reply the last one is answered for ever.
    #[serde(default)]
    pub fails: Vec<Fail>,
    /// The answer.
    pub reply: Option<Said>,
    /// It takes so long, in milliseconds.
    #[serde(default)]
    pub delay_ms: u64,
}

/// What has to be asked.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Texts that are in the last message: the user's, or what the tools said.
    #[serde(default)]
    pub last: Texts,
    /// Texts that are in the system text, such as the role's.
    #[serde(default)]
    pub system: Texts,
    /// Tools that are offered.
    #[serde(default)]
    pub tools: Texts,
}

/// An answer.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// What it says.
    #[serde(default)]
    pub text: String,
    /// The tools that it wants used.
    #[serde(default)]
    pub calls: Vec<Call>,
    /// What it used.
    #[serde(default)]
    pub usage: Tokens,
    /// Why it ends. None: that follows from whether there are calls.
    pub finish: Option<Finish>,
}

/// A tool that it wants used.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The tool.
    pub tool: String,
    /// What it is given.
    #[serde(default = "no_arguments")]
    pub arguments: Value,
    /// What it is given instead, as text that is no JSON.
    pub malformed: Option<String>,
    /// The call's id. None: one is made, always the same one for the same question.
    pub id: Option<String>,
}

fn no_arguments() -> Value {
    Value::Object(Map::new())
}

/// What an answer used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tokens {
    /// What it was asked.
    pub input: u64,
    /// What of it was kept.
    pub cache_read: u64,
    /// What of it is kept from now on.
    pub cache_write: u64,
    /// What it answered.
    pub output: u64,
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Usage {
        let Tokens { input, cache_read, cache_write, output } = tokens;
        Usage { input, cache_read, cache_write, output }
    }
}

/// A failure to act out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fail {
    /// Which one.
    pub kind: FailKind,
    /// After so many seconds it says to come again.
    pub after_secs: Option<u64>,
}

/// Which failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailKind {
    /// Too many questions.
    RateLimited,
    /// Too much to do.
    Overloaded,
    /// An answer that cannot be read.
    Garbled,
    /// The account's limit of spending.
    SpendLimit,
    /// The key, or the model's name.
    NotAllowed,
    /// The question.
    Invalid,
}

impl FailKind {
    pub(super) fn words(self) -> &'static str {
        match self {
            FailKind::RateLimited => "rate limited",
            FailKind::Overloaded => "overloaded",
            FailKind::Garbled => "an answer that cannot be read",
            FailKind::SpendLimit => "the limit of spending",
            FailKind::NotAllowed => "not allowed",
            FailKind::Invalid => "not a valid question",
        }
    }
}

/// A text, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Texts {
    /// One.
    One(String),
    /// Any number.
    Many(Vec<String>),
}

impl Default for Texts {
    fn default() -> Self {
        Texts::Many(Vec::new())
    }
}

impl Texts {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let texts = match self {
            Texts::One(text) => std::slice::from_ref(text),
            Texts::Many(texts) => texts,
        };
        texts.iter().map(String::as_str)
    }
}

impl From<&str> for Texts {
    fn from(text: &str) -> Self {
        Texts::One(text.to_owned())
    }
}

/// A file that is no script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no script of a model: {0}")]
pub struct ScriptError(String);

impl Script {
    /// A script's file may have so many bytes.
    pub const BYTES_MAX: usize = 4 * 1024 * 1024;

    /// Reads YAML or JSON.
    pub fn read(text: &str) -> Result<Script, ScriptError> {
        if text.len() > Self::BYTES_MAX {
            return Err(ScriptError(format!("it has more than {} bytes", Self::BYTES_MAX)));
        }
        let script: Script = serde_saphyr::from_str(text).map_err(|error| {
            let said = error.to_string();
            ScriptError(said.strip_prefix("error: ").unwrap_or(&said).to_owned())
        })?;
        script.check()?;
        Ok(script)
    }

    fn check(&self) -> Result<(), ScriptError> {
        if self.conversations.is_empty() {
            return Err(ScriptError("it has no conversation".to_owned()));
        }
        for (at, conversation) in self.conversations.iter().enumerate() {
            let mute = conversation.exchanges.iter().position(|exchange| exchange.reply.is_none() && exchange.fails.is_empty());
            if let Some(nth) = mute {
                return Err(ScriptError(format!("{} has neither `reply` nor `fails`", super::named((at, nth)))));
            }
        }
        Ok(())
    }
}
