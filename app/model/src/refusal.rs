//! Reads what a provider says instead of an answer: what is to be done next, and its words for people.

use std::time::Duration;

use gatewright_core::Timestamp;
use gatewright_core::secret::{ExposeSecret, SecretString};
use http::HeaderMap;
use serde_json::Value;

use crate::trouble::Trouble;
use crate::wire::Dialect;

/// Of a provider's words so many bytes are kept.
const WORDS_BYTES_MAX: usize = 300;

/// A wait that a provider asks for is taken as this much at most: a year is as good as never.
const AFTER_SECS_MAX: f64 = 365.0 * 24.0 * 3600.0;

/// The beginning of a key by which a piece of one is known. Providers repeat keys with the middle left out.
const KEY_BEGINNING_BYTES: usize = 8;

/// The codes of OpenAI's that are about money, under whichever status they come.
const OPENAI_MONEY: [&str; 6] = [
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_usage_limit_exceeded",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "billing_hard_limit_reached",
];

/// What Anthropic says, under a 400, where a limit of spending is reached or nothing is left.
const ANTHROPIC_MONEY: [&str; 2] = ["specified API usage limits", "credit balance is too low"];

/// And where the limit is a workspace's.
const ANTHROPIC_WORKSPACE_MONEY: &str = "specified workspace API usage limits";

/// What Gemini says of the same.
const GEMINI_MONEY: [&str; 2] = ["spending cap", "prepayment credits"];

/// An answer that is none.
pub(crate) struct Refusal<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) status: u16,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    pub(crate) key: Option<&'a SecretString>,
    pub(crate) now: Timestamp,
}

impl Refusal<'_> {
    /// What it is, for whoever decides what to do next.
    pub(crate) fn trouble(&self) -> Trouble {
        let said: Value = serde_json::from_slice(self.body).unwrap_or_default();
        let error = error_of(&said);
        let words = error["message"].as_str().or(error.as_str()).unwrap_or_default();
        let cause = self.cause(words);
        let after = self.after(error);
        if self.is_about_money(error, words, after) {
            return Trouble::SpendLimit { cause };
        }
        match self.status {
            401 | 403 | 404 => Trouble::NotAllowed { cause },
            400 if has_reason(error, "API_KEY_INVALID") => Trouble::NotAllowed { cause },
            300..=399 => Trouble::NotAllowed { cause: format!("{cause}; it leads to another address, look at `url`") },
            408 | 409 | 425 | 429 | 500..=599 => Trouble::Busy { cause, after, soon: !self.is_for_long(error) },
            _ => Trouble::Invalid { cause },
        }
    }

    /// The status and the provider's own words.
    fn cause(&self, words: &str) -> String {
        let words = mask(words, self.key);
        if words.is_empty() { format!("status {}", self.status) } else { format!("status {}: {words}", self.status) }
    }

    fn is_about_money(&self, error: &Value, words: &str, after: Option<Duration>) -> bool {
        if self.status == 402 {
            return true;
        }
        let says = |all: &[&str]| all.iter().any(|one| words.contains(one));
        match self.dialect {
            // A limit of requests always comes with the time after which to come again; one of spending never does.
            Dialect::Anthropic if self.status == 429 => {
                after.is_none() || error["details"]["error_code"] == "enforced_spend_limit_reached"
            }
            Dialect::Anthropic => self.status == 400 && (says(&ANTHROPIC_MONEY) || words.contains(ANTHROPIC_WORKSPACE_MONEY)),
            Dialect::OpenAi | Dialect::Perplexity => {
                let is = |field: &str| error[field].as_str().is_some_and(|code| OPENAI_MONEY.contains(&code));
                is("type") || is("code")
            }
            Dialect::Gemini => self.status == 429 && says(&GEMINI_MONEY),
            Dialect::Ollama => false,
        }
    }

    /// Whether the limit is one of a day: asking again in a minute only makes it worse.
    fn is_for_long(&self, error: &Value) -> bool {
        let violations = details(error).filter_map(|detail| detail["violations"].as_array()).flatten();
        let of_a_day = |violation: &Value| violation["quotaId"].as_str().is_some_and(|quota| quota.contains("PerDay"));
        self.headers.get("x-should-retry").is_some_and(|value| value == "false") || violations.into_iter().any(of_a_day)
    }

    /// When to come again, where the provider says so.
    fn after(&self, error: &Value) -> Option<Duration> {
        let header = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let millis = header("retry-after-ms").and_then(|text| text.parse::<f64>().ok()).map(|millis| millis / 1000.0);
        let secs = || header("retry-after").and_then(|text| text.parse::<f64>().ok());
        let date = || header("retry-after").and_then(|text| until(text, self.now));
        let in_body = || details(error).find_map(|detail| detail["retryDelay"].as_str()?.strip_suffix('s')?.parse::<f64>().ok());
        let secs = millis.or_else(secs).or_else(date).or_else(in_body)?;
        secs.is_finite().then(|| Duration::from_secs_f64(secs.clamp(0.0, AFTER_SECS_MAX)))
    }
}

/// The part of a body that says what is wrong. Some servers wrap it in a list, some in nothing.
fn error_of(said: &Value) -> &Value {
    let said = if said.is_array() { &said[0] } else { said };
    match (&said["error"], &said["detail"]) {
        (Value::Null, Value::Null) => said,
        (Value::Null, detail) => detail,
        (error, _) => error,
    }
}

fn details(error: &Value) -> impl Iterator<Item = &Value> {
    error["details"].as_array().into_iter().flatten()
}

fn has_reason(error: &Value, reason: &str) -> bool {
    details(error).any(|detail| detail["reason"] == reason)
}

/// The seconds until a time as HTTP writes it.
fn until(date: &str, now: Timestamp) -> Option<f64> {
    let at = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    Some(at.duration_since(now).as_secs_f64().max(0.0))
}

/// A provider's words, fit for people: on one line, bounded, and without the key or a piece of it.
pub(crate) fn mask(words: &str, key: Option<&SecretString>) -> String {
    let key = key.map_or("", |key| key.expose_secret().trim());
    let words = if key.is_empty() { words.to_owned() } else { words.replace(key, "***") };
    let beginning = key.get(..KEY_BEGINNING_BYTES).filter(|_| key.len() >= 2 * KEY_BEGINNING_BYTES);
    let shown = |word: &str| if beginning.is_some_and(|b| word.contains(b)) { "***".to_owned() } else { word.to_owned() };
    let plain: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words = plain.split_whitespace().map(shown).collect::<Vec<_>>().join(" ");
    if words.len() <= WORDS_BYTES_MAX {
        return words;
    }
    let mut end = WORDS_BYTES_MAX;
    while !words.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", &words[..end])
}

#[cfg(test)]
mod tests;
