//! Carries one request to GitHub and back: limits before, timeouts around, words for what went wrong after.
//!
//! octocrab is used as a bare stack of its base-address layer over reqwest. Its own layers for retries, redirects,
//! tokens and header fields are not in it: each of them does what this crate must not.

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};
use gatewright_core::cause::deepest;
use gatewright_core::forge::ForgeError;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, IF_NONE_MATCH, USER_AGENT};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use octocrab::service::middleware::base_uri::BaseUriLayer;
use octocrab::service::middleware::reqwest_connector::ReqwestConnector;
use octocrab::{AuthState, Octocrab, OctocrabBuilder};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use url::Url;

use crate::answer::Answer;
use crate::budget::{Account, Budget};
use crate::call::{ANSWER_BYTES_MAX, ApiKind, Call, Repeat};
use crate::config::{Clock, ConfigError, Timeouts, Ways};
use crate::error::{limited, may_pass, refused, unavailable};
use crate::route::same_host;

const AGENT: &str = concat!("gatewright/", env!("CARGO_PKG_VERSION"));
const MEDIA_TYPE: &str = "application/vnd.github+json";
const API_VERSION: &str = "2022-11-28";
/// A repository that was renamed answers with one; more than this is a circle.
const REDIRECTS_MAX: usize = 3;
/// What may be repeated is sent at most this many times more within one call.
const REPEATS_MAX: usize = 2;
/// The wait between repeats doubles up to this multiple of the configured one.
const REPEAT_DELAY_GROWTH_MAX: u32 = 8;

pub(crate) struct Transport {
    rest: Octocrab,
    graphql: Octocrab,
    uploads: Octocrab,
    base: Url,
    budget: Budget,
    /// Requests under way. What waits here has not been sent.
    permits: Semaphore,
    timeouts: Timeouts,
    clock: Clock,
}

impl Transport {
    /// Must be called within a tokio runtime, whose task octocrab's queue becomes.
    pub(crate) fn new(ways: &Ways, base: Url) -> Result<Self, ConfigError> {
        let limits = ways.limits;
        if limits.concurrent == 0
            || limits.content_per_minute == 0
            || limits.content_per_hour == 0
            || limits.points_per_minute < 5
        {
            return Err(ConfigError::Limits);
        }
        describe_metrics();
        let client = client(ways.timeouts, ways.timeouts.total)?;
        let patient = self::client(Timeouts { read: ways.timeouts.upload, ..ways.timeouts }, ways.timeouts.upload)?;
        Ok(Transport {
            rest: octocrab(&client, &base)?,
            graphql: octocrab(&client, &graphql_base(&base))?,
            uploads: octocrab(&patient, &uploads_base(&base))?,
            base,
            budget: Budget::new(limits),
            permits: Semaphore::new(limits.concurrent),
            timeouts: ways.timeouts,
            clock: ways.clock.clone(),
        })
    }

    /// Sends a request, and again where that is safe and the failure may pass. Ends after at most three times the total
    /// timeout and the short waits between.
    pub(crate) async fn send(&self, call: &Call, bearer: &SecretString, account: Account) -> Result<Answer, ForgeError> {
        match call.repeat {
            Repeat::Never => self.send_once(call, bearer, account).await,
            Repeat::Safe => (|| self.send_once(call, bearer, account)).retry(self.repeats()).when(may_pass).await,
        }
    }

    fn repeats(&self) -> ExponentialBuilder {
        ExponentialBuilder::new()
            .with_min_delay(self.timeouts.retry_delay)
            .with_max_delay(self.timeouts.retry_delay * REPEAT_DELAY_GROWTH_MAX)
            .with_max_times(REPEATS_MAX)
            .with_jitter()
    }

    async fn send_once(&self, call: &Call, bearer: &SecretString, account: Account) -> Result<Answer, ForgeError> {
        let started = Instant::now();
        let result = match self.budget.take(account, call.cost, (self.clock)()) {
            Ok(()) => self.travel(call, bearer, account).await,
            Err(wait_secs) => Err(limited(wait_secs)),
        };
        observe(call.operation, &result, started);
        result
    }

