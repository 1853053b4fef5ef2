//! What GitLab's payloads mean here.

use gatewright_core::event::{
    CommentEvent, CommentPlace, CommentRef, Event, IssueChange, IssueEvent, LABELS_MAX, LabelledEvent, PullChange, PullEvent,
    PushEvent, TagEvent, User,
};
use gatewright_core::{ForgeKind, RepoRef};
use serde::de::DeserializeOwned;

use super::payload::{
    Account, Changed, Changes, IssueHook, Label, MergeRequest, MergeRequestHook, Note, NoteHook, Outline, Project, PushHook,
};
use crate::headers::is_event_name;
use crate::lenient::{
    EDITED, Reason, action_unused, author, commanding, commit, cut, is_path_part, push_commit, pushed_branch, pushed_tag, read,
    sender, text, time, unused, utf8, written_at,
};
use crate::{NotJson, Parsed};

/// GitLab nests groups at most this deep, a project and its user or group at the ends included; a longer path is none.
const PATH_PARTS_MAX: usize = 22;

/// Why what happens to a confidential issue is not used.
const CONFIDENTIAL: &str = "confidential issues are not read";

/// What titles of drafts start with, in small letters.
const DRAFT_PREFIXES: [&str; 5] = ["draft:", "[draft]", "(draft)", "wip:", "[wip]"];

/// Reads a payload. Pure. Its own words say which event it is: system hooks have one header for all of them, and no
/// signature covers that. `header` is what is told of an event that has no words for itself.
pub fn parse(header: &str, body: &[u8]) -> Result<Parsed, NotJson> {
    let json = utf8(body)?;
    let outline = read::<Outline>(json)?.unwrap_or_default();
    let action = outline.object_attributes.and_then(|attributes| attributes.action).map(cut);
    let said = [outline.object_kind, outline.event_name, outline.event_type];
    let said = said.into_iter().flatten().find(|name| is_event_name(name, b""));
    let event = match said.as_deref() {
        Some("merge_request") => made(json, "merge_request", merge_request)?,
        Some("issue") => made(json, "issue", issue)?,
        Some("note") => made(json, "note", note)?,
        Some("push") => made(json, "push", push)?,
        Some("tag_push") => made(json, "tag_push", tag_push)?,
        Some(name) => unused(format!("{name} events are not used")),
        None => unused("the payload does not say which event it is".to_owned()),
    };
    let name = said.or_else(|| Some(header.to_owned()).filter(|name| !name.is_empty()));
    Ok(Parsed { name: name.unwrap_or_else(|| "unknown".to_owned()), action, event })
}

fn made<T: DeserializeOwned>(json: &str, name: &str, reader: fn(T) -> Result<Event, Reason>) -> Result<Event, NotJson> {
    Ok(match read::<T>(json)? {
        Some(payload) => reader(payload).unwrap_or_else(unused),
        None => unused(format!("the payload does not have the form of {name} events")),
    })
}

fn merge_request(payload: MergeRequestHook) -> Result<Event, Reason> {
    let merge = payload.object_attributes.ok_or("the payload has no object_attributes")?;
    let changes = payload.changes.unwrap_or_default();
    let added = changes.labels.as_ref().map(added).unwrap_or_default();
    let (change, labels) = match merge.action.as_deref() {
        Some("open") => (Some(PullChange::Opened), names(payload.labels.as_deref().unwrap_or_default())),
        Some("reopen") => (Some(PullChange::Opened), Vec::new()),
        Some("update") => match update(&merge, changes) {
            Ok(change) => (Some(change), Vec::new()),
            Err(_) if !added.is_empty() => (None, added),
            Err(reason) => return Err(reason),
        },
        Some("close" | "merge") => (Some(PullChange::Closed), Vec::new()),
        action => return Err(action_unused("merge_request", action)),
    };
    let repo = target(merge.target_project_id, merge.target, payload.project)?;
    let number = merge.iid.ok_or("the payload has no object_attributes.iid")?;
    let head = commit("object_attributes.last_commit.id", merge.last_commit.and_then(|commit| commit.id))?;
    let base_ref = text("object_attributes.target_branch", merge.target_branch)?;
    let sender = user(payload.user);
    let at = merge.updated_at.as_deref().and_then(time);
    Ok(match change {
        Some(change) => Event::Pull(PullEvent { repo, number, head, base_ref, sender, change, changed_at: at, labels }),
        None => Event::Labelled(LabelledEvent { repo, number, head, base_ref, sender, labels, at }),
    })
}

