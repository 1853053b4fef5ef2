//! What is read of a repository.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use gatewright_core::event::{CommentRef, User};
use gatewright_core::forge::{ChangedFiles, CommentState, ForgeError, PullState};
use gatewright_core::{CommitId, RepoRef, Timestamp};
use gatewright_forge_shared::address::with_query;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::call::Call;
use crate::error::{is_missing, refused, unavailable};
use crate::github::GitHub;
use crate::route::{repo_route, somebodys_comment_route};

/// The largest file that is read; a larger one is refused.
const FILE_BYTES_MAX: usize = 1024 * 1024;
/// GitHub names at most this many files of a pull request.
const PULL_FILES_MAX: usize = 3_000;
/// And at most this many of a comparison.
const COMPARED_FILES_MAX: usize = 300;
/// What GitHub gives at most.
pub(crate) const PER_PAGE: (&str, &str) = ("per_page", "100");
/// 3,000 files by 100, and one more in case GitHub's pages are smaller than asked for. Beyond: incomplete.
const FILE_PAGES_MAX: usize = 31;
/// GitHub's stand-in for an account that was deleted.
pub(crate) const GHOST: &str = "ghost";

#[derive(Deserialize)]
struct Pull {
    number: u64,
    #[serde(default)]
    state: String,
    #[serde(default)]
    title: Option<String>,
    user: Option<Account>,
    head: PullSide,
    base: PullSide,
}

#[derive(Deserialize)]
struct PullSide {
    #[serde(rename = "ref")]
    name: String,
    sha: CommitId,
    /// None where the fork was deleted.
    repo: Option<Id>,
}

#[derive(Deserialize)]
struct Id {
    id: u64,
}

#[derive(Deserialize)]
struct Account {
    id: u64,
    login: String,
}

/// What two commits have in common, as far as it matters here.
#[derive(Deserialize)]
struct CommonAncestor {
    merge_base_commit: Commit,
}

#[derive(Deserialize)]
struct Comment {
    user: Option<Account>,
    created_at: Timestamp,
    #[serde(default)]
    body: Option<String>,
}

#[derive(Deserialize)]
struct Branch {
    commit: Commit,
}

#[derive(Deserialize)]
struct Commit {
    sha: CommitId,
}

/// A folder is answered by a list, everything else by one entry.
#[derive(Deserialize)]
#[serde(untagged)]
enum Contents {
    Folder(#[expect(dead_code, reason = "that it is a list is all that matters")] Vec<IgnoredAny>),
    Entry(Entry),
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    encoding: Option<String>,
    #[serde(default)]
    content: Option<String>,
    /// Set for a submodule, which GitHub calls a file in some answers.
    #[serde(default)]
    submodule_git_url: Option<String>,
}

#[derive(Deserialize)]
struct ChangedFile {
    filename: String,
    #[serde(default)]
    previous_filename: Option<String>,
}

#[derive(Deserialize)]
struct Comparison {
    /// `ahead`, `behind`, `identical` or `diverged`.
    #[serde(default)]
    status: String,
    #[serde(default)]
    files: Option<Vec<ChangedFile>>,
}

impl GitHub {
    pub(crate) async fn read_pull(&self, repo: &RepoRef, number: u64) -> Result<PullState, ForgeError> {
        let call = Call::get("pull", repo_route(repo, &["pulls", &number.to_string()])?);
        let answer = self.api.read_cached(repo, call).await?.ok(|| format!("{}#{number}", repo.path))?;
        let pull: Pull = answer.json("pull")?;
        let open = pull.state == "open";
        let base = match self.read_branch(repo, &pull.base.name).await {
            Ok(commit) => commit,
            // Of a pull request that is over, the branch may be gone.
            Err(error) if is_missing(&error) && !open => pull.base.sha.clone(),
            Err(error) => return Err(error),
        };
        let ids = pull.head.repo.zip(pull.base.repo);
        let author = pull.user.unwrap_or(Account { id: 0, login: GHOST.to_owned() });
        Ok(PullState {
            number: pull.number,
            open,
            head: pull.head.sha,
            head_ref: pull.head.name,
            // A fork that cannot be named is a fork.
            fork: ids.is_none_or(|(head, base)| head.id != base.id),
            base_ref: pull.base.name,
            base,
            author: User { id: author.id, login: author.login },
            title: pull.title.unwrap_or_default(),
        })
    }

    pub(crate) async fn read_branch(&self, repo: &RepoRef, name: &str) -> Result<CommitId, ForgeError> {
        let call = Call::get("branch", repo_route(repo, &["branches", name])?);
        let answer = self.api.read_cached(repo, call).await?.ok(|| format!("branch {name} of {}", repo.path))?;
        let branch: Branch = answer.json("branch")?;
        Ok(branch.commit.sha)
    }

    /// GitHub itself follows a symbolic link that leads to a file of the same commit; one that does not is no file.
    pub(crate) async fn read_file(&self, repo: &RepoRef, commit: &CommitId, path: &str) -> Result<Option<Bytes>, ForgeError> {
        let parts: Vec<&str> = ["contents"].into_iter().chain(path.split('/')).collect();
        let Ok(target) = repo_route(repo, &parts) else {
            return Ok(None);
        };
        let key = format!("{}@{commit}:{path}", repo.key());
        if let Some(file) = self.files.get(&key) {
            return Ok(Some(file));
        }
        let answer = self.api.for_repo(repo, &Call::get("file", with_query(target, &[("ref", commit.as_str())]))).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let answer = answer.ok(|| format!("{path} at {}", commit.short()))?;
        if answer.too_large {
            return Err(too_large(path));
        }
        let Some(file) = content(answer.json("file")?, path)? else {
            return Ok(None);
        };
        self.files.put(key, file.clone(), file.len());
        Ok(Some(file))
    }

