//! Signatures and tokens: which secrets are good enough, and whether a request was made by somebody who knows one.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
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
    /// One looks like a signing token of GitLab and is none.
    #[error(
        "webhook secret {position} starts with `whsec_` and is not followed by 32 bytes in base64; copy the signing token from GitLab again, or make one with `echo whsec_$(openssl rand -base64 32)`"
    )]
    NoKey {
        /// Which one, from 1.
        position: usize,
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
    good(secret, position).map(|secret| hmac(secret.as_bytes()))
}

/// The secret, where it is long enough.
fn good(secret: &str, position: usize) -> Result<&str, SecretsError> {
    let bytes = secret.len();
    if secret.trim().is_empty() {
        Err(SecretsError::Empty { position })
    } else if bytes < WebhookSecrets::BYTES_MIN {
        Err(SecretsError::Short { position, bytes })
    } else {
        Ok(secret)
    }
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// The secrets that GitLab's hooks are set up with, of either kind, more than one while a secret is being changed.
///
/// GitLab knows two: a *secret token* comes with each delivery as it is, a *signing token* signs it. Those that start with
/// `whsec_`, as all signing tokens do, are taken for such. Neither is kept: of a token there is a hash, of a key its
/// keyed state.
#[derive(Clone)]
pub struct GitlabSecrets {
    tokens: Vec<[u8; 32]>,
    keys: Vec<Hmac<Sha256>>,
}

impl GitlabSecrets {
    /// What signing tokens start with.
    const KEY_PREFIX: &str = "whsec_";

    /// Takes the secrets in use, in any order and of both kinds. Secret tokens must be as long as [`WebhookSecrets`].
    pub fn new(secrets: impl IntoIterator<Item = SecretString>) -> Result<Self, SecretsError> {
        let (mut tokens, mut keys) = (Vec::new(), Vec::new());
        for (secret, position) in secrets.into_iter().zip(1..) {
            match secret.expose_secret().strip_prefix(Self::KEY_PREFIX) {
                Some(key) => keys.push(signing_key(key, position)?),
                None => tokens.push(Sha256::digest(good(secret.expose_secret(), position)?).into()),
            }
        }
        match tokens.len() + keys.len() {
            0 => Err(SecretsError::None),
            count if count > WebhookSecrets::COUNT_MAX => Err(SecretsError::TooMany { count }),
            _ => Ok(GitlabSecrets { tokens, keys }),
        }
    }

    /// Whether there is a secret token to compare with.
    pub fn has_tokens(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// Whether there is a signing token to verify with.
    pub fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Whether this is one of the secret tokens. Their hashes are compared, all of them and whole, so that the time it
    /// takes tells nothing about them, their length included.
    pub fn knows(&self, token: &[u8]) -> bool {
        let hash = Sha256::digest(token);
        let known = self.tokens.iter().fold(Choice::from(0), |known, token| known | token.ct_eq(&hash[..]));
        known.into()
    }

    /// Whether one of `signatures` is that of `id.timestamp.body` under one of the signing tokens, as the Standard Webhooks
    /// specification has it. All are tried, whatever comes of it.
    pub fn signed(&self, id: &[u8], timestamp: &[u8], body: &[u8], signatures: &[[u8; 32]]) -> bool {
        let mut signed = Choice::from(0);
        for key in &self.keys {
            let mac = [id, b".", timestamp, b".", body].into_iter().fold(key.clone(), |mac, part| mac.chain_update(part));
            let mac = mac.finalize().into_bytes();
            for signature in signatures {
                signed |= mac.ct_eq(&signature[..]);
            }
        }
        signed.into()
    }
}

impl fmt::Debug for GitlabSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GitlabSecrets({} tokens and {} keys redacted)", self.tokens.len(), self.keys.len())
    }
}

fn signing_key(base64: &str, position: usize) -> Result<Hmac<Sha256>, SecretsError> {
    // A secret that was read from a file may end with a line break.
    let key: Option<[u8; 32]> = STANDARD.decode(base64.trim_end()).ok().and_then(|key| key.try_into().ok());
    key.map(|key| hmac(&key)).ok_or(SecretsError::NoKey { position })
}

