//! The running service's desk, over a Unix socket in the store's folder. Only the service's own user, and root, are served.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::{Path as UrlPath, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::Listener;
use axum::{Json, Router};
use gatewright_core::{DeliveryId, GateName, RunId, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::releases::{DeploymentsQuery, EnvironmentsQuery, OperateQuery, ReleasesQuery};
use super::{AuditQuery, DeliveriesQuery, Desk, DeskError, RunsQuery};

/// The socket's name in the store's folder.
const NAME: &str = "control.sock";

/// Where the socket of a store is.
pub(crate) fn path(store: &Path) -> PathBuf {
    store.join(NAME)
}

/// What an error looks like on the socket.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ErrorAnswer {
    pub(crate) error: String,
}

/// A socket that listens.
pub(crate) struct Control {
    listener: UnixListener,
    path: PathBuf,
    uid: u32,
}

impl Control {
    /// Takes the socket. The caller holds the store, so one that is there belongs to a process that is gone.
    pub(crate) fn bind(store: &Path) -> io::Result<Control> {
        let path = path(store);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Err(_) | Ok(()) => {}
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        let uid = fs::metadata(&path)?.uid();
        Ok(Control { listener, path, uid })
    }

    /// Answers until `stop`, then removes the socket.
    pub(crate) async fn serve(self, desk: Desk, stop: CancellationToken) {
        let path = self.path.clone();
        let served = axum::serve(self, routes(desk)).with_graceful_shutdown(stop.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::warn!(%error, "the control socket failed");
        }
        // A socket that stays is removed by the next start.
        let _ = fs::remove_file(path);
    }
}

impl Listener for Control {
    type Io = UnixStream;
    type Addr = ();

    async fn accept(&mut self) -> (UnixStream, ()) {
        loop {
            // Who connected before the file's mode was set is found out here.
            match self.listener.accept().await {
                Ok((stream, _)) if stream.peer_cred().is_ok_and(|peer| peer.uid() == self.uid || peer.uid() == 0) => {
                    return (stream, ());
                }
                Ok(_) => tracing::warn!("another user of this machine tried the control socket"),
                Err(error) => {
                    tracing::warn!(%error, "the control socket cannot accept");
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

impl IntoResponse for DeskError {
    fn into_response(self) -> Response {
        let status = match self {
            DeskError::Missing(_) => StatusCode::NOT_FOUND,
            DeskError::Refused(_) => StatusCode::CONFLICT,
            DeskError::Failed(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, Json(ErrorAnswer { error: self.to_string() })).into_response()
    }
}

fn routes(desk: Desk) -> Router {
    Router::new()
        .route("/", get(|| async { "gatewright" }))
        .route("/runs", get(runs))
        .route("/runs/{id}", get(run))
        .route("/runs/{id}/retry", post(retry))
        .route("/runs/{id}/logs/{gate}", get(log))
        .route("/runs/{id}/agents/{stage}", get(transcript))
        .route("/runs/{id}/said", get(said))
        .route("/agents", get(agents))
        .route("/runs/{id}/outputs/{gate}", get(output))
        .route("/deliveries", get(deliveries))
        .route("/delivery", post(delivery))
        .route("/audit", get(audit))
        .route("/environments", post(environments))
        .route("/releases", post(releases))
        .route("/releases/plan", post(plan))
        .route("/deployments", post(deployments))
        .route("/operate", post(operate))
        .with_state(Arc::new(desk))
}

type Shared = State<Arc<Desk>>;

async fn runs(State(desk): Shared, Query(query): Query<RunsQuery>) -> Response {
    answer(desk.runs(&query).await)
}

async fn run(State(desk): Shared, UrlPath(id): UrlPath<RunId>) -> Response {
    answer(desk.run(id).await)
}

async fn retry(State(desk): Shared, UrlPath(id): UrlPath<RunId>) -> Response {
    answer(desk.retry(id, Timestamp::now()).await)
}

async fn log(State(desk): Shared, UrlPath((id, gate)): UrlPath<(RunId, GateName)>) -> Response {
    desk.log(id, &gate).await.into_response()
}

async fn transcript(State(desk): Shared, UrlPath((id, stage)): UrlPath<(RunId, u16)>) -> Response {
    answer(desk.transcript(id, stage).await)
}

async fn said(State(desk): Shared, UrlPath(id): UrlPath<RunId>) -> Response {
    answer(desk.said(id).await)
}

async fn agents(State(desk): Shared, Query(query): Query<RunsQuery>) -> Response {
    answer(desk.agents(&query).await)
}

#[derive(Deserialize)]
struct OutputQuery {
    path: String,
}

async fn output(
    State(desk): Shared,
    UrlPath((id, gate)): UrlPath<(RunId, GateName)>,
    Query(query): Query<OutputQuery>,
) -> Response {
    desk.output(id, &gate, &query.path).await.into_response()
}

async fn deliveries(State(desk): Shared, Query(query): Query<DeliveriesQuery>) -> Response {
    answer(desk.deliveries(&query).await)
}

// The id has a slash in it, so it comes in the body.
async fn delivery(State(desk): Shared, Json(id): Json<DeliveryId>) -> Response {
    answer(desk.delivery(&id).await)
}

async fn audit(State(desk): Shared, Query(query): Query<AuditQuery>) -> Response {
    answer(desk.audited(&query).await)
}

// Names of repositories, tags and environments have slashes in them, so they come in bodies.
async fn environments(State(desk): Shared, Json(query): Json<EnvironmentsQuery>) -> Response {
    answer(desk.environments(&query, Timestamp::now()).await)
}

async fn releases(State(desk): Shared, Json(query): Json<ReleasesQuery>) -> Response {
    answer(desk.releases(&query).await)
}

async fn plan(State(desk): Shared, Json(query): Json<ReleasesQuery>) -> Response {
    answer(desk.plan(&query, Timestamp::now()).await)
}

async fn deployments(State(desk): Shared, Json(query): Json<DeploymentsQuery>) -> Response {
    answer(desk.deployments(&query).await)
}

async fn operate(State(desk): Shared, Json(query): Json<OperateQuery>) -> Response {
    answer(desk.operate(query, Timestamp::now()).await)
}

fn answer<T: Serialize>(found: Result<T, DeskError>) -> Response {
    found.map(Json).into_response()
}