    /// Sends it where it leads: redirects on the same host are followed, others are refused.
    async fn travel(&self, call: &Call, bearer: &SecretString, account: Account) -> Result<Answer, ForgeError> {
        let Ok(Ok(_permit)) = timeout(self.timeouts.total, self.permits.acquire()).await else {
            return Err(limited(1));
        };
        let mut target = call.target.clone();
        for _ in 0..=REDIRECTS_MAX {
            let answer = self.round_trip(call, &target, bearer).await?;
            self.judge(&answer, account)?;
            match self.redirect(call, &answer)? {
                Some(next) => target = next,
                None => return Ok(answer),
            }
        }
        Err(refused("its redirects lead nowhere"))
    }

    async fn round_trip(&self, call: &Call, target: &str, bearer: &SecretString) -> Result<Answer, ForgeError> {
        let request = request(call, target, bearer)?;
        let octocrab = match call.api {
            ApiKind::Rest => &self.rest,
            ApiKind::Graphql => &self.graphql,
            ApiKind::Uploads => &self.uploads,
        };
        let limit = match call.api {
            ApiKind::Rest | ApiKind::Graphql => self.timeouts.total,
            ApiKind::Uploads => self.timeouts.upload,
        };
        let exchange = async {
            let response = octocrab.send(request).await.map_err(|e| failure(&e))?;
            let (head, body) = response.into_parts();
            let body = match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
                Ok(body) => Some(body.to_bytes()),
                Err(e) if e.downcast_ref::<LengthLimitError>().is_some() => None,
                Err(e) => return Err(failure(e.as_ref())),
            };
            Ok(Answer::new(head.status.as_u16(), &head.headers, body, bearer.expose_secret(), &self.base))
        };
        // reqwest has this limit too, but octocrab's queue in front of it has none.
        match timeout(limit, exchange).await {
            Ok(result) => result,
            Err(_) => Err(unavailable("no whole answer in time")),
        }
    }

    /// Obeys what the answer says of limits, and takes out what is no answer.
    fn judge(&self, answer: &Answer, account: Account) -> Result<(), ForgeError> {
        if let Some(remaining) = answer.rate.remaining {
            #[expect(clippy::cast_precision_loss, reason = "a gauge of some thousands")]
            metrics::gauge!("gatewright_forge_rate_remaining", "forge" => "github", "installation" => account.label())
                .set(remaining as f64);
        }
        if let Some(wait_secs) = self.budget.learn(account, answer, (self.clock)()) {
            tracing::warn!(forge = "github", installation = account.label(), wait_secs, "GitHub asks us to wait");
            return Err(limited(wait_secs));
        }
        if answer.status >= 500 {
            let reason = StatusCode::from_u16(answer.status).ok().and_then(|s| s.canonical_reason());
            return Err(unavailable(format!("{} {}", answer.status, reason.unwrap_or("(unknown)"))));
        }
        Ok(())
    }

    /// The next target, where the answer is a redirect. 307 and 308 keep the method, and the server did nothing yet;
    /// what else they are is for reads only.
    fn redirect(&self, call: &Call, answer: &Answer) -> Result<Option<String>, ForgeError> {
        match answer.status {
            307 | 308 => {}
            301 | 302 if call.method == Method::GET => {}
            301..=303 => return Err(refused(format!("the target of this write has moved ({})", answer.status))),
            _ => return Ok(None),
        }
        let location = answer.location.as_deref().ok_or_else(|| unavailable("a redirect to nowhere"))?;
        let target =
            same_host(location, &self.base).ok_or_else(|| refused("it redirects to another host, which is not followed"))?;
        Ok(Some(target))
    }
}

fn client(timeouts: Timeouts, total: Duration) -> Result<reqwest::Client, ConfigError> {
    reqwest::Client::builder()
        .connect_timeout(timeouts.connect)
        .read_timeout(timeouts.read)
        .timeout(total)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|e| ConfigError::Client { cause: deepest(&e) })
}

fn octocrab(client: &reqwest::Client, base: &Url) -> Result<Octocrab, ConfigError> {
    let base: http::Uri = base.as_str().parse().map_err(|_| ConfigError::ApiUrl { rule: "is not an address that HTTP knows" })?;
    let Ok(octocrab) = OctocrabBuilder::new_empty()
        .with_service(ReqwestConnector::new(client.clone()))
        .with_layer(&BaseUriLayer::new(base))
        .with_auth(AuthState::None)
        .build();
    Ok(octocrab)
}

/// What `/graphql` is under: `https://api.github.com` itself, but `https://HOST/api` where REST is at `https://HOST/api/v3`.
fn graphql_base(rest: &Url) -> Url {
    let mut base = rest.clone();
    let path = rest.path().trim_end_matches('/');
    base.set_path(path.strip_suffix("/v3").filter(|path| path.ends_with("/api")).unwrap_or(path));
    base
}

