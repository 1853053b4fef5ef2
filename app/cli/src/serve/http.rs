//! The HTTP front: routes, headers, and a server that does not wait for anybody for ever.

use std::any::Any;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use gatewright_core::Timestamp;
use gatewright_core::event::Intake;
use gatewright_webhook::{Limits, WebhookConfig};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use super::metrics::Metrics;
use super::pages;
use super::parts::Hooks;
use super::ready::{Readiness, Status};
use crate::desk::Desk;
use crate::server_file::ServerTable;

/// A request's line and header fields have at most so many bytes; beyond it 431. Forges send a few hundred.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// After a signal, open requests have so long to end.
const DRAIN_WITHIN: Duration = Duration::from_secs(20);

/// When no connection can be accepted (the process is out of file handles), the next is tried after so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What was sent and is not taken by the client for so long ends the connection.
const UNREAD_MAX: Duration = Duration::from_secs(60);

/// What requests are answered from.
pub(super) struct Wiring {
    pub(super) intake: Arc<dyn Intake>,
    pub(super) hooks: Hooks,
    pub(super) desk: Desk,
    pub(super) ready: Arc<Readiness>,
    pub(super) metrics: Metrics,
    pub(super) stop: CancellationToken,
}

struct Shared {
    desk: Desk,
    ready: Arc<Readiness>,
    metrics: Metrics,
    stop: CancellationToken,
}

/// All routes.
pub(super) fn app(wiring: Wiring) -> Router {
    let Wiring { intake, hooks: Hooks { github, gitlab }, desk, ready, metrics, stop } = wiring;
    let webhooks = gatewright_webhook::routes(WebhookConfig { intake, github, gitlab, limits: Limits::default() });
    let shared = Arc::new(Shared { desk: desk.clone(), ready, metrics, stop });
    let own = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_text))
        .with_state(shared);
    guarded(Router::new().merge(webhooks).merge(own).merge(pages::routes(desk)))
}

/// Headers that keep browsers from harm, and an answer where a handler breaks off.
fn guarded(routes: Router) -> Router {
    let fixed = |name: HeaderName, value| SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value));
    routes
        .layer(CatchPanicLayer::custom(broke_off))
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed(header::X_FRAME_OPTIONS, "DENY"))
        .layer(fixed(header::REFERRER_POLICY, "no-referrer"))
        .layer(fixed(header::CACHE_CONTROL, "no-store"))
        .layer(fixed(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"))
}

// The panic itself is logged by the hook that `logs` sets.
fn broke_off(_: Box<dyn Any + Send + 'static>) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, "this should not have happened; the log says more\n").into_response()
}

async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    let report = shared.ready.report().await;
    let report = if shared.stop.is_cancelled() { report.stopping() } else { report };
    let status = match report.status {
        Status::Ready | Status::Degraded => StatusCode::OK,
        Status::Unavailable | Status::Stopping => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, axum::Json(report)).into_response()
}

async fn metrics_text(State(shared): State<Arc<Shared>>) -> Response {
    let text = shared.metrics.text(&*shared.desk.upkeep, Timestamp::now()).await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// What a client may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Further connections wait in the system's own queue.
    connections_max: usize,
    /// A connection on which no whole request head arrives within this is closed, at its beginning and between requests.
    header_within: Duration,
}

impl Bounds {
    pub(super) fn of(table: &ServerTable) -> Bounds {
        Bounds { connections_max: table.connections_max, header_within: Duration::from_secs(table.header_secs) }
    }
}

/// Serves until `stop`, then finishes what is open.
pub(super) async fn serve(listener: TcpListener, app: Router, bounds: Bounds, stop: CancellationToken) {
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(bounds.connections_max));
    while let Some((stream, permit)) = accept(&listener, &room, &stop).await {
        // What is answered here is small, so waiting to fill a packet would only delay it.
        let _ = stream.set_nodelay(true);
        // One that takes nothing of its answer any more does not keep its place.
        let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(UNREAD_MAX));
        let app = app.clone();
        let service = tower::service_fn(move |request: Request<hyper::body::Incoming>| answer(app.clone(), request));
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(bounds.header_within).max_buf_size(HEAD_BYTES_MAX);
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)));
        tokio::spawn(async move {
            // A client that goes away or sends no HTTP is its own affair.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke off");
            }
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_WITHIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time and are cut off");
    }
}

async fn answer(app: Router, request: Request<hyper::body::Incoming>) -> Result<Response, Infallible> {
    tower::ServiceExt::oneshot(app, request.map(Body::new)).await
}

/// The next connection, once there is room for it. None once there is to be no more.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let accepted = async {
        let permit = Arc::clone(room).acquire_owned().await.expect("the semaphore is never closed");
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    tracing::debug!(%peer, "a connection");
                    return (stream, permit);
                }
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        accepted = accepted => Some(accepted),
        () = stop.cancelled() => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_handler_that_breaks_off_is_answered_with_500_and_says_nothing() {
        async fn breaks() -> &'static str {
            panic!("CANARY")
        }
        let request = Request::get("/").body(Body::empty()).expect("this is a request");
        let response = tower::ServiceExt::oneshot(guarded(Router::new().route("/", get(breaks))), request).await;
        let response = response.expect("a router answers");
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        let body = axum::body::to_bytes(response.into_body(), 1024).await.expect("the body is short");
        assert!(!String::from_utf8_lossy(&body).contains("CANARY"));
    }
}
