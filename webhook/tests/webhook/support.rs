//! A forge that signs, an intake that remembers.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode};
use gatewright_core::event::{Delivery, Intake, IntakeError, Taken};
use gatewright_webhook::github::GithubHook;
use gatewright_webhook::{Limits, WebhookConfig, WebhookSecrets, routes};
use hmac::{Hmac, Mac};
use secrecy::SecretString;
use serde_json::Value;
use sha2::Sha256;
use tower::ServiceExt;

pub(crate) const SECRET: &str = "a secret of the tests, canary";
pub(crate) const OLD_SECRET: &str = "the secret before it, canary too";
/// The app whose checks the published examples are about.
pub(crate) const APP_ID: u64 = 29_310;

/// Takes each delivery once, and remembers it.
#[derive(Default)]
pub(crate) struct Recording {
    taken: Mutex<Vec<Delivery>>,
}

impl Recording {
    pub(crate) fn taken(&self) -> Vec<Delivery> {
        self.taken.lock().unwrap().clone()
    }
}

#[async_trait]
impl Intake for Recording {
    async fn take(&self, delivery: Delivery) -> Result<Taken, IntakeError> {
        let mut taken = self.taken.lock().unwrap();
        if taken.iter().any(|known| known.id == delivery.id) {
            return Ok(Taken::Duplicate);
        }
        taken.push(delivery);
        Ok(Taken::New)
    }
}

pub(crate) fn hook() -> GithubHook {
    let secrets = WebhookSecrets::new([SECRET, OLD_SECRET].map(SecretString::from)).unwrap();
    GithubHook { secrets, app_id: APP_ID }
}

pub(crate) fn router(intake: Arc<dyn Intake>, limits: Limits) -> Router {
    routes(WebhookConfig { intake, github: hook(), limits })
}

/// The service with an intake that remembers.
pub(crate) fn service() -> (Router, Arc<Recording>) {
    let intake = Arc::new(Recording::default());
    (router(intake.clone(), Limits::default()), intake)
}

pub(crate) fn sign(secret: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// A delivery as GitHub would send it; what is changed in it is what a test is about.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Sent {
    pub(crate) fn new(event: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let headers = vec![
            ("host", "localhost".to_owned()),
            ("content-type", "application/json".to_owned()),
            ("x-github-event", event.to_owned()),
            ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958".to_owned()),
            ("x-hub-signature-256", sign(SECRET, &body)),
        ];
        Sent { headers, body }
    }

    pub(crate) fn guid(self, guid: &str) -> Self {
        self.header("x-github-delivery", guid)
    }

    pub(crate) fn header(self, name: &'static str, value: &str) -> Self {
        let mut changed = self.without(name);
        changed.headers.push((name, value.to_owned()));
        changed
    }

    pub(crate) fn twice(mut self, name: &'static str) -> Self {
        let value = self.headers.iter().find(|(key, _)| *key == name).unwrap().1.clone();
        self.headers.push((name, value));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(key, _)| *key != name);
        self
    }

    /// The request, with its body as one piece.
    pub(crate) fn request(self) -> Request<Body> {
        let body = Body::from(self.body.clone());
        self.request_with(body)
    }

    pub(crate) fn request_with(self, body: Body) -> Request<Body> {
        let request = Request::post("/webhooks/github");
        let header = |value: String| HeaderValue::from_bytes(value.as_bytes()).unwrap();
        self.headers.into_iter().fold(request, |request, (name, value)| request.header(name, header(value))).body(body).unwrap()
    }

    /// The request's bytes, without its body and how long that is.
    pub(crate) fn head(&self) -> String {
        let headers: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("POST /webhooks/github HTTP/1.1\r\n{headers}")
    }
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
}

impl Answer {
    /// The cause that a refusal names. It always names a next move too.
    pub(crate) fn error(&self) -> &str {
        assert!(self.json["next"].as_str().is_some_and(|next| !next.is_empty()), "{}", self.json);
        self.json["error"].as_str().unwrap()
    }
}

pub(crate) async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 64 * 1024).await.unwrap();
    Answer { status: head.status, headers: head.headers, json: serde_json::from_slice(&body).unwrap() }
}
