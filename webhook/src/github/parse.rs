//! What GitHub's payloads mean here.
//!
//! Lenient: a payload that is JSON always means something, at worst that it is not used. An event that we would like to
//! use and do not understand is recorded with the reason, so that a person can find out why nothing happened.

use std::str::FromStr;

use gatewright_core::event::{Event, MergeGroupEvent, PullChange, PullEvent, PushEvent, Rerequested, RerequestedEvent, User};
use gatewright_core::report::RERUN_FAILED;
use gatewright_core::{CommitId, ForgeKind, RepoRef};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::payload::{Account, App, OnlyAction, Payload};
use crate::NotJson;

/// A name, ref or id longer than this, in bytes, is not used: events are kept in places that are made for small things.
const TEXT_BYTES_MAX: usize = 1024;

/// A longer action, in bytes, is cut; the forge's longest has 29.
const ACTION_BYTES_MAX: usize = 100;

/// What the front of a branch's full name is.
const BRANCH_PREFIX: &str = "refs/heads/";

/// Branches that a merge queue makes for itself, one a group.
const QUEUE_PREFIX: &str = "gh-readonly-queue/";

/// A payload's meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The payload's `action`, where it has one, cut to 100 bytes.
    pub action: Option<String>,
    /// What it means here.
    pub event: Event,
}

/// Why an event is not used.
type Reason = String;

/// Reads the payload of the event `event_name`, either JSON or the form that GitHub wraps it in. Pure. `app_id` is the
/// own App's: checks of other apps are not used.
pub fn parse(event_name: &str, body: &[u8], app_id: u64) -> Result<Parsed, NotJson> {
    // No JSON starts like this, so the two cannot be mistaken for each other.
    let form = if body.starts_with(b"payload=") { form_payload(body) } else { None };
    parse_json(event_name, form.as_deref().unwrap_or(body), app_id)
}

/// The field `payload` of a form.
pub(super) fn form_payload(body: &[u8]) -> Option<Vec<u8>> {
    let field = form_urlencoded::parse(body).find(|(key, _)| key == "payload")?;
    Some(field.1.into_owned().into_bytes())
}

pub(super) fn parse_json(event_name: &str, json: &[u8], app_id: u64) -> Result<Parsed, NotJson> {
    let json = std::str::from_utf8(json).map_err(|error| NotJson::from_utf8(json, error))?;
    let Some(reader) = reader(event_name) else {
        let action = read::<OnlyAction>(json)?.and_then(|p| p.action).map(cut);
        return Ok(Parsed { action, event: unused(format!("{event_name} events are not used")) });
    };
    let Some(payload) = read::<Payload>(json)? else {
        let action = read::<OnlyAction>(json)?.and_then(|p| p.action).map(cut);
        return Ok(Parsed { action, event: unused(format!("the payload is not one of a {event_name} event")) });
    };
    let action = payload.action.clone().map(cut);
    let event = reader(payload, app_id).unwrap_or_else(unused);
    Ok(Parsed { action, event })
}

fn unused(reason: Reason) -> Event {
    Event::Unused { reason }
}

/// None where the payload is JSON but has something else in a place that is looked at.
fn read<T: DeserializeOwned>(json: &str) -> Result<Option<T>, NotJson> {
    if let Ok(value) = serde_json::from_str(json) {
        return Ok(Some(value));
    }
    // Skipping keeps no stack, so that deep nesting, which nothing here looks into, is no danger.
    match serde_json::from_str::<IgnoredAny>(json) {
        Ok(_) => Ok(None),
        Err(error) => Err(NotJson::from_json(&error)),
    }
}

fn cut(mut action: String) -> String {
    action.truncate(action.floor_char_boundary(ACTION_BYTES_MAX));
    action
}

/// Makes an event of a payload.
type Reader = fn(Payload, u64) -> Result<Event, Reason>;

