//! The App, its installations, their tokens, and accounts.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Call, Reply};
use crate::github::auth::Caller;
use crate::github::world::{Token, World, time_text};

pub(super) fn app(world: &mut World, _call: &Call) -> Result<Reply, Reply> {
    let mut shape = world.app_json();
    shape["installations_count"] = json!(world.installations.len());
    Ok(Reply::json(200, shape))
}

pub(super) fn installations(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let ids = world.installations.iter().map(|i| i.id).collect();
    Ok(call.list(ids, |id| world.installation_json(*id)))
}

pub(super) fn installation(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let id = call.number("installation_id")?;
    world.installation(id).ok_or_else(Reply::missing)?;
    Ok(Reply::json(200, world.installation_json(id)))
}

pub(super) fn repo_installation(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = world.find_repo(&call.full_name()).ok_or_else(Reply::missing)?.id;
    let id = world.installation_of(repo).ok_or_else(Reply::missing)?.id;
    Ok(Reply::json(200, world.installation_json(id)))
}

pub(super) fn org_installation(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    account_installation(world, call.param("org"))
}

pub(super) fn user_installation(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    account_installation(world, call.param("username"))
}

fn account_installation(world: &World, login: &str) -> Result<Reply, Reply> {
    let account = world.find_account(login).ok_or_else(Reply::missing)?.id;
    let id = world.installations.iter().find(|i| i.account == account).ok_or_else(Reply::missing)?.id;
    Ok(Reply::json(200, world.installation_json(id)))
}

pub(super) fn create_token(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let id = call.number("installation_id")?;
    let installation = world.installation(id).ok_or_else(Reply::missing)?;
    if installation.suspended_at.is_some() {
        return Err(Reply::error(403, "This installation has been suspended"));
    }
    let repos = asked_repos(world, id, &call.body)?;
    let permissions = asked_permissions(world, &call.body)?;
    let expires_at = world.machine_now() + world.token_life;
    let seed = format!("{} {}", world.new_id(), world.base);
    let secret = format!("ghs_{}", &hex::encode(Sha256::digest(seed))[..36]);
    let token = Token { installation: id, repos: repos.clone(), permissions: permissions.clone(), expires_at };
    world.tokens.insert(secret.clone(), token);
    let mut shape = json!({
        "token": secret, "expires_at": time_text(expires_at), "permissions": permissions, "repository_selection": "selected",
    });
    if let Some(repos) = repos {
        shape["repositories"] = repos.iter().map(|r| world.repo_json(world.repo(*r))).collect();
    }
    Ok(Reply::json(201, shape))
}

/// The repositories that a token is asked for, by name or number. One that the installation does not cover is a 422.
fn asked_repos(world: &World, installation: u64, body: &Value) -> Result<Option<BTreeSet<u64>>, Reply> {
    let covered = &world.installation(installation).ok_or_else(Reply::missing)?.repos;
    let refused = || {
        Reply::unprocessable(
            "There is at least one repository that does not exist or is not accessible to the parent installation.",
        )
    };
    let (names, ids) = (body["repositories"].as_array(), body["repository_ids"].as_array());
    if names.is_none() && ids.is_none() {
        return Ok(None);
    }
    let mut asked = BTreeSet::new();
    for name in names.into_iter().flatten().filter_map(Value::as_str) {
        let found = covered.iter().find(|id| world.repo(**id).name.eq_ignore_ascii_case(name));
        asked.insert(*found.ok_or_else(refused)?);
    }
    for id in ids.into_iter().flatten().filter_map(Value::as_u64) {
        asked.insert(*covered.get(&id).ok_or_else(refused)?);
    }
    Ok(Some(asked))
}

/// The permissions that a token is asked for: never more than the App was given.
fn asked_permissions(world: &World, body: &Value) -> Result<BTreeMap<String, String>, Reply> {
    let Some(asked) = body["permissions"].as_object() else { return Ok(world.app.permissions.clone()) };
    let mut permissions = BTreeMap::from([("metadata".to_owned(), "read".to_owned())]);
    for (name, access) in asked {
        let access = access.as_str().unwrap_or_default();
        let given = world.app.permissions.get(name).map(String::as_str);
        if given != Some(access) && !(given == Some("write") && access == "read") {
            return Err(Reply::unprocessable("The permissions requested are not granted to this installation."));
        }
        permissions.insert(name.clone(), access.to_owned());
    }
    Ok(permissions)
}

fn token_of(call: &Call) -> &Token {
    match &call.caller {
        Caller::Token(token) => token,
        Caller::Anonymous | Caller::App | Caller::User(_) => panic!("the table asks for an installation's token"),
    }
}

pub(super) fn repositories(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let token = token_of(call);
    let covered = &world.installation(token.installation).ok_or_else(Reply::missing)?.repos;
    let seen = covered.iter().filter(|id| token.repos.as_ref().is_none_or(|repos| repos.contains(id)));
    let ids: Vec<u64> = seen.copied().collect();
    let total = ids.len();
    let (shapes, link) = call.page(ids, |id| world.repo_json(world.repo(*id)));
    let body = json!({"total_count": total, "repository_selection": "selected", "repositories": shapes});
    Ok(Reply::json(200, body).link(link))
}

pub(super) fn revoke_token(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let token = token_of(call).clone();
    world
        .tokens
        .retain(|_, t| t.expires_at != token.expires_at || t.installation != token.installation || t.repos != token.repos);
    Ok(Reply::empty(204))
}

pub(super) fn rate_limit(_world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let [limit, used, reset] = call.rate;
    let core = json!({"limit": limit, "remaining": limit.saturating_sub(used), "reset": reset, "used": used, "resource": "core"});
    let search = json!({"limit": 30, "remaining": 30, "reset": reset, "used": 0, "resource": "search"});
    Ok(Reply::json(200, json!({"resources": {"core": core, "search": search}, "rate": core})))
}

pub(super) fn user(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let account = world.find_account(call.param("username")).ok_or_else(Reply::missing)?;
    Ok(Reply::json(200, world.public_user_json(account)))
}

pub(super) fn user_by_id(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let id = call.number("account_id")?;
    let account = world.accounts.iter().find(|a| a.id == id).ok_or_else(Reply::missing)?;
    Ok(Reply::json(200, world.public_user_json(account)))
}
