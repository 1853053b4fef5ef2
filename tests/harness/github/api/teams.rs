//! Who is in a team.

use serde_json::json;

use super::{Call, Reply};
use crate::github::world::World;

pub(super) fn membership(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let (org, slug, login) = (call.param("org"), call.param("team_slug"), call.param("username"));
    let account = world.find_account(login).ok_or_else(Reply::missing)?.id;
    let team = world.find_team(org, slug).ok_or_else(Reply::missing)?;
    let accepted = team.members.get(&account).ok_or_else(Reply::missing)?;
    let url = format!("{}/orgs/{org}/teams/{slug}/memberships/{login}", world.base);
    let state = if *accepted { "active" } else { "pending" };
    Ok(Reply::json(200, json!({"url": url, "role": "member", "state": state})))
}
