//! What is shipped: tags, releases and their links, environments and deployments. State, and what people do and see of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::FakeGitLab;
use super::shape::commit_answer;
use super::world::{World, time_text};

/// What [`World`] knows of shipping.
#[derive(Default)]
pub(super) struct Shipping {
    pub(super) releases: Vec<Release>,
    pub(super) environments: Vec<Environment>,
    pub(super) deployments: Vec<Deployment>,
    /// What is said of the signature of a commit or a tag object, by its id.
    pub(super) signatures: BTreeMap<String, Value>,
}

pub(super) struct Release {
    pub(super) project: u64,
    pub(super) tag: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) author: u64,
    pub(super) released_at: Timestamp,
    pub(super) links: Vec<Link>,
}

pub(super) struct Link {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) url: String,
    pub(super) kind: String,
}

pub(super) struct Environment {
    pub(super) id: u64,
    pub(super) project: u64,
    pub(super) name: String,
    pub(super) url: Option<String>,
    pub(super) tier: String,
}

pub(super) struct Deployment {
    pub(super) id: u64,
    pub(super) project: u64,
    pub(super) environment: u64,
    pub(super) sha: String,
    pub(super) of: String,
    pub(super) status: String,
    /// Every status that it had, oldest first.
    pub(super) history: Vec<String>,
    pub(super) user: u64,
    pub(super) created_at: Timestamp,
}

/// The tier that GitLab sees in a name ("Deployment tier of environments").
pub(super) fn tier_of(name: &str) -> &'static str {
    let name = name.to_ascii_lowercase();
    let tiers: [(&str, &[&str]); 4] = [
        ("development", &["dev", "review", "trunk"]),
        ("testing", &["test", "tst", "int", "ac", "qa", "qc"]),
        ("staging", &["st", "model", "pre", "demo", "non"]),
        ("production", &["prod", "live"]),
    ];
    let found = tiers.iter().find(|(_, starts)| starts.iter().any(|start| name.starts_with(start)));
    found.map_or("other", |(tier, _)| tier)
}

/// What people do.
impl FakeGitLab {
    /// Makes a tag, or moves it. A lightweight one names the commit itself.
    pub fn push_tag(&self, path: &str, name: &str, commit: &str, user: &str) {
        self.move_tag(path, name, Some(commit), user);
    }

    /// Makes an annotated tag, or moves it; returns the tag object.
    pub fn push_annotated_tag(&self, path: &str, name: &str, commit: &str, message: &str, user: &str) -> String {
        let object = {
            let mut world = self.world();
            let (project, tagger) = (world.project_id(path), world.signature(user));
            world.project(project).git.tag_object(name, commit, &tagger, message)
        };
        self.move_tag(path, name, Some(&object), user);
        object
    }

    /// Has GitLab say this of a commit's PGP signature, or of a tag object's X.509 signature: `verified`, `unknown_key` and their like.
    pub fn sign_as(&self, object: &str, status: &str) {
        let mut world = self.world();
        let is_tag = world.projects.iter().any(|project| project.git.tag_of(object).is_some());
        let said = if is_tag {
            let certificate = json!({ "id": 1, "email": "alice@example.com", "certificate_status": "good" });
            json!({ "signature_type": "X509", "verification_status": status, "x509_certificate": certificate })
        } else {
            json!({
                "signature_type": "PGP", "verification_status": status, "gpg_key_id": 1, "gpg_key_primary_keyid": "8254AAB3FBD54AC9",
                "gpg_key_user_name": "alice", "gpg_key_user_email": "alice@example.com", "gpg_key_subkey_id": null,
                "commit_source": "gitaly",
            })
        };
        world.shipping.signatures.insert(object.to_owned(), said);
    }

    /// Deletes a tag, and its release with it, as GitLab does.
    pub fn delete_tag(&self, path: &str, name: &str, user: &str) {
        self.move_tag(path, name, None, user);
        let mut world = self.world();
        let project = world.project_id(path);
        world.shipping.releases.retain(|release| release.project != project || release.tag != name);
    }

    fn move_tag(&self, path: &str, name: &str, to: Option<&str>, user: &str) {
        let mut world = self.world();
        let (project, by) = (world.project_id(path), world.user_id(user));
        let git = &world.project(project).git;
        let before = git.refs();
        match to {
            Some(to) => git.set_ref(&format!("refs/tags/{name}"), to),
            None => git.delete_ref(&format!("refs/tags/{name}")),
        }
        world.refs_moved(project, by, &before);
    }

    /// Writes a release of a tag on GitLab's page.
    pub fn write_release(&self, path: &str, tag: &str, description: &str, user: &str) {
        let mut world = self.world();
        let (project, author) = (world.project_id(path), world.user_id(user));
        world.add_release(project, tag, tag, description, author);
    }
}

