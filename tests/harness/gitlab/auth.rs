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

/// The account of a request of the API: `PRIVATE-TOKEN` or `Authorization: Bearer`. None where no credential came.
pub(super) fn api_caller(world: &World, headers: &HeaderMap) -> Result<Option<Caller>, Reply> {
    let token = text(headers, "private-token").or_else(|| credential(headers, "bearer"));
    token.map(|token| account(world, token.trim())).transpose()
}

/// The account of a request of git: a token as the password, whatever the user is called. None where no credential came.
pub(super) fn git_caller(world: &World, headers: &HeaderMap) -> Result<Option<Caller>, Reply> {
    let Some(pair) = credential(headers, "basic") else { return Ok(None) };
    let pair = BASE64_STANDARD.decode(pair.trim()).ok().and_then(|pair| String::from_utf8(pair).ok());
    let password = pair.as_deref().and_then(|pair| pair.split_once(':')).map(|(_, password)| password);
    account(world, password.unwrap_or_default()).map(Some)
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What stands behind the scheme, where it is this one.
fn credential<'h>(headers: &'h HeaderMap, scheme: &str) -> Option<&'h str> {
    let (given, value) = text(headers, header::AUTHORIZATION.as_str())?.split_once(' ')?;
    given.eq_ignore_ascii_case(scheme).then_some(value)
}

fn account(world: &World, token: &str) -> Result<Caller, Reply> {
    let known = world.tokens.iter().find(|one| one.value == token);
    let known = known.ok_or_else(|| Reply::message(401, "401 Unauthorized"))?;
    match world.user(known.user).map(|user| user.state) {
        Some("active") => Ok(Caller { user: known.user, scope: known.scope }),
        Some(_) | None => Err(Reply::message(403, "403 Forbidden - Your account has been blocked.")),
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
