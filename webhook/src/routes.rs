//! The addresses that forges send to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use gatewright_core::event::{Delivery, Event, Intake, IntakeError, Taken};
use gatewright_core::{DeliveryId, ForgeKind, Timestamp};
use serde::Serialize;
use tokio::time::timeout;

use crate::Refusal;
use crate::body::{Bodies, Limits};
use crate::github::{self, GithubHook};
use crate::gitlab::{self, GitlabHook};
use crate::refusal::method_not_allowed;

/// A sender is asked to come back after so long when its delivery did not become durable in time.
const RETRY_AFTER_SECS: u32 = 30;

/// What the routes need.
pub struct WebhookConfig {
    /// Takes the verified deliveries.
    pub intake: Arc<dyn Intake>,
    /// GitHub's hook, where GitHub is served.
    pub github: Option<GithubHook>,
    /// GitLab's hooks, where GitLab is served.
    pub gitlab: Option<GitlabHook>,
    /// How much, and for how long, a sender may send: the senders of both forges together.
    pub limits: Limits,
}

/// A forge's hook.
enum Hook {
    Github(GithubHook),
    Gitlab(GitlabHook),
}

struct Shared {
    intake: Arc<dyn Intake>,
    bodies: Bodies,
}

/// What one address needs.
struct Address {
    hook: Hook,
    shared: Arc<Shared>,
}

/// Serves `POST /webhooks/github` and `POST /webhooks/gitlab`, each where that forge's hook is configured.
///
/// 202 `{"delivery":ID}` once the intake has made a delivery durable, 200 for one that it had; every other answer is a
/// [`Refusal`], as JSON that names the cause and the next move. Each request makes one log line, adds one to
/// `gatewright_deliveries_total{forge,outcome}` and one to the histogram `gatewright_delivery_seconds{forge}`.
pub fn routes(config: WebhookConfig) -> Router {
    describe_metrics();
    let shared = Arc::new(Shared { intake: config.intake, bodies: Bodies::new(config.limits) });
    let hooks = [config.github.map(Hook::Github), config.gitlab.map(Hook::Gitlab)];
    hooks.into_iter().flatten().fold(Router::new(), |router, hook| {
        let path = hook.path();
        let address = Address { hook, shared: Arc::clone(&shared) };
        router.merge(Router::new().route(path, post(receive).fallback(method_not_allowed)).with_state(Arc::new(address)))
    })
}

impl Hook {
    fn path(&self) -> &'static str {
        match self {
            Hook::Github(_) => "/webhooks/github",
            Hook::Gitlab(_) => "/webhooks/gitlab",
        }
    }

    fn forge(&self) -> ForgeKind {
        match self {
            Hook::Github(_) => ForgeKind::Github,
            Hook::Gitlab(_) => ForgeKind::Gitlab,
        }
    }

    fn deliver(&self, headers: &HeaderMap, body: Bytes, now: Timestamp) -> Result<Delivery, Refusal> {
        match self {
            Hook::Github(hook) => hook.deliver(headers, body, now),
            Hook::Gitlab(hook) => hook.deliver(headers, body, now),
        }
    }

    /// What a request says it is, proven or not: its delivery's id and its event's name, where they are of the right form.
    fn claimed<'a>(&self, headers: &'a HeaderMap) -> (Option<DeliveryId>, Option<&'a str>) {
        match self {
            Hook::Github(_) => (github::delivery_id(headers).ok(), github::event_name(headers).ok()),
            Hook::Gitlab(_) => (gitlab::claimed_id(headers), gitlab::event_name(headers)),
        }
    }
}

fn describe_metrics() {
    metrics::describe_counter!(
        "gatewright_deliveries_total",
        "Webhook deliveries by forge and outcome: accepted, unused, duplicate, bad_signature, bad_request, too_large, timeout, unavailable"
    );
    metrics::describe_histogram!(
        "gatewright_delivery_seconds",
        metrics::Unit::Seconds,
        "From the head of a webhook request to its answer"
    );
}

