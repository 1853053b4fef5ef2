//! Webhook deliveries: a queue, its attempts, and what goes wrong on the way. As on GitHub, a failed delivery is not tried
//! again by itself.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc, watch};

use super::faults::{HookEffect, HookFault};
use super::world::{Hook, World, lock};

/// How long GitHub waits for an answer.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// Of a receiver's answer so much is kept for people to look at.
const ANSWER_BYTES_MAX: usize = 10_000;

/// One webhook, and every attempt to deliver it.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// `X-GitHub-Delivery`; redeliveries keep it.
    pub guid: String,
    /// `X-GitHub-Event`.
    pub event: String,
    /// The payload's action, where it has one.
    pub action: Option<String>,
    /// The installation that it is for.
    pub installation: Option<u64>,
    /// The repository that it is about.
    pub repository: Option<u64>,
    /// The body as it is signed.
    pub body: Bytes,
    /// Every attempt, oldest first.
    pub attempts: Vec<Attempt>,
}

impl Delivery {
    /// The body, parsed.
    pub fn payload(&self) -> Value {
        serde_json::from_slice(&self.body).expect("payloads are JSON")
    }

    /// `event.action`, or the event where it has no action.
    pub fn name(&self) -> String {
        self.action.as_ref().map_or_else(|| self.event.clone(), |action| format!("{}.{action}", self.event))
    }
}

/// One attempt to deliver.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// GitHub's number of the attempt.
    pub id: u64,
    /// When it began.
    pub at: Timestamp,
    /// Whether somebody asked for it.
    pub redelivery: bool,
    /// What the receiver answered; 502 where it did not, 504 where it did not in time.
    pub status_code: u16,
    /// `OK`, or what went wrong.
    pub status: String,
    /// How long it took.
    pub ms: u64,
    /// What the receiver answered, cut.
    pub answer: String,
}

impl Attempt {
    /// Whether the receiver took it.
    pub fn taken(&self) -> bool {
        (200..300).contains(&self.status_code)
    }
}

struct Job {
    guid: String,
    redelivery: bool,
    /// How many others are to leave first.
    held_behind: usize,
}

/// Where deliveries wait. Unbounded: what fills it is the test itself.
#[derive(Clone)]
pub(crate) struct HookQueue {
    jobs: mpsc::UnboundedSender<Job>,
    pending: Arc<watch::Sender<usize>>,
}

impl HookQueue {
    pub(crate) fn push(&self, guid: &str, redelivery: bool) {
        self.pending.send_modify(|n| *n += 1);
        // The receiver lives as long as the fake; after it there is nobody to deliver to.
        drop(self.jobs.send(Job { guid: guid.to_owned(), redelivery, held_behind: 0 }));
    }

    pub(crate) fn pending(&self) -> watch::Receiver<usize> {
        self.pending.subscribe()
    }
}

/// Delivers what is pushed into the queue, until the runtime ends.
pub(crate) struct Deliverer {
    jobs: mpsc::UnboundedReceiver<Job>,
    pending: Arc<watch::Sender<usize>>,
    pub(crate) faults: Arc<Mutex<Vec<HookFault>>>,
    pub(crate) at_once: Arc<Semaphore>,
    client: reqwest::Client,
}

impl Deliverer {
    pub(crate) fn new() -> (HookQueue, Self) {
        let (jobs, receiver) = mpsc::unbounded_channel();
        let pending = Arc::new(watch::Sender::new(0));
        let client = reqwest::Client::builder().timeout(TIMEOUT).pool_max_idle_per_host(0).no_proxy().build();
        let client = client.expect("a client without special settings can be made");
        let deliverer = Deliverer {
            jobs: receiver,
            pending: pending.clone(),
            faults: Arc::default(),
            at_once: Arc::new(Semaphore::new(1)),
            client,
        };
        (HookQueue { jobs, pending }, deliverer)
    }

    /// In order, as many at once as allowed: one, unless a test wants more.
    pub(crate) async fn run(mut self, world: Arc<Mutex<World>>) {
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
        let world = lock(world);
        let delivery = world.deliveries.iter().find(|d| d.guid == job.guid)?;
        let mut faults = lock(&self.faults);
        // Redeliveries are what heals a fault; a fault of them would be another fault.
        faults.iter_mut().filter(|_| !job.redelivery).find_map(|f| f.strike(&delivery.event, delivery.action.as_deref()))
    }

    async fn start(&self, world: &Arc<Mutex<World>>, job: Job, effect: Option<HookEffect>) {
        let permit = self.at_once.clone().acquire_owned().await.expect("the semaphore is never closed");
        let late = matches!(effect, Some(HookEffect::Delay(_)));
        let (world, client, pending) = (world.clone(), self.client.clone(), self.pending.clone());
        tokio::spawn(async move {
            // A late one must not keep the others waiting, or nothing would pass it by.
            let _permit = (!late).then_some(permit);
            deliver(&world, &client, &job, effect).await;
            pending.send_modify(|n| *n -= 1);
        });
    }
}

