//! The models of a service: who is asked, how often, and who is asked then.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gatewright_core::model::{Ask, Circuit, Finish, Model, ModelError, ModelName, Price, ProviderHealth, Reply, Usage};
use gatewright_core::sandbox::Injection;
use gatewright_core::{RunId, Timestamp};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use crate::breaker::{Breaker, Ticket};
use crate::config::{Config, ConfigError, Endpoint, Kind, Patience, ProviderConfig};
use crate::conversation::Conversation;
use crate::http::Remote;
use crate::injection::injection;
use crate::prices::Prices;
use crate::retry::{Next, next};
use crate::scripted::Scripted;
use crate::trouble::{Said, Trouble};
use crate::wire::{Anthropic, Chat, Gemini, Ollama, Responses};

mod verdict;

use verdict::{Failure, verdict};

pub(crate) const ANTHROPIC_URL: &str = "https://api.anthropic.com";
pub(crate) const OPENAI_URL: &str = "https://api.openai.com/v1";
pub(crate) const GEMINI_URL: &str = "https://generativelanguage.googleapis.com";
pub(crate) const PERPLEXITY_URL: &str = "https://api.perplexity.ai";
const OLLAMA_URL: &str = "http://127.0.0.1:11434";

/// All models of a service.
#[derive(Debug)]
pub struct Models {
    providers: BTreeMap<String, Provider>,
    usual: Vec<ModelName>,
    patience: Patience,
    injections: BTreeMap<String, Injection>,
}

impl Models {
    /// The models of this configuration. Nobody is asked anything.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        describe_metrics();
        let mut providers = BTreeMap::new();
        let injections =
            config.providers.iter().filter_map(|provider| Some((provider.name.clone(), injection(provider)?))).collect();
        for provider in config.providers {
            let name = provider.name.clone();
            let made = Provider::new(provider, &config.patience)?;
            if providers.insert(name.clone(), made).is_some() {
                return Err(ConfigError::SameName(name));
            }
        }
        Ok(Models { providers, usual: config.usual, patience: config.patience, injections })
    }

    /// Asks one model, and again where that may help.
    async fn ask(&self, model: &ModelName, question: &Question<'_>, bill: &mut Bill) -> Result<Said, Failure> {
        let Some(provider) = self.providers.get(model.provider()) else {
            return Err(Failure::Unknown(self.unknown(model).unwrap_or_default()));
        };
        let mut tries = 0;
        loop {
            tries += 1;
            let trouble = match provider.try_once(model, question).await {
                Ok(said) => {
                    bill.add(&said.usage, provider.prices.of(model.name()));
                    // Asked again once, it mostly says something; twice is for whoever asked to decide about.
                    if !said.is_nothing() || tries >= NOTHING_MAX || tries >= self.patience.tries_max {
                        return Ok(said);
                    }
                    Trouble::busy("the answer is empty")
                }
                Err(trouble) => trouble,
            };
            let after = match &trouble {
                Trouble::Garbled { usage, .. } => {
                    bill.add(usage, provider.prices.of(model.name()));
                    None
                }
                Trouble::Busy { after, soon: true, .. } => *after,
                Trouble::Busy { soon: false, .. }
                | Trouble::SpendLimit { .. }
                | Trouble::NotAllowed { .. }
                | Trouble::Invalid { .. } => return Err(Failure::Trouble(model.clone(), trouble)),
            };
            match next(&self.patience, tries, after, question.left(), rand::random()) {
                Next::Again(wait) => sleep(wait).await,
                Next::Another => return Err(Failure::Trouble(model.clone(), trouble)),
            }
        }
    }
}

/// An answer without words and calls is asked for so often in all.
const NOTHING_MAX: u32 = 2;

#[async_trait]
impl Model for Models {
    async fn reply(&self, ask: &Ask) -> Result<Reply, ModelError> {
        let first = ask.models.first().ok_or_else(|| ModelError::Unknown("no model was named".to_owned()))?;
        let conversation = Conversation::of(ask).map_err(|wrong| ModelError::Invalid {
            provider: first.provider().to_owned(),
            cause: format!("the conversation is broken and was not sent: {wrong}"),
        })?;
        let question = Question { ask, conversation, deadline: Instant::now() + ask.within };
        let mut bill = Bill::default();
        let mut failures = Vec::new();
        for model in &ask.models {
            match self.ask(model, &question, &mut bill).await {
                Ok(said) => return Ok(bill.reply(said, model.clone())),
                Err(failure) => failures.push(failure),
            }
        }
        // What was billed is not lost: an answer of which nothing can be read is an answer, if the last one was.
        if let Some(Failure::Trouble(model, Trouble::Garbled { .. })) = failures.last() {
            let nothing =
                Said { text: String::new(), calls: Vec::new(), opaque: None, finish: Finish::Other, usage: Usage::default() };
            return Ok(bill.reply(nothing, model.clone()));
        }
        Err(verdict(failures))
    }

    fn price(&self, model: &ModelName) -> Option<Price> {
        self.providers.get(model.provider())?.prices.of(model.name())
    }

