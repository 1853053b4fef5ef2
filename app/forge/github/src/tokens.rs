//! The App's JSON Web Token and the installation tokens: each made once, kept until shortly before it ends.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gatewright_core::Timestamp;
use gatewright_core::forge::ForgeError;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::config::ConfigError;
use crate::error::unavailable;

/// The token is dated back by this, against clocks that differ (GitHub's own advice).
const JWT_BACKDATED_SECS: i64 = 60;
/// GitHub takes at most 10 minutes; this leaves one for clocks that differ.
const JWT_LIFE_SECS: i64 = 9 * 60;
/// A token of the App is not used any more for its last two minutes.
const JWT_MARGIN_SECS: i64 = 120;
/// An installation token lives for an hour and is replaced this long before its end, so that what begins with it can
/// end with it.
const TOKEN_MARGIN_SECS: i64 = 5 * 60;
/// Tokens live for an hour; the second one is for a clock that is behind GitHub's.
const TOKEN_LIFE_SECS_MAX: i64 = 2 * 3_600;
/// From so many tokens on, those that nobody waits for are dropped before another is added; they are minted again.
const TOKENS_KEPT: usize = 4_096;

/// The App's private key, and the token that was last signed with it.
pub(crate) struct AppKey {
    issuer: String,
    key: EncodingKey,
    signed: Mutex<Option<Token>>,
}

/// A token and when it is to be replaced.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) secret: SecretString,
    pub(crate) replace_at: Timestamp,
}

#[derive(Serialize)]
struct Claims<'a> {
    iat: i64,
    exp: i64,
    iss: &'a str,
}

impl AppKey {
    pub(crate) fn new(app_id: u64, pem: &SecretString) -> Result<Self, ConfigError> {
        let key = EncodingKey::from_rsa_pem(pem.expose_secret().trim().as_bytes()).map_err(|_| ConfigError::PrivateKey)?;
        let app = AppKey { issuer: app_id.to_string(), key, signed: Mutex::default() };
        // Signed once here, so that a key which can be read but not used is found at start.
        app.sign(0).map_err(|_| ConfigError::PrivateKey)?;
        Ok(app)
    }

    /// A token of the App that is good for two minutes at least.
    pub(crate) fn jwt(&self, now: Timestamp) -> Result<SecretString, ForgeError> {
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = signed.as_ref().filter(|token| token.is_fresh(now)) {
            return Ok(token.secret.clone());
        }
        let secret = self.sign(now.as_second()).map_err(|_| unavailable("the App's token cannot be signed"))?;
        let replace_at = in_secs(now, JWT_LIFE_SECS - JWT_MARGIN_SECS);
        *signed = Some(Token { secret: secret.clone(), replace_at });
        Ok(secret)
    }

    pub(crate) fn forget(&self) {
        *self.signed.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn sign(&self, now: i64) -> Result<SecretString, jsonwebtoken::errors::Error> {
        let claims = Claims { iat: now - JWT_BACKDATED_SECS, exp: now + JWT_LIFE_SECS, iss: &self.issuer };
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key).map(SecretString::from)
    }
}

impl Token {
    /// An installation token that GitHub says ends at `expires_at`.
    pub(crate) fn ending_at(secret: SecretString, expires_at: Timestamp) -> Self {
        Token { secret, replace_at: in_secs(expires_at, -TOKEN_MARGIN_SECS) }
    }

    /// False also for a token that lives longer than any does: then the clock was set back, and its end is unknown.
    fn is_fresh(&self, now: Timestamp) -> bool {
        now < self.replace_at && self.replace_at.as_second() - now.as_second() <= TOKEN_LIFE_SECS_MAX
    }
}

fn in_secs(time: Timestamp, secs: i64) -> Timestamp {
    Timestamp::from_second(time.as_second().saturating_add(secs)).unwrap_or(time)
}

/// What a token may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    /// Everything that this crate does for a repository.
    Api,
    /// Reading its content, and nothing else.
    Clone,
    /// Asking who is in a team of its owner.
    Members,
    /// Giving its findings to code scanning.
    Scanning,
    /// Writing releases and their artefacts.
    Releases,
    /// Writing deployments, and answering workflows that wait for leave.
    Deployments,
    /// Committing, and writing pull requests.
    Changes,
    /// Reading and writing issues.
    Issues,
    /// Listing what an installation covers.
    Listing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenKey {
    pub(crate) installation: u64,
    /// None: all that the installation covers.
    pub(crate) repo: Option<u64>,
    pub(crate) scope: Scope,
}

/// The installation tokens.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<HashMap<TokenKey, Arc<Slot>>>);

