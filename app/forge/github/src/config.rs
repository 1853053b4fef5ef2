//! What a [`GitHub`](crate::GitHub) is made from, checked once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gatewright_core::Timestamp;
use gatewright_core::secret::SecretString;
use gatewright_forge_shared::address::base_url;
use url::Url;

/// Says what time it is. Tests pass their own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// One GitHub App on one GitHub.
#[derive(Clone)]
pub struct GitHubConfig {
    /// Where the API is: `https://api.github.com`, or `https://HOST/api/v3` of a GitHub Enterprise Server. Plain http is
    /// taken for loopback addresses only.
    pub api_url: String,
    /// Where repositories are cloned from, where that does not follow from `api_url`.
    pub clone_url: Option<String>,
    /// The App's number.
    pub app_id: u64,
    /// The App's private key, RSA in PEM.
    pub private_key: SecretString,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// How much may be asked of GitHub.
    pub limits: Limits,
    /// The time.
    pub clock: Clock,
}

impl GitHubConfig {
    /// An App with the usual limits and the system's clock.
    pub fn new(api_url: impl Into<String>, app_id: u64, private_key: SecretString) -> Self {
        GitHubConfig {
            api_url: api_url.into(),
            clone_url: None,
            app_id,
            private_key,
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            clock: Arc::new(Timestamp::now),
        }
    }
}

impl fmt::Debug for GitHubConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHubConfig")
            .field("api_url", &self.api_url)
            .field("clone_url", &self.clone_url)
            .field("app_id", &self.app_id)
            .field("timeouts", &self.timeouts)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Somebody's token on one GitHub: a CI job's own, or one that its owner has made for it. What it may do, whoever made it has said.
#[derive(Clone)]
pub struct TokenConfig {
    /// As in [`GitHubConfig`].
    pub api_url: String,
    /// The token.
    pub token: SecretString,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// How much may be asked of GitHub.
    pub limits: Limits,
    /// The time.
    pub clock: Clock,
}

impl TokenConfig {
    /// A token with the usual limits and the system's clock.
    pub fn new(api_url: impl Into<String>, token: SecretString) -> Self {
        TokenConfig {
            api_url: api_url.into(),
            token,
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            clock: Arc::new(Timestamp::now),
        }
    }
}

impl fmt::Debug for TokenConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenConfig").field("api_url", &self.api_url).finish_non_exhaustive()
    }
}

/// What every kind of client is made with.
#[derive(Clone)]
pub(crate) struct Ways {
    pub(crate) timeouts: Timeouts,
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
}

/// How long things may take. A call that meets one of the first three ends as `Unavailable`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect, TLS included.
    pub connect: Duration,
    /// Between two parts of an answer.
    pub read: Duration,
    /// From the request's first byte to the answer's last.
    pub total: Duration,
    /// The same for a request that carries an artefact.
    pub upload: Duration,
    /// For [`GitHub::probe`](crate::GitHub::probe), as a whole.
    pub probe: Duration,
    /// The shortest wait before something repeatable is sent again within a call. It doubles, with jitter, and a call
    /// sends nothing more than three times.
    pub retry_delay: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(15),
            total: Duration::from_secs(30),
            upload: Duration::from_secs(10 * 60),
            probe: Duration::from_secs(3),
            retry_delay: Duration::from_millis(200),
        }
    }
}

/// How much may be asked of GitHub. Its own limits are in "Rate limits for the REST API"; what would go beyond ours is
/// not sent and ends as `RateLimited`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// New comments within a minute and installation (GitHub: 80 content-creating requests).
    pub content_per_minute: u32,
    /// New comments within an hour and installation (GitHub: 500).
    pub content_per_hour: u32,
    /// Points within a minute and installation, 1 for a read and 5 for a write (GitHub: 900).
    pub points_per_minute: u32,
    /// Requests under way at once, over all installations (GitHub: 100). More wait for their turn.
    pub concurrent: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { content_per_minute: 80, content_per_hour: 500, points_per_minute: 900, concurrent: 80 }
    }
}

/// A configuration that nothing can be made from. None of the texts holds the private key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The API's address cannot be used.
    #[error("`api_url` {rule}")]
    ApiUrl {
        /// What it must be.
        rule: &'static str,
    },
    /// The clone address cannot be used.
    #[error("`clone_url` {rule}")]
    CloneUrl {
        /// What it must be.
        rule: &'static str,
    },
    /// There is no App of that number.
    #[error("`app_id` is the number on the GitHub App's page, which is never 0")]
    AppId,
    /// The key cannot be read.
    #[error("`private_key` is not an RSA private key in PEM, as GitHub lets one download it on the App's page")]
    PrivateKey,
    /// A limit under which nothing could ever be sent.
    #[error("`limits` must be at least 1 each, and 5 points a minute")]
    Limits,
    /// The TLS of this machine cannot be used.
    #[error("cannot make an HTTPS client: {cause}")]
    Client {
        /// What the HTTP library says.
        cause: String,
    },
}

/// The API's address: https, or http on loopback, without credentials, query and fragment.
pub(crate) fn api_base(text: &str) -> Result<Url, ConfigError> {
    base_url(text).map_err(|rule| ConfigError::ApiUrl { rule })
}

/// Where to clone from: as configured, or as GitHub lays it out for that API address.
pub(crate) fn clone_base(configured: Option<&str>, api: &Url) -> Result<String, ConfigError> {
    let url = match configured {
        Some(text) => base_url(text).map_err(|rule| ConfigError::CloneUrl { rule })?,
        None => derived_clone_base(api),
    };
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// `api.github.com` -> `github.com`, `api.TENANT.ghe.com` -> `TENANT.ghe.com`, a GitHub Enterprise Server -> itself.
fn derived_clone_base(api: &Url) -> Url {
    let mut url = api.clone();
    url.set_path("");
    let host = api.host_str().unwrap_or_default();
    let web = host.strip_prefix("api.").filter(|web| *web == "github.com" || web.ends_with(".ghe.com"));
    if let Some(web) = web {
        // A part of a valid host behind a dot is a valid host, so this cannot fail.
        let _ = url.set_host(Some(web));
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clone_of(api: &str) -> String {
        api_base(api).and_then(|api| clone_base(None, &api)).expect("valid")
    }

    #[test]
    fn repositories_are_cloned_from_where_the_api_belongs_to() {
        assert_eq!(clone_of("https://api.github.com"), "https://github.com");
        assert_eq!(clone_of("https://api.github.com/"), "https://github.com");
        assert_eq!(clone_of("https://api.octo.ghe.com"), "https://octo.ghe.com");
        assert_eq!(clone_of("https://ghe.example/api/v3"), "https://ghe.example");
        assert_eq!(clone_of("https://api.example"), "https://api.example");
        assert_eq!(clone_of("http://127.0.0.1:8081"), "http://127.0.0.1:8081");
        let api = api_base("http://127.0.0.1:8081").expect("valid");
        assert_eq!(clone_base(Some("http://127.0.0.1:9/git/"), &api).as_deref(), Ok("http://127.0.0.1:9/git"));
    }

    #[test]
    fn neither_debug_nor_an_error_shows_the_key() {
        let config = GitHubConfig::new("https://api.github.com", 7, SecretString::from("CANARY-KEY"));
        assert!(!format!("{config:?}").contains("CANARY"));
        assert!(!ConfigError::PrivateKey.to_string().contains("CANARY"));
    }
}
