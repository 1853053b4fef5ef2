//! Issues, without what is said on them.

use serde_json::Value;

use super::merge_requests::{described, labels_of};
use super::shapes::{Kind, NOTHING, Shape, may, must};
use super::{Answer, Call, Reply, Route, documented, page};
use crate::gitlab::issues::{Issue, Rewrite};
use crate::gitlab::world::{DEVELOPER, Noteable, World};

/// GitLab's limit, in characters.
pub(super) const TITLE_CHARS_MAX: usize = 255;

const LIST: Shape = Shape {
    query: &[
        may("author_id", Kind::Number),
        may("labels", Kind::Text),
        may("state", Kind::Word(&["opened", "closed", "all"])),
        may("order_by", Kind::Word(&["created_at", "updated_at"])),
        may("sort", Kind::Word(&["asc", "desc"])),
        may("page", Kind::Number),
        may("per_page", Kind::Number),
    ],
    body: &[],
};

const OPEN: Shape = Shape {
    query: &[],
    body: &[
        must("title", Kind::Text),
        may("description", Kind::Text),
        may("labels", Kind::Text),
        may("confidential", Kind::Flag),
    ],
};

const CHANGE: Shape = Shape {
    query: &[],
    body: &[
        may("title", Kind::Text),
        may("description", Kind::Text),
        may("labels", Kind::Text),
        may("add_labels", Kind::Text),
        may("remove_labels", Kind::Text),
        may("state_event", Kind::Word(&["close", "reopen"])),
    ],
};

pub(super) const ROUTES: &[Route] = &[
    documented("GET", "/projects/:id/issues", LIST, list),
    documented("POST", "/projects/:id/issues", OPEN, open),
    documented("GET", "/projects/:id/issues/:issue_iid", NOTHING, one),
    documented("PUT", "/projects/:id/issues/:issue_iid", CHANGE, change),
];

/// The issue of the path, where the caller may look at it.
pub(super) fn find<'a>(world: &'a World, call: &Call) -> Result<&'a Issue, Reply> {
    let project = call.code(world)?;
    let found = world.issue(project, call.number("issue_iid")?);
    let member = call.user().is_some_and(|user| world.level(project, user) > 0);
    found.filter(|issue| !issue.confidential || member).ok_or_else(|| Reply::missing("Issue"))
}

fn list(world: &mut World, call: &Call) -> Answer {
    let project = call.code(world)?;
    let author = call.query("author_id").and_then(|id| id.parse::<u64>().ok());
    let labels: Vec<&str> = call.query("labels").map(|labels| labels.split(',').collect()).unwrap_or_default();
    let wanted = |issue: &&Issue| {
        issue.project == project
            && author.is_none_or(|author| author == issue.author)
            && call.query("state").is_none_or(|state| state == "all" || state == issue.state())
            && labels.iter().all(|label| issue.labels.iter().any(|one| one == label))
    };
    let mut found: Vec<&Issue> = world.issues.iter().filter(wanted).collect();
    if call.query("sort") != Some("asc") {
        found.reverse();
    }
    let answers: Vec<Value> = found.into_iter().map(|issue| world.issue_answer(issue)).collect();
    Ok(page(call, answers))
}

/// A title within GitLab's limits.
pub(super) fn title(call: &Call) -> Result<Option<String>, Reply> {
    let title = call.given("title");
    let wrong = title.as_ref().is_some_and(|title| title.trim().is_empty() || title.chars().count() > TITLE_CHARS_MAX);
    if wrong { Err(Reply::message(400, "title is too long (maximum is 255 characters), or blank")) } else { Ok(title) }
}

fn open(world: &mut World, call: &Call) -> Answer {
    let project = call.code(world)?;
    let title = title(call)?.ok_or_else(|| Reply::error(400, "title is missing"))?;
    let description = described(world, call).unwrap_or_default();
    let confidential = call.given("confidential").as_deref() == Some("true");
    let labels = labels_of(call, "labels");
    let iid = world.open_issue(project, call.author(), &title, &description, labels, confidential);
    Ok(Reply::json(201, world.issue_answer(world.issue(project, iid).expect("it was just made"))))
}

fn one(world: &mut World, call: &Call) -> Answer {
    Ok(Reply::json(200, world.issue_answer(find(world, call)?)))
}

fn change(world: &mut World, call: &Call) -> Answer {
    let issue = find(world, call)?;
    let (project, iid) = (issue.project, issue.iid);
    if issue.author != call.author() && world.level(project, call.author()) < DEVELOPER {
        return Err(Reply::forbidden());
    }
    let rewrite = Rewrite {
        title: title(call)?,
        description: described(world, call),
        add_labels: labels_of(call, "add_labels"),
        remove_labels: labels_of(call, "remove_labels"),
    };
    world.rewrite(project, iid, Noteable::Issue, call.author(), &rewrite);
    Ok(Reply::json(200, world.issue_answer(world.issue(project, iid).expect("it is there"))))
}
