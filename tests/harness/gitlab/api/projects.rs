//! Projects.

use super::shapes::{Kind, Shape, may};
use super::{Answer, Call, Reply, Route, documented, keyset_page, known, page};
use crate::gitlab::world::World;

/// The filters of which the fake knows; GitLab has more.
const PROJECTS: Shape = Shape {
    query: &[
        may("membership", Kind::Flag),
        may("min_access_level", Kind::Number),
        may("archived", Kind::Flag),
        may("simple", Kind::Flag),
        may("pagination", Kind::Word(&["keyset"])),
        may("order_by", Kind::Word(&["id", "name", "path", "created_at", "updated_at", "last_activity_at"])),
        may("sort", Kind::Word(&["asc", "desc"])),
        may("id_after", Kind::Number),
        may("id_before", Kind::Number),
        may("page", Kind::Number),
        may("per_page", Kind::Number),
    ],
    body: &[],
};

pub(super) const ROUTES: &[Route] = &[documented("GET", "/projects", PROJECTS, list), known("GET", "/projects/:id", one)];

fn list(world: &mut World, call: &Call) -> Answer {
    let least: u64 = call.query("min_access_level").and_then(|level| level.parse().ok()).unwrap_or(1);
    let members_only = call.query("membership") == Some("true") || call.query("min_access_level").is_some();
    let is_member = |id: u64| call.user().is_some_and(|user| world.level(id, user) >= least);
    let listed = |id: &u64| if members_only { is_member(*id) } else { world.knows(*id, call.user()) };
    let mut ids: Vec<u64> = world.projects.iter().map(|project| project.id).filter(listed).collect();
    ids.sort_unstable();
    if call.query("pagination") == Some("keyset") {
        if call.query("order_by").is_some_and(|by| by != "id") {
            return Err(Reply::error(405, "Keyset pagination is not yet available for this type of request"));
        }
        return Ok(keyset_page(call, ids.into_iter().map(|id| world.project_answer(id)).collect()));
    }
    if call.query("sort") != Some("asc") {
        ids.reverse();
    }
    Ok(page(call, ids.into_iter().map(|id| world.project_answer(id)).collect()))
}

fn one(world: &mut World, call: &Call) -> Answer {
    Ok(Reply::json(200, world.project_answer(call.project(world)?)))
}
