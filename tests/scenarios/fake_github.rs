//! The fake GitHub itself: whether it is as strict and as awkward as the real one.

#[path = "fake_github/adapter.rs"]
mod adapter;
#[path = "fake_github/proposals.rs"]
mod proposals;
#[path = "fake_github/shipping.rs"]
mod shipping;
#[path = "fake_github/talk.rs"]
mod talk;
#[path = "fake_github/who.rs"]
mod who;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use gatewright_tests::FakeGitHub;
use gatewright_tests::github::{Edit, Effect, Fault, HookEffect, HookFault, Level, Limits, Options, PullSpec, When};
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

const SECRET: &str = "It's a Secret to Everybody";

/// What a receiver of webhooks got: headers and body.
type Got = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// A receiver that answers `status` to everything.
async fn receiver(status: StatusCode) -> (String, Got) {
    async fn take(State((status, got)): State<(StatusCode, Got)>, headers: HeaderMap, body: Bytes) -> StatusCode {
        got.lock().expect("no panic under this lock").push((headers, body));
        status
    }
    let got = Got::default();
    let router = Router::new().fallback(take).with_state((status, got.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}/hook", listener.local_addr().expect("it is bound"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, got)
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn jwt(github: &FakeGitHub, iss: u64, lives_secs: i64) -> String {
    let now = Timestamp::now().as_second();
    let claims = json!({"iss": iss.to_string(), "iat": now - 30, "exp": now + lives_secs});
    let key = jsonwebtoken::EncodingKey::from_rsa_pem(github.private_key_pem().as_bytes()).expect("the key is PEM");
    jsonwebtoken::encode(&jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256), &claims, &key).expect("it can be signed")
}

/// A caller of the API.
struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Client {
    fn new(github: &FakeGitHub, token: String) -> Self {
        let http = reqwest::Client::builder().user_agent("test").no_proxy().pool_max_idle_per_host(0);
        let http = http.timeout(Duration::from_secs(20)).build().expect("a client can be made");
        Client { http, url: github.url(), token }
    }

    fn app(github: &FakeGitHub) -> Self {
        Client::new(github, jwt(github, github.app_id(), 540))
    }

    /// With all that the App may do in the installation of `repo`.
    fn bot(github: &FakeGitHub, repo: &str) -> Self {
        Client::new(github, github.installation_token(repo))
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let path = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.url) };
        self.http.request(method, path).bearer_auth(&self.token)
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let response = self.request(method, path).json(&body).send().await.expect("the fake answers");
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or_default())
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let response = self.request(Method::GET, path).send().await.expect("the fake answers");
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or_default())
    }

    async fn check(&self, head: &str, body: Value) -> (u16, Value) {
        let mut whole = json!({"name": "tests", "head_sha": head});
        whole.as_object_mut().expect("an object").extend(body.as_object().expect("an object").clone());
        self.send(Method::POST, "/repos/octo/app/check-runs", whole).await
    }
}

/// A repository with one pull request; its head.
fn with_pull(github: &FakeGitHub) -> (u64, String) {
    github.create_repo("octo/app");
    let head = github.commit("octo/app", "topic", "alice", "add a test", [("src/a b.txt", "one\ntwo\n"), ("x.md", "x")]);
    (github.open_pull("octo/app", PullSpec::of("alice", "topic")), head)
}

async fn git(args: &[&str], token: Option<&str>) -> std::process::Output {
    let mut command = tokio::process::Command::new("git");
    command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "alice").env(format!("GIT_{role}_EMAIL"), "alice@example.com");
    }
    if let Some(token) = token {
        use base64::Engine;
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("x-access-token:{token}"));
        command.args(["-c", &format!("http.extraHeader=Authorization: Basic {basic}")]);
    }
    command.args(args).output().await.expect("git is installed")
}

#[tokio::test]
async fn a_private_repository_is_cloned_with_a_token_and_not_without() {
    let github = FakeGitHub::start().await;
    with_pull(&github);
    let dir = tempfile::tempdir().expect("a folder");
    let (url, to) = (format!("{}/octo/app.git", github.url()), dir.path().join("clone"));
    let to = to.to_str().expect("a plain path");
    assert!(!git(&["clone", "-q", &url, to], None).await.status.success());
    assert!(!git(&["clone", "-q", &url, to], Some("ghs_wrong")).await.status.success());
    let token = github.installation_token("octo/app");
    let cloned = git(&["clone", "-q", "-b", "topic", &url, to], Some(&token)).await;
    assert!(cloned.status.success(), "{}", String::from_utf8_lossy(&cloned.stderr));
    assert_eq!(std::fs::read_to_string(dir.path().join("clone/src/a b.txt")).expect("it is there"), "one\ntwo\n");
    github.assert_valid();
}