/// What people see.
impl FakeGitLab {
    /// The releases, newest first, each with its links: texts to compare with.
    pub fn releases(&self, path: &str) -> String {
        let world = self.world();
        let project = world.project_id(path);
        let mut out = String::new();
        for release in world.shipping.releases.iter().rev().filter(|release| release.project == project) {
            let _ = writeln!(out, "{} {:?}, by {}", release.tag, release.name, world.username(release.author));
            for link in &release.links {
                let _ = writeln!(out, "  {} ({}): {}", link.name, link.kind, link.url);
            }
        }
        out
    }

    /// What the release of a tag says.
    pub fn release_body(&self, path: &str, tag: &str) -> Option<String> {
        let world = self.world();
        let project = world.project_id(path);
        let found = world.shipping.releases.iter().find(|release| release.project == project && release.tag == tag);
        found.map(|release| release.description.clone())
    }

    /// The deployments, oldest first, each with the statuses that it had: texts to compare with.
    pub fn deployments(&self, path: &str) -> String {
        let world = self.world();
        let project = world.project_id(path);
        let mut out = String::new();
        for one in world.shipping.deployments.iter().filter(|deployment| deployment.project == project) {
            let environment = world.environment(one.environment);
            let url = environment.url.as_ref().map(|url| format!(" at {url}")).unwrap_or_default();
            let _ = writeln!(out, "{} to {} ({}){url}: {}", one.of, environment.name, environment.tier, one.history.join(", "));
        }
        out
    }

    /// The status of each deployment to an environment, oldest first: ref and status.
    pub fn deployed(&self, path: &str, environment: &str) -> Vec<(String, String)> {
        let world = self.world();
        let project = world.project_id(path);
        let there = world.shipping.deployments.iter().filter(|one| one.project == project);
        let there = there.filter(|one| world.environment(one.environment).name == environment);
        there.map(|one| (one.of.clone(), one.status.clone())).collect()
    }

    /// What the note on a merge request says that tells of its release, without its marker.
    pub fn release_comment(&self, path: &str, iid: u64) -> Option<String> {
        const MARKER: &str = "<!-- gatewright:release -->\n";
        self.bot_notes(path, iid).iter().find_map(|note| note.body.strip_prefix(MARKER).map(str::to_owned))
    }
}

impl World {
    pub(super) fn add_release(&mut self, project: u64, tag: &str, name: &str, description: &str, author: u64) {
        let released_at = self.now();
        self.shipping.releases.push(Release {
            project,
            tag: tag.to_owned(),
            name: name.to_owned(),
            description: description.to_owned(),
            author,
            released_at,
            links: Vec::new(),
        });
    }

    pub(super) fn environment(&self, id: u64) -> &Environment {
        self.shipping.environments.iter().find(|environment| environment.id == id).expect("environments are never removed")
    }

    pub(super) fn environment_answer(&self, environment: &Environment) -> Value {
        let slug = environment.name.to_ascii_lowercase().replace(['/', '.', '_', ' '], "-");
        json!({
            "id": environment.id, "name": environment.name, "slug": slug, "external_url": environment.url,
            "tier": environment.tier, "state": "available", "auto_stop_at": null, "description": null, "auto_stop_setting": "always",
        })
    }

    pub(super) fn deployment_answer(&self, one: &Deployment) -> Value {
        json!({
            "id": one.id, "iid": one.id, "ref": one.of, "sha": one.sha, "status": one.status, "deployable": null,
            "created_at": time_text(one.created_at), "updated_at": time_text(one.created_at), "user": self.account(one.user),
            "environment": self.environment_answer(self.environment(one.environment)),
        })
    }

    pub(super) fn link_answer(&self, release: &Release, link: &Link) -> Value {
        let page = format!("{}/{}/-/releases/{}", self.url, self.project(release.project).path, release.tag);
        json!({
            "id": link.id, "name": link.name, "url": link.url, "link_type": link.kind,
            "direct_asset_url": format!("{page}/downloads/{}", link.name),
        })
    }

    pub(super) fn release_answer(&self, release: &Release) -> Value {
        let project = self.project(release.project);
        let page = format!("{}/{}", self.url, project.path);
        let sha = project.git.resolve(&format!("refs/tags/{}", release.tag));
        let commit = sha.and_then(|sha| project.git.info(&sha)).map(|commit| commit_answer(&page, &commit));
        let links: Vec<Value> = release.links.iter().map(|link| self.link_answer(release, link)).collect();
        json!({
            "tag_name": release.tag, "name": release.name, "description": release.description, "upcoming_release": false,
            "created_at": time_text(release.released_at), "released_at": time_text(release.released_at),
            "author": self.account(release.author), "commit": commit, "commit_path": null,
            "tag_path": format!("/{}/-/tags/{}", project.path, release.tag), "evidences": [],
            "assets": { "count": links.len() + 4, "sources": [], "links": links },
            "_links": { "self": format!("{page}/-/releases/{}", release.tag) },
        })
    }
}
