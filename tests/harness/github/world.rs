//! Everything that the fake knows, and how it is looked up. One lock holds it all: a test wants the same outcome twice
//! more than it wants speed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use super::git::{Git, Signature};
use super::hooks::{Delivery, HookQueue};
use super::issues::{Edits, Tracker};
use super::shipping::Shipping;

/// A time as GitHub writes it.
pub(crate) fn time_text(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Locks, also after a panic under the lock: what a test learns after it is still worth telling.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    Bot,
    Organization,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Kind::User => "User",
            Kind::Bot => "Bot",
            Kind::Organization => "Organization",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) id: u64,
    pub(crate) login: String,
    pub(crate) kind: Kind,
    pub(crate) created_at: Timestamp,
}

/// What a user may do in a repository, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing, as for strangers in a private repository.
    None,
    /// Look and comment.
    Read,
    /// Manage issues.
    Triage,
    /// Push.
    Write,
    /// Manage without access to what is sensitive.
    Maintain,
    /// Everything.
    Admin,
}

impl Level {
    /// The level's name, as GitHub's `role_name` has it.
    pub fn role(self) -> &'static str {
        match self {
            Level::None => "none",
            Level::Read => "read",
            Level::Triage => "triage",
            Level::Write => "write",
            Level::Maintain => "maintain",
            Level::Admin => "admin",
        }
    }

    /// The older `permission`, which knows neither `triage` nor `maintain`.
    pub(crate) fn legacy(self) -> &'static str {
        match self {
            Level::None => "none",
            Level::Read | Level::Triage => "read",
            Level::Write | Level::Maintain => "write",
            Level::Admin => "admin",
        }
    }
}

#[derive(Debug)]
pub(crate) struct App {
    pub(crate) id: u64,
    pub(crate) slug: String,
    pub(crate) owner: u64,
    pub(crate) bot: u64,
    pub(crate) hook_id: u64,
    pub(crate) permissions: BTreeMap<String, String>,
    pub(crate) events: Vec<String>,
    pub(crate) created_at: Timestamp,
}

#[derive(Debug)]
pub(crate) struct Installation {
    pub(crate) id: u64,
    pub(crate) account: u64,
    pub(crate) repos: BTreeSet<u64>,
    pub(crate) suspended_at: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
}

/// An installation's token.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) installation: u64,
    /// None: all of the installation's.
    pub(crate) repos: Option<BTreeSet<u64>>,
    pub(crate) permissions: BTreeMap<String, String>,
    pub(crate) expires_at: Timestamp,
}

#[derive(Debug)]
pub(crate) struct Repo {
    pub(crate) id: u64,
    pub(crate) owner: u64,
    pub(crate) owner_login: String,
    pub(crate) name: String,
    pub(crate) private: bool,
    pub(crate) archived: bool,
    pub(crate) default_branch: String,
    pub(crate) parent: Option<u64>,
    pub(crate) git: Git,
    /// As known: what git has besides was just pushed.
    pub(crate) refs: BTreeMap<String, String>,
    pub(crate) levels: HashMap<u64, Level>,
    /// The names of custom roles, of those who have one. What such a role may do is in `levels`.
    pub(crate) roles: HashMap<u64, String>,
    pub(crate) pulls: BTreeMap<u64, Pull>,
    pub(crate) tracker: Tracker,
    pub(crate) next_number: u64,
    pub(crate) created_at: Timestamp,
    pub(crate) pushed_at: Timestamp,
}

impl Repo {
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.owner_login, self.name)
    }

    pub(crate) fn branch(&self, name: &str) -> Option<&String> {
        self.refs.get(&format!("refs/heads/{name}"))
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Pull {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) title: String,
    pub(crate) body: Option<String>,
    pub(crate) author: u64,
    pub(crate) draft: bool,
    pub(crate) head_repo: u64,
    pub(crate) head_branch: String,
    pub(crate) head: String,
    pub(crate) base_branch: String,
    /// The base branch when the pull request was opened or last pushed to: like GitHub's, it grows old.
    pub(crate) base: String,
    pub(crate) labels: Vec<(u64, String)>,
    pub(crate) edits: Edits,
    /// The oldest first.
    pub(crate) reviews: Vec<Review>,
    pub(crate) merged: Option<Merged>,
    pub(crate) closed_at: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl Pull {
    pub(crate) fn open(&self) -> bool {
        self.closed_at.is_none()
    }
}

/// What somebody thinks of a pull request.
#[derive(Debug, Clone)]
pub(crate) struct Review {
    pub(crate) id: u64,
    pub(crate) by: u64,
    /// `APPROVED`, `CHANGES_REQUESTED`, `COMMENTED` or `DISMISSED`.
    pub(crate) state: &'static str,
    pub(crate) commit: String,
    pub(crate) at: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) struct Merged {
    pub(crate) commit: String,
    pub(crate) by: u64,
    pub(crate) at: Timestamp,
}

/// Through what a comment was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Via {
    /// GitHub's own pages.
    Page,
    /// The App.
    App,
    /// Another App, of this name.
    OtherApp(String),
}

