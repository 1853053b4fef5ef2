//! What GitLab answered, read as leniently as what we need of it allows.

use bytes::Bytes;
use gatewright_core::forge::ForgeError;
use gatewright_forge_shared::address::next_link;
use http::HeaderMap;
use http::header::{ETAG, LINK, RETRY_AFTER};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::commit::FileFields;
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
    /// Where the next page is.
    pub(crate) next: Option<Next>,
    pub(crate) rate: RateFields,
    /// What it says of a file, where it was asked for one.
    pub(crate) file: FileFields,
    /// GitLab's words, where the status says that it did not do it. Fit for an error text.
    pub(crate) words: String,
}

/// Where the next page is, as GitLab names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Path and query below `/api/v4`.
    Target(String),
    /// A page's number.
    Page(u64),
}

/// The header fields by which GitLab says how much may still be asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RateFields {
    pub(crate) remaining: Option<u64>,
    /// Seconds since 1970.
    pub(crate) reset: Option<i64>,
    pub(crate) retry_after_secs: Option<u64>,
}

impl Answer {
    /// `body` is None where there was more of it than may be read.
    pub(crate) fn new(status: u16, headers: &HeaderMap, body: Option<Bytes>, token: &str, base: &Url) -> Self {
        let words = if status >= 400 { words_of(body.as_deref().unwrap_or_default(), token) } else { String::new() };
        Answer {
            status,
            too_large: body.is_none(),
            body: body.unwrap_or_default(),
            etag: text(headers, ETAG.as_str()).map(str::to_owned),
            next: next(headers, base),
            rate: RateFields {
                remaining: number(headers, "ratelimit-remaining"),
                reset: number(headers, "ratelimit-reset"),
                retry_after_secs: number(headers, RETRY_AFTER.as_str()),
            },
            file: FileFields {
                executable: text(headers, "x-gitlab-execute-filemode") == Some("true"),
                sha256: text(headers, "x-gitlab-content-sha256").map(str::to_owned),
                last_commit: text(headers, "x-gitlab-last-commit-id").map(str::to_owned),
            },
            words,
        }
    }

    /// The answer, if it says that it was done. `what` names what was asked for.
    pub(crate) fn ok(self, what: impl FnOnce() -> String) -> Result<Self, ForgeError> {
        match self.status {
            200..=299 => Ok(self),
            404 | 410 => Err(missing(what())),
            401 => Err(locked_out(format!("it does not accept the token ({}); it may have expired or been revoked", self.words))),
            403 if is_of_the_account(&self.words) => Err(locked_out(self.words)),
            403 => Err(refused(format!(
                "{} (for {}); the token needs the scope `api`, and its account the role Developer, for a protected branch \
                 Maintainer",
                self.words,
                what()
            ))),
            // Somebody else changes the same thing at this moment; nothing was done.
            409 => Err(unavailable(format!("{} (for {})", self.words, what()))),
            300..=399 => {
                Err(refused("it redirects, which is not followed; check whether `url` is where GitLab itself says it is"))
            }
            status => Err(refused(format!("{status} {} (for {})", self.words, what()))),
        }
    }

    /// The body as JSON. What cannot be read counts as not answered: a write may have been done.
    pub(crate) fn json<T: DeserializeOwned>(&self, operation: &str) -> Result<T, ForgeError> {
        if self.too_large {
            return Err(refused(format!("its answer to {operation} is larger than Gatewright reads")));
        }
        // The library's own words may quote the body, and with it what is secret.
        serde_json::from_slice(&self.body).map_err(|e| {
            unavailable(format!("its answer to {operation} cannot be read (line {}, column {})", e.line(), e.column()))
        })
    }
}

/// Whether GitLab refuses everything to the account, and not this one thing.
fn is_of_the_account(words: &str) -> bool {
    ["has been blocked", "has been deactivated", "is pending approval"].iter().any(|said| words.contains(said))
}

/// GitLab writes `message` as a text, a list or an object of lists, or `error` in its place.
fn words_of(body: &[u8], token: &str) -> String {
    let words = match serde_json::from_slice::<Value>(body) {
        Ok(body) => match body.get("message").or_else(|| body.get("error")) {
            Some(Value::String(words)) => words.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        },
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    let words = foreign_words(&words, token);
    if words.is_empty() { "no reason given".to_owned() } else { words }
}

/// By its `Link`, whose address may be another one than ours (a proxy in front, an old host name): what counts is what is
/// behind `/api/v4`. Else by the page's number.
fn next(headers: &HeaderMap, base: &Url) -> Option<Next> {
    let linked = text(headers, LINK.as_str()).and_then(|link| next_link(link, base));
    let below = linked.and_then(|target| target.split_once("/api/v4/").map(|(_, below)| format!("/{below}")));
    below.map(Next::Target).or_else(|| number(headers, "x-next-page").map(Next::Page))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn number<N: std::str::FromStr>(headers: &HeaderMap, name: &str) -> Option<N> {
    text(headers, name)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next_of(fields: &[(&'static str, &str)]) -> Option<Next> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.insert(*name, value.parse().expect("valid"));
        }
        next(&headers, &Url::parse("https://gl.example/gitlab/api/v4").expect("valid"))
    }

    #[test]
    fn the_next_page_is_below_our_own_address_whatever_host_gitlab_names() {
        let link = r#"<http://inner:8080/gitlab/api/v4/projects?id_after=42&per_page=100>; rel="next""#;
        assert_eq!(next_of(&[("link", link)]), Some(Next::Target("/projects?id_after=42&per_page=100".to_owned())));
        assert_eq!(
            next_of(&[("link", r#"<https://gl.example/elsewhere>; rel="next""#), ("x-next-page", "3")]),
            Some(Next::Page(3))
        );
        assert_eq!(next_of(&[("x-next-page", "")]), None);
    }

    #[test]
    fn gitlabs_words_are_read_in_each_of_their_shapes() {
        let words = |body: &str| words_of(body.as_bytes(), "");
        assert_eq!(words(r#"{"message":"404 Project Not Found"}"#), "404 Project Not Found");
        assert_eq!(words(r#"{"message":{"base":["no"]}}"#), r#"{"base":["no"]}"#);
        assert_eq!(words(r#"{"error":"state is missing"}"#), "state is missing");
        assert_eq!(words("Retry later\n"), "Retry later");
        assert_eq!(words(""), "no reason given");
    }
}
