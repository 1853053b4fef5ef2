//! What to tell whoever asked, where no model answered.

use std::time::Duration;

use gatewright_core::model::{ModelError, ModelName};

use crate::trouble::Trouble;

/// Why one model did not answer.
pub(super) enum Failure {
    /// Its provider is not configured.
    Unknown(String),
    /// What its provider said.
    Trouble(ModelName, Trouble),
}

/// One of them for all: that asking later may help where it may with one of them, else what the first one said.
pub(super) fn verdict(failures: Vec<Failure>) -> ModelError {
    let causes: Vec<String> = failures.iter().map(cause).collect();
    let mut afters: Vec<Option<Duration>> = Vec::new();
    let mut first = None;
    for failure in failures {
        match failure {
            Failure::Trouble(_, Trouble::Busy { after, .. }) => afters.push(after),
            Failure::Trouble(_, Trouble::Garbled { .. }) => afters.push(None),
            Failure::Unknown(_)
            | Failure::Trouble(_, Trouble::SpendLimit { .. } | Trouble::NotAllowed { .. } | Trouble::Invalid { .. }) => {
                first.get_or_insert(failure);
            }
        }
    }
    match (afters.is_empty(), first) {
        (false, _) | (true, None) => {
            ModelError::Unavailable { cause: causes.join("; "), after: afters.into_iter().flatten().min() }
        }
        (true, Some(first)) => certain(first),
    }
}

fn cause(failure: &Failure) -> String {
    match failure {
        Failure::Unknown(cause) => cause.clone(),
        Failure::Trouble(model, trouble) => format!("{model}: {}", trouble.cause()),
    }
}

fn certain(failure: Failure) -> ModelError {
    let (model, trouble) = match failure {
        Failure::Unknown(cause) => return ModelError::Unknown(cause),
        Failure::Trouble(model, trouble) => (model, trouble),
    };
    let provider = model.provider().to_owned();
    match trouble {
        Trouble::SpendLimit { cause } => ModelError::SpendLimit { provider, cause },
        Trouble::NotAllowed { cause } => ModelError::NotAllowed { provider, model: model.name().to_owned(), cause },
        Trouble::Invalid { cause } => ModelError::Invalid { provider, cause },
        Trouble::Busy { cause, after, .. } => ModelError::Unavailable { cause, after },
        Trouble::Garbled { cause, .. } => ModelError::Unavailable { cause, after: None },
    }
}
