//! One request's way: fault, judgement by the description, credential, limit, handler, judgement of the answer, log.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

use super::api::{self, Call, Reply, Route};
use super::auth::{self, Caller};
use super::faults::{Effect, Fault};
use super::git_http;
use super::graphql;
use super::limits::{Cost, Meter, Refusal};
use super::openapi::{self, Operation, description};
use super::world::{World, lock};

/// A request's body may be so large; git's go past this.
pub(crate) const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// So many requests are remembered; the oldest are forgotten.
const LOG_MAX: usize = 200_000;

/// The pause before a body is cut.
const FLUSH: Duration = Duration::from_millis(30);

/// The prefix of a GitHub Enterprise Server's API; both it and none are served.
const ENTERPRISE: &str = "/api/v3";

/// Where a GitHub Enterprise Server takes artefacts.
const ENTERPRISE_UPLOADS: &str = "/api/uploads";

/// The operation whose body is a file.
const UPLOAD: &str = "repos/upload-release-asset";

/// A request that the fake got.
#[derive(Debug, Clone)]
pub struct Seen {
    /// When it came.
    pub at: Timestamp,
    /// In capitals.
    pub method: String,
    /// With its query.
    pub path: String,
    /// The operation's id in GitHub's description, `git/...` for git, or empty.
    pub operation: String,
    /// What was answered; 0 where the connection was cut.
    pub status: u16,
    /// How long it took.
    pub ms: u64,
    /// The fault that struck it.
    pub fault: Option<Effect>,
    /// The JSON body that came with it.
    pub body: Value,
}

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) world: Arc<Mutex<World>>,
    pub(crate) faults: Mutex<Vec<(u64, Fault)>>,
    pub(crate) meter: Mutex<Meter>,
    pub(crate) log: Mutex<VecDeque<Seen>>,
    pub(crate) under_way: UnderWay,
}

/// How many requests are under way, and how many were at most.
#[derive(Default)]
pub(crate) struct UnderWay {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl UnderWay {
    fn begin(&self) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
    }

    fn end(&self) {
        self.now.fetch_sub(1, Ordering::SeqCst);
    }

    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

/// The connection is to be cut without an answer.
#[derive(Debug)]
pub(crate) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a fault cuts this connection")
    }
}

impl std::error::Error for Cut {}

/// Takes connections for ever.
pub(crate) async fn listen(shared: Arc<Shared>, listener: TcpListener) {
    loop {
        // An accept fails when a client has gone again, or for want of descriptors; the next may work.
        let Ok((socket, _)) = listener.accept().await else { continue };
        let shared = shared.clone();
        let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
            let shared = shared.clone();
            async move { serve(shared, request.map(Body::new)).await }
        });
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
        tokio::spawn(async move {
            // Cut connections end here, by a fault or by the client; either is in the log.
            drop(connection.await);
        });
    }
}

async fn serve(shared: Arc<Shared>, request: Request<Body>) -> Result<Response<Body>, Cut> {
    let uri = request.uri().clone();
    let enterprise = uri.path().strip_prefix(ENTERPRISE).or_else(|| uri.path().strip_prefix(ENTERPRISE_UPLOADS));
    let path = enterprise.unwrap_or(uri.path()).to_owned();
    let mut seen = Seen {
        at: Timestamp::now(),
        method: request.method().as_str().to_owned(),
        path: uri.path_and_query().map_or_else(String::new, ToString::to_string),
        operation: String::new(),
        status: 0,
        ms: 0,
        fault: None,
        body: Value::Null,
    };
    let started = Instant::now();
    shared.under_way.begin();
    let answer = match git_http::wanted(&path, uri.query().unwrap_or_default()) {
        Some(wanted) => serve_git(&shared, &wanted, request, &mut seen).await,
        None if graphql::wanted(uri.path()) => graphql::serve(&shared, request, &mut seen).await,
        None => serve_api(&shared, &path, request, &mut seen).await,
    };
    shared.under_way.end();
    seen.ms = u64::try_from(started.elapsed().as_millis()).expect("a request takes less than for ever");
    seen.status = answer.as_ref().map_or(0, |response| response.status().as_u16());
    shared.remember(seen);
    answer
}

async fn serve_git(
    shared: &Shared,
    wanted: &git_http::Wanted,
    request: Request<Body>,
    seen: &mut Seen,
) -> Result<Response<Body>, Cut> {
    seen.operation = wanted.operation.to_owned();
    seen.fault = shared.strike(seen);
    if let Some(answer) = before(seen.fault).await? {
        return Ok(answer.into_response(&HeaderMap::new()));
    }
    let response = git_http::serve(&shared.world, wanted, request).await;
    after(seen.fault, response).await
}

