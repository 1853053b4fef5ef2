//! Notes on merge requests and issues.

use super::quick_actions::said;
use super::shapes::{Kind, NOTHING, Shape, may, must};
use super::{Answer, Call, Reply, Route, documented, page};
use crate::gitlab::world::{MAINTAINER, Note, NoteKind, REPORTER, World};

/// GitLab's limit, in characters.
const BODY_CHARS_MAX: usize = 1_000_000;

const LIST: Shape = Shape {
    query: &[
        may("sort", Kind::Word(&["asc", "desc"])),
        may("order_by", Kind::Word(&["created_at", "updated_at"])),
        may("activity_filter", Kind::Word(&["all_notes", "only_comments", "only_activity"])),
        may("page", Kind::Number),
        may("per_page", Kind::Number),
    ],
    body: &[],
};

const MAKE: Shape = Shape {
    query: &[],
    body: &[
        must("body", Kind::Text),
        may("created_at", Kind::Time),
        may("internal", Kind::Flag),
        may("merge_request_diff_head_sha", Kind::Text),
    ],
};

const CHANGE: Shape = Shape { query: &[], body: &[must("body", Kind::Text)] };

pub(super) const ROUTES: &[Route] = &[
    documented("GET", "/projects/:id/merge_requests/:iid/notes", LIST, list),
    documented("POST", "/projects/:id/merge_requests/:iid/notes", MAKE, make),
    documented("GET", "/projects/:id/merge_requests/:iid/notes/:note_id", NOTHING, one),
    documented("PUT", "/projects/:id/merge_requests/:iid/notes/:note_id", CHANGE, change),
    documented("DELETE", "/projects/:id/merge_requests/:iid/notes/:note_id", NOTHING, remove),
    documented("GET", "/projects/:id/issues/:issue_iid/notes", LIST, list),
    documented("POST", "/projects/:id/issues/:issue_iid/notes", MAKE, make),
    documented("GET", "/projects/:id/issues/:issue_iid/notes/:note_id", NOTHING, one),
    documented("PUT", "/projects/:id/issues/:issue_iid/notes/:note_id", CHANGE, change),
    documented("DELETE", "/projects/:id/issues/:issue_iid/notes/:note_id", NOTHING, remove),
];

/// What a note says, within GitLab's limits.
pub(super) fn body(call: &Call) -> Result<String, Reply> {
    let body = call.given("body").unwrap_or_default();
    if body.trim().is_empty() {
        return Err(Reply::message(400, "400 Bad request - Note {:note=>[\"can't be blank\"]}"));
    }
    if body.chars().count() > BODY_CHARS_MAX {
        return Err(Reply::message(400, "400 Bad request - Note {:note=>[\"is too long (maximum is 1000000 characters)\"]}"));
    }
    Ok(body)
}

/// The note of the path, on what the path names.
pub(super) fn find<'a>(world: &'a World, call: &Call) -> Result<&'a Note, Reply> {
    let ((project, iid, on), id) = (call.noteable(world)?, call.number("note_id")?);
    let found = world.notes_about(project, iid, on, call.user()).find(|note| note.id == id);
    found.ok_or_else(|| Reply::missing("Note"))
}

/// The same, where the caller may change it: its author, or a Maintainer.
pub(super) fn find_own(world: &World, call: &Call) -> Result<u64, Reply> {
    let note = find(world, call)?;
    let may = note.author == call.author() || world.level(note.project, call.author()) >= MAINTAINER;
    if may { Ok(note.id) } else { Err(Reply::forbidden()) }
}

fn list(world: &mut World, call: &Call) -> Answer {
    let (project, iid, on) = call.noteable(world)?;
    let wanted = call.query("activity_filter").unwrap_or("all_notes");
    let listed = |kind| wanted == "all_notes" || (kind == NoteKind::System) == (wanted == "only_activity");
    let mut notes: Vec<&Note> = world.notes_about(project, iid, on, call.user()).filter(|note| listed(note.kind)).collect();
    if call.query("order_by") == Some("updated_at") {
        notes.sort_by_key(|note| note.updated_at);
    }
    if call.query("sort") != Some("asc") {
        notes.reverse();
    }
    Ok(page(call, notes.into_iter().map(|note| world.note_answer(note)).collect()))
}

fn make(world: &mut World, call: &Call) -> Answer {
    let (project, iid, on) = call.noteable(world)?;
    let body = said(world, call)?;
    let internal = call.given("internal").as_deref() == Some("true");
    if internal && world.level(project, call.author()) < REPORTER {
        return Err(Reply::forbidden());
    }
    let kind = if internal { NoteKind::Internal } else { NoteKind::Comment };
    let id = world.add_note_on(project, iid, on, call.author(), &body, kind);
    Ok(Reply::json(201, world.note_answer(world.note(id).expect("it was just made"))))
}

fn one(world: &mut World, call: &Call) -> Answer {
    Ok(Reply::json(200, world.note_answer(find(world, call)?)))
}

fn change(world: &mut World, call: &Call) -> Answer {
    let (id, body) = (find_own(world, call)?, said(world, call)?);
    world.edit_note(id, &body);
    Ok(Reply::json(200, world.note_answer(world.note(id).expect("it was just changed"))))
}

fn remove(world: &mut World, call: &Call) -> Answer {
    let id = find_own(world, call)?;
    world.delete_note(id);
    Ok(Reply::empty(204))
}
