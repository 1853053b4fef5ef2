//! What is shipped: tags, releases and their artefacts, deployments and their statuses, and workflows that wait for leave. State, and
//! what people do and see of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::json;

use super::FakeGitHub;
use super::world::{Kind, World};

/// What [`World`] knows of shipping.
#[derive(Debug, Default)]
pub(crate) struct Shipping {
    pub(crate) releases: Vec<Release>,
    pub(crate) deployments: Vec<Deployment>,
    pub(crate) waiting: Vec<Waiting>,
    /// By commit or tag object: what GitHub says of its signature. What is not here is unsigned.
    pub(crate) signatures: BTreeMap<String, &'static str>,
    /// Repository and branch.
    pub(crate) protected: BTreeSet<(u64, String)>,
    /// Repositories in which what was published cannot be changed.
    pub(crate) immutable: BTreeSet<u64>,
}

#[derive(Debug, Clone)]
pub(crate) struct Release {
    pub(crate) id: u64,
    pub(crate) repo: u64,
    pub(crate) tag: String,
    pub(crate) target: String,
    pub(crate) name: Option<String>,
    pub(crate) body: Option<String>,
    pub(crate) draft: bool,
    pub(crate) prerelease: bool,
    /// Of those that are, the last one to become it counts.
    pub(crate) latest: Option<u64>,
    pub(crate) immutable: bool,
    pub(crate) author: u64,
    pub(crate) created_at: Timestamp,
    pub(crate) published_at: Option<Timestamp>,
    pub(crate) assets: Vec<Asset>,
}

#[derive(Debug, Clone)]
pub(crate) struct Asset {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) content: Vec<u8>,
    /// `uploaded`, or `open` where an upload broke off.
    pub(crate) state: &'static str,
    pub(crate) uploader: u64,
    pub(crate) created_at: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) struct Deployment {
    pub(crate) id: u64,
    pub(crate) repo: u64,
    pub(crate) sha: String,
    pub(crate) of: String,
    pub(crate) task: String,
    pub(crate) environment: String,
    pub(crate) description: Option<String>,
    pub(crate) payload: serde_json::Value,
    pub(crate) transient: bool,
    pub(crate) production: bool,
    pub(crate) creator: u64,
    pub(crate) created_at: Timestamp,
    /// Oldest first.
    pub(crate) statuses: Vec<DeploymentStatus>,
}

#[derive(Debug, Clone)]
pub(crate) struct DeploymentStatus {
    pub(crate) id: u64,
    pub(crate) state: String,
    pub(crate) description: String,
    pub(crate) environment: String,
    pub(crate) log_url: String,
    pub(crate) environment_url: String,
    pub(crate) creator: u64,
    pub(crate) created_at: Timestamp,
}

impl Deployment {
    pub(crate) fn state(&self) -> Option<&str> {
        self.statuses.last().map(|status| status.state.as_str())
    }
}

/// A workflow that waits for leave to deploy.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) repo: u64,
    pub(crate) run: u64,
    pub(crate) environment: String,
    pub(crate) decided: Option<String>,
    pub(crate) comments: Vec<String>,
}

/// What people do.
impl FakeGitHub {
    /// Makes a tag, or moves it. A lightweight one names the commit itself.
    pub fn push_tag(&self, repo: &str, name: &str, commit: &str, user: &str) {
        self.tag(repo, name, commit, user);
    }

    /// Makes an annotated tag, or moves it; returns the tag object.
    pub fn push_annotated_tag(&self, repo: &str, name: &str, commit: &str, message: &str, user: &str) -> String {
        let mut world = self.world();
        let (repo, user) = (world.repo_id(repo), world.account_id(user, Kind::User));
        let tagger = world.signature(user);
        let object = world.repo(repo).git.tag_object(name, commit, &tagger, message);
        world.push_ref(repo, &format!("refs/tags/{name}"), Some(&object), user);
        object
    }

    /// Deletes a tag. Its releases become drafts, as on GitHub.
    pub fn delete_tag(&self, repo: &str, name: &str, user: &str) {
        let mut world = self.world();
        let (repo, user) = (world.repo_id(repo), world.account_id(user, Kind::User));
        world.push_ref(repo, &format!("refs/tags/{name}"), None, user);
        for release in world.shipping.releases.iter_mut().filter(|r| r.repo == repo && r.tag == name) {
            release.draft = true;
            release.published_at = None;
        }
    }