    pub(crate) async fn read_merge_base(&self, repo: &RepoRef, base: &CommitId, head: &CommitId) -> Result<CommitId, ForgeError> {
        let target = repo_route(repo, &["compare", &format!("{base}...{head}")])?;
        // The files, which can be many, are on the first page only.
        let call = Call::get("merge_base", with_query(target, &[("per_page", "1"), ("page", "2")]));
        let answer = self.api.for_repo(repo, &call).await?;
        let answer = answer.ok(|| format!("{}...{} of {}", base.short(), head.short(), repo.path))?;
        let common: CommonAncestor = answer.json("merge_base")?;
        Ok(common.merge_base_commit.sha)
    }

    pub(crate) async fn read_their_comment(
        &self,
        repo: &RepoRef,
        comment: &CommentRef,
    ) -> Result<Option<CommentState>, ForgeError> {
        let call = Call::get("comment", somebodys_comment_route(repo, comment, &[])?);
        let answer = self.api.for_item(repo, comment.item(), &call).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let found: Comment = answer.ok(|| format!("comment {} of {}", comment.id, repo.path))?.json("comment")?;
        let Some(author) = found.user else { return Ok(None) };
        let author = User { id: author.id, login: author.login };
        Ok(Some(CommentState { author, written_at: found.created_at, body: found.body.unwrap_or_default() }))
    }

    pub(crate) async fn files_of_pull(&self, repo: &RepoRef, number: u64) -> Result<ChangedFiles, ForgeError> {
        let mut found = ChangedFiles::default();
        let mut files = 0;
        let first = repo_route(repo, &["pulls", &number.to_string(), "files"])?;
        let mut next = Some(with_query(first, &[PER_PAGE]));
        for _ in 0..FILE_PAGES_MAX {
            let Some(target) = next else { break };
            let answer = self.api.for_repo(repo, &Call::get("pull_files", target)).await?;
            let answer = answer.ok(|| format!("{}#{number}", repo.path))?;
            if answer.too_large {
                found.incomplete = true;
                return Ok(found);
            }
            let page: Vec<ChangedFile> = answer.json("pull_files")?;
            files += page.len();
            page.into_iter().for_each(|file| add(&mut found, file));
            next = answer.next;
        }
        found.incomplete = files >= PULL_FILES_MAX || next.is_some();
        Ok(found)
    }

    /// GitHub compares the head with where the two parted. That is all that lies between them only if the head came
    /// from the base; after a forced push it is not, and the list counts as incomplete.
    pub(crate) async fn files_between(
        &self,
        repo: &RepoRef,
        base: &CommitId,
        head: &CommitId,
    ) -> Result<ChangedFiles, ForgeError> {
        let target = repo_route(repo, &["compare", &format!("{base}...{head}")])?;
        // The pages are of commits; all files that it names are on the first.
        let call = Call::get("compare", with_query(target, &[("per_page", "1")]));
        let answer = self.api.for_repo(repo, &call).await?.ok(|| format!("{}...{}", base.short(), head.short()))?;
        if answer.too_large {
            return Ok(ChangedFiles { paths: Vec::new(), incomplete: true });
        }
        let comparison: Comparison = answer.json("compare")?;
        let straight = matches!(comparison.status.as_str(), "ahead" | "identical");
        let files = comparison.files.unwrap_or_default();
        let mut found = ChangedFiles { paths: Vec::new(), incomplete: !straight || files.len() >= COMPARED_FILES_MAX };
        files.into_iter().for_each(|file| add(&mut found, file));
        Ok(found)
    }
}

fn add(found: &mut ChangedFiles, file: ChangedFile) {
    found.paths.extend(file.previous_filename.filter(|old| *old != file.filename));
    found.paths.push(file.filename);
}

fn content(contents: Contents, path: &str) -> Result<Option<Bytes>, ForgeError> {
    let entry = match contents {
        Contents::Folder(_) => return Ok(None),
        Contents::Entry(entry) => entry,
    };
    if entry.kind != "file" || entry.submodule_git_url.is_some() {
        return Ok(None);
    }
    // From 1 MiB on GitHub leaves the content out and writes "none".
    let (Some("base64"), Some(text)) = (entry.encoding.as_deref(), entry.content) else {
        return Err(too_large(path));
    };
    let text: String = text.split_ascii_whitespace().collect();
    let file = BASE64_STANDARD.decode(text).map_err(|_| unavailable(format!("the content of {path} cannot be read")))?;
    if file.len() > FILE_BYTES_MAX { Err(too_large(path)) } else { Ok(Some(file.into())) }
}

fn too_large(path: &str) -> ForgeError {
    refused(format!("{path} is larger than 1 MiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_have_content() {
        let read = |json: &str| content(serde_json::from_str(json).expect("valid"), "x");
        assert_eq!(read(r#"{"type":"file","encoding":"base64","content":"aGVs\nbG8=\n"}"#), Ok(Some(Bytes::from("hello"))));
        assert_eq!(read(r#"{"type":"file","encoding":"base64","content":""}"#), Ok(Some(Bytes::new())));
        assert_eq!(read(r#"[{"type":"file"}]"#), Ok(None));
        assert_eq!(read(r#"{"type":"symlink","target":"/etc/passwd"}"#), Ok(None));
        assert_eq!(read(r#"{"type":"submodule","submodule_git_url":"https://x"}"#), Ok(None));
        assert_eq!(read(r#"{"type":"file","submodule_git_url":"https://x"}"#), Ok(None));
        assert!(read(r#"{"type":"file","encoding":"none","content":"","size":2000000}"#).is_err());
    }
}
