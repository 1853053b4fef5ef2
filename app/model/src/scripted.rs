//! A model that answers from a script, and fails when it is asked something that the script does not expect.
//!
//! For tests, for trying pipelines out, and for the demo: everything but the model is real. Where a conversation stands is found from the
//! question itself, by how often the model has spoken in it, so that many conversations go on at once and none of them minds a restart
//! of the service. The one thing kept in memory is how often a failure was acted out: after a restart it is acted out again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gatewright_core::RunId;
use gatewright_core::model::{
    Arguments, Ask, Circuit, Finish, Message, Model, ModelError, ModelName, Price, ProviderHealth, Reply, ToolCall, Usage,
};

use crate::trouble::{Said, Trouble};

mod script;

pub use script::{Call, Conversation, Exchange, Expect, Fail, FailKind, Said as Answer, Script, ScriptError, Texts, Tokens};

/// Of what was asked so many characters are shown where it is not what was expected.
const SHOWN_CHARS_MAX: usize = 400;

/// So many places of conversations are remembered for the failures acted out there. Beyond it those of the oldest runs are forgotten,
/// and their failures acted out again.
const ACTED_MAX: usize = 10_000;

/// A place in a script: a conversation and an exchange of it, from 0.
type Place = (usize, usize);

/// A model that answers from a script.
#[derive(Debug)]
pub struct Scripted {
    script: Script,
    price: Option<Price>,
    /// How many of its failures an exchange has acted out for a run.
    acted: Mutex<BTreeMap<(RunId, Place), usize>>,
    reached: Mutex<BTreeSet<Place>>,
}

impl Scripted {
    /// The provider's name, where the script itself is the model and not one of the server file.
    pub const PROVIDER: &'static str = "scripted";

    /// A model that answers from this script.
    pub fn new(script: Script) -> Self {
        Scripted { script, price: None, acted: Mutex::default(), reached: Mutex::default() }
    }

    /// The same with a price, where the script itself is the model and not one of the server file.
    #[must_use]
    pub fn with_price(self, price: Price) -> Self {
        Scripted { price: Some(price), ..self }
    }

    /// The exchanges that nobody has asked for yet, for tests: `conversation 1, exchange 2`.
    pub fn unasked(&self) -> Vec<String> {
        let reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        let all = self.script.conversations.iter().enumerate();
        let places = all.flat_map(|(at, conversation)| (0..conversation.exchanges.len()).map(move |nth| (at, nth)));
        places.filter(|place| !reached.contains(place)).map(named).collect()
    }

    /// What the script says to this.
    pub(crate) async fn answer(&self, ask: &Ask) -> Result<Said, Trouble> {
        let place = self.place(ask).map_err(|cause| Trouble::Invalid { cause })?;
        let exchange = &self.script.conversations[place.0].exchanges[place.1];
        exchange
            .expect
            .check(ask)
            .map_err(|wrong| Trouble::Invalid { cause: format!("the script, {}: {wrong}", named(place)) })?;
        self.reached.lock().unwrap_or_else(PoisonError::into_inner).insert(place);
        if exchange.delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(exchange.delay_ms)).await;
        }
        match (self.failure(ask.run, place, exchange), &exchange.reply) {
            (Some(fail), _) => Err(fail.trouble()),
            (None, Some(answer)) => Ok(answer.said(ask, place)),
            (None, None) => Err(Trouble::Invalid { cause: format!("the script, {}: there is no reply", named(place)) }),
        }
    }

    /// Where in the script this question is.
    fn place(&self, ask: &Ask) -> Result<Place, String> {
        let first = ask.messages.iter().find_map(|message| match message {
            Message::User { text } => Some(text.as_str()),
            Message::Model { .. } | Message::Results { .. } => None,
        });
        let first = first.unwrap_or_default();
        let matches = |conversation: &Conversation| {
            conversation.matches.iter().all(|text| ask.system.contains(text) || first.contains(text))
        };
        let Some(at) = self.script.conversations.iter().position(matches) else {
            return Err(format!("the script has no conversation that begins like this: {}", shown(first)));
        };
        let nth = ask.messages.iter().filter(|message| matches!(message, Message::Model { .. })).count();
        let exchanges = self.script.conversations[at].exchanges.len();
        if nth < exchanges {
            return Ok((at, nth));
        }
        let last = ask.messages.last().map(said).unwrap_or_default();
        Err(format!("the script's conversation {} ends after {exchanges} exchanges; asked on was: {}", at + 1, shown(&last)))
    }

    /// The failure that is to be acted out now. One without a reply behind it goes on for ever.
    fn failure<'e>(&self, run: RunId, place: Place, exchange: &'e Exchange) -> Option<&'e Fail> {
        if exchange.fails.is_empty() {
            return None;
        }
        let mut acted = self.acted.lock().unwrap_or_else(PoisonError::into_inner);
        let nth = acted.entry((run, place)).or_default();
        let fail = exchange.fails.get(*nth);
        *nth = nth.saturating_add(1);
        while acted.len() > ACTED_MAX {
            acted.pop_first();
        }
        fail.or_else(|| exchange.fails.last().filter(|_| exchange.reply.is_none()))
    }
}

