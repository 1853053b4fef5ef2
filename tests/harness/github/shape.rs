//! The JSON of accounts, repositories and commits, as GitHub's answers and payloads have it.

use base64::Engine;
use serde_json::{Map, Value, json};

use super::git::{CommitInfo, FileChange, Signature};
use super::world::{Account, Kind, Level, Repo, World, time_text};

/// GraphQL's id of something; opaque, but stable.
pub(crate) fn node_id(kind: &str, id: impl std::fmt::Display) -> String {
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(format!("{kind}:{id}"))
}

/// A text for a URL's path: everything but letters, digits and `-._~/` escaped.
pub(crate) fn escaped(path: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    path.bytes().map(|b| if plain(b) { (b as char).to_string() } else { format!("%{b:02X}") }).collect()
}

/// The URLs of an account that GitHub makes of a template.
const ACCOUNT_URLS: [(&str, &str); 10] = [
    ("followers_url", "/followers"),
    ("following_url", "/following{/other_user}"),
    ("gists_url", "/gists{/gist_id}"),
    ("starred_url", "/starred{/owner}{/repo}"),
    ("subscriptions_url", "/subscriptions"),
    ("organizations_url", "/orgs"),
    ("repos_url", "/repos"),
    ("events_url", "/events{/privacy}"),
    ("received_events_url", "/received_events"),
    ("url", ""),
];

/// The URLs of a repository that GitHub makes of a template.
const REPO_URLS: [(&str, &str); 38] = [
    ("url", ""),
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    ("notifications_url", "/notifications{?since,all,participating}"),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
    ("git_url", ".git"),
];

fn urls(into: &mut Value, root: &str, templates: &[(&str, &str)]) {
    let object: &mut Map<String, Value> = into.as_object_mut().expect("shapes are objects");
    for (key, suffix) in templates {
        object.insert((*key).to_owned(), json!(format!("{root}{suffix}")));
    }
}

impl World {
    /// `http://127.0.0.1:PORT/repos/OWNER/NAME`
    pub(crate) fn repo_url(&self, repo: &Repo) -> String {
        format!("{}/repos/{}", self.base, repo.full_name())
    }

    pub(crate) fn user_json(&self, id: u64) -> Value {
        let account = self.account(id);
        let mut user = json!({
            "login": account.login, "id": account.id, "node_id": node_id(account.kind.as_str(), account.id),
            "avatar_url": format!("{}/avatars/u/{}?v=4", self.base, account.id), "gravatar_id": "",
            "html_url": format!("{}/{}", self.base, escaped(&account.login)),
            "type": account.kind.as_str(), "user_view_type": "public", "site_admin": false,
        });
        urls(&mut user, &format!("{}/users/{}", self.base, escaped(&account.login)), &ACCOUNT_URLS);
        user
    }

    /// As `GET /users/LOGIN` has it.
    pub(crate) fn public_user_json(&self, account: &Account) -> Value {
        let mut user = self.user_json(account.id);
        let more = json!({
            "name": account.login, "company": null, "blog": "", "location": null, "email": null, "hireable": null, "bio": null,
            "twitter_username": null, "public_repos": 0, "public_gists": 0, "followers": 0, "following": 0,
            "created_at": time_text(account.created_at), "updated_at": time_text(account.created_at),
        });
        merge(&mut user, more);
        user
    }

    pub(crate) fn organization_json(&self, id: u64) -> Option<Value> {
        let account = self.account(id);
        let url = format!("{}/orgs/{}", self.base, account.login);
        (account.kind == Kind::Organization).then(|| {
            json!({
                "login": account.login, "id": account.id, "node_id": node_id("Organization", account.id), "url": url,
                "repos_url": format!("{url}/repos"), "events_url": format!("{url}/events"), "hooks_url": format!("{url}/hooks"),
                "issues_url": format!("{url}/issues"), "members_url": format!("{url}/members{{/member}}"),
                "public_members_url": format!("{url}/public_members{{/member}}"),
                "avatar_url": format!("{}/avatars/u/{}?v=4", self.base, account.id), "description": null,
            })
        })
    }

