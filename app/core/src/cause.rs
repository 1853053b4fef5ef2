//! What an error says at its root. Libraries wrap errors in texts that name the address which was asked; that may hold a key, and is no
//! cause.

use std::error::Error;

/// The words of the error that all others come from.
pub fn deepest(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("https://forge.example/?key=5ecret")]
    struct Wrapped(#[source] std::io::Error);

    #[test]
    fn what_is_wrapped_around_a_cause_is_not_told() {
        let error = Wrapped(std::io::Error::other("connection refused"));
        assert_eq!(deepest(&error), "connection refused");
        assert_eq!(deepest(&std::fmt::Error), std::fmt::Error.to_string());
    }
}