#[async_trait]
impl Model for Scripted {
    async fn reply(&self, ask: &Ask) -> Result<Reply, ModelError> {
        let model = ask.models.first().cloned().unwrap_or_else(own_name);
        match tokio::time::timeout(ask.within, self.answer(ask)).await {
            Ok(Ok(said)) => Ok(Reply {
                text: said.text,
                calls: said.calls,
                opaque: said.opaque,
                finish: said.finish,
                usage: said.usage,
                micro_usd: self.price(&model).map(|price| price.of(&said.usage)),
                model,
            }),
            Ok(Err(trouble)) => Err(error(trouble, &model)),
            Err(_) => Err(ModelError::Unavailable { cause: "no answer in time".to_owned(), after: None }),
        }
    }

    fn price(&self, _model: &ModelName) -> Option<Price> {
        self.price
    }

    fn usual(&self) -> Vec<ModelName> {
        vec![own_name()]
    }

    fn unknown(&self, _model: &ModelName) -> Option<String> {
        None
    }

    fn health(&self) -> Vec<ProviderHealth> {
        vec![ProviderHealth { provider: Self::PROVIDER.to_owned(), circuit: Circuit::Closed, last_failure: None }]
    }
}

fn own_name() -> ModelName {
    format!("{}/model", Scripted::PROVIDER).parse().expect("a provider and a name")
}

fn error(trouble: Trouble, model: &ModelName) -> ModelError {
    let provider = model.provider().to_owned();
    match trouble {
        Trouble::Busy { cause, after, .. } => ModelError::Unavailable { cause, after },
        Trouble::Garbled { cause, .. } => ModelError::Unavailable { cause, after: None },
        Trouble::SpendLimit { cause } => ModelError::SpendLimit { provider, cause },
        Trouble::NotAllowed { cause } => ModelError::NotAllowed { provider, model: model.name().to_owned(), cause },
        Trouble::Invalid { cause } => ModelError::Invalid { provider, cause },
    }
}

impl Expect {
    /// The error names the expectation and what came.
    fn check(&self, ask: &Ask) -> Result<(), String> {
        let last = ask.messages.last().map(said).unwrap_or_default();
        let missing = |texts: &Texts, place: &str, text: &str| match texts.iter().find(|wanted| !text.contains(*wanted)) {
            Some(wanted) => Err(format!("`{wanted}` is expected in {place}, which is: {}", shown(text))),
            None => Ok(()),
        };
        missing(&self.last, "the last message", &last)?;
        missing(&self.system, "the system text", &ask.system)?;
        let offered: Vec<&str> = ask.tools.iter().map(|tool| tool.name.as_str()).collect();
        match self.tools.iter().find(|tool| !offered.contains(tool)) {
            Some(tool) if offered.is_empty() => Err(format!("the tool `{tool}` is expected to be offered, and none is")),
            Some(tool) => Err(format!("the tool `{tool}` is expected to be offered, which are: {}", offered.join(", "))),
            None => Ok(()),
        }
    }
}

impl Answer {
    fn said(&self, ask: &Ask, place: Place) -> Said {
        // The ids are the same whenever the same question is asked.
        let at = ask.messages.len();
        let call = |(nth, call): (usize, &Call)| ToolCall {
            id: call.id.clone().unwrap_or_else(|| format!("call_{}_{at}_{nth}", place.0)),
            name: call.tool.clone(),
            arguments: match &call.malformed {
                Some(text) => Arguments::Malformed(text.clone()),
                None => Arguments::Json(call.arguments.clone()),
            },
        };
        let calls: Vec<ToolCall> = self.calls.iter().enumerate().map(call).collect();
        let usual = if calls.is_empty() { Finish::End } else { Finish::Tools };
        Said { text: self.text.clone(), calls, opaque: None, finish: self.finish.unwrap_or(usual), usage: self.usage.into() }
    }
}

impl Fail {
    fn trouble(&self) -> Trouble {
        let cause = format!("the script acts out a failure: {}", self.kind.words());
        let after = self.after_secs.map(Duration::from_secs);
        match self.kind {
            FailKind::RateLimited | FailKind::Overloaded => Trouble::Busy { cause, after, soon: true },
            FailKind::Garbled => Trouble::Garbled { cause, usage: Usage::default(), broken: true },
            FailKind::SpendLimit => Trouble::SpendLimit { cause },
            FailKind::NotAllowed => Trouble::NotAllowed { cause },
            FailKind::Invalid => Trouble::Invalid { cause },
        }
    }
}

/// What a message says, as one text.
fn said(message: &Message) -> String {
    match message {
        Message::User { text } | Message::Model { text, .. } => text.clone(),
        Message::Results { results } => results.iter().map(|result| result.content.as_str()).collect::<Vec<_>>().join("\n"),
    }
}

fn shown(text: &str) -> String {
    let plain: String = text.chars().take(SHOWN_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() > SHOWN_CHARS_MAX { format!("{plain}...") } else { plain }
}

fn named((conversation, exchange): Place) -> String {
    format!("conversation {}, exchange {}", conversation + 1, exchange + 1)
}
