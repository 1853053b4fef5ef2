//! What was said so far, as providers will take it: checked, and mended where that changes nothing of what was said.
//!
//! Providers refuse a history in which a call has no result, and some answer nonsense to one in which results are in another order.
//! So that is found here: what cannot be mended is an error, and nothing is sent.

use std::borrow::Cow;
use std::collections::BTreeSet;

use gatewright_core::model::{Arguments, Ask, Message, ToolCall, ToolResult, ToolSpec};
use serde_json::{Map, Value, json};

/// The longest id of a call that all providers take back.
const ID_BYTES_MAX: usize = 40;

/// The longest name of a tool that all providers take back.
const NAME_BYTES_MAX: usize = 64;

/// Stands for a text where a provider takes no empty one.
const NOTHING: &str = "(nothing)";

/// A question in a form that every provider's request is made of.
#[derive(Debug)]
pub(crate) struct Conversation<'a> {
    pub(crate) system: &'a str,
    pub(crate) turns: Vec<Turn<'a>>,
    pub(crate) tools: &'a [ToolSpec],
    pub(crate) tokens_max: u32,
}

/// One side's turn. They alternate, and both the first and the last are ours.
#[derive(Debug)]
pub(crate) enum Turn<'a> {
    /// Ours: what the tools said, and what is said besides. At least one of both.
    Ours { results: Vec<Outcome<'a>>, text: Option<Cow<'a, str>> },
    /// The model's. Where there are no calls there is a text.
    Theirs { text: &'a str, calls: Vec<Used<'a>>, opaque: Option<&'a Value> },
}

/// A tool that the model wanted used.
#[derive(Debug)]
pub(crate) struct Used<'a> {
    pub(crate) id: Cow<'a, str>,
    pub(crate) name: Cow<'a, str>,
    /// Always an object, for that is what all providers take back.
    pub(crate) arguments: Map<String, Value>,
}

/// What a tool said.
#[derive(Debug)]
pub(crate) struct Outcome<'a> {
    pub(crate) id: Cow<'a, str>,
    pub(crate) name: Cow<'a, str>,
    pub(crate) content: &'a str,
    pub(crate) is_error: bool,
}

impl Outcome<'_> {
    /// The content, where a provider has no field for that the tool failed.
    pub(crate) fn told(&self) -> String {
        if self.is_error { format!("The tool failed.\n{}", self.content) } else { self.content.to_owned() }
    }
}

impl<'a> Conversation<'a> {
    /// The error says what is wrong with the history, without any of its text.
    pub(crate) fn of(ask: &'a Ask) -> Result<Self, String> {
        let mut builder = Builder::default();
        for (at, message) in ask.messages.iter().enumerate() {
            builder.add(at, message).map_err(|wrong| format!("message {}: {wrong}", at + 1))?;
        }
        match builder.turns.last() {
            Some(Turn::Ours { .. }) => {
                Ok(Conversation { system: &ask.system, turns: builder.turns, tools: &ask.tools, tokens_max: ask.tokens_max })
            }
            Some(Turn::Theirs { .. }) => Err("the last message is the model's own".to_owned()),
            None => Err("there is no message".to_owned()),
        }
    }
}

#[derive(Default)]
struct Builder<'a> {
    turns: Vec<Turn<'a>>,
    /// The ids of all calls so far, as they are sent.
    ids: BTreeSet<String>,
    /// The calls whose results are to come next, as they were said.
    open: &'a [ToolCall],
}

impl<'a> Builder<'a> {
    fn add(&mut self, at: usize, message: &'a Message) -> Result<(), String> {
        match message {
            Message::User { .. } | Message::Model { .. } if !self.open.is_empty() => {
                Err(format!("{} calls of the message before have no result", self.open.len()))
            }
            Message::User { text } => {
                self.say(text);
                Ok(())
            }
            Message::Model { text, calls, opaque } => self.theirs(at, text, calls, opaque.as_ref()),
            Message::Results { results } => self.results(results),
        }
    }

