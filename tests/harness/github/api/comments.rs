//! Comments on pull requests and issues, and reactions.

use super::{Access, Call, Reply, actor, is_bot};
use crate::github::auth::{self, Caller};
use crate::github::world::{Comment, Place, Reaction, ReactionOn, Via, World};

/// A comment may be so long, in characters.
const BODY_CHARS_MAX: usize = 65_536;

/// The issue or pull request that the path names, where the caller may do so much there.
pub(super) fn thread(world: &World, call: &Call, access: Access) -> Result<(u64, u64), Reply> {
    let (repo, number) = (call.repo(world).id, call.number("issue_number")?);
    if !world.has_thread(repo, number) {
        return Err(Reply::missing());
    }
    permitted(world, call, number, access)?;
    Ok((repo, number))
}

/// The documentation names `issues` for both, but on a pull request GitHub asks for `pull_requests` (github/rest-api-description
/// issue 6994).
fn permitted(world: &World, call: &Call, number: u64, access: Access) -> Result<(), Reply> {
    let repo = call.repo(world);
    let permission = if world.is_issue(repo.id, number) { "issues" } else { "pull_requests" };
    let open = !repo.private && access == Access::Read;
    let refused = matches!(&call.caller, Caller::Token(token) if !open && !auth::permits(token, permission, access));
    if refused { Err(Reply::forbidden()) } else { Ok(()) }
}

fn find<'w>(world: &'w World, call: &Call, access: Access) -> Result<&'w Comment, Reply> {
    let comment = at(world, call, |place| *place == Place::Conversation)?;
    permitted(world, call, comment.number, access)?;
    Ok(comment)
}

/// The comment that the path names, where it is at such a place.
pub(super) fn at<'w>(world: &'w World, call: &Call, wanted: impl Fn(&Place) -> bool) -> Result<&'w Comment, Reply> {
    let (id, repo) = (call.number("comment_id")?, call.repo(world).id);
    world.comment(id).filter(|c| c.repo == repo && wanted(&c.place)).ok_or_else(Reply::missing)
}

/// The body's text, where it is one that GitHub takes.
fn text(call: &Call) -> Result<String, Reply> {
    let body = call.text("body").unwrap_or_default();
    if body.chars().count() > BODY_CHARS_MAX {
        return Err(Reply::broken("IssueComment", "Body is too long (maximum is 65536 characters)"));
    }
    if body.trim().is_empty() {
        return Err(Reply::broken("IssueComment", "Body cannot be blank"));
    }
    Ok(body)
}

pub(super) fn issue(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let (repo, number) = thread(world, call, Access::Read)?;
    Ok(Reply::json(200, world.thread_json(repo, number)))
}

pub(super) fn list(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let (repo, number) = thread(world, call, Access::Read)?;
    let since = call.query("since").and_then(|since| since.parse().ok());
    let wanted = |c: &&Comment| {
        let listed = since.is_none_or(|since| c.updated_at >= since) && !world.lags(c.id);
        c.repo == repo && c.number == number && c.place == Place::Conversation && listed
    };
    let found: Vec<&Comment> = world.comments.iter().filter(wanted).collect();
    Ok(call.list(found, |comment| world.comment_json(comment)))
}

pub(super) fn create(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let (repo, number) = thread(world, call, Access::Write)?;
    let body = text(call)?;
    let author = actor(world, call);
    let via = if is_bot(world, author) { Via::App } else { Via::Page };
    let id = world.add_comment(repo, number, author, via, Place::Conversation, &body);
    world.made(id);
    let comment = world.comment(id).expect("it was just made");
    Ok(Reply::json(201, world.comment_json(comment)))
}

pub(super) fn get(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    Ok(Reply::json(200, world.comment_json(find(world, call, Access::Read)?)))
}

/// An App may change others' comments where it may write issues, as on GitHub; the fake calls that a broken rule, since no
/// bot has business there.
fn own(world: &World, call: &Call) -> Result<u64, Reply> {
    let comment = find(world, call, Access::Write)?;
    let foreign = matches!(call.caller, Caller::Token(_)) && comment.author != world.app.bot;
    if foreign { Err(Reply::broken("IssueComment", "this comment is not the App's own")) } else { Ok(comment.id) }
}

pub(super) fn update(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let (id, body) = (own(world, call)?, text(call)?);
    let sender = actor(world, call);
    world.edit_comment(id, &body, sender);
    Ok(Reply::json(200, world.comment_json(find(world, call, Access::Write)?)))
}

pub(super) fn delete(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let id = own(world, call)?;
    let sender = actor(world, call);
    world.delete_comment(id, sender);
    Ok(Reply::empty(204))
}

pub(super) fn reactions(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let on = find(world, call, Access::Read)?.id;
    Ok(reactions_to(world, call, on))
}

/// The reactions to a comment, those of one content only where that is asked for.
pub(super) fn reactions_to(world: &World, call: &Call, comment: u64) -> Reply {
    let on = ReactionOn::Comment(comment);
    let wanted = |r: &&Reaction| r.on == on && call.query("content").is_none_or(|content| content == r.content);
    let found: Vec<&Reaction> = world.reactions.iter().filter(wanted).collect();
    call.list(found, |reaction| world.reaction_json(reaction))
}

pub(super) fn react(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let on = ReactionOn::Comment(find(world, call, Access::Write)?.id);
    Ok(reacted(world, call, on))
}

pub(super) fn react_issue(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let (repo, number) = thread(world, call, Access::Write)?;
    let on = ReactionOn::Issue(repo, number);
    Ok(reacted(world, call, on))
}

/// 201 for a new reaction, 200 for one that was there.
pub(super) fn reacted(world: &mut World, call: &Call, on: ReactionOn) -> Reply {
    let user = actor(world, call);
    let content = call.text("content").unwrap_or_default();
    let (reaction, new) = world.react(on, user, &content);
    Reply::json(if new { 201 } else { 200 }, world.reaction_json(&reaction))
}

pub(super) fn unreact(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let on = find(world, call, Access::Write)?.id;
    unreacted(world, call, on)
}

/// Takes a reaction back. Those of others are none of an App's business, which the fake calls a broken rule.
pub(super) fn unreacted(world: &mut World, call: &Call, comment: u64) -> Result<Reply, Reply> {
    let (on, id) = (ReactionOn::Comment(comment), call.number("reaction_id")?);
    let found = world.reactions.iter().position(|r| r.on == on && r.id == id).ok_or_else(Reply::missing)?;
    if world.reactions[found].user != actor(world, call) {
        return Err(Reply::broken("Reaction", "this reaction is not the caller's own"));
    }
    world.reactions.remove(found);
    Ok(Reply::empty(204))
}
