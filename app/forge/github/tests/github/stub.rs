//! The server, and the builders that the tests share.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use gatewright_core::forge::ForgeError;
use gatewright_core::report::{CheckReport, CheckStatus, CommentReport, Conclusion, Holds, Report};
use gatewright_core::verdict::{Annotation, AnnotationLevel};
use gatewright_core::{CommitId, ForgeKind, ItemRef, RepoRef, Timestamp};
use gatewright_forge_github::{GitHub, GitHubConfig, Limits, Timeouts};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::SecretString;
use serde_json::{Value, json};

pub(crate) const APP: u64 = 4711;
pub(crate) const INSTALLATION: u64 = 99;
pub(crate) const START: i64 = 1_800_000_000;
/// What no error, log or description may show.
pub(crate) const CANARY: &str = "ghs_CANARY0123456789";

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

    pub(crate) fn is(&self, method: &str, start: &str) -> bool {
        self.method == method && self.target.starts_with(start)
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

    pub(crate) fn status(status: u16) -> Self {
        Reply::json(status, &json!({"message": "as the test says"}))
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
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    tokens: AtomicUsize,
    now: Arc<AtomicI64>,
}

/// A server that answers as its script says, mints tokens, and answers 404 to the rest.
#[derive(Clone)]
pub(crate) struct Stub {
    pub(crate) address: SocketAddr,
    inner: Arc<Inner>,
}

impl Stub {
    pub(crate) async fn start(script: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let inner = Arc::new(Inner {
            script: Box::new(script),
            seen: Mutex::default(),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
            tokens: AtomicUsize::new(0),
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

    pub(crate) fn config(&self) -> GitHubConfig {
        let now = self.inner.now.clone();
        GitHubConfig {
            timeouts: Timeouts { retry_delay: Duration::from_millis(1), ..Timeouts::default() },
            clock: Arc::new(move || Timestamp::from_second(now.load(Ordering::SeqCst)).unwrap()),
            ..GitHubConfig::new(self.url(), APP, key())
        }
    }

    pub(crate) fn github(&self) -> GitHub {
        GitHub::new(self.config()).unwrap()
    }

    pub(crate) fn github_with(&self, limits: Limits) -> GitHub {
        GitHub::new(GitHubConfig { limits, ..self.config() }).unwrap()
    }

    pub(crate) fn pass(&self, secs: i64) {
        self.inner.now.fetch_add(secs, Ordering::SeqCst);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.inner.seen.lock().unwrap().clone()
    }

    /// Method and target of every request other than those for tokens.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().iter().map(Seen::line).filter(|line| !line.ends_with("/access_tokens")).collect()
    }

    pub(crate) fn count(&self, method: &str, start: &str) -> usize {
        self.seen().iter().filter(|seen| seen.is(method, start)).count()
    }

    pub(crate) fn most_under_way(&self) -> usize {
        self.inner.most_under_way.load(Ordering::SeqCst)
    }
}

async fn answer(State(inner): State<Arc<Inner>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let most = inner.under_way.fetch_add(1, Ordering::SeqCst) + 1;
    inner.most_under_way.fetch_max(most, Ordering::SeqCst);
    // Others get their turn here, so that what can be under way at once is.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let seen = Seen {
        method: method.to_string(),
        target: uri.to_string(),
        headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    inner.seen.lock().unwrap().push(seen.clone());
    let reply = (inner.script)(&seen).or_else(|| mint(&inner, &seen)).unwrap_or_else(|| Reply::status(404));
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

fn mint(inner: &Inner, seen: &Seen) -> Option<Reply> {
    if !seen.is("POST", "/app/installations/") {
        return None;
    }
    claims(seen.header("authorization"));
    let number = inner.tokens.fetch_add(1, Ordering::SeqCst) + 1;
    let expires_at = Timestamp::from_second(inner.now.load(Ordering::SeqCst) + 3_600).unwrap();
    Some(Reply::json(201, &json!({"token": token(number), "expires_at": expires_at.to_string(), "new_field": [1]})))
}

/// The stub's n-th token.
pub(crate) fn token(number: usize) -> String {
    format!("{CANARY}{number}")
}

/// The claims of a `Bearer` token that was signed with the App's key.
pub(crate) fn claims(authorization: &str) -> Value {
    let jwt = authorization.strip_prefix("Bearer ").unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    // The stub's time is not the machine's.
    validation.validate_exp = false;
    let public = DecodingKey::from_rsa_der(&keys().1);
    jsonwebtoken::decode::<Value>(jwt, &public, &validation).unwrap().claims
}

/// The App's private key, made anew for each run of the tests.
pub(crate) fn key() -> SecretString {
    SecretString::from(keys().0.clone())
}

fn keys() -> &'static (String, Vec<u8>) {
    static KEYS: OnceLock<(String, Vec<u8>)> = OnceLock::new();
    KEYS.get_or_init(|| {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der = pair.as_der().unwrap();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64_STANDARD.encode(der.as_ref()));
        (pem, aws_lc_rs::signature::KeyPair::public_key(&pair).as_ref().to_vec())
    })
}

pub(crate) fn repo() -> RepoRef {
    RepoRef { forge: ForgeKind::Github, id: 7, path: "octo/app".to_owned(), installation: Some(INSTALLATION) }
}

pub(crate) fn commit(digit: char) -> CommitId {
    digit.to_string().repeat(40).parse().unwrap()
}

pub(crate) fn at(secs: i64) -> Timestamp {
    Timestamp::from_second(START + secs).unwrap()
}

pub(crate) fn branch_reply(digit: char) -> Reply {
    Reply::json(200, &json!({"name": "main", "commit": {"sha": commit(digit)}}))
}

pub(crate) fn annotation(number: u32) -> Annotation {
    Annotation {
        path: "src/lib.rs".to_owned(),
        start_line: number,
        end_line: number,
        column: None,
        level: AnnotationLevel::Failure,
        title: "assertion failed".to_owned(),
        message: format!("case {number}"),
    }
}

/// A check that is over, with that many annotations.
pub(crate) fn check(annotations: u32) -> CheckReport {
    CheckReport {
        name: "gatewright/tests".to_owned(),
        head: commit('a'),
        pull: None,
        external_id: "run-1/tests".to_owned(),
        status: CheckStatus::Completed { started_at: Some(at(0)), completed_at: at(60), conclusion: Conclusion::Failure },
        title: "60 failed".to_owned(),
        summary: "It did not pass.".to_owned(),
        text: Some("log".to_owned()),
        annotations: (1..=annotations).map(annotation).collect(),
        suggestions: Vec::new(),
        actions: Vec::new(),
        details_url: Some("https://gw.example/runs/1".to_owned()),
    }
}

pub(crate) fn check_report(annotations: u32) -> Report {
    Report::Check(Box::new(check(annotations)))
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