#[tokio::test]
async fn a_commit_is_fetched_by_its_id_alone_also_when_no_branch_has_it_any_more() {
    let github = FakeGitHub::start().await;
    let (_, old) = with_pull(&github);
    github.force_push("octo/app", "topic", &github.branch("octo/app", "main"), "alice");
    let dir = tempfile::tempdir().expect("a folder");
    let at = dir.path().to_str().expect("a plain path");
    git(&["init", "-q", at], None).await;
    let (url, token) = (format!("{}/octo/app.git", github.url()), github.installation_token("octo/app"));
    let fetched = git(&["-C", at, "fetch", "-q", "--depth", "1", &url, &old], Some(&token)).await;
    assert!(fetched.status.success(), "{}", String::from_utf8_lossy(&fetched.stderr));
    github.assert_valid();
}

#[tokio::test]
async fn a_real_push_by_a_person_tells_the_app_and_a_reader_may_not_push() {
    let github = FakeGitHub::start().await;
    let (number, before) = with_pull(&github);
    github.set_permission("octo/app", "alice", Level::Write);
    let (hook, _) = receiver(StatusCode::ACCEPTED).await;
    github.set_webhook(&hook, SECRET);
    let dir = tempfile::tempdir().expect("a folder");
    let (url, at) = (format!("{}/octo/app.git", github.url()), dir.path().join("w"));
    let at = at.to_str().expect("a plain path");
    let token = github.user_token("alice");
    assert!(git(&["clone", "-q", "-b", "topic", &url, at], Some(&token)).await.status.success());
    assert!(git(&["-C", at, "commit", "-q", "--allow-empty", "-m", "more"], None).await.status.success());
    github.set_permission("octo/app", "mallory", Level::Read);
    let stranger = github.user_token("mallory");
    assert!(!git(&["-C", at, "push", "-q", &url, "topic"], Some(&stranger)).await.status.success());
    let pushed = git(&["-C", at, "push", "-q", &url, "topic"], Some(&token)).await;
    assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
    github.deliveries_settled().await;
    let names: Vec<String> = github.deliveries().iter().map(|d| d.name()).collect();
    assert_eq!(names, ["ping", "push", "check_suite.requested", "pull_request.synchronize"]);
    let payload = github.deliveries().last().expect("one").payload();
    assert_eq!((&payload["before"], &payload["sender"]["login"]), (&json!(before), &json!("alice")));
    assert_eq!(payload["after"], json!(github.pull_head("octo/app", number)));
    github.assert_valid();
}

#[tokio::test]
async fn an_opened_pull_request_is_told_by_a_signed_delivery() {
    let github = FakeGitHub::start().await;
    let (hook, got) = receiver(StatusCode::ACCEPTED).await;
    github.set_webhook(&hook, SECRET);
    let (number, head) = with_pull(&github);
    github.deliveries_settled().await;
    github.assert_valid();
    let got = got.lock().expect("no panic");
    let opened = got.iter().find(|(headers, _)| header(headers, "x-github-event") == "pull_request").expect("it was told");
    let (headers, body) = opened;
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key");
    mac.update(body);
    assert_eq!(header(headers, "x-hub-signature-256"), format!("sha256={}", hex::encode(mac.finalize().into_bytes())));
    assert!(header(headers, "user-agent").starts_with("GitHub-Hookshot/"));
    let payload: Value = serde_json::from_slice(body).expect("JSON");
    assert_eq!((&payload["action"], &payload["number"]), (&json!("opened"), &json!(number)));
    assert_eq!(payload["pull_request"]["head"]["sha"], json!(head));
    assert_eq!(payload["installation"]["id"], json!(github.installation("octo/app")));
    assert_eq!(payload["organization"]["login"], "octo");
}

