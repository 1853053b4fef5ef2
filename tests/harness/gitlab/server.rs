//! One request's way: fault, credential, limit, judgement by the description, handler, log.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

use super::api::{self, Call, Reply, Route};
use super::auth::{Caller, api_caller};
use super::description;
use super::git_http;
use super::limits::{Meter, Rate};
use super::world::{Scope, World, lock};
use super::{Effect, Fault, HookFault};
use crate::github::server::{Cut, after, query_pairs};

/// A request's body may be so large; git's go past this.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// So many requests are remembered; the oldest are forgotten.
const LOG_MAX: usize = 200_000;

/// Before every path of the API.
const PREFIX: &str = "/api/v4";

/// A request that the fake got.
#[derive(Debug, Clone)]
pub struct Seen {
    /// In capitals.
    pub method: String,
    /// With its query.
    pub path: String,
    /// As the fake's table names it (`POST /projects/:id/statuses/:sha`), `git/...` for git, or empty.
    pub operation: String,
    /// What was answered; 0 where the connection was cut.
    pub status: u16,
    /// The fault that struck it.
    pub fault: Option<Effect>,
    /// The parameters that came in its body.
    pub body: Value,
}

/// What all connections share.
pub(super) struct Shared {
    pub(super) world: Arc<Mutex<World>>,
    pub(super) faults: Mutex<Vec<Fault>>,
    pub(super) hook_faults: Arc<Mutex<Vec<HookFault>>>,
    pub(super) meter: Mutex<Meter>,
    pub(super) log: Mutex<VecDeque<Seen>>,
}

/// Takes connections for ever.
pub(super) async fn listen(shared: Arc<Shared>, listener: TcpListener) {
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
    let mut seen = Seen {
        method: request.method().as_str().to_owned(),
        path: uri.path_and_query().map_or_else(String::new, ToString::to_string),
        operation: String::new(),
        status: 0,
        fault: None,
        body: Value::Null,
    };
    let answer = match git_http::wanted(uri.path(), uri.query().unwrap_or_default()) {
        Some(wanted) => {
            seen.operation = wanted.operation.to_owned();
            seen.fault = shared.strike(&seen, uri.path());
            match before(seen.fault).await {
                Ok(None) => after(seen.fault, git_http::serve(&shared.world, &wanted, request).await).await,
                Ok(Some(reply)) => Ok(into_response(reply, None, None)),
                Err(cut) => Err(cut),
            }
        }
        None => serve_api(&shared, request, &mut seen).await,
    };
    seen.status = answer.as_ref().map_or(0, |response| response.status().as_u16());
    shared.remember(seen);
    answer
}

async fn serve_api(shared: &Arc<Shared>, request: Request<Body>, seen: &mut Seen) -> Result<Response<Body>, Cut> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
    let path = parts.uri.path().strip_prefix(PREFIX).unwrap_or_default().to_owned();
    let Some((route, params)) = api::find(&seen.method, &path) else {
        let text = format!("{} {}: the fake serves no such operation", seen.method, parts.uri.path());
        lock(&shared.world).violations.push(text);
        return Ok(into_response(Reply::error(404, "404 Not Found"), None, None));
    };
    seen.operation = route.name();
    seen.fault = shared.strike(seen, parts.uri.path());
    if let Some(reply) = before(seen.fault).await? {
        return Ok(into_response(reply, None, None));
    }
    let query = query_pairs(parts.uri.query().unwrap_or_default());
    let Ok(body) = body_of(&parts.headers, &body) else {
        lock(&shared.world).violations.push(format!("{}: the body is no JSON object", route.name()));
        return Ok(into_response(Reply::error(400, "The request body is not valid JSON"), None, None));
    };
    seen.body = body.clone();
    let url_path = parts.uri.path().to_owned();
    let incoming = Incoming { route, params, query, body, headers: parts.headers, url_path };
    let shared = shared.clone();
    let answered = tokio::task::spawn_blocking(move || shared.answer(incoming)).await;
    let response = answered.unwrap_or_else(|_| into_response(Reply::message(500, "the fake panicked"), None, None));
    after(seen.fault, response).await
}

/// The parameters of a body, which GitLab takes as JSON or as a form.
fn body_of(headers: &HeaderMap, body: &[u8]) -> Result<Value, ()> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.starts_with("application/x-www-form-urlencoded") {
        let pairs = query_pairs(&String::from_utf8_lossy(body));
        return Ok(pairs.into_iter().map(|(name, value)| (name, Value::from(value))).collect::<Map<_, _>>().into());
    }
    serde_json::from_slice(body).ok().filter(Value::is_object).ok_or(())
}

/// A request of the API, read and routed.
struct Incoming {
    route: &'static Route,
    params: Vec<(String, String)>,
    query: Vec<(String, String)>,
    body: Value,
    headers: HeaderMap,
    url_path: String,
}

impl Shared {
    pub(super) fn new(world: World, hook_faults: Arc<Mutex<Vec<HookFault>>>) -> Shared {
        Shared {
            world: Arc::new(Mutex::new(world)),
            faults: Mutex::default(),
            hook_faults,
            meter: Mutex::default(),
            log: Mutex::default(),
        }
    }

