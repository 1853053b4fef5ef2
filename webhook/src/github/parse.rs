//! What GitHub's payloads mean here.

use gatewright_core::event::{
    ButtonEvent, CommentEvent, CommentPlace, CommentRef, Event, IssueChange, IssueEvent, LabelledEvent, MergeGroupEvent,
    PULLS_OF_CHECK_MAX, ProtectionRuleEvent, PullChange, PullEvent, PullOfCheck, PushEvent, Rerequested, RerequestedEvent,
    TagEvent, User,
};
use gatewright_core::report::{EXPLAIN, RERUN_FAILED, SKIP};
use gatewright_core::{ForgeKind, RepoRef};

use super::payload::{App, Comment, OnlyAction, Payload, PullRequest};
use crate::lenient::{
    BRANCH_PREFIX, EDITED, Reason, action_unused, author, commanding, commit, cut, is_path_part, push_commit, pushed_branch,
    pushed_tag, read, text, time, unused, utf8, written_at,
};
use crate::{NotJson, Parsed, lenient};

/// Branches that a merge queue makes for itself, one a group.
const QUEUE_PREFIX: &str = "gh-readonly-queue/";

/// The buttons that we put on checks.
const BUTTONS: [&str; 3] = [RERUN_FAILED, SKIP, EXPLAIN];

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
    let json = utf8(json)?;
    let name = event_name.to_owned();
    let Some(reader) = reader(event_name) else {
        let action = read::<OnlyAction>(json)?.and_then(|p| p.action).map(cut);
        return Ok(Parsed { name, action, event: unused(format!("{event_name} events are not used")) });
    };
    let Some(payload) = read::<Payload>(json)? else {
        let action = read::<OnlyAction>(json)?.and_then(|p| p.action).map(cut);
        return Ok(Parsed { name, action, event: unused(format!("the payload does not have the form of {event_name} events")) });
    };
    let action = payload.action.clone().map(cut);
    let event = reader(payload, app_id).unwrap_or_else(unused);
    Ok(Parsed { name, action, event })
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
        "issue_comment" => Some(issue_comment),
        "issues" => Some(issue),
        "pull_request_review_comment" => Some(review_comment),
        "deployment_protection_rule" => Some(protection_rule),
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
        Some("labeled") => return labelled(payload),
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
        changed_at: pull.updated_at.as_deref().and_then(time),
        labels: Vec::new(),
    }))
}

fn labelled(payload: Payload) -> Result<Event, Reason> {
    let repo = repo(&payload)?;
    let sender = sender(&payload);
    let pull = payload.pull_request.ok_or("the payload has no pull_request")?;
    let base = pull.base.ok_or("the payload has no pull_request.base")?;
    Ok(Event::Labelled(LabelledEvent {
        repo,
        number: payload.number.or(pull.number).ok_or("the payload has no number")?,
        head: commit("pull_request.head.sha", pull.head.and_then(|head| head.sha))?,
        base_ref: text("pull_request.base.ref", base.git_ref)?,
        sender,
        labels: vec![text("label.name", payload.label.and_then(|label| label.name))?],
        at: pull.updated_at.as_deref().and_then(time),
    }))
}

fn issue(payload: Payload, _: u64) -> Result<Event, Reason> {
    let repo = repo(&payload)?;
    let sender = sender(&payload);
    let issue = payload.issue.ok_or("the payload has no issue")?;
    let change = match payload.action.as_deref() {
        Some("opened") => IssueChange::Opened { labels: Vec::new() },
        Some("labeled") => {
            IssueChange::Labelled { labels: vec![text("label.name", payload.label.and_then(|label| label.name))?] }
        }
        action => return Err(action_unused("issues", action)),
    };
    let number = issue.number.ok_or("the payload has no issue.number")?;
    Ok(Event::Issue(IssueEvent { repo, number, sender, change, at: issue.updated_at.as_deref().and_then(time) }))
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
    if let Some(tag) = pushed_tag(payload.git_ref.as_deref())? {
        return pushed(tag, payload);
    }
    let branch = pushed_branch(payload.git_ref.clone())?;
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
    Ok(Event::Push(PushEvent { repo, branch, before, after, default_branch, sender }))
}

/// A tag's push. `after` is the tag object of an annotated tag; its commit is the one that the push brings to the front.
fn pushed(tag: String, payload: Payload) -> Result<Event, Reason> {
    let after = push_commit("after", payload.after.clone())?.filter(|_| payload.deleted != Some(true));
    let before = push_commit("before", payload.before.clone())?.filter(|_| payload.created != Some(true));
    let repo = repo(&payload)?;
    let sender = sender(&payload);
    let named = payload.head_commit.and_then(|head| commit("head_commit.id", head.id).ok());
    let commit = after.map(|after| named.unwrap_or(after));
    let default_branch = text("repository.default_branch", payload.repository.and_then(|repo| repo.default_branch))?;
    Ok(Event::Tag(TagEvent { repo, tag, commit, before, default_branch, sender }))
}

