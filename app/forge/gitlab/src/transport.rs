//! Carries one request to GitLab and back: limits before, timeouts around, words for what went wrong after.

use std::fmt;
use std::time::Instant;

use backon::{ExponentialBuilder, Retryable};
use bytes::{Bytes, BytesMut};
use gatewright_core::Timestamp;
use gatewright_core::cause::deepest;
use gatewright_core::forge::ForgeError;
use http::header::{ACCEPT, CONTENT_TYPE, IF_NONE_MATCH};
use http::{HeaderValue, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use url::Url;

use crate::answer::Answer;
use crate::budget::Budget;
use crate::call::{Call, Repeat};
use crate::config::{Clock, ConfigError, GitLabConfig, Timeouts};
use crate::error::{limited, may_pass, refused, unavailable};

const AGENT: &str = concat!("gatewright/", env!("CARGO_PKG_VERSION"));
/// What may be repeated is sent at most this many times more within one call.
const REPEATS_MAX: usize = 2;
/// The wait between repeats doubles up to this multiple of the configured one.
const REPEAT_DELAY_GROWTH_MAX: u32 = 8;

pub(crate) struct Transport {
    client: reqwest::Client,
    /// Without a slash at its end.
    base: Url,
    token: SecretString,
    budget: Budget,
    /// Requests under way. What waits here has not been sent.
    permits: Semaphore,
    timeouts: Timeouts,
    clock: Clock,
}

impl Transport {
    pub(crate) fn new(config: &GitLabConfig, base: Url) -> Result<Self, ConfigError> {
        let limits = config.limits;
        if limits.concurrent == 0 || limits.notes_per_minute == 0 || limits.requests_per_minute == 0 {
            return Err(ConfigError::Limits);
        }
        describe_metrics();
        Ok(Transport {
            client: client(config.timeouts)?,
            base,
            token: config.token.clone(),
            budget: Budget::new(limits),
            permits: Semaphore::new(limits.concurrent),
            timeouts: config.timeouts,
            clock: config.clock.clone(),
        })
    }

    /// The time, by the clock that limits go by.
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Sends a request, and again where that is safe and the failure may pass. Ends after at most three times the total
    /// timeout and the short waits between.
    pub(crate) async fn send(&self, call: &Call) -> Result<Answer, ForgeError> {
        match call.repeat {
            Repeat::Never => self.send_once(call).await,
            Repeat::Safe => (|| self.send_once(call)).retry(self.repeats()).when(may_pass).await,
        }
    }

    fn repeats(&self) -> ExponentialBuilder {
        ExponentialBuilder::new()
            .with_min_delay(self.timeouts.retry_delay)
            .with_max_delay(self.timeouts.retry_delay * REPEAT_DELAY_GROWTH_MAX)
            .with_max_times(REPEATS_MAX)
            .with_jitter()
    }

    async fn send_once(&self, call: &Call) -> Result<Answer, ForgeError> {
        let started = Instant::now();
        let result = match self.budget.take(call, self.now()) {
            Ok(()) => self.travel(call).await,
            Err(wait_secs) => Err(limited(wait_secs)),
        };
        observe(call.operation, &result, started);
        result
    }

    async fn travel(&self, call: &Call) -> Result<Answer, ForgeError> {
        let Ok(Ok(_permit)) = timeout(self.timeouts.total, self.permits.acquire()).await else {
            return Err(limited(1));
        };
        let request = self.request(call)?;
        let exchange = async {
            let mut response = request.send().await.map_err(|e| failure(&e))?;
            let body = read(&mut response, call.answer_bytes_max).await?;
            let token = self.token.expose_secret();
            Ok(Answer::new(response.status().as_u16(), response.headers(), body, token, &self.base))
        };
        let answer = match timeout(self.timeouts.total, exchange).await {
            Ok(result) => result?,
            Err(_) => return Err(unavailable("no whole answer in time")),
        };
        self.judge(&answer, call)?;
        Ok(answer)
    }

    fn request(&self, call: &Call) -> Result<reqwest::RequestBuilder, ForgeError> {
        // The error text below may not quote its value.
        let mut token = HeaderValue::from_str(self.token.expose_secret()).map_err(|_| refused("the token cannot be sent"))?;
        token.set_sensitive(true);
        let url = format!("{}{}", self.base.as_str().trim_end_matches('/'), call.target);
        let mut request = self.client.request(call.method.clone(), url).header("private-token", token).header(ACCEPT, "*/*");
        if let Some(etag) = &call.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if !call.body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json").body(call.body.clone());
        }
        Ok(request)
    }

    /// Obeys what the answer says of limits, and takes out what is no answer.
    fn judge(&self, answer: &Answer, call: &Call) -> Result<(), ForgeError> {
        if let Some(remaining) = answer.rate.remaining {
            #[expect(clippy::cast_precision_loss, reason = "a gauge of some thousands")]
            metrics::gauge!("gatewright_forge_rate_remaining", "forge" => "gitlab", "installation" => "token")
                .set(remaining as f64);
        }
        if let Some(wait_secs) = self.budget.learn(call, answer, self.now()) {
            tracing::warn!(forge = "gitlab", operation = call.operation, wait_secs, "GitLab asks us to wait");
            return Err(limited(wait_secs));
        }
        if answer.status >= 500 {
            let reason = StatusCode::from_u16(answer.status).ok().and_then(|s| s.canonical_reason());
            return Err(unavailable(format!("{} {}", answer.status, reason.unwrap_or("(unknown)"))));
        }
        Ok(())
    }
}