    /// What every form of a repository has.
    pub(crate) fn minimal_repo_json(&self, repo: &Repo) -> Value {
        let html = format!("{}/{}", self.base, repo.full_name());
        let mut shape = json!({
            "id": repo.id, "node_id": node_id("Repository", repo.id), "name": repo.name, "full_name": repo.full_name(),
            "private": repo.private, "owner": self.user_json(repo.owner), "html_url": html, "description": null,
            "fork": repo.parent.is_some(),
        });
        urls(&mut shape, &self.repo_url(repo), &REPO_URLS);
        merge(
            &mut shape,
            json!({
                "git_url": format!("{html}.git"), "clone_url": format!("{html}.git"), "ssh_url": format!("git@localhost:{}.git", repo.full_name()),
                "svn_url": html, "mirror_url": null,
            }),
        );
        shape
    }

    pub(crate) fn repo_json(&self, repo: &Repo) -> Value {
        let open = repo.pulls.values().filter(|p| p.open()).count();
        let visibility = if repo.private { "private" } else { "public" };
        let mut shape = self.minimal_repo_json(repo);
        merge(
            &mut shape,
            json!({
                "created_at": time_text(repo.created_at), "updated_at": time_text(repo.pushed_at), "pushed_at": time_text(repo.pushed_at),
                "homepage": null, "size": 1, "stargazers_count": 0, "watchers_count": 0, "language": null, "has_issues": true,
                "has_projects": true, "has_downloads": true, "has_wiki": true, "has_pages": false, "has_discussions": false,
                "forks_count": 0, "archived": repo.archived, "disabled": false, "open_issues_count": open, "license": null,
                "allow_forking": true, "is_template": false, "web_commit_signoff_required": false, "topics": [],
                "visibility": visibility, "forks": 0, "open_issues": open, "watchers": 0, "default_branch": repo.default_branch,
            }),
        );
        shape
    }

    /// As `GET /repos/OWNER/NAME` has it.
    pub(crate) fn full_repo_json(&self, repo: &Repo, level: Level) -> Value {
        let mut shape = self.repo_json(repo);
        merge(
            &mut shape,
            json!({
                "network_count": 0, "subscribers_count": 0, "allow_squash_merge": true, "allow_merge_commit": true,
                "allow_rebase_merge": true, "allow_auto_merge": false, "delete_branch_on_merge": false,
                "permissions": {"admin": level >= Level::Admin, "maintain": level >= Level::Maintain,
                    "push": level >= Level::Write, "triage": level >= Level::Triage, "pull": level >= Level::Read},
            }),
        );
        if let Some(parent) = repo.parent.map(|id| self.repo_json(self.repo(id))) {
            merge(&mut shape, json!({"parent": parent.clone(), "source": parent}));
        }
        shape
    }

    /// A commit as `GET /repos/.../commits/REF` has it, without its files.
    pub(crate) fn commit_json(&self, repo: &Repo, commit: &CommitInfo) -> Value {
        let url = format!("{}/commits/{}", self.repo_url(repo), commit.sha);
        let git_url = format!("{}/git/commits/{}", self.repo_url(repo), commit.sha);
        let html = |sha: &str| format!("{}/{}/commit/{sha}", self.base, repo.full_name());
        let parent =
            |sha: &String| json!({"sha": sha, "url": format!("{}/commits/{sha}", self.repo_url(repo)), "html_url": html(sha)});
        json!({
            "sha": commit.sha, "node_id": node_id("Commit", &commit.sha), "url": url, "html_url": html(&commit.sha),
            "comments_url": format!("{url}/comments"),
            "commit": {
                "author": signature_json(&commit.author), "committer": signature_json(&commit.committer), "message": commit.message,
                "tree": {"sha": commit.tree, "url": format!("{}/git/trees/{}", self.repo_url(repo), commit.tree)},
                "url": git_url, "comment_count": 0, "verification": self.verification_json(&commit.sha),
            },
            "author": self.author_json(&commit.author), "committer": self.author_json(&commit.committer),
            "parents": commit.parents.iter().map(parent).collect::<Vec<_>>(),
        })
    }

