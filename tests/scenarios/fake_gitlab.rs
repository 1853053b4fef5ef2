//! The fake GitLab itself: whether it is as strict and as awkward as the real one is documented to be.

#[path = "fake_gitlab/adapter.rs"]
mod adapter;
#[path = "fake_gitlab/code.rs"]
mod code;
#[path = "fake_gitlab/git.rs"]
mod git;
#[path = "fake_gitlab/hooks.rs"]
mod hooks;
#[path = "fake_gitlab/limits.rs"]
mod limits;
#[path = "fake_gitlab/merge_requests.rs"]
mod merge_requests;
#[path = "fake_gitlab/payloads.rs"]
mod payloads;
#[path = "fake_gitlab/proposals.rs"]
mod proposals;
#[path = "fake_gitlab/publishing.rs"]
mod publishing;
#[path = "fake_gitlab/rules.rs"]
mod rules;
#[path = "fake_gitlab/shipping.rs"]
mod shipping;
#[path = "fake_gitlab/shown.rs"]
mod shown;
#[path = "fake_gitlab/statuses.rs"]
mod statuses;
#[path = "fake_gitlab/talk.rs"]
mod talk;
#[path = "fake_gitlab/who.rs"]
mod who;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use gatewright_tests::FakeGitLab;
use gatewright_tests::gitlab::{BOT, MergeRequestSpec, Scope, TOKEN};
use reqwest::Method;
use serde_json::{Value, json};

/// The project that most tests have, and how the API's paths name it.
const REPO: &str = "octo/app";
const PROJECT: &str = "/projects/octo%2Fapp";

/// What a receiver of webhooks got: headers and body.
#[derive(Clone)]
struct Receiver {
    url: String,
    status: Arc<AtomicU16>,
    got: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

impl Receiver {
    /// Takes everything.
    async fn start() -> Receiver {
        async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
            receiver.got.lock().expect("no panic under this lock").push((headers, body));
            StatusCode::from_u16(receiver.status.load(Ordering::SeqCst)).expect("a status")
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}/hook", listener.local_addr().expect("it is bound"));
        let receiver = Receiver { url, status: Arc::new(AtomicU16::new(202)), got: Arc::default() };
        let router = Router::new().fallback(take).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    /// Answers this from now on.
    fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// What has come since the last time, once nothing is on its way any more.
    async fn take(&self, gitlab: &FakeGitLab) -> Vec<(HeaderMap, Bytes)> {
        gitlab.deliveries_settled().await;
        std::mem::take(&mut *self.got.lock().expect("no panic under this lock"))
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn parsed(body: &Bytes) -> Value {
    serde_json::from_slice(body).expect("payloads are JSON")
}

/// A caller of the API.
struct Client {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
}

impl Client {
    fn new(gitlab: &FakeGitLab, token: Option<String>) -> Self {
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(Duration::from_secs(20));
        Client { http: http.build().expect("a client can be made"), url: format!("{}/api/v4", gitlab.url()), token }
    }

    fn bot(gitlab: &FakeGitLab) -> Self {
        Client::new(gitlab, Some(TOKEN.to_owned()))
    }

    /// With a personal token that may everything that the user may.
    fn of(gitlab: &FakeGitLab, user: &str) -> Self {
        Client::new(gitlab, Some(gitlab.personal_token(user, Scope::Api)))
    }

    fn stranger(gitlab: &FakeGitLab) -> Self {
        Client::new(gitlab, None)
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let path = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.url) };
        let request = self.http.request(method, path);
        match &self.token {
            Some(token) => request.header("PRIVATE-TOKEN", token),
            None => request,
        }
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        answered(self.request(method, path).json(&body)).await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        answered(self.request(Method::GET, path)).await
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.send(Method::POST, path, body).await
    }

    async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        self.send(Method::PUT, path, body).await
    }

    async fn delete(&self, path: &str) -> u16 {
        answered(self.request(Method::DELETE, path)).await.0
    }
}

async fn answered(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.expect("the fake answers");
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

/// A project with one merge request; its number and its head. `src/a b.txt` is new with two lines.
fn with_request(gitlab: &FakeGitLab) -> (u64, String) {
    gitlab.create_project(REPO);
    let head = gitlab.commit(REPO, "topic", "alice", "add a test", [("src/a b.txt", "one\ntwo\n"), ("x.md", "x\n")]);
    (gitlab.open_merge_request(REPO, &MergeRequestSpec::of("alice", "topic")), head)
}

/// The path of a merge request of the project that most tests have.
fn request_path(iid: u64) -> String {
    format!("{PROJECT}/merge_requests/{iid}")
}

fn id(answer: &Value) -> u64 {
    answer["id"].as_u64().unwrap_or_else(|| panic!("no id: {answer}"))
}

/// One field of every item of a list.
fn all(list: &Value, pointer: &str) -> Vec<Value> {
    let items = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    items.iter().map(|item| item.pointer(pointer).cloned().unwrap_or_default()).collect()
}

/// Material of others, which lies where `GATEWRIGHT_FIXTURES` says.
fn fixtures(what: &str) -> Option<PathBuf> {
    let folder = std::env::var("GATEWRIGHT_FIXTURES");
    if folder.is_err() {
        eprintln!("NOT RUN: {what}; GATEWRIGHT_FIXTURES does not say where they are");
    }
    folder.ok().map(PathBuf::from)
}
