//! What a try comes to: an answer, or what stands in its way, by what is to be done next.

use std::time::Duration;

use gatewright_core::model::{Finish, ToolCall, Usage};
use serde_json::Value;

/// What a model said.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) calls: Vec<ToolCall>,
    pub(crate) opaque: Option<Value>,
    pub(crate) finish: Finish,
    pub(crate) usage: Usage,
}

impl Said {
    /// An answer without words and without calls, though nothing says why.
    pub(crate) fn is_nothing(&self) -> bool {
        let unexplained = match self.finish {
            Finish::End | Finish::Tools | Finish::Other => true,
            Finish::Length | Finish::Refused => false,
        };
        unexplained && self.calls.is_empty() && self.text.trim().is_empty()
    }
}

/// What stands in the way of an answer. Causes are bounded and hold no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It may answer later.
    Busy {
        cause: String,
        /// When, where it says so.
        after: Option<Duration>,
        /// Whether that may be soon. A limit of a day is not.
        soon: bool,
    },
    /// It answered, and the answer cannot be read to its end. It is billed all the same, and for how much is a guess.
    Garbled {
        cause: String,
        usage: Usage,
        /// Whether that is the provider's failure, and not the model's own.
        broken: bool,
    },
    /// The account's own limit of spending.
    SpendLimit { cause: String },
    /// The key, or the model's name.
    NotAllowed { cause: String },
    /// The question.
    Invalid { cause: String },
}

impl Trouble {
    /// It may answer soon.
    pub(crate) fn busy(cause: impl Into<String>) -> Trouble {
        Trouble::Busy { cause: cause.into(), after: None, soon: true }
    }

    pub(crate) fn cause(&self) -> &str {
        match self {
            Trouble::Busy { cause, .. }
            | Trouble::Garbled { cause, .. }
            | Trouble::SpendLimit { cause }
            | Trouble::NotAllowed { cause }
            | Trouble::Invalid { cause } => cause,
        }
    }

    /// For metrics.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Trouble::Busy { .. } => "unavailable",
            Trouble::Garbled { .. } => "garbled",
            Trouble::SpendLimit { .. } => "spend_limit",
            Trouble::NotAllowed { .. } => "not_allowed",
            Trouble::Invalid { .. } => "invalid",
        }
    }
}
