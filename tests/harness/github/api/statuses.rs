//! Commit statuses.

use serde_json::{Value, json};

use super::{Call, Reply, actor};
use crate::github::world::{Status, World};

/// Of one context, a commit takes so many statuses.
const STATUSES_MAX: usize = 1000;

pub(super) fn create(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world);
    let sha = repo.git.resolve(call.param("sha")).ok_or_else(|| Reply::unprocessable("No commit found for SHA"))?;
    let (repo, context) = (repo.id, call.text("context").unwrap_or_else(|| "default".to_owned()));
    if call.text("description").is_some_and(|text| text.chars().count() > 140) {
        return Err(Reply::broken("Status", "description is too long (maximum is 140 characters)"));
    }
    let same = world.statuses.iter().filter(|s| s.repo == repo && s.sha == sha && s.context == context);
    if same.count() >= STATUSES_MAX {
        return Err(Reply::broken("Status", "This SHA and context has reached the maximum number of statuses."));
    }
    let status = Status {
        id: world.new_id(),
        repo,
        sha,
        state: call.text("state").unwrap_or_default(),
        context,
        description: call.text("description"),
        target_url: call.text("target_url"),
        creator: actor(world, call),
        created_at: world.now(),
    };
    world.statuses.push(status.clone());
    Ok(Reply::json(201, world.status_json(&status)))
}

/// Of a commit, newest first.
fn of<'w>(world: &'w World, call: &Call) -> Result<Vec<&'w Status>, Reply> {
    let repo = call.repo(world);
    let sha = repo.git.resolve(call.param("ref")).ok_or_else(|| Reply::unprocessable("No commit found for SHA"))?;
    Ok(world.statuses.iter().rev().filter(|s| s.repo == repo.id && s.sha == sha).collect())
}

pub(super) fn list(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let found = of(world, call)?;
    Ok(call.list(found, |status| world.status_json(status)))
}

pub(super) fn combined(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world);
    let mut latest: Vec<&Status> = Vec::new();
    for status in of(world, call)? {
        if !latest.iter().any(|s| s.context == status.context) {
            latest.push(status);
        }
    }
    let any = |wanted: &[&str]| latest.iter().any(|s| wanted.contains(&s.state.as_str()));
    let pending = latest.is_empty() || any(&["pending"]);
    let state = if any(&["failure", "error"]) {
        "failure"
    } else if pending {
        "pending"
    } else {
        "success"
    };
    let sha = repo.git.resolve(call.param("ref")).ok_or_else(Reply::missing)?;
    let url = world.repo_url(repo);
    let (shapes, link): (Vec<Value>, _) = call.page(latest.clone(), |status| world.status_json(status));
    let body = json!({
        "state": state, "statuses": shapes, "sha": sha, "total_count": latest.len(), "repository": world.minimal_repo_json(repo),
        "commit_url": format!("{url}/commits/{sha}"), "url": format!("{url}/commits/{sha}/status"),
    });
    Ok(Reply::json(200, body).link(link))
}