async fn serve_api(shared: &Arc<Shared>, path: &str, request: Request<Body>, seen: &mut Seen) -> Result<Response<Body>, Cut> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
    seen.body = serde_json::from_slice(&body).unwrap_or_default();
    let Some((route, params)) = api::find(&seen.method, path) else {
        let text = format!("{} {path}: the fake serves no such operation", seen.method);
        lock(&shared.world).violation(text.clone());
        return Ok(Reply::error(404, &text).into_response(&HeaderMap::new()));
    };
    let op = description().operation(route.method, route.template);
    seen.operation.clone_from(&op.id);
    if let Some(elsewhere) = elsewhere(parts.uri.path(), &op.id) {
        lock(&shared.world).violation(format!("{}: {elsewhere}", op.id));
        return Ok(Reply::error(404, elsewhere).into_response(&HeaderMap::new()));
    }
    seen.fault = shared.strike(seen);
    if let Some(answer) = before(seen.fault).await? {
        return Ok(answer.into_response(&HeaderMap::new()));
    }
    let query = query_pairs(parts.uri.query().unwrap_or_default());
    let incoming = Incoming { route, op, params, query, headers: parts.headers, url_path: parts.uri.path().to_owned(), body };
    let shared = shared.clone();
    let answered = tokio::task::spawn_blocking(move || shared.answer(&incoming)).await;
    let response =
        answered.unwrap_or_else(|_| Reply::error(500, "the fake panicked; see its output").into_response(&HeaderMap::new()));
    after(seen.fault, response).await
}

/// Of a GitHub Enterprise Server artefacts go to an address of their own, and nothing else does.
fn elsewhere(path: &str, operation: &str) -> Option<&'static str> {
    let upload = operation == UPLOAD;
    match (path.starts_with(ENTERPRISE), path.starts_with(ENTERPRISE_UPLOADS)) {
        (true, _) if upload => Some("artefacts are taken at /api/uploads"),
        (_, true) if !upload => Some("only artefacts are taken at /api/uploads"),
        _ => None,
    }
}

/// A request of the API, read and routed.
struct Incoming {
    route: &'static Route,
    op: &'static Operation,
    params: Vec<(String, String)>,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    url_path: String,
    body: Bytes,
}

