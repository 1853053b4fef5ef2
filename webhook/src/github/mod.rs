//! GitHub: a signed request becomes a delivery.
//!
//! What its headers must say is in `headers.rs`, which parts of its payloads are looked at in `payload.rs`, and what
//! they mean in `parse.rs`.

mod headers;
mod parse;
mod payload;

use std::borrow::Cow;
use std::fmt;

use axum::http::HeaderMap;
use bytes::Bytes;
use gatewright_core::event::Delivery;
use gatewright_core::{ForgeKind, Timestamp};

pub use parse::parse;

use crate::{Parsed, Refusal, WebhookSecrets};
use headers::{ContentType, content_type, signature, unsigned};
pub(crate) use headers::{delivery_id, event_name};

/// What a GitHub App's webhook is configured with.
#[derive(Clone)]
pub struct GithubHook {
    /// The secrets that its deliveries may be signed with.
    pub secrets: WebhookSecrets,
    /// The App's id: checks of other apps are nothing to us.
    pub app_id: u64,
}

impl GithubHook {
    /// Verifies and reads one delivery. Pure, and the signature comes first: nothing of a request that is not signed is
    /// looked at, and its refusal does not depend on it.
    pub fn deliver(&self, headers: &HeaderMap, body: Bytes, now: Timestamp) -> Result<Delivery, Refusal> {
        if !self.secrets.signed(&body, &signature(headers)?) {
            return Err(unsigned("the signature in X-Hub-Signature-256 is not that of the body"));
        }
        let name = event_name(headers)?;
        let id = delivery_id(headers)?;
        let json = match content_type(headers)? {
            ContentType::Json => Cow::Borrowed(&body[..]),
            ContentType::Form => Cow::Owned(parse::form_payload(&body).ok_or(headers::NO_PAYLOAD_FIELD)?),
        };
        let Parsed { name, action, event } = parse::parse_json(name, &json, self.app_id)?;
        Ok(Delivery { id, forge: ForgeKind::Github, name, action, received_at: now, body, event })
    }
}

impl fmt::Debug for GithubHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GithubHook").field("app_id", &self.app_id).field("secrets", &self.secrets).finish()
    }
}
