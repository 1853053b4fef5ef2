//! One request, before it is known as whom it is sent.

use std::borrow::Cow;

use bytes::Bytes;
use gatewright_core::forge::ForgeError;
use http::Method;
use serde::Serialize;

use crate::error::refused;

/// Most answers are a few KiB. What is larger than this is not read.
pub(crate) const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// A short name for metrics.
    pub(crate) operation: &'static str,
    pub(crate) method: Method,
    pub(crate) api: ApiKind,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) body: Bytes,
    pub(crate) content_type: Cow<'static, str>,
    pub(crate) cost: Cost,
    pub(crate) repeat: Repeat,
    /// Asks for an answer only if it is no longer this one.
    pub(crate) etag: Option<String>,
}

/// Which of GitHub's APIs a request is for. They have different addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApiKind {
    Rest,
    Graphql,
    /// Where artefacts go.
    Uploads,
}

/// What a request takes from the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cost {
    /// One point.
    Read,
    /// Five points: `POST`, `PATCH` and `DELETE`. Check runs, reactions and edits of a comment are of this kind, since
    /// nobody is notified of them; see [`budget`](crate::budget).
    Write,
    /// Five points and one of the content-creating requests: a new comment, which notifies people.
    Content,
}

/// Whether a request may be sent again within the call when its outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Sending it twice is as good as once.
    Safe,
    /// Twice might make two.
    Never,
}

impl Call {
    pub(crate) fn get(operation: &'static str, target: String) -> Self {
        Call::new(operation, Method::GET, target, Cost::Read, Repeat::Safe)
    }

    /// A write with a body. A `PATCH` sets whole values, so it is safe to repeat; a `POST` makes something.
    pub(crate) fn write<B: Serialize>(
        operation: &'static str,
        method: Method,
        target: String,
        body: &B,
    ) -> Result<Self, ForgeError> {
        let repeat = if method == Method::PATCH { Repeat::Safe } else { Repeat::Never };
        let body = serde_json::to_vec(body).map_err(|_| refused("the request cannot be written as JSON"))?;
        Ok(Call { body: body.into(), ..Call::new(operation, method, target, Cost::Write, repeat) })
    }

    /// A GraphQL query or mutation.
    pub(crate) fn graphql<B: Serialize>(operation: &'static str, body: &B) -> Result<Self, ForgeError> {
        let call = Call::write(operation, Method::POST, "/graphql".to_owned(), body)?;
        Ok(Call { api: ApiKind::Graphql, ..call })
    }

    /// A `POST` of a file.
    pub(crate) fn upload(operation: &'static str, target: String, body: Bytes, content_type: String) -> Self {
        let call = Call::new(operation, Method::POST, target, Cost::Write, Repeat::Never);
        Call { api: ApiKind::Uploads, body, content_type: content_type.into(), ..call }
    }

    /// A `POST` without a body.
    pub(crate) fn trigger(operation: &'static str, target: String) -> Self {
        Call::new(operation, Method::POST, target, Cost::Write, Repeat::Never)
    }

    pub(crate) fn delete(operation: &'static str, target: String) -> Self {
        Call::new(operation, Method::DELETE, target, Cost::Write, Repeat::Safe)
    }

    pub(crate) fn content(self) -> Self {
        Call { cost: Cost::Content, ..self }
    }

    pub(crate) fn repeat(self, repeat: Repeat) -> Self {
        Call { repeat, ..self }
    }

    fn new(operation: &'static str, method: Method, target: String, cost: Cost, repeat: Repeat) -> Self {
        Call {
            operation,
            method,
            api: ApiKind::Rest,
            target,
            body: Bytes::new(),
            content_type: "application/json".into(),
            cost,
            repeat,
            etag: None,
        }
    }
}
