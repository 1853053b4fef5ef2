//! Emoji on notes, which are GitLab's reactions.

use super::notes::find;
use super::shapes::{Kind, LIST, NOTHING, Shape, must};
use super::{Answer, Call, Reply, Route, documented, page};
use crate::gitlab::world::{Emoji, World};

/// Some of those that there are; another name is refused, as GitLab refuses what is no emoji.
const NAMES: [&str; 12] = [
    "thumbsup",
    "thumbsdown",
    "eyes",
    "confused",
    "rocket",
    "tada",
    "heart",
    "smile",
    "warning",
    "white_check_mark",
    "x",
    "hourglass",
];

// The description has this operation. The documentation's own example gives the name in the query, which the description
// leaves out.
const AWARD: Shape = Shape { query: &[], body: &[must("name", Kind::Text)] };

pub(super) const ROUTES: &[Route] = &[
    documented("GET", "/projects/:id/merge_requests/:iid/notes/:note_id/award_emoji", LIST, list),
    documented("POST", "/projects/:id/merge_requests/:iid/notes/:note_id/award_emoji", AWARD, award),
    documented("DELETE", "/projects/:id/merge_requests/:iid/notes/:note_id/award_emoji/:award_id", NOTHING, revoke),
    documented("GET", "/projects/:id/issues/:issue_iid/notes/:note_id/award_emoji", LIST, list),
    documented("POST", "/projects/:id/issues/:issue_iid/notes/:note_id/award_emoji", AWARD, award),
    documented("DELETE", "/projects/:id/issues/:issue_iid/notes/:note_id/award_emoji/:award_id", NOTHING, revoke),
];

fn list(world: &mut World, call: &Call) -> Answer {
    let note = find(world, call)?.id;
    let there = world.emoji.iter().filter(|emoji| emoji.note == note);
    Ok(page(call, there.map(|emoji| world.emoji_answer(emoji)).collect()))
}

fn award(world: &mut World, call: &Call) -> Answer {
    let (note, user, name) = (find(world, call)?.id, call.author(), call.given("name").unwrap_or_default());
    if !NAMES.contains(&name.as_str()) {
        return Err(Reply::missing("Award Emoji Name is not a valid emoji name"));
    }
    if world.emoji.iter().any(|one| one.note == note && one.user == user && one.name == name) {
        return Err(Reply::missing("Award Emoji Name has already been taken"));
    }
    let (id, at) = (world.new_id(), world.now());
    world.emoji.push(Emoji { id, note, user, name, at });
    world.tell_emoji(id, "award");
    let made = world.emoji.last().expect("it was just made");
    Ok(Reply::json(201, world.emoji_answer(made)))
}

fn revoke(world: &mut World, call: &Call) -> Answer {
    let (note, id) = (find(world, call)?.id, call.number("award_id")?);
    let found = world.emoji.iter().find(|one| one.id == id && one.note == note).ok_or_else(|| Reply::missing("Award Emoji"))?;
    if found.user != call.author() {
        return Err(Reply::forbidden());
    }
    world.tell_emoji(id, "revoke");
    world.emoji.retain(|one| one.id != id);
    Ok(Reply::empty(204))
}
