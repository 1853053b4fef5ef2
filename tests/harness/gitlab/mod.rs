//! The fake GitLab: state, API, git and webhooks behind one handle.
//!
//! | file | what |
//! |---|---|
//! | `people`, `look` | what people do, and what they see: the handle's verbs |
//! | `world`, `acts` | the state, and how what people do changes it |
//! | `issues` | issues, and texts and labels of issues and merge requests: state and verbs |
//! | `shipping` | tags, releases, environments and deployments: state and verbs |
//! | `server` | one request's way: fault, credential, limit, judgement, handler, log |
//! | `auth` | whose a token is, and what that account may |
//! | `description` | GitLab's own description of its API, by which requests are judged |
//! | `api/` | the operations that a bot needs, and what of them the description leaves out |
//! | `shape` | what answers look like |
//! | `git_http` | git over smart HTTP |
//! | `hooks`, `payload` | how webhooks get there, and what they say |
//! | `limits` | rate limits |
//!
//! What the description leaves out (notes, threads, issues, commits that are made, external status checks, accounts) is held to the parameters that
//! GitLab's documentation names, in `api/`. The description is unsound where it tells of answers; they are like recorded
//! ones.

mod acts;
mod api;
mod auth;
mod description;
mod git_http;
mod hooks;
mod issues;
mod limits;
mod look;
mod payload;
mod people;
mod server;
mod shape;
mod shipping;
mod world;

use std::sync::{Arc, MutexGuard};

use tokio::task::AbortHandle;

pub use crate::github::{Edit, Effect, Fault, HookEffect, HookFault, When};
pub use hooks::{Delivery, Signing};
pub use issues::Item;
pub use limits::Limits;
pub use look::{NoteSeen, StatusSeen};
pub use people::MergeRequestSpec;
pub use server::Seen;
pub use world::Scope;

use server::Shared;
use world::{World, lock};

/// A personal token of the bot's account, which is a member of the projects that the fake makes.
pub const TOKEN: &str = "glpat-fake-token-of-the-bot";

/// The name of the bot's account.
pub const BOT: &str = "gatewright-bot";

/// A GitLab of our own, on loopback. Cloning gives another handle to the same one.
#[derive(Clone)]
pub struct FakeGitLab {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    url: String,
    tasks: Vec<AbortHandle>,
    /// Removed with everything in it when the last handle goes.
    _dir: tempfile::TempDir,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl FakeGitLab {
    /// Starts one.
    ///
    /// # Panics
    /// Where no port is free or no temporary folder can be made.
    pub async fn start() -> FakeGitLab {
        description::require();
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let (queue, deliverer) = hooks::Deliverer::new();
        let world = World::new(dir.path().to_owned(), url.clone(), queue);
        let shared = Arc::new(Shared::new(world, deliverer.faults.clone()));
        let serving = tokio::spawn(server::listen(shared.clone(), listener));
        let delivering = tokio::spawn(deliverer.run(shared.world.clone()));
        let tasks = vec![serving.abort_handle(), delivering.abort_handle()];
        FakeGitLab { inner: Arc::new(Inner { shared, url, tasks, _dir: dir }) }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.inner.shared.world)
    }

    /// Its address.
    pub fn url(&self) -> String {
        self.inner.url.clone()
    }

    /// Where git finds a project.
    pub fn clone_url(&self, path: &str) -> String {
        format!("{}/{path}.git", self.inner.url)
    }

    /// Where webhooks of all projects go, and how they prove where they come from.
    pub fn set_webhook(&self, url: &str, signing: Signing) {
        self.world().hook = Some(hooks::Hook::new(url, signing, false));
    }

    /// Has the webhook told of these events alone (`Note Hook`, ...), as somebody ticks them on its page.
    pub fn set_triggers(&self, triggers: &'static [&'static str]) {
        if let Some(hook) = &mut self.world().hook {
            hook.triggers = Some(triggers);
        }
    }

    /// The same, by a hook of the whole server: `X-Gitlab-Event` says `System Hook` then, whatever happened. It is told of
    /// merge requests and pushes only, and is never disabled.
    pub fn set_system_hook(&self, url: &str, signing: Signing) {
        self.world().hook = Some(hooks::Hook::new(url, signing, true));
    }

    /// Whether GitLab has disabled the webhook, for now or for good, since its deliveries failed.
    pub fn webhook_disabled(&self) -> bool {
        let mut world = self.world();
        let now = world.now();
        world.hook.as_ref().is_some_and(|hook| hook.is_disabled(now))
    }

    /// Enables the webhook again, as somebody does on its page.
    pub fn enable_webhook(&self) {
        if let Some(hook) = &mut self.world().hook {
            (hook.failures, hook.paused_until) = (0, None);
        }
    }

    /// Has a delivery sent once more, as somebody does on the webhook's page.
    ///
    /// # Panics
    /// Where there is no delivery of this key.
    pub fn resend(&self, key: &str) {
        let world = self.world();
        let place = world.deliveries.iter().position(|one| one.key == key).expect("the delivery exists");
        world.queue.push(place, true);
    }

    /// Waits until nothing is on its way any more. What is held behind later deliveries counts as on its way.
    ///
    /// # Panics
    /// Never: what counts deliveries lives as long as the fake.
    pub async fn deliveries_settled(&self) {
        let mut pending = self.world().queue.pending();
        pending.wait_for(|n| *n == 0).await.expect("the queue lives as long as the fake");
    }

    /// Adds a fault of the API or of git. Returns its number, for [`struck`](Self::struck).
    pub fn fault(&self, fault: Fault) -> usize {
        let mut faults = lock(&self.inner.shared.faults);
        faults.push(fault);
        faults.len() - 1
    }

    /// How often a fault has struck.
    pub fn struck(&self, fault: usize) -> u64 {
        lock(&self.inner.shared.faults)[fault].struck()
    }

    /// Adds a fault of the webhooks: of `merge_request`, `note.create`, `push`, `*`.
    pub fn hook_fault(&self, fault: HookFault) {
        lock(&self.inner.shared.hook_faults).push(fault);
    }

    /// Ends all faults.
    pub fn heal(&self) {
        lock(&self.inner.shared.faults).clear();
        lock(&self.inner.shared.hook_faults).clear();
    }

    /// What is allowed from now on.
    pub fn set_limits(&self, limits: Limits) {
        lock(&self.inner.shared.meter).limits = limits;
    }

    /// Has somebody push a content with Git LFS. Returns the pointer that a commit has of it.
    pub fn keep_in_lfs(&self, content: &[u8]) -> String {
        crate::github::lfs::keep(&mut self.world().lfs, content)
    }

    /// Lets time pass.
    pub fn advance(&self, secs: u64) {
        self.world().advance(secs);
    }
}
