//! Reviews of pull requests, as they were sent.

use serde_json::json;

use super::{Call, Reply};
use crate::github::shape::node_id;
use crate::github::world::World;

pub(super) fn list(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let repo = call.repo(world);
    let pull = repo.pulls.get(&call.number("pull_number")?).ok_or_else(Reply::missing)?;
    let url = format!("{}/{}/pull/{}", world.base, repo.full_name(), pull.number);
    Ok(call.list(pull.reviews.iter().collect(), |review| {
        json!({
            "id": review.id, "node_id": node_id("PullRequestReview", review.id), "user": world.user_json(review.by),
            "body": "", "state": review.state, "commit_id": review.commit, "html_url": format!("{url}#{}", review.id),
            "pull_request_url": url, "author_association": "COLLABORATOR", "submitted_at": review.at.to_string(),
            "_links": { "html": { "href": url }, "pull_request": { "href": url } },
        })
    }))
}
