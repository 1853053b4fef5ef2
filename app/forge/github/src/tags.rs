//! What is read of tags: what each names, who signed it, and whether a protected branch holds its commit.

use gatewright_core::forge::{ForgeError, Protection, Signature, TagState, Tags};
use gatewright_core::{CommitId, RepoRef};
use gatewright_forge_shared::address::with_query;
use gatewright_forge_shared::text::keep_beginning;
use serde::Deserialize;

use crate::call::Call;
use crate::error::{is_missing, refused};
use crate::github::GitHub;
use crate::read::PER_PAGE;
use crate::route::repo_route;

/// A tag of a tag of a tag is followed so far; one that leads farther is refused.
const TAG_OBJECTS_MAX: usize = 5;
/// 2,000 tags by 100. What lies behind them is not looked at, and the answer says that there is more.
const TAG_PAGES_MAX: usize = 20;
/// More of a message is cut at its end.
pub(crate) const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// So many protected branches besides the default branch and those of the commit's pull requests are compared with.
const BRANCHES_MAX: usize = 30;

#[derive(Deserialize)]
struct GitRef {
    #[serde(rename = "ref")]
    name: String,
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    #[serde(rename = "type")]
    kind: String,
    sha: CommitId,
}

#[derive(Deserialize)]
struct TagObject {
    object: Object,
    #[serde(default)]
    message: String,
    #[serde(default)]
    tagger: Option<Person>,
    #[serde(default)]
    verification: Option<Verification>,
}

#[derive(Deserialize)]
struct CommitObject {
    #[serde(default)]
    committer: Option<Person>,
    #[serde(default)]
    verification: Option<Verification>,
}

#[derive(Deserialize)]
struct Person {
    #[serde(default)]
    name: String,
    #[serde(default)]
    email: String,
}

#[derive(Deserialize)]
struct Verification {
    verified: bool,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
struct ListedTag {
    name: String,
    commit: Sha,
}

#[derive(Deserialize)]
struct Sha {
    sha: CommitId,
}

#[derive(Deserialize)]
struct Repository {
    default_branch: String,
}

#[derive(Deserialize)]
struct Branch {
    name: String,
    commit: Sha,
    #[serde(default)]
    protected: bool,
}

#[derive(Deserialize)]
struct Comparison {
    /// `ahead`, `behind`, `identical` or `diverged`, of the second from the first.
    status: String,
}

/// What a tag leads to.
struct Resolved {
    commit: CommitId,
    object: Option<(CommitId, TagObject)>,
}

impl GitHub {
    pub(crate) async fn read_tag(&self, repo: &RepoRef, name: &str) -> Result<Option<TagState>, ForgeError> {
        let Some(Resolved { commit, object }) = self.resolve_tag(repo, name).await? else { return Ok(None) };
        let commit_signature = self.signature_of(repo, &commit).await?;
        let signature = match &object {
            Some((_, tag)) => signature(tag.verification.as_ref(), tag.tagger.as_ref()),
            None => Signature::Unsigned,
        };
        let message = object.as_ref().map(|(_, tag)| keep_beginning(&tag.message, MESSAGE_BYTES_MAX).into_owned());
        let object = object.map(|(id, _)| id);
        Ok(Some(TagState { name: name.to_owned(), commit, object, message, signature, commit_signature }))
    }

    /// The commit that a tag names now.
    pub(crate) async fn commit_of_tag(&self, repo: &RepoRef, name: &str) -> Result<Option<CommitId>, ForgeError> {
        Ok(self.resolve_tag(repo, name).await?.map(|resolved| resolved.commit))
    }

    async fn resolve_tag(&self, repo: &RepoRef, name: &str) -> Result<Option<Resolved>, ForgeError> {
        let parts: Vec<&str> = ["git", "ref", "tags"].into_iter().chain(name.split('/')).collect();
        let answer = self.api.read_cached(repo, Call::get("tag", repo_route(repo, &parts)?)).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let found: GitRef = answer.ok(|| format!("the tag {name} of {}", repo.path))?.json("tag")?;
        if found.name != format!("refs/tags/{name}") {
            return Ok(None);
        }
        let mut object = found.object;
        let mut first = None;
        for _ in 0..TAG_OBJECTS_MAX {
            match object.kind.as_str() {
                "commit" => return Ok(Some(Resolved { commit: object.sha, object: first })),
                "tag" => {}
                kind => return Err(refused(format!("the tag {name} names no commit but a {kind}"))),
            }
            let tag = self.tag_object(repo, &object.sha).await?;
            let inner = Object { kind: tag.object.kind.clone(), sha: tag.object.sha.clone() };
            first.get_or_insert((object.sha, tag));
            object = inner;
        }
        Err(refused(format!("the tag {name} names a tag of a tag, too deep to follow")))
    }

    async fn tag_object(&self, repo: &RepoRef, sha: &CommitId) -> Result<TagObject, ForgeError> {
        let call = Call::get("tag_object", repo_route(repo, &["git", "tags", sha.as_str()])?);
        self.api.read_cached(repo, call).await?.ok(|| format!("the tag object {}", sha.short()))?.json("tag_object")
    }

    async fn signature_of(&self, repo: &RepoRef, commit: &CommitId) -> Result<Signature, ForgeError> {
        let call = Call::get("commit", repo_route(repo, &["git", "commits", commit.as_str()])?);
        let answer = self.api.read_cached(repo, call).await?.ok(|| format!("commit {}", commit.short()))?;
        let found: CommitObject = answer.json("commit")?;
        Ok(signature(found.verification.as_ref(), found.committer.as_ref()))
    }