/// The events in use.
fn reader(event_name: &str) -> Option<Reader> {
    match event_name {
        "pull_request" => Some(pull),
        "merge_group" => Some(merge_group),
        "push" => Some(push),
        "check_run" => Some(check_run),
        "check_suite" => Some(check_suite),
        _ => None,
    }
}

fn pull(payload: Payload, _: u64) -> Result<Event, Reason> {
    let rebased = payload.changes.as_ref().is_some_and(|changes| changes.base.is_some());
    let change = match payload.action.as_deref() {
        Some("opened" | "reopened" | "ready_for_review") => PullChange::Opened,
        Some("synchronize") => PullChange::Updated,
        Some("edited") if rebased => PullChange::Updated,
        Some("closed") => PullChange::Closed,
        action => return Err(action_unused("pull_request", action)),
    };
    let repo = repo(&payload)?;
    let sender = sender(&payload);
    let pull = payload.pull_request.ok_or("the payload has no pull_request")?;
    let base = pull.base.ok_or("the payload has no pull_request.base")?;
    Ok(Event::Pull(PullEvent {
        repo,
        number: payload.number.or(pull.number).ok_or("the payload has no number")?,
        head: commit("pull_request.head.sha", pull.head.and_then(|head| head.sha))?,
        base_ref: text("pull_request.base.ref", base.git_ref)?,
        sender,
        change,
    }))
}

fn merge_group(payload: Payload, _: u64) -> Result<Event, Reason> {
    let wanted = match payload.action.as_deref() {
        Some("checks_requested") => true,
        Some("destroyed") => false,
        action => return Err(action_unused("merge_group", action)),
    };
    let repo = repo(&payload)?;
    let sender = sender(&payload);
    let group = payload.merge_group.ok_or("the payload has no merge_group")?;
    let base_ref = text("merge_group.base_ref", group.base_ref)?;
    Ok(Event::MergeGroup(MergeGroupEvent {
        repo,
        head: commit("merge_group.head_sha", group.head_sha)?,
        head_ref: text("merge_group.head_ref", group.head_ref)?,
        base: commit("merge_group.base_sha", group.base_sha)?,
        base_ref: base_ref.strip_prefix(BRANCH_PREFIX).unwrap_or(&base_ref).to_owned(),
        sender,
        wanted,
    }))
}

fn push(payload: Payload, _: u64) -> Result<Event, Reason> {
    let git_ref = text("ref", payload.git_ref.clone())?;
    let Some(branch) = git_ref.strip_prefix(BRANCH_PREFIX) else {
        return Err("pushes to anything but a branch are not used".to_owned());
    };
    if branch.starts_with(QUEUE_PREFIX) {
        // Its merge_group event asks for checks on the same commit; two runs would report on it at once.
        return Err("the branch is a merge queue's own".to_owned());
    }
    let after = push_commit("after", payload.after.clone())?;
    let (Some(after), false) = (after, payload.deleted == Some(true)) else {
        return Err("the branch was deleted".to_owned());
    };
    let before = push_commit("before", payload.before.clone())?.filter(|_| payload.created != Some(true));
    let repo = repo(&payload)?;
    let sender = sender(&payload);
    let default_branch = text("repository.default_branch", payload.repository.and_then(|repo| repo.default_branch))?;
    Ok(Event::Push(PushEvent { repo, branch: branch.to_owned(), before, after, default_branch, sender }))
}

/// A commit at one end of a push; None where it says that there is none.
fn push_commit(field: &str, sha: Option<String>) -> Result<Option<CommitId>, Reason> {
    let sha = text(field, sha)?;
    let commit = CommitId::from_str(&sha).map_err(|_| format!("{field} is not a commit"))?;
    Ok(Some(commit).filter(|commit| !commit.is_zero()))
}

