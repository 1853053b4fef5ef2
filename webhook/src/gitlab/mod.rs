//! GitLab: an authenticated request becomes a delivery.
//!
//! How its headers prove where it comes from, and what it is called, is in `headers.rs`; which parts of its payloads are
//! looked at in `payload.rs`, and what they mean in `parse.rs`. Sources: GitLab's documentation of webhooks, and the
//! Standard Webhooks specification for what its signing tokens sign.

mod headers;
mod parse;
mod payload;

use std::fmt;

use axum::http::HeaderMap;
use bytes::Bytes;
use gatewright_core::event::Delivery;
use gatewright_core::{ForgeKind, Timestamp};

pub use headers::SKEW_SECS_MAX;
pub use parse::parse;

use crate::{GitlabSecrets, Parsed, Refusal};
pub(crate) use headers::{claimed_id, event_name};

/// What GitLab's webhooks, of projects, groups or the whole instance, are configured with.
#[derive(Clone)]
pub struct GitlabHook {
    /// The secret tokens and signing tokens in use.
    pub secrets: GitlabSecrets,
}

impl GitlabHook {
    /// Verifies and reads one delivery. Pure, and what proves its origin comes first: nothing else of a request without
    /// it is looked at. Whatever is JSON and proven is a delivery: GitLab switches off a hook that is answered with
    /// errors, so that one odd event would cost all others.
    pub fn deliver(&self, headers: &HeaderMap, body: Bytes, now: Timestamp) -> Result<Delivery, Refusal> {
        let proof = headers::prove(&self.secrets, headers, &body, now)?;
        let Parsed { name, action, event } = parse(event_name(headers).unwrap_or_default(), &body)?;
        let id = headers::delivery_id(headers, &proof, &body);
        Ok(Delivery { id, forge: ForgeKind::Gitlab, name, action, received_at: now, body, event })
    }
}

impl fmt::Debug for GitlabHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitlabHook").field("secrets", &self.secrets).finish()
    }
}
