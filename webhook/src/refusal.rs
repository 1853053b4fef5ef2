//! Requests that are not taken: why, and how that is answered.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use gatewright_core::event::IntakeError;
use serde::Serialize;

/// A refused sender is asked to come back after so long when too many bodies are being read at once.
const BUSY_RETRY_AFTER_SECS: u32 = 5;

/// A payload is not JSON, whatever its headers say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payload is not JSON (line {line}, column {column})")]
pub struct NotJson {
    /// The line in which it stops to be JSON, from 1.
    pub line: usize,
    /// How many bytes of that line were read.
    pub column: usize,
}

impl NotJson {
    pub(crate) fn from_json(error: &serde_json::Error) -> Self {
        NotJson { line: error.line(), column: error.column() }
    }

    pub(crate) fn from_utf8(text: &[u8], error: std::str::Utf8Error) -> Self {
        let read = &text[..error.valid_up_to()];
        let line = 1 + read.iter().filter(|byte| **byte == b'\n').count();
        let column = read.iter().rev().take_while(|byte| **byte != b'\n').count();
        NotJson { line, column }
    }
}

/// Why a request was not taken. Holds nothing of the request's body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing proves that it comes from the forge.
    #[error("{cause}")]
    Signature {
        /// What is missing or wrong.
        cause: &'static str,
        /// What the sender can do about it.
        next: &'static str,
    },
    /// A header is missing, or not what it must be.
    #[error("the header {name} {fault}")]
    Header {
        /// Its name, as the forge writes it.
        name: &'static str,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// The payload is not what its headers say.
    #[error("{0}")]
    NotJson(#[from] NotJson),
    /// The body broke off, or its framing is broken.
    #[error("the body could not be read to its end")]
    Unreadable,
    /// The body is too large.
    #[error("the body has more than {bytes_max} bytes")]
    TooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// The body did not arrive in time.
    #[error("the body did not arrive in time")]
    TooSlow,
    /// So many bodies are being read that there is no memory for another.
    #[error("too many deliveries are being received at once")]
    Busy,
    /// It could not be made durable.
    #[error("the delivery could not be stored")]
    NotTaken(IntakeError),
}

/// What a refused sender reads.
#[derive(Serialize)]
struct Answer<'a> {
    error: &'a str,
    next: &'a str,
}

impl Refusal {
    /// The status that says it over HTTP.
    pub fn status(&self) -> StatusCode {
        match self {
            Refusal::Signature { .. } => StatusCode::UNAUTHORIZED,
            Refusal::Header { .. } | Refusal::NotJson(_) | Refusal::Unreadable => StatusCode::BAD_REQUEST,
            Refusal::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Refusal::Busy | Refusal::NotTaken(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The name that metrics and logs give it.
    pub fn outcome(&self) -> &'static str {
        match self {
            Refusal::Signature { .. } => "bad_signature",
            Refusal::Header { .. } | Refusal::NotJson(_) | Refusal::Unreadable => "bad_request",
            Refusal::TooLarge { .. } => "too_large",
            Refusal::TooSlow => "timeout",
            Refusal::Busy | Refusal::NotTaken(_) => "unavailable",
        }
    }

    /// Why, for the log, which may say more than the sender is told.
    pub(crate) fn cause(&self) -> String {
        match self {
            Refusal::NotTaken(error) => error.cause.clone(),
            Refusal::Signature { .. }
            | Refusal::Header { .. }
            | Refusal::NotJson(_)
            | Refusal::Unreadable
            | Refusal::TooLarge { .. }
            | Refusal::TooSlow
            | Refusal::Busy => self.to_string(),
        }
    }

    /// What the sender can do about it.
    fn next(&self) -> &'static str {
        match self {
            Refusal::Signature { next, .. } => next,
            Refusal::Header { .. } | Refusal::NotJson(_) => {
                "send the delivery as the forge does, with its content type set to application/json"
            }
            Refusal::Unreadable => "send the delivery again, whole",
            Refusal::TooLarge { .. } => "have the webhook send fewer or smaller events",
            Refusal::TooSlow => "send the delivery again over a faster connection",
            Refusal::Busy | Refusal::NotTaken(_) => "send the delivery again after the time in Retry-After",
        }
    }

    fn retry_after_secs(&self) -> Option<u32> {
        match self {
            Refusal::Busy => Some(BUSY_RETRY_AFTER_SECS),
            Refusal::NotTaken(error) => Some(error.retry_after_secs),
            Refusal::Signature { .. }
            | Refusal::Header { .. }
            | Refusal::NotJson(_)
            | Refusal::Unreadable
            | Refusal::TooLarge { .. }
            | Refusal::TooSlow => None,
        }
    }

    /// Whether the body was not read to its end, so that what follows on the connection is the rest of it.
    fn leaves_body(&self) -> bool {
        match self {
            Refusal::Unreadable | Refusal::TooLarge { .. } | Refusal::TooSlow | Refusal::Busy => true,
            Refusal::Signature { .. } | Refusal::Header { .. } | Refusal::NotJson(_) | Refusal::NotTaken(_) => false,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let answer = Answer { error: &self.to_string(), next: self.next() };
        let mut response = (self.status(), axum::Json(answer)).into_response();
        if let Some(secs) = self.retry_after_secs() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        if self.leaves_body() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// The answer to any method but POST.
pub(crate) async fn method_not_allowed() -> Response {
    let answer = Answer { error: "webhooks are sent with POST", next: "give this address to the forge as the webhook's address" };
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")], axum::Json(answer)).into_response()
}
