//! What we send, held to GitLab's own description of its API.

use std::path::Path;

use gatewright_core::event::{CommentPlace, CommentRef, User};
use gatewright_core::forge::{CatchUp, Change, Forge, Releases};
use gatewright_core::report::{Conclusion, DeploymentState, Known, Reaction, ReactionReport, Report};
use serde_json::{Value, json};

use crate::stub::*;

/// What the description leaves out.
const NOT_DESCRIBED: [&str; 8] =
    ["/signature", "/notes", "/discussions", "/status_checks", "/user", "/users/77", "/projects", "/groups/g/members/all/77"];

/// None where this machine has no description, which is then said.
fn description() -> Option<Value> {
    let Ok(fixtures) = std::env::var("GATEWRIGHT_FIXTURES") else {
        eprintln!("NOT RUN: GitLab's description of its API; GATEWRIGHT_FIXTURES does not say where it is");
        return None;
    };
    let file = Path::new(&fixtures).join("gitlab-openapi-trimmed.2020-12.json");
    Some(serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap())
}

/// The operation that a request is, by the path with the fewest parameters that fits.
fn operation<'a>(description: &'a Value, seen: &Seen) -> Option<&'a Value> {
    let parts: Vec<&str> = seen.path().split('/').collect();
    let fits = |template: &str| {
        let wanted: Vec<&str> = template.split('/').collect();
        wanted.len() == parts.len() && wanted.iter().zip(&parts).all(|(want, part)| want.starts_with('{') || want == part)
    };
    let paths = description["paths"].as_object().unwrap();
    let found = paths.iter().filter(|(template, _)| fits(template)).min_by_key(|(template, _)| template.matches('{').count());
    found.and_then(|(_, path)| path.get(seen.method.to_lowercase()))
}

fn resolved<'a>(description: &'a Value, schema: &'a Value) -> &'a Value {
    let pointer = schema["$ref"].as_str().map(|r| r.trim_start_matches('#'));
    pointer.map_or(schema, |pointer| description.pointer(pointer).unwrap())
}

/// A value against the part of JSON Schema that GitLab's description of requests uses.
fn check_value(value: &Value, schema: &Value, line: &str) {
    let right = match schema["type"].as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64() || value.as_str().is_some_and(|text| text.parse::<u64>().is_ok()),
        Some("boolean") => value.is_boolean() || matches!(value.as_str(), Some("true" | "false")),
        Some(_) | None => true,
    };
    let listed = schema["enum"].as_array().is_none_or(|words| words.contains(value));
    assert!(right && listed, "{line}: {value} is not {schema}");
}

fn check(description: &Value, seen: &Seen) {
    let line = seen.line();
    let operation = operation(description, seen).unwrap_or_else(|| panic!("GitLab does not describe {line}"));
    let parameters: Vec<&Value> = operation["parameters"].as_array().into_iter().flatten().collect();
    for (name, value) in url::form_urlencoded::parse(seen.target.split_once('?').map_or("", |(_, query)| query).as_bytes()) {
        let parameter = parameters.iter().find(|parameter| parameter["name"] == *name && parameter["in"] == "query");
        let parameter = parameter.unwrap_or_else(|| panic!("{line}: GitLab knows no {name}"));
        check_value(&json!(value), &parameter["schema"], &line);
    }
    let Some(body) = seen.body.as_object() else { return };
    let schema = resolved(description, &operation["requestBody"]["content"]["application/json"]["schema"]);
    for (name, value) in body {
        let property = schema["properties"].get(name).unwrap_or_else(|| panic!("{line}: GitLab knows no {name}"));
        check_value(value, property, &line);
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(body.contains_key(name.as_str().unwrap()), "{line}: {name} is missing");
    }
}

