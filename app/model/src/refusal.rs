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
            408 | 409 | 425 | 429 | 500..=599 if is_of_a_day(error) => Trouble::Busy { cause, after: None, soon: false },
            408 | 409 | 425 | 429 | 500..=599 => Trouble::Busy { cause, after, soon: !self.forbids_another_try() },
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

    /// Whether the provider says itself that another try is of no use.
    fn forbids_another_try(&self) -> bool {
        self.headers.get("x-should-retry").is_some_and(|value| value == "false")
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

/// Whether the limit is one of a day. Gemini names a wait of seconds with it all the same.
fn is_of_a_day(error: &Value) -> bool {
    let mut violations = details(error).filter_map(|detail| detail["violations"].as_array()).flatten();
    violations.any(|violation| violation["quotaId"].as_str().is_some_and(|quota| quota.contains("PerDay")))
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
mod tests {
    use super::*;

    #[test]
    fn a_providers_words_are_on_one_line_bounded_and_free_of_the_key() {
        let key = SecretString::from("sk-test-4f9c2a7b1e8d6035");
        let mask = |words: &str| mask(words, Some(&key));
        assert_eq!(mask("no key sk-test-4f9c2a7b1e8d6035,\n or sk-test-****6035."), "no key ***, or ***");
        assert_eq!(mask("\u{1b}[31mred"), "[31mred");
        assert_eq!(mask(&"\u{e9}".repeat(400)).len(), WORDS_BYTES_MAX + 3);
        assert_eq!(super::mask("sk-test", Some(&SecretString::from("x"))), "sk-test");
        assert_eq!(super::mask("words", None), "words");
    }

    #[test]
    fn a_time_to_come_again_is_read_in_all_its_forms_and_no_other() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().expect("a time");
        let after = |name: &'static str, value: &str| {
            let headers = HeaderMap::from_iter([(http::HeaderName::from_static(name), value.parse().expect("a value"))]);
            let refusal = Refusal { dialect: Dialect::OpenAi, status: 429, headers: &headers, body: b"", key: None, now };
            match refusal.trouble() {
                Trouble::Busy { after, .. } => after,
                other => panic!("{other:?}"),
            }
        };
        let secs = |secs| Some(Duration::from_secs(secs));
        assert_eq!(after("retry-after", "7"), secs(7));
        assert_eq!(after("retry-after", " 1.5 "), Some(Duration::from_millis(1500)));
        assert_eq!(after("retry-after-ms", "250"), Some(Duration::from_millis(250)));
        assert_eq!(after("retry-after", "Sat, 21 Nov 2026 12:01:00 GMT"), secs(60));
        assert_eq!(after("retry-after", "Sat, 21 Nov 2026 11:00:00 GMT"), secs(0));
        assert_eq!(after("retry-after", "-5"), secs(0));
        assert_eq!(after("retry-after", "1e300"), secs(365 * 24 * 3600));
        for nonsense in ["soon", "NaN", "inf", ""] {
            assert_eq!(after("retry-after", nonsense), None, "{nonsense}");
        }
    }
}