/// Where artefacts go: `https://uploads.github.com`, or `https://HOST/api/uploads` where REST is at `https://HOST/api/v3`. A release
/// names that address too, but requests go only where the configuration says.
fn uploads_base(rest: &Url) -> Url {
    let mut base = rest.clone();
    let path = rest.path().trim_end_matches('/');
    if let Some(api) = path.strip_suffix("/v3").filter(|path| path.ends_with("/api")) {
        base.set_path(&format!("{api}/uploads"));
    }
    let host = rest.host_str().unwrap_or_default();
    let domain = host.strip_prefix("api.").filter(|domain| *domain == "github.com" || domain.ends_with(".ghe.com"));
    if let Some(domain) = domain {
        // A valid host with another first part is a valid host, so this cannot fail.
        let _ = base.set_host(Some(&format!("uploads.{domain}")));
    }
    base
}

fn request(call: &Call, target: &str, bearer: &SecretString) -> Result<Request<octocrab::OctoBody>, ForgeError> {
    // Neither error text below may quote its value: one is the token.
    let mut authorization = HeaderValue::from_str(&format!("Bearer {}", bearer.expose_secret()))
        .map_err(|_| unavailable("it gave a token that cannot be sent"))?;
    authorization.set_sensitive(true);
    let mut request = Request::builder()
        .method(call.method.clone())
        .uri(target)
        .header(AUTHORIZATION, authorization)
        .header(ACCEPT, MEDIA_TYPE)
        .header(USER_AGENT, AGENT)
        .header("x-github-api-version", API_VERSION);
    if let Some(etag) = &call.etag {
        request = request.header(IF_NONE_MATCH, etag);
    }
    if !call.body.is_empty() {
        request = request.header(CONTENT_TYPE, call.content_type.as_ref());
    }
    let body = octocrab::OctoBody::from(call.body.clone());
    request.body(body).map_err(|_| refused("the request cannot be formed"))
}

/// What went wrong on the way, without the address and without anything of the request.
fn failure(error: &(dyn Error + 'static)) -> ForgeError {
    let mut at = Some(error);
    while let Some(e) = at {
        if let Some(e) = e.downcast_ref::<reqwest::Error>() {
            let kind = match () {
                () if e.is_timeout() => "no answer in time".to_owned(),
                () if e.is_connect() => format!("cannot connect: {}", deepest(e)),
                () => format!("the connection broke: {}", deepest(e)),
            };
            return unavailable(kind);
        }
        at = e.source();
    }
    unavailable(format!("the request was not carried out: {}", deepest(error)))
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
    metrics::counter!("gatewright_forge_calls_total", "forge" => "github", "operation" => operation, "outcome" => outcome)
        .increment(1);
    metrics::histogram!("gatewright_forge_call_duration_seconds", "forge" => "github", "operation" => operation)
        .record(started.elapsed().as_secs_f64());
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artefacts_go_where_each_kind_of_github_takes_them() {
        let of = |rest: &str| uploads_base(&Url::parse(rest).expect("valid")).to_string();
        assert_eq!(of("https://api.github.com"), "https://uploads.github.com/");
        assert_eq!(of("https://api.octo.ghe.com/"), "https://uploads.octo.ghe.com/");
        assert_eq!(of("https://ghe.example/api/v3"), "https://ghe.example/api/uploads");
        assert_eq!(of("https://proxy.example/ghe/api/v3/"), "https://proxy.example/ghe/api/uploads");
        assert_eq!(of("http://127.0.0.1:8081"), "http://127.0.0.1:8081/");
    }

    #[test]
    fn graphql_is_beside_rest() {
        let of = |rest: &str| graphql_base(&Url::parse(rest).expect("valid")).to_string();
        assert_eq!(of("https://api.github.com"), "https://api.github.com/");
        assert_eq!(of("https://api.octo.ghe.com/"), "https://api.octo.ghe.com/");
        assert_eq!(of("https://ghe.example/api/v3"), "https://ghe.example/api");
        assert_eq!(of("https://proxy.example/ghe/api/v3/"), "https://proxy.example/ghe/api");
        assert_eq!(of("http://127.0.0.1:8081"), "http://127.0.0.1:8081/");
    }
}
