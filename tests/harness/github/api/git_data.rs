//! Git's own objects, made one by one: blobs, trees, commits, and the refs that name them.

use base64::Engine;
use serde_json::{Value, json};

use super::repos::ref_json;
use super::{Call, Reply, actor, commits};
use crate::github::git::NewEntry;
use crate::github::world::World;

/// The modes of a tree's entries; a bot here has business with the first two only.
const MODES: [&str; 5] = ["100644", "100755", "040000", "160000", "120000"];

pub(super) fn blob(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world);
    let content = call.text("content").unwrap_or_default();
    let bytes = match call.text("encoding").as_deref() {
        Some("base64") => {
            base64::engine::general_purpose::STANDARD.decode(content).map_err(|_| Reply::unprocessable("Invalid base64"))?
        }
        _ => content.into_bytes(),
    };
    let sha = repo.git.write_blob(&bytes);
    Ok(Reply::json(201, json!({"url": format!("{}/git/blobs/{sha}", world.repo_url(repo)), "sha": sha})))
}

pub(super) fn tree(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world);
    let mut entries = Vec::new();
    for entry in call.body["tree"].as_array().into_iter().flatten() {
        entries.push(entry_of(call, world, entry)?);
    }
    // GitHub takes a commit's id for its tree's, too; its description asks for the tree's.
    let base = call.text("base_tree");
    if let Some(base) = base.as_deref().filter(|base| !repo.git.is_kind(base, "tree")) {
        return Err(Reply::broken("Tree", &format!("base_tree {base} is no tree")));
    }
    let written = repo.git.write_tree(base.as_deref(), &entries);
    let sha = written.map_err(|path| Reply::unprocessable(&format!("GitRPC::BadObjectState: {path}")))?;
    let url = world.repo_url(repo);
    let shape = |entry: &crate::github::git::TreeEntry| {
        json!({
            "path": entry.path, "mode": entry.mode, "type": entry.kind, "size": entry.size, "sha": entry.sha,
            "url": format!("{url}/git/{}s/{}", entry.kind, entry.sha),
        })
    };
    let tree: Vec<Value> = repo.git.tree(&sha, "").iter().map(shape).collect();
    Ok(Reply::json(201, json!({"sha": sha, "url": format!("{url}/git/trees/{sha}"), "truncated": false, "tree": tree})))
}

fn entry_of(call: &Call, world: &World, entry: &Value) -> Result<NewEntry, Reply> {
    let repo = call.repo(world);
    let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let (path, mode) = (text("path"), text("mode"));
    let inside = path.split('/').all(|part| !matches!(part, "" | "." | ".." | ".git"));
    if !inside || !MODES.contains(&mode.as_str()) || text("type") != "blob" {
        return Err(Reply::broken("Tree", &format!("the entry {path:?} is none that a bot should make")));
    }
    let sha = match (&entry["content"], &entry["sha"]) {
        (Value::String(content), Value::Null) if entry.get("sha").is_none() => Some(repo.git.write_blob(content.as_bytes())),
        (Value::Null, Value::Null) if entry.get("sha").is_some() => None,
        (Value::Null, Value::String(sha)) if repo.git.is_kind(sha, "blob") => Some(sha.clone()),
        (Value::Null, Value::String(sha)) => return Err(Reply::unprocessable(&format!("tree.sha {sha} is not a valid blob"))),
        _ => return Err(Reply::broken("Tree", "an entry has either a sha or content")),
    };
    Ok(NewEntry { path, mode, sha })
}

/// An App's commit that names no author is by its bot and signed by GitHub.
pub(super) fn commit(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let by = actor(world, call);
    let signature = world.signature(by);
    let repo = call.repo(world);
    let texts = |key: &str| call.body[key].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    let (tree, parents): (_, Vec<String>) = (call.text("tree").unwrap_or_default(), texts("parents").collect());
    if !repo.git.is_kind(&tree, "tree") {
        return Err(Reply::unprocessable("Tree SHA does not exist"));
    }
    if parents.iter().any(|parent| !repo.git.is_kind(parent, "commit")) {
        return Err(Reply::unprocessable("Parent SHA does not exist or is not a commit object"));
    }
    let sha = repo.git.commit_tree(&tree, &parents, &signature, &call.text("message").unwrap_or_default());
    let (repo_id, named) = (repo.id, call.body.get("author").is_some());
    if !named && by == world.app.bot {
        world.shipping.signatures.insert(sha.clone(), "valid");
    }
    let shape = commits::git_commit_json(world, world.repo(repo_id), &sha).ok_or_else(Reply::missing)?;
    Ok(Reply::json(201, shape))
}

pub(super) fn make_ref(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let (name, sha) = (call.text("ref").unwrap_or_default(), call.text("sha").unwrap_or_default());
    let repo = call.repo(world);
    let (id, well_formed) = (repo.id, name.starts_with("refs/") && name.matches('/').count() >= 2 && repo.git.takes_ref(&name));
    if !well_formed {
        return Err(Reply::unprocessable("Reference name is not valid"));
    }
    if repo.refs.contains_key(&name) {
        return Err(Reply::unprocessable("Reference already exists"));
    }
    if !repo.git.is_kind(&sha, "commit") {
        return Err(Reply::unprocessable("Object does not exist"));
    }
    let sender = actor(world, call);
    world.push_ref(id, &name, Some(&sha), sender);
    Ok(Reply::json(201, ref_json(world, world.repo(id), &name, &sha)))
}

pub(super) fn move_ref(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let (name, sha) = (format!("refs/{}", call.param("ref")), call.text("sha").unwrap_or_default());
    let repo = call.repo(world);
    let id = repo.id;
    let before = repo.refs.get(&name).ok_or_else(|| Reply::unprocessable("Reference does not exist"))?;
    if !repo.git.is_kind(&sha, "commit") {
        return Err(Reply::unprocessable("Object does not exist"));
    }
    if call.body["force"] == true {
        return Err(Reply::broken("Reference", "a bot has no business to force a branch"));
    }
    if !repo.git.is_ancestor(before, &sha) {
        return Err(Reply::unprocessable("Update is not a fast forward"));
    }
    let sender = actor(world, call);
    world.push_ref(id, &name, Some(&sha), sender);
    Ok(Reply::json(200, ref_json(world, world.repo(id), &name, &sha)))
}
