//! Reads `[[model]]` and `[agents]`.

use std::time::Duration;

use gatewright_core::model::{ModelName, Price};
use gatewright_model::Prices;

use super::super::keys::model::KINDS;
use super::super::keys::{listed, nearest, shown};
use super::super::model::{AgentsTable, ModelKind, ModelTable};
use super::super::tree::{Node, Origin, Value};
use super::{Fields, Reader};

/// There may be so many providers of models.
const PROVIDERS_MAX: usize = 32;

/// A provider may have so many prices.
const PRICES_MAX: usize = 200;

/// A provider's name may have so many bytes.
const NAME_BYTES_MAX: usize = 40;

/// Millionths of a US dollar.
const MICRO: f64 = 1e6;

impl Reader<'_> {
    /// All providers, each with a name of its own.
    pub(super) fn models(&mut self, file: &Fields<'_>) -> Vec<ModelTable> {
        let nodes = self.list(file, "model", "providers of models are a list of tables, each written `[[model]]`");
        if let Some((node, _)) = nodes.get(PROVIDERS_MAX) {
            self.wrong(&node.origin, format!("there are more than {PROVIDERS_MAX} providers of models"));
        }
        let mut models: Vec<ModelTable> = Vec::new();
        for (node, table) in nodes.into_iter().take(PROVIDERS_MAX) {
            let fields = self.fields(node, table);
            let Some(model) = self.model(&fields, &node.origin) else { continue };
            if models.iter().any(|other| other.name == model.name) {
                self.wrong(&node.origin, format!("a second provider of models named `{}`; give one another `name`", model.name));
                continue;
            }
            models.push(model);
        }
        models
    }

    fn model(&mut self, fields: &Fields<'_>, origin: &Origin) -> Option<ModelTable> {
        let kind = self.of_kinds(fields, "kind", &KINDS)?;
        let name = self.provider_name(fields).unwrap_or_else(|| kind.to_owned());
        let key = fields.get("key").and_then(|node| self.secret("key", node));
        // An address that a key is sent to goes by the rule of all such addresses.
        let url = if fields.get("key").is_some() { self.forge_url(fields, "url") } else { self.url(fields, "url") };
        if kind == "openai" && url.is_none() && fields.get("key").is_none() {
            self.wrong(origin, "`key` is missing; OpenAI needs it, though a server at a `url` of your own may not");
        }
        let prices = self.prices(fields);
        Some(ModelTable {
            origin: origin.clone(),
            name,
            kind: self.model_kind(fields, kind)?,
            url,
            key,
            timeout: Duration::from_secs(self.number(fields, "timeout_secs")),
            concurrency: self.size(fields, "concurrency"),
            prices,
        })
    }

    fn model_kind(&mut self, fields: &Fields<'_>, kind: &str) -> Option<ModelKind> {
        Some(match kind {
            "anthropic" => ModelKind::Anthropic,
            "openai" => ModelKind::OpenAi,
            "gemini" => ModelKind::Gemini,
            "perplexity" => ModelKind::Perplexity,
            "ollama" => {
                let context_tokens = fields.get("context_tokens").map(|_| self.small(fields, "context_tokens"));
                ModelKind::Ollama { context_tokens }
            }
            _ => ModelKind::Scripted(self.folder.join(self.text(fields, "file")?.1)),
        })
    }

    /// A name that stands before a slash, in metrics and in logs.
    fn provider_name(&mut self, fields: &Fields<'_>) -> Option<String> {
        let (origin, text) = self.text(fields, "name")?;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
        if text.len() > NAME_BYTES_MAX || text.starts_with(['-', '.']) || !text.chars().all(plain) {
            let rule = format!("1 to {NAME_BYTES_MAX} lower-case letters, digits, '-', '_' or '.', not starting with '-' or '.'");
            self.wrong(&origin, format!("a provider's `name` is {rule}"));
        }
        Some(text)
    }

    fn prices(&mut self, fields: &Fields<'_>) -> Prices {
        let nodes = self.list(fields, "price", "prices are a list of tables, each written `[[model.price]]`");
        if let Some((node, _)) = nodes.get(PRICES_MAX) {
            self.wrong(&node.origin, format!("there are more than {PRICES_MAX} prices"));
        }
        let mut prices: Vec<(String, Price)> = Vec::new();
        for (node, table) in nodes.into_iter().take(PRICES_MAX) {
            let fields = self.fields(node, table);
            let Some((model, price)) = self.price(&fields) else { continue };
            if prices.iter().any(|(other, _)| *other == model) {
                self.wrong(&node.origin, format!("a second price of `{}`", shown(&model)));
            }
            prices.push((model, price));
        }
        prices.into_iter().collect()
    }

    fn price(&mut self, fields: &Fields<'_>) -> Option<(String, Price)> {
        let missing = ["model", "input", "output"].into_iter().filter(|key| self.required(fields, key).is_none()).count();
        let (_, model) = self.text(fields, "model").filter(|_| missing == 0)?;
        let input = self.micro_usd(fields, "input").unwrap_or(0);
        let price = Price {
            input,
            cache_read: self.micro_usd(fields, "cache_read").unwrap_or(input),
            cache_write: self.micro_usd(fields, "cache_write").unwrap_or(input),
            output: self.micro_usd(fields, "output").unwrap_or(0),
        };
        Some((model, price))
    }

    /// US dollars, as millionths of one. The table of keys bounds them far below what would not fit.
    fn micro_usd(&mut self, fields: &Fields<'_>, name: &str) -> Option<u64> {
        fields.get(name)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least 0 and at most 10^12")]
        Some((self.real(fields, name) * MICRO).round() as u64)
    }

    pub(super) fn agents(&mut self, fields: &Fields<'_>, models: &[ModelTable]) -> AgentsTable {
        let day_micro_usd = self.micro_usd(fields, "per_repository_per_day_usd");
        AgentsTable {
            models: self.usual_models(fields, models, day_micro_usd.is_some()),
            concurrent: self.size(fields, "max_concurrent_agents"),
            day_micro_usd,
            day_tokens: fields.get("per_repository_per_day_tokens").map(|_| self.number(fields, "per_repository_per_day_tokens")),
            answer_tokens_max: self.small(fields, "answer_tokens_max"),
            programs_may_use: self.lent(fields, models),
        }
    }

    /// Each a provider that is there and has a key.
    fn lent(&mut self, fields: &Fields<'_>, models: &[ModelTable]) -> Vec<String> {
        let mut lent = Vec::new();
        for node in self.texts(fields, "programs_may_use") {
            let Some(name) = self.text_of(node) else { continue };
            match models.iter().find(|model| model.name == name) {
                Some(model) if model.key.is_none() => {
                    self.wrong(&node.origin, format!("the provider `{}` has no `key` that programs could use", shown(&name)));
                }
                Some(_) => lent.push(name),
                None => {
                    let hint = no_provider(&name, models);
                    self.wrong(&node.origin, hint);
                }
            }
        }
        lent
    }

    /// Each of a provider that is there, and with a price where a limit of money could not be kept without one.
    fn usual_models(&mut self, fields: &Fields<'_>, models: &[ModelTable], priced: bool) -> Vec<ModelName> {
        let mut usual: Vec<ModelName> = Vec::new();
        for node in self.texts(fields, "models") {
            let Some(text) = self.text_of(node) else { continue };
            let Ok(name) = text.parse::<ModelName>() else {
                self.wrong(&node.origin, format!("`{}` is no model's name: {}", shown(&text), ModelName::RULE));
                continue;
            };
            let Some(provider) = models.iter().find(|model| model.name == name.provider()) else {
                self.wrong(&node.origin, no_provider(name.provider(), models));
                continue;
            };
            if priced && provider.prices.of(name.name()).is_none() {
                let message = format!(
                    "the price of `{}` is not known, so `per_repository_per_day_usd` could not be kept; give it a `[[model.price]]`",
                    shown(&text)
                );
                self.wrong(&node.origin, message);
            }
            if usual.contains(&name) {
                self.wrong(&node.origin, format!("`{}` is there twice", shown(&text)));
            }
            usual.push(name);
        }
        usual
    }

    /// The nodes of a list of texts that may be left out.
    fn texts<'n>(&mut self, fields: &Fields<'n>, name: &str) -> &'n [Node] {
        let Some(node) = fields.get(name) else { return &[] };
        match &node.value {
            Value::List(nodes) if !nodes.is_empty() => nodes,
            Value::List(_)
            | Value::Text(_)
            | Value::Untyped(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Bool
            | Value::Date
            | Value::Table(_) => {
                self.wrong(&node.origin, format!("`{name}` is a list of texts, at least one; found {node}"));
                &[]
            }
        }
    }
}

/// That there is none of that name, and which was meant.
fn no_provider(name: &str, models: &[ModelTable]) -> String {
    let names = || models.iter().map(|model| model.name.as_str());
    let hint = match nearest(name, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("`[[model]]` has {}", listed(names())),
    };
    format!("there is no provider of models `{}`; {hint}", shown(name))
}
