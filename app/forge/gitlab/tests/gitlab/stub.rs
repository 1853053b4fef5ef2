//! The server, and the builders that the tests share.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse, Response};
use gatewright_core::forge::ForgeError;
use gatewright_core::report::{CheckReport, CheckStatus, CommentReport, Conclusion, Holds, Report, external_id};
use gatewright_core::secret::SecretString;
use gatewright_core::verdict::{Annotation, AnnotationLevel};
use gatewright_core::{CommitId, ForgeKind, ItemRef, RepoRef, RunId, Timestamp};
use gatewright_forge_gitlab::{GitLab, GitLabConfig, Limits, Timeouts};
use serde_json::{Value, json};

pub(crate) const START: i64 = 1_800_000_000;
/// Our own account's number.
pub(crate) const ME: u64 = 1234;
/// What no error, log or description may show.
pub(crate) const CANARY: &str = "glpat-CANARY0123456789";
/// What everything of the test project is below.
pub(crate) const PROJECT: &str = "/api/v4/projects/7";
pub(crate) const REQUEST: &str = "/api/v4/projects/7/merge_requests/5";

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Seen {
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }

    /// Whether it is this method on exactly this path.
    pub(crate) fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path() == path
    }
}

/// What the server answers.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    silent: bool,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Reply { status, headers: Vec::new(), body: body.to_string().into_bytes(), silent: false }
    }

    pub(crate) fn ok(body: Value) -> Option<Self> {
        Some(Reply::json(200, &body))
    }

    pub(crate) fn made(body: Value) -> Option<Self> {
        Some(Reply::json(201, &body))
    }

    /// With GitLab's words.
    pub(crate) fn says(status: u16, message: &str) -> Self {
        Reply::json(status, &json!({"message": message}))
    }

    pub(crate) fn status(status: u16) -> Self {
        Reply::says(status, "as the test says")
    }

    pub(crate) fn text(status: u16, body: &str) -> Self {
        Reply { body: body.as_bytes().to_vec(), ..Reply::status(status) }
    }

    /// Takes the request and never answers.
    pub(crate) fn silence() -> Self {
        Reply { silent: true, ..Reply::status(200) }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}

type Script = dyn Fn(&Seen) -> Option<Reply> + Send + Sync;

struct Inner {
    script: Box<Script>,
    seen: Mutex<Vec<Seen>>,
    unexpected: Mutex<Vec<String>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    now: Arc<AtomicI64>,
}

/// A server that answers as its script says, and who we are. A test to which anything else is sent fails at its end.
pub(crate) struct Stub {
    pub(crate) address: SocketAddr,
    inner: Arc<Inner>,
}

