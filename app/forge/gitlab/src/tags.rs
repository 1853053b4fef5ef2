//! What is read of tags: what each names, and whether a protected branch holds its commit.
//!
//! GitLab's API description has no request for one tag, or for the list of protected branches. So a tag is looked for among
//! those that begin like it, and the branches that are looked at are those that the commit is known to belong to. What is
//! said of signatures is asked elsewhere: see `signature.rs`.

use gatewright_core::forge::{ForgeError, Protection, TagState, Tags};
use gatewright_core::{CommitId, RepoRef};
use gatewright_forge_shared::address::with_query;
use gatewright_forge_shared::text::keep_beginning;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::api::PER_PAGE;
use crate::call::{Call, project_route};
use crate::error::{is_missing, missing, refused};
use crate::gitlab::GitLab;
use crate::signature::unknown;

/// So many pages of 100 tags that begin with a tag's name are looked through for it, by name: it comes first.
const LIKE_PAGES_MAX: usize = 5;
/// 2,000 tags by 100. What lies behind them is not looked at, and the answer says that there is more.
const TAG_PAGES_MAX: usize = 20;
/// More of a message is cut at its end.
pub(crate) const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// A comparison that has more than this is one with something in it.
const COMPARISON_BYTES_MAX: usize = 256 * 1024;

#[derive(Deserialize)]
struct Tag {
    name: String,
    /// The tag object, or the commit itself.
    #[serde(default)]
    target: Option<CommitId>,
    #[serde(default)]
    message: Option<String>,
    /// None where it names no commit.
    #[serde(default)]
    commit: Option<Commit>,
}

#[derive(Deserialize)]
struct Commit {
    id: CommitId,
}

#[derive(Deserialize)]
struct Project {
    #[serde(default)]
    default_branch: Option<String>,
}

#[derive(Deserialize)]
struct Branch {
    name: String,
    commit: Commit,
    #[serde(default)]
    protected: bool,
}

#[derive(Deserialize)]
struct Comparison {
    #[serde(default)]
    commits: Vec<IgnoredAny>,
    #[serde(default)]
    compare_timeout: bool,
}

impl GitLab {
    /// Of its signatures nothing is asked.
    pub(crate) async fn read_tag(&self, repo: &RepoRef, name: &str) -> Result<Option<TagState>, ForgeError> {
        let begins = format!("^{name}");
        let query = [("search", begins.as_str()), ("order_by", "name"), ("sort", "asc"), PER_PAGE];
        let first = Call::get("tag", with_query(project_route(repo, &["repository", "tags"])?, &query));
        let listed = self.api.list::<Tag>(first, LIKE_PAGES_MAX, || format!("the tags of {}", repo.path)).await?;
        let Some(tag) = listed.items.into_iter().find(|tag| tag.name == name) else {
            let more = refused(format!("there are too many tags that begin with {name} to find it among them"));
            return if listed.more { Err(more) } else { Ok(None) };
        };
        let commit = tag.commit.ok_or_else(|| refused(format!("the tag {name} names no commit")))?.id;
        let object = tag.target.filter(|target| *target != commit);
        let message = tag.message.filter(|message| !message.is_empty());
        let message = message.map(|message| keep_beginning(&message, MESSAGE_BYTES_MAX).into_owned());
        let not_asked = || unknown("it was not asked");
        Ok(Some(TagState { name: tag.name, commit, object, message, signature: not_asked(), commit_signature: not_asked() }))
    }

    pub(crate) async fn read_tags(&self, repo: &RepoRef) -> Result<Tags, ForgeError> {
        let first = Call::get("tags", with_query(project_route(repo, &["repository", "tags"])?, &[PER_PAGE]));
        let listed = self.api.list::<Tag>(first, TAG_PAGES_MAX, || format!("the tags of {}", repo.path)).await?;
        let tags = listed.items.into_iter().filter_map(|tag| Some((tag.name, tag.commit?.id))).collect();
        Ok(Tags { tags, incomplete: listed.more })
    }

    pub(crate) async fn read_protection(&self, repo: &RepoRef, commit: &CommitId) -> Result<Protection, ForgeError> {
        let mut looked_at = Vec::new();
        let default = self.default_branch(repo).await?;
        if let Some(name) = &default
            && self.is_on(repo, name, commit, &mut looked_at).await?
        {
            return Ok(Protection::On { branch: name.clone() });
        }
        let mut targets: Vec<String> = Vec::new();
        for merged in self.merged_requests(repo, commit).await? {
            if Some(&merged.target_branch) != default.as_ref() && !targets.contains(&merged.target_branch) {
                targets.push(merged.target_branch);
            }
        }
        for name in targets {
            if self.is_on(repo, &name, commit, &mut looked_at).await? {
                return Ok(Protection::On { branch: name });
            }
        }
        Ok(Protection::Off { looked_at, incomplete: true })
    }

    /// Whether this branch is protected and holds the commit.
    async fn is_on(
        &self,
        repo: &RepoRef,
        name: &str,
        commit: &CommitId,
        looked_at: &mut Vec<String>,
    ) -> Result<bool, ForgeError> {
        let call = Call::get("branch", project_route(repo, &["repository", "branches", name])?);
        let branch: Branch = match self.api.read(call).await?.ok(|| format!("branch {name} of {}", repo.path)) {
            Ok(answer) => answer.json("branch")?,
            Err(error) if is_missing(&error) => return Ok(false),
            Err(error) => return Err(error),
        };
        if !branch.protected {
            return Ok(false);
        }
        let holds = self.holds(repo, &branch.commit.id, commit).await?;
        if !holds {
            looked_at.push(branch.name);
        }
        Ok(holds)
    }

    /// Whether the commit is the tip, or an ancestor of it: then it has nothing that the tip has not.
    async fn holds(&self, repo: &RepoRef, tip: &CommitId, commit: &CommitId) -> Result<bool, ForgeError> {
        if tip == commit {
            return Ok(true);
        }
        let query = [("from", tip.as_str()), ("to", commit.as_str())];
        let route = project_route(repo, &["repository", "compare"])?;
        let call = Call::get("holds", with_query(route, &query)).answer_bytes_max(COMPARISON_BYTES_MAX);
        let answer = self.api.send(&call).await?.ok(|| format!("{}...{}", tip.short(), commit.short()))?;
        if answer.too_large {
            return Ok(false);
        }
        let comparison: Comparison = answer.json("holds")?;
        Ok(comparison.commits.is_empty() && !comparison.compare_timeout)
    }

    pub(crate) async fn read_default_branch(&self, repo: &RepoRef) -> Result<String, ForgeError> {
        let name = self.default_branch(repo).await?;
        name.ok_or_else(|| missing(format!("a commit of {}", repo.path)))
    }

    /// None of a project without any commit.
    async fn default_branch(&self, repo: &RepoRef) -> Result<Option<String>, ForgeError> {
        let answer = self.api.read(Call::get("project", project_route(repo, &[])?)).await?.ok(|| repo.path.clone())?;
        Ok(answer.json::<Project>("project")?.default_branch)
    }
}
