//! Comments on the diff of a pull request, and reactions to them. A bot makes none, so they are only read.

use super::comments::{at, reacted, reactions_to, unreacted};
use super::{Call, Reply};
use crate::github::world::{Comment, Place, ReactionOn, World};

fn find<'w>(world: &'w World, call: &Call) -> Result<&'w Comment, Reply> {
    at(world, call, |place| matches!(place, Place::Diff(_)))
}

pub(super) fn list(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let (repo, number) = (call.repo(world), call.number("pull_number")?);
    repo.pulls.get(&number).ok_or_else(Reply::missing)?;
    let wanted = |c: &&Comment| c.repo == repo.id && c.number == number && c.place != Place::Conversation;
    let found: Vec<&Comment> = world.comments.iter().filter(wanted).collect();
    Ok(call.list(found, |comment| world.comment_json(comment)))
}

pub(super) fn get(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    Ok(Reply::json(200, world.comment_json(find(world, call)?)))
}

pub(super) fn reactions(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let on = find(world, call)?.id;
    Ok(reactions_to(world, call, on))
}

pub(super) fn react(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let on = ReactionOn::Comment(find(world, call)?.id);
    Ok(reacted(world, call, on))
}

pub(super) fn unreact(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let on = find(world, call)?.id;
    unreacted(world, call, on)
}
