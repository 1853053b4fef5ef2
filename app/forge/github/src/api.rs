//! The API, signed in: as the App, or for one repository by a token that reaches no other.

use std::fmt;

use bytes::Bytes;
use gatewright_core::forge::ForgeError;
use gatewright_core::{RepoRef, Timestamp};
use http::Method;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::budget::Account;
use crate::cache::Cache;
use crate::call::{Call, Repeat};
use crate::config::{Clock, ConfigError, GitHubConfig, api_base};
use crate::error::{missing, refused};
use crate::route::{repo_route, route};
use crate::tokens::{AppKey, Scope, Token, TokenKey, Tokens};
use crate::transport::Transport;

/// Answers kept for conditional reads: so many, and so many bytes. What falls out is read whole the next time.
const ETAGS_MAX: usize = 2_048;
const ETAGS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Installations that were looked up because the delivery named none.
const INSTALLATIONS_MAX: usize = 10_000;
const INSTALLATIONS_BYTES_MAX: usize = 4 * 1024 * 1024;

pub(crate) struct Api {
    transport: Transport,
    app: AppKey,
    tokens: Tokens,
    installations: Cache<u64>,
    etags: Cache<Kept>,
    clock: Clock,
}

#[derive(Debug, Clone)]
struct Kept {
    etag: String,
    body: Bytes,
}

/// What a token is asked for. A permission that the App was not given makes GitHub refuse, so these are the ones that
/// the README has the App ask for.
#[derive(Serialize)]
struct TokenRequest {
    repository_ids: [u64; 1],
    permissions: Permissions,
}

#[derive(Serialize)]
struct Permissions {
    contents: &'static str,
    metadata: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    checks: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pull_requests: Option<&'static str>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: String,
    expires_at: Timestamp,
}

#[derive(Deserialize)]
struct InstallationAnswer {
    id: u64,
}

impl Api {
    pub(crate) fn new(config: &GitHubConfig) -> Result<Self, ConfigError> {
        Ok(Api {
            app: AppKey::new(config.app_id, &config.private_key)?,
            transport: Transport::new(config, api_base(&config.api_url)?)?,
            tokens: Tokens::default(),
            installations: Cache::new(INSTALLATIONS_MAX, INSTALLATIONS_BYTES_MAX),
            etags: Cache::new(ETAGS_MAX, ETAGS_BYTES_MAX),
            clock: config.clock.clone(),
        })
    }

    /// Sends a request as the App.
    pub(crate) async fn as_app(&self, call: &Call) -> Result<Answer, ForgeError> {
        let jwt = self.app.jwt((self.clock)())?;
        let answer = self.transport.send(call, &jwt, Account::App).await?;
        if answer.status != 401 {
            return Ok(answer);
        }
        // A 401 did nothing, so even a write may be sent again: once, with a token signed now.
        self.app.forget();
        let jwt = self.app.jwt((self.clock)())?;
        self.transport.send(call, &jwt, Account::App).await
    }

    /// Sends a request for a repository.
    pub(crate) async fn for_repo(&self, repo: &RepoRef, call: &Call) -> Result<Answer, ForgeError> {
        let key = self.token_key(repo, Scope::Api).await?;
        let account = Account::Installation(key.installation);
        let token = self.token(repo, key).await?;
        let answer = self.transport.send(call, &token, account).await?;
        if answer.status != 401 {
            return Ok(answer);
        }
        self.tokens.forget(key, &token).await;
        let token = self.token(repo, key).await?;
        self.transport.send(call, &token, account).await
    }

    /// Reads something of a repository that may be as it was the last time: then GitHub says so in a few bytes, which
    /// count for nothing in its hourly limit.
    pub(crate) async fn read_cached(&self, repo: &RepoRef, mut call: Call) -> Result<Answer, ForgeError> {
        let name = format!("{}{}", repo.key(), call.target);
        let kept = self.etags.get(&name);
        call.etag = kept.as_ref().map(|kept| kept.etag.clone());
        let answer = self.for_repo(repo, &call).await?;
        match (answer.status, kept) {
            (304, Some(kept)) => Ok(Answer { status: 200, body: kept.body, ..answer }),
            (200, _) => {
                if let Some(etag) = answer.etag.clone() {
                    let bytes = etag.len() + answer.body.len();
                    self.etags.put(name, Kept { etag, body: answer.body.clone() }, bytes);
                }
                Ok(answer)
            }
            _ => Ok(answer),
        }
    }

    /// A token that can read the repository's content and nothing else.
    pub(crate) async fn clone_token(&self, repo: &RepoRef) -> Result<SecretString, ForgeError> {
        let key = self.token_key(repo, Scope::Clone).await?;
        self.token(repo, key).await
    }

    async fn token(&self, repo: &RepoRef, key: TokenKey) -> Result<SecretString, ForgeError> {
        let minted = self.tokens.get(key, || (self.clock)(), async || self.mint(repo, key).await).await;
        if let Err(ForgeError::Missing { .. }) = &minted {
            // It was looked up before the App was taken off the repository, or put on it anew.
            self.installations.remove(&repo.key());
        }
        minted
    }

    async fn mint(&self, repo: &RepoRef, key: TokenKey) -> Result<Token, ForgeError> {
        let target = route(&["app", "installations", &key.installation.to_string(), "access_tokens"])?;
        let write = (key.scope == Scope::Api).then_some("write");
        let permissions = Permissions { contents: "read", metadata: "read", checks: write, pull_requests: write };
        let body = TokenRequest { repository_ids: [repo.id], permissions };
        // Two tokens do no harm, so this POST may be repeated.
        let call = Call::write("mint_token", Method::POST, target, &body)?.repeat(Repeat::Safe);
        let answer = self.as_app(&call).await?;
        if answer.status == 422 {
            let advice = "is the App installed on this repository, and did its owner accept the permissions it asks for?";
            return Err(refused(format!("no token for {}: {} ({advice})", repo.path, answer.words)));
        }
        let answer: TokenAnswer = answer.ok(|| format!("the App's installation for {}", repo.path))?.json("mint_token")?;
        Ok(Token::ending_at(SecretString::from(answer.token), answer.expires_at))
    }

    async fn token_key(&self, repo: &RepoRef, scope: Scope) -> Result<TokenKey, ForgeError> {
        let installation = match repo.installation {
            Some(installation) => installation,
            None => self.look_installation_up(repo).await?,
        };
        Ok(TokenKey { installation, repo: repo.id, scope })
    }

    async fn look_installation_up(&self, repo: &RepoRef) -> Result<u64, ForgeError> {
        if let Some(id) = self.installations.get(&repo.key()) {
            return Ok(id);
        }
        let call = Call::get("find_installation", repo_route(repo, &["installation"])?);
        let answer = self.as_app(&call).await?;
        if answer.status == 404 {
            return Err(missing(format!("the App's installation on {}", repo.path)));
        }
        let found: InstallationAnswer = answer.ok(|| repo.path.clone())?.json("find_installation")?;
        self.installations.put(repo.key(), found.id, size_of::<u64>());
        Ok(found.id)
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("transport", &self.transport).finish_non_exhaustive()
    }
}