impl Stub {
    pub(crate) async fn start(script: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let inner = Arc::new(Inner {
            script: Box::new(script),
            seen: Mutex::default(),
            unexpected: Mutex::default(),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
            now: Arc::new(AtomicI64::new(START)),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = axum::Router::new().fallback(answer).with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Stub { address, inner }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn config(&self) -> GitLabConfig {
        let now = self.inner.now.clone();
        GitLabConfig {
            timeouts: Timeouts { retry_delay: Duration::from_millis(1), ..Timeouts::default() },
            clock: Arc::new(move || Timestamp::from_second(now.load(Ordering::SeqCst)).unwrap()),
            ..GitLabConfig::new(self.url(), SecretString::from(CANARY))
        }
    }

    pub(crate) fn gitlab(&self) -> GitLab {
        GitLab::new(self.config()).unwrap()
    }

    pub(crate) fn gitlab_with(&self, limits: Limits) -> GitLab {
        GitLab::new(GitLabConfig { limits, ..self.config() }).unwrap()
    }

    pub(crate) fn pass(&self, secs: i64) {
        self.inner.now.fetch_add(secs, Ordering::SeqCst);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.inner.seen.lock().unwrap().clone()
    }

    /// Method and target of every request.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().iter().map(Seen::line).collect()
    }

    pub(crate) fn count(&self, method: &str, path: &str) -> usize {
        self.seen().iter().filter(|seen| seen.is(method, path)).count()
    }

    /// The bodies of the requests of this method on exactly this path.
    pub(crate) fn bodies(&self, method: &str, path: &str) -> Vec<Value> {
        self.seen().into_iter().filter(|seen| seen.is(method, path)).map(|seen| seen.body).collect()
    }

    pub(crate) fn most_under_way(&self) -> usize {
        self.inner.most_under_way.load(Ordering::SeqCst)
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        let unexpected = self.inner.unexpected.lock().unwrap();
        assert!(std::thread::panicking() || unexpected.is_empty(), "the test has no answer to {unexpected:#?}");
    }
}

async fn answer(State(inner): State<Arc<Inner>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let most = inner.under_way.fetch_add(1, Ordering::SeqCst) + 1;
    inner.most_under_way.fetch_max(most, Ordering::SeqCst);
    // Others get their turn here, so that what can be under way at once is.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let seen = Seen { method: method.to_string(), target: uri.to_string(), headers, body };
    inner.seen.lock().unwrap().push(seen.clone());
    let reply = (inner.script)(&seen).or_else(|| ourselves(&seen)).unwrap_or_else(|| {
        inner.unexpected.lock().unwrap().push(seen.line());
        Reply::status(501)
    });
    inner.under_way.fetch_sub(1, Ordering::SeqCst);
    if reply.silent {
        return std::future::pending().await;
    }
    let mut response = reply.body.into_response();
    *response.status_mut() = reply.status.try_into().unwrap();
    for (name, value) in reply.headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

fn ourselves(seen: &Seen) -> Option<Reply> {
    seen.is("GET", "/api/v4/user").then(|| Reply::json(200, &json!({"id": ME, "username": "gatewright", "new_field": [1]})))
}

pub(crate) fn repo() -> RepoRef {
    RepoRef { forge: ForgeKind::Gitlab, id: 7, path: "group/sub/app".to_owned(), installation: None }
}

pub(crate) fn commit(digit: char) -> CommitId {
    digit.to_string().repeat(40).parse().unwrap()
}

pub(crate) fn at(secs: i64) -> Timestamp {
    Timestamp::from_second(START + secs).unwrap()
}

pub(crate) fn branch_reply(digit: char) -> Reply {
    Reply::json(200, &json!({"name": "main", "commit": {"id": commit(digit)}}))
}

/// Merge request 5, whose head is `aaa...`, without a pipeline.
pub(crate) fn merge_request() -> Value {
    json!({
        "id": 500, "iid": 5, "state": "opened", "title": "Add it", "sha": commit('a'),
        "author": {"id": 77, "username": "ada"},
        "source_project_id": 7, "target_project_id": 7, "source_branch": "feature", "target_branch": "main",
        "changes_count": "1",
        "diff_refs": {"base_sha": commit('b'), "start_sha": commit('c'), "head_sha": commit('a')},
        "head_pipeline": null
    })
}

/// The same with one or more of its fields changed.
pub(crate) fn merge_request_with(changes: Value) -> Value {
    let mut request = merge_request();
    for (name, value) in changes.as_object().unwrap() {
        request[name] = value.clone();
    }
    request
}

/// A pipeline of the head.
pub(crate) fn pipeline(id: u64) -> Value {
    json!({"id": id, "project_id": 7, "sha": commit('a'), "ref": "refs/merge-requests/5/head", "status": "running"})
}

/// The n-th run: later ones are newer.
pub(crate) fn run(number: u128) -> RunId {
    RunId(uuid::Uuid::from_u128(number))
}

pub(crate) fn completed(conclusion: Conclusion) -> CheckStatus {
    CheckStatus::Completed { started_at: Some(at(0)), completed_at: at(60), conclusion }
}

pub(crate) fn running() -> CheckStatus {
    CheckStatus::InProgress { started_at: at(0) }
}

/// The check of a gate in the first run, on merge request 5.
pub(crate) fn check(status: CheckStatus) -> CheckReport {
    CheckReport {
        name: "gatewright/tests".to_owned(),
        head: commit('a'),
        pull: Some(5),
        external_id: external_id(run(1), Some(&"tests".parse().unwrap())),
        status,
        title: "60 failed".to_owned(),
        summary: "It did not pass.".to_owned(),
        text: Some("log".to_owned()),
        annotations: Vec::new(),
        suggestions: Vec::new(),
        actions: Vec::new(),
        details_url: Some("https://gw.example/runs/1".to_owned()),
    }
}

/// The aggregate check of the first run, on merge request 5.
pub(crate) fn aggregate(status: CheckStatus) -> CheckReport {
    CheckReport { name: "gatewright".to_owned(), external_id: external_id(run(1), None), ..check(status) }
}

pub(crate) fn report(check: CheckReport) -> Report {
    Report::Check(Box::new(check))
}

pub(crate) fn failure(path: &str, line: u32, title: &str) -> Annotation {
    Annotation {
        path: path.to_owned(),
        start_line: line,
        end_line: line,
        column: None,
        level: AnnotationLevel::Failure,
        title: title.to_owned(),
        message: format!("{title}, in full"),
    }
}

pub(crate) const MARKER: &str = "<!-- test:sticky -->";

pub(crate) fn comment(body: &str) -> Report {
    comment_that(Holds::Yes, body)
}

pub(crate) fn comment_that(holds: Holds, body: &str) -> Report {
    Report::Comment(CommentReport { on: ItemRef::Pull { number: 5 }, marker: MARKER.to_owned(), body: body.to_owned(), holds })
}

pub(crate) fn is_limited<T: fmt::Debug>(result: &Result<T, ForgeError>, secs: u64) -> bool {
    matches!(result, Err(ForgeError::RateLimited { wait_secs, .. }) if *wait_secs == secs)
}

pub(crate) fn is_unavailable<T>(result: &Result<T, ForgeError>) -> bool {
    matches!(result, Err(ForgeError::Unavailable { .. }))
}

pub(crate) fn is_refused<T>(result: &Result<T, ForgeError>) -> bool {
    matches!(result, Err(ForgeError::Refused { .. }))
}

pub(crate) fn is_missing<T>(result: &Result<T, ForgeError>) -> bool {
    matches!(result, Err(ForgeError::Missing { .. }))
}
