//! Files and folders at a commit.

use base64::Engine;
use serde_json::{Value, json};

use super::{Call, Reply};
use crate::github::git::TreeEntry;
use crate::github::shape::escaped;
use crate::github::world::{Repo, World};

/// Larger files come without their content.
const INLINE_BYTES_MAX: u64 = 1024 * 1024;

/// Larger files do not come at all.
const FILE_BYTES_MAX: u64 = 100 * 1024 * 1024;

pub(super) fn get(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world);
    let name = call.query("ref").unwrap_or(&repo.default_branch);
    let commit = repo.git.resolve(name).ok_or_else(|| Reply::error(404, &format!("No commit found for the ref {name}")))?;
    let path = call.param("path").trim_matches('/');
    if path.is_empty() {
        return Ok(folder(world, repo, name, &repo.git.tree(&commit, "")));
    }
    let found = repo.git.tree(&commit, path).into_iter().find(|entry| entry.path == path).ok_or_else(Reply::missing)?;
    if found.kind == "tree" {
        return Ok(folder(world, repo, name, &repo.git.tree(&commit, &format!("{path}/"))));
    }
    if found.size > FILE_BYTES_MAX {
        return Err(Reply::forbidden());
    }
    let raw = call.accept.contains("raw");
    Ok(if raw { Reply::raw(repo.git.blob(&found.sha)) } else { Reply::json(200, file(world, repo, name, &found)) })
}

fn file(world: &World, repo: &Repo, name: &str, entry: &TreeEntry) -> Value {
    let content = repo.git.blob(&entry.sha);
    let mut shape = entry_json(world, repo, name, entry);
    if entry.mode == "120000" {
        shape["target"] = json!(String::from_utf8_lossy(&content));
        return shape;
    }
    let inline = entry.size <= INLINE_BYTES_MAX;
    let base64 = base64::engine::general_purpose::STANDARD.encode(&content);
    // In lines of 60, as GitHub sends it: a reader that does not take line breaks fails here too.
    let lines: String = base64.as_bytes().chunks(60).map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect();
    shape["content"] = json!(if inline { lines } else { String::new() });
    shape["encoding"] = json!(if inline { "base64" } else { "none" });
    shape
}

fn folder(world: &World, repo: &Repo, name: &str, entries: &[TreeEntry]) -> Reply {
    Reply::json(200, entries.iter().map(|entry| entry_json(world, repo, name, entry)).collect())
}

fn entry_json(world: &World, repo: &Repo, name: &str, entry: &TreeEntry) -> Value {
    let path = escaped(&entry.path);
    let url = format!("{}/contents/{path}?ref={}", world.repo_url(repo), escaped(name));
    let git_url = format!("{}/git/blobs/{}", world.repo_url(repo), entry.sha);
    let html = format!("{}/{}/blob/{}/{path}", world.base, repo.full_name(), escaped(name));
    let kind = match (entry.kind.as_str(), entry.mode.as_str()) {
        ("tree", _) => "dir",
        ("commit", _) => "submodule",
        (_, "120000") => "symlink",
        _ => "file",
    };
    let last = entry.path.rsplit('/').next().unwrap_or(&entry.path);
    json!({
        "name": last, "path": entry.path, "sha": entry.sha, "size": entry.size, "url": url, "html_url": html, "git_url": git_url,
        "download_url": (kind == "file").then(|| format!("{}/{}/raw/{}/{path}", world.base, repo.full_name(), escaped(name))),
        "type": kind, "_links": {"self": url, "git": git_url, "html": html},
    })
}

pub(super) fn tree(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world);
    let name = call.param("tree_sha");
    let mut entries = repo.git.tree(name, "");
    let recursive = call.query("recursive").is_some();
    let mut i = 0;
    while recursive && i < entries.len() {
        if entries[i].kind == "tree" {
            let below = repo.git.tree(name, &format!("{}/", entries[i].path));
            entries.splice(i + 1..i + 1, below);
        }
        i += 1;
    }
    let url = world.repo_url(repo);
    let shape = |entry: &TreeEntry| {
        let kind = if entry.kind == "tree" { "trees" } else { "blobs" };
        let mut shape = json!({
            "path": entry.path, "mode": entry.mode, "type": entry.kind, "sha": entry.sha, "url": format!("{url}/git/{kind}/{}", entry.sha),
        });
        if entry.kind == "blob" {
            shape["size"] = json!(entry.size);
        }
        shape
    };
    let tree: Vec<Value> = entries.iter().map(shape).collect();
    Ok(Reply::json(200, json!({"sha": name, "url": format!("{url}/git/trees/{name}"), "tree": tree, "truncated": false})))
}