/// Where on a pull request a comment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Conversation,
    /// At a line of the diff.
    Diff(DiffPlace),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DiffPlace {
    pub(crate) path: String,
    pub(crate) line: u64,
    /// The head when it was written.
    pub(crate) commit: String,
    pub(crate) hunk: String,
    pub(crate) review: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Comment {
    pub(crate) id: u64,
    pub(crate) repo: u64,
    pub(crate) number: u64,
    pub(crate) author: u64,
    pub(crate) via: Via,
    pub(crate) place: Place,
    pub(crate) body: String,
    pub(crate) edited: bool,
    /// Why, as GraphQL's input writes it.
    pub(crate) minimised: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// What a reaction is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReactionOn {
    Comment(u64),
    Issue(u64, u64),
}

#[derive(Debug, Clone)]
pub(crate) struct Reaction {
    pub(crate) id: u64,
    pub(crate) on: ReactionOn,
    pub(crate) user: u64,
    pub(crate) content: String,
    pub(crate) created_at: Timestamp,
}

/// A team of an organisation.
#[derive(Debug, Clone)]
pub(crate) struct Team {
    pub(crate) org: u64,
    pub(crate) slug: String,
    /// By account: whether the invitation was accepted.
    pub(crate) members: BTreeMap<u64, bool>,
}

#[derive(Debug, Clone)]
pub(crate) struct Suite {
    pub(crate) id: u64,
    pub(crate) repo: u64,
    pub(crate) head: String,
    pub(crate) branch: Option<String>,
    pub(crate) before: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) struct Check {
    pub(crate) id: u64,
    pub(crate) repo: u64,
    pub(crate) suite: u64,
    pub(crate) name: String,
    pub(crate) head: String,
    pub(crate) external_id: String,
    pub(crate) details_url: Option<String>,
    pub(crate) status: String,
    pub(crate) conclusion: Option<String>,
    pub(crate) started_at: Option<String>,
    pub(crate) completed_at: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) summary: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) annotations: Vec<Value>,
    pub(crate) actions: Vec<Value>,
}

/// What was uploaded to code scanning.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    pub(crate) id: String,
    pub(crate) repo: u64,
    pub(crate) head: String,
    pub(crate) of: String,
    pub(crate) category: String,
    pub(crate) log: Value,
    /// Whether somebody has asked how far it is: it is processed by the second time.
    pub(crate) asked: bool,
    /// Why it could not be processed, if so.
    pub(crate) errors: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Status {
    pub(crate) id: u64,
    pub(crate) repo: u64,
    pub(crate) sha: String,
    pub(crate) state: String,
    pub(crate) context: String,
    pub(crate) description: Option<String>,
    pub(crate) target_url: Option<String>,
    pub(crate) creator: u64,
    pub(crate) created_at: Timestamp,
}

/// Everything.
pub(crate) struct World {
    /// `http://127.0.0.1:PORT`
    pub(crate) base: String,
    pub(crate) dir: PathBuf,
    pub(crate) app: App,
    pub(crate) accounts: Vec<Account>,
    pub(crate) teams: Vec<Team>,
    pub(crate) installations: Vec<Installation>,
    pub(crate) repos: Vec<Repo>,
    pub(crate) tokens: HashMap<String, Token>,
    /// A person's token, for git pushes.
    pub(crate) user_tokens: HashMap<String, u64>,
    pub(crate) comments: Vec<Comment>,
    pub(crate) reactions: Vec<Reaction>,
    pub(crate) suites: Vec<Suite>,
    pub(crate) checks: Vec<Check>,
    pub(crate) statuses: Vec<Status>,
    pub(crate) scans: Vec<Scan>,
    /// What is wrong with all that is uploaded from now on, if anything is.
    pub(crate) scans_fail: Vec<String>,
    pub(crate) shipping: Shipping,
    pub(crate) lfs: super::lfs::Objects,
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) queue: HookQueue,
    pub(crate) hook: Option<Hook>,
    /// Whether the App's own writes cause webhooks, as they do on GitHub.
    pub(crate) own_writes_tell: bool,
    pub(crate) violations: Vec<String>,
    pub(crate) last_id: u64,
    /// Raised whenever a request was answered or a webhook tried, for those who wait for what may have changed by it.
    pub(crate) ticks: watch::Sender<u64>,
    /// How long an installation's token lives.
    pub(crate) token_life: jiff::SignedDuration,
    pub(crate) lag: super::shape_check::Lag,
    /// How far GitHub's clock is ahead of the machine's.
    pub(crate) ahead: jiff::SignedDuration,
    /// Since when GitHub's clock stands still, but for being set ahead.
    pub(crate) stopped: Option<Timestamp>,
}

/// Where webhooks go.
#[derive(Debug, Clone)]
pub(crate) struct Hook {
    pub(crate) url: String,
    pub(crate) secret: String,
}

