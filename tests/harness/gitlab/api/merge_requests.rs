//! Merge requests, without what is said on them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::shapes::LIST;
use super::{Answer, Call, Reply, Route, documented, known, page};
use crate::gitlab::shape::file_answer;
use crate::gitlab::world::{MergeRequest, World};

pub(super) const ROUTES: &[Route] = &[
    known("GET", "/projects/:id/merge_requests", list),
    known("GET", "/projects/:id/merge_requests/:iid", one),
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
