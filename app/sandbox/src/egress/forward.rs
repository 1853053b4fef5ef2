//! Asks a server of the service's configuration in the sandbox's name, with a key that the sandbox does not know.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use gatewright_core::sandbox::Injection;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited, StreamBody};
use hyper::body::{Body as _, Frame, Incoming};
use reqwest::redirect::Policy;
use secrecy::ExposeSecret;
use url::Url;

use super::serve::{Body, refusal};
use super::tally::Tally;
use super::{CONNECT_MAX, IDLE_MAX, REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX, Rules, WHOLE_MAX};

/// Headers of a request that are this connection's own, or by which the sandbox could give a key or a name of its own.
const NOT_SENT: [&str; 16] = [
    "host",
    "connection",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "cookie",
    "forwarded",
];

/// Headers of an answer that are the other connection's own.
const NOT_RETURNED: [&str; 7] =
    ["connection", "keep-alive", "proxy-authenticate", "trailer", "transfer-encoding", "upgrade", "set-cookie"];

const TOO_LARGE: &str = "the request is larger than 32 MiB";

/// A server with its key.
pub(super) struct Forward {
    base: Url,
    header: HeaderName,
    secret: HeaderValue,
    client: reqwest::Client,
}

impl Forward {
    /// An error in words, without the secret.
    pub(super) fn new(injection: &Injection) -> Result<Forward, String> {
        let name = &injection.name;
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) {
            return Err(format!("`{name}` is not the name of a server"));
        }
        let mut base = Url::parse(&injection.base_url).map_err(|e| format!("the address of `{name}` is none: {e}"))?;
        if !matches!(base.scheme(), "https" | "http") || base.cannot_be_a_base() {
            return Err(format!("the address of `{name}` is neither https:// nor http://"));
        }
        base.set_path(&format!("{}/", base.path().trim_end_matches('/')));
        base.set_query(None);
        let (header, secret) = &injection.header;
        let header = header.parse().map_err(|_| format!("the header of `{name}` is not the name of one"))?;
        let mut secret =
            HeaderValue::from_str(secret.expose_secret()).map_err(|_| format!("the key of `{name}` is not fit for a header"))?;
        secret.set_sensitive(true);
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_MAX)
            .read_timeout(IDLE_MAX)
            .timeout(WHOLE_MAX)
            .build()
            .map_err(|e| format!("no client for `{name}`: {e}"))?;
        Ok(Forward { base, header, secret, client })
    }

    /// Asks for what lies at `rest` below its address, and passes the answer on.
    pub(super) async fn answer(&self, name: &str, rest: &str, request: Request<Incoming>, rules: &Rules) -> Response<Body> {
        rules.tally.asked(name);
        let query = request.uri().query().map(str::to_owned);
        let Some(url) = self.url(rest, query.as_deref()) else {
            rules.tally.refused(name);
            return refusal(StatusCode::FORBIDDEN, "this address lies outside of the server's own");
        };
        let (head, body) = request.into_parts();
        if body.size_hint().lower() > REQUEST_BYTES_MAX as u64 {
            rules.tally.refused(name);
            return refusal(StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE);
        }
        let body = match Limited::new(body, REQUEST_BYTES_MAX).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                rules.tally.refused(name);
                return refusal(StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE);
            }
            Err(_) => return refusal(StatusCode::BAD_REQUEST, "the request was cut off"),
        };
        let sent = body.len() as u64;
        let asked = self.client.request(head.method, url).headers(self.headers(&head.headers)).body(body).send().await;
        rules.tally.passed(name, sent, 0);
        let status = asked.as_ref().map_or(StatusCode::BAD_GATEWAY, reqwest::Response::status);
        tracing::info!(run.id = %rules.key.run, gate = %rules.key.gate, host = name, status = status.as_u16(), sent, "a sandbox has asked a server with a key");
        match asked {
            Ok(answer) => passed_on(name.to_owned(), answer, Arc::clone(&rules.tally)),
            // Its words may hold the address; whoever runs the service finds them in no log of a sandbox.
            Err(_) => refusal(StatusCode::BAD_GATEWAY, "the server cannot be reached"),
        }
    }

    /// Below its own address, or none: a path may climb in many spellings, so what comes of it is looked at.
    fn url(&self, rest: &str, query: Option<&str>) -> Option<Url> {
        let mut url = Url::parse(&format!("{}{}", self.base, rest.trim_start_matches('/'))).ok()?;
        url.set_query(query);
        url.set_fragment(None);
        let below = url.origin() == self.base.origin() && url.path().starts_with(self.base.path());
        (below && url.username() == self.base.username()).then_some(url)
    }

    fn headers(&self, given: &HeaderMap) -> HeaderMap {
        // Those that `Connection` names are the connection's own, too.
        let named: Vec<String> = given
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|name| name.trim().to_lowercase())
            .collect();
        let is_sent = |name: &HeaderName| {
            !NOT_SENT.contains(&name.as_str())
                && !named.iter().any(|other| other == name.as_str())
                && !name.as_str().starts_with("x-forwarded")
        };
        let mut headers: HeaderMap =
            given.iter().filter(|(name, _)| is_sent(name)).map(|(name, value)| (name.clone(), value.clone())).collect();
        headers.insert(self.header.clone(), self.secret.clone());
        headers
    }
}

/// The server's answer, as it comes, as much of it as is allowed.
fn passed_on(name: String, answer: reqwest::Response, tally: Arc<Tally>) -> Response<Body> {
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers().iter().filter(|(name, _)| !NOT_RETURNED.contains(&name.as_str())) {
        response = response.header(name, value);
    }
    let passed = AtomicU64::new(0);
    let counted = answer.bytes_stream().map(move |part| {
        let part: Bytes = part.map_err(|_| std::io::Error::other("the server's answer was cut off"))?;
        tally.passed(&name, 0, part.len() as u64);
        let before = passed.fetch_add(part.len() as u64, Ordering::Relaxed);
        if before + part.len() as u64 > RESPONSE_BYTES_MAX {
            return Err(std::io::Error::other("the server's answer is too long"));
        }
        Ok(part)
    });
    let body = Body::new(StreamBody::new(counted.map_ok(Frame::data)));
    response.body(body).unwrap_or_else(|_| refusal(StatusCode::BAD_GATEWAY, "the server's answer cannot be passed on"))
}
