//! [`GitLab`]: the adapter itself.

use async_trait::async_trait;
use bytes::Bytes;
use gatewright_core::event::{CommentRef, User};
use gatewright_core::forge::{
    CatchUp, Change, ChangedFiles, CloneCredential, CommentState, Forge, ForgeError, Item, Items, MissedDelivery, OpenPull,
    Protection, PullState, Redelivered, ReleasedCommits, Releases, Reviews, Standing, TagState, Tags,
};
use gatewright_core::report::{Known, Published, Report};
use gatewright_core::secret::SecretString;
use gatewright_core::{CommitId, ItemRef, RepoRef, RunId, Timestamp};
use gatewright_forge_shared::{Cache, Locks};
use secrecy::ExposeSecret;
use serde::Deserialize;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::api::Api;
use crate::call::{Call, route};
use crate::config::{ConfigError, GitLabConfig, Timeouts, clone_base};
use crate::error::{refused, unavailable};
use crate::pipeline::Place;

/// Files at commits kept in memory: so many, and so many bytes. They never change.
const FILES_MAX: usize = 1_024;
const FILES_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What is remembered of commits, merge requests and projects: so many of each, and so many bytes.
const NOTED_MAX: usize = 10_000;
const NOTED_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The user that a token is the password of, as git is told. GitLab looks at the token only.
const CLONE_LOGIN: &str = "oauth2";
/// GitLab's shortest token has 20 characters; a word shorter than this is none.
const TOKEN_BYTES_MIN: usize = 8;

/// One account on one GitLab. Shared as `Arc<dyn Forge>`; every clone of that shares limits and caches.
#[derive(Debug)]
pub struct GitLab {
    pub(crate) api: Api,
    pub(crate) files: Cache<Bytes>,
    /// What is being looked for and made right now.
    pub(crate) publishing: Locks,
    /// By commit and name: the newest run that has shown a status there, and the status.
    pub(crate) shown: Cache<(RunId, u64)>,
    /// By merge request and commit: where its statuses go, and until which second that holds.
    pub(crate) places: Cache<(i64, Place)>,
    /// By project: until which second no status is tried there, because we may not write them.
    pub(crate) closed: Cache<i64>,
    /// By project: until which second it is not asked for external status checks, because it has none.
    pub(crate) unchecked: Cache<i64>,
    me: OnceCell<Account>,
    clone_base: String,
    clone_token: SecretString,
    timeouts: Timeouts,
}

/// Who we are on GitLab, and what GitLab it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whoami {
    /// The account's number. Notes and statuses are ours if they are of this account.
    pub id: u64,
    /// Its name.
    pub username: String,
    /// GitLab's version, where it tells us.
    pub version: Option<String>,
}

/// An account, as GitLab tells of it everywhere.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Account {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) username: String,
}

#[derive(Deserialize)]
struct Version {
    version: String,
}

impl GitLab {
    /// Checks the configuration and makes a client. Nothing is sent yet; see [`GitLab::probe`].
    pub fn new(config: GitLabConfig) -> Result<Self, ConfigError> {
        check_token("token", &config.token)?;
        if let Some(token) = &config.clone_token {
            check_token("clone_token", token)?;
        }
        Ok(GitLab {
            api: Api::new(&config)?,
            files: Cache::new(FILES_MAX, FILES_BYTES_MAX),
            publishing: Locks::default(),
            shown: Cache::new(NOTED_MAX, NOTED_BYTES_MAX),
            places: Cache::new(NOTED_MAX, NOTED_BYTES_MAX),
            closed: Cache::new(NOTED_MAX, NOTED_BYTES_MAX),
            unchecked: Cache::new(NOTED_MAX, NOTED_BYTES_MAX),
            me: OnceCell::new(),
            clone_base: clone_base(config.clone_url.as_deref(), &config.url)?,
            clone_token: config.clone_token.unwrap_or(config.token),
            timeouts: config.timeouts,
        })
    }

    /// Asks GitLab who we are: whether it can be reached and takes the token. Ends within
    /// [`Timeouts::probe`](crate::Timeouts::probe).
    pub async fn probe(&self) -> Result<Whoami, ForgeError> {
        match timeout(self.timeouts.probe, self.whoami()).await {
            Ok(result) => result,
            Err(_) => Err(unavailable("no answer in time")),
        }
    }

    async fn whoami(&self) -> Result<Whoami, ForgeError> {
        let account = self.account().await?;
        let answer = self.api.send(&Call::get("version", route(&["version"])?)).await?;
        // An administrator can hide it.
        let version = answer.json::<Version>("version").ok().filter(|_| answer.status == 200);
        Ok(Whoami { id: account.id, username: account.username, version: version.map(|v| v.version) })
    }

    async fn account(&self) -> Result<Account, ForgeError> {
        let call = Call::get("user", route(&["user"])?);
        self.api.send(&call).await?.ok(|| "the token's account".to_owned())?.json("user")
    }

    /// Our own number, asked for when it first matters.
    pub(crate) async fn me(&self) -> Result<u64, ForgeError> {
        self.me.get_or_try_init(|| self.account()).await.map(|account| account.id)
    }
}

