//! Deployments, their statuses, and the answers to workflows that wait for leave.

use serde_json::{Value, json};

use super::{Call, Reply, actor};
use crate::github::shipping::{Deployment, DeploymentStatus, Waiting};
use crate::github::world::World;

/// The longest text of a status, and of a deployment.
const DESCRIPTION_CHARS_MAX: usize = 140;

/// A waiting workflow takes so many comments of so many characters.
const COMMENTS_MAX: usize = 10;
const COMMENT_CHARS_MAX: usize = 1_024;

fn found<'w>(world: &'w World, call: &Call) -> Result<&'w Deployment, Reply> {
    let (id, repo) = (call.number("deployment_id")?, call.repo(world).id);
    world.shipping.deployments.iter().find(|one| one.id == id && one.repo == repo).ok_or_else(Reply::missing)
}

pub(super) fn list(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world).id;
    let is = |name: &str, value: &str| call.query(name).is_none_or(|wanted| wanted == value);
    let wanted = |one: &&Deployment| {
        let same = is("sha", &one.sha) && is("ref", &one.of) && is("task", &one.task) && is("environment", &one.environment);
        one.repo == repo && same
    };
    let deployments: Vec<&Deployment> = world.shipping.deployments.iter().rev().filter(wanted).collect();
    Ok(call.list(deployments, |deployment| world.deployment_json(deployment)))
}

pub(super) fn get(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let deployment = found(world, call)?;
    Ok(Reply::json(200, world.deployment_json(deployment)))
}

fn conflict(message: &str) -> Reply {
    Reply::error(409, message)
}

/// What GitHub does unless it is told not to: it merges the default branch into what is deployed, and wants every status and
/// check of the commit to be green.
fn deployable(world: &World, call: &Call, sha: &str) -> Result<(), Reply> {
    let repo = call.repo(world);
    let default = repo.branch(&repo.default_branch).cloned().unwrap_or_default();
    if call.body["auto_merge"] != false && !repo.git.is_ancestor(&default, sha) {
        let of = call.text("ref").unwrap_or_default();
        return Err(conflict(&format!("Conflict merging {} into {of}.", repo.default_branch)));
    }
    let statuses = world.statuses.iter().filter(|status| status.repo == repo.id && status.sha == sha);
    let mut states: std::collections::BTreeMap<&str, bool> =
        statuses.map(|status| (status.context.as_str(), status.state == "success")).collect();
    for check in world.latest_checks(repo.id, sha) {
        states.insert(&check.name, matches!(check.conclusion.as_deref(), Some("success" | "neutral" | "skipped")));
    }
    let required: Vec<&str> = match call.body["required_contexts"].as_array() {
        Some(named) => named.iter().filter_map(Value::as_str).collect(),
        None => states.keys().copied().collect(),
    };
    let missing = required.iter().any(|context| states.get(context) != Some(&true));
    if missing { Err(conflict("Conflict: Commit status checks failed for this ref.")) } else { Ok(()) }
}

pub(super) fn create(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let of = call.text("ref").unwrap_or_default();
    let none = || Reply::unprocessable(&format!("No ref found for: {of}"));
    let repo = call.repo(world);
    let (repo_id, sha) = (repo.id, repo.git.resolve(&of).ok_or_else(none)?);
    too_long(call.text("description").unwrap_or_default().as_str())?;
    deployable(world, call, &sha)?;
    let environment = call.text("environment").unwrap_or_else(|| "production".to_owned());
    let creator = actor(world, call);
    let id = world.add_deployment(repo_id, &sha, &of, &environment, creator);
    let made = world.shipping.deployments.iter_mut().find(|one| one.id == id).expect("it was just made");
    made.description = call.text("description");
    made.task = call.text("task").unwrap_or_else(|| "deploy".to_owned());
    made.payload = if call.body["payload"].is_null() { json!({}) } else { call.body["payload"].clone() };
    made.transient = call.body["transient_environment"] == true;
    made.production = call.body["production_environment"].as_bool().unwrap_or(made.production);
    let made = made.clone();
    Ok(Reply::json(201, world.deployment_json(&made)))
}

fn too_long(description: &str) -> Result<(), Reply> {
    let long = description.chars().count() > DESCRIPTION_CHARS_MAX;
    let rule = "description is too long (maximum is 140 characters)";
    if long { Err(Reply::broken("DeploymentStatus", rule)) } else { Ok(()) }
}

pub(super) fn statuses(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let deployment = found(world, call)?;
    Ok(call.list(deployment.statuses.iter().rev().collect(), |status| world.deployment_status_json(deployment, status)))
}

pub(super) fn add_status(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let deployment = found(world, call)?.clone();
    let text = |key: &str| call.text(key).unwrap_or_default();
    too_long(&text("description"))?;
    for key in ["log_url", "environment_url", "target_url"] {
        let url = text(key);
        if !url.is_empty() && !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(Reply::broken("DeploymentStatus", "URLs must use http(s) scheme"));
        }
    }
    let log_url = Some(text("log_url")).filter(|url| !url.is_empty()).unwrap_or_else(|| text("target_url"));
    let status = DeploymentStatus {
        id: world.new_id(),
        state: text("state"),
        description: text("description"),
        environment: call.text("environment").unwrap_or_else(|| deployment.environment.clone()),
        log_url,
        environment_url: text("environment_url"),
        creator: actor(world, call),
        created_at: world.now(),
    };
    if status.state == "success" && call.body["auto_inactive"] != false {
        retire(world, &deployment, status.creator);
    }
    let there = world.shipping.deployments.iter_mut().find(|one| one.id == deployment.id).expect("it was just found");
    there.statuses.push(status.clone());
    Ok(Reply::json(201, world.deployment_status_json(&deployment, &status)))
}

/// `auto_inactive`: what was live in the environment before is not any more, unless it is one of production or transient.
fn retire(world: &mut World, by: &Deployment, creator: u64) {
    let (created_at, first) = (world.now(), world.last_id + 1);
    let earlier = world.shipping.deployments.iter_mut().filter(|one| {
        let there = one.repo == by.repo && one.environment == by.environment && one.id < by.id;
        there && !one.transient && !one.production && one.state() == Some("success")
    });
    let mut id = first;
    for one in earlier {
        let environment = one.environment.clone();
        let (description, log_url, environment_url) = (String::new(), String::new(), String::new());
        let state = "inactive".to_owned();
        one.statuses.push(DeploymentStatus {
            id,
            state,
            description,
            environment,
            log_url,
            environment_url,
            creator,
            created_at,
        });
        id += 1;
    }
    world.last_id = id;
}

pub(super) fn answer_rule(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let (run, repo) = (call.number("run_id")?, call.repo(world).id);
    let environment = call.text("environment_name").unwrap_or_default();
    let comment = call.text("comment").unwrap_or_default();
    if comment.chars().count() > COMMENT_CHARS_MAX {
        return Err(Reply::broken("DeploymentProtectionRule", "comment is too long (maximum is 1024 characters)"));
    }
    let asked = |waiting: &&mut Waiting| waiting.repo == repo && waiting.run == run && waiting.environment == environment;
    let waiting = world.shipping.waiting.iter_mut().find(asked).ok_or_else(Reply::missing)?;
    if waiting.decided.is_some() {
        return Err(Reply::unprocessable("No pending deployment requests to approve or reject"));
    }
    if !comment.is_empty() {
        if waiting.comments.len() >= COMMENTS_MAX {
            return Err(Reply::broken("DeploymentProtectionRule", "there are 10 comments at most"));
        }
        waiting.comments.push(comment);
    }
    waiting.decided = call.text("state");
    Ok(Reply::empty(204))
}