#[tokio::test]
async fn everything_that_people_do_is_told_in_payloads_that_github_describes() {
    let github = FakeGitHub::start().await;
    let (hook, _) = receiver(StatusCode::OK).await;
    github.set_webhook(&hook, SECRET);
    let (number, head) = with_pull(&github);
    github.commit(
        "octo/app",
        "topic",
        "alice",
        "more",
        [Edit::delete("x.md"), Edit::script("run.sh", "true\n"), Edit::link("l", "run.sh")],
    );
    github.set_draft("octo/app", number, true, "alice");
    github.set_draft("octo/app", number, false, "alice");
    github.retitle_pull("octo/app", number, "another title", "alice");
    github.commit("octo/app", "next", "alice", "next", [("n", "n")]);
    github.retarget_pull("octo/app", number, "next", "alice");
    github.label_pull("octo/app", number, "bug", "alice");
    let comment = github.comment("octo/app", number, "bob", "/gw run");
    github.edit_comment(comment, "bob", "/gw help");
    github.delete_comment(comment, "bob");
    let on_a_line = github.diff_comment("octo/app", number, "bob", ("run.sh", 1), "/gw explain tests");
    github.edit_comment(on_a_line, "bob", "/gw help");
    github.delete_comment(on_a_line, "bob");
    github.comment_as_bot("octo/app", number, "coverage", "/gw run");
    github.close_pull("octo/app", number, "alice");
    github.reopen_pull("octo/app", number, "alice");
    let group = github.enqueue("octo/app", number, "alice");
    github.destroy_merge_group("octo/app", &group, "alice");
    github.merge_pull("octo/app", number, "alice").expect("no conflict");
    github.tag("octo/app", "v1.0.0", &head, "alice");
    github.delete_branch("octo/app", "topic", "alice");
    github.rerequest_all("octo/app", &head, "alice");
    github.suspend(github.installation("octo/app"), true);
    github.suspend(github.installation("octo/app"), false);
    github.create_repo("octo/other");
    github.uninstall("octo/other");
    let bot = Client::bot(&github, "octo/app");
    let button = |identifier: &str| json!({"label": "Press", "description": "here", "identifier": identifier});
    let actions = json!(["rerun-failed", "skip", "explain"].map(button));
    let output = json!({"title": "t", "summary": "s"});
    let done = json!({"status": "completed", "conclusion": "failure", "actions": actions, "output": output});
    let (status, check) = bot.check(&head, done).await;
    assert_eq!(status, 201, "{check}");
    let id = check["id"].as_u64().expect("an id");
    for identifier in ["rerun-failed", "skip", "explain"] {
        github.press_button(id, identifier, "alice");
        let pressed = github.deliveries().pop().expect("it was told").payload();
        assert_eq!(pressed["requested_action"], json!({"identifier": identifier}));
        assert_eq!((&pressed["check_run"]["id"], &pressed["sender"]["login"]), (&json!(id), &json!("alice")));
    }
    github.rerequest(id, "alice");
    github.deliveries_settled().await;
    github.assert_valid();
    let names: std::collections::BTreeSet<String> = github.deliveries().iter().map(|d| d.name()).collect();
    let wanted = [
        "check_run.completed",
        "check_run.created",
        "check_run.requested_action",
        "check_run.rerequested",
        "check_suite.completed",
        "check_suite.requested",
        "check_suite.rerequested",
        "installation.created",
        "installation.suspend",
        "installation.unsuspend",
        "installation_repositories.added",
        "installation_repositories.removed",
        "issue_comment.created",
        "issue_comment.deleted",
        "issue_comment.edited",
        "merge_group.checks_requested",
        "merge_group.destroyed",
        "ping",
        "pull_request.closed",
        "pull_request.converted_to_draft",
        "pull_request.edited",
        "pull_request.labeled",
        "pull_request.opened",
        "pull_request.ready_for_review",
        "pull_request.reopened",
        "pull_request.synchronize",
        "pull_request_review_comment.created",
        "pull_request_review_comment.deleted",
        "pull_request_review_comment.edited",
        "push",
    ];
    assert_eq!(names.iter().map(String::as_str).collect::<Vec<_>>(), wanted);
}

#[tokio::test]
async fn the_app_logs_in_by_a_jwt_that_is_signed_short_and_its_own() {
    let github = FakeGitHub::start().await;
    github.create_repo("octo/app");
    assert_eq!(Client::app(&github).get("/app").await.0, 200);
    for bad in [jwt(&github, 1, 540), jwt(&github, github.app_id(), 3600), jwt(&github, github.app_id(), -10)] {
        assert_eq!(Client::new(&github, bad).get("/app").await.0, 401);
    }
    let forged = format!("{}AAAA", &jwt(&github, github.app_id(), 540).trim_end_matches(|c| c != '.'));
    assert_eq!(Client::new(&github, forged).get("/app").await.0, 401);
    assert_eq!(Client::bot(&github, "octo/app").get("/app").await.0, 401);
    github.assert_valid();
}

#[tokio::test]
async fn an_app_is_made_from_a_manifest_whose_events_its_permissions_allow() {
    let manifest = |permissions: Value| {
        let events = ["issue_comment", "pull_request_review_comment"];
        json!({"name": "gw", "default_permissions": permissions, "default_events": events}).to_string()
    };
    let good = manifest(json!({"issues": "read", "pull_requests": "write"}));
    let github = FakeGitHub::start_with(Options::from_manifest(&good)).await;
    let (_, app) = Client::app(&github).get("/app").await;
    assert_eq!(app["permissions"], json!({"issues": "read", "pull_requests": "write"}));
    // Although a comment on a pull request is written with `pull_requests`.
    let refused = tokio::spawn(FakeGitHub::start_with(Options::from_manifest(&manifest(json!({"pull_requests": "write"})))));
    assert!(refused.await.is_err_and(|e| e.is_panic()));
    github.assert_valid();
}