fn check_run(payload: Payload, app_id: u64) -> Result<Event, Reason> {
    let repo = repo(&payload)?;
    let sender = sender(&payload);
    let run = payload.check_run.ok_or("the payload has no check_run")?;
    own(run.app, app_id)?;
    let pressed = payload.requested_action.and_then(|action| action.identifier);
    let what = match (payload.action.as_deref(), pressed.as_deref()) {
        (Some("rerequested"), _) => Rerequested::Check { external_id: text("check_run.external_id", run.external_id)? },
        (Some("requested_action"), Some(RERUN_FAILED)) => {
            Rerequested::Failed { external_id: text("check_run.external_id", run.external_id)? }
        }
        (Some("requested_action"), _) => return Err("the button is not one of ours".to_owned()),
        (action, _) => return Err(action_unused("check_run", action)),
    };
    let head = commit("check_run.head_sha", run.head_sha)?;
    Ok(Event::Rerequested(RerequestedEvent { repo, head, sender, what }))
}

fn check_suite(payload: Payload, app_id: u64) -> Result<Event, Reason> {
    let action = payload.action.as_deref();
    if action != Some("rerequested") {
        return Err(action_unused("check_suite", action));
    }
    let repo = repo(&payload)?;
    let sender = sender(&payload);
    let suite = payload.check_suite.ok_or("the payload has no check_suite")?;
    own(suite.app, app_id)?;
    let head = commit("check_suite.head_sha", suite.head_sha)?;
    Ok(Event::Rerequested(RerequestedEvent { repo, head, sender, what: Rerequested::All }))
}

/// Everybody sees everybody's checks; only our own are ours to run again.
fn own(app: Option<App>, app_id: u64) -> Result<(), Reason> {
    match app.and_then(|app| app.id) {
        Some(id) if id == app_id => Ok(()),
        Some(id) => Err(format!("the check belongs to another app, {id}")),
        None => Err("the check does not say which app it belongs to".to_owned()),
    }
}

fn action_unused(event: &str, action: Option<&str>) -> Reason {
    match action {
        Some(action) => format!("{event} events with the action {:?} are not used", cut(action.to_owned())),
        None => format!("the payload of a {event} event has no action"),
    }
}

fn repo(payload: &Payload) -> Result<RepoRef, Reason> {
    let repo = payload.repository.as_ref().ok_or("the payload names no repository")?;
    let path = text("repository.full_name", repo.full_name.clone())?;
    if !is_repo_path(&path) {
        return Err("repository.full_name is not of the form owner/name".to_owned());
    }
    Ok(RepoRef {
        forge: ForgeKind::Github,
        id: repo.id.ok_or("the payload has no repository.id")?,
        path,
        installation: payload.installation.as_ref().and_then(|installation| installation.id),
    })
}

/// It becomes a part of addresses, so it may hold nothing that has a meaning there.
fn is_repo_path(path: &str) -> bool {
    let plain = |part: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !matches!(part, "" | "." | "..") && part.chars().all(allowed)
    };
    path.split_once('/').is_some_and(|(owner, name)| plain(owner) && plain(name))
}

/// Who did it. Some payloads do not say, and checks are wanted all the same: the name is then the one that GitHub shows
/// for accounts that are gone, and the id is one that no account has, so that no permission goes with it.
fn sender(payload: &Payload) -> User {
    let Account { id, login } = payload
        .sender
        .as_ref()
        .map_or(Account { id: None, login: None }, |sender| Account { id: sender.id, login: sender.login.clone() });
    let login = login.filter(|login| !login.is_empty() && login.len() <= TEXT_BYTES_MAX);
    User { id: id.unwrap_or(0), login: login.unwrap_or_else(|| "ghost".to_owned()) }
}

fn commit(field: &str, sha: Option<String>) -> Result<CommitId, Reason> {
    push_commit(field, sha)?.ok_or_else(|| format!("{field} is no commit"))
}

fn text(field: &str, value: Option<String>) -> Result<String, Reason> {
    match value {
        Some(value) if value.is_empty() => Err(format!("{field} is empty")),
        Some(value) if value.len() > TEXT_BYTES_MAX => Err(format!("{field} is longer than {TEXT_BYTES_MAX} bytes")),
        Some(value) => Ok(value),
        None => Err(format!("the payload has no {field}")),
    }
}