#[derive(Default)]
struct Slot {
    /// How often a token was asked for from GitHub.
    mints: AtomicU64,
    last: tokio::sync::Mutex<Last>,
}

#[derive(Default)]
struct Last {
    token: Option<Token>,
    failure: Option<ForgeError>,
}

impl Tokens {
    /// The token of that key, minted by `mint` if there is none that lives long enough. Of many callers at once one
    /// mints and all get its token, or its failure: GitHub is not asked again for each that waited.
    pub(crate) async fn get(
        &self,
        key: TokenKey,
        now: impl Fn() -> Timestamp,
        mint: impl AsyncFnOnce() -> Result<Token, ForgeError>,
    ) -> Result<SecretString, ForgeError> {
        let slot = self.slot(key);
        let mints = slot.mints.load(Ordering::Acquire);
        let mut last = slot.last.lock().await;
        if let Some(token) = last.token.as_ref().filter(|token| token.is_fresh(now())) {
            return Ok(token.secret.clone());
        }
        if slot.mints.load(Ordering::Acquire) != mints
            && let Some(failure) = &last.failure
        {
            return Err(failure.clone());
        }
        let minted = mint().await;
        slot.mints.fetch_add(1, Ordering::Release);
        match minted {
            Ok(token) => {
                *last = Last { token: Some(token.clone()), failure: None };
                Ok(token.secret)
            }
            Err(failure) => {
                *last = Last { token: None, failure: Some(failure.clone()) };
                Err(failure)
            }
        }
    }

    /// Drops a token that GitHub did not accept, unless another took its place already.
    pub(crate) async fn forget(&self, key: TokenKey, secret: &SecretString) {
        let slot = self.slot(key);
        let mut last = slot.last.lock().await;
        let same = last.token.as_ref().is_some_and(|token| token.secret.expose_secret() == secret.expose_secret());
        if same {
            last.token = None;
        }
    }

    fn slot(&self, key: TokenKey) -> Arc<Slot> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= TOKENS_KEPT && !slots.contains_key(&key) {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        slots.entry(key).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: TokenKey = TokenKey { installation: 1, repo: Some(2), scope: Scope::Api };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn token(name: &str, expires_at: i64) -> Token {
        Token::ending_at(SecretString::from(name), at(expires_at))
    }

    #[tokio::test]
    async fn a_token_is_replaced_minutes_before_it_ends() {
        let tokens = Tokens::default();
        let get = |now: i64, fresh: &'static str| tokens.get(KEY, move || at(now), async move || Ok(token(fresh, now + 3_600)));
        let mut seen = Vec::new();
        for now in [0, 3_299, 3_300, 3_301] {
            seen.push(get(now, if now < 3_300 { "first" } else { "second" }).await.expect("minted").expose_secret().to_owned());
        }
        assert_eq!(seen, ["first", "first", "second", "second"]);
    }

    #[tokio::test]
    async fn those_who_waited_for_a_failed_mint_share_its_failure() {
        let tokens = Tokens::default();
        let asked = AtomicU64::new(0);
        let get = || {
            tokens.get(
                KEY,
                || at(0),
                async || {
                    asked.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                    Err(unavailable("502"))
                },
            )
        };
        let (a, b, c) = tokio::join!(get(), get(), get());
        assert!(a.is_err() && b.is_err() && c.is_err());
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert!(get().await.is_err());
        assert_eq!(asked.load(Ordering::Relaxed), 2, "a later caller asks again");
    }

    #[tokio::test]
    async fn only_the_token_that_failed_is_dropped() {
        let tokens = Tokens::default();
        let get = |name: &'static str| tokens.get(KEY, || at(0), async move || Ok(token(name, 3_600)));
        let first = get("first").await.expect("minted");
        tokens.forget(KEY, &first).await;
        let second = get("second").await.expect("minted");
        tokens.forget(KEY, &first).await;
        assert_eq!(get("third").await.expect("kept").expose_secret(), second.expose_secret());
    }

    #[tokio::test]
    async fn tokens_do_not_pile_up() {
        let tokens = Tokens::default();
        for repo in 0..10_000 {
            let key = TokenKey { repo: Some(repo), ..KEY };
            assert!(tokens.get(key, || at(0), async || Ok(token("x", 3_600))).await.is_ok());
        }
        assert!(tokens.0.lock().expect("not poisoned").len() <= TOKENS_KEPT);
    }

    #[test]
    fn a_key_that_is_none_is_refused_without_being_shown() {
        let error = AppKey::new(1, &SecretString::from("CANARY-KEY")).err().expect("refused");
        assert_eq!(error, ConfigError::PrivateKey);
        assert!(!format!("{error} {error:?}").contains("CANARY"));
    }
}