impl World {
    pub(crate) fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// When something happens, by GitHub's clock, which knows whole seconds only.
    pub(crate) fn now(&self) -> Timestamp {
        let now = self.stopped.unwrap_or_else(|| self.machine_now()) + self.ahead;
        Timestamp::from_second(now.as_second()).expect("a whole second of a time is a time")
    }

    /// What credentials and limits go by: a clock that was set ahead must not end them, since callers have the machine's.
    pub(crate) fn machine_now(&self) -> Timestamp {
        Timestamp::now()
    }

    pub(crate) fn account(&self, id: u64) -> &Account {
        self.accounts.iter().find(|a| a.id == id).expect("accounts are never removed")
    }

    pub(crate) fn find_account(&self, login: &str) -> Option<&Account> {
        self.accounts.iter().find(|a| a.login.eq_ignore_ascii_case(login))
    }

    /// The account of this login, made where there is none.
    pub(crate) fn account_id(&mut self, login: &str, kind: Kind) -> u64 {
        if let Some(found) = self.find_account(login) {
            return found.id;
        }
        let (id, created_at) = (self.new_id(), self.now());
        self.accounts.push(Account { id, login: login.to_owned(), kind, created_at });
        id
    }

    pub(crate) fn signature(&self, account: u64) -> Signature {
        let account = self.account(account);
        let email = format!("{}+{}@users.noreply.example.com", account.id, account.login);
        Signature { name: account.login.clone(), email, date: format!("{} +0000", self.now().as_second()) }
    }

    pub(crate) fn repo(&self, id: u64) -> &Repo {
        self.repos.iter().find(|r| r.id == id).expect("ids come from repositories that exist")
    }

    pub(crate) fn repo_mut(&mut self, id: u64) -> &mut Repo {
        self.repos.iter_mut().find(|r| r.id == id).expect("ids come from repositories that exist")
    }

    pub(crate) fn find_repo(&self, full_name: &str) -> Option<&Repo> {
        self.repos.iter().find(|r| r.full_name().eq_ignore_ascii_case(full_name))
    }

    /// The repository of this name, for people's actions: a scenario that names none is wrong.
    pub(crate) fn repo_id(&self, full_name: &str) -> u64 {
        self.find_repo(full_name).unwrap_or_else(|| panic!("the scenario has no repository {full_name}")).id
    }

    pub(crate) fn pull(&self, repo: u64, number: u64) -> &Pull {
        let repo = self.repo(repo);
        repo.pulls.get(&number).unwrap_or_else(|| panic!("{} has no pull request {number}", repo.full_name()))
    }

    pub(crate) fn pull_mut(&mut self, repo: u64, number: u64) -> &mut Pull {
        self.repo_mut(repo).pulls.get_mut(&number).expect("pull requests are never removed")
    }

    /// What a user may do. Everybody may read what is public; an owner may do everything.
    pub(crate) fn level(&self, repo: &Repo, account: u64) -> Level {
        let default = if repo.private { Level::None } else { Level::Read };
        let given = repo.levels.get(&account).copied().unwrap_or(default);
        if repo.owner == account { Level::Admin } else { given }
    }

    pub(crate) fn installation(&self, id: u64) -> Option<&Installation> {
        self.installations.iter().find(|i| i.id == id)
    }

    /// The installation that covers a repository.
    pub(crate) fn installation_of(&self, repo: u64) -> Option<&Installation> {
        self.installations.iter().find(|i| i.repos.contains(&repo))
    }

    /// The App's suite of a commit, made where there is none.
    pub(crate) fn suite_of(&mut self, repo: u64, head: &str, branch: Option<&str>, before: Option<&str>) -> u64 {
        if let Some(found) = self.suites.iter().find(|s| s.repo == repo && s.head == head) {
            return found.id;
        }
        let (id, now) = (self.new_id(), self.now());
        let named = |(name, sha): (&String, &String)| (sha == head).then(|| name.strip_prefix("refs/heads/").map(str::to_owned));
        let known = self.repo(repo).refs.iter().find_map(named).flatten();
        let branch = branch.map(str::to_owned).or(known);
        let before = before.map(str::to_owned);
        self.suites.push(Suite { id, repo, head: head.to_owned(), branch, before, created_at: now, updated_at: now });
        id
    }

    pub(crate) fn tick(&self) {
        self.ticks.send_modify(|n| *n += 1);
    }

    pub(crate) fn violation(&mut self, text: String) {
        self.violations.push(text);
    }

    pub(crate) fn comment(&self, id: u64) -> Option<&Comment> {
        self.comments.iter().find(|c| c.id == id)
    }

    /// The open pull requests whose head is this commit, in the repository of their head only: of a fork's, checks know none.
    pub(crate) fn pulls_at(&self, repo: u64, head: &str) -> Vec<&Pull> {
        let repo = self.repo(repo);
        repo.pulls.values().filter(|p| p.open() && p.head == head && p.head_repo == repo.id).collect()
    }
}