#[tokio::test]
async fn a_token_reaches_its_repositories_and_permissions_and_nothing_else() {
    let github = FakeGitHub::start().await;
    github.create_repo("octo/app");
    github.create_repo("octo/other");
    let id = github.installation("octo/app");
    let app = Client::app(&github);
    let path = format!("/app/installations/{id}/access_tokens");
    let ask = json!({"repositories": ["app"], "permissions": {"contents": "read", "checks": "read"}});
    let (status, token) = app.send(Method::POST, &path, ask).await;
    assert_eq!(status, 201, "{token}");
    let narrow = Client::new(&github, token["token"].as_str().expect("a token").to_owned());
    assert_eq!(narrow.get("/repos/octo/app/branches").await.0, 200);
    assert_eq!(narrow.get("/repos/octo/other").await.0, 404);
    let head = github.branch("octo/app", "main");
    assert_eq!(narrow.check(&head, json!({})).await.0, 403);
    let (_, listed) = narrow.get("/installation/repositories").await;
    assert_eq!(listed["total_count"], 1);
    assert_eq!(app.send(Method::POST, &path, json!({"permissions": {"actions": "write"}})).await.0, 422);
    assert_eq!(app.send(Method::POST, &path, json!({"repositories": ["elsewhere"]})).await.0, 422);
    github.expire_tokens();
    assert_eq!(narrow.get("/repos/octo/app/branches").await.0, 401);
    github.assert_valid();
}

#[tokio::test]
async fn requests_that_github_does_not_describe_are_refused_and_remembered() {
    let github = FakeGitHub::start().await;
    let (number, head) = with_pull(&github);
    let bot = Client::bot(&github, "octo/app");
    let comments = format!("/repos/octo/app/issues/{number}/comments");
    assert_eq!(bot.send(Method::POST, &comments, json!({"text": "no body"})).await.0, 500);
    assert_eq!(bot.send(Method::POST, &comments, json!({"body": "b", "colour": "red"})).await.0, 500);
    assert_eq!(bot.get(&format!("{comments}?pages=2")).await.0, 500);
    assert_eq!(bot.get("/repos/octo/app/nothing").await.0, 404);
    assert_eq!(bot.check(&head, json!({"status": "done"})).await.0, 500);
    let nested = json!({"output": {"title": "t", "summary": "s", "annotations": [{"path": "a", "line": 3}]}});
    assert_eq!(bot.check(&head, nested).await.0, 500);
    let violations = github.take_violations();
    assert_eq!(violations.len(), 6, "{violations:#?}");
    github.assert_valid();
}

#[tokio::test]
async fn the_limits_of_checks_and_comments_are_githubs() {
    let github = FakeGitHub::start().await;
    let (number, head) = with_pull(&github);
    let bot = Client::bot(&github, "octo/app");
    let note = json!({"path": "a", "start_line": 1, "end_line": 1, "annotation_level": "notice", "message": "m"});
    let output = |n: usize| json!({"output": {"title": "t", "summary": "s", "annotations": vec![note.clone(); n]}});
    assert_eq!(bot.check(&head, output(51)).await.0, 422);
    assert_eq!(bot.check(&head, json!({"status": "completed"})).await.0, 422);
    assert_eq!(bot.check(&head, json!({"output": {"title": "t", "summary": "s".repeat(65_536)}})).await.0, 422);
    let action = json!({"label": "l", "description": "d", "identifier": "i"});
    assert_eq!(bot.check(&head, json!({"actions": vec![action; 4]})).await.0, 422);
    let comments = format!("/repos/octo/app/issues/{number}/comments");
    assert_eq!(bot.send(Method::POST, &comments, json!({"body": "ä".repeat(65_537)})).await.0, 422);
    assert_eq!(github.take_violations().len(), 5);
    assert_eq!(bot.send(Method::POST, &comments, json!({"body": "ä".repeat(65_536)})).await.0, 201);
    let (status, check) = bot.check(&head, output(50)).await;
    assert_eq!(status, 201);
    let path = format!("/repos/octo/app/check-runs/{}", check["id"]);
    assert_eq!(bot.send(Method::PATCH, &path, output(10)).await.0, 200);
    assert_eq!(bot.get(&format!("{path}/annotations?per_page=100")).await.1.as_array().map(Vec::len), Some(60));
    let (_, done) = bot.send(Method::PATCH, &path, json!({"conclusion": "neutral"})).await;
    assert_eq!((&done["status"], &done["conclusion"]), (&json!("completed"), &json!("neutral")));
    github.assert_valid();
}

