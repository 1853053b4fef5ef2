//! The state: what there is, and how it is found.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::BOT;
use super::hooks::{Delivery, Hook, HookQueue};
use super::issues::Issue;
use super::shipping::Shipping;
use crate::github::git::{FileChange, Git, Signature};

/// Roles by their access levels. What lies between two has the rights of the lower one; 10 is a Guest.
pub(super) const REPORTER: u64 = 20;
pub(super) const DEVELOPER: u64 = 30;
pub(super) const MAINTAINER: u64 = 40;
pub(super) const OWNER: u64 = 50;

/// Locks, also after a panic under the lock: what a test learns after it is still worth telling.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As the API writes times.
pub(super) fn time_text(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

pub(super) struct User {
    pub(super) id: u64,
    pub(super) username: String,
    pub(super) bot: bool,
    /// `active` or `blocked`.
    pub(super) state: &'static str,
}

/// What a token lets its bearer do, whatever its account may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    Api,
    /// Looking, over the API and git.
    ReadApi,
}

pub(super) struct Token {
    pub(super) value: String,
    pub(super) user: u64,
    pub(super) scope: Scope,
}

#[derive(Default)]
pub(super) struct Group {
    pub(super) id: u64,
    /// Only members see it.
    pub(super) private: bool,
    pub(super) levels: BTreeMap<u64, u64>,
}

pub(super) struct Project {
    pub(super) id: u64,
    pub(super) path: String,
    pub(super) git: Git,
    /// The project that it is a fork of.
    pub(super) parent: Option<u64>,
    pub(super) public: bool,
    pub(super) levels: BTreeMap<u64, u64>,
    /// Branches whose pipelines are for Maintainers.
    pub(super) protected: BTreeSet<String>,
    /// External status checks: ids and names. None where the plan has none.
    pub(super) checks: Option<Vec<(u64, String)>>,
}

/// Between which commits a version of a merge request's diff lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DiffRefs {
    pub(super) base: String,
    pub(super) start: String,
    pub(super) head: String,
}

pub(super) struct MergeRequest {
    pub(super) id: u64,
    pub(super) project: u64,
    pub(super) iid: u64,
    pub(super) source: u64,
    pub(super) branch: String,
    pub(super) target_branch: String,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) labels: Vec<String>,
    pub(super) author: u64,
    /// `opened`, `closed` or `merged`.
    pub(super) state: &'static str,
    pub(super) sha: String,
    /// Every version of its diff, oldest first; never empty.
    pub(super) versions: Vec<DiffRefs>,
    pub(super) merge_commit: Option<String>,
    /// Who approved it.
    pub(super) approvals: Vec<u64>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    /// The answers of external status checks, by the check's id: commit and word.
    pub(super) answers: BTreeMap<u64, (String, String)>,
}

impl MergeRequest {
    pub(super) fn draft(&self) -> bool {
        self.title.starts_with("Draft:")
    }

    pub(super) fn refs(&self) -> &DiffRefs {
        self.versions.last().expect("a merge request has a version from its first moment")
    }
}

/// A note's place in a thread.
pub(super) struct Thread {
    pub(super) id: String,
    /// Where in the diff it stands.
    pub(super) position: Option<Value>,
    pub(super) resolved_by: Option<u64>,
}

/// What a note is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoteKind {
    /// For everybody who sees the merge request.
    Comment,
    /// For those who may look at the code, even where everybody sees the rest.
    Internal,
    /// GitLab's own words about what somebody did. No webhook tells of it.
    System,
}

/// What a note can be on. Each has numbers of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noteable {
    Request,
    Issue,
}

pub(super) struct Note {
    pub(super) id: u64,
    pub(super) on: Noteable,
    pub(super) kind: NoteKind,
    pub(super) project: u64,
    pub(super) iid: u64,
    pub(super) author: u64,
    pub(super) body: String,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    /// The thread that it is part of; None for a note that stands alone.
    pub(super) thread: Option<Thread>,
}

pub(super) struct Emoji {
    pub(super) id: u64,
    pub(super) note: u64,
    pub(super) user: u64,
    pub(super) name: String,
    pub(super) at: Timestamp,
}

pub(super) struct Pipeline {
    pub(super) id: u64,
    pub(super) project: u64,
    pub(super) sha: String,
    pub(super) reference: String,
    pub(super) source: &'static str,
    pub(super) created_at: Timestamp,
}

