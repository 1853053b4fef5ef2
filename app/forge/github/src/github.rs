//! [`GitHub`]: the adapter itself.

use async_trait::async_trait;
use bytes::Bytes;
use gatewright_core::event::{CommentRef, User};
use gatewright_core::forge::{
    CatchUp, Change, ChangedFiles, CloneCredential, CommentState, Forge, ForgeError, Item, Items, MissedDelivery, OpenPull,
    Protection, PullState, Redelivered, ReleasedCommits, Releases, Reviews, Standing, TagState, Tags,
};
use gatewright_core::report::{Known, Published, Report};
use gatewright_core::{CommitId, ItemRef, RepoRef, Timestamp};
use gatewright_forge_shared::{Cache, Locks};
use serde::Deserialize;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::api::Api;
use crate::call::Call;
use crate::config::{ConfigError, GitHubConfig, Timeouts, TokenConfig, api_base, clone_base};
use crate::deliveries::Missed;
use crate::error::unavailable;
use crate::route::route;

/// Files at commits kept in memory: so many, and so many bytes. They never change.
const FILES_MAX: usize = 1_024;
const FILES_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Organisations whose members the App may not see, as they were found.
const HIDDEN_MAX: usize = 10_000;
const HIDDEN_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The account that an installation token belongs to, as git is told. GitHub looks at the token only.
const CLONE_LOGIN: &str = "x-access-token";

/// The number of no App.
const NO_APP: u64 = 0;

/// One GitHub App, or the bearer of one token, on one GitHub. Shared as `Arc<dyn Forge>`; every clone of that shares tokens, limits and caches.
#[derive(Debug)]
pub struct GitHub {
    pub(crate) api: Api,
    app_id: u64,
    pub(crate) files: Cache<Bytes>,
    /// What is being looked for and made right now.
    pub(crate) publishing: Locks,
    /// The account under which the App comments; asked for when it first matters.
    pub(crate) bot: OnceCell<u64>,
    /// By organisation: until which second the App is not asked for its members again, because it may not see them.
    pub(crate) members_hidden: Cache<i64>,
    /// The name under which the bearer of a token comments; asked for when it first matters.
    pub(crate) viewer: OnceCell<String>,
    /// Deliveries that have not arrived.
    pub(crate) missed: tokio::sync::Mutex<Missed>,
    clone_base: String,
    pub(crate) timeouts: Timeouts,
}

/// The App as GitHub describes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AppInfo {
    /// Its number.
    pub id: u64,
    /// Its name in addresses; it comments as `SLUG[bot]`.
    #[serde(default)]
    pub slug: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
}

impl GitHub {
    /// Checks the configuration and makes a client. Nothing is sent yet; see [`GitHub::probe`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(config: GitHubConfig) -> Result<Self, ConfigError> {
        if config.app_id == NO_APP {
            return Err(ConfigError::AppId);
        }
        let clone_base = clone_base(config.clone_url.as_deref(), &api_base(&config.api_url)?)?;
        Ok(GitHub::of(Api::of_app(&config)?, config.app_id, clone_base, config.timeouts))
    }

    /// The same by a token that somebody else has made: a CI job's. It publishes, and reads of the repository what the token may;
    /// what only an App may ask (missed deliveries, installations) is refused.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn with_token(config: TokenConfig) -> Result<Self, ConfigError> {
        let clone_base = clone_base(None, &api_base(&config.api_url)?)?;
        Ok(GitHub::of(Api::of_bearer(&config)?, NO_APP, clone_base, config.timeouts))
    }

    fn of(api: Api, app_id: u64, clone_base: String, timeouts: Timeouts) -> Self {
        GitHub {
            api,
            app_id,
            files: Cache::new(FILES_MAX, FILES_BYTES_MAX),
            publishing: Locks::default(),
            bot: OnceCell::new(),
            members_hidden: Cache::new(HIDDEN_MAX, HIDDEN_BYTES_MAX),
            missed: tokio::sync::Mutex::default(),
            clone_base,
            timeouts,
            viewer: OnceCell::new(),
        }
    }

    /// The App's number, as configured. Check runs and comments are ours if they are of this App. None for a token's bearer.
    pub fn app_id(&self) -> Option<u64> {
        Some(self.app_id).filter(|id| *id != NO_APP)
    }

    /// Asks GitHub who we are: whether it can be reached and takes the App's key. Ends within
    /// [`Timeouts::probe`](crate::Timeouts::probe).
    pub async fn probe(&self) -> Result<AppInfo, ForgeError> {
        match timeout(self.timeouts.probe, self.app()).await {
            Ok(result) => result,
            Err(_) => Err(unavailable("no answer in time")),
        }
    }

    pub(crate) async fn app(&self) -> Result<AppInfo, ForgeError> {
        let call = Call::get("app", route(&["app"])?);
        self.api.as_app(&call).await?.ok(|| format!("the App {}", self.app_id))?.json("app")
    }
}