    fn remember(&self, seen: Seen) {
        let mut log = lock(&self.log);
        log.push_back(seen);
        if log.len() > LOG_MAX {
            log.pop_front();
        }
    }

    fn strike(&self, seen: &Seen, path: &str) -> Option<Effect> {
        lock(&self.faults).iter_mut().find_map(|fault| fault.strike(&seen.method, &seen.operation, path))
    }

    fn answer(&self, incoming: Incoming) -> Response<Body> {
        let mut world = lock(&self.world);
        let caller = match api_caller(&world, &incoming.headers) {
            Ok(caller) => caller,
            Err(refusal) => return into_response(refusal, None, None),
        };
        // Strangers are counted together, as by their address.
        let (user, now) = (caller.map_or(0, |caller| caller.user), world.now());
        let known = incoming.headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let counted = lock(&self.meter).count(user, now);
        let reply = match counted {
            Ok(()) => self.reply(&mut world, incoming, caller),
            Err(secs) => Reply { text: Some("Retry later\n".into()), ..Reply::empty(429) }.retry_after(secs),
        };
        into_response(reply, Some(lock(&self.meter).rate(user, now)), known.as_deref())
    }

    fn reply(&self, world: &mut World, incoming: Incoming, caller: Option<Caller>) -> Reply {
        let Incoming { route, params, query, body, url_path, .. } = incoming;
        let wrong = judged(route, &url_path, &query, &body);
        if !wrong.is_empty() {
            world.violations.extend(wrong.iter().cloned());
            return Reply::error(400, &wrong.join("; "));
        }
        let writes = route.method != "GET" && route.method != "HEAD";
        if writes && caller.is_none() {
            return Reply::message(401, "401 Unauthorized");
        }
        if writes && caller.is_some_and(|caller| caller.scope != Scope::Api) {
            return Reply::insufficient_scope();
        }
        if let Some(caller) = caller.filter(|_| route.makes_note()) {
            let now = world.now();
            if lock(&self.meter).count_note(caller.user, now).is_err() {
                // Of this limit GitLab does not say when it is over.
                let error = "This endpoint has been requested too many times. Try again later.";
                return Reply::json(429, json!({ "message": { "error": error } }));
            }
        }
        let call = Call { params, query, body, caller, url: format!("{}{url_path}", world.url) };
        (route.act)(world, &call).unwrap_or_else(|refusal| refusal)
    }
}

/// What is wrong with a request, in words. Operations that the description lacks are judged by what `api` says of them.
fn judged(route: &Route, path: &str, query: &[(String, String)], body: &Value) -> Vec<String> {
    if let Some(shape) = &route.shape {
        return shape.judge(&route.name(), query, body);
    }
    description::judge(route.method, path, query, body)
        .unwrap_or_else(|| vec![format!("{}: GitLab's description has no such operation", route.name())])
}

/// What a fault does before anything is done: an answer, a cut, or nothing.
async fn before(fault: Option<Effect>) -> Result<Option<Reply>, Cut> {
    let Some(fault) = fault else { return Ok(None) };
    let reply = match fault {
        Effect::ServerError => Reply::message(500, "500 Internal Server Error"),
        Effect::Unavailable => Reply::empty(503),
        Effect::Unauthorized => Reply::message(401, "401 Unauthorized"),
        Effect::Invalid => Reply::message(400, "400 Bad Request"),
        Effect::SecondaryLimit { retry_after_secs: secs } | Effect::PrimaryLimit { reset_in_secs: secs, .. } => {
            let secs = i64::try_from(secs).expect("nobody waits that long");
            Reply { text: Some("Retry later\n".into()), ..Reply::empty(429) }.retry_after(secs)
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
    Ok(Some(reply))
}

/// `known` is the entity tag of what the caller has.
fn into_response(reply: Reply, rate: Option<Rate>, known: Option<&str>) -> Response<Body> {
    let json = reply.body.map(|body| serde_json::to_vec(&body).expect("JSON can be written"));
    let kind = if json.is_some() { "application/json" } else { "text/plain; charset=utf-8" };
    let content = reply.text.or(json);
    let etag = content.as_ref().filter(|_| reply.status == 200);
    let etag = etag.map(|content| format!("W/\"{}\"", &hex::encode(Sha256::digest(content))[..32]));
    let unchanged = etag.is_some() && etag.as_deref() == known;
    let status = if unchanged { 304 } else { reply.status };
    let mut builder = Response::builder().status(StatusCode::from_u16(status).expect("handlers answer valid statuses"));
    if content.is_some() {
        builder = builder.header(header::CONTENT_TYPE, kind);
    }
    if let Some(etag) = etag {
        builder = builder.header(header::ETAG, etag);
    }
    for (name, value) in reply.headers {
        builder = builder.header(name, value);
    }
    let body = content.filter(|_| !unchanged).map_or_else(Body::empty, Body::from);
    let mut response = builder.body(body).expect("the parts are valid");
    for (name, value) in ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"].into_iter().zip(rate.into_iter().flatten())
    {
        response.headers_mut().insert(name, HeaderValue::from(value));
    }
    response
}