pub(super) struct Status {
    pub(super) id: u64,
    pub(super) project: u64,
    pub(super) pipeline: u64,
    pub(super) sha: String,
    pub(super) reference: String,
    pub(super) name: String,
    pub(super) state: String,
    pub(super) description: Option<String>,
    pub(super) target_url: Option<String>,
    pub(super) coverage: Option<f64>,
    pub(super) author: u64,
    pub(super) created_at: Timestamp,
    pub(super) finished_at: Option<Timestamp>,
    /// A newer one of its name is in the pipeline.
    pub(super) retried: bool,
}

/// By the two commits.
type Diffs = HashMap<(String, String), Arc<Vec<FileChange>>>;

pub(super) struct World {
    pub(super) dir: PathBuf,
    pub(super) url: String,
    pub(super) queue: HookQueue,
    pub(super) hook: Option<Hook>,
    ahead: SignedDuration,
    last_now: Timestamp,
    next_id: u64,
    pub(super) users: Vec<User>,
    pub(super) tokens: Vec<Token>,
    pub(super) groups: BTreeMap<String, Group>,
    pub(super) projects: Vec<Project>,
    pub(super) requests: Vec<MergeRequest>,
    pub(super) issues: Vec<Issue>,
    pub(super) notes: Vec<Note>,
    pub(super) emoji: Vec<Emoji>,
    pub(super) pipelines: Vec<Pipeline>,
    pub(super) statuses: Vec<Status>,
    pub(super) shipping: Shipping,
    pub(super) lfs: crate::github::lfs::Objects,
    pub(super) deliveries: Vec<Delivery>,
    pub(super) violations: Vec<String>,
    /// What lies between two commits, once it was asked for.
    pub(super) diffs: Mutex<Diffs>,
    /// Lines of notes that were obeyed as quick actions, and by whose rights.
    pub(super) obeyed: Vec<(u64, String)>,
}

impl World {
    pub(super) fn new(dir: PathBuf, url: String, queue: HookQueue) -> World {
        let mut world = World {
            dir,
            url,
            queue,
            hook: None,
            ahead: SignedDuration::ZERO,
            last_now: Timestamp::UNIX_EPOCH,
            next_id: 100,
            users: Vec::new(),
            tokens: Vec::new(),
            groups: BTreeMap::new(),
            projects: Vec::new(),
            requests: Vec::new(),
            issues: Vec::new(),
            notes: Vec::new(),
            emoji: Vec::new(),
            pipelines: Vec::new(),
            statuses: Vec::new(),
            shipping: Shipping::default(),
            lfs: Default::default(),
            deliveries: Vec::new(),
            violations: Vec::new(),
            diffs: Mutex::default(),
            obeyed: Vec::new(),
        };
        let bot = world.user_id(BOT);
        world.user_mut(bot).bot = true;
        world.tokens.push(Token { value: super::TOKEN.to_owned(), user: bot, scope: Scope::Api });
        world
    }

    pub(super) fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// The time. It never stands still, so that what came later says so.
    pub(super) fn now(&mut self) -> Timestamp {
        let now = Timestamp::now() + self.ahead;
        self.last_now = now.max(self.last_now + SignedDuration::from_millis(1));
        self.last_now
    }

    pub(super) fn advance(&mut self, secs: u64) {
        self.ahead += SignedDuration::from_secs(i64::try_from(secs).expect("time passes in seconds, not in ages"));
    }

    /// The account of this name, made where there is none.
    pub(super) fn user_id(&mut self, username: &str) -> u64 {
        if let Some(user) = self.users.iter().find(|user| user.username == username) {
            return user.id;
        }
        let id = self.new_id();
        self.users.push(User { id, username: username.to_owned(), bot: false, state: "active" });
        id
    }

    pub(super) fn user(&self, id: u64) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    pub(super) fn user_mut(&mut self, id: u64) -> &mut User {
        self.users.iter_mut().find(|user| user.id == id).expect("the account exists")
    }

    pub(super) fn username(&self, id: u64) -> &str {
        self.user(id).map_or("ghost", |user| &user.username)
    }

    pub(super) fn project(&self, id: u64) -> &Project {
        self.projects.iter().find(|project| project.id == id).expect("the project exists")
    }

    pub(super) fn project_mut(&mut self, id: u64) -> &mut Project {
        self.projects.iter_mut().find(|project| project.id == id).expect("the project exists")
    }

