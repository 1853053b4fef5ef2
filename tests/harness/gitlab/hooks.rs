//! How webhooks get there and prove where they come from. A delivery that fails is not tried again by itself; after four
//! failures in a row GitLab stops for a while, after forty for good.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use hmac::{Hmac, Mac};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sha2::Sha256;
use tokio::sync::{mpsc, watch};

use super::world::{World, lock};
use crate::github::{HookEffect, HookFault};

/// How long GitLab waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// So many failures in a row stop a hook for a while.
const FAILURES_TO_PAUSE: u32 = 4;

/// So many stop it until somebody enables it.
const FAILURES_TO_END: u32 = 40;

/// The first pause; each failure after it doubles it, to a day at most.
const PAUSE: SignedDuration = SignedDuration::from_mins(1);
const PAUSE_MAX: SignedDuration = SignedDuration::from_hours(24);

/// What hooks of the whole server are told of. Notes, emoji, jobs and pipelines are not among it.
const SYSTEM_EVENTS: [&str; 3] = ["Merge Request Hook", "Push Hook", "Tag Push Hook"];

/// How a delivery proves where it comes from.
#[derive(Debug, Clone)]
pub enum Signing {
    /// By a token in a header.
    Token(String),
    /// By a signature under this key.
    Key(Vec<u8>),
    /// By both.
    Both(String, Vec<u8>),
}

impl Signing {
    /// As it is configured in a service; of both, the key.
    pub fn secret(&self) -> String {
        match self {
            Signing::Token(token) => token.clone(),
            Signing::Key(key) | Signing::Both(_, key) => format!("whsec_{}", BASE64_STANDARD.encode(key)),
        }
    }

    /// What is sent beside these: the token and the key.
    fn parts(&self) -> (Option<&str>, Option<&[u8]>) {
        match self {
            Signing::Token(token) => (Some(token), None),
            Signing::Key(key) => (None, Some(key)),
            Signing::Both(token, key) => (Some(token), Some(key)),
        }
    }
}

/// Where webhooks go.
#[derive(Debug, Clone)]
pub(super) struct Hook {
    pub(super) url: String,
    pub(super) signing: Signing,
    /// `X-Gitlab-Webhook-UUID`.
    pub(super) uuid: String,
    /// It is one of the whole server, which says so in `X-Gitlab-Event`.
    pub(super) system: bool,
    /// The events that it is told of; None: all.
    pub(super) triggers: Option<&'static [&'static str]>,
    pub(super) failures: u32,
    pub(super) paused_until: Option<Timestamp>,
}

impl Hook {
    pub(super) fn new(url: &str, signing: Signing, system: bool) -> Hook {
        let uuid = uuid::Uuid::now_v7().to_string();
        Hook { url: url.to_owned(), signing, uuid, system, triggers: None, failures: 0, paused_until: None }
    }

    /// GitLab never disables one of the whole server.
    pub(super) fn is_disabled(&self, now: Timestamp) -> bool {
        if self.system {
            return false;
        }
        self.failures >= FAILURES_TO_END || self.paused_until.is_some_and(|until| now < until)
    }

    fn answered(&mut self, taken: bool, now: Timestamp) {
        if taken {
            (self.failures, self.paused_until) = (0, None);
            return;
        }
        self.failures += 1;
        if let Some(beyond) = self.failures.checked_sub(FAILURES_TO_PAUSE) {
            // Twelve doublings are longer than the longest pause.
            let pause = (PAUSE * 2_i32.pow(beyond.min(12))).min(PAUSE_MAX);
            self.paused_until = Some(now + pause);
        }
    }
}

/// One webhook, and every attempt to deliver it.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// `Idempotency-Key` and `webhook-id`; somebody who has it sent again sends the same.
    pub key: String,
    /// `X-Gitlab-Event-UUID`.
    pub event_uuid: String,
    /// What happened: `Merge Request Hook`. A hook of the whole server is told `System Hook`.
    pub event: &'static str,
    /// The payload's action, where it has one.
    pub action: Option<String>,
    /// The project that it is about.
    pub project: u64,
    /// The body as it is signed.
    pub body: Bytes,
    /// It was not sent, since the hook was disabled. GitLab does not even list these.
    pub suppressed: bool,
    /// What each attempt was answered; 0 where nobody did.
    pub answers: Vec<u16>,
}