    /// A commit as check suites and merge groups have it.
    pub(crate) fn simple_commit_json(&self, commit: &CommitInfo) -> Value {
        let who = |s: &Signature| json!({"name": s.name, "email": s.email});
        json!({
            "id": commit.sha, "tree_id": commit.tree, "message": commit.message, "timestamp": commit.author.date,
            "author": who(&commit.author), "committer": who(&commit.committer),
        })
    }

    fn author_json(&self, signature: &Signature) -> Value {
        self.find_account(&signature.name).map_or(Value::Null, |account| self.user_json(account.id))
    }

    pub(crate) fn file_json(&self, repo: &Repo, commit: &str, file: &FileChange) -> Value {
        let path = escaped(&file.path);
        let html = format!("{}/{}", self.base, repo.full_name());
        let mut shape = json!({
            "sha": file.blob, "filename": file.path, "status": file.status, "additions": file.additions, "deletions": file.deletions,
            "changes": file.additions + file.deletions, "blob_url": format!("{html}/blob/{commit}/{path}"),
            "raw_url": format!("{html}/raw/{commit}/{path}"),
            "contents_url": format!("{}/contents/{path}?ref={commit}", self.repo_url(repo)),
        });
        let optional = [("patch", file.patch.as_ref()), ("previous_filename", file.previous.as_ref())];
        for (key, value) in optional.into_iter().filter_map(|(key, value)| Some((key, value?))) {
            shape[key] = json!(value);
        }
        shape
    }

    pub(crate) fn app_json(&self) -> Value {
        let app = &self.app;
        json!({
            "id": app.id, "slug": app.slug, "node_id": node_id("Integration", app.id), "client_id": format!("Iv1.{:016x}", app.id),
            "owner": self.user_json(app.owner), "name": app.slug, "description": "", "external_url": format!("{}/apps/{}", self.base, app.slug),
            "html_url": format!("{}/apps/{}", self.base, app.slug), "created_at": time_text(app.created_at),
            "updated_at": time_text(app.created_at), "permissions": app.permissions, "events": app.events,
        })
    }

    /// An App of somebody else's.
    pub(crate) fn other_app_json(&self, slug: &str) -> Value {
        let page = format!("{}/apps/{slug}", self.base);
        let mut shape = self.app_json();
        // Its number is made of its name, and never that of the App.
        let id = self.app.id + 1 + u64::from(slug.bytes().map(u16::from).sum::<u16>());
        merge(
            &mut shape,
            json!({
                "id": id, "slug": slug, "name": slug, "node_id": node_id("Integration", id), "client_id": format!("Iv1.{id:016x}"),
                "html_url": page, "external_url": page,
            }),
        );
        shape
    }

    pub(crate) fn installation_json(&self, id: u64) -> Value {
        let installation = self.installation(id).expect("looked up before");
        let account = self.account(installation.account);
        json!({
            "id": id, "account": self.user_json(account.id), "repository_selection": "selected",
            "access_tokens_url": format!("{}/app/installations/{id}/access_tokens", self.base),
            "repositories_url": format!("{}/installation/repositories", self.base),
            "html_url": format!("{}/settings/installations/{id}", self.base), "app_id": self.app.id, "app_slug": self.app.slug,
            "target_id": account.id, "target_type": account.kind.as_str(), "permissions": self.app.permissions,
            "events": self.app.events, "created_at": time_text(installation.created_at), "updated_at": time_text(installation.created_at),
            "single_file_name": null, "has_multiple_single_files": false, "single_file_paths": [],
            "suspended_by": installation.suspended_at.map(|_| self.user_json(account.id)),
            "suspended_at": installation.suspended_at.map(time_text),
        })
    }
}

pub(crate) fn signature_json(signature: &Signature) -> Value {
    json!({"name": signature.name, "email": signature.email, "date": signature.date})
}

/// Puts the keys of `more` into `into`.
pub(crate) fn merge(into: &mut Value, more: Value) {
    let (Value::Object(into), Value::Object(more)) = (into, more) else { panic!("shapes are objects") };
    into.extend(more);
}
