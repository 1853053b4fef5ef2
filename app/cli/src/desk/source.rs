//! Where a command gets its answers: from the running service, or, where none runs, from the store itself.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gatewright_core::model::Ask;
use gatewright_core::store::{AuditEntry, DeliveryRecord, RunRecord};
use gatewright_core::{DeliveryId, GateName, RunId, Timestamp};
use gatewright_engine::operator::ReleasePlan;
use gatewright_engine::overview::Deployment;
use gatewright_store::EmbeddedStore;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;

use super::agents::{AgentsView, Said};
use super::releases::{DeploymentsQuery, Environments, EnvironmentsQuery, OperateQuery, Operated, ReleaseView, ReleasesQuery};
use super::socket::{self, ErrorAnswer};
use super::{AuditQuery, DeliveriesQuery, DeliveryPage, Desk, DeskError, Retried, RunPage, RunsQuery};
use crate::failure::Failure;
use crate::server_file::{ServerConfig, StorePlace};

/// The service answers from its own disk; one that takes longer than this is stuck.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Planning a release asks a forge and every target, which may fetch an image to know what is in it.
const PLAN_WITHIN: Duration = Duration::from_secs(300);

/// The host in the socket's addresses, which nobody looks at.
const HOST: &str = "http://gatewright";

/// Where answers come from.
pub(crate) enum Source {
    /// The running service.
    Service(Client),
    /// The store itself.
    Store(Desk),
}

impl From<DeskError> for Failure {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::Missing(message) => Failure::Wrong(message),
            DeskError::Refused(message) => Failure::Refused(message),
            DeskError::Failed(message) => Failure::Outside(message),
        }
    }
}

impl Source {
    /// The service that has the configured store, or the store.
    pub(crate) async fn open(config: &ServerConfig) -> Result<Source, Failure> {
        let StorePlace::Folder(folder) = &config.store.place else {
            return Err(Failure::Wrong(
                "the store is in the service's memory (`memory:`), where no other process can look".to_owned(),
            ));
        };
        if let Some(client) = service_of(folder).await? {
            return Ok(Source::Service(client));
        }
        if !folder.join("lock").exists() {
            let message = format!("there is no store in {} yet; the service makes it when it starts", folder.display());
            return Err(Failure::Wrong(message));
        }
        let store = EmbeddedStore::open(folder, &config.store.options).map_err(|error| Failure::Outside(error.to_string()))?;
        let store = Arc::new(store);
        let (upkeep, environments) = (store.clone(), store.clone());
        Ok(Source::Store(Desk { store: store.clone(), upkeep, environments, blobs: store, engine: None }))
    }

    pub(crate) async fn runs(&self, query: &RunsQuery) -> Result<Vec<RunRecord>, DeskError> {
        match self {
            Source::Service(client) => json(client.get(format!("{HOST}/runs")).query(query)).await,
            Source::Store(desk) => desk.runs(query).await,
        }
    }

    pub(crate) async fn run(&self, id: RunId) -> Result<RunPage, DeskError> {
        match self {
            Source::Service(client) => json(client.get(format!("{HOST}/runs/{id}"))).await,
            Source::Store(desk) => desk.run(id).await,
        }
    }

    pub(crate) async fn log(&self, id: RunId, gate: &GateName) -> Result<Bytes, DeskError> {
        match self {
            Source::Service(client) => {
                let response = send(client.get(format!("{HOST}/runs/{id}/logs/{gate}"))).await?;
                response.bytes().await.map_err(|error| broken(&error))
            }
            Source::Store(desk) => desk.log(id, gate).await,
        }
    }

    pub(crate) async fn transcript(&self, id: RunId, stage: u16) -> Result<Ask, DeskError> {
        match self {
            Source::Service(client) => json(client.get(format!("{HOST}/runs/{id}/agents/{stage}"))).await,
            Source::Store(desk) => desk.transcript(id, stage).await,
        }
    }

    pub(crate) async fn agents(&self, query: &RunsQuery) -> Result<Vec<AgentsView>, DeskError> {
        match self {
            Source::Service(client) => json(client.get(format!("{HOST}/agents")).query(query)).await,
            Source::Store(desk) => desk.agents(query).await,
        }
    }

    pub(crate) async fn said(&self, id: RunId) -> Result<Said, DeskError> {
        match self {
            Source::Service(client) => json(client.get(format!("{HOST}/runs/{id}/said"))).await,
            Source::Store(desk) => desk.said(id).await,
        }
    }