impl Delivery {
    /// Whether it was taken.
    pub fn taken(&self) -> bool {
        self.answers.iter().any(|status| (200..300).contains(status))
    }

    /// The body, parsed.
    ///
    /// # Panics
    /// Never: payloads are JSON.
    pub fn payload(&self) -> Value {
        serde_json::from_slice(&self.body).expect("payloads are JSON")
    }

    /// `object_kind`, or else `event_name`, with the action behind a dot where there is one: `merge_request.open`.
    pub fn name(&self) -> String {
        let payload = self.payload();
        let kind = payload["object_kind"].as_str().or(payload["event_name"].as_str()).unwrap_or_default().to_owned();
        self.action.as_ref().map_or_else(|| kind.clone(), |action| format!("{kind}.{action}"))
    }
}

struct Job {
    delivery: usize,
    again: bool,
    /// How many others are to leave first.
    held_behind: usize,
}

/// Where deliveries wait. Unbounded: what fills it is the test itself.
#[derive(Clone)]
pub(super) struct HookQueue {
    jobs: mpsc::UnboundedSender<Job>,
    pending: Arc<watch::Sender<usize>>,
}

impl HookQueue {
    pub(super) fn push(&self, delivery: usize, again: bool) {
        self.pending.send_modify(|n| *n += 1);
        // The receiver lives as long as the fake; after it there is nobody to deliver to.
        drop(self.jobs.send(Job { delivery, again, held_behind: 0 }));
    }

    pub(super) fn pending(&self) -> watch::Receiver<usize> {
        self.pending.subscribe()
    }
}

impl World {
    /// Has a delivery sent, where there is a hook and it is not disabled.
    pub(super) fn send(&mut self, event: &'static str, action: Option<&str>, project: u64, payload: &Value) {
        let now = self.now();
        let Some(hook) = &self.hook else { return };
        if hook.triggers.is_some_and(|triggers| !triggers.contains(&event)) {
            return;
        }
        let (suppressed, mut payload) = (hook.is_disabled(now), payload.clone());
        if hook.system {
            if !SYSTEM_EVENTS.contains(&event) {
                return;
            }
            if let Some(fields) = payload.as_object_mut().filter(|fields| fields.contains_key("event_name")) {
                // What has a name of its own there has no kind.
                fields.remove("object_kind");
            }
        }
        let (key, event_uuid) = (uuid::Uuid::now_v7().to_string(), uuid::Uuid::now_v7().to_string());
        let body = serde_json::to_vec(&payload).expect("a payload is JSON").into();
        let action = action.map(str::to_owned);
        self.deliveries.push(Delivery { key, event_uuid, event, action, project, body, suppressed, answers: Vec::new() });
        if !suppressed {
            self.queue.push(self.deliveries.len() - 1, false);
        }
    }
}

/// Delivers what is pushed into the queue, until the runtime ends.
pub(super) struct Deliverer {
    jobs: mpsc::UnboundedReceiver<Job>,
    pending: Arc<watch::Sender<usize>>,
    pub(super) faults: Arc<Mutex<Vec<HookFault>>>,
    client: reqwest::Client,
}

impl Deliverer {
    pub(super) fn new() -> (HookQueue, Deliverer) {
        let (jobs, receiver) = mpsc::unbounded_channel();
        let pending = Arc::new(watch::Sender::new(0));
        let client = reqwest::Client::builder().timeout(TIMEOUT).pool_max_idle_per_host(0).no_proxy().build();
        let client = client.expect("a client without special settings can be made");
        let deliverer = Deliverer { jobs: receiver, pending: pending.clone(), faults: Arc::default(), client };
        (HookQueue { jobs, pending }, deliverer)
    }

    /// In order, one after the other; one that is late does not keep the others waiting.
    pub(super) async fn run(mut self, world: Arc<Mutex<World>>) {
        let mut held: Vec<Job> = Vec::new();
        while let Some(mut job) = self.jobs.recv().await {
            let effect = self.effect(&world, &job);
            if let Some(HookEffect::HoldBehind(later)) = effect {
                job.held_behind = later.max(1);
                held.push(job);
                continue;
            }
            self.start(&world, job, effect).await;
            held.iter_mut().for_each(|job| job.held_behind -= 1);
            let (due, rest) = held.into_iter().partition(|job| job.held_behind == 0);
            held = rest;
            for job in due {
                self.start(&world, job, None).await;
            }
        }
    }

