//! The API, signed in: as the App, for one repository by a token that reaches no other, or for an installation by one that
//! can list its repositories.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use gatewright_core::forge::ForgeError;
use gatewright_core::{ItemRef, RepoRef, Timestamp};
use gatewright_forge_shared::Cache;
use http::Method;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::budget::Account;
use crate::call::{Call, Repeat};
use crate::config::{Clock, ConfigError, GitHubConfig, TokenConfig, Ways, api_base};
use crate::error::{locked_out, missing, refused};
use crate::route::{repo_route, route};
use crate::tokens::{AppKey, Scope, Token, TokenKey, Tokens};
use crate::transport::Transport;

/// Answers kept for conditional reads: so many, and so many bytes. What falls out is read whole the next time.
const ETAGS_MAX: usize = 2_048;
const ETAGS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Installations that were looked up because the delivery named none.
const INSTALLATIONS_MAX: usize = 10_000;
const INSTALLATIONS_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What a token is of that somebody else has made. GitHub counts installations from 1.
const NO_INSTALLATION: u64 = 0;

/// As whom requests are sent.
enum Identity {
    /// A GitHub App, which mints a token for each repository.
    App(AppKey),
    /// Whoever a token belongs to. It is used as it is.
    Bearer(SecretString),
}

pub(crate) struct Api {
    transport: Transport,
    identity: Identity,
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

/// What a token is asked for. A permission that the App was not given makes GitHub refuse the token as a whole, so these
/// are the ones that the README has the App ask for, and what not every owner grants has a token of its own.
#[derive(Serialize)]
struct TokenRequest {
    /// None: all that the installation covers.
    #[serde(skip_serializing_if = "Option::is_none")]
    repository_ids: Option<[u64; 1]>,
    permissions: Permissions,
}

#[derive(Serialize, Default)]
struct Permissions {
    #[serde(skip_serializing_if = "Option::is_none")]
    checks: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contents: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployments: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issues: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<&'static str>,
    metadata: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pull_requests: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    security_events: Option<&'static str>,
}

impl Permissions {
    /// Writing pull requests is what GitHub asks for where a comment is one on a pull request: to make, edit and minimise
    /// it and to react to it, although its addresses say `issues`.
    fn of(scope: Scope) -> Self {
        let least = Permissions { metadata: "read", ..Permissions::default() };
        match scope {
            Scope::Api => Permissions { checks: Some("write"), contents: Some("read"), pull_requests: Some("write"), ..least },
            Scope::Clone => Permissions { contents: Some("read"), ..least },
            Scope::Members => Permissions { members: Some("read"), ..least },
            Scope::Scanning => Permissions { security_events: Some("write"), ..least },
            Scope::Releases => Permissions { contents: Some("write"), ..least },
            Scope::Deployments => Permissions { deployments: Some("write"), ..least },
            Scope::Changes => Permissions { contents: Some("write"), pull_requests: Some("write"), ..least },
            Scope::Issues => Permissions { issues: Some("write"), ..least },
            Scope::Listing => least,
        }
    }
}

impl Permissions {
    /// Which of these go beyond what was granted: `contents: write` and the like.
    fn beyond(&self, granted: &BTreeMap<String, String>) -> Vec<String> {
        let wanted = [
            ("checks", self.checks),
            ("contents", self.contents),
            ("deployments", self.deployments),
            ("issues", self.issues),
            ("members", self.members),
            ("metadata", Some(self.metadata)),
            ("pull_requests", self.pull_requests),
            ("security_events", self.security_events),
        ];
        let covers = |name: &str, access: &str| match granted.get(name).map(String::as_str) {
            Some("read") => access == "read",
            Some(_) => true,
            None => false,
        };
        let missing =
            wanted.into_iter().filter_map(|(name, access)| access.filter(|access| !covers(name, access)).map(|a| (name, a)));
        missing.map(|(name, access)| format!("`{name}: {access}`")).collect()
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: String,
    expires_at: Timestamp,
}

#[derive(Deserialize)]
struct Granted {
    #[serde(default)]
    permissions: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct InstallationAnswer {
    id: u64,
}

impl Api {
    pub(crate) fn of_app(config: &GitHubConfig) -> Result<Self, ConfigError> {
        let identity = Identity::App(AppKey::new(config.app_id, &config.private_key)?);
        let ways = Ways { timeouts: config.timeouts, limits: config.limits, clock: config.clock.clone() };
        Api::new(identity, &config.api_url, &ways)
    }

