//! One request.

use bytes::Bytes;
use gatewright_core::forge::ForgeError;
use gatewright_core::{ItemRef, RepoRef};
use gatewright_forge_shared::address::path_of;
use http::Method;
use serde::Serialize;

use crate::error::{missing, refused};

/// Most answers are a few KiB. What is larger than this is not read.
pub(crate) const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// A short name for metrics.
    pub(crate) operation: &'static str,
    pub(crate) method: Method,
    /// Path and query below `/api/v4`.
    pub(crate) target: String,
    pub(crate) body: Bytes,
    pub(crate) cost: Cost,
    pub(crate) repeat: Repeat,
    /// Asks for an answer only if it is no longer this one.
    pub(crate) etag: Option<String>,
    pub(crate) answer_bytes_max: usize,
}

/// What a request takes from the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cost {
    /// One request.
    Request,
    /// One request and one of the new notes.
    Note,
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
        Call::new(operation, Method::GET, target, Repeat::Safe)
    }

    /// Asks what the header fields say, without the body.
    pub(crate) fn head(operation: &'static str, target: String) -> Self {
        Call::new(operation, Method::HEAD, target, Repeat::Safe)
    }

    /// Makes something.
    pub(crate) fn post<B: Serialize>(operation: &'static str, target: String, body: &B) -> Result<Self, ForgeError> {
        Call::new(operation, Method::POST, target, Repeat::Never).with_body(body)
    }

    /// Sets whole values, so it is safe to repeat.
    pub(crate) fn put<B: Serialize>(operation: &'static str, target: String, body: &B) -> Result<Self, ForgeError> {
        Call::new(operation, Method::PUT, target, Repeat::Safe).with_body(body)
    }

    pub(crate) fn delete(operation: &'static str, target: String) -> Self {
        Call::new(operation, Method::DELETE, target, Repeat::Safe)
    }

    /// A new note, of which GitLab takes fewer.
    pub(crate) fn note(self) -> Self {
        Call { cost: Cost::Note, ..self }
    }

    pub(crate) fn repeat(self, repeat: Repeat) -> Self {
        Call { repeat, ..self }
    }

    pub(crate) fn answer_bytes_max(self, answer_bytes_max: usize) -> Self {
        Call { answer_bytes_max, ..self }
    }

    fn new(operation: &'static str, method: Method, target: String, repeat: Repeat) -> Self {
        Call {
            operation,
            method,
            target,
            body: Bytes::new(),
            cost: Cost::Request,
            repeat,
            etag: None,
            answer_bytes_max: ANSWER_BYTES_MAX,
        }
    }

    fn with_body<B: Serialize>(self, body: &B) -> Result<Self, ForgeError> {
        let body = serde_json::to_vec(body).map_err(|_| refused("the request cannot be written as JSON"))?;
        Ok(Call { body: body.into(), ..self })
    }
}

/// The path of these parts, each of which becomes one segment. What cannot name anything counts as missing.
pub(crate) fn route(parts: &[&str]) -> Result<String, ForgeError> {
    path_of(parts).map_err(|part| missing(format!("the name {part:?}")))
}

/// `/projects/ID/...`. By its number, which a rename keeps, so that nothing of ours is ever redirected.
pub(crate) fn project_route(repo: &RepoRef, parts: &[&str]) -> Result<String, ForgeError> {
    route(&[&["projects", &repo.id.to_string()], parts].concat())
}

/// `/projects/ID/merge_requests/IID/...`.
pub(crate) fn merge_request_route(repo: &RepoRef, number: u64, parts: &[&str]) -> Result<String, ForgeError> {
    project_route(repo, &[&["merge_requests", &number.to_string()], parts].concat())
}

/// The same of an issue, `/projects/ID/issues/IID/...`, or a merge request.
pub(crate) fn item_route(repo: &RepoRef, item: ItemRef, parts: &[&str]) -> Result<String, ForgeError> {
    match item {
        ItemRef::Pull { number } => merge_request_route(repo, number, parts),
        ItemRef::Issue { number } => project_route(repo, &[&["issues", &number.to_string()], parts].concat()),
    }
}
