//! Accounts, members and the server itself.

use serde_json::json;

use super::shapes::{Kind, NOTHING, Shape, may};
use super::{Answer, Call, Reply, Route, documented, known};
use crate::gitlab::world::{Scope, World, time_text};

pub(super) const ROUTES: &[Route] = &[
    documented("GET", "/version", NOTHING, version),
    documented("GET", "/user", NOTHING, own),
    documented("GET", "/personal_access_tokens/self", NOTHING, own_token),
    documented("GET", "/users/:user_id", Shape { query: &[may("with_custom_attributes", Kind::Flag)], body: &[] }, account),
    known("GET", "/projects/:id/members/all/:user_id", member),
    documented("GET", "/groups/:id/members/all/:user_id", NOTHING, group_member),
];

fn version(_: &mut World, call: &Call) -> Answer {
    call.user().ok_or_else(|| Reply::message(401, "401 Unauthorized"))?;
    Ok(Reply::json(200, json!({ "version": "18.5.0-ee", "revision": "0000000000a" })))
}

fn own(world: &mut World, call: &Call) -> Answer {
    let user = call.user().ok_or_else(|| Reply::message(401, "401 Unauthorized"))?;
    let mut answer = world.account(user);
    answer["bot"] = json!(world.user(user).is_some_and(|user| user.bot));
    answer["email"] = json!(format!("{}@example.com", world.username(user)));
    Ok(Reply::json(200, answer))
}

fn own_token(world: &mut World, call: &Call) -> Answer {
    let caller = call.caller.ok_or_else(|| Reply::message(401, "401 Unauthorized"))?;
    let scope = match caller.scope {
        Scope::Api => "api",
        Scope::ReadApi => "read_api",
    };
    let now = time_text(world.now());
    Ok(Reply::json(
        200,
        json!({
            "id": caller.user, "name": "a token", "revoked": false, "created_at": now, "scopes": [scope],
            "user_id": caller.user, "active": true, "expires_at": null,
        }),
    ))
}

fn account(world: &mut World, call: &Call) -> Answer {
    let id = call.number("user_id")?;
    let user = world.user(id).ok_or_else(|| Reply::missing("User"))?;
    let bot = user.bot;
    let mut answer = world.account(id);
    answer["bot"] = json!(bot);
    answer["public_email"] = json!("");
    Ok(Reply::json(200, answer))
}

fn member(world: &mut World, call: &Call) -> Answer {
    let (project, user) = (call.project(world)?, call.number("user_id")?);
    match world.level(project, user) {
        0 => Err(Reply::message(404, "404 Not found")),
        level => Ok(Reply::json(200, world.member(user, level))),
    }
}

fn group_member(world: &mut World, call: &Call) -> Answer {
    let user = call.number("user_id")?;
    let (path, group) = world.find_group(call.param("id")).ok_or_else(|| Reply::missing("Group"))?;
    let sees = !group.private || call.user().is_some_and(|user| world.group_level(path, user) > 0);
    if !sees {
        return Err(Reply::missing("Group"));
    }
    match world.group_level(path, user) {
        0 => Err(Reply::message(404, "404 Not found")),
        level => Ok(Reply::json(200, world.member(user, level))),
    }
}
