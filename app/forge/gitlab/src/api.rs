//! The API: requests, conditional reads, and lists read page by page.

use bytes::Bytes;
use gatewright_core::Timestamp;
use gatewright_core::forge::ForgeError;
use gatewright_forge_shared::Cache;
use serde::de::DeserializeOwned;

use crate::answer::{Answer, Next};
use crate::call::Call;
use crate::config::{ConfigError, GitLabConfig, api_base};
use crate::transport::Transport;

/// What GitLab gives at most.
pub(crate) const PER_PAGE: (&str, &str) = ("per_page", "100");
/// Answers kept for conditional reads: so many, and so many bytes. What falls out is read whole the next time.
const ETAGS_MAX: usize = 2_048;
const ETAGS_BYTES_MAX: usize = 16 * 1024 * 1024;

#[derive(Debug)]
pub(crate) struct Api {
    transport: Transport,
    etags: Cache<Kept>,
}

#[derive(Debug, Clone)]
struct Kept {
    etag: String,
    body: Bytes,
}

/// A list, as far as it was read.
#[derive(Debug)]
pub(crate) struct Listed<T> {
    pub(crate) items: Vec<T>,
    /// There is more than was read.
    pub(crate) more: bool,
}

impl Api {
    pub(crate) fn new(config: &GitLabConfig) -> Result<Self, ConfigError> {
        Ok(Api { transport: Transport::new(config, api_base(&config.url)?)?, etags: Cache::new(ETAGS_MAX, ETAGS_BYTES_MAX) })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.transport.now()
    }

    pub(crate) async fn send(&self, call: &Call) -> Result<Answer, ForgeError> {
        self.transport.send(call).await
    }

    /// Reads something that may be as it was the last time: then GitLab says so in a few bytes. It counts all the same.
    pub(crate) async fn read(&self, mut call: Call) -> Result<Answer, ForgeError> {
        let kept = self.etags.get(&call.target);
        call.etag = kept.as_ref().map(|kept| kept.etag.clone());
        let answer = self.send(&call).await?;
        match (answer.status, kept) {
            (304, Some(kept)) => Ok(Answer { status: 200, body: kept.body, ..answer }),
            (200, _) => {
                if let Some(etag) = answer.etag.clone() {
                    let bytes = etag.len() + answer.body.len();
                    self.etags.put(call.target, Kept { etag, body: answer.body.clone() }, bytes);
                }
                Ok(answer)
            }
            _ => Ok(answer),
        }
    }

    /// Reads a list from its first page on, at most so many pages. A page that is larger than may be read ends it.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        first: Call,
        pages_max: usize,
        what: impl Fn() -> String,
    ) -> Result<Listed<T>, ForgeError> {
        let mut items = Vec::new();
        let mut next = Some(first);
        for _ in 0..pages_max {
            let Some(call) = next else { break };
            let answer = self.send(&call).await?.ok(&what)?;
            if answer.too_large {
                return Ok(Listed { items, more: true });
            }
            let page: Vec<T> = answer.json(call.operation)?;
            // GitLab names a next page behind an empty one where it cannot count.
            let ended = page.is_empty();
            items.extend(page);
            next = answer.next.filter(|_| !ended).map(|next| behind(&call, next));
        }
        Ok(Listed { items, more: next.is_some() })
    }
}

fn behind(call: &Call, next: Next) -> Call {
    let target = match next {
        Next::Target(target) => target,
        Next::Page(page) => with_page(&call.target, page),
    };
    Call { target, ..call.clone() }
}

fn with_page(target: &str, page: u64) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let others = query.split('&').filter(|part| !part.is_empty() && !part.starts_with("page="));
    let query: Vec<String> = others.map(str::to_owned).chain([format!("page={page}")]).collect();
    format!("{path}?{}", query.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_asked_for_by_its_number_where_there_is_no_link() {
        assert_eq!(with_page("/x?per_page=100", 2), "/x?per_page=100&page=2");
        assert_eq!(with_page("/x?page=2&per_page=100", 3), "/x?per_page=100&page=3");
        assert_eq!(with_page("/x", 2), "/x?page=2");
    }
}
