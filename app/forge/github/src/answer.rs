//! What GitHub answered, read as leniently as what we need of it allows.

use bytes::Bytes;
use gatewright_core::forge::ForgeError;
use gatewright_forge_shared::address::next_link;
use http::HeaderMap;
use http::header::{ETAG, LINK, LOCATION, RETRY_AFTER};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::error::{foreign_words, locked_out, missing, refused, unavailable};

/// An answer of a status below 500 that is no rate limit. Each caller says which of those it can use.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Empty where `too_large`.
    pub(crate) body: Bytes,
    /// There was more than a call may read.
    pub(crate) too_large: bool,
    pub(crate) etag: Option<String>,
    /// Path and query of the next page.
    pub(crate) next: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) rate: RateFields,
    /// GitHub's words, where the status says that it did not do it. Fit for an error text.
    pub(crate) words: String,
}

/// The header fields by which GitHub says how much may still be asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RateFields {
    pub(crate) remaining: Option<u64>,
    /// Seconds since 1970.
    pub(crate) reset: Option<i64>,
    pub(crate) retry_after_secs: Option<u64>,
}

#[derive(Deserialize)]
struct ErrorBody {
    message: Option<String>,
    errors: Option<serde_json::Value>,
}

impl Answer {
    /// `body` is None where there was more of it than may be read.
    pub(crate) fn new(status: u16, headers: &HeaderMap, body: Option<Bytes>, bearer: &str, base: &Url) -> Self {
        // What is left of another resource, such as GraphQL's, says nothing of this one. A refusal is obeyed whatever it is of.
        let ours = status >= 400 || text(headers, "x-ratelimit-resource").is_none_or(|resource| resource == "core");
        let words = if status >= 400 { words_of(body.as_deref().unwrap_or_default(), bearer) } else { String::new() };
        Answer {
            status,
            too_large: body.is_none(),
            body: body.unwrap_or_default(),
            etag: text(headers, ETAG.as_str()).map(str::to_owned),
            next: text(headers, LINK.as_str()).and_then(|link| next_link(link, base)),
            location: text(headers, LOCATION.as_str()).map(str::to_owned),
            rate: RateFields {
                remaining: number(headers, "x-ratelimit-remaining").filter(|_| ours),
                reset: number(headers, "x-ratelimit-reset").filter(|_| ours),
                retry_after_secs: number(headers, RETRY_AFTER.as_str()),
            },
            words,
        }
    }

    /// The answer, if it says that it was done. `what` names what was asked for.
    pub(crate) fn ok(self, what: impl FnOnce() -> String) -> Result<Self, ForgeError> {
        match self.status {
            200..=299 => Ok(self),
            404 | 410 => Err(missing(what())),
            401 => Err(locked_out(format!(
                "it does not accept these credentials ({}); check app_id, private_key and this machine's clock, or the token",
                self.words
            ))),
            403 => Err(refused(format!("{} (for {}); the App may lack a permission", self.words, what()))),
            300..=399 => Err(unavailable(format!("an answer {} that was not asked for", self.status))),
            status => Err(refused(format!("{status} {} (for {})", self.words, what()))),
        }
    }

    /// The body as JSON. What cannot be read counts as not answered: a write may have been done.
    pub(crate) fn json<T: DeserializeOwned>(&self, operation: &str) -> Result<T, ForgeError> {
        if self.too_large {
            return Err(refused(format!("its answer to {operation} is larger than Gatewright reads")));
        }
        // The library's own words may quote the body, and with it a token.
        serde_json::from_slice(&self.body).map_err(|e| {
            unavailable(format!("its answer to {operation} cannot be read (line {}, column {})", e.line(), e.column()))
        })
    }
}

fn words_of(body: &[u8], bearer: &str) -> String {
    let words = match serde_json::from_slice::<ErrorBody>(body) {
        Ok(ErrorBody { message, errors }) => {
            let errors = errors.map(|e| format!(": {e}")).unwrap_or_default();
            format!("{}{errors}", message.unwrap_or_default())
        }
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    let words = foreign_words(&words, bearer);
    if words.is_empty() { "no reason given".to_owned() } else { words }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn number<N: std::str::FromStr>(headers: &HeaderMap, name: &str) -> Option<N> {
    text(headers, name)?.trim().parse().ok()
}