impl Incoming {
    fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl Shared {
    fn remember(&self, seen: Seen) {
        let mut log = lock(&self.log);
        log.push_back(seen);
        if log.len() > LOG_MAX {
            log.pop_front();
        }
        drop(log);
        lock(&self.world).tick();
    }

    pub(crate) fn strike(&self, seen: &Seen) -> Option<Effect> {
        let path = seen.path.split('?').next().unwrap_or_default();
        let path = path.strip_prefix(ENTERPRISE).unwrap_or(path);
        lock(&self.faults).iter_mut().find_map(|(_, fault)| fault.strike(&seen.method, &seen.operation, path))
    }

    fn answer(&self, incoming: &Incoming) -> Response<Body> {
        let mut world = lock(&self.world);
        let (caller_key, reply) = match auth::caller(&world, incoming.header(header::AUTHORIZATION)) {
            Ok(caller) => (key(&caller), self.reply(&mut world, incoming, caller)),
            Err(refusal) => ("anonymous".to_owned(), refusal),
        };
        if let Some(rule) = &reply.broken_rule {
            world.violation(format!("{}: {rule}", incoming.op.id));
        }
        let told = reply.raw.is_none();
        for error in
            told.then(|| description().response_errors(incoming.op, reply.status, reply.body.as_ref())).into_iter().flatten()
        {
            world.violation(format!("fake: {} answered {}: {error}", incoming.op.id, reply.status));
        }
        drop(world);
        let mut headers = HeaderMap::new();
        let mut response = reply.into_response(&headers);
        if incoming.route.method == "GET" && unchanged(incoming, &response) {
            lock(&self.meter).give_back(&caller_key);
            let etag = response.headers().get(header::ETAG).cloned();
            response = Response::builder().status(304).body(Body::empty()).expect("the parts are valid");
            headers.extend(etag.map(|etag| (header::ETAG, etag)));
        }
        let rate = lock(&self.meter).state(&caller_key);
        rate_headers(&mut headers, rate);
        for (name, value) in &headers {
            // A refusal by a limit has said its own already.
            response.headers_mut().entry(name.clone()).or_insert(value.clone());
        }
        response
    }

    fn reply(&self, world: &mut World, incoming: &Incoming, caller: Caller) -> Reply {
        if incoming.header(header::USER_AGENT).is_none() {
            return Reply::error(
                403,
                "Request forbidden by administrative rules. Please make sure your request has a User-Agent header",
            );
        }
        let body: Value = match judged(incoming) {
            Ok(body) => body,
            Err(reply) if reply.status == 422 => return reply,
            Err(reply) => {
                let text = reply.body.as_ref().map_or_else(String::new, |body| body["message"].to_string());
                world.violation(format!("{}: {text}", incoming.op.id));
                return reply;
            }
        };
        let key = key(&caller);
        let cost = Cost::of(incoming.route.method, &incoming.op.id);
        let counted = if incoming.op.path == "/rate_limit" { Ok(()) } else { lock(&self.meter).count(&key, cost) };
        let rate = lock(&self.meter).state(&key);
        match counted {
            Ok(()) => {}
            Err(Refusal::Primary) => return limited(403, "API rate limit exceeded for installation."),
            Err(Refusal::Secondary(secs)) => return secondary(secs),
        }
        let accept = incoming.header(header::ACCEPT).unwrap_or_default().to_owned();
        let url = format!("{}{}", world.base, incoming.url_path);
        let (path, query) = (incoming.params.clone(), incoming.query.clone());
        let content_type = incoming.header(header::CONTENT_TYPE).unwrap_or_default().to_owned();
        let file = if incoming.op.id == UPLOAD { incoming.body.clone() } else { Bytes::new() };
        let call = Call { path, query, body, file, content_type, accept, caller, url, rate };
        if let Err(refusal) = auth::allowed(world, incoming.route.needs, &call) {
            return refusal;
        }
        (incoming.route.act)(world, &call).unwrap_or_else(|refusal| refusal)
    }
}

/// The parsed body, where the request is as the description wants it; else the answer: 422 where GitHub has a rule of its
/// own, 500 for all that a bot must never send.
fn judged(incoming: &Incoming) -> Result<Value, Reply> {
    if incoming.op.id == UPLOAD {
        let errors = description().request_errors(incoming.op, &incoming.params, &incoming.query, openapi::Body::None);
        let typed = incoming.header(header::CONTENT_TYPE).is_some_and(|kind| kind.contains('/') && kind != "application/json");
        let untyped = (!typed).then(|| "an artefact needs its media type".to_owned());
        let errors: Vec<String> = errors.into_iter().chain(untyped).collect();
        return if errors.is_empty() { Ok(Value::Null) } else { Err(Reply::error(500, &errors.join("; "))) };
    }
    let parsed = serde_json::from_slice::<Value>(&incoming.body);
    if let Some(broken) = parsed.as_ref().ok().and_then(|body| api::broken_rule(&incoming.op.id, body)) {
        return Err(broken);
    }
    let cause = parsed.as_ref().err().map(ToString::to_string).unwrap_or_default();
    let body = match &parsed {
        _ if incoming.body.is_empty() => openapi::Body::None,
        Ok(value) => openapi::Body::Json(value),
        Err(_) => openapi::Body::NotJson(&cause),
    };
    let errors = description().request_errors(incoming.op, &incoming.params, &incoming.query, body);
    if errors.is_empty() {
        Ok(parsed.unwrap_or_default())
    } else {
        Err(Reply::error(500, &format!("violation: {}", errors.join("; "))))
    }
}

/// Whom requests are counted for.
pub(crate) fn key(caller: &Caller) -> String {
    match caller {
        Caller::Anonymous => "anonymous".to_owned(),
        Caller::App => "app".to_owned(),
        Caller::Token(token) => format!("installation/{}", token.installation),
        Caller::User(id) => format!("user/{id}"),
    }
}

pub(crate) fn rate_headers(headers: &mut HeaderMap, [limit, used, reset]: [u64; 3]) {
    let remaining = limit.saturating_sub(used);
    let values = [("limit", limit), ("remaining", remaining), ("used", used), ("reset", reset)];
    for (name, value) in values {
        let name = HeaderName::try_from(format!("x-ratelimit-{name}")).expect("the name is valid");
        headers.insert(name, HeaderValue::from(value));
    }
    headers.insert("x-ratelimit-resource", HeaderValue::from_static("core"));
}

pub(crate) fn limited(status: u16, message: &str) -> Reply {
    Reply::error(status, message)
}

pub(crate) fn secondary(secs: u64) -> Reply {
    let message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
    Reply { link: None, retry_after: Some(secs), ..Reply::error(403, message) }
}

/// What a fault does before anything is done: an answer, a cut, or nothing.
pub(crate) async fn before(fault: Option<Effect>) -> Result<Option<Faulty>, Cut> {
    let Some(fault) = fault else { return Ok(None) };
    let answer = match fault {
        Effect::ServerError => Faulty::of(Reply::error(500, "Server Error")),
        Effect::Unavailable => Faulty::of(Reply::empty(503)),
        Effect::Unauthorized => Faulty::of(Reply::error(401, "Bad credentials")),
        Effect::Invalid => Faulty::of(Reply::error(422, "Validation Failed")),
        Effect::SecondaryLimit { retry_after_secs } => Faulty::of(secondary(retry_after_secs)),
        Effect::PrimaryLimit { status, reset_in_secs } => {
            let reset = u64::try_from(Timestamp::now().as_second()).expect("it is after 1970") + reset_in_secs;
            Faulty { reply: limited(status, "API rate limit exceeded for installation."), rate: Some([5000, 5000, reset]) }
        }
        Effect::Cut => return Err(Cut),
        Effect::Hang(time) => {
            tokio::time::sleep(time).await;
            return Err(Cut);
        }
        Effect::BadGatewayAfter | Effect::HangAfter(_) | Effect::CutAfter | Effect::SlowBody(_) | Effect::CutBody => {
            return Ok(None);
        }
    };
    Ok(Some(answer))
}

/// What a fault answers instead of the handler.
pub(crate) struct Faulty {
    reply: Reply,
    rate: Option<[u64; 3]>,
}

impl Faulty {
    fn of(reply: Reply) -> Self {
        Faulty { reply, rate: None }
    }