/// Of one delivery so many signatures are looked at; a forge that changes its key sends two.
const SIGNATURES_MAX: usize = 8;

/// The signatures in a header of the form `v1,` and base64 of 32 bytes, several of them with spaces between. Those of other
/// versions are passed over, and so is what comes after the eighth.
pub fn parse_signature_list(value: &[u8]) -> Vec<[u8; 32]> {
    let signature = |item: &[u8]| STANDARD.decode(item.strip_prefix(b"v1,")?).ok()?.try_into().ok();
    value.split(|byte| *byte == b' ').filter_map(signature).take(SIGNATURES_MAX).collect()
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

    /// The bytes 0 to 31.
    const KEY: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn gitlab(secrets: &[&str]) -> Result<GitlabSecrets, SecretsError> {
        GitlabSecrets::new(secrets.iter().map(|s| SecretString::from(*s)))
    }

    #[test]
    fn gitlabs_two_kinds_of_secrets_are_told_apart() {
        let both = gitlab(&["a secret that is long", KEY, "another secret of some length"]).expect("these are good");
        assert!(both.has_tokens() && both.has_keys());
        assert!(both.knows(b"a secret that is long") && both.knows(b"another secret of some length"));
        assert!(!both.knows(KEY.as_bytes()) && !both.knows(b"") && !both.knows(b"a secret that is lon"));
        assert!(!gitlab(&[KEY]).expect("it is good").has_tokens());
        assert!(!gitlab(&["a secret that is long"]).expect("it is good").has_keys());
        assert_eq!(format!("{both:?}"), "GitlabSecrets(2 tokens and 1 keys redacted)");
    }

    #[test]
    fn gitlabs_secrets_that_anybody_could_guess_are_refused() {
        let error = |list: &[&str]| gitlab(list).expect_err("these are not good enough");
        assert_eq!(error(&[]), SecretsError::None);
        assert_eq!(error(&[KEY, ""]), SecretsError::Empty { position: 2 });
        assert_eq!(error(&["fifteen bytes.."]), SecretsError::Short { position: 1, bytes: 15 });
        assert_eq!(error(&[KEY; 9]), SecretsError::TooMany { count: 9 });
        for none in ["whsec_", "whsec_AAEC", "whsec_a secret that is long", &KEY[..KEY.len() - 4], &format!("{KEY}AAAA")] {
            assert_eq!(error(&[none]), SecretsError::NoKey { position: 1 }, "{none}");
        }
    }

    #[test]
    fn a_signature_computed_elsewhere_is_right() {
        // printf '%s' 'msg.1700000000.{}' | openssl dgst -sha256 -mac HMAC -macopt hexkey:000102...1f -binary | base64
        let header = b"v1,JcdvRLKYIHsU/MKb3sxlpO0Dh94XaDo0ct51auzY5Wo=";
        let signatures = parse_signature_list(header);
        assert_eq!(signatures.len(), 1);
        let secrets = gitlab(&[KEY]).expect("it is good");
        assert!(secrets.signed(b"msg", b"1700000000", b"{}", &signatures));
        assert!(!secrets.signed(b"msg", b"1700000001", b"{}", &signatures));
        assert!(!secrets.signed(b"msh", b"1700000000", b"{}", &signatures));
        assert!(!secrets.signed(b"msg", b"1700000000", b"{ }", &signatures));
        assert!(!secrets.signed(b"msg", b"1700000000", b"{}", &[]));
    }

    #[test]
    fn of_a_list_of_signatures_those_of_a_known_version_are_read() {
        let one = format!("v1,{}", STANDARD.encode([1; 32]));
        let two = format!("v1,{}", STANDARD.encode([2; 32]));
        let read = |list: &str| parse_signature_list(list.as_bytes());
        assert_eq!(read(&format!("{one} v2,abc v1a,{} {two}", STANDARD.encode([3; 32]))), [[1; 32], [2; 32]]);
        assert_eq!(read(&vec![one.as_str(); 20].join(" ")).len(), 8);
        for none in ["", "v1,", "v1,AAAA", &one[3..], &one.replace("v1,", "v1="), &one.replace("v1", "V1"), &one[..one.len() - 1]]
        {
            assert!(read(none).is_empty(), "{none}");
        }
    }
}