    fn effect(&self, world: &Mutex<World>, job: &Job) -> Option<HookEffect> {
        let delivery = lock(world).deliveries[job.delivery].clone();
        let name = delivery.name();
        let kind = name.split('.').next().unwrap_or_default();
        let mut faults = lock(&self.faults);
        // What somebody has sent again is what heals a fault; a fault of that would be another fault.
        faults.iter_mut().filter(|_| !job.again).find_map(|fault| fault.strike(kind, delivery.action.as_deref()))
    }

    async fn start(&self, world: &Arc<Mutex<World>>, job: Job, effect: Option<HookEffect>) {
        let late = matches!(effect, Some(HookEffect::Delay(_)));
        let (world, client, pending) = (world.clone(), self.client.clone(), self.pending.clone());
        let delivering = async move {
            deliver(&world, &client, job.delivery, effect).await;
            pending.send_modify(|n| *n -= 1);
        };
        if late {
            tokio::spawn(delivering);
        } else {
            delivering.await;
        }
    }
}

async fn deliver(world: &Mutex<World>, client: &reqwest::Client, job: usize, effect: Option<HookEffect>) {
    let found = {
        let world = lock(world);
        world.hook.clone().map(|hook| (hook, world.deliveries[job].clone(), world.url.clone()))
    };
    let Some((mut hook, delivery, instance)) = found else { return };
    let mut sent = vec![delivery.clone()];
    match effect {
        Some(HookEffect::Drop) => return record(world, job, 0),
        Some(HookEffect::Delay(time)) => tokio::time::sleep(time).await,
        Some(HookEffect::Duplicate(n)) => sent = vec![delivery; n],
        // A hook of the project and one of its group tell of one event, each under a key of its own.
        Some(HookEffect::TwoHooks) => sent.push(Delivery { key: uuid::Uuid::now_v7().to_string(), ..delivery }),
        Some(HookEffect::BadSignature) => hook.signing = spoilt(&hook.signing),
        Some(HookEffect::HoldBehind(_)) | None => {}
    }
    let at = lock(world).now();
    let sends = sent.iter().map(|delivery| async {
        let request = headed(client.post(&hook.url), &hook, delivery, &instance, at).body(delivery.body.clone());
        request.send().await.map_or(0, |answer| answer.status().as_u16())
    });
    for status in futures_util::future::join_all(sends).await {
        record(world, job, status);
    }
}

fn record(world: &Mutex<World>, job: usize, status: u16) {
    let mut world = lock(world);
    let now = world.now();
    world.deliveries[job].answers.push(status);
    if let Some(hook) = &mut world.hook {
        hook.answered((200..300).contains(&status), now);
    }
}

fn spoilt(signing: &Signing) -> Signing {
    match signing {
        Signing::Token(token) => Signing::Token(format!("{token}!")),
        Signing::Key(key) => Signing::Key([key.as_slice(), b"!"].concat()),
        Signing::Both(token, key) => Signing::Both(format!("{token}!"), [key.as_slice(), b"!"].concat()),
    }
}

/// The headers that GitLab sends with a delivery.
fn headed(
    request: reqwest::RequestBuilder,
    hook: &Hook,
    delivery: &Delivery,
    instance: &str,
    at: Timestamp,
) -> reqwest::RequestBuilder {
    let mut request = request
        .header("Content-Type", "application/json")
        .header("User-Agent", "GitLab/18.5.0")
        .header("X-Gitlab-Event", if hook.system { "System Hook" } else { delivery.event })
        .header("X-Gitlab-Event-UUID", &delivery.event_uuid)
        .header("X-Gitlab-Webhook-UUID", &hook.uuid)
        .header("X-Gitlab-Instance", instance)
        .header("Idempotency-Key", &delivery.key);
    let (token, key) = hook.signing.parts();
    if let Some(token) = token {
        request = request.header("X-Gitlab-Token", token);
    }
    let Some(key) = key else { return request };
    let at = at.as_second();
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(format!("{}.{at}.", delivery.key).as_bytes());
    mac.update(&delivery.body);
    let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
    request
        .header("webhook-id", &delivery.key)
        .header("webhook-timestamp", at)
        .header("webhook-signature", format!("v1,{signature}"))
}
