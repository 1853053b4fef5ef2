//! Check runs and check suites, which only Apps write.

use serde_json::{Value, json};

use super::{Call, Reply, actor};
use crate::github::world::{Check, Suite, World, time_text};

/// The annotations of one request.
const ANNOTATIONS_MAX: usize = 50;

/// The characters of a summary or a text, each.
const OUTPUT_CHARS_MAX: usize = 65_535;

/// The characters of a title and of a name.
const TITLE_CHARS_MAX: usize = 255;

/// The buttons of a check.
const ACTIONS_MAX: usize = 3;

/// What GitHub refuses with a 422, before anything is changed.
fn judge(body: &Value) -> Result<(), Reply> {
    let broken = |rule: &str| Err(Reply::broken("CheckRun", rule));
    let output = &body["output"];
    let chars = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
    if output["annotations"].as_array().is_some_and(|list| list.len() > ANNOTATIONS_MAX) {
        return broken("annotations exceeds a maximum quantity of 50");
    }
    if chars(&output["summary"]) > OUTPUT_CHARS_MAX || chars(&output["text"]) > OUTPUT_CHARS_MAX {
        return broken("Only 65535 characters are allowed in summary and text");
    }
    if chars(&output["title"]) > TITLE_CHARS_MAX || chars(&body["name"]) > TITLE_CHARS_MAX {
        return broken("Only 255 characters are allowed in title and name");
    }
    if body["actions"].as_array().is_some_and(|list| list.len() > ACTIONS_MAX) {
        return broken("actions exceeds a maximum quantity of 3");
    }
    if body["status"] == "completed" && body["conclusion"].is_null() {
        return broken("For 'properties/status', a completed check run needs a conclusion");
    }
    if !body["conclusion"].is_null() && !body["status"].is_null() && body["status"] != "completed" {
        return broken("a check run with a conclusion is completed");
    }
    Ok(())
}

/// What GitHub's answer to a broken rule is, for bodies that the description would refuse as well: the rule's own answer is
/// what a bot sees on GitHub.
pub(crate) fn broken_rule(operation: &str, body: &Value) -> Option<Reply> {
    matches!(operation, "checks/create" | "checks/update").then(|| judge(body).err()).flatten()
}

pub(super) fn create(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world);
    let head = call.text("head_sha").unwrap_or_default();
    // A commit by its whole id only: a branch's name is not one.
    let known = repo.git.resolve(&head).filter(|sha| *sha == head);
    let head = known.ok_or_else(|| Reply::unprocessable(&format!("No commit found for SHA: {head}")))?;
    let repo = repo.id;
    let suite = world.suite_of(repo, &head, None, None);
    let mut check = Check {
        id: world.new_id(),
        repo,
        suite,
        name: call.text("name").unwrap_or_default(),
        head,
        external_id: String::new(),
        details_url: None,
        status: "queued".to_owned(),
        conclusion: None,
        started_at: Some(time_text(world.now())),
        completed_at: None,
        title: None,
        summary: None,
        text: None,
        annotations: Vec::new(),
        actions: Vec::new(),
    };
    change(world, &mut check, call);
    let shape = world.check_json(&check);
    let (id, sender) = (check.id, actor(world, call));
    world.checks.push(check);
    world.made(id);
    world.tell_check(id, "created", sender, json!({}));
    completed(world, id, None, sender);
    Ok(Reply::json(201, shape))
}

/// Tells of a check that is completed now and was not before.
fn completed(world: &mut World, id: u64, before: Option<&str>, sender: u64) {
    let check = world.checks.iter().find(|c| c.id == id).expect("checks are never removed");
    if check.status == "completed" && before != Some("completed") {
        let suite = check.suite;
        world.tell_check(id, "completed", sender, json!({}));
        let found = world.suites.iter().find(|s| s.id == suite).expect("suites are never removed");
        let done = world.latest_checks(found.repo, &found.head).iter().all(|c| c.status == "completed");
        if done {
            world.tell_suite(suite, "completed", sender);
        }
    }
}

/// Puts what the body says into the check. Annotations are appended; a conclusion completes.
fn change(world: &World, check: &mut Check, call: &Call) {
    let set = |into: &mut Option<String>, value: Option<String>| {
        if value.is_some() {
            *into = value;
        }
    };
    check.name = call.text("name").unwrap_or_else(|| check.name.clone());
    check.external_id = call.text("external_id").unwrap_or_else(|| check.external_id.clone());
    set(&mut check.details_url, call.text("details_url"));
    set(&mut check.started_at, call.text("started_at"));
    set(&mut check.completed_at, call.text("completed_at"));
    let conclusion = call.text("conclusion");
    let status = if conclusion.is_some() { Some("completed".to_owned()) } else { call.text("status") };
    if let Some(status) = status {
        // Back to an earlier state: the old end no longer holds.
        if status != "completed" {
            (check.conclusion, check.completed_at) = (None, None);
        }
        check.status = status;
    }
    set(&mut check.conclusion, conclusion);
    if check.status == "completed" && check.completed_at.is_none() {
        check.completed_at = Some(time_text(world.now()));
    }
    let output = &call.body["output"];
    let text = |key: &str| output[key].as_str().map(str::to_owned);
    set(&mut check.title, text("title"));
    set(&mut check.summary, text("summary"));
    set(&mut check.text, text("text"));
    check.annotations.extend(output["annotations"].as_array().into_iter().flatten().cloned());
    if let Some(actions) = call.body["actions"].as_array() {
        check.actions.clone_from(actions);
    }
}