    pub(crate) fn of_bearer(config: &TokenConfig) -> Result<Self, ConfigError> {
        let ways = Ways { timeouts: config.timeouts, limits: config.limits, clock: config.clock.clone() };
        Api::new(Identity::Bearer(config.token.clone()), &config.api_url, &ways)
    }

    fn new(identity: Identity, api_url: &str, ways: &Ways) -> Result<Self, ConfigError> {
        Ok(Api {
            identity,
            transport: Transport::new(ways, api_base(api_url)?)?,
            tokens: Tokens::default(),
            installations: Cache::new(INSTALLATIONS_MAX, INSTALLATIONS_BYTES_MAX),
            etags: Cache::new(ETAGS_MAX, ETAGS_BYTES_MAX),
            clock: ways.clock.clone(),
        })
    }

    /// Sends a request as the App.
    pub(crate) async fn as_app(&self, call: &Call) -> Result<Answer, ForgeError> {
        let app = match &self.identity {
            Identity::App(app) => app,
            Identity::Bearer(_) => return Err(refused("this is for an App to ask, and there is only a token")),
        };
        let jwt = app.jwt(self.now())?;
        let answer = self.transport.send(call, &jwt, Account::App).await?;
        if answer.status != 401 {
            return Ok(answer);
        }
        // A 401 did nothing, so even a write may be sent again: once, with a token signed now.
        app.forget();
        let jwt = app.jwt(self.now())?;
        self.transport.send(call, &jwt, Account::App).await
    }

    /// Sends a request for a repository.
    pub(crate) async fn for_repo(&self, repo: &RepoRef, call: &Call) -> Result<Answer, ForgeError> {
        let key = self.token_key(repo, Scope::Api).await?;
        self.signed(key, Some(repo), call).await
    }

    /// Asks about the members of the organisation that owns a repository. Refused where its owner did not grant that.
    pub(crate) async fn for_members(&self, repo: &RepoRef, call: &Call) -> Result<Answer, ForgeError> {
        let key = self.token_key(repo, Scope::Members).await?;
        self.signed(key, Some(repo), call).await
    }

    /// Writes code scanning. Refused where the repository's owner did not grant that.
    pub(crate) async fn for_scanning(&self, repo: &RepoRef, call: &Call) -> Result<Answer, ForgeError> {
        let key = self.token_key(repo, Scope::Scanning).await?;
        self.signed(key, Some(repo), call).await
    }

    /// Reads and writes releases; drafts are shown to who may write only. Refused where the repository's owner did not grant that.
    pub(crate) async fn for_releases(&self, repo: &RepoRef, call: &Call) -> Result<Answer, ForgeError> {
        let key = self.token_key(repo, Scope::Releases).await?;
        self.signed(key, Some(repo), call).await
    }

    /// Reads and writes deployments. Refused where the repository's owner did not grant that.
    pub(crate) async fn for_deployments(&self, repo: &RepoRef, call: &Call) -> Result<Answer, ForgeError> {
        let key = self.token_key(repo, Scope::Deployments).await?;
        self.signed(key, Some(repo), call).await
    }

    /// Commits and writes pull requests. Refused where the repository's owner did not grant that.
    pub(crate) async fn for_changes(&self, repo: &RepoRef, call: &Call) -> Result<Answer, ForgeError> {
        let key = self.token_key(repo, Scope::Changes).await?;
        self.signed(key, Some(repo), call).await
    }

    /// Reads and writes issues. Refused where the repository's owner did not grant that.
    pub(crate) async fn for_issues(&self, repo: &RepoRef, call: &Call) -> Result<Answer, ForgeError> {
        let key = self.token_key(repo, Scope::Issues).await?;
        self.signed(key, Some(repo), call).await
    }

    /// Reads and writes what people say about a pull request or an issue.
    pub(crate) async fn for_item(&self, repo: &RepoRef, item: ItemRef, call: &Call) -> Result<Answer, ForgeError> {
        match item {
            ItemRef::Pull { .. } => self.for_repo(repo, call).await,
            ItemRef::Issue { .. } => self.for_issues(repo, call).await,
        }
    }

