//! Git over smart HTTP, from the projects' own repositories, and Git LFS beside it.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};

use super::auth::git_caller;
use super::world::{DEVELOPER, Scope, World, lock};
use crate::github::git_http::{Wanted, backend};
use crate::github::lfs;

/// Where a project's objects of Git LFS are.
const OBJECTS: &str = "/gitlab-lfs/objects/";

/// What a request of a git client wants: a project's path and a service.
pub(super) fn wanted(path: &str, query: &str) -> Option<Wanted> {
    let services = [
        ("/info/refs", "git/info-refs"),
        ("/git-upload-pack", "git/upload-pack"),
        ("/git-receive-pack", "git/receive-pack"),
        ("/info/lfs/objects/batch", "git/lfs-batch"),
    ];
    let object = path.split_once(OBJECTS).map(|(rest, _)| (rest, OBJECTS, "git/lfs-object"));
    let (rest, service, operation) = object.or_else(|| {
        services.into_iter().find_map(|(end, operation)| path.strip_suffix(end).map(|rest| (rest, &end[1..], operation)))
    })?;
    let writes = service == "git-receive-pack" || query.contains("service=git-receive-pack");
    let full_name = rest.trim_start_matches('/');
    let full_name = full_name.strip_suffix(".git").unwrap_or(full_name).to_owned();
    Some(Wanted { operation, full_name, service, writes })
}

/// Serves one request of a git client.
pub(super) async fn serve(world: &Arc<Mutex<World>>, wanted: &Wanted, request: Request<Body>) -> Response<Body> {
    let (project, git, by) = {
        let world = lock(world);
        match authorize(&world, wanted, &request) {
            Ok((project, by)) => (project, world.project(project).git.clone(), by),
            Err(status) => return refusal(status),
        }
    };
    match wanted.service {
        OBJECTS => return lfs::object(&lock(world).lfs, request.uri().path()),
        lfs::BATCH => return batch(world, wanted, request).await,
        _ => {}
    }
    let before = if wanted.writes { git.refs() } else { Vec::new() };
    let response = match backend(git.dir(), wanted, request).await {
        Ok(response) => response,
        Err(error) => return text(StatusCode::INTERNAL_SERVER_ERROR, &format!("git http-backend failed: {error}")),
    };
    let (Some(by), "git-receive-pack") = (by, wanted.service) else { return response };
    // The push is over once the answer has ended; only then is it known what moved.
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let world = world.clone();
    let told = tokio::task::spawn_blocking(move || lock(&world).refs_moved(project, by, &before)).await;
    told.expect("following a push does not panic");
    Response::from_parts(parts, Body::from(body))
}

/// GitLab gives out objects itself, to the same login, which it names.
async fn batch(world: &Arc<Mutex<World>>, wanted: &Wanted, request: Request<Body>) -> Response<Body> {
    match lfs::read(request).await {
        Ok((batch, headers)) => {
            let world = lock(world);
            let login = headers.get(header::AUTHORIZATION).and_then(|login| login.to_str().ok()).unwrap_or_default();
            let way = |oid: &str| {
                let href = format!("{}/{}.git{OBJECTS}{oid}", world.url, wanted.full_name);
                serde_json::json!({ "href": href, "header": { "Authorization": login } })
            };
            batch.answer(&world.lfs, way)
        }
        Err(status) => text(status, "the request is none of Git LFS"),
    }
}

/// The project, and whose token it is.
fn authorize(world: &World, wanted: &Wanted, request: &Request<Body>) -> Result<(u64, Option<u64>), StatusCode> {
    let caller = git_caller(world, request.headers()).map_err(|_| StatusCode::UNAUTHORIZED)?;
    let user = caller.map(|caller| caller.user);
    // GitLab asks for a password first, so that a stranger does not learn which projects there are.
    let unseen = if user.is_some() { StatusCode::NOT_FOUND } else { StatusCode::UNAUTHORIZED };
    let project = world.find_project(&wanted.full_name).filter(|id| world.knows(*id, user)).ok_or(unseen)?;
    if !wanted.writes {
        return if world.sees(project, user) { Ok((project, user)) } else { Err(StatusCode::FORBIDDEN) };
    }
    let caller = caller.ok_or(StatusCode::UNAUTHORIZED)?;
    let may = caller.scope == Scope::Api && world.level(project, caller.user) >= DEVELOPER;
    if may { Ok((project, user)) } else { Err(StatusCode::FORBIDDEN) }
}

fn refusal(status: StatusCode) -> Response<Body> {
    let message = match status {
        StatusCode::UNAUTHORIZED => "HTTP Basic: Access denied.",
        StatusCode::FORBIDDEN => "You are not allowed to do this in this project.",
        _ => "The project you were looking for could not be found or you don't have permission to view it.",
    };
    let mut response = text(status, message);
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"GitLab\""));
    }
    response
}

fn text(status: StatusCode, message: &str) -> Response<Body> {
    Response::builder().status(status).body(Body::from(message.to_owned())).expect("the parts are valid")
}
