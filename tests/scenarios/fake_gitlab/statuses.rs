//! Commit statuses, which go by GitLab's state machine, and the pipelines that they hang on.

use super::*;

/// Posts a status on the topic's head. The answer's status and words, or its id.
async fn post(client: &Client, sha: &str, body: Value) -> (u16, Value) {
    let (status, answer) = client.post(&format!("{PROJECT}/statuses/{sha}"), body).await;
    (status, if status == 201 { answer["id"].clone() } else { answer["message"].clone() })
}

fn named(state: &str) -> Value {
    json!({"name": "tests", "state": state, "ref": "topic"})
}

async fn listed(client: &Client, sha: &str, query: &str) -> Value {
    let (status, list) = client.get(&format!("{PROJECT}/repository/commits/{sha}/statuses?{query}")).await;
    assert_eq!(status, 200, "{list}");
    list
}

#[tokio::test]
async fn a_status_goes_from_pending_over_running_to_its_end_as_one_record() {
    let gitlab = FakeGitLab::start().await;
    let (iid, head) = with_request(&gitlab);
    let bot = Client::bot(&gitlab);
    let mut ids = Vec::new();
    for state in ["pending", "running", "success"] {
        ids.push(post(&bot, &head, named(state)).await);
        let shown = &gitlab.statuses(REPO, &head)["tests"];
        assert_eq!((shown.state.as_str(), gitlab.statuses_made(&head)), (state, 1));
        assert_eq!(gitlab.head_pipeline(REPO, iid), Some((shown.pipeline, state_of(state))));
    }
    assert!(ids.iter().all(|(status, id)| *status == 201 && *id == ids[0].1), "{ids:?}");
    let (_, pipeline) = bot.get(&format!("{PROJECT}/pipelines/{}", gitlab.statuses(REPO, &head)["tests"].pipeline)).await;
    assert_eq!(
        (&pipeline["source"], &pipeline["ref"], &pipeline["status"]),
        (&json!("external"), &json!("topic"), &json!("success"))
    );
    gitlab.assert_valid();
}

/// What a pipeline comes to whose only status is this.
fn state_of(status: &str) -> &'static str {
    match status {
        "pending" => "pending",
        "running" => "running",
        _ => "success",
    }
}

#[tokio::test]
async fn what_is_so_already_and_what_would_go_back_is_refused_in_gitlabs_words_and_changes_nothing() {
    let gitlab = FakeGitLab::start().await;
    let (_, head) = with_request(&gitlab);
    let bot = Client::bot(&gitlab);
    let why = |event: &str, from: &str| {
        json!(format!("Cannot transition status via :{event} from :{from} (Reason(s): Status cannot transition via \"{event}\")"))
    };
    let first = json!({"name": "tests", "state": "pending", "ref": "topic", "description": "waits"});
    assert_eq!(post(&bot, &head, first).await.0, 201);
    let again = json!({"name": "tests", "state": "pending", "ref": "topic", "description": "still waits"});
    assert_eq!(post(&bot, &head, again).await, (400, why("enqueue", "pending")));
    assert_eq!(gitlab.statuses(REPO, &head)["tests"].description, "waits");
    assert_eq!(post(&bot, &head, named("running")).await.0, 201);
    for (state, event) in [("running", "run"), ("pending", "enqueue"), ("skipped", "skip")] {
        assert_eq!(post(&bot, &head, named(state)).await, (400, why(event, "running")));
    }
    assert_eq!((gitlab.statuses(REPO, &head)["tests"].state.as_str(), gitlab.statuses_made(&head)), ("running", 1));
    gitlab.assert_valid();
}

