//! What GitLab's description and documentation do not allow is refused, and noted.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

/// Sends each, and asserts that it is refused with `status` and noted once or more, in words that hold those given.
async fn refused(cases: &[(Method, String, Value, u16, &str)]) {
    let gitlab = FakeGitLab::start().await;
    with_request(&gitlab);
    let bot = Client::bot(&gitlab);
    for (method, path, body, expected, words) in cases {
        let request = bot.request(method.clone(), path);
        let request = if body.is_null() { request } else { request.json(body) };
        let (status, answer) = answered(request).await;
        assert_eq!(status, *expected, "{method} {path} {body}: {answer}");
        let unsound = catch_unwind(AssertUnwindSafe(|| gitlab.assert_valid())).is_err();
        let noted = gitlab.take_violations();
        assert!(unsound && noted.iter().any(|one| one.contains(words)), "{method} {path} {body}: {noted:?}");
    }
    assert!(gitlab.notes(REPO, 1).is_empty() && gitlab.statuses_made(&gitlab.head(REPO, 1)) == 0, "nothing was done");
    gitlab.assert_valid();
}

#[tokio::test]
async fn what_the_description_does_not_allow_is_refused_and_noted() {
    if fixtures("requests against GitLab's description").is_none() {
        return;
    }
    let list = |query: &str| format!("{PROJECT}/merge_requests?{query}");
    let statuses = format!("{PROJECT}/statuses/topic");
    let compare = |query: &str| format!("{PROJECT}/repository/compare{query}");
    let get = |path: String, words| (Method::GET, path, Value::Null, 400, words);
    let post = |body: Value, words| (Method::POST, statuses.clone(), body, 400, words);
    refused(&[
        get(list("bogus=1"), "no query parameter bogus"),
        get(list("state=great"), "state:"),
        get(list("per_page=many"), "per_page:"),
        get(list("page=-1"), "page:"),
        get(list("updated_after=yesterday"), "updated_after:"),
        get(list("order_by=id"), "order_by:"),
        get(compare("?from=main"), "to is missing"),
        get(compare(""), "from is missing"),
        get(compare("?from=main&to=topic&straight=perhaps"), "straight:"),
        get(format!("{PROJECT}/repository/files/README.md"), "ref is missing"),
        get(format!("{PROJECT}/repository/commits/topic/statuses?all=perhaps"), "all:"),
        get(format!("{PROJECT}/pipelines?statistics=true"), "no query parameter statistics"),
        post(Value::Null, "state is missing"),
        post(json!({"name": "tests"}), "state is missing"),
        post(json!({"state": "great"}), "state:"),
        post(json!({"state": "completed"}), "state:"),
        post(json!({"state": "success", "conclusion": "success"}), "no conclusion"),
        post(json!({"state": "success", "description": 5}), "description:"),
        post(json!({"state": "success", "pipeline_id": "newest"}), "pipeline_id:"),
        post(json!({"state": "success", "coverage": "much"}), "coverage:"),
        post(json!({"state": "success", "target_url": null}), "target_url:"),
    ])
    .await;
}

#[tokio::test]
async fn what_the_documentation_does_not_allow_is_refused_and_noted() {
    let notes = format!("{}/notes", request_path(1));
    let threads = format!("{}/discussions", request_path(1));
    let answers = format!("{}/status_check_responses", request_path(1));
    let get = |path: String, words| (Method::GET, path, Value::Null, 400, words);
    let post = |path: &str, body: Value, words| (Method::POST, path.to_owned(), body, 400, words);
    refused(&[
        get(format!("{notes}?sort=up"), "sort is invalid"),
        get(format!("{notes}?order_by=id"), "order_by is invalid"),
        get(format!("{notes}?author=alice"), "no query parameter author"),
        get(format!("{threads}?sort=asc"), "no query parameter sort"),
        get("/projects?membership=perhaps".to_owned(), "membership is invalid"),
        get("/projects?pagination=cursor".to_owned(), "pagination is invalid"),
        get("/user?id=1".to_owned(), "no query parameter id"),
        post(&notes, Value::Null, "body is missing"),
        post(&notes, json!({}), "body is missing"),
        post(&notes, json!({"body": 1}), "body is invalid"),
        post(&notes, json!({"body": "b", "position": {}}), "no position"),
        post(&notes, json!({"body": "b", "internal": "perhaps"}), "internal is invalid"),
        post(&notes, json!({"body": "b", "created_at": "yesterday"}), "created_at is invalid"),
        post(&threads, json!({"body": "b", "position": "line 1"}), "position is invalid"),
        post(&threads, json!({"position": {}}), "body is missing"),
        post(&answers, json!({"sha": "a", "external_status_check_id": 1, "status": "success"}), "status is invalid"),
        post(&answers, json!({"sha": "a", "status": "passed"}), "external_status_check_id is missing"),
    ])
    .await;
}

