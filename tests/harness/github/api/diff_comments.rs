//! Comments on the diff of a pull request, and reactions to them. A bot makes them as part of a review.

use serde_json::json;

use super::comments::{at, reacted, reactions_to, unreacted};
use super::{Call, Reply, actor};
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

/// GitHub makes a review of the comments, all or none of them.
pub(super) fn review(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let (repo, number) = (call.repo(world).id, call.number("pull_number")?);
    let pull = world.repo(repo).pulls.get(&number).ok_or_else(Reply::missing)?.clone();
    if call.body["event"] != "COMMENT" || call.text("body").is_none_or(|body| body.trim().is_empty()) {
        return Err(Reply::broken("PullRequestReview", "the fake knows reviews that comment, and those need a body"));
    }
    let mut comments = Vec::new();
    for comment in call.body["comments"].as_array().into_iter().flatten() {
        let last = comment["line"].as_u64().unwrap_or_default();
        let first = comment["start_line"].as_u64().unwrap_or(last);
        let text = |key: &str| comment[key].as_str().unwrap_or_default().to_owned();
        // GitHub takes a start that is the end for a mistake.
        if comment["side"] != "RIGHT" || comment.get("start_line").is_some() && first >= last {
            return Err(Reply::broken("PullRequestReview", "start_line must precede the end line"));
        }
        comments.push((text("path"), first, last, text("body")));
    }
    let author = actor(world, call);
    let review = world.review(repo, number, author, &comments).map_err(|rule| Reply::broken("PullRequestReview", &rule))?;
    let at = format!("{}/pull/{number}", world.repo(repo).full_name());
    let link = |href: &str| json!({"href": href});
    let html = format!("{}/{at}#pullrequestreview-{review}", world.base);
    let api = call.url.trim_end_matches("/reviews");
    Ok(Reply::json(
        200,
        json!({
            "id": review, "node_id": format!("PRR_{review}"), "user": world.user_json(author), "body": call.text("body"),
            "state": "COMMENTED", "html_url": html, "pull_request_url": api, "commit_id": pull.head, "author_association": "NONE",
            "_links": {"html": link(&html), "pull_request": link(api)},
        }),
    ))
}
