//! Secrets, and where they come from.

use std::fmt;
use std::str::FromStr;

pub use secrecy::{ExposeSecret, SecretString};

/// Where a secret is kept. A configuration file holds only this, never the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// `env:NAME`: an environment variable of the service.
    Env(String),
    /// `file:PATH`: a file; white space at its end is not part of the secret.
    File(String),
}

/// A text that is no secret reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecretRef {
    /// The scheme is one that another version may know.
    #[error("secret references of the kind `{0}:` are not supported by this version; use `env:NAME` or `file:PATH`")]
    Unsupported(String),
    /// Not a reference at all. The text itself may be the secret, so it is not repeated.
    #[error("a secret is written as a reference, `env:NAME` or `file:PATH`, never as the secret itself")]
    NotAReference,
}

impl FromStr for SecretRef {
    type Err = InvalidSecretRef;
    fn from_str(s: &str) -> Result<Self, InvalidSecretRef> {
        match s.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(SecretRef::Env(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(SecretRef::File(path.to_owned())),
            Some((scheme @ ("keyring" | "vault" | "secret"), _)) => Err(InvalidSecretRef::Unsupported(scheme.to_owned())),
            Some(_) | None => Err(InvalidSecretRef::NotAReference),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretRef::Env(name) => write!(f, "env:{name}"),
            SecretRef::File(path) => write!(f, "file:{path}"),
        }
    }
}
