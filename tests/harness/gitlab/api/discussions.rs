//! Threads on merge requests, which the API calls discussions, and their places in the diff.

use serde_json::{Value, json};

use super::quick_actions::said;
use super::shapes::{Kind, LIST, NOTHING, Shape, may, must};
use super::{Answer, Call, Reply, Route, documented, notes, page};
use crate::gitlab::world::{DEVELOPER, DiffRefs, MergeRequest, Note, Thread, World};

const MAKE: Shape = Shape {
    query: &[],
    body: &[must("body", Kind::Text), may("commit_id", Kind::Text), may("created_at", Kind::Time), may("position", Kind::Object)],
};

const REPLY: Shape = Shape { query: &[], body: &[must("body", Kind::Text), may("created_at", Kind::Time)] };
const RESOLVE: Shape = Shape { query: &[], body: &[must("resolved", Kind::Flag)] };
const CHANGE: Shape = Shape { query: &[], body: &[may("body", Kind::Text), may("resolved", Kind::Flag)] };

pub(super) const ROUTES: &[Route] = &[
    documented("GET", "/projects/:id/merge_requests/:iid/discussions", LIST, list),
    documented("POST", "/projects/:id/merge_requests/:iid/discussions", MAKE, make),
    documented("GET", "/projects/:id/merge_requests/:iid/discussions/:discussion_id", NOTHING, one),
    documented("PUT", "/projects/:id/merge_requests/:iid/discussions/:discussion_id", RESOLVE, resolve),
    documented("POST", "/projects/:id/merge_requests/:iid/discussions/:discussion_id/notes", REPLY, reply),
    documented("PUT", "/projects/:id/merge_requests/:iid/discussions/:discussion_id/notes/:note_id", CHANGE, change),
    documented("DELETE", "/projects/:id/merge_requests/:iid/discussions/:discussion_id/notes/:note_id", NOTHING, remove),
];

/// The id of the discussion that a note is in; one that stands alone is in one of its own.
fn discussion_of(note: &Note) -> String {
    note.thread.as_ref().map_or_else(|| format!("{:040x}", note.id), |thread| thread.id.clone())
}

fn discussion(world: &World, call: &Call, mr: &MergeRequest, id: &str) -> Option<Value> {
    let notes: Vec<&Note> = world.notes_on(mr, call.user()).filter(|note| discussion_of(note) == id).collect();
    let first = notes.first()?;
    let answers: Vec<Value> = notes.iter().map(|note| world.note_answer(note)).collect();
    Some(json!({ "id": id, "individual_note": first.thread.is_none(), "notes": answers }))
}

fn list(world: &mut World, call: &Call) -> Answer {
    let mr = call.request(world)?;
    let mut ids: Vec<String> = Vec::new();
    for note in world.notes_on(mr, call.user()) {
        let id = discussion_of(note);
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(page(call, ids.iter().filter_map(|id| discussion(world, call, mr, id)).collect()))
}

fn answer(world: &World, call: &Call, status: u16, id: &str) -> Answer {
    let found = discussion(world, call, call.request(world)?, id).ok_or_else(|| Reply::missing("Discussion"))?;
    Ok(Reply::json(status, found))
}

fn one(world: &mut World, call: &Call) -> Answer {
    answer(world, call, 200, call.param("discussion_id"))
}

fn make(world: &mut World, call: &Call) -> Answer {
    let mr = call.request(world)?;
    let position = Some(&call.body["position"]).filter(|position| !position.is_null());
    let position = position.map(|position| placed(world, mr, position)).transpose()?;
    let (project, iid) = (mr.project, mr.iid);
    let body = said(world, call)?;
    let note = world.add_thread(project, iid, call.author(), &body, position);
    let id = discussion_of(world.note(note).expect("it was just made"));
    answer(world, call, 201, &id)
}

/// A position as GitLab keeps it, where it is one: of a version of this merge request's diff, at a line that the diff shows.
fn placed(world: &World, mr: &MergeRequest, position: &Value) -> Result<Value, Reply> {
    const FIELDS: [&str; 9] =
        ["position_type", "base_sha", "start_sha", "head_sha", "new_path", "old_path", "new_line", "old_line", "line_range"];
    let fields = position.as_object().expect("the shape says that it is an object");
    if let Some(unknown) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(Reply::error(400, &format!("position[{unknown}] is unknown")));
    }
    let text = |name: &str| position[name].as_str().unwrap_or_default();
    for name in ["base_sha", "start_sha", "head_sha", "position_type"] {
        if text(name).is_empty() {
            return Err(Reply::error(400, &format!("position[{name}] is missing")));
        }
    }
    let named = DiffRefs { base: text("base_sha").into(), start: text("start_sha").into(), head: text("head_sha").into() };
    if !mr.versions.contains(&named) {
        return Err(invalid(":position=>[\"is incomplete\"]"));
    }
    let files = world.project(mr.project).git.diff(Some(text("base_sha")), text("head_sha"));
    let file = files.iter().find(|file| {
        let old = file.previous.as_ref().unwrap_or(&file.path);
        file.path == text("new_path") && (position["old_path"].is_null() || old == text("old_path"))
    });
    let wanted = (position["old_line"].as_u64(), position["new_line"].as_u64());
    let shown = file.and_then(|file| file.patch.as_deref()).map(lines).unwrap_or_default();
    if text("position_type") == "text" && !shown.contains(&wanted) {
        return Err(invalid(":line_code=>[\"can't be blank\", \"must be a valid line code\"]"));
    }
    Ok(position.clone())
}

