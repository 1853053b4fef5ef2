//! Carries one question to a provider and back, within bounds.

use std::fmt;
use std::time::Duration;

use bytes::BytesMut;
use gatewright_core::Timestamp;
use gatewright_core::cause::deepest;
use gatewright_core::model::Usage;
use gatewright_core::secret::SecretString;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use url::Url;

use crate::config::{ConfigError, Endpoint, Patience};
use crate::conversation::Conversation;
use crate::refusal::{Refusal, mask};
use crate::trouble::{Said, Trouble};
use crate::wire::{Unread, Wire};

const AGENT: &str = concat!("gatewright/", env!("CARGO_PKG_VERSION"));

/// Of an answer so many bytes are read. The longest answer that a model can give is a tenth of it; beyond it the answer is garbled.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Of a refusal so many bytes are read; what is beyond is not.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// A token has about so many bytes. By this is counted what a provider does not count itself.
const BYTES_PER_TOKEN: usize = 4;

/// A connection that carries nothing for so long is asked whether it still stands: answers take minutes, and boxes in between forget.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Idle connections are kept for so long: agents ask again within seconds.
const IDLE: Duration = Duration::from_secs(60);

/// The HTTP client of all providers. Redirects are not followed: they would take the key along.
pub(crate) fn client(patience: &Patience, proxied: bool) -> Result<reqwest::Client, ConfigError> {
    let builder = reqwest::Client::builder()
        .user_agent(AGENT)
        .connect_timeout(patience.connect)
        .tcp_keepalive(KEEP_ALIVE)
        .pool_idle_timeout(IDLE)
        .redirect(reqwest::redirect::Policy::none());
    let builder = if proxied { builder } else { builder.no_proxy() };
    builder.build().map_err(|error| ConfigError::Client(deepest(&error)))
}

/// A provider that is reached by HTTP.
pub(crate) struct Remote {
    client: reqwest::Client,
    /// Without a slash at its end.
    base: String,
    key: Option<SecretString>,
    headers: HeaderMap,
    wire: Box<dyn Wire>,
}

impl Remote {
    pub(crate) fn new(
        provider: &str,
        endpoint: &Endpoint,
        own_url: &str,
        wire: Box<dyn Wire>,
        patience: &Patience,
    ) -> Result<Self, ConfigError> {
        let base = endpoint.url.as_deref().unwrap_or(own_url).trim_end_matches('/').to_owned();
        let url = address(&base).map_err(|cause| ConfigError::Url { provider: provider.to_owned(), cause })?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.extend(wire.header());
        if let Some(key) = &endpoint.key {
            let (name, mut value) = wire.key_header(key).map_err(|_| ConfigError::Key(provider.to_owned()))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        // A proxy between this machine and itself would only be in the way.
        let client = client(patience, !is_loopback(&url))?;
        Ok(Remote { client, base, key: endpoint.key.clone(), headers, wire })
    }

    /// Asks once.
    pub(crate) async fn ask(&self, conversation: &Conversation<'_>, model: &str, within: Duration) -> Result<Said, Trouble> {
        let body = self.wire.body(conversation, model).to_string();
        let asked = Usage { input: tokens(body.len()), ..Usage::default() };
        let request = self
            .client
            .post(format!("{}{}", self.base, self.wire.path(model)))
            .headers(self.headers.clone())
            .timeout(within)
            .body(body);
        let mut response = request.send().await.map_err(|error| Trouble::busy(failure(&error)))?;
        let status = response.status().as_u16();
        if !(200..300).contains(&status) {
            return Err(self.refusal(&mut response).await);
        }
        let body = match read(&mut response, BODY_BYTES_MAX).await {
            (body, None) => body,
            (body, Some(cause)) => {
                let usage = Usage { output: tokens(body.len()), ..asked };
                return Err(Trouble::Garbled { cause, usage, broken: true });
            }
        };
        self.answer(&body, model, asked)
    }

    fn answer(&self, body: &[u8], model: &str, asked: Usage) -> Result<Said, Trouble> {
        // A provider that does not count what it is paid for, as some servers of one's own, is counted by size.
        let guess = Usage { output: tokens(body.len()), ..asked };
        let counted = |usage: Usage| if usage.total() == 0 { guess } else { usage };
        match self.wire.read(body, model) {
            Ok(said) => Ok(Said { usage: counted(said.usage), ..said }),
            // A page of something in between: no model has seen the question.
            Err(Unread::Shape(_)) if !body.trim_ascii_start().starts_with(b"{") => {
                Err(Trouble::busy("the answer is not what was expected: it is no JSON"))
            }
            Err(Unread::Shape(cause)) => Err(Trouble::Garbled { cause, usage: guess, broken: true }),
            // A failure of which nothing is said to have been used is one like those with another status.
            Err(Unread::Failed { words, usage }) if usage.total() == 0 => Err(Trouble::busy(mask(&words, self.key.as_ref()))),
            Err(Unread::Failed { words, usage }) => {
                Err(Trouble::Garbled { cause: mask(&words, self.key.as_ref()), usage, broken: false })
            }
        }
    }

    async fn refusal(&self, response: &mut reqwest::Response) -> Trouble {
        let (body, _) = read(response, REFUSAL_BYTES_MAX).await;
        let refusal = Refusal {
            dialect: self.wire.dialect(),
            status: response.status().as_u16(),
            headers: response.headers(),
            body: &body,
            key: self.key.as_ref(),
            now: Timestamp::now(),
        };
        refusal.trouble()
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("base", &self.base).finish_non_exhaustive()
    }
}

fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("it is no address of HTTP".to_owned());
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// A body's beginning, and why it is not all of it.
async fn read(response: &mut reqwest::Response, bytes_max: usize) -> (BytesMut, Option<String>) {
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(None) => return (body, None),
            Ok(Some(chunk)) if body.len() + chunk.len() > bytes_max => {
                return (body, Some(format!("the answer is larger than {bytes_max} bytes")));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Err(error) => return (body, Some(failure(&error))),
        }
    }
}

fn tokens(bytes: usize) -> u64 {
    u64::try_from(bytes.div_ceil(BYTES_PER_TOKEN)).unwrap_or(u64::MAX)
}

/// What went wrong on the way, without the address and without anything of the request.
fn failure(error: &reqwest::Error) -> String {
    match () {
        () if error.is_connect() => format!("cannot connect: {}", deepest(error)),
        () if error.is_timeout() => "no whole answer in time".to_owned(),
        () => format!("the connection broke: {}", deepest(error)),
    }
}