/// The labels that were not there before.
fn added(labels: &Changed<Vec<Label>>) -> Vec<String> {
    let before = labels.previous.as_deref().unwrap_or_default();
    let is_new = |label: &&Label| !before.iter().any(|other| other.title == label.title);
    let now = labels.current.as_deref().unwrap_or_default();
    names(now.iter().filter(is_new))
}

fn names<'a>(labels: impl IntoIterator<Item = &'a Label>) -> Vec<String> {
    let name = |label: &Label| text("label", label.title.clone()).ok();
    labels.into_iter().filter_map(name).take(LABELS_MAX).collect()
}

fn issue(payload: IssueHook) -> Result<Event, Reason> {
    let issue = payload.object_attributes.ok_or("the payload has no object_attributes")?;
    // What comes of it is shown to everybody who sees the project.
    if issue.confidential == Some(true) || payload.event_type.as_deref() == Some("confidential_issue") {
        return Err(CONFIDENTIAL.to_owned());
    }
    let added = payload.changes.unwrap_or_default().labels.as_ref().map(added).unwrap_or_default();
    let change = match issue.action.as_deref() {
        Some("open") => IssueChange::Opened { labels: names(payload.labels.as_deref().unwrap_or_default()) },
        Some("update") if !added.is_empty() => IssueChange::Labelled { labels: added },
        Some("update") => return Err("the update brings no label".to_owned()),
        action => return Err(action_unused("issue", action)),
    };
    Ok(Event::Issue(IssueEvent {
        repo: home(issue.project_id, payload.project)?,
        number: issue.iid.ok_or("the payload has no object_attributes.iid")?,
        sender: user(payload.user),
        change,
        at: issue.updated_at.as_deref().and_then(time),
    }))
}

/// What an update means: GitLab sends one for every label and every word of the description too.
fn update(merge: &MergeRequest, changes: Changes) -> Result<PullChange, Reason> {
    if merge.oldrev.is_some() || changes.target_branch.is_some() {
        return Ok(PullChange::Updated);
    }
    let draft = changes.draft.or(changes.work_in_progress);
    let ready = match (draft, changes.title) {
        (Some(draft), _) => draft.previous == Some(true) && draft.current == Some(false),
        // Some versions say it by the title alone.
        (None, Some(Changed { previous: Some(before), current: Some(now) })) => is_draft(&before) && !is_draft(&now),
        (None, _) => false,
    };
    if ready { Ok(PullChange::Opened) } else { Err("the update brings neither commits nor another target branch".to_owned()) }
}

fn is_draft(title: &str) -> bool {
    let title = title.trim_start();
    let starts = |prefix: &str| title.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    DRAFT_PREFIXES.iter().any(|prefix| starts(prefix))
}

fn note(payload: NoteHook) -> Result<Event, Reason> {
    let note = payload.object_attributes.ok_or("the payload has no object_attributes")?;
    let place = match note.noteable_type.as_deref() {
        Some("MergeRequest") => CommentPlace::Conversation,
        Some("Issue") => CommentPlace::Issue,
        Some(_) | None => return Err("comments on anything but a merge request or an issue are not used".to_owned()),
    };
    if note.system == Some(true) {
        return Err("the comment is GitLab's own".to_owned());
    }
    // What comes of a command is shown to everybody who sees the merge request.
    if note.internal == Some(true) || payload.event_type.as_deref() == Some("confidential_note") {
        return Err("internal comments are not read".to_owned());
    }
    is_new(&note)?;
    let Account { id: user_id, username } = payload.user.unwrap_or_default();
    let by = author(user_id.or(note.author_id), username.as_deref())?;
    let written_at = written_at("object_attributes.created_at", note.created_at.as_deref())?;
    let body = commanding(note.note)?;
    let id = note.id.ok_or("the payload has no object_attributes.id")?;
    let (repo, number, head) = match place {
        CommentPlace::Conversation | CommentPlace::Diff => {
            let merge = payload.merge_request.ok_or("the payload has no merge_request")?;
            let number = merge.iid.ok_or("the payload has no merge_request.iid")?;
            let head = merge.last_commit.and_then(|head| commit("merge_request.last_commit.id", head.id).ok());
            (target(merge.target_project_id, merge.target, payload.project)?, number, head)
        }
        CommentPlace::Issue => {
            let issue = payload.issue.ok_or("the payload has no issue")?;
            if issue.confidential == Some(true) {
                return Err(CONFIDENTIAL.to_owned());
            }
            let number = issue.iid.ok_or("the payload has no issue.iid")?;
            (home(issue.project_id, payload.project)?, number, None)
        }
    };
    let comment = CommentRef { number, id, place };
    Ok(Event::Comment(Box::new(CommentEvent { repo, comment, by, written_at, head, body })))
}

