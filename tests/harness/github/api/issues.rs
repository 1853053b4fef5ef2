//! Issues, and the labels of issues and pull requests.

use super::{Call, Reply, actor, comments};
use crate::github::world::World;

/// GitHub's limits.
const TITLE_CHARS_MAX: usize = 256;
const BODY_CHARS_MAX: usize = 65_536;
const LABEL_CHARS_MAX: usize = 50;

/// What GitHub says of title and text, of issues and pull requests alike.
pub(super) fn check_texts(resource: &str, title: Option<&str>, body: Option<&str>) -> Result<(), Reply> {
    if title.is_some_and(|title| title.trim().is_empty() || title.chars().count() > TITLE_CHARS_MAX) {
        return Err(Reply::broken(resource, "title is blank or too long (maximum is 256 characters)"));
    }
    if body.is_some_and(|body| body.chars().count() > BODY_CHARS_MAX) {
        return Err(Reply::broken(resource, "body is too long (maximum is 65536 characters)"));
    }
    Ok(())
}

fn labels(call: &Call) -> Result<Vec<String>, Reply> {
    let labels: Vec<String> =
        call.body["labels"].as_array().into_iter().flatten().filter_map(|l| l.as_str().map(str::to_owned)).collect();
    let wrong = labels.iter().any(|label| label.is_empty() || label.chars().count() > LABEL_CHARS_MAX);
    if wrong { Err(Reply::broken("Label", "name is blank or too long (maximum is 50 characters)")) } else { Ok(labels) }
}

/// Pull requests are told among the issues.
pub(super) fn list(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world);
    let state = call.query("state").unwrap_or("open");
    let wanted_labels: Vec<&str> = call.query("labels").map(|labels| labels.split(',').collect()).unwrap_or_default();
    let fits = |open: bool, labels: &[(u64, String)]| {
        (state == "all" || (state == "open") == open)
            && wanted_labels.iter().all(|wanted| labels.iter().any(|(_, name)| name == wanted))
    };
    let issues =
        repo.tracker.issues.values().filter(|issue| fits(issue.closed_at.is_none(), &issue.labels)).map(|issue| issue.number);
    let pulls = repo.pulls.values().filter(|pull| fits(pull.open(), &pull.labels)).map(|pull| pull.number);
    let mut numbers: Vec<u64> = issues.chain(pulls).collect();
    numbers.sort_unstable();
    if call.query("direction") != Some("asc") {
        numbers.reverse();
    }
    Ok(call.list(numbers, |number| world.thread_json(repo.id, *number)))
}

pub(super) fn create(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let (title, body, labels) = (call.text("title").unwrap_or_default(), call.text("body"), labels(call)?);
    check_texts("Issue", Some(&title), body.as_deref())?;
    let (repo, author) = (call.repo(world).id, actor(world, call));
    let number = world.open_issue(repo, author, &title, body.as_deref(), &labels);
    Ok(Reply::json(201, world.thread_json(repo, number)))
}

pub(super) fn update(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let (repo, number) = comments::thread(world, call, super::Access::Write)?;
    let (title, body) = (call.text("title"), call.text("body"));
    check_texts("Issue", title.as_deref(), body.as_deref())?;
    let sender = actor(world, call);
    world.rewrite(repo, number, title.as_deref(), body.as_deref(), sender);
    if let (Some(state), true) = (call.text("state"), world.is_issue(repo, number)) {
        world.set_issue_state(repo, number, state == "open", sender);
    }
    Ok(Reply::json(200, world.thread_json(repo, number)))
}

pub(super) fn labels_on(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let (repo, number) = comments::thread(world, call, super::Access::Read)?;
    let labels = world.thread_json(repo, number)["labels"].as_array().cloned().unwrap_or_default();
    Ok(call.list(labels, Clone::clone))
}

pub(super) fn add_labels(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let (repo, number) = comments::thread(world, call, super::Access::Write)?;
    let labels = labels(call)?;
    let sender = actor(world, call);
    world.label(repo, number, &labels, sender);
    Ok(Reply::json(200, world.thread_json(repo, number)["labels"].clone()))
}