fn invalid(what: &str) -> Reply {
    Reply::message(400, &format!("400 Bad request - Note {{{what}}}"))
}

/// The lines that a patch shows, each by its old and its new number; an added line has no old one, a removed one no new.
fn lines(patch: &str) -> Vec<(Option<u64>, Option<u64>)> {
    let (mut old, mut new, mut found) = (0, 0, Vec::new());
    for line in patch.lines() {
        match line.as_bytes().first() {
            Some(b'@') => {
                let start = |sign: char| {
                    let range = line.split(' ').find_map(|word| word.strip_prefix(sign))?;
                    range.split(',').next()?.parse::<u64>().ok()
                };
                (old, new) = (start('-').unwrap_or(0), start('+').unwrap_or(0));
            }
            Some(b'+') => {
                found.push((None, Some(new)));
                new += 1;
            }
            Some(b'-') => {
                found.push((Some(old), None));
                old += 1;
            }
            Some(b'\\') => {}
            Some(_) | None => {
                found.push((Some(old), Some(new)));
                (old, new) = (old + 1, new + 1);
            }
        }
    }
    found
}

fn flag(call: &Call, name: &str) -> Option<bool> {
    call.given(name).map(|value| value == "true")
}

/// The first note of the discussion in the path, which says by whom and whether it is resolved.
fn first<'a>(world: &'a World, call: &Call) -> Result<&'a Note, Reply> {
    let (mr, id) = (call.request(world)?, call.param("discussion_id"));
    world.notes_on(mr, call.user()).find(|note| discussion_of(note) == id).ok_or_else(|| Reply::missing("Discussion"))
}

fn resolve(world: &mut World, call: &Call) -> Answer {
    set_resolved(world, call, flag(call, "resolved") == Some(true))?;
    answer(world, call, 200, call.param("discussion_id"))
}

/// Developers and the merge request's author may resolve a thread; whoever began it may not for that.
fn set_resolved(world: &mut World, call: &Call, resolved: bool) -> Result<(), Reply> {
    let (note, mr, user) = (first(world, call)?, call.request(world)?, call.author());
    let may = mr.author == user || world.level(note.project, user) >= DEVELOPER;
    if !may || note.thread.is_none() {
        return Err(Reply::forbidden());
    }
    let id = call.param("discussion_id");
    for thread in world.notes.iter_mut().filter_map(|note| note.thread.as_mut()).filter(|thread| thread.id == id) {
        thread.resolved_by = resolved.then_some(user);
    }
    Ok(())
}

/// A note that stood alone begins a thread by it.
fn reply(world: &mut World, call: &Call) -> Answer {
    let note = first(world, call)?;
    let (project, iid, first) = (note.project, note.iid, note.id);
    let body = said(world, call)?;
    let thread = || Thread { id: call.param("discussion_id").to_owned(), position: None, resolved_by: None };
    world.note_mut(first).thread.get_or_insert_with(thread);
    let id = world.add_reply(project, iid, call.author(), &body, call.param("discussion_id"));
    Ok(Reply::json(201, world.note_answer(world.note(id).expect("it was just made"))))
}

/// The note of the path, which has to be in the discussion of the path.
fn own_in_discussion(world: &World, call: &Call) -> Result<u64, Reply> {
    let note = notes::find(world, call)?;
    if discussion_of(note) != call.param("discussion_id") {
        return Err(Reply::missing("Note"));
    }
    notes::find_own(world, call)
}

fn change(world: &mut World, call: &Call) -> Answer {
    let id = match (call.given("body"), flag(call, "resolved")) {
        (Some(_), None) => {
            let (id, body) = (own_in_discussion(world, call)?, said(world, call)?);
            world.edit_note(id, &body);
            id
        }
        (None, Some(resolved)) => {
            let id = notes::find(world, call)?.id;
            set_resolved(world, call, resolved)?;
            id
        }
        (Some(_), Some(_)) => return Err(Reply::error(400, "body, resolved are mutually exclusive")),
        (None, None) => return Err(Reply::error(400, "body, resolved are missing, exactly one parameter must be provided")),
    };
    Ok(Reply::json(200, world.note_answer(world.note(id).expect("it is there"))))
}

fn remove(world: &mut World, call: &Call) -> Answer {
    let id = own_in_discussion(world, call)?;
    world.delete_note(id);
    Ok(Reply::empty(204))
}
