//! Takes the sandbox's connections, and sends each request where it belongs.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{CONNECTIONS_MAX, HEAD_MAX, Rules, WHOLE_MAX, is_same, tunnel};

/// The body of an answer. It fails where the server's own does.
/// Between two tries to take a connection where that fails.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(super) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// Serves until it is dropped, and all of its connections with it.
pub(super) async fn serve(listener: TcpListener, rules: Arc<Rules>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, peer)) = listener.accept().await else {
            // Out of handles it would fail again at once.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        if !rules.is_inside(peer.ip()) {
            continue;
        }
        let rules = Arc::clone(&rules);
        connections.spawn(async move {
            let _ = tokio::time::timeout(WHOLE_MAX, connection(stream, rules)).await;
            drop(place);
        });
    }
}

async fn connection(stream: TcpStream, rules: Arc<Rules>) {
    // What a request turns the connection into, once it has been answered.
    let (tunnels, mut begun) = tokio::sync::mpsc::channel(1);
    let service = service_fn(|request| {
        let (rules, tunnels) = (Arc::clone(&rules), tunnels.clone());
        async move { Ok::<_, Infallible>(answer(request, &rules, tunnels).await) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    // A client that has asked and closes its side still waits for the answer. One that has left is noticed once that is written.
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_MAX).half_close(true);
    // How a connection ends is the client's business.
    let _ = http.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
    if let Ok(tunnel) = begun.try_recv() {
        tunnel::pass(tunnel, &rules).await;
    }
}

async fn answer(request: Request<Incoming>, rules: &Rules, tunnels: tokio::sync::mpsc::Sender<tunnel::Tunnel>) -> Response<Body> {
    if request.method() == Method::CONNECT {
        return tunnel::open(request, rules, tunnels).await;
    }
    if request.uri().host().is_some() {
        return refusal(StatusCode::FORBIDDEN, "only HTTPS leaves this sandbox");
    }
    // `/TOKEN/NAME/...`, as the environment says.
    let path = request.uri().path().to_owned();
    let mut parts = path.trim_start_matches('/').splitn(3, '/');
    let (token, name, rest) =
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if !is_same(token, &rules.token) {
        return refusal(StatusCode::FORBIDDEN, "this is not the way out of your sandbox");
    }
    match rules.forwards.get(name) {
        Some(forward) => forward.answer(name, rest, request, rules).await,
        None => refusal(StatusCode::NOT_FOUND, "there is no server of this name"),
    }
}

/// An answer of the proxy's own.
pub(super) fn refusal(status: StatusCode, words: &'static str) -> Response<Body> {
    let body =
        Full::new(Bytes::from(format!("gatewright: {words}\n"))).map_err(|never: Infallible| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}