    pub(crate) fn into_response(self, headers: &HeaderMap) -> Response<Body> {
        let mut headers = headers.clone();
        if let Some(rate) = self.rate {
            rate_headers(&mut headers, rate);
        }
        self.reply.into_response(&headers)
    }
}

/// What a fault does to an answer.
pub(crate) async fn after(fault: Option<Effect>, response: Response<Body>) -> Result<Response<Body>, Cut> {
    match fault {
        Some(Effect::BadGatewayAfter) => Ok(Reply::error(502, "Server Error").into_response(&HeaderMap::new())),
        Some(Effect::CutAfter) => Err(Cut),
        Some(Effect::HangAfter(time)) => {
            tokio::time::sleep(time).await;
            Err(Cut)
        }
        Some(Effect::SlowBody(pause)) => Ok(halved(response, Some(pause)).await),
        Some(Effect::CutBody) => Ok(halved(response, None).await),
        Some(
            Effect::ServerError
            | Effect::Unavailable
            | Effect::Hang(_)
            | Effect::Cut
            | Effect::SecondaryLimit { .. }
            | Effect::PrimaryLimit { .. }
            | Effect::Unauthorized
            | Effect::Invalid,
        )
        | None => Ok(response),
    }
}

/// The answer's first half, then after a pause the second, or without one a cut.
async fn halved(response: Response<Body>, pause: Option<Duration>) -> Response<Body> {
    let (parts, body) = response.into_parts();
    let mut first = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let second = first.split_off(first.len() / 2);
    let rest = async move {
        match pause {
            Some(pause) => {
                tokio::time::sleep(pause).await;
                Ok(second)
            }
            None => {
                // Long enough that the first half leaves; a cut at once would take it along.
                tokio::time::sleep(FLUSH).await;
                Err(Cut)
            }
        }
    };
    Response::from_parts(parts, Body::from_stream(stream::once(async { Ok(first) }).chain(stream::once(rest))))
}

/// Whether the caller has this answer already.
fn unchanged(incoming: &Incoming, response: &Response<Body>) -> bool {
    let etag = response.headers().get(header::ETAG).and_then(|value| value.to_str().ok());
    let known = incoming.header(header::IF_NONE_MATCH).unwrap_or_default();
    etag.is_some_and(|etag| known.split(',').any(|one| one.trim() == etag || one.trim() == "*"))
}

impl Reply {
    pub(crate) fn into_response(self, headers: &HeaderMap) -> Response<Body> {
        let json = self.body.map(|body| serde_json::to_vec(&body).expect("JSON can be written"));
        let kind =
            if self.raw.is_some() { "application/vnd.github.raw; charset=utf-8" } else { "application/json; charset=utf-8" };
        let content = self.raw.or(json);
        let mut builder = Response::builder().status(StatusCode::from_u16(self.status).expect("handlers answer valid statuses"));
        builder = builder.header("x-github-media-type", "github.v3; format=json").header("x-github-request-id", "FAKE:0000:0000");
        if let Some(link) = self.link {
            builder = builder.header(header::LINK, link);
        }
        if let Some(secs) = self.retry_after {
            builder = builder.header(header::RETRY_AFTER, secs);
        }
        if let Some(content) = content.as_ref().filter(|_| self.status == 200) {
            builder = builder.header(header::ETAG, format!("W/\"{}\"", &hex::encode(Sha256::digest(content))[..32]));
        }
        if content.is_some() {
            builder = builder.header(header::CONTENT_TYPE, kind);
        }
        let mut response = builder.body(content.map_or_else(Body::empty, Body::from)).expect("the parts are valid");
        response.headers_mut().extend(headers.clone());
        response
    }
}

/// A query's pairs, decoded.
pub(crate) fn query_pairs(query: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| api::decoded(&text.replace('+', " "));
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(key), decoded(value))
    };
    query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect()
}