#[tokio::test]
async fn what_is_over_is_made_anew() {
    let gitlab = FakeGitLab::start().await;
    let (iid, head) = with_request(&gitlab);
    let bot = Client::bot(&gitlab);
    let mut ids = Vec::new();
    for state in ["failed", "failed", "canceled", "skipped", "success"] {
        let (status, id) = post(&bot, &head, named(state)).await;
        assert!(status == 201 && !ids.contains(&id), "{state}");
        ids.push(id);
    }
    assert_eq!((gitlab.statuses_made(&head), gitlab.statuses(REPO, &head)["tests"].state.as_str()), (5, "success"));
    assert_eq!(gitlab.head_pipeline(REPO, iid).map(|(_, state)| state), Some("success"), "older ones no longer count");
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_status_of_the_same_name_by_somebody_else_is_another() {
    let gitlab = FakeGitLab::start().await;
    let (_, head) = with_request(&gitlab);
    gitlab.set_level(REPO, "mallory", 30);
    let (bot, mallory) = (Client::bot(&gitlab), Client::of(&gitlab, "mallory"));
    let ours = post(&bot, &head, named("running")).await;
    let theirs = post(&mallory, &head, named("success")).await;
    assert!(ours.0 == 201 && theirs.0 == 201 && ours.1 != theirs.1);
    assert_eq!(gitlab.statuses(REPO, &head)["tests"].state, "success", "the newest of the name is shown");
    assert_eq!(post(&bot, &head, named("failed")).await, (201, ours.1), "ours goes on where it was");
    assert_eq!(all(&listed(&bot, &head, "all=true").await, "/author/username"), [BOT, "mallory"]);
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_status_goes_to_the_pipeline_that_it_names_and_to_no_other() {
    let gitlab = FakeGitLab::start().await;
    let (iid, head) = with_request(&gitlab);
    let bot = Client::bot(&gitlab);
    let old = gitlab.start_pipeline(REPO, "topic");
    let new = gitlab.start_pipeline(REPO, "topic");
    let at = |pipeline: u64| json!({"name": "tests", "state": "running", "pipeline_id": pipeline});
    assert_eq!(post(&bot, &head, at(old)).await.0, 201);
    assert_eq!(gitlab.statuses(REPO, &head)["tests"].pipeline, old);
    assert_eq!(post(&bot, &head, named("running")).await.0, 201, "another pipeline, another status");
    assert_eq!((gitlab.statuses(REPO, &head)["tests"].pipeline, gitlab.statuses_made(&head)), (new, 2));
    let elsewhere = gitlab.start_pipeline(REPO, "main");
    for wrong in [elsewhere, 999_999] {
        assert_eq!(post(&bot, &head, at(wrong)).await, (404, json!("404 Pipeline for pipeline_id, sha and ref Not Found")));
    }
    let mut of_another_ref = at(new);
    of_another_ref["ref"] = json!("main");
    assert_eq!(post(&bot, &head, of_another_ref).await.0, 404);
    assert_eq!(gitlab.head_pipeline(REPO, iid).map(|(id, _)| id), Some(new));
    gitlab.assert_valid();
}

#[tokio::test]
async fn without_a_pipeline_one_is_made_for_the_ref_or_for_a_branch_that_has_the_commit() {
    let gitlab = FakeGitLab::start().await;
    let (iid, head) = with_request(&gitlab);
    let bot = Client::bot(&gitlab);
    assert_eq!(post(&bot, &head, json!({"state": "success"})).await.0, 201);
    let default = &gitlab.statuses(REPO, &head)["default"];
    assert_eq!((default.reference.as_str(), gitlab.head_pipeline(REPO, iid)), ("topic", Some((default.pipeline, "success"))));
    let of_request = json!({"name": "r", "state": "pending", "ref": format!("refs/merge-requests/{iid}/head")});
    assert_eq!(post(&bot, &head, of_request).await.0, 201);
    let other = gitlab.statuses(REPO, &head)["r"].pipeline;
    assert_eq!(gitlab.head_pipeline(REPO, iid), Some((other, "pending")), "it passes by, and becomes the head pipeline");
    gitlab.delete_branch(REPO, "topic", "alice");
    gitlab.force_push(REPO, "next", &gitlab.branch(REPO, "main"), "alice");
    let (status, _) = post(&bot, &"0".repeat(40), named("success")).await;
    assert_eq!(status, 404, "there is no such commit");
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_commit_that_no_branch_has_needs_a_ref_or_a_pipeline() {
    let gitlab = FakeGitLab::start().await;
    let (iid, head) = with_request(&gitlab);
    gitlab.delete_branch(REPO, "topic", "alice");
    let bot = Client::bot(&gitlab);
    let body = json!({"state": "success"});
    assert_eq!(post(&bot, &head, body.clone()).await, (404, json!("404 References for commit Not Found")));
    gitlab.start_pipeline(REPO, &format!("refs/merge-requests/{iid}/head"));
    assert_eq!(post(&bot, &head, body).await.0, 201);
    gitlab.assert_valid();
}

#[tokio::test]
async fn texts_of_a_status_fit_into_their_columns_and_addresses_are_addresses() {
    let gitlab = FakeGitLab::start().await;
    let (_, head) = with_request(&gitlab);
    let bot = Client::bot(&gitlab);
    let with = |name: &str, value: String| {
        let mut body = named("pending");
        body[name] = json!(value);
        body
    };
    let long = "é".repeat(256);
    for name in ["description", "name"] {
        let refusal = json!({ name: ["is too long (maximum is 255 characters)"] });
        assert_eq!(post(&bot, &head, with(name, long.clone())).await, (400, refusal));
    }
    let address = format!("https://gw.example/{}", "x".repeat(255));
    assert_eq!(post(&bot, &head, with("target_url", address)).await.0, 400);
    assert_eq!(post(&bot, &head, with("target_url", "javascript:alert(1)".to_owned())).await.0, 400);
    assert_eq!(gitlab.statuses_made(&head), 0);
    assert_eq!(post(&bot, &head, with("description", "é".repeat(255))).await.0, 201);
    gitlab.assert_valid();
}

#[tokio::test]
async fn developers_set_statuses_and_others_do_not() {
    let gitlab = FakeGitLab::start().await;
    gitlab.create_public_project(REPO);
    let head = gitlab.commit(REPO, "topic", "alice", "a change", [("a", "a\n")]);
    gitlab.set_level(REPO, "rita", 20);
    gitlab.set_level(REPO, "dave", 30);
    for (user, expected) in [("zoe", 403), ("rita", 403), ("dave", 201)] {
        assert_eq!(post(&Client::of(&gitlab, user), &head, named("success")).await.0, expected, "{user}");
    }
    assert_eq!(post(&Client::stranger(&gitlab), &head, named("success")).await.0, 401);
    gitlab.create_project("octo/hidden");
    let (status, _) = Client::of(&gitlab, "zoe").post("/projects/octo%2Fhidden/statuses/main", named("success")).await;
    assert_eq!(status, 404);
    gitlab.assert_valid();
}

#[tokio::test]
async fn on_a_protected_branch_statuses_are_for_maintainers() {
    let gitlab = FakeGitLab::start().await;
    let (iid, head) = with_request(&gitlab);
    gitlab.protect(REPO, "main");
    let (bot, main) = (Client::bot(&gitlab), gitlab.branch(REPO, "main"));
    let on_main = json!({"state": "success", "ref": "main"});
    assert_eq!(post(&bot, &main, on_main.clone()).await, (403, json!("403 Forbidden")));
    let of_request = json!({"state": "success", "ref": format!("refs/merge-requests/{iid}/head")});
    assert_eq!(post(&bot, &head, of_request).await.0, 201);
    gitlab.set_level(REPO, BOT, 40);
    assert_eq!(post(&bot, &main, on_main).await.0, 201);
    let (_, branch) = bot.get(&format!("{PROJECT}/repository/branches/main")).await;
    assert_eq!(branch["protected"], true);
    gitlab.assert_valid();
}

#[tokio::test]
async fn statuses_are_listed_as_the_newest_of_each_name_or_all_and_in_the_order_asked_for() {
    let gitlab = FakeGitLab::start().await;
    let (_, head) = with_request(&gitlab);
    let bot = Client::bot(&gitlab);
    let mut ids = Vec::new();
    for (name, state) in [("a", "failed"), ("a", "success"), ("b", "running")] {
        ids.push(post(&bot, &head, json!({"name": name, "state": state, "ref": "topic"})).await.1);
    }
    let ids_of = async |query: &str| all(&listed(&bot, &head, query).await, "/id");
    assert_eq!(ids_of("").await, [ids[1].clone(), ids[2].clone()]);
    assert_eq!(ids_of("all=true").await, ids);
    assert_eq!(ids_of("all=true&name=a&order_by=id&sort=desc").await, [ids[1].clone(), ids[0].clone()]);
    assert_eq!(ids_of("name=c").await, Vec::<Value>::new());
    assert_eq!(ids_of("all=true&ref=main").await, Vec::<Value>::new());
    let pipeline = gitlab.statuses(REPO, &head)["a"].pipeline;
    assert_eq!(ids_of(&format!("pipeline_id={pipeline}")).await.len(), 2);
    assert_eq!(ids_of("all=true&per_page=2&page=2").await, [ids[2].clone()]);
    gitlab.assert_valid();
}

#[tokio::test]
async fn pipelines_are_listed_by_commit_and_ref() {
    let gitlab = FakeGitLab::start().await;
    let (_, head) = with_request(&gitlab);
    let (topic, main) = (gitlab.start_pipeline(REPO, "topic"), gitlab.start_pipeline(REPO, "main"));
    let bot = Client::bot(&gitlab);
    let found = async |query: &str| all(&bot.get(&format!("{PROJECT}/pipelines?{query}")).await.1, "/id");
    assert_eq!(found("").await, [main, topic]);
    assert_eq!((found(&format!("sha={head}")).await, found("ref=main").await), (vec![json!(topic)], vec![json!(main)]));
    assert_eq!(bot.get(&format!("{PROJECT}/pipelines/999999")).await.0, 404);
    gitlab.assert_valid();
}
