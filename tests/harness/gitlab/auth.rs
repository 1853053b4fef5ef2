//! Whose a token is, and what that account may.

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::api::Reply;
use super::world::{REPORTER, Scope, World};

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    pub(super) user: u64,
    pub(super) scope: Scope,
}

/// The account of the credential: `PRIVATE-TOKEN`, `Authorization: Bearer` or, for git, a password. None where none came.
pub(super) fn caller(world: &World, headers: &HeaderMap) -> Result<Option<Caller>, Reply> {
    let Some(token) = presented(headers) else { return Ok(None) };
    let known = world.tokens.iter().find(|one| one.value == token);
    let known = known.filter(|one| world.user(one.user).is_some_and(|user| user.state == "active"));
    let known = known.ok_or_else(|| Reply::message(401, "401 Unauthorized"))?;
    Ok(Some(Caller { user: known.user, scope: known.scope }))
}

fn presented(headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(token) = text("private-token") {
        return Some(token.to_owned());
    }
    let (scheme, value) = text(header::AUTHORIZATION.as_str())?.split_once(' ')?;
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Some(value.trim().to_owned()),
        // Of a token as a password, the user's name does not matter.
        "basic" => {
            let pair = String::from_utf8(BASE64_STANDARD.decode(value.trim()).ok()?).ok()?;
            pair.split_once(':').map(|(_, password)| password.to_owned())
        }
        _ => None,
    }
}

impl World {
    /// Whether somebody may look into a project: its code and its merge requests.
    pub(super) fn sees(&self, project: u64, user: Option<u64>) -> bool {
        self.project(project).public || user.is_some_and(|user| self.level(project, user) >= REPORTER)
    }

    /// Whether somebody may know that a project is there.
    pub(super) fn knows(&self, project: u64, user: Option<u64>) -> bool {
        self.project(project).public || user.is_some_and(|user| self.level(project, user) > 0)
    }
}