    /// Has GitHub vouch for the signature of a commit or a tag object.
    pub fn sign(&self, object: &str) {
        self.sign_as(object, "valid");
    }

    /// Has GitHub say this of a signature: `valid`, or a reason such as `expired_key`, `unknown_key`, `gpgverify_unavailable`.
    pub fn sign_as(&self, object: &str, reason: &'static str) {
        self.world().shipping.signatures.insert(object.to_owned(), reason);
    }

    /// Protects a branch.
    pub fn protect(&self, repo: &str, branch: &str) {
        let mut world = self.world();
        let repo = world.repo_id(repo);
        world.shipping.protected.insert((repo, branch.to_owned()));
    }

    /// Has what is published there never change again: no artefact is added to a published release.
    pub fn make_releases_immutable(&self, repo: &str) {
        let mut world = self.world();
        let repo = world.repo_id(repo);
        world.shipping.immutable.insert(repo);
    }

    /// Writes a release of a tag on GitHub's page, which makes the tag where it is not there; returns its id.
    pub fn write_release(&self, repo: &str, tag: &str, commit: &str, body: &str, user: &str) -> u64 {
        let mut world = self.world();
        let (repo, user) = (world.repo_id(repo), world.account_id(user, Kind::User));
        let id = world.new_id();
        let now = world.now();
        world.shipping.releases.push(Release {
            id,
            repo,
            tag: tag.to_owned(),
            target: commit.to_owned(),
            name: Some(tag.to_owned()),
            body: Some(body.to_owned()),
            draft: true,
            prerelease: false,
            latest: None,
            immutable: false,
            author: user,
            created_at: now,
            published_at: None,
            assets: Vec::new(),
        });
        world.publish_release(id, true, user);
        id
    }

    /// Leaves half of an artefact, as an upload that broke off does.
    pub fn break_asset(&self, repo: &str, tag: &str, name: &str) {
        let mut world = self.world();
        let repo = world.repo_id(repo);
        let release =
            world.shipping.releases.iter_mut().find(|r| r.repo == repo && r.tag == tag).expect("there is such a release");
        let asset = release.assets.iter_mut().find(|asset| asset.name == name).expect("it has such an artefact");
        asset.state = "open";
    }

    /// Starts a workflow that asks the App for leave to deploy; returns the workflow run's id.
    pub fn ask_to_deploy(&self, repo: &str, environment: &str, tag: &str, user: &str) -> u64 {
        let mut world = self.world();
        let (repo, user) = (world.repo_id(repo), world.account_id(user, Kind::User));
        let found = world.repo(repo);
        let sha = found.git.resolve(tag).expect("the scenario has such a tag");
        let callback = world.repo_url(found);
        let run = world.new_id();
        let id = world.add_deployment(repo, &sha, tag, environment, user);
        let deployment = world.shipping.deployments.iter().find(|d| d.id == id).expect("it was just made").clone();
        let shape = world.deployment_json(&deployment);
        let (environment, decided, comments) = (environment.to_owned(), None, Vec::new());
        let payload = json!({
            "action": "requested", "environment": environment, "event": "push", "sha": sha, "ref": tag, "deployment": shape,
            "deployment_callback_url": format!("{callback}/actions/runs/{run}/deployment_protection_rule"), "pull_requests": [],
        });
        world.shipping.waiting.push(Waiting { repo, run, environment, decided, comments });
        world.tell(repo, "deployment_protection_rule", user, payload);
        run
    }
}

/// What people see.
impl FakeGitHub {
    /// The releases, newest first, each with its artefacts: texts to compare with.
    pub fn releases(&self, repo: &str) -> String {
        let world = self.world();
        let repo = world.repo_id(repo);
        let newest = world.latest_release(repo).map(|release| release.id);
        let mut out = String::new();
        for release in world.shipping.releases.iter().rev().filter(|release| release.repo == repo) {
            let state = match (release.draft, release.prerelease, newest == Some(release.id)) {
                (true, _, _) => "draft",
                (false, true, _) => "pre-release",
                (false, false, true) => "latest",
                (false, false, false) => "published",
            };
            let name = release.name.as_deref().unwrap_or_default();
            let _ = writeln!(out, "{} {name:?} {state}, by {}", release.tag, world.account(release.author).login);
            for asset in &release.assets {
                let _ = writeln!(out, "  {} {}, {} bytes, {}", asset.name, asset.content_type, asset.content.len(), asset.state);
            }
        }
        out
    }

