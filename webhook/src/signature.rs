//! Signatures: which secrets are good enough, and whether a body was signed with one of them.

use std::fmt;

use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

/// The secrets that deliveries may be signed with: more than one while a secret is being changed.
///
/// Held as keyed states of the hash, so that the secrets themselves are not kept.
#[derive(Clone)]
pub struct WebhookSecrets {
    keyed: Vec<Hmac<Sha256>>,
}

/// The configured secrets are not good enough to trust a delivery by. Never holds a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// There is none.
    #[error("no webhook secret is configured; set `webhook_secret` to a reference to the secret that the forge signs with")]
    None,
    /// There are more than anybody changing a secret needs.
    #[error("{count} webhook secrets are configured; at most {} can be in use at once", WebhookSecrets::COUNT_MAX)]
    TooMany {
        /// How many.
        count: usize,
    },
    /// One is empty or blank, which everybody could sign with.
    #[error("webhook secret {position} is empty; make one with `openssl rand -hex 32` and give it to the forge as well")]
    Empty {
        /// Which one, from 1.
        position: usize,
    },
    /// One can be guessed.
    #[error(
        "webhook secret {position} has {bytes} bytes and needs at least {}; make one with `openssl rand -hex 32` and give it to the forge as well",
        WebhookSecrets::BYTES_MIN
    )]
    Short {
        /// Which one, from 1.
        position: usize,
        /// How long it is.
        bytes: usize,
    },
}

impl WebhookSecrets {
    /// A secret of fewer bytes is refused: whoever sees one delivery could find it by trying.
    pub const BYTES_MIN: usize = 16;

    /// More secrets than this are refused: every delivery is hashed once for each.
    pub const COUNT_MAX: usize = 8;

    /// Takes the secrets in use, in any order.
    pub fn new(secrets: impl IntoIterator<Item = SecretString>) -> Result<Self, SecretsError> {
        let keyed =
            secrets.into_iter().zip(1..).map(|(secret, n)| keyed(secret.expose_secret(), n)).collect::<Result<Vec<_>, _>>()?;
        match keyed.len() {
            0 => Err(SecretsError::None),
            count if count > Self::COUNT_MAX => Err(SecretsError::TooMany { count }),
            _ => Ok(WebhookSecrets { keyed }),
        }
    }

    /// Whether `signature` is the HMAC-SHA256 of `body` under one of the secrets. All of them are tried, and all bytes
    /// compared, whatever comes of it, so that the time it takes tells nothing about which was right or how far.
    pub fn signed(&self, body: &[u8], signature: &[u8; 32]) -> bool {
        let mut signed = Choice::from(0);
        for keyed in &self.keyed {
            let mac = keyed.clone().chain_update(body).finalize().into_bytes();
            signed |= mac.ct_eq(&signature[..]);
        }
        signed.into()
    }
}

impl fmt::Debug for WebhookSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookSecrets({} redacted)", self.keyed.len())
    }
}

fn keyed(secret: &str, position: usize) -> Result<Hmac<Sha256>, SecretsError> {
    let bytes = secret.len();
    if secret.trim().is_empty() {
        Err(SecretsError::Empty { position })
    } else if bytes < WebhookSecrets::BYTES_MIN {
        Err(SecretsError::Short { position, bytes })
    } else {
        Ok(Hmac::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length"))
    }
}

/// The signature in a header of the form `sha256=` and 64 hexadecimal digits, in upper or lower case. None for anything else.
pub fn parse_sha256_header(value: &[u8]) -> Option<[u8; 32]> {
    let mut signature = [0; 32];
    hex::decode_to_slice(value.strip_prefix(b"sha256=")?, &mut signature).ok()?;
    Some(signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(secrets: &[&str]) -> Result<WebhookSecrets, SecretsError> {
        WebhookSecrets::new(secrets.iter().map(|s| SecretString::from(*s)))
    }

    #[test]
    fn githubs_documented_example_is_signed() {
        let header = b"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let signature = parse_sha256_header(header).expect("this is the documented form");
        let secrets = secrets(&["It's a Secret to Everybody"]).expect("this secret is long enough");
        assert!(secrets.signed(b"Hello, World!", &signature));
        assert!(!secrets.signed(b"Hello, World", &signature));
    }

    #[test]
    fn secrets_that_anybody_could_guess_are_refused() {
        let error = |list: &[&str]| secrets(list).expect_err("these are not good enough");
        assert_eq!(error(&[]), SecretsError::None);
        assert_eq!(error(&[""]), SecretsError::Empty { position: 1 });
        assert_eq!(error(&["a secret that is long", &" ".repeat(40)]), SecretsError::Empty { position: 2 });
        assert_eq!(error(&["fifteen bytes.."]), SecretsError::Short { position: 1, bytes: 15 });
        assert_eq!(error(&["sixteen bytes..."; 9]), SecretsError::TooMany { count: 9 });
        assert!(secrets(&["sixteen bytes..."; 8]).is_ok());
    }

    #[test]
    fn what_is_printed_of_a_secret_is_nothing() {
        let secrets = secrets(&["a secret that is long"]).expect("this secret is long enough");
        assert_eq!(format!("{secrets:?}"), "WebhookSecrets(1 redacted)");
        assert!(!SecretsError::Short { position: 1, bytes: 3 }.to_string().contains("abc"));
    }
}
