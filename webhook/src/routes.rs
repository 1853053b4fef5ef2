//! The addresses that forges send to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use gatewright_core::event::{Delivery, Event, Intake, IntakeError, Taken};
use gatewright_core::{ForgeKind, Timestamp};
use serde::Serialize;
use tokio::time::timeout;

use crate::Refusal;
use crate::body::{Bodies, Limits};
use crate::github::{self, GithubHook};
use crate::refusal::method_not_allowed;

/// A sender is asked to come back after so long when its delivery did not become durable in time.
const RETRY_AFTER_SECS: u32 = 30;

/// What the routes need.
pub struct WebhookConfig {
    /// Takes the verified deliveries.
    pub intake: Arc<dyn Intake>,
    /// GitHub's hook.
    pub github: GithubHook,
    /// How much, and for how long, a sender may send.
    pub limits: Limits,
}

struct Shared {
    intake: Arc<dyn Intake>,
    github: GithubHook,
    bodies: Bodies,
}

/// Serves `POST /webhooks/github`.
///
/// 202 `{"delivery":ID}` once the intake has made a delivery durable, 200 for one that it had; every other answer is a
/// [`Refusal`], as JSON that names the cause and the next move. Each request makes one log line, adds one to
/// `gatewright_deliveries_total{forge,outcome}` and one to the histogram `gatewright_delivery_seconds{forge}`.
pub fn routes(config: WebhookConfig) -> Router {
    describe_metrics();
    let shared = Shared { intake: config.intake, github: config.github, bodies: Bodies::new(config.limits) };
    Router::new().route("/webhooks/github", post(github).fallback(method_not_allowed)).with_state(Arc::new(shared))
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

async fn github(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let started = Instant::now();
    let (head, body) = request.into_parts();
    let mut seen = Seen::claimed(&head.headers);
    let taken = shared.take(&head.headers, body, &mut seen).await;
    seen.report(taken.as_ref(), started.elapsed());
    match taken {
        Ok(Taken::New) => (StatusCode::ACCEPTED, axum::Json(Answer { delivery: seen.guid() })).into_response(),
        Ok(Taken::Duplicate) => axum::Json(Answer { delivery: seen.guid() }).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

impl Shared {
    async fn take(&self, headers: &HeaderMap, body: axum::body::Body, seen: &mut Seen) -> Result<Taken, Refusal> {
        let held = self.bodies.read(headers, body).await?;
        let delivery = self.github.deliver(headers, held.bytes.clone(), Timestamp::now())?;
        seen.verified(&delivery);
        let within = self.bodies.limits.take_within;
        let taken = timeout(within, self.intake.take(delivery)).await;
        taken.unwrap_or_else(|_| Err(too_late(within))).map_err(Refusal::NotTaken)
    }
}

fn too_late(within: Duration) -> IntakeError {
    let cause = format!("the delivery was not durable within {} ms", within.as_millis());
    IntakeError { retry_after_secs: RETRY_AFTER_SECS, cause }
}

/// What is known of a request, for its answer, its log line and its metrics.
struct Seen {
    guid: Option<String>,
    event: Option<String>,
    action: Option<String>,
    repo: Option<String>,
    unused: Option<String>,
}

impl Seen {
    /// What an unverified request says it is, where that is of the right form.
    fn claimed(headers: &HeaderMap) -> Self {
        let guid = github::delivery_id(headers).ok().map(|id| id.guid().to_owned());
        let event = github::event_name(headers).ok().map(str::to_owned);
        Seen { guid, event, action: None, repo: None, unused: None }
    }

    fn verified(&mut self, delivery: &Delivery) {
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
        let forge = ForgeKind::Github.as_str();
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