async fn deliver(world: &Mutex<World>, client: &reqwest::Client, job: &Job, effect: Option<HookEffect>) {
    let found = {
        let world = lock(world);
        let delivery = world.deliveries.iter().find(|d| d.guid == job.guid).cloned();
        delivery.zip(world.hook.clone()).map(|(delivery, hook)| (delivery, hook, world.app.hook_id, world.app.id))
    };
    let Some((delivery, mut hook, hook_id, app_id)) = found else { return };
    let mut copies = 1;
    let mut twin = None;
    match effect {
        Some(HookEffect::Drop) => return record(world, job, &Outcome::dropped()),
        Some(HookEffect::Delay(time)) => tokio::time::sleep(time).await,
        Some(HookEffect::Duplicate(n)) => copies = n,
        Some(HookEffect::TwoHooks) => twin = Some(format!("{}-ffff-4fff-bfff-{}", &job.guid[..13], &job.guid[24..])),
        Some(HookEffect::BadSignature) => hook.secret.push('!'),
        Some(HookEffect::HoldBehind(_)) | None => {}
    }
    let guids = std::iter::repeat_n(job.guid.as_str(), copies).chain(twin.as_deref());
    let sends = guids.map(|guid| send(client, &hook, &delivery, guid, [hook_id, app_id]));
    for outcome in futures_util::future::join_all(sends).await {
        record(world, job, &outcome);
    }
}

struct Outcome {
    at: Timestamp,
    status_code: u16,
    status: String,
    ms: u64,
    answer: String,
}

impl Outcome {
    fn dropped() -> Self {
        let status = "failed to connect to host".to_owned();
        Outcome { at: Timestamp::now(), status_code: 502, status, ms: 0, answer: String::new() }
    }
}

fn record(world: &Mutex<World>, job: &Job, outcome: &Outcome) {
    let mut world = lock(world);
    let attempt = Attempt {
        id: world.new_id(),
        at: outcome.at,
        redelivery: job.redelivery,
        status_code: outcome.status_code,
        status: outcome.status.clone(),
        ms: outcome.ms,
        answer: outcome.answer.clone(),
    };
    let delivery = world.deliveries.iter_mut().find(|d| d.guid == job.guid).expect("deliveries are never removed");
    delivery.attempts.push(attempt);
    world.tick();
}

async fn send(client: &reqwest::Client, hook: &Hook, delivery: &Delivery, guid: &str, ids: [u64; 2]) -> Outcome {
    let (at, started) = (Timestamp::now(), Instant::now());
    let mut request = client.post(&hook.url).body(delivery.body.clone());
    for (name, value) in headers(&hook.secret, delivery, guid, ids) {
        request = request.header(name, value);
    }
    let (status_code, status, answer) = match request.send().await {
        Ok(response) => {
            let code = response.status();
            let answer = response.text().await.unwrap_or_default().chars().take(ANSWER_BYTES_MAX).collect();
            let ok = code.is_success();
            let status = if ok { "OK".to_owned() } else { format!("Invalid HTTP Response: {}", code.as_u16()) };
            (code.as_u16(), status, answer)
        }
        Err(e) if e.is_timeout() => (504, "timed out".to_owned(), String::new()),
        Err(_) => (502, "failed to connect to host".to_owned(), String::new()),
    };
    let ms = u64::try_from(started.elapsed().as_millis()).expect("a delivery takes less than for ever");
    Outcome { at, status_code, status, ms, answer }
}

/// The headers that GitHub sends with a delivery.
pub(crate) fn headers(secret: &str, delivery: &Delivery, guid: &str, [hook, app]: [u64; 2]) -> Vec<(&'static str, String)> {
    vec![
        ("Accept", "*/*".to_owned()),
        ("Content-Type", "application/json".to_owned()),
        ("User-Agent", "GitHub-Hookshot/fa4e001".to_owned()),
        ("X-GitHub-Delivery", guid.to_owned()),
        ("X-GitHub-Event", delivery.event.clone()),
        ("X-GitHub-Hook-ID", hook.to_string()),
        ("X-GitHub-Hook-Installation-Target-ID", app.to_string()),
        ("X-GitHub-Hook-Installation-Target-Type", "integration".to_owned()),
        ("X-Hub-Signature", format!("sha1={}", hex::encode(signed::<Hmac<sha1::Sha1>>(secret, &delivery.body)))),
        ("X-Hub-Signature-256", format!("sha256={}", hex::encode(signed::<Hmac<sha2::Sha256>>(secret, &delivery.body)))),
    ]
}

fn signed<M: Mac + hmac::digest::KeyInit>(secret: &str, body: &[u8]) -> Vec<u8> {
    let mut mac = <M as Mac>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
    mac.finalize().into_bytes().to_vec()
}