    pub(crate) async fn output(&self, id: RunId, gate: &GateName, path: &str) -> Result<Bytes, DeskError> {
        match self {
            Source::Service(client) => {
                let request = client.get(format!("{HOST}/runs/{id}/outputs/{gate}")).query(&[("path", path)]);
                send(request).await?.bytes().await.map_err(|error| broken(&error))
            }
            Source::Store(desk) => desk.output(id, gate, path).await,
        }
    }

    pub(crate) async fn retry(&self, id: RunId, now: Timestamp) -> Result<Retried, DeskError> {
        match self {
            Source::Service(client) => json(client.post(format!("{HOST}/runs/{id}/retry"))).await,
            Source::Store(desk) => desk.retry(id, now).await,
        }
    }

    pub(crate) async fn deliveries(&self, query: &DeliveriesQuery) -> Result<Vec<DeliveryRecord>, DeskError> {
        match self {
            Source::Service(client) => json(client.get(format!("{HOST}/deliveries")).query(query)).await,
            Source::Store(desk) => desk.deliveries(query).await,
        }
    }

    pub(crate) async fn delivery(&self, id: &DeliveryId) -> Result<DeliveryPage, DeskError> {
        match self {
            Source::Service(client) => json(client.post(format!("{HOST}/delivery")).json(id)).await,
            Source::Store(desk) => desk.delivery(id).await,
        }
    }

    pub(crate) async fn audited(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>, DeskError> {
        match self {
            Source::Service(client) => json(client.get(format!("{HOST}/audit")).query(query)).await,
            Source::Store(desk) => desk.audited(query).await,
        }
    }

    pub(crate) async fn environments(&self, query: &EnvironmentsQuery, now: Timestamp) -> Result<Environments, DeskError> {
        match self {
            Source::Service(client) => json(client.post(format!("{HOST}/environments")).json(query)).await,
            Source::Store(desk) => desk.environments(query, now).await,
        }
    }

    pub(crate) async fn releases(&self, query: &ReleasesQuery) -> Result<Vec<ReleaseView>, DeskError> {
        match self {
            Source::Service(client) => json(client.post(format!("{HOST}/releases")).json(query)).await,
            Source::Store(desk) => desk.releases(query).await,
        }
    }

    pub(crate) async fn deployments(&self, query: &DeploymentsQuery) -> Result<Vec<Deployment>, DeskError> {
        match self {
            Source::Service(client) => json(client.post(format!("{HOST}/deployments")).json(query)).await,
            Source::Store(desk) => desk.deployments(query).await,
        }
    }

    pub(crate) async fn plan(&self, query: &ReleasesQuery, now: Timestamp) -> Result<ReleasePlan, DeskError> {
        match self {
            // It asks the forge and every target.
            Source::Service(client) => json(client.post(format!("{HOST}/releases/plan")).json(query).timeout(PLAN_WITHIN)).await,
            Source::Store(desk) => desk.plan(query, now).await,
        }
    }

    pub(crate) async fn operate(&self, query: OperateQuery, now: Timestamp) -> Result<Operated, DeskError> {
        match self {
            Source::Service(client) => json(client.post(format!("{HOST}/operate")).json(&query)).await,
            Source::Store(desk) => desk.operate(query, now).await,
        }
    }
}

/// A client of the service that has this store. None where no service answers.
async fn service_of(folder: &Path) -> Result<Option<Client>, Failure> {
    let client = Client::builder().unix_socket(socket::path(folder)).timeout(ANSWER_WITHIN).build();
    let client = client.map_err(|error| Failure::Outside(format!("no HTTP client can be made: {error}")))?;
    match client.get(HOST).send().await {
        Ok(response) if response.status().is_success() => Ok(Some(client)),
        Ok(response) => Err(Failure::Outside(format!("the service answers {} on its control socket", response.status()))),
        // Nobody listens; if somebody has the store all the same, opening it says so.
        Err(error) if error.is_connect() => Ok(None),
        Err(error) => Err(Failure::Outside(format!("the service does not answer on its control socket: {error}"))),
    }
}

async fn json<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, DeskError> {
    send(request).await?.json().await.map_err(|error| broken(&error))
}

async fn send(request: RequestBuilder) -> Result<Response, DeskError> {
    let response = request.send().await.map_err(|error| broken(&error))?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let answer = response.json::<ErrorAnswer>().await;
    let message = answer.map_or_else(|_| format!("the service answered {status}"), |answer| answer.error);
    Err(match status {
        StatusCode::NOT_FOUND => DeskError::Missing(message),
        StatusCode::CONFLICT => DeskError::Refused(message),
        _ => DeskError::Failed(message),
    })
}

fn broken(error: &reqwest::Error) -> DeskError {
    DeskError::Failed(format!("the service broke off on its control socket: {error}"))
}