#[tokio::test]
async fn every_reading_operation_answers_as_github_describes() {
    let github = FakeGitHub::start().await;
    let (hook, _) = receiver(StatusCode::OK).await;
    github.set_webhook(&hook, SECRET);
    let (number, head) = with_pull(&github);
    github.commit("octo/app", "release/1.x", "alice", "fix", [("y.md", "y")]);
    github.tag("octo/app", "v1", &head, "alice");
    github.set_permission("octo/app", "alice", Level::Maintain);
    let comment = github.comment("octo/app", number, "alice", "hello");
    let diff_comment = github.diff_comment("octo/app", number, "alice", ("x.md", 1), "why?");
    github.comment_as_bot("octo/app", number, "coverage", "80 %");
    github.comment_through_app("octo/app", number, "alice", "mobile", "on my way");
    github.react(diff_comment, "bob", "heart");
    github.add_to_team("octo/reviewers", "alice");
    github.deliveries_settled().await;
    let (app, bot) = (Client::app(&github), Client::bot(&github, "octo/app"));
    let (_, check) = bot.check(&head, json!({"status": "in_progress", "external_id": "e"})).await;
    let status = json!({"state": "success", "context": "ci", "description": "d"});
    assert_eq!(bot.send(Method::POST, &format!("/repos/octo/app/statuses/{head}"), status).await.0, 201);
    let react = json!({"content": "eyes"});
    let reactions = format!("/repos/octo/app/issues/comments/{comment}/reactions");
    assert_eq!(bot.send(Method::POST, &reactions, react.clone()).await.0, 201);
    assert_eq!(bot.send(Method::POST, &reactions, react.clone()).await.0, 200);
    assert_eq!(bot.send(Method::POST, &format!("/repos/octo/app/issues/{number}/reactions"), react).await.0, 201);
    let (_, deliveries) = app.get("/app/hook/deliveries?per_page=2").await;
    let installation = github.installation("octo/app");
    for path in [
        "/app".to_owned(),
        "/app/installations".to_owned(),
        format!("/app/installations/{installation}"),
        "/repos/octo/app/installation".to_owned(),
        "/orgs/octo/installation".to_owned(),
        format!("/app/hook/deliveries/{}", deliveries[0]["id"]),
    ] {
        assert_eq!(app.get(&path).await.0, 200, "{path}");
    }
    let alice = github.user_id("alice");
    let (id, suite) = (&check["id"], &check["check_suite"]["id"]);
    for path in [
        String::new(),
        "/collaborators/alice/permission".to_owned(),
        "/branches".to_owned(),
        "/branches/main".to_owned(),
        "/branches/release%2F1.x".to_owned(),
        "/branches/release/1.x".to_owned(),
        "/tags".to_owned(),
        "/git/ref/heads/main".to_owned(),
        "/git/ref/tags/v1".to_owned(),
        "/git/matching-refs/heads/".to_owned(),
        format!("/git/commits/{head}"),
        format!("/git/trees/{head}?recursive=1"),
        "/commits".to_owned(),
        "/commits/topic".to_owned(),
        "/commits/heads/release/1.x".to_owned(),
        format!("/commits/{head}/pulls"),
        format!("/compare/main...{head}"),
        "/compare/topic...main?per_page=1".to_owned(),
        "/contents/src/a%20b.txt?ref=topic".to_owned(),
        "/contents/src?ref=topic".to_owned(),
        "/contents/README.md".to_owned(),
        "/pulls".to_owned(),
        "/pulls?head=octo:topic&base=main&state=all".to_owned(),
        format!("/pulls/{number}"),
        format!("/pulls/{number}/files"),
        format!("/pulls/{number}/commits"),
        format!("/issues/{number}"),
        format!("/issues/{number}/comments"),
        format!("/issues/comments/{comment}"),
        format!("/pulls/{number}/comments"),
        format!("/pulls/comments/{diff_comment}"),
        format!("/pulls/comments/{diff_comment}/reactions"),
        "/pulls?state=open&sort=updated&direction=desc&per_page=50".to_owned(),
        format!("/issues/comments/{comment}/reactions"),
        format!("/check-runs/{id}"),
        format!("/check-runs/{id}/annotations"),
        format!("/commits/{head}/check-runs?check_name=tests&filter=latest&app_id={}", github.app_id()),
        format!("/commits/{head}/check-suites"),
        format!("/check-suites/{suite}"),
        format!("/check-suites/{suite}/check-runs"),
        format!("/commits/{head}/statuses"),
        format!("/commits/{head}/status"),
    ] {
        let (status, body) = bot.get(&format!("/repos/octo/app{path}")).await;
        assert_eq!(status, 200, "{path}: {body}");
    }
    for path in ["/rate_limit", "/users/alice", &format!("/user/{alice}"), "/installation/repositories"] {
        assert_eq!(bot.get(path).await.0, 200, "{path}");
    }
    let (_, permission) = bot.get("/repos/octo/app/collaborators/alice/permission").await;
    assert_eq!((&permission["permission"], &permission["role_name"]), (&json!("write"), &json!("maintain")));
    let raw = bot.request(Method::GET, "/repos/octo/app/contents/src/a%20b.txt?ref=topic");
    let raw = raw.header("accept", "application/vnd.github.raw+json").send().await.expect("it answers");
    assert_eq!(raw.text().await.expect("text"), "one\ntwo\n");
    github.assert_valid();
}

#[tokio::test]
async fn lists_come_in_pages_with_absolute_links() {
    let github = FakeGitHub::start().await;
    let (number, _) = with_pull(&github);
    for i in 0..7 {
        github.comment("octo/app", number, "alice", &format!("comment {i}"));
    }
    let mut bot = Client::bot(&github, "octo/app");
    bot.url = github.enterprise_url();
    let mut next = Some(format!("/repos/octo/app/issues/{number}/comments?per_page=3"));
    let mut bodies = Vec::new();
    while let Some(path) = next {
        let response = bot.request(Method::GET, &path).send().await.expect("it answers");
        let link = header(response.headers(), "link").to_owned();
        let page: Vec<Value> = response.json().await.expect("a list");
        bodies.extend(page.iter().map(|c| c["body"].clone()));
        next = link.split(", ").find(|l| l.contains("rel=\"next\"")).map(|l| l[1..l.find('>').expect("an end")].to_owned());
        assert!(next.as_ref().is_none_or(|n| n.starts_with(&bot.url)), "{next:?}");
    }
    assert_eq!(bodies.len(), 7);
    github.assert_valid();
}