/// The answer to a delivery that was taken.
#[derive(Serialize)]
struct Answer<'a> {
    delivery: &'a str,
}

async fn receive(State(address): State<Arc<Address>>, request: Request) -> Response {
    let started = Instant::now();
    let (head, body) = request.into_parts();
    let mut seen = Seen::claimed(&address.hook, &head.headers);
    let taken = address.take(&head.headers, body, &mut seen).await;
    seen.report(taken.as_ref(), started.elapsed());
    match taken {
        Ok(Taken::New) => (StatusCode::ACCEPTED, axum::Json(Answer { delivery: seen.guid() })).into_response(),
        Ok(Taken::Duplicate) => axum::Json(Answer { delivery: seen.guid() }).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

impl Address {
    async fn take(&self, headers: &HeaderMap, body: Body, seen: &mut Seen) -> Result<Taken, Refusal> {
        let Shared { intake, bodies } = &*self.shared;
        let held = bodies.read(headers, body).await?;
        let delivery = self.hook.deliver(headers, held.bytes.clone(), Timestamp::now())?;
        seen.verified(&delivery);
        let within = bodies.limits.take_within;
        let taken = timeout(within, intake.take(delivery)).await;
        taken.unwrap_or_else(|_| Err(too_late(within))).map_err(Refusal::NotTaken)
    }
}

fn too_late(within: Duration) -> IntakeError {
    let cause = format!("the delivery was not durable within {} ms", within.as_millis());
    IntakeError { retry_after_secs: RETRY_AFTER_SECS, cause }
}

/// What is known of a request, for its answer, its log line and its metrics.
struct Seen {
    forge: ForgeKind,
    guid: Option<String>,
    event: Option<String>,
    action: Option<String>,
    repo: Option<String>,
    unused: Option<String>,
}

impl Seen {
    fn claimed(hook: &Hook, headers: &HeaderMap) -> Self {
        let (id, event) = hook.claimed(headers);
        let (guid, event) = (id.map(|id| id.guid().to_owned()), event.map(str::to_owned));
        Seen { forge: hook.forge(), guid, event, action: None, repo: None, unused: None }
    }

    fn verified(&mut self, delivery: &Delivery) {
        self.guid = Some(delivery.id.guid().to_owned());
        self.event = Some(delivery.name.clone());
        self.action.clone_from(&delivery.action);
        self.repo = delivery.event.repo().map(|repo| repo.path.clone());
        if let Event::Unused { reason } = &delivery.event {
            self.unused = Some(reason.clone());
        }
    }

    fn guid(&self) -> &str {
        self.guid.as_deref().unwrap_or_default()
    }

    fn outcome(&self, taken: Result<&Taken, &Refusal>) -> &'static str {
        match taken {
            Ok(Taken::New) if self.unused.is_some() => "unused",
            Ok(Taken::New) => "accepted",
            Ok(Taken::Duplicate) => "duplicate",
            Err(refusal) => refusal.outcome(),
        }
    }

    fn report(&self, taken: Result<&Taken, &Refusal>, duration: Duration) {
        let outcome = self.outcome(taken);
        let forge = self.forge.as_str();
        metrics::counter!("gatewright_deliveries_total", "forge" => forge, "outcome" => outcome).increment(1);
        metrics::histogram!("gatewright_delivery_seconds", "forge" => forge).record(duration);
        tracing::info!(
            delivery.id = self.guid.as_deref(),
            forge,
            event = self.event.as_deref(),
            action = self.action.as_deref(),
            repo = self.repo.as_deref(),
            outcome,
            cause = taken.err().map(Refusal::cause).or_else(|| self.unused.clone()),
            duration_ms = (duration.as_secs_f64() * 1e6).round() / 1e3,
            "delivery"
        );
    }
}
