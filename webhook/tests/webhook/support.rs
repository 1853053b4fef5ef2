//! Forges that sign, an intake that remembers.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gatewright_core::Timestamp;
use gatewright_core::event::{Delivery, Event, Intake, IntakeError, Taken};
use gatewright_webhook::github::GithubHook;
use gatewright_webhook::gitlab::GitlabHook;
use gatewright_webhook::{GitlabSecrets, Limits, WebhookConfig, WebhookSecrets, routes};
use hmac::{Hmac, Mac};
use secrecy::SecretString;
use serde_json::Value;
use sha2::Sha256;
use tower::ServiceExt;

pub(crate) const SECRET: &str = "a secret of the tests, canary";
pub(crate) const OLD_SECRET: &str = "the secret before it, canary too";
/// GitLab's secret token, and the 32 bytes of its signing token.
pub(crate) const TOKEN: &str = "a token of the tests, canary";
pub(crate) const KEY: [u8; 32] = *b"the key of the tests, a canary!!";
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

pub(crate) fn signing_token(key: [u8; 32]) -> String {
    format!("whsec_{}", STANDARD.encode(key))
}

/// GitLab's hook with these secrets.
pub(crate) fn gitlab_with(secrets: &[&str]) -> GitlabHook {
    GitlabHook { secrets: GitlabSecrets::new(secrets.iter().map(|secret| SecretString::from(*secret))).unwrap() }
}

/// GitLab's hook with a secret token and a signing token.
pub(crate) fn gitlab_hook() -> GitlabHook {
    gitlab_with(&[TOKEN, &signing_token(KEY)])
}

pub(crate) fn router(intake: Arc<dyn Intake>, limits: Limits) -> Router {
    routes(WebhookConfig { intake, github: Some(hook()), gitlab: Some(gitlab_hook()), limits })
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

/// What `webhook-signature` says of a delivery.
pub(crate) fn sign_v1(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(format!("{id}.{timestamp}.")).chain_update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// Why an event is not used.
pub(crate) fn unused(event: Event) -> String {
    match event {
        Event::Unused { reason } => reason,
        used @ (Event::Pull(_)
        | Event::MergeGroup(_)
        | Event::Push(_)
        | Event::Rerequested(_)
        | Event::Comment(_)
        | Event::Button(_)
        | Event::Tag(_)
        | Event::ProtectionRule(_)
        | Event::Issue(_)
        | Event::Labelled(_)) => panic!("{used:?} is used"),
    }
}

/// A delivery as a forge would send it; what is changed in it is what a test is about.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) path: &'static str,
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
        Sent { path: "/webhooks/github", headers, body }
    }

    /// As GitLab sends it, with the secret token.
    pub(crate) fn gitlab(event: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![
            ("host", "localhost".to_owned()),
            ("content-type", "application/json".to_owned()),
            ("user-agent", "GitLab/18.9.0".to_owned()),
            ("idempotency-key", "f5e5f430-f57b-4e6e-9fac-d9128cd7232f".to_owned()),
            ("x-gitlab-event", event.to_owned()),
            ("x-gitlab-webhook-uuid", "c0e9a1a8-5a0f-4e8b-9d42-0b7f3f2d7f11".to_owned()),
            ("x-gitlab-instance", "https://gitlab.example.com".to_owned()),
            ("x-gitlab-event-uuid", "13792a34-cac6-4fda-95a8-c58e00a3954e".to_owned()),
            ("x-gitlab-token", TOKEN.to_owned()),
        ];
        Sent { path: "/webhooks/gitlab", headers, body: body.into() }
    }

    /// Signed with this key at this time, as GitLab does with a signing token, and without the secret token.
    pub(crate) fn signed(self, key: &[u8], at: Timestamp) -> Self {
        let id = self.headers.iter().find(|(name, _)| *name == "idempotency-key").unwrap().1.clone();
        let timestamp = at.as_second().to_string();
        let signature = sign_v1(key, &id, &timestamp, &self.body);
        let sent = self.without("x-gitlab-token").header("webhook-id", &id).header("webhook-timestamp", &timestamp);
        sent.header("webhook-signature", &signature)
    }

    pub(crate) fn header_map(&self) -> HeaderMap {
        self.clone().request().headers().clone()
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
        let request = Request::post(self.path);
        let header = |value: String| HeaderValue::from_bytes(value.as_bytes()).unwrap();
        self.headers.into_iter().fold(request, |request, (name, value)| request.header(name, header(value))).body(body).unwrap()
    }

    /// The request's bytes, without its body and how long that is.
    pub(crate) fn head(&self) -> String {
        let headers: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("POST {} HTTP/1.1\r\n{headers}", self.path)
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