#[tokio::test]
async fn a_fork_brings_its_commits_but_its_checks_know_no_pull_request() {
    let github = FakeGitHub::start().await;
    github.create_repo("octo/app");
    let fork = github.fork("octo/app", "mallory");
    assert_eq!(github.fork("octo/app", "mallory"), fork, "forked once");
    github.commit(&fork, "topic", "mallory", "evil", [("evil.sh", "rm -rf /\n")]);
    let number = github.open_pull("octo/app", PullSpec::of("mallory", "topic").from_fork(&fork));
    let head = github.commit(&fork, "topic", "mallory", "more evil", [("evil2.sh", "x\n")]);
    assert_eq!(github.pull_head("octo/app", number), head);
    let bot = Client::bot(&github, "octo/app");
    let (_, pull) = bot.get(&format!("/repos/octo/app/pulls/{number}")).await;
    assert_eq!(pull["head"]["repo"]["full_name"], "mallory/app");
    assert_eq!(pull["mergeable"], true);
    let (_, files) = bot.get(&format!("/repos/octo/app/pulls/{number}/files")).await;
    assert_eq!(files.as_array().map(Vec::len), Some(2));
    let (status, check) = bot.check(&head, json!({})).await;
    assert_eq!((status, &check["pull_requests"]), (201, &json!([])));
    let dir = tempfile::tempdir().expect("a folder");
    let at = dir.path().to_str().expect("a plain path");
    git(&["init", "-q", at], None).await;
    let (url, token) = (format!("{}/octo/app.git", github.url()), github.installation_token("octo/app"));
    for wanted in [head.as_str(), &format!("refs/pull/{number}/head"), &format!("refs/pull/{number}/merge")] {
        let fetched = git(&["-C", at, "fetch", "-q", "--depth", "1", &url, wanted], Some(&token)).await;
        assert!(fetched.status.success(), "{wanted}: {}", String::from_utf8_lossy(&fetched.stderr));
    }
    github.assert_valid();
}

#[tokio::test]
async fn a_failed_delivery_is_not_repeated_until_asked_and_then_keeps_its_id() {
    let github = FakeGitHub::start().await;
    let (down, _) = receiver(StatusCode::INTERNAL_SERVER_ERROR).await;
    github.set_webhook(&down, SECRET);
    with_pull(&github);
    github.deliveries_settled().await;
    let (up, got) = receiver(StatusCode::ACCEPTED).await;
    github.move_webhook(&up);
    let app = Client::app(&github);
    let (_, failed) = app.get("/app/hook/deliveries?status=failure&per_page=100").await;
    let opened = failed.as_array().expect("a list").iter().find(|d| d["event"] == "pull_request").expect("it failed");
    assert_eq!((&opened["status_code"], &opened["redelivery"]), (&json!(500), &json!(false)));
    let path = format!("/app/hook/deliveries/{}/attempts", opened["id"]);
    assert_eq!(app.send(Method::POST, &path, json!({})).await.0, 202);
    github.deliveries_settled().await;
    let got = got.lock().expect("no panic").clone();
    let guids: Vec<&str> = got.iter().map(|(headers, _)| header(headers, "x-github-delivery")).collect();
    assert_eq!(guids, [opened["guid"].as_str().expect("a guid")]);
    let (_, items) = app.get("/app/hook/deliveries?per_page=1").await;
    assert_eq!((&items[0]["guid"], &items[0]["redelivery"], &items[0]["status"]), (&opened["guid"], &json!(true), &json!("OK")));
    github.assert_valid();
}

#[tokio::test]
async fn deliveries_are_listed_by_a_cursor() {
    let github = FakeGitHub::start().await;
    let (hook, _) = receiver(StatusCode::OK).await;
    github.set_webhook(&hook, SECRET);
    with_pull(&github);
    github.deliveries_settled().await;
    let app = Client::app(&github);
    let (mut next, mut ids) = (Some("/app/hook/deliveries?per_page=2".to_owned()), Vec::new());
    while let Some(path) = next {
        let response = app.request(Method::GET, &path).send().await.expect("it answers");
        let link = header(response.headers(), "link").to_owned();
        let page: Vec<Value> = response.json().await.expect("a list");
        ids.extend(page.iter().filter_map(|d| d["id"].as_u64()));
        next = (!link.is_empty()).then(|| link[1..link.find('>').expect("an end")].to_owned());
    }
    assert_eq!(ids.len(), github.deliveries().len());
    assert!(ids.is_sorted_by(|a, b| a > b));
    github.assert_valid();
}