    fn usual(&self) -> Vec<ModelName> {
        self.usual.clone()
    }

    fn unknown(&self, model: &ModelName) -> Option<String> {
        if self.providers.contains_key(model.provider()) {
            return None;
        }
        let names: Vec<&str> = self.providers.keys().map(String::as_str).collect();
        let known = if names.is_empty() { "no `[[model]]`".to_owned() } else { format!("only {}", names.join(", ")) };
        Some(format!("there is no provider `{}` for `{model}`: the server file has {known}", model.provider()))
    }

    fn injection(&self, provider: &str) -> Option<Injection> {
        self.injections.get(provider).cloned()
    }

    fn health(&self) -> Vec<ProviderHealth> {
        let now = Timestamp::now();
        self.providers.values().map(|provider| provider.health(now)).collect()
    }
}

/// What is asked, and until when.
struct Question<'a> {
    ask: &'a Ask,
    conversation: Conversation<'a>,
    deadline: Instant,
}

impl Question<'_> {
    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// What asking comes to, over all tries and models.
#[derive(Default)]
struct Bill {
    usage: Usage,
    micro_usd: u64,
    unpriced: bool,
}

impl Bill {
    fn add(&mut self, usage: &Usage, price: Option<Price>) {
        let sum = |a: u64, b: u64| a.saturating_add(b);
        self.usage = Usage {
            input: sum(self.usage.input, usage.input),
            cache_read: sum(self.usage.cache_read, usage.cache_read),
            cache_write: sum(self.usage.cache_write, usage.cache_write),
            output: sum(self.usage.output, usage.output),
        };
        match price {
            Some(price) => self.micro_usd = sum(self.micro_usd, price.of(usage)),
            None => self.unpriced = true,
        }
    }

    fn reply(self, said: Said, model: ModelName) -> Reply {
        Reply {
            text: said.text,
            calls: said.calls,
            opaque: said.opaque,
            finish: said.finish,
            usage: self.usage,
            model,
            micro_usd: (!self.unpriced).then_some(self.micro_usd),
        }
    }
}

/// A provider, how it is, and how many questions it has.
struct Provider {
    name: String,
    voice: Voice,
    prices: Prices,
    timeout: Duration,
    concurrency: usize,
    /// Questions under way. What waits here has not been sent.
    permits: Semaphore,
    breaker: Mutex<Breaker>,
}

enum Voice {
    Remote(Remote),
    Scripted(Arc<Scripted>),
}

impl Provider {
    fn new(config: ProviderConfig, patience: &Patience) -> Result<Self, ConfigError> {
        let name = config.name;
        let remote = |endpoint: &Endpoint, url: &str, wire| Remote::new(&name, endpoint, url, wire, patience).map(Voice::Remote);
        let voice = match config.kind {
            Kind::Anthropic(endpoint) => remote(&endpoint, ANTHROPIC_URL, Box::new(Anthropic))?,
            Kind::OpenAi(endpoint) => {
                let openai = endpoint.url.as_deref().is_none_or(|url| url.starts_with("https://api.openai.com/"));
                remote(&endpoint, OPENAI_URL, Box::new(Chat { openai }))?
            }
            Kind::Gemini(endpoint) => remote(&endpoint, GEMINI_URL, Box::new(Gemini))?,
            Kind::Perplexity(endpoint) => remote(&endpoint, PERPLEXITY_URL, Box::new(Responses))?,
            Kind::Ollama { endpoint, context_tokens } => remote(&endpoint, OLLAMA_URL, Box::new(Ollama { context_tokens }))?,
            Kind::Scripted(scripted) => Voice::Scripted(scripted),
        };
        let concurrency = config.concurrency.clamp(1, Semaphore::MAX_PERMITS);
        Ok(Provider {
            name,
            voice,
            prices: config.prices,
            timeout: config.timeout,
            concurrency,
            permits: Semaphore::new(concurrency),
            breaker: Mutex::default(),
        })
    }

    /// Asks once, where the circuit lets it.
    async fn try_once(&self, model: &ModelName, question: &Question<'_>) -> Result<Said, Trouble> {
        let Ok(Ok(_permit)) = timeout(question.left(), self.permits.acquire()).await else {
            return Err(Trouble::busy(format!("{} questions to it are under way, which is all at once", self.concurrency)));
        };
        let within = self.timeout.min(question.left());
        if within.is_zero() {
            return Err(Trouble::busy("the time for the question is over"));
        }
        let mut passage = Passage::of(self)?;
        let started = Instant::now();
        let asked = self.voice(model, question, within);
        let outcome = timeout(within, asked).await.unwrap_or_else(|_| Err(Trouble::busy("no whole answer in time")));
        passage.settle(&outcome);
        observe(question.ask.run, model, &outcome, started.elapsed());
        match &outcome {
            Ok(Said { usage, .. }) | Err(Trouble::Garbled { usage, .. }) => {
                count(&self.name, usage, self.prices.of(model.name()))
            }
            Err(Trouble::Busy { .. } | Trouble::SpendLimit { .. } | Trouble::NotAllowed { .. } | Trouble::Invalid { .. }) => {}
        }
        outcome
    }