fn find<'w>(world: &'w World, call: &Call) -> Result<&'w Check, Reply> {
    let (id, repo) = (call.number("check_run_id")?, call.repo(world).id);
    world.checks.iter().find(|c| c.id == id && c.repo == repo).ok_or_else(Reply::missing)
}

pub(super) fn get(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    Ok(Reply::json(200, world.check_json(find(world, call)?)))
}

pub(super) fn update(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let mut check = find(world, call)?.clone();
    let (id, before, sender) = (check.id, check.status.clone(), actor(world, call));
    change(world, &mut check, call);
    let shape = world.check_json(&check);
    *world.checks.iter_mut().find(|c| c.id == id).expect("found above") = check;
    completed(world, id, Some(&before), sender);
    Ok(Reply::json(200, shape))
}

pub(super) fn annotations(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let check = find(world, call)?;
    Ok(call.list(check.annotations.iter().collect(), |given| world.annotation_json(check, given)))
}

pub(super) fn rerequest(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let (id, sender) = (find(world, call)?.id, actor(world, call));
    world.tell_check(id, "rerequested", sender, json!({}));
    Ok(Reply::json(201, json!({})))
}

/// The checks of a commit or suite: the newest of each name, unless all are wanted.
fn filtered<'w>(world: &'w World, call: &Call, of: impl Fn(&Check) -> bool) -> Vec<&'w Check> {
    let fits = |c: &&Check| {
        let name = call.query("check_name").is_none_or(|name| name == c.name);
        let status = call.query("status").is_none_or(|status| status == c.status);
        let app = call.query("app_id").is_none_or(|app| app == world.app.id.to_string());
        of(c) && name && status && app && !world.lags(c.id)
    };
    let all = call.query("filter") == Some("all");
    let latest = |c: &&Check| all || world.latest_checks(c.repo, &c.head).iter().any(|l| l.id == c.id);
    // Newest first, as GitHub lists them.
    world.checks.iter().rev().filter(fits).filter(latest).collect()
}

pub(super) fn on_commit(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world);
    let sha = repo.git.resolve(call.param("ref")).ok_or_else(|| Reply::unprocessable("No commit found for SHA"))?;
    let found = filtered(world, call, |c| c.repo == repo.id && c.head == sha);
    Ok(call.counted("check_runs", found, |check| world.check_json(check)))
}

fn find_suite<'w>(world: &'w World, call: &Call) -> Result<&'w Suite, Reply> {
    let (id, repo) = (call.number("check_suite_id")?, call.repo(world).id);
    world.suites.iter().find(|s| s.id == id && s.repo == repo).ok_or_else(Reply::missing)
}

pub(super) fn suite(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    Ok(Reply::json(200, world.suite_json(find_suite(world, call)?)))
}

pub(super) fn in_suite(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let suite = find_suite(world, call)?.id;
    let found = filtered(world, call, |c| c.suite == suite);
    Ok(call.counted("check_runs", found, |check| world.check_json(check)))
}

pub(super) fn suites_on_commit(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world);
    let sha = repo.git.resolve(call.param("ref")).ok_or_else(|| Reply::unprocessable("No commit found for SHA"))?;
    let found: Vec<&Suite> = world.suites.iter().filter(|s| s.repo == repo.id && s.head == sha).collect();
    Ok(call.counted("check_suites", found, |suite| world.suite_json(suite)))
}

pub(super) fn create_suite(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world);
    let head = call.text("head_sha").unwrap_or_default();
    let head = repo.git.resolve(&head).ok_or_else(|| Reply::unprocessable("No commit found for SHA"))?;
    let (repo, before) = (repo.id, world.suites.len());
    let id = world.suite_of(repo, &head, None, None);
    let status = if world.suites.len() > before { 201 } else { 200 };
    let suite = world.suites.iter().find(|s| s.id == id).expect("it was just found or made");
    Ok(Reply::json(status, world.suite_json(suite)))
}

pub(super) fn rerequest_suite(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let (id, sender) = (find_suite(world, call)?.id, actor(world, call));
    world.tell_suite(id, "rerequested", sender);
    Ok(Reply::json(201, json!({})))
}