#[async_trait]
impl Forge for GitHub {
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
        self.read_merge_base(repo, &pull.base, &pull.head).await
    }

    async fn standing(&self, repo: &RepoRef, user: &User, teams: &[String]) -> Result<Standing, ForgeError> {
        self.read_standing(repo, user, teams).await
    }

    async fn comment(&self, repo: &RepoRef, comment: &CommentRef) -> Result<Option<CommentState>, ForgeError> {
        self.read_their_comment(repo, comment).await
    }

    async fn credential(&self, repo: &RepoRef) -> Result<CloneCredential, ForgeError> {
        let (owner, name) = repo.owner_and_name();
        let path = route(&[owner, name])?;
        let token = self.api.clone_token(repo).await?;
        let login = Some((CLONE_LOGIN.to_owned(), token));
        Ok(CloneCredential { url: format!("{}{path}.git", self.clone_base), login, one_repository: true })
    }

    async fn publish(&self, repo: &RepoRef, report: &Report, known: &Known) -> Result<Published, ForgeError> {
        match report {
            Report::Check(check) => self.publish_check(repo, check, known).await,
            Report::Comment(comment) => self.publish_comment(repo, comment, known).await,
            Report::Reaction(reaction) => self.publish_reaction(repo, reaction, known).await,
            Report::Scan(scan) => self.publish_scan(repo, scan).await,
            Report::Release(release) => self.publish_release(repo, release, known).await,
            Report::Asset(asset) => self.publish_asset(repo, asset).await,
            Report::Deployment(deployment) => self.publish_deployment(repo, deployment, known).await,
            Report::ProtectionRule(answer) => self.publish_protection(repo, answer, known).await,
            Report::Proposal(proposal) => self.publish_proposal(repo, proposal, known).await,
            Report::Pushed(pushed) => self.publish_pushed(repo, pushed).await,
            Report::Issue(issue) => self.publish_issue(repo, issue, known).await,
        }
    }
}

#[async_trait]
impl Reviews for GitHub {
    async fn approvals(&self, repo: &RepoRef, number: u64) -> Result<Vec<User>, ForgeError> {
        self.read_approvals(repo, number).await
    }
}

#[async_trait]
impl Items for GitHub {
    async fn item(&self, repo: &RepoRef, item: &ItemRef) -> Result<Item, ForgeError> {
        self.read_item(repo, *item).await
    }

    async fn default_branch(&self, repo: &RepoRef) -> Result<String, ForgeError> {
        self.read_default_branch(repo).await
    }
}

#[async_trait]
impl Releases for GitHub {
    async fn tag(&self, repo: &RepoRef, name: &str) -> Result<Option<TagState>, ForgeError> {
        self.read_tag(repo, name).await
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
impl CatchUp for GitHub {
    async fn redeliver(
        &self,
        since: Timestamp,
        wanted: &(dyn for<'a> Fn(&'a MissedDelivery) -> bool + Send + Sync),
    ) -> Result<Redelivered, ForgeError> {
        self.send_missed_again(since, wanted).await
    }

    async fn repositories(&self) -> Result<Vec<RepoRef>, ForgeError> {
        self.installed_repositories().await
    }

    async fn open_pulls(&self, repo: &RepoRef, since: Timestamp) -> Result<Vec<OpenPull>, ForgeError> {
        self.pulls_changed_since(repo, since).await
    }
}