fn protection_rule(payload: Payload, _: u64) -> Result<Event, Reason> {
    if payload.action.as_deref() != Some("requested") {
        return Err(action_unused("deployment_protection_rule", payload.action.as_deref()));
    }
    let repo = repo(&payload)?;
    let sender = sender(&payload);
    let url = text("deployment_callback_url", payload.deployment_callback_url)?;
    let deployment = payload.deployment;
    let (sha, deployed_ref) = deployment.map_or((None, None), |deployment| (deployment.sha, deployment.git_ref));
    Ok(Event::ProtectionRule(Box::new(ProtectionRuleEvent {
        repo,
        environment: text("environment", payload.environment)?,
        workflow_run: workflow_run(&url).ok_or("deployment_callback_url names no workflow run")?,
        head: commit("deployment.sha", sha).ok(),
        deployed_ref: text("deployment.ref", deployed_ref).ok(),
        sender,
    })))
}

/// The number in `.../actions/runs/NUMBER/deployment_protection_rule`. The rest of the address is not used: where the API is,
/// the server's own configuration says.
fn workflow_run(url: &str) -> Option<u64> {
    let mut parts = url.rsplit('/');
    let (last, run, runs, actions) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let known = (last, runs, actions) == ("deployment_protection_rule", "runs", "actions");
    run.parse().ok().filter(|_| known)
}

fn check_run(payload: Payload, app_id: u64) -> Result<Event, Reason> {
    let repo = repo(&payload)?;
    let sender = sender(&payload);
    let run = payload.check_run.ok_or("the payload has no check_run")?;
    own(run.app, app_id)?;
    let head = commit("check_run.head_sha", run.head_sha)?;
    let external_id = text("check_run.external_id", run.external_id)?;
    let pulls = pulls(run.pull_requests);
    let pressed = payload.requested_action.and_then(|action| action.identifier);
    match (payload.action.as_deref(), pressed) {
        (Some("rerequested"), _) => {
            Ok(Event::Rerequested(RerequestedEvent { repo, head, pulls, sender, what: Rerequested::Check { external_id } }))
        }
        (Some("requested_action"), Some(button)) if BUTTONS.contains(&button.as_str()) => {
            Ok(Event::Button(ButtonEvent { repo, head, by: sender, external_id, button }))
        }
        (Some("requested_action"), _) => Err("the button is not one of ours".to_owned()),
        (action, _) => Err(action_unused("check_run", action)),
    }
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
    let pulls = pulls(suite.pull_requests);
    Ok(Event::Rerequested(RerequestedEvent { repo, head, pulls, sender, what: Rerequested::All }))
}

/// The pull requests that a check is said to be about, the first ones. GitHub names none of forks.
fn pulls(pulls: Option<Vec<PullRequest>>) -> Vec<PullOfCheck> {
    let named = |pull: PullRequest| Some(PullOfCheck { number: pull.number?, base_ref: pull.base?.git_ref? });
    pulls.unwrap_or_default().into_iter().filter_map(named).take(PULLS_OF_CHECK_MAX).collect()
}

/// Everybody sees everybody's checks; only our own are ours to run again.
fn own(app: Option<App>, app_id: u64) -> Result<(), Reason> {
    match app.and_then(|app| app.id) {
        Some(id) if id == app_id => Ok(()),
        Some(id) => Err(format!("the check belongs to another app, {id}")),
        None => Err("the check does not say which app it belongs to".to_owned()),
    }
}

fn issue_comment(payload: Payload, _: u64) -> Result<Event, Reason> {
    created("issue_comment", payload.action.as_deref())?;
    let issue = payload.issue.as_ref().ok_or("the payload has no issue")?;
    let place = if issue.pull_request.is_some() { CommentPlace::Conversation } else { CommentPlace::Issue };
    let number = issue.number.ok_or("the payload has no issue.number")?;
    comment(payload, number, place)
}

fn review_comment(payload: Payload, _: u64) -> Result<Event, Reason> {
    created("pull_request_review_comment", payload.action.as_deref())?;
    let pull = payload.pull_request.as_ref().ok_or("the payload has no pull_request")?;
    let number = pull.number.ok_or("the payload has no pull_request.number")?;
    comment(payload, number, CommentPlace::Diff)
}

fn created(event: &str, action: Option<&str>) -> Result<(), Reason> {
    match action {
        Some("created") => Ok(()),
        Some("edited") => Err(EDITED.to_owned()),
        action => Err(action_unused(event, action)),
    }
}

fn comment(payload: Payload, number: u64, place: CommentPlace) -> Result<Event, Reason> {
    let repo = repo(&payload)?;
    let head = payload.pull_request.and_then(|pull| commit("pull_request.head.sha", pull.head?.sha).ok());
    let Comment { id, body, user, created_at, performed_via_github_app } = payload.comment.ok_or("the payload has no comment")?;
    let user = user.ok_or("the payload does not say who wrote the comment")?;
    // What a program writes may quote anybody, ourselves too, who would then answer ourselves for ever.
    if user.kind.as_deref() == Some("Bot") || performed_via_github_app.is_some() {
        return Err("comments of bots are not read".to_owned());
    }
    let by = author(user.id, user.login.as_deref())?;
    let body = commanding(body)?;
    let comment = CommentRef { number, id: id.ok_or("the payload has no comment.id")?, place };
    let written_at = written_at("comment.created_at", created_at.as_deref())?;
    Ok(Event::Comment(Box::new(CommentEvent { repo, comment, by, written_at, head, body })))
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

fn is_repo_path(path: &str) -> bool {
    path.split_once('/').is_some_and(|(owner, name)| is_path_part(owner) && is_path_part(name))
}

fn sender(payload: &Payload) -> User {
    let sender = payload.sender.as_ref();
    lenient::sender(sender.and_then(|sender| sender.id), sender.and_then(|sender| sender.login.as_deref()))
}