#[tokio::test]
async fn faults_of_the_api_do_what_they_say() {
    let github = FakeGitHub::start().await;
    let (number, _) = with_pull(&github);
    let bot = Client::bot(&github, "octo/app");
    let comments = format!("/repos/octo/app/issues/{number}/comments");
    let post = || bot.send(Method::POST, &comments, json!({"body": "b"}));
    github.fault(Fault::on("issues/create-comment", Effect::ServerError).once());
    assert_eq!((post().await.0, github.comments("octo/app", number).len()), (500, 0));
    github.fault(Fault::on("issues/create-comment", Effect::BadGatewayAfter).once());
    assert_eq!((post().await.0, github.comments("octo/app", number).len()), (502, 1));
    github.fault(Fault::on("/repos/octo/app/issues/*", Effect::Cut).once());
    let cut = bot.request(Method::POST, &comments).json(&json!({"body": "b"})).send().await;
    assert!(cut.is_err() && github.comments("octo/app", number).len() == 1);
    github.fault(Fault::on("issues/*", Effect::CutAfter).method("post").once());
    let cut = bot.request(Method::POST, &comments).json(&json!({"body": "b"})).send().await;
    assert!(cut.is_err() && github.comments("octo/app", number).len() == 2);
    github.fault(Fault::on("*", Effect::SecondaryLimit { retry_after_secs: 7 }).once());
    let limited = bot.request(Method::GET, "/repos/octo/app").send().await.expect("it answers");
    assert_eq!((limited.status().as_u16(), header(limited.headers(), "retry-after")), (403, "7"));
    github.fault(Fault::on("*", Effect::PrimaryLimit { status: 429, reset_in_secs: 60 }).once());
    let limited = bot.request(Method::GET, "/repos/octo/app").send().await.expect("it answers");
    assert_eq!((limited.status().as_u16(), header(limited.headers(), "x-ratelimit-remaining")), (429, "0"));
    github.fault(Fault::on("*", Effect::Unauthorized).nth(2));
    assert_eq!((bot.get("/repos/octo/app").await.0, bot.get("/repos/octo/app").await.0), (200, 401));
    github.fault(Fault::on("*", Effect::CutBody).once());
    let broken = bot.request(Method::GET, "/repos/octo/app").send().await.expect("the head comes");
    assert!(broken.text().await.is_err());
    github.fault(Fault::on("*", Effect::SlowBody(Duration::from_millis(20))).once());
    assert_eq!(bot.get("/repos/octo/app").await.1["name"], "app");
    github.fault(Fault::on("*", Effect::Hang(Duration::from_millis(20))).once());
    assert!(bot.request(Method::GET, "/repos/octo/app").send().await.is_err());
    let never = github.fault(Fault::on("*", Effect::ServerError).when(When::Chance { percent: 0, seed: 1 }));
    assert_eq!((bot.get("/repos/octo/app").await.0, github.fault_hits(never)), (200, 0));
    github.assert_valid();
}

#[tokio::test]
async fn faults_of_git_do_what_they_say() {
    let github = FakeGitHub::start().await;
    with_pull(&github);
    let (url, token) = (format!("{}/octo/app.git", github.url()), github.installation_token("octo/app"));
    github.fault(Fault::on("git/*", Effect::ServerError).once());
    assert!(!git(&["ls-remote", &url], Some(&token)).await.status.success());
    assert!(git(&["ls-remote", &url], Some(&token)).await.status.success());
    assert_eq!(github.log().iter().filter(|seen| seen.fault.is_some()).count(), 1);
}

#[tokio::test]
async fn faults_of_webhooks_do_what_they_say() {
    let github = FakeGitHub::start().await;
    let (hook, got) = receiver(StatusCode::ACCEPTED).await;
    github.set_webhook(&hook, SECRET);
    github.deliveries_settled().await;
    let events = || -> Vec<String> {
        std::mem::take(&mut *got.lock().expect("no panic")).iter().map(|(h, _)| header(h, "x-github-event").to_owned()).collect()
    };
    events();
    github.hook_fault(HookFault::on("pull_request.opened", HookEffect::Duplicate(5)).once());
    github.hook_fault(HookFault::on("push", HookEffect::Drop).once());
    let (number, _) = with_pull(&github);
    github.deliveries_settled().await;
    assert_eq!(events().iter().filter(|event| *event == "pull_request").count(), 5);
    let push = github.deliveries().into_iter().find(|d| d.event == "push").expect("it happened");
    assert_eq!((push.attempts.len(), push.attempts[0].status_code), (1, 502));
    github.redeliver(&push.guid);
    github.deliveries_settled().await;
    assert_eq!(events(), ["push"]);
    github.hook_fault(HookFault::on("issue_comment", HookEffect::HoldBehind(1)).once());
    github.comment("octo/app", number, "alice", "first");
    github.close_pull("octo/app", number, "alice");
    github.deliveries_settled().await;
    assert_eq!(events(), ["pull_request", "issue_comment"]);
    // Late by more than this test takes: what comes after it does not wait for it.
    github.hook_fault(HookFault::on("issue_comment", HookEffect::Delay(Duration::from_secs(3600))).once());
    github.comment("octo/app", number, "alice", "second");
    github.reopen_pull("octo/app", number, "alice");
    let reopened = |github: &FakeGitHub| github.deliveries().pop().filter(|d| !d.attempts.is_empty());
    assert_eq!(github.eventually("the reopening to be told", reopened).await.name(), "pull_request.reopened");
    assert_eq!(events(), ["pull_request"]);
    github.assert_valid();
}