fn check_token(key: &'static str, token: &SecretString) -> Result<(), ConfigError> {
    let token = token.expose_secret();
    let valid = token.len() >= TOKEN_BYTES_MIN && token.bytes().all(|byte| byte.is_ascii_graphic());
    if valid { Ok(()) } else { Err(ConfigError::Token { key }) }
}

#[async_trait]
impl Forge for GitLab {
    async fn pull(&self, repo: &RepoRef, number: u64) -> Result<PullState, ForgeError> {
        self.read_pull(repo, number).await
    }

    async fn branch(&self, repo: &RepoRef, name: &str) -> Result<CommitId, ForgeError> {
        self.read_branch(repo, name).await
    }

    async fn file(&self, repo: &RepoRef, commit: &CommitId, path: &str) -> Result<Option<Bytes>, ForgeError> {
        self.read_file(repo, commit, path).await
    }

    async fn changed_files(&self, repo: &RepoRef, change: &Change) -> Result<ChangedFiles, ForgeError> {
        match change {
            Change::Pull { number } => self.files_of_pull(repo, *number).await,
            Change::Between { base, head } => self.files_between(repo, base, head).await,
        }
    }

    async fn merge_base(&self, repo: &RepoRef, pull: &PullState) -> Result<CommitId, ForgeError> {
        self.read_merge_base(repo, pull.number).await
    }

    async fn standing(&self, repo: &RepoRef, user: &User, teams: &[String]) -> Result<Standing, ForgeError> {
        self.read_standing(repo, user, teams).await
    }

    async fn comment(&self, repo: &RepoRef, comment: &CommentRef) -> Result<Option<CommentState>, ForgeError> {
        self.read_their_note(repo, comment).await
    }

    /// The credential of the configuration: GitLab mints none for one repository.
    async fn credential(&self, repo: &RepoRef) -> Result<CloneCredential, ForgeError> {
        let path = route(&repo.path.split('/').collect::<Vec<_>>())?;
        let login = Some((CLONE_LOGIN.to_owned(), self.clone_token.clone()));
        Ok(CloneCredential { url: format!("{}{path}.git", self.clone_base), login, one_repository: false })
    }

    async fn publish(&self, repo: &RepoRef, report: &Report, known: &Known) -> Result<Published, ForgeError> {
        match report {
            Report::Check(check) => self.publish_check(repo, check, known).await,
            Report::Comment(comment) => self.publish_note(repo, comment, known).await,
            Report::Reaction(reaction) => self.publish_reaction(repo, reaction, known).await,
            Report::Scan(_) => Err(refused("it takes findings from its own jobs only")),
            Report::Release(release) => self.publish_release(repo, release).await,
            Report::Asset(asset) => self.publish_asset(repo, asset).await,
            Report::Deployment(deployment) => self.publish_deployment(repo, deployment, known).await,
            Report::ProtectionRule(_) => Err(refused("it asks nobody for leave to deploy")),
            Report::Proposal(proposal) => self.publish_proposal(repo, proposal, known).await,
            Report::Pushed(pushed) => self.publish_pushed(repo, pushed).await,
            Report::Issue(issue) => self.publish_issue(repo, issue, known).await,
        }
    }
}

#[async_trait]
impl Reviews for GitLab {
    async fn approvals(&self, repo: &RepoRef, number: u64) -> Result<Vec<User>, ForgeError> {
        self.read_approvals(repo, number).await
    }
}

#[async_trait]
impl Items for GitLab {
    async fn item(&self, repo: &RepoRef, item: &ItemRef) -> Result<Item, ForgeError> {
        self.read_item(repo, *item).await
    }

    async fn default_branch(&self, repo: &RepoRef) -> Result<String, ForgeError> {
        self.read_default_branch(repo).await
    }
}

#[async_trait]
impl Releases for GitLab {
    async fn tag(&self, repo: &RepoRef, name: &str) -> Result<Option<TagState>, ForgeError> {
        self.read_signed_tag(repo, name).await
    }

    async fn tags(&self, repo: &RepoRef) -> Result<Tags, ForgeError> {
        self.read_tags(repo).await
    }

    async fn protection(&self, repo: &RepoRef, commit: &CommitId) -> Result<Protection, ForgeError> {
        self.read_protection(repo, commit).await
    }

    async fn commits_between(
        &self,
        repo: &RepoRef,
        from: Option<&CommitId>,
        to: &CommitId,
    ) -> Result<ReleasedCommits, ForgeError> {
        self.read_commits_between(repo, from, to).await
    }

    async fn pull_of(&self, repo: &RepoRef, commit: &CommitId) -> Result<Option<u64>, ForgeError> {
        self.read_pull_of(repo, commit).await
    }
}

#[async_trait]
impl CatchUp for GitLab {
    /// Sends nothing again; the crate's own page says why.
    async fn redeliver(
        &self,
        _since: Timestamp,
        _wanted: &(dyn for<'a> Fn(&'a MissedDelivery) -> bool + Send + Sync),
    ) -> Result<Redelivered, ForgeError> {
        Ok(Redelivered::default())
    }

    async fn repositories(&self) -> Result<Vec<RepoRef>, ForgeError> {
        self.own_projects().await
    }

    async fn open_pulls(&self, repo: &RepoRef, since: Timestamp) -> Result<Vec<OpenPull>, ForgeError> {
        self.pulls_changed_since(repo, since).await
    }
}