/// Versions between 16.2 and 16.10 send edits too, without saying so: only the times tell.
fn is_new(note: &Note) -> Result<(), Reason> {
    let at = |text: Option<&str>| text.and_then(time);
    let untouched = match (at(note.created_at.as_deref()), at(note.updated_at.as_deref())) {
        (Some(created), Some(updated)) => Some(created == updated),
        (Some(_) | None, None) | (None, Some(_)) => None,
    };
    match (note.action.as_deref(), untouched) {
        (Some("create"), None | Some(true)) | (None, Some(true)) => Ok(()),
        (Some("create" | "update"), _) | (None, Some(false)) => Err(EDITED.to_owned()),
        (None, None) => Err("the payload does not say whether the comment is new".to_owned()),
        (action @ Some(_), _) => Err(action_unused("note", action)),
    }
}

fn push(payload: PushHook) -> Result<Event, Reason> {
    let branch = pushed_branch(payload.git_ref)?;
    let after = push_commit("after", payload.after)?.ok_or("the branch was deleted")?;
    let before = push_commit("before", payload.before)?;
    let (repo, default_branch) = pushed_to(payload.project, payload.project_id)?;
    let sender = sender(payload.user_id, payload.user_username.or(payload.user_name).as_deref());
    Ok(Event::Push(PushEvent { repo, branch, before, after, default_branch, sender }))
}

/// A tag's push. `after` is the tag object of an annotated tag, and `checkout_sha` its commit.
fn tag_push(payload: PushHook) -> Result<Event, Reason> {
    let tag = pushed_tag(payload.git_ref.as_deref())?.ok_or("the ref is no tag")?;
    let after = push_commit("after", payload.after)?;
    let before = push_commit("before", payload.before)?;
    let named = commit("checkout_sha", payload.checkout_sha).ok();
    let (repo, default_branch) = pushed_to(payload.project, payload.project_id)?;
    let sender = sender(payload.user_id, payload.user_username.or(payload.user_name).as_deref());
    Ok(Event::Tag(TagEvent { repo, tag, commit: after.map(|after| named.unwrap_or(after)), before, default_branch, sender }))
}

/// The project of a push, and its default branch.
fn pushed_to(project: Option<Project>, project_id: Option<u64>) -> Result<(RepoRef, String), Reason> {
    let project = project.ok_or("the payload has no project")?;
    let id = project.id.or(project_id).ok_or("the payload has no project.id")?;
    let repo = repo(id, project.path_with_namespace)?;
    Ok((repo, text("project.default_branch", project.default_branch)?))
}

fn user(user: Option<Account>) -> User {
    let Account { id, username } = user.unwrap_or_default();
    sender(id, username.as_deref())
}

/// The project that a merge request is to. `project` is that as well, but where both are named and differ, the merge
/// request knows better.
fn target(id: Option<u64>, target: Option<Project>, project: Option<Project>) -> Result<RepoRef, Reason> {
    let project_id = project.as_ref().and_then(|project| project.id);
    let id = id.or(project_id).ok_or("the payload has no target_project_id")?;
    let project_path =
        project.filter(|_| project_id.is_none_or(|other| other == id)).and_then(|project| project.path_with_namespace);
    repo(id, target.and_then(|target| target.path_with_namespace).or(project_path))
}

/// The project of an issue.
fn home(id: Option<u64>, project: Option<Project>) -> Result<RepoRef, Reason> {
    let known = project.as_ref().and_then(|project| project.id);
    let id = known.or(id).ok_or("the payload has no project.id")?;
    repo(id, project.and_then(|project| project.path_with_namespace))
}

fn repo(id: u64, path: Option<String>) -> Result<RepoRef, Reason> {
    let path = text("path_with_namespace", path)?;
    let parts = path.split('/').count();
    if !(2..=PATH_PARTS_MAX).contains(&parts) || !path.split('/').all(is_path_part) {
        return Err("path_with_namespace is not of the form group/project".to_owned());
    }
    Ok(RepoRef { forge: ForgeKind::Gitlab, id, path, installation: None })
}
