//! Repositories, their branches, tags and refs, and who may do what.

use serde_json::{Value, json};

use super::{Call, Reply};
use crate::github::auth::Caller;
use crate::github::shape::{escaped, merge, node_id};
use crate::github::world::{Account, Kind, Level, Repo, World};

pub(super) fn get(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world);
    let level = match call.caller {
        Caller::User(id) => world.level(repo, id),
        Caller::Anonymous | Caller::App | Caller::Token(_) => Level::Read,
    };
    Ok(Reply::json(200, world.full_repo_json(repo, level)))
}

pub(super) fn permission(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world);
    let person = |account: &&Account| account.kind == Kind::User;
    let account = world.find_account(call.param("username")).filter(person).ok_or_else(Reply::missing)?;
    let level = world.level(repo, account.id);
    let role = repo.roles.get(&account.id).map_or(level.role(), String::as_str);
    let mut user = world.user_json(account.id);
    merge(
        &mut user,
        json!({
            "role_name": role,
            "permissions": {"admin": level >= Level::Admin, "maintain": level >= Level::Maintain, "push": level >= Level::Write,
                "triage": level >= Level::Triage, "pull": level >= Level::Read},
        }),
    );
    Ok(Reply::json(200, json!({"permission": level.legacy(), "role_name": role, "user": user})))
}

pub(super) fn collaborator(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world);
    let account = world.find_account(call.param("username")).ok_or_else(Reply::missing)?.id;
    let listed = repo.owner == account || repo.levels.get(&account).is_some_and(|level| *level > Level::None);
    if listed { Ok(Reply::empty(204)) } else { Err(Reply::missing()) }
}

fn named<'r>(repo: &'r Repo, prefix: &str) -> Vec<(&'r str, &'r String)> {
    repo.refs.iter().filter_map(|(name, sha)| Some((name.strip_prefix(prefix)?, sha))).collect()
}

pub(super) fn branches(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world);
    let protected = call.query("protected") == Some("true");
    let is_protected = |name: &str| world.shipping.protected.contains(&(repo.id, name.to_owned()));
    let branches = named(repo, "refs/heads/").into_iter().filter(|(name, _)| !protected || is_protected(name)).collect();
    Ok(call.list(branches, |(name, sha)| {
        let url = format!("{}/commits/{sha}", world.repo_url(repo));
        json!({"name": name, "commit": {"sha": sha, "url": url}, "protected": is_protected(name)})
    }))
}

pub(super) fn branch(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world);
    let name = call.param("branch");
    let sha = repo.branch(name).ok_or_else(|| Reply::error(404, "Branch not found"))?;
    let commit = repo.git.info(sha).ok_or_else(Reply::missing)?;
    let url = format!("{}/branches/{}", world.repo_url(repo), escaped(name));
    let html = format!("{}/{}/tree/{}", world.base, repo.full_name(), escaped(name));
    let protected = world.shipping.protected.contains(&(repo.id, name.to_owned()));
    let body = json!({
        "name": name, "commit": world.commit_json(repo, &commit), "_links": {"self": url, "html": html}, "protected": protected,
        "protection": {"enabled": protected, "required_status_checks": {"enforcement_level": "off", "contexts": [], "checks": []}},
        "protection_url": format!("{url}/protection"),
    });
    Ok(Reply::json(200, body))
}

pub(super) fn tags(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world);
    let mut tags = named(repo, "refs/tags/");
    tags.reverse();
    Ok(call.list(tags, |(name, sha)| {
        let url = world.repo_url(repo);
        let sha = repo.git.resolve(sha).unwrap_or_else(|| (*sha).clone());
        json!({
            "name": name, "commit": {"sha": sha, "url": format!("{url}/commits/{sha}")}, "node_id": node_id("Ref", name),
            "zipball_url": format!("{url}/zipball/refs/tags/{name}"), "tarball_url": format!("{url}/tarball/refs/tags/{name}"),
        })
    }))
}

pub(super) fn ref_json(world: &World, repo: &Repo, name: &str, sha: &str) -> Value {
    let url = world.repo_url(repo);
    let kind = repo.git.kind(sha);
    json!({
        "ref": name, "node_id": node_id("Ref", name), "url": format!("{url}/git/{}", escaped(name)),
        "object": {"type": kind, "sha": sha, "url": format!("{url}/git/{kind}s/{sha}")},
    })
}

pub(super) fn git_ref(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world);
    let name = format!("refs/{}", call.param("ref"));
    let sha = repo.refs.get(&name).ok_or_else(Reply::missing)?;
    Ok(Reply::json(200, ref_json(world, repo, &name, sha)))
}

pub(super) fn matching_refs(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world);
    let prefix = format!("refs/{}", call.param("ref"));
    let found = repo.refs.iter().filter(|(name, _)| name.starts_with(&prefix));
    Ok(Reply::json(200, found.map(|(name, sha)| ref_json(world, repo, name, sha)).collect()))
}