    /// By number or by path.
    pub(super) fn find_project(&self, name: &str) -> Option<u64> {
        let id = name.parse().ok();
        self.projects.iter().find(|project| Some(project.id) == id || project.path == name).map(|project| project.id)
    }

    pub(super) fn project_id(&self, path: &str) -> u64 {
        self.find_project(path).expect("the project exists")
    }

    pub(super) fn find_group(&self, name: &str) -> Option<(&String, &Group)> {
        let id = name.parse().ok();
        self.groups.iter().find(|(path, group)| Some(group.id) == id || *path == name)
    }

    /// What an account may in a group, by itself or through a group above; 0 is nothing.
    pub(super) fn group_level(&self, group: &str, user: u64) -> u64 {
        let above = |path: &str| path == group || group.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
        let levels = self.groups.iter().filter(|(path, _)| above(path));
        levels.filter_map(|(_, group)| group.levels.get(&user)).max().copied().unwrap_or(0)
    }

    /// What an account may in a project, as a member of it or of a group above; 0 is nothing.
    pub(super) fn level(&self, project: u64, user: u64) -> u64 {
        let project = self.project(project);
        let own = project.levels.get(&user).copied().unwrap_or(0);
        let namespace = project.path.rsplit_once('/').map_or("", |(namespace, _)| namespace);
        own.max(self.group_level(namespace, user))
    }

    pub(super) fn request(&self, project: u64, iid: u64) -> Option<&MergeRequest> {
        self.requests.iter().find(|mr| mr.project == project && mr.iid == iid)
    }

    pub(super) fn request_mut(&mut self, project: u64, iid: u64) -> &mut MergeRequest {
        let mut requests = self.requests.iter_mut();
        requests.find(|mr| mr.project == project && mr.iid == iid).expect("the merge request exists")
    }

    /// The notes on a merge request that somebody sees, oldest first.
    pub(super) fn notes_on<'a>(&'a self, mr: &MergeRequest, user: Option<u64>) -> impl Iterator<Item = &'a Note> {
        self.notes_about(mr.project, mr.iid, Noteable::Request, user)
    }

    /// The same on an issue or a merge request.
    pub(super) fn notes_about(&self, project: u64, iid: u64, on: Noteable, user: Option<u64>) -> impl Iterator<Item = &Note> {
        let insider = user.is_some_and(|user| self.level(project, user) >= REPORTER);
        let shown = move |note: &&Note| note.kind != NoteKind::Internal || insider;
        self.notes.iter().filter(move |note| note.project == project && note.iid == iid && note.on == on).filter(shown)
    }

    pub(super) fn note(&self, id: u64) -> Option<&Note> {
        self.notes.iter().find(|note| note.id == id)
    }

    pub(super) fn note_mut(&mut self, id: u64) -> &mut Note {
        self.notes.iter_mut().find(|note| note.id == id).expect("the note exists")
    }

    pub(super) fn signature(&mut self, user: &str) -> Signature {
        let date = format!("{} +0000", self.now().as_second());
        Signature { name: user.to_owned(), email: format!("{user}@example.com"), date }
    }

    /// The pipeline that a merge request goes by: the newest of its head.
    pub(super) fn head_pipeline(&self, mr: &MergeRequest) -> Option<&Pipeline> {
        self.pipelines_of(mr).filter(|pipeline| pipeline.sha == mr.sha).max_by_key(|pipeline| pipeline.id)
    }

    /// Every pipeline of a merge request, of its head or of a commit before.
    pub(super) fn pipelines_of(&self, mr: &MergeRequest) -> impl Iterator<Item = &Pipeline> {
        let of_request = format!("refs/merge-requests/{}/head", mr.iid);
        let heads: Vec<String> = mr.versions.iter().map(|version| version.head.clone()).collect();
        let (source, branch, target) = (mr.source, mr.branch.clone(), mr.project);
        self.pipelines.iter().filter(move |p| {
            let of_branch = p.project == source && p.reference == branch;
            heads.contains(&p.sha) && (of_branch || (p.project == target && p.reference == of_request))
        })
    }

    /// What a pipeline comes to, by the newest status of each name.
    pub(super) fn pipeline_state(&self, pipeline: u64) -> &'static str {
        let states: Vec<&str> =
            self.statuses.iter().filter(|s| s.pipeline == pipeline && !s.retried).map(|s| s.state.as_str()).collect();
        let worst = ["running", "pending", "failed", "canceled", "success", "skipped"];
        worst.into_iter().find(|state| states.contains(state)).unwrap_or("success")
    }
}