    /// Asks what an installation covers.
    pub(crate) async fn for_installation(&self, installation: u64, call: &Call) -> Result<Answer, ForgeError> {
        self.signed(TokenKey { installation, repo: None, scope: Scope::Listing }, None, call).await
    }

    async fn signed(&self, key: TokenKey, repo: Option<&RepoRef>, call: &Call) -> Result<Answer, ForgeError> {
        if let Identity::Bearer(token) = &self.identity {
            return self.transport.send(call, token, Account::Installation(NO_INSTALLATION)).await;
        }
        let account = Account::Installation(key.installation);
        let token = self.token(key, repo).await?;
        let answer = self.transport.send(call, &token, account).await?;
        if answer.status != 401 {
            return Ok(answer);
        }
        self.tokens.forget(key, &token).await;
        let token = self.token(key, repo).await?;
        self.transport.send(call, &token, account).await
    }

    /// The time, by the clock that tokens and limits go by.
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
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
        self.token(key, Some(repo)).await
    }

    async fn token(&self, key: TokenKey, repo: Option<&RepoRef>) -> Result<SecretString, ForgeError> {
        if let Identity::Bearer(token) = &self.identity {
            return Ok(token.clone());
        }
        let minted = self.tokens.get(key, || self.now(), async || self.mint(key, repo).await).await;
        if let (Err(ForgeError::Missing { .. }), Some(repo)) = (&minted, repo) {
            // It was looked up before the App was taken off the repository, or put on it anew.
            self.installations.remove(&repo.key());
        }
        minted
    }

    async fn mint(&self, key: TokenKey, repo: Option<&RepoRef>) -> Result<Token, ForgeError> {
        let target = route(&["app", "installations", &key.installation.to_string(), "access_tokens"])?;
        let body = TokenRequest { repository_ids: key.repo.map(|id| [id]), permissions: Permissions::of(key.scope) };
        // Two tokens do no harm, so this POST may be repeated.
        let call = Call::write("mint_token", Method::POST, target, &body)?.repeat(Repeat::Safe);
        let answer = self.as_app(&call).await?;
        let whose = || repo.map_or_else(|| format!("installation {}", key.installation), |repo| repo.path.clone());
        if answer.status == 422 {
            let advice = self.advice(key.installation, &body.permissions).await;
            return Err(refused(format!("no token for {}: {} ({advice})", whose(), answer.words)));
        }
        if answer.status == 403 {
            let advice = "the installation may be suspended, or this machine's address not allowed";
            return Err(locked_out(format!("no token for {}: {} ({advice})", whose(), answer.words)));
        }
        let answer: TokenAnswer = answer.ok(|| format!("the App's installation for {}", whose()))?.json("mint_token")?;
        Ok(Token::ending_at(SecretString::from(answer.token), answer.expires_at))
    }

    /// What to do where GitHub gives no token: it does not say itself which permission it is that is missing.
    async fn advice(&self, installation: u64, wanted: &Permissions) -> String {
        let missing = match self.granted(installation).await {
            Ok(granted) => wanted.beyond(&granted),
            Err(_) => Vec::new(),
        };
        if missing.is_empty() {
            return "is the App installed on this repository, and did its owner accept the permissions it asks for?".to_owned();
        }
        let missing = missing.join(", ");
        format!(
            "the App lacks {missing}; add that in the App's settings, and have the owner accept it on the installation's page"
        )
    }

    /// The permissions that an installation was granted.
    async fn granted(&self, installation: u64) -> Result<BTreeMap<String, String>, ForgeError> {
        let call = Call::get("installation", route(&["app", "installations", &installation.to_string()])?);
        let answer = self.as_app(&call).await?.ok(|| format!("installation {installation}"))?;
        Ok(answer.json::<Granted>("installation")?.permissions)
    }

    async fn token_key(&self, repo: &RepoRef, scope: Scope) -> Result<TokenKey, ForgeError> {
        let installation = match (&self.identity, repo.installation) {
            (Identity::Bearer(_), _) => NO_INSTALLATION,
            (Identity::App(_), Some(installation)) => installation,
            (Identity::App(_), None) => self.look_installation_up(repo).await?,
        };
        Ok(TokenKey { installation, repo: Some(repo.id), scope })
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
