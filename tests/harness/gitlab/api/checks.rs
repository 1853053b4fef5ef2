//! External status checks, which the plan Ultimate has.

use serde_json::{Value, json};

use super::shapes::{Kind, LIST, Shape, must};
use super::{Answer, Call, Reply, Route, documented, page};
use crate::gitlab::world::{DEVELOPER, World};

const ANSWER: Shape = Shape {
    query: &[],
    body: &[
        must("sha", Kind::Text),
        must("external_status_check_id", Kind::Number),
        must("status", Kind::Word(&["pending", "passed", "failed"])),
    ],
};

pub(super) const ROUTES: &[Route] = &[
    documented("GET", "/projects/:id/external_status_checks", LIST, of_project),
    documented("GET", "/projects/:id/merge_requests/:iid/status_checks", LIST, of_request),
    documented("POST", "/projects/:id/merge_requests/:iid/status_check_responses", ANSWER, answer),
];

/// The checks of a project. A plan without them answers as if the operation were not there.
fn checks(world: &World, project: u64) -> Result<&[(u64, String)], Reply> {
    world.project(project).checks.as_deref().ok_or_else(|| Reply::message(404, "404 Not Found"))
}

fn check(world: &World, project: u64, (id, name): &(u64, String)) -> Value {
    json!({
        "id": id, "name": name, "project_id": project, "external_url": format!("{}/external", world.url), "hmac": false,
        "protected_branches": [],
    })
}

fn of_project(world: &mut World, call: &Call) -> Answer {
    let project = call.code(world)?;
    Ok(page(call, checks(world, project)?.iter().map(|one| check(world, project, one)).collect()))
}

fn of_request(world: &mut World, call: &Call) -> Answer {
    let mr = call.request(world)?;
    let state = |id: &u64| mr.answers.get(id).filter(|(sha, _)| *sha == mr.sha).map_or("pending", |(_, word)| word.as_str());
    let shown = checks(world, mr.project)?.iter().map(
        |(id, name)| json!({ "id": id, "name": name, "external_url": format!("{}/external", world.url), "status": state(id) }),
    );
    Ok(page(call, shown.collect()))
}

fn answer(world: &mut World, call: &Call) -> Answer {
    let mr = call.request(world)?;
    let (project, iid, head) = (mr.project, mr.iid, mr.sha.clone());
    if world.level(project, call.author()) < DEVELOPER {
        return Err(Reply::forbidden());
    }
    let id = call.given("external_status_check_id").and_then(|id| id.parse().ok()).unwrap_or_default();
    let found = checks(world, project)?.iter().find(|(one, _)| *one == id).cloned();
    let found = found.ok_or_else(|| Reply::missing("External Status Check"))?;
    let (sha, word) = (call.given("sha").unwrap_or_default(), call.given("status").unwrap_or_default());
    if sha != head {
        return Err(Reply::message(409, "Conflict: sha does not match the head of the merge request's source branch"));
    }
    world.request_mut(project, iid).answers.insert(id, (sha, word));
    let mr = world.request_answer(world.request(project, iid).expect("it was just found"));
    Ok(Reply::json(
        201,
        json!({ "id": world_id(&mr), "merge_request": mr, "external_status_check": check(world, project, &found) }),
    ))
}

/// The answer's own number, which nobody goes by.
fn world_id(mr: &Value) -> Value {
    mr["id"].clone()
}