#[tokio::test]
async fn an_operation_that_there_is_not_is_noted_and_so_is_a_body_that_is_no_object() {
    let none = |method: Method, path: String| (method, path, Value::Null, 404, "no such operation");
    let notes = format!("{}/notes", request_path(1));
    refused(&[
        none(Method::GET, "/projects/octo%2Fapp/bogus".to_owned()),
        none(Method::GET, format!("{PROJECT}/merge_requests/1/comments")),
        none(Method::DELETE, format!("{PROJECT}/statuses/topic")),
        none(Method::PATCH, format!("{notes}/1")),
        // A path that is not escaped is another path.
        none(Method::GET, "/projects/octo/app".to_owned()),
        (Method::POST, notes.clone(), json!(["body"]), 400, "no JSON object"),
        (Method::POST, notes, json!("body"), 400, "no JSON object"),
    ])
    .await;
}

#[tokio::test]
async fn what_is_outside_of_the_api_is_no_operation() {
    let gitlab = FakeGitLab::start().await;
    gitlab.create_project(REPO);
    let answer = reqwest::get(format!("{}/api/v3/projects", gitlab.url())).await.expect("it answers");
    assert_eq!((answer.status().as_u16(), gitlab.take_violations().len()), (404, 1));
}

#[tokio::test]
async fn parameters_are_taken_as_json_as_a_form_and_from_the_query() {
    let gitlab = FakeGitLab::start().await;
    let (iid, _) = with_request(&gitlab);
    let (bot, notes) = (Client::bot(&gitlab), format!("{}/notes", request_path(iid)));
    assert_eq!(bot.post(&notes, json!({"body": "of JSON"})).await.0, 201);
    let form = bot.request(Method::POST, &notes).header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(answered(form.body("body=of+a%20form")).await.0, 201);
    assert_eq!(answered(bot.request(Method::POST, &format!("{notes}?body=of%20the%20query"))).await.0, 201);
    let bodies: Vec<String> = gitlab.bot_notes(REPO, iid).into_iter().map(|note| note.body).collect();
    assert_eq!(bodies, ["of JSON", "of a form", "of the query"]);
    gitlab.assert_valid();
}

#[tokio::test]
async fn every_request_is_in_the_log_by_the_name_of_its_operation() {
    let gitlab = FakeGitLab::start().await;
    let (iid, _) = with_request(&gitlab);
    let bot = Client::bot(&gitlab);
    bot.get(&request_path(iid)).await;
    bot.post(&format!("{}/notes", request_path(iid)), json!({"body": "b"})).await;
    bot.get(&request_path(99)).await;
    let log = gitlab.log();
    let seen: Vec<(&str, &str, u16)> =
        log.iter().map(|seen| (seen.method.as_str(), seen.operation.as_str(), seen.status)).collect();
    let one = "GET /projects/:id/merge_requests/:iid";
    let note = "POST /projects/:id/merge_requests/:iid/notes";
    assert_eq!(seen, [("GET", one, 200), ("POST", note, 201), ("GET", one, 404)]);
    assert_eq!((gitlab.calls(one), gitlab.calls(note)), (2, 1));
    assert_eq!((&log[1].path, &log[1].body), (&format!("/api/v4{}/notes", request_path(iid)), &json!({"body": "b"})));
    gitlab.assert_valid();
}
