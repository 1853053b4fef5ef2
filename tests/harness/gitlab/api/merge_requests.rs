//! Merge requests, without what is said on them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::quick_actions::split;
use super::shapes::{Kind, LIST, Shape, may, must};
use super::{Answer, Call, Reply, Route, documented, issues, known, page};
use crate::gitlab::issues::Rewrite;
use crate::gitlab::people::MergeRequestSpec;
use crate::gitlab::shape::file_answer;
use crate::gitlab::world::{DEVELOPER, MergeRequest, Noteable, World};

const OPEN: Shape = Shape {
    query: &[],
    body: &[
        must("source_branch", Kind::Text),
        must("target_branch", Kind::Text),
        must("title", Kind::Text),
        may("description", Kind::Text),
        may("labels", Kind::Text),
        may("remove_source_branch", Kind::Flag),
        may("squash", Kind::Flag),
    ],
};

pub(super) const ROUTES: &[Route] = &[
    known("GET", "/projects/:id/merge_requests", list),
    documented("POST", "/projects/:id/merge_requests", OPEN, open),
    known("GET", "/projects/:id/merge_requests/:iid", one),
    known("PUT", "/projects/:id/merge_requests/:iid", change),
    known("GET", "/projects/:id/merge_requests/:iid/diffs", diffs),
    known("GET", "/projects/:id/merge_requests/:iid/changes", changes),
    known("GET", "/projects/:id/merge_requests/:iid/pipelines", pipelines),
    known("GET", "/projects/:id/merge_requests/:iid/approvals", approvals),
    documented("GET", "/projects/:id/merge_requests/:iid/versions", LIST, versions),
];

fn list(world: &mut World, call: &Call) -> Answer {
    let project = call.code(world)?;
    let time = |name: &str| call.query(name).and_then(|text| text.parse::<Timestamp>().ok());
    let (after, before) = (time("updated_after"), time("updated_before"));
    let state = call.query("state").unwrap_or("all");
    let same = |name: &str, value: &str| call.query(name).is_none_or(|wanted| wanted == value);
    let wanted = |mr: &&MergeRequest| {
        mr.project == project
            && (state == "all" || state == mr.state)
            && after.is_none_or(|after| mr.updated_at >= after)
            && before.is_none_or(|before| mr.updated_at <= before)
            && same("source_branch", &mr.branch)
            && same("target_branch", &mr.target_branch)
    };
    let mut found: Vec<&MergeRequest> = world.requests.iter().filter(wanted).collect();
    match call.query("order_by") {
        Some("updated_at") => found.sort_by_key(|mr| mr.updated_at),
        _ => found.sort_by_key(|mr| mr.created_at),
    }
    if call.query("sort") != Some("asc") {
        found.reverse();
    }
    Ok(page(call, found.into_iter().map(|mr| world.request_in_list(mr)).collect()))
}

/// Labels that are parted by commas.
pub(super) fn labels_of(call: &Call, name: &str) -> Vec<String> {
    let given = call.given(name).unwrap_or_default();
    given.split(',').map(str::trim).filter(|label| !label.is_empty()).map(str::to_owned).collect()
}

/// A description without the lines that GitLab obeys, which are kept for the test to look at.
pub(super) fn described(world: &mut World, call: &Call) -> Option<String> {
    let description = call.given("description")?.replace('\r', "");
    let (obeyed, shown) = split(&description);
    if obeyed.is_empty() {
        return Some(description);
    }
    world.obeyed.extend(obeyed.into_iter().map(|line| (call.author(), line)));
    Some(shown)
}

fn open(world: &mut World, call: &Call) -> Answer {
    let project = call.as_developer(world)?;
    let given = |name: &str| call.given(name).unwrap_or_default();
    let (branch, target) = (given("source_branch"), given("target_branch"));
    for name in [&branch, &target] {
        if world.project(project).git.resolve(&format!("refs/heads/{name}")).is_none() {
            return Err(Reply::message(400, &format!("Validation failed: the branch {name} does not exist")));
        }
    }
    let same = |mr: &&MergeRequest| {
        mr.project == project
            && mr.source == project
            && mr.state == "opened"
            && (&mr.branch, &mr.target_branch) == (&branch, &target)
    };
    if let Some(other) = world.requests.iter().find(same) {
        let message = format!("Another open merge request already exists for this source branch: !{}", other.iid);
        return Err(Reply::json(409, json!({ "message": [message] })));
    }
    let title = issues::title(call)?.unwrap_or_default();
    let description = described(world, call).unwrap_or_default();
    let labels = labels_of(call, "labels");
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    let author = world.username(call.author()).to_owned();
    let spec = MergeRequestSpec::of(&author, &branch).to(&target).titled(&title).described(&description).labelled(&labels);
    let path = world.project(project).path.clone();
    let iid = world.open(&path, &spec);
    Ok(Reply::json(201, world.request_answer(world.request(project, iid).expect("it was just made"))))
}

fn change(world: &mut World, call: &Call) -> Answer {
    let mr = call.request(world)?;
    let (project, iid) = (mr.project, mr.iid);
    if mr.author != call.author() && world.level(project, call.author()) < DEVELOPER {
        return Err(Reply::forbidden());
    }
    let rewrite = Rewrite {
        title: issues::title(call)?,
        description: described(world, call),
        add_labels: labels_of(call, "add_labels"),
        remove_labels: labels_of(call, "remove_labels"),
    };
    world.rewrite(project, iid, Noteable::Request, call.author(), &rewrite);
    Ok(Reply::json(200, world.request_answer(world.request(project, iid).expect("it is there"))))
}

fn one(world: &mut World, call: &Call) -> Answer {
    Ok(Reply::json(200, world.request_answer(call.request(world)?)))
}

fn diffs(world: &mut World, call: &Call) -> Answer {
    let mr = call.request(world)?;
    Ok(page(call, world.files(mr).iter().map(file_answer).collect()))
}

fn changes(world: &mut World, call: &Call) -> Answer {
    let mr = call.request(world)?;
    let mut answer = world.request_answer(mr);
    answer["changes"] = world.files(mr).iter().map(file_answer).collect();
    answer["overflow"] = json!(false);
    Ok(Reply::json(200, answer))
}

fn pipelines(world: &mut World, call: &Call) -> Answer {
    let mr = call.request(world)?;
    let mut found: Vec<_> = world.pipelines_of(mr).collect();
    found.sort_by_key(|pipeline| std::cmp::Reverse(pipeline.id));
    Ok(page(call, found.into_iter().map(|pipeline| world.pipeline_answer(pipeline)).collect()))
}

fn approvals(world: &mut World, call: &Call) -> Answer {
    let mr = call.request(world)?;
    let by: Vec<Value> = mr.approvals.iter().map(|user| json!({ "user": world.account(*user) })).collect();
    let answer = json!({ "user_has_approved": false, "user_can_approve": false, "approved": !by.is_empty(), "approved_by": by });
    Ok(Reply::json(200, answer))
}

fn versions(world: &mut World, call: &Call) -> Answer {
    let mr = call.request(world)?;
    let version = |(number, refs): (usize, &crate::gitlab::world::DiffRefs)| {
        json!({
            "id": number + 1, "head_commit_sha": refs.head, "base_commit_sha": refs.base, "start_commit_sha": refs.start,
            "merge_request_id": mr.id, "state": "collected",
        })
    };
    Ok(page(call, mr.versions.iter().enumerate().rev().map(version).collect()))
}