    pub(crate) async fn read_tags(&self, repo: &RepoRef) -> Result<Tags, ForgeError> {
        let mut next = Some(with_query(repo_route(repo, &["tags"])?, &[PER_PAGE]));
        let mut tags = Tags::default();
        for _ in 0..TAG_PAGES_MAX {
            let Some(target) = next else { break };
            let answer = self.api.read_cached(repo, Call::get("tags", target)).await?.ok(|| format!("tags of {}", repo.path))?;
            let page: Vec<ListedTag> = answer.json("tags")?;
            tags.tags.extend(page.into_iter().map(|tag| (tag.name, tag.commit.sha)));
            next = answer.next;
        }
        tags.incomplete = next.is_some();
        Ok(tags)
    }

    /// The default branch holds what is released, as a rule, so that three requests suffice.
    pub(crate) async fn read_protection(&self, repo: &RepoRef, commit: &CommitId) -> Result<Protection, ForgeError> {
        let mut looked_at = Vec::new();
        let default = self.default_branch(repo).await?;
        let mut named = vec![default];
        if let Some(on) = self.first_holding(repo, commit, &named, &mut looked_at).await? {
            return Ok(Protection::On { branch: on });
        }
        let merged = self.merged_pulls(repo, commit).await?.into_iter().map(|pull| pull.base_ref);
        let bases: Vec<String> = merged.filter(|base| !named.contains(base)).collect();
        if let Some(on) = self.first_holding(repo, commit, &bases, &mut looked_at).await? {
            return Ok(Protection::On { branch: on });
        }
        named.extend(bases);
        let (others, mut incomplete) = self.protected_branches(repo).await?;
        let others: Vec<Branch> = others.into_iter().filter(|branch| !named.contains(&branch.name)).collect();
        incomplete |= others.len() > BRANCHES_MAX;
        for branch in others.into_iter().take(BRANCHES_MAX) {
            if self.holds(repo, &branch.commit.sha, commit).await? {
                return Ok(Protection::On { branch: branch.name });
            }
            looked_at.push(branch.name);
        }
        Ok(Protection::Off { looked_at, incomplete })
    }

    /// The first of these branches that is protected and holds the commit.
    async fn first_holding(
        &self,
        repo: &RepoRef,
        commit: &CommitId,
        names: &[String],
        looked_at: &mut Vec<String>,
    ) -> Result<Option<String>, ForgeError> {
        for name in names {
            let call = Call::get("branch", repo_route(repo, &["branches", name])?);
            let answer = self.api.read_cached(repo, call).await?;
            let branch: Branch = match answer.ok(|| format!("branch {name} of {}", repo.path)) {
                Ok(answer) => answer.json("branch")?,
                Err(error) if is_missing(&error) => continue,
                Err(error) => return Err(error),
            };
            if !branch.protected {
                continue;
            }
            if self.holds(repo, &branch.commit.sha, commit).await? {
                return Ok(Some(branch.name));
            }
            looked_at.push(branch.name);
        }
        Ok(None)
    }

    /// Whether the commit is the tip, or an ancestor of it.
    async fn holds(&self, repo: &RepoRef, tip: &CommitId, commit: &CommitId) -> Result<bool, ForgeError> {
        if tip == commit {
            return Ok(true);
        }
        let target = repo_route(repo, &["compare", &format!("{tip}...{commit}")])?;
        // The files, which can be many, are on the first page only.
        let call = Call::get("holds", with_query(target, &[("per_page", "1"), ("page", "2")]));
        let answer = self.api.for_repo(repo, &call).await?;
        let comparison: Comparison = answer.ok(|| format!("{}...{}", tip.short(), commit.short()))?.json("holds")?;
        Ok(matches!(comparison.status.as_str(), "behind" | "identical"))
    }

    async fn default_branch(&self, repo: &RepoRef) -> Result<String, ForgeError> {
        let answer = self.api.read_cached(repo, Call::get("repository", repo_route(repo, &[])?)).await?;
        Ok(answer.ok(|| repo.path.clone())?.json::<Repository>("repository")?.default_branch)
    }

    /// Up to 100 of them, and whether there are more.
    async fn protected_branches(&self, repo: &RepoRef) -> Result<(Vec<Branch>, bool), ForgeError> {
        let target = with_query(repo_route(repo, &["branches"])?, &[("protected", "true"), PER_PAGE]);
        let answer = self.api.read_cached(repo, Call::get("protected_branches", target)).await?;
        let answer = answer.ok(|| format!("the branches of {}", repo.path))?;
        Ok((answer.json("protected_branches")?, answer.next.is_some()))
    }
}

fn signature(verification: Option<&Verification>, by: Option<&Person>) -> Signature {
    let Some(Verification { verified, reason }) = verification else {
        return Signature::Unknown { reason: "GitHub does not say whether it is signed".to_owned() };
    };
    match (verified, reason.as_str()) {
        (true, _) => Signature::Verified { by: by.map(|person| format!("{} <{}>", person.name, person.email)) },
        (false, "unsigned") => Signature::Unsigned,
        (false, "gpgverify_error" | "gpgverify_unavailable") => {
            Signature::Unknown { reason: "GitHub cannot verify signatures at the moment".to_owned() }
        }
        (false, reason) => Signature::Unverified { reason: reason.to_owned() },
    }
}
