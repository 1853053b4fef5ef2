//! Commits and what lies between them.

use serde_json::{Value, json};

use super::{Call, Reply};
use crate::github::git::FileChange;
use crate::github::shape::{node_id, signature_json};
use crate::github::world::{Pull, Repo, World};

/// The commits of a comparison that are told, over all pages.
const COMMITS_MAX: usize = 10_000;

/// The files of a comparison that are told. What lies beyond is left out without a word, as GitHub does.
pub(super) const FILES_MAX: usize = 300;

/// The commit that a ref names; else 404 or, as for commits, 422.
fn resolved(repo: &Repo, name: &str) -> Option<String> {
    repo.git.resolve(name)
}

pub(super) fn list(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world);
    let from = call.query("sha").unwrap_or(&repo.default_branch);
    let sha = resolved(repo, from).ok_or_else(Reply::missing)?;
    Ok(call.list(repo.git.history(&sha, COMMITS_MAX), |commit| world.commit_json(repo, commit)))
}

pub(super) fn get(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world);
    let name = call.param("ref");
    let none = || Reply::unprocessable(&format!("No commit found for SHA: {name}"));
    let sha = resolved(repo, name).ok_or_else(none)?;
    if call.accept.contains("sha") {
        return Ok(Reply::raw(sha.into_bytes()));
    }
    let commit = repo.git.info(&sha).ok_or_else(none)?;
    let mut files = repo.git.diff(commit.parents.first().map(String::as_str), &sha);
    files.truncate(FILES_MAX);
    let mut shape = world.commit_json(repo, &commit);
    let (additions, deletions) = totals(&files);
    shape["stats"] = json!({"additions": additions, "deletions": deletions, "total": additions + deletions});
    shape["files"] = files.iter().map(|file| world.file_json(repo, &sha, file)).collect();
    Ok(Reply::json(200, shape))
}

fn totals(files: &[FileChange]) -> (u64, u64) {
    files.iter().fold((0, 0), |(a, d), file| (a + file.additions, d + file.deletions))
}

pub(super) fn git_commit(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let shape = git_commit_json(world, call.repo(world), call.param("commit_sha"));
    Ok(Reply::json(200, shape.ok_or_else(Reply::missing)?))
}

/// A commit as git has it. None where there is no such commit.
pub(super) fn git_commit_json(world: &World, repo: &Repo, sha: &str) -> Option<Value> {
    let commit = repo.git.info(sha)?;
    let url = world.repo_url(repo);
    let html = format!("{}/{}/commit", world.base, repo.full_name());
    let parent =
        |sha: &String| json!({"sha": sha, "url": format!("{url}/git/commits/{sha}"), "html_url": format!("{html}/{sha}")});
    Some(json!({
        "sha": commit.sha, "node_id": node_id("Commit", &commit.sha), "url": format!("{url}/git/commits/{}", commit.sha),
        "html_url": format!("{html}/{}", commit.sha), "author": signature_json(&commit.author),
        "committer": signature_json(&commit.committer), "tree": {"sha": commit.tree, "url": format!("{url}/git/trees/{}", commit.tree)},
        "message": commit.message, "parents": commit.parents.iter().map(parent).collect::<Vec<_>>(),
        "verification": world.verification_json(&commit.sha),
    }))
}

pub(super) fn pulls(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world);
    let sha = call.param("commit_sha");
    let contains = |head: &str| head == sha || repo.git.is_ancestor(sha, head);
    let merged = |pull: &Pull| pull.merged.as_ref().is_some_and(|merged| merged.commit == sha);
    let brought = |pull: &Pull| merged(pull) || contains(&pull.head) && !repo.git.is_ancestor(sha, &pull.base);
    // Of what is in the default branch, only the pull request is told that brought it there.
    let default = repo.branch(&repo.default_branch).is_some_and(|tip| repo.git.is_ancestor(sha, tip));
    let found: Vec<_> = repo.pulls.values().filter(|p| brought(p) && (!default || p.merged.is_some())).collect();
    Ok(call.list(found, |pull| world.pull_simple_json(repo, pull)))
}

pub(super) fn compare(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world);
    let (base, head) = call.param("basehead").split_once("...").ok_or_else(Reply::missing)?;
    // `OWNER:BRANCH` names a branch of a fork.
    let [base, head] = [base, head].map(|side| side_of(world, repo, side));
    let (base, head) = (base.ok_or_else(Reply::missing)?, head.ok_or_else(Reply::missing)?);
    let ancestor = repo.git.merge_base(&base, &head).ok_or_else(Reply::missing)?;
    Ok(comparison(world, call, repo, [&base, &head, &ancestor]))
}

fn side_of(world: &World, repo: &Repo, side: &str) -> Option<String> {
    let Some((owner, branch)) = side.split_once(':') else { return resolved(repo, side) };
    let related = |r: &&Repo| r.id == repo.id || r.parent == Some(repo.id) || repo.parent == Some(r.id);
    let owned = |r: &&Repo| r.owner_login.eq_ignore_ascii_case(owner);
    resolved(world.repos.iter().filter(related).find(owned)?, branch)
}

fn comparison(world: &World, call: &Call, repo: &Repo, [base, head, ancestor]: [&String; 3]) -> Reply {
    let (ahead, behind) = repo.git.ahead_behind(base, head);
    let status = match (ahead, behind) {
        (0, 0) => "identical",
        (_, 0) => "ahead",
        (0, _) => "behind",
        _ => "diverged",
    };
    let mut commits = repo.git.log(Some(base), head, COMMITS_MAX);
    commits.reverse();
    let first_page = call.query("page").is_none_or(|page| page == "1");
    let (shapes, link) = call.page(commits, |commit| world.commit_json(repo, commit));
    let mut files = if first_page { repo.git.diff(Some(ancestor), head) } else { Vec::new() };
    files.truncate(FILES_MAX);
    let commit = |sha: &str| repo.git.info(sha).map_or(Value::Null, |c| world.commit_json(repo, &c));
    let html = format!("{}/{}/compare/{base}...{head}", world.base, repo.full_name());
    let body = json!({
        "url": format!("{}/compare/{base}...{head}", world.repo_url(repo)), "html_url": html, "permalink_url": html,
        "diff_url": format!("{html}.diff"), "patch_url": format!("{html}.patch"), "base_commit": commit(base),
        "merge_base_commit": commit(ancestor), "status": status, "ahead_by": ahead, "behind_by": behind, "total_commits": ahead,
        "commits": shapes, "files": files.iter().map(|file| world.file_json(repo, head, file)).collect::<Vec<_>>(),
    });
    Reply::json(200, body).link(link)
}
