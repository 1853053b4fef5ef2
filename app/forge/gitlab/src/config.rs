//! What a [`GitLab`](crate::GitLab) is made from, checked once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gatewright_core::Timestamp;
use gatewright_core::secret::SecretString;
use gatewright_forge_shared::address::base_url;
use url::Url;

/// Says what time it is. Tests pass their own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// One account on one GitLab.
#[derive(Clone)]
pub struct GitLabConfig {
    /// Where GitLab is, as people type it: `https://gitlab.com`, or `https://HOST/gitlab` where it is installed below a path.
    /// Plain http is taken for loopback addresses only.
    pub url: String,
    /// Where repositories are cloned from, where that is not `url`.
    pub clone_url: Option<String>,
    /// An access token with the scope `api`: a project's, a group's or a person's.
    pub token: SecretString,
    /// The token that git gets, where it is to be another one than `token`. The scope `read_repository` is enough for it.
    pub clone_token: Option<SecretString>,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// How much may be asked of GitLab.
    pub limits: Limits,
    /// The time.
    pub clock: Clock,
}

impl GitLabConfig {
    /// An account with the usual limits and the system's clock.
    pub fn new(url: impl Into<String>, token: SecretString) -> Self {
        GitLabConfig {
            url: url.into(),
            clone_url: None,
            token,
            clone_token: None,
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            clock: Arc::new(Timestamp::now),
        }
    }
}

impl fmt::Debug for GitLabConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitLabConfig")
            .field("url", &self.url)
            .field("clone_url", &self.clone_url)
            .field("timeouts", &self.timeouts)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// How long things may take. A call that meets one of the first three ends as `Unavailable`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect, TLS included.
    pub connect: Duration,
    /// Between two parts of an answer.
    pub read: Duration,
    /// From the request's first byte to the answer's last. GitLab itself tries for 10 s to get at a commit's statuses.
    pub total: Duration,
    /// For [`GitLab::probe`](crate::GitLab::probe), as a whole.
    pub probe: Duration,
    /// The shortest wait before something repeatable is sent again within a call. It doubles, with jitter, and a call
    /// sends nothing more than three times.
    pub retry_delay: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(20),
            total: Duration::from_secs(30),
            probe: Duration::from_secs(3),
            retry_delay: Duration::from_millis(200),
        }
    }
}

/// How much may be asked of GitLab. What would go beyond is not sent and ends as `RateLimited`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests within a minute, all together. gitlab.com takes 2,000 of an account ("GitLab.com rate limits"), and others
    /// may use the account too; a GitLab of one's own limits nothing until its administrator does.
    pub requests_per_minute: u32,
    /// New notes and threads within a minute. gitlab.com takes 60 of an account; elsewhere 300 is the default.
    pub notes_per_minute: u32,
    /// Requests under way at once. More wait for their turn.
    pub concurrent: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { requests_per_minute: 1_000, notes_per_minute: 60, concurrent: 20 }
    }
}

/// A configuration that nothing can be made from. None of the texts holds a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// GitLab's address cannot be used.
    #[error("`url` {rule}")]
    Url {
        /// What it must be.
        rule: &'static str,
    },
    /// The clone address cannot be used.
    #[error("`clone_url` {rule}")]
    CloneUrl {
        /// What it must be.
        rule: &'static str,
    },
    /// A token that cannot be one.
    #[error("`{key}` must be an access token as GitLab shows it once when it is made: visible ASCII characters, at least 8")]
    Token {
        /// Its key in the configuration.
        key: &'static str,
    },
    /// A limit under which nothing could ever be sent.
    #[error("`limits` must be at least 1 each")]
    Limits,
    /// The TLS of this machine cannot be used.
    #[error("cannot make an HTTPS client: {cause}")]
    Client {
        /// What the HTTP library says.
        cause: String,
    },
}

/// What is below GitLab's own address. A configured address may end with it, since GitLab's documentation writes it so.
const API_PATH: &str = "/api/v4";

/// The API's address, without a slash at its end.
pub(crate) fn api_base(text: &str) -> Result<Url, ConfigError> {
    let mut url = base_url(text).map_err(|rule| ConfigError::Url { rule })?;
    let path = format!("{}{API_PATH}", web_path(&url));
    url.set_path(&path);
    Ok(url)
}

/// Where to clone from: as configured, or GitLab's own address.
pub(crate) fn clone_base(configured: Option<&str>, url: &str) -> Result<String, ConfigError> {
    let url = match configured {
        Some(text) => base_url(text).map_err(|rule| ConfigError::CloneUrl { rule })?,
        None => {
            let mut url = base_url(url).map_err(|rule| ConfigError::Url { rule })?;
            let path = web_path(&url);
            url.set_path(&path);
            url
        }
    };
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn web_path(url: &Url) -> String {
    let path = url.path().trim_end_matches('/');
    path.strip_suffix(API_PATH).unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_and_the_repositories_are_below_gitlabs_address() {
        let of = |url: &str| (api_base(url).expect("valid").to_string(), clone_base(None, url).expect("valid"));
        let pair = |api: &str, clone: &str| (api.to_owned(), clone.to_owned());
        assert_eq!(of("https://gitlab.com"), pair("https://gitlab.com/api/v4", "https://gitlab.com"));
        assert_eq!(of("https://gl.example/gitlab/"), pair("https://gl.example/gitlab/api/v4", "https://gl.example/gitlab"));
        assert_eq!(of("https://gl.example/api/v4/"), pair("https://gl.example/api/v4", "https://gl.example"));
        assert_eq!(of("http://127.0.0.1:8081"), pair("http://127.0.0.1:8081/api/v4", "http://127.0.0.1:8081"));
        let configured = clone_base(Some("http://127.0.0.1:9/git/"), "https://gl.example");
        assert_eq!(configured.as_deref(), Ok("http://127.0.0.1:9/git"));
        assert!(api_base("http://gl.example").is_err() && clone_base(Some("gl"), "https://gl.example").is_err());
    }

    #[test]
    fn neither_debug_nor_an_error_shows_a_token() {
        let mut config = GitLabConfig::new("https://gitlab.com", SecretString::from("CANARY-1"));
        config.clone_token = Some(SecretString::from("CANARY-2"));
        assert!(!format!("{config:?}").contains("CANARY"));
    }
}
