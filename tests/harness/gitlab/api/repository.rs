//! What is in a project's repository.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Answer, Call, Reply, Route, known, page};
use crate::github::git::{Git, TreeEntry};
use crate::gitlab::shape::{commit_answer, file_answer};
use crate::gitlab::world::World;

pub(super) const ROUTES: &[Route] = &[
    known("GET", "/projects/:id/repository/branches/:branch", branch),
    known("GET", "/projects/:id/repository/commits", commits),
    known("GET", "/projects/:id/repository/commits/:sha", commit),
    known("GET", "/projects/:id/repository/commits/:sha/merge_requests", requests_of_commit),
    known("GET", "/projects/:id/repository/compare", compare),
    known("GET", "/projects/:id/repository/files/:file_path", file),
    known("GET", "/projects/:id/repository/files/:file_path/raw", raw_file),
];

pub(super) fn url(world: &World, project: u64) -> String {
    format!("{}/{}", world.url, world.project(project).path)
}

fn branch(world: &mut World, call: &Call) -> Answer {
    let project = call.code(world)?;
    let (found, name) = (world.project(project), call.param("branch"));
    let git = &found.git;
    let sha = git.resolve(&format!("refs/heads/{name}")).ok_or_else(|| Reply::missing("Branch"))?;
    let commit = git.info(&sha).expect("a branch points at a commit");
    let answer = json!({
        "name": name, "commit": commit_answer(&url(world, project), &commit), "merged": false,
        "protected": found.protected.contains(name), "developers_can_push": false, "developers_can_merge": false,
        "can_push": false, "default": name == "main",
    });
    Ok(Reply::json(200, answer))
}

fn commit(world: &mut World, call: &Call) -> Answer {
    let project = call.code(world)?;
    let git = &world.project(project).git;
    let sha = git.resolve(call.param("sha")).ok_or_else(|| Reply::missing("Commit"))?;
    let commit = git.info(&sha).expect("it was just found");
    Ok(Reply::json(200, commit_answer(&url(world, project), &commit)))
}

/// So many are told, over all pages.
const COMMITS_MAX: usize = 1_000;

fn commits(world: &mut World, call: &Call) -> Answer {
    let project = call.code(world)?;
    let git = &world.project(project).git;
    let sha = git.resolve(call.query("ref_name").unwrap_or("HEAD")).ok_or_else(|| Reply::missing("Ref"))?;
    let found = git.history(&sha, COMMITS_MAX);
    Ok(page(call, found.iter().map(|commit| commit_answer(&url(world, project), commit)).collect()))
}

fn requests_of_commit(world: &mut World, call: &Call) -> Answer {
    let project = call.code(world)?;
    let sha = world.project(project).git.resolve(call.param("sha")).ok_or_else(|| Reply::missing("Commit"))?;
    let has = |head: &str| world.project(project).git.is_ancestor(&sha, head);
    let merged = |mr: &crate::gitlab::world::MergeRequest| mr.merge_commit.as_ref() == Some(&sha);
    let brought = |mr: &crate::gitlab::world::MergeRequest| merged(mr) || has(&mr.sha) && !has_base(world, mr, &sha);
    let found = world.requests.iter().filter(|mr| mr.project == project && brought(mr));
    Ok(page(call, found.map(|mr| world.request_in_list(mr)).collect()))
}

/// Whether the commit was there before the merge request.
fn has_base(world: &World, mr: &crate::gitlab::world::MergeRequest, sha: &str) -> bool {
    world.project(mr.project).git.is_ancestor(sha, &mr.refs().base)
}

fn compare(world: &mut World, call: &Call) -> Answer {
    let project = call.code(world)?;
    let git = &world.project(project).git;
    let end = |name: &str| {
        let given = call.query(name).ok_or_else(|| Reply::error(400, &format!("{name} is missing")))?;
        git.resolve(given).ok_or_else(|| Reply::missing("Ref"))
    };
    let (from, to) = (end("from")?, end("to")?);
    let straight = call.query("straight") == Some("true");
    let base = if straight { Some(from.clone()) } else { git.merge_base(&from, &to) };
    let commits: Vec<Value> =
        git.log(Some(&from), &to, COMMITS_MAX).iter().rev().map(|commit| commit_answer(&url(world, project), commit)).collect();
    let files: Vec<Value> = git.diff(base.as_deref(), &to).iter().map(file_answer).collect();
    let answer = json!({
        "commit": commits.last(), "commits": commits, "diffs": files, "compare_timeout": false, "compare_same_ref": from == to,
        "web_url": format!("{}/-/compare/{from}...{to}", url(world, project)),
    });
    Ok(Reply::json(200, answer))
}

fn blob(git: &Git, call: &Call) -> Result<(String, TreeEntry, Vec<u8>), Reply> {
    let path = call.param("file_path");
    let name = call.query("ref").unwrap_or("HEAD");
    let sha = git.resolve(name).ok_or_else(|| Reply::missing("Commit"))?;
    let entry = git.tree(&sha, path).into_iter().find(|entry| entry.kind == "blob" && entry.path == path);
    let entry = entry.ok_or_else(|| Reply::missing("File"))?;
    let content = git.blob(&entry.sha);
    Ok((sha, entry, content))
}

fn file(world: &mut World, call: &Call) -> Answer {
    let project = call.code(world)?;
    let git = &world.project(project).git;
    let (sha, entry, content) = blob(git, call)?;
    let path = call.param("file_path");
    let last = git.last_commit_of(&sha, path);
    let answer = json!({
        "file_name": path.rsplit('/').next(), "file_path": path, "size": content.len(), "encoding": "base64",
        "content_sha256": hex::encode(Sha256::digest(&content)), "content": BASE64_STANDARD.encode(&content),
        "ref": call.query("ref"), "blob_id": entry.sha, "commit_id": sha, "last_commit_id": last,
        "execute_filemode": entry.mode == "100755",
    });
    let mut reply = Reply::json(200, answer.clone());
    // The same is in header fields, for who asks by HEAD.
    let field = |name: &str| answer[name].as_str().map_or_else(|| answer[name].to_string(), str::to_owned);
    reply.headers = vec![
        ("x-gitlab-blob-id", field("blob_id")),
        ("x-gitlab-commit-id", field("commit_id")),
        ("x-gitlab-content-sha256", field("content_sha256")),
        ("x-gitlab-execute-filemode", field("execute_filemode")),
        ("x-gitlab-last-commit-id", field("last_commit_id")),
        ("x-gitlab-size", field("size")),
    ];
    Ok(reply)
}

fn raw_file(world: &mut World, call: &Call) -> Answer {
    let project = call.code(world)?;
    let (_, _, content) = blob(&world.project(project).git, call)?;
    Ok(Reply { text: Some(content), ..Reply::empty(200) })
}