/// Everything that the adapter can ask for, once.
async fn everything(stub: &Stub) {
    let gitlab = stub.gitlab();
    let repo = repo();
    gitlab.pull(&repo, 5).await.unwrap();
    gitlab.file(&repo, &commit('a'), "a/b.yml").await.unwrap();
    gitlab.changed_files(&repo, &Change::Pull { number: 5 }).await.unwrap();
    gitlab.changed_files(&repo, &Change::Between { base: commit('b'), head: commit('a') }).await.unwrap();
    gitlab.standing(&repo, &User { id: 77, login: "ada".to_owned() }, &["g".to_owned()]).await.unwrap();
    gitlab.repositories().await.unwrap();
    gitlab.open_pulls(&repo, at(0)).await.unwrap();
    gitlab.publish(&repo, &comment("x"), &Known::Maybe).await.unwrap();
    let comment = CommentRef { number: 5, id: 31, place: CommentPlace::Conversation };
    let reaction = Report::Reaction(ReactionReport { comment, reaction: Reaction::Eyes });
    gitlab.publish(&repo, &reaction, &Known::Never).await.unwrap();
    let over = completed(Conclusion::Failure);
    gitlab.publish(&repo, &report(aggregate(over)), &Known::Maybe).await.unwrap();
    shipped(&gitlab).await;
    let older = gatewright_core::report::CheckReport { head: commit('e'), ..crate::stub::check(over) };
    gitlab.publish(&repo, &report(older), &Known::Maybe).await.unwrap();
}

/// The same of what is shipped.
async fn shipped(gitlab: &gatewright_forge_gitlab::GitLab) {
    let repo = repo();
    gitlab.tag(&repo, "v1").await.unwrap();
    gitlab.tags(&repo).await.unwrap();
    gitlab.protection(&repo, &commit('a')).await.unwrap();
    gitlab.commits_between(&repo, Some(&commit('b')), &commit('a')).await.unwrap();
    gitlab.commits_between(&repo, None, &commit('a')).await.unwrap();
    gitlab.publish(&repo, &crate::shipping::release("new"), &Known::Never).await.unwrap();
    gitlab.publish(&repo, &crate::shipping::release("v1"), &Known::Never).await.unwrap();
    gitlab.publish(&repo, &crate::shipping::asset(Some("https://ci.example/1")), &Known::Never).await.unwrap();
    for environment in ["new", "there"] {
        let report = crate::shipping::deployment(environment, DeploymentState::Success);
        gitlab.publish(&repo, &report, &Known::Never).await.unwrap();
        gitlab.publish(&repo, &report, &Known::Id(90)).await.unwrap();
    }
}

fn answer(seen: &Seen) -> Option<Reply> {
    let path = seen.path();
    if seen.method == "POST" {
        return Reply::made(json!({"id": 90, "name": "app.tar.gz", "url": "x"}));
    }
    if let Some(reply) = crate::shipping::answer(seen) {
        return Some(reply);
    }
    match path {
        REQUEST => Reply::ok(merge_request_with(json!({"head_pipeline": {
            "id": 43, "project_id": 7, "sha": commit('f'), "ref": "refs/merge-requests/5/merge"}}))),
        "/api/v4/users/77" => Reply::ok(json!({"id": 77, "username": "ada", "state": "active"})),
        PROJECT => Reply::ok(json!({"visibility": "public"})),
        _ if path.contains("/members/all/") => Some(Reply::status(404)),
        _ if path.contains("/branches/") => Some(branch_reply('d')),
        _ if path.ends_with("/raw") => Some(Reply::text(200, "x")),
        _ if path.ends_with("/compare") => Reply::ok(json!({"diffs": [], "commits": [{"id": commit('b')}]})),
        _ if path.ends_with(commit('f').as_str()) => Reply::ok(json!({"parent_ids": [commit('a')]})),
        "/api/v4/user" => None,
        _ => Reply::ok(json!([])),
    }
}

#[tokio::test]
async fn every_request_is_one_that_gitlab_describes() {
    let Some(description) = description() else { return };
    let stub = Stub::start(answer).await;
    everything(&stub).await;
    let left_out = |seen: &Seen| NOT_DESCRIBED.iter().any(|path| seen.path().ends_with(path));
    let (skipped, described): (Vec<Seen>, Vec<Seen>) = stub.seen().into_iter().partition(left_out);
    for path in NOT_DESCRIBED {
        assert!(skipped.iter().any(|seen| seen.path().ends_with(path)), "{path} was not asked for");
    }
    assert!(described.len() > 15, "{:#?}", stub.lines());
    described.iter().for_each(|seen| check(&description, seen));
}