    /// Two of ours in a row become one.
    fn say(&mut self, said: &'a str) {
        let said = if said.trim().is_empty() { NOTHING } else { said };
        match self.turns.last_mut() {
            Some(Turn::Ours { text: Some(text), .. }) => *text = Cow::Owned(format!("{text}\n\n{said}")),
            Some(Turn::Ours { text, .. }) => *text = Some(Cow::Borrowed(said)),
            Some(Turn::Theirs { .. }) | None => {
                self.turns.push(Turn::Ours { results: Vec::new(), text: Some(Cow::Borrowed(said)) });
            }
        }
    }

    fn theirs(&mut self, at: usize, text: &'a str, calls: &'a [ToolCall], opaque: Option<&'a Value>) -> Result<(), String> {
        if !matches!(self.turns.last(), Some(Turn::Ours { .. })) {
            return Err("the model speaks first, or twice in a row".to_owned());
        }
        let said: BTreeSet<&str> = calls.iter().map(|call| call.id.as_str()).collect();
        if said.len() < calls.len() {
            return Err("two calls have the same id".to_owned());
        }
        let used = |(nth, call): (usize, &'a ToolCall)| Used {
            id: self.id(at, nth, &call.id),
            name: name(&call.name),
            arguments: object(&call.arguments),
        };
        let used: Vec<Used<'a>> = calls.iter().enumerate().map(used).collect();
        let text = if text.trim().is_empty() && calls.is_empty() { NOTHING } else { text };
        self.turns.push(Turn::Theirs { text, calls: used, opaque });
        self.open = calls;
        Ok(())
    }

    /// The id that a call is sent with. One that some provider would not take, or that an earlier call has, is replaced: where the same
    /// history is sent again, by the same one.
    fn id(&mut self, at: usize, nth: usize, said: &'a str) -> Cow<'a, str> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let fits = !said.is_empty() && said.len() <= ID_BYTES_MAX && said.chars().all(plain);
        if fits && self.ids.insert(said.to_owned()) {
            return Cow::Borrowed(said);
        }
        let made = format!("call_{at}_{nth}");
        self.ids.insert(made.clone());
        Cow::Owned(made)
    }

    /// One result for each call, in the calls' order whatever order they came in.
    fn results(&mut self, results: &'a [ToolResult]) -> Result<(), String> {
        let open = std::mem::take(&mut self.open);
        let Some(Turn::Theirs { calls, .. }) = self.turns.last() else { return Err("results without calls".to_owned()) };
        if open.is_empty() {
            return Err("results without calls".to_owned());
        }
        let mut outcomes = Vec::with_capacity(open.len());
        for (call, used) in open.iter().zip(calls) {
            let mut of_call = results.iter().filter(|result| result.call == call.id);
            let (Some(result), None) = (of_call.next(), of_call.next()) else {
                return Err("a call does not have exactly one result".to_owned());
            };
            let (id, name) = (used.id.clone(), used.name.clone());
            outcomes.push(Outcome { id, name, content: &result.content, is_error: result.is_error });
        }
        if results.len() != open.len() {
            return Err("a result is of no call of the message before".to_owned());
        }
        self.turns.push(Turn::Ours { results: outcomes, text: None });
        Ok(())
    }
}

/// A tool's name as providers take it: models call tools that do not exist, by names that no tool could have.
fn name(said: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !said.is_empty() && said.len() <= NAME_BYTES_MAX && said.chars().all(plain) {
        return Cow::Borrowed(said);
    }
    let mended: String = said.chars().take(NAME_BYTES_MAX).map(|c| if plain(c) { c } else { '_' }).collect();
    Cow::Owned(if mended.is_empty() { "unnamed".to_owned() } else { mended })
}

/// What is no object is put into one, for the model to see what it wrote.
fn object(arguments: &Arguments) -> Map<String, Value> {
    let one = |name: &str, value: Value| Map::from_iter([(name.to_owned(), value)]);
    match arguments {
        Arguments::Json(Value::Object(object)) => object.clone(),
        Arguments::Json(Value::Null) => Map::new(),
        Arguments::Json(other) => one("value", other.clone()),
        Arguments::Malformed(text) => one("malformed", json!(text)),
    }
}