    async fn voice(&self, model: &ModelName, question: &Question<'_>, within: Duration) -> Result<Said, Trouble> {
        match &self.voice {
            Voice::Remote(remote) => remote.ask(&question.conversation, model.name(), within).await,
            Voice::Scripted(scripted) => scripted.answer(question.ask).await,
        }
    }

    /// The breaker is held only for as long as it takes to look or to write.
    fn with_breaker<T>(&self, now: Timestamp, act: impl FnOnce(&mut Breaker) -> T) -> T {
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let result = act(&mut breaker);
        let state = match breaker.circuit(now) {
            Circuit::Closed => 0.0,
            Circuit::HalfOpen => 1.0,
            Circuit::Open { .. } => 2.0,
        };
        metrics::gauge!("gatewright_model_circuit", "provider" => self.name.clone()).set(state);
        result
    }

    fn health(&self, now: Timestamp) -> ProviderHealth {
        self.with_breaker(now, |breaker| ProviderHealth {
            provider: self.name.clone(),
            circuit: breaker.circuit(now),
            last_failure: breaker.last_failure().map(str::to_owned),
        })
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A question's way through the circuit. One that is given up on the way leaves no probe behind.
struct Passage<'p> {
    provider: &'p Provider,
    ticket: Ticket,
    settled: bool,
}

impl<'p> Passage<'p> {
    fn of(provider: &'p Provider) -> Result<Self, Trouble> {
        let now = Timestamp::now();
        match provider.with_breaker(now, |breaker| breaker.admit(now)) {
            Ok(ticket) => Ok(Passage { provider, ticket, settled: false }),
            Err(after) => {
                let cause = format!("it failed too often and is left alone for {} s", after.as_secs() + 1);
                Err(Trouble::Busy { cause, after: Some(after), soon: false })
            }
        }
    }

    fn settle(&mut self, outcome: &Result<Said, Trouble>) {
        self.settled = true;
        let (now, ticket) = (Timestamp::now(), self.ticket);
        self.provider.with_breaker(now, |breaker| match outcome {
            Ok(_) | Err(Trouble::SpendLimit { .. } | Trouble::NotAllowed { .. } | Trouble::Invalid { .. }) => breaker.answered(),
            Err(Trouble::Busy { cause, after, .. }) => breaker.failed(ticket, now, cause, *after),
            Err(Trouble::Garbled { cause, broken: true, .. }) => breaker.failed(ticket, now, cause, None),
            Err(Trouble::Garbled { broken: false, .. }) => breaker.answered(),
        });
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        if !self.settled {
            let now = Timestamp::now();
            self.provider.with_breaker(now, |breaker| breaker.abandoned(self.ticket, now));
        }
    }
}

fn describe_metrics() {
    metrics::describe_counter!("gatewright_model_requests_total", "Questions to a provider of models, by what came of them");
    metrics::describe_histogram!(
        "gatewright_model_seconds",
        metrics::Unit::Seconds,
        "From a question to a provider to its whole answer"
    );
    metrics::describe_counter!(
        "gatewright_model_tokens_total",
        "Tokens that a provider counted, by kind: input, cache_read, cache_write, output"
    );
    metrics::describe_counter!(
        "gatewright_model_micro_usd_total",
        "What they came to, in millionths of a US dollar, where the price is known"
    );
    metrics::describe_gauge!("gatewright_model_circuit", "Whether a provider is asked: 0 closed, 1 half-open, 2 open");
}

fn observe(run: RunId, model: &ModelName, outcome: &Result<Said, Trouble>, took: Duration) {
    let (word, provider) = (outcome.as_ref().map_or_else(Trouble::outcome, |_| "ok"), model.provider().to_owned());
    metrics::counter!("gatewright_model_requests_total", "provider" => provider.clone(), "outcome" => word).increment(1);
    metrics::histogram!("gatewright_model_seconds", "provider" => provider).record(took.as_secs_f64());
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    match outcome {
        Ok(said) => {
            let tokens = said.usage.total();
            tracing::debug!(run.id = %run, %model, tokens, duration_ms, "a model answered");
        }
        Err(trouble) => {
            tracing::warn!(run.id = %run, %model, cause = trouble.cause(), duration_ms, "a model did not answer");
        }
    }
}

fn count(provider: &str, usage: &Usage, price: Option<Price>) {
    let kinds =
        [("input", usage.input), ("cache_read", usage.cache_read), ("cache_write", usage.cache_write), ("output", usage.output)];
    for (kind, tokens) in kinds.into_iter().filter(|(_, tokens)| *tokens > 0) {
        metrics::counter!("gatewright_model_tokens_total", "provider" => provider.to_owned(), "kind" => kind).increment(tokens);
    }
    if let Some(price) = price {
        metrics::counter!("gatewright_model_micro_usd_total", "provider" => provider.to_owned()).increment(price.of(usage));
    }
}