/// Redirects are not followed: reqwest would take the token along to wherever they lead on the same host, and a `POST` would
/// become a `GET`.
fn client(timeouts: Timeouts) -> Result<reqwest::Client, ConfigError> {
    reqwest::Client::builder()
        .user_agent(AGENT)
        .connect_timeout(timeouts.connect)
        .read_timeout(timeouts.read)
        .timeout(timeouts.total)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|e| ConfigError::Client { cause: deepest(&e) })
}

/// The body, or None once there is more of it than may be read.
async fn read(response: &mut reqwest::Response, bytes_max: usize) -> Result<Option<Bytes>, ForgeError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| failure(&e))? {
        if body.len() + chunk.len() > bytes_max {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body.freeze()))
}

/// What went wrong on the way, without the address and without anything of the request.
fn failure(error: &reqwest::Error) -> ForgeError {
    unavailable(match () {
        () if error.is_timeout() => "no answer in time".to_owned(),
        () if error.is_connect() => format!("cannot connect: {}", deepest(error)),
        () => format!("the connection broke: {}", deepest(error)),
    })
}

fn describe_metrics() {
    metrics::describe_counter!("gatewright_forge_calls_total", "Requests to a forge, by what came of them.");
    metrics::describe_histogram!(
        "gatewright_forge_call_duration_seconds",
        metrics::Unit::Seconds,
        "From a request to a forge to its whole answer."
    );
    metrics::describe_gauge!("gatewright_forge_rate_remaining", "Requests that the forge still takes in its current window.");
}

fn observe(operation: &'static str, result: &Result<Answer, ForgeError>, started: Instant) {
    let outcome = match result {
        Ok(answer) => match answer.status {
            304 => "not_modified",
            200..=299 => "ok",
            401 => "unauthorized",
            404 | 410 => "missing",
            _ => "refused",
        },
        Err(ForgeError::RateLimited { .. }) => "rate_limited",
        Err(ForgeError::Unavailable { .. }) => "unavailable",
        Err(ForgeError::LockedOut { .. }) => "unauthorized",
        Err(ForgeError::Missing { .. }) => "missing",
        Err(ForgeError::Refused { .. }) => "refused",
    };
    metrics::counter!("gatewright_forge_calls_total", "forge" => "gitlab", "operation" => operation, "outcome" => outcome)
        .increment(1);
    metrics::histogram!("gatewright_forge_call_duration_seconds", "forge" => "gitlab", "operation" => operation)
        .record(started.elapsed().as_secs_f64());
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}
