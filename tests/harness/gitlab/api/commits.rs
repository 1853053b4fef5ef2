//! Commits that are made over the API: several files at once, on a branch that is there or one that is made for it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::repository::url;
use super::shapes::{Kind, Shape, may, must};
use super::{Answer, Call, Reply, Route, documented};
use crate::github::git::{Git, NewEntry};
use crate::gitlab::shape::commit_answer;
use crate::gitlab::world::{MAINTAINER, World};

const MAKE: Shape = Shape {
    query: &[],
    body: &[
        must("branch", Kind::Text),
        must("commit_message", Kind::Text),
        must("actions", Kind::List),
        may("start_branch", Kind::Text),
        may("start_sha", Kind::Text),
        may("author_email", Kind::Text),
        may("author_name", Kind::Text),
        may("stats", Kind::Flag),
        may("force", Kind::Flag),
    ],
};

/// What an action may say.
const ACTION: [&str; 7] = ["action", "file_path", "previous_path", "content", "encoding", "last_commit_id", "execute_filemode"];

pub(super) const ROUTES: &[Route] = &[documented("POST", "/projects/:id/repository/commits", MAKE, make)];

/// The files that were touched: mode and blob, or gone.
type Touched = BTreeMap<String, Option<(String, String)>>;

fn make(world: &mut World, call: &Call) -> Answer {
    let project = call.as_developer(world)?;
    let branch = call.given("branch").unwrap_or_default();
    let protected = world.project(project).protected.contains(&branch);
    if protected && world.level(project, call.author()) < MAINTAINER {
        return Err(Reply::message(403, "You are not allowed to push into this branch"));
    }
    if call.given("force").as_deref() == Some("true") {
        world.violations.push("POST commits: a bot has no business to force a branch".to_owned());
        return Err(Reply::message(400, "no force"));
    }
    let git = world.project(project).git.clone();
    let before = git.resolve(&format!("refs/heads/{branch}"));
    let parent = parent_of(&git, &branch, before.as_deref(), call.given("start_sha").as_deref())?;
    let mut touched = Touched::new();
    for action in call.body["actions"].as_array().into_iter().flatten() {
        apply(&git, &parent, action, &mut touched)?;
    }
    let entry = |(path, now): (String, Option<(String, String)>)| match now {
        Some((mode, sha)) => NewEntry { path, mode, sha: Some(sha) },
        None => NewEntry { path, mode: String::new(), sha: None },
    };
    let entries: Vec<NewEntry> = touched.into_iter().map(entry).collect();
    let base = git.info(&parent).expect("it was just found").tree;
    let tree = git.write_tree(Some(&base), &entries).map_err(|path| refused(&format!("{path} is gone")))?;
    let (by, message) = (call.author(), call.given("commit_message").unwrap_or_default());
    let name = world.username(by).to_owned();
    let signature = world.signature(&name);
    let sha = git.commit_tree(&tree, &[parent], &signature, &message);
    git.set_ref(&format!("refs/heads/{branch}"), &sha);
    world.branch_moved(project, by, &branch, before.as_deref(), Some(&sha));
    let commit = git.info(&sha).expect("it was just made");
    Ok(Reply::json(201, commit_answer(&url(world, project), &commit)))
}

fn refused(words: &str) -> Reply {
    Reply::message(400, words)
}

fn parent_of(git: &Git, branch: &str, head: Option<&str>, start: Option<&str>) -> Result<String, Reply> {
    if !git.takes_ref(&format!("refs/heads/{branch}")) {
        return Err(refused("Branch name is invalid"));
    }
    match (head, start) {
        (Some(_), Some(_)) => {
            Err(refused(&format!("A branch called '{branch}' already exists. Switch to that branch in order to make changes")))
        }
        (Some(head), None) => Ok(head.to_owned()),
        (None, Some(start)) => git.resolve(start).ok_or_else(|| refused("Cannot find start_sha")),
        (None, None) => Err(refused("You can only create or edit files when you are on a branch")),
    }
}

fn apply(git: &Git, parent: &str, action: &Value, touched: &mut Touched) -> Result<(), Reply> {
    if let Some(odd) =
        action.as_object().into_iter().flatten().map(|(name, _)| name).find(|name| !ACTION.contains(&name.as_str()))
    {
        return Err(Reply::error(400, &format!("actions[{odd}] is not known")));
    }
    let text = |key: &str| action[key].as_str();
    let path = text("file_path").filter(|path| path.split('/').all(|part| !matches!(part, "" | "." | ".." | ".git")));
    let path = path.ok_or_else(|| refused("file_path is invalid"))?.to_owned();
    let at_parent =
        || git.tree(parent, &path).into_iter().find(|entry| entry.kind == "blob").map(|entry| (entry.mode, entry.sha));
    let there = touched.get(&path).cloned().unwrap_or_else(at_parent);
    let kind = text("action").unwrap_or_default();
    if kind == "create" && there.is_some() {
        return Err(refused("A file with this name already exists"));
    }
    let known = || there.clone().ok_or_else(|| refused("A file with this name doesn't exist"));
    if let Some(last) = text("last_commit_id").filter(|last| git.last_commit_of(parent, &path).as_deref() != Some(last)) {
        return Err(refused(&format!("The file has changed since you started editing it: {path} at {last}")));
    }
    let content = || match (text("content"), text("encoding")) {
        (Some(content), Some("base64")) => BASE64_STANDARD.decode(content).map_err(|_| refused("content is invalid")),
        (Some(content), None | Some("text")) => Ok(content.as_bytes().to_vec()),
        _ => Err(Reply::error(400, "actions[content] is missing")),
    };
    let now = match kind {
        "create" => Some(("100644".to_owned(), git.write_blob(&content()?))),
        "update" => Some((known()?.0, git.write_blob(&content()?))),
        "chmod" => {
            let mode = if action["execute_filemode"] == true { "100755" } else { "100644" };
            Some((mode.to_owned(), known()?.1))
        }
        "delete" => {
            known()?;
            None
        }
        _ => return Err(Reply::error(400, "actions[action] does not have a valid value")),
    };
    touched.insert(path, now);
    Ok(())
}