    /// What the release of a tag says.
    pub fn release_body(&self, repo: &str, tag: &str) -> Option<String> {
        let world = self.world();
        let repo = world.repo_id(repo);
        world.shipping.releases.iter().find(|r| r.repo == repo && r.tag == tag).and_then(|r| r.body.clone())
    }

    /// What is in an artefact.
    pub fn asset(&self, repo: &str, tag: &str, name: &str) -> Option<Vec<u8>> {
        let world = self.world();
        let repo = world.repo_id(repo);
        let release = world.shipping.releases.iter().find(|r| r.repo == repo && r.tag == tag)?;
        release.assets.iter().find(|asset| asset.name == name).map(|asset| asset.content.clone())
    }

    /// The deployments, oldest first, each with its statuses in their order: texts to compare with.
    pub fn deployments(&self, repo: &str) -> String {
        let world = self.world();
        let repo = world.repo_id(repo);
        let mut out = String::new();
        for deployment in world.shipping.deployments.iter().filter(|deployment| deployment.repo == repo) {
            let kind = if deployment.production { " (production)" } else { "" };
            let _ = writeln!(out, "{} to {}{kind}", deployment.of, deployment.environment);
            for status in &deployment.statuses {
                let _ = writeln!(out, "  {}: {}", status.state, status.description);
            }
        }
        out
    }

    /// The newest status of each deployment to an environment, oldest deployment first: ref and state.
    pub fn deployed(&self, repo: &str, environment: &str) -> Vec<(String, String)> {
        let world = self.world();
        let repo = world.repo_id(repo);
        let there = world.shipping.deployments.iter().filter(|d| d.repo == repo && d.environment == environment);
        there.map(|d| (d.of.clone(), d.state().unwrap_or("none").to_owned())).collect()
    }

    /// What the comment on a pull request says that tells of its release, without its marker.
    pub fn release_comment(&self, repo: &str, number: u64) -> Option<String> {
        const MARKER: &str = "<!-- gatewright:release -->\n";
        self.bot_comments(repo, number).iter().find_map(|comment| comment.body.strip_prefix(MARKER).map(str::to_owned))
    }

    /// What a waiting workflow was told: the decision, and the comments.
    pub fn told_workflow(&self, run: u64) -> (Option<String>, Vec<String>) {
        let world = self.world();
        let waiting = world.shipping.waiting.iter().find(|waiting| waiting.run == run).expect("there is such a workflow run");
        (waiting.decided.clone(), waiting.comments.clone())
    }
}

impl World {
    pub(crate) fn latest_release(&self, repo: u64) -> Option<&Release> {
        let out = self.shipping.releases.iter().filter(|r| r.repo == repo && !r.draft && !r.prerelease);
        out.filter(|release| release.latest.is_some()).max_by_key(|release| release.latest)
    }

    /// Publishes what is a draft. A tag that is not there is made at the target.
    pub(crate) fn publish_release(&mut self, id: u64, latest: bool, sender: u64) {
        let now = self.now();
        let order = self.new_id();
        let immutable = self.shipping.immutable.clone();
        let release = self.shipping.releases.iter_mut().find(|release| release.id == id).expect("looked up before");
        release.draft = false;
        release.published_at = Some(now);
        release.immutable = immutable.contains(&release.repo);
        release.latest = (latest && !release.prerelease).then_some(order);
        let (repo, tag, target) = (release.repo, format!("refs/tags/{}", release.tag), release.target.clone());
        if !self.repo(repo).refs.contains_key(&tag) {
            let commit = self.repo(repo).git.resolve(&target).expect("the target was looked up when the release was made");
            self.push_ref(repo, &tag, Some(&commit), sender);
        }
    }

    pub(crate) fn add_deployment(&mut self, repo: u64, sha: &str, of: &str, environment: &str, creator: u64) -> u64 {
        let (id, created_at) = (self.new_id(), self.now());
        self.shipping.deployments.push(Deployment {
            id,
            repo,
            sha: sha.to_owned(),
            of: of.to_owned(),
            task: "deploy".to_owned(),
            environment: environment.to_owned(),
            description: None,
            payload: json!({}),
            transient: false,
            production: environment == "production",
            creator,
            created_at,
            statuses: Vec::new(),
        });
        id
    }
}