#[tokio::test]
async fn two_hooks_send_one_event_under_two_ids_and_a_bad_signature_is_bad() {
    let github = FakeGitHub::start().await;
    let (hook, got) = receiver(StatusCode::ACCEPTED).await;
    github.set_webhook(&hook, SECRET);
    let (number, _) = with_pull(&github);
    github.deliveries_settled().await;
    got.lock().expect("no panic").clear();
    github.hook_fault(HookFault::on("issue_comment.created", HookEffect::TwoHooks).once());
    github.comment("octo/app", number, "alice", "twice");
    github.deliveries_settled().await;
    let twice = std::mem::take(&mut *got.lock().expect("no panic"));
    assert_eq!((twice.len(), &twice[0].1), (2, &twice[1].1));
    assert_ne!(header(&twice[0].0, "x-github-delivery"), header(&twice[1].0, "x-github-delivery"));
    github.hook_fault(HookFault::on("*", HookEffect::BadSignature).once());
    github.comment("octo/app", number, "alice", "forged");
    github.deliveries_settled().await;
    let forged = std::mem::take(&mut *got.lock().expect("no panic"));
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key");
    mac.update(&forged[0].1);
    assert_ne!(header(&forged[0].0, "x-hub-signature-256"), format!("sha256={}", hex::encode(mac.finalize().into_bytes())));
}

#[tokio::test]
async fn a_waiting_scenario_sees_what_a_bot_does_meanwhile() {
    let github = FakeGitHub::start().await;
    let (_, head) = with_pull(&github);
    let bot = Client::bot(&github, "octo/app");
    let works = async {
        let (_, check) = bot.check(&head, json!({"status": "in_progress"})).await;
        let path = format!("/repos/octo/app/check-runs/{}", check["id"]);
        bot.send(Method::PATCH, &path, json!({"conclusion": "success"})).await
    };
    let (seen, _) = tokio::join!(github.completed_check("octo/app", &head, "tests"), works);
    assert_eq!(seen.state(), "success");
    assert_eq!((github.calls("checks/create"), github.calls("checks/update"), github.requests_at_once()), (1, 1, 1));
    github.assert_valid();
}

#[tokio::test]
async fn rate_limits_are_told_and_where_wanted_enforced() {
    let github = FakeGitHub::start().await;
    let (number, _) = with_pull(&github);
    let bot = Client::bot(&github, "octo/app");
    github.set_limits(Limits { per_hour: 3, content_per_minute: Some(1), enforced: true, ..Limits::default() });
    let comments = format!("/repos/octo/app/issues/{number}/comments");
    let first = bot.request(Method::POST, &comments).json(&json!({"body": "b"})).send().await.expect("it answers");
    assert_eq!((first.status().as_u16(), header(first.headers(), "x-ratelimit-remaining")), (201, "2"));
    let second = bot.request(Method::POST, &comments).json(&json!({"body": "b"})).send().await.expect("it answers");
    assert_eq!(second.status().as_u16(), 403);
    assert!(header(second.headers(), "retry-after").parse::<u64>().is_ok_and(|secs| secs <= 60));
    assert_eq!((bot.get("/repos/octo/app").await.0, bot.get("/repos/octo/app").await.0), (200, 403));
    // A write is 5 points, a read 1; a new comment is content beside that.
    github.set_limits(Limits { points_per_minute: Some(6), ..Limits::default() });
    let first = bot.request(Method::POST, &comments).json(&json!({"body": "b"})).send().await.expect("it answers");
    assert_eq!(first.status().as_u16(), 201);
    assert_eq!((bot.get("/repos/octo/app").await.0, bot.get("/repos/octo/app").await.0), (200, 403));
    github.assert_valid();
}

#[tokio::test]
async fn what_has_not_changed_is_free() {
    let github = FakeGitHub::start().await;
    github.create_repo("octo/app");
    let bot = Client::bot(&github, "octo/app");
    let first = bot.request(Method::GET, "/repos/octo/app/branches").send().await.expect("it answers");
    let etag = header(first.headers(), "etag").to_owned();
    let again = || bot.request(Method::GET, "/repos/octo/app/branches").header("if-none-match", &etag).send();
    let second = again().await.expect("it answers");
    assert_eq!((second.status().as_u16(), header(second.headers(), "x-ratelimit-used")), (304, "1"));
    github.commit("octo/app", "main", "alice", "change", [("a", "b")]);
    assert_eq!(again().await.expect("it answers").status().as_u16(), 200);
    github.assert_valid();
}
