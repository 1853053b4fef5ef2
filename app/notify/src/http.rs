//! Posts JSON, and says what the answer means.

use std::time::Duration;

use gatewright_core::notice::SendError;
use gatewright_core::secret::{ExposeSecret, SecretString};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, StatusCode};

/// From the connection to the end of the answer.
const CALL_MAX: Duration = Duration::from_secs(15);

/// Of an answer so many bytes are read: services say in a few words what they did not like.
const ANSWER_BYTES_MAX: usize = 1024;

/// So many characters of it are shown.
const WORDS_MAX: usize = 200;

/// Posts to channels. It follows no redirect: an address in the server file is where the operator wants it sent.
#[derive(Clone)]
pub struct Client(reqwest::Client);

impl Client {
    /// One for all channels.
    ///
    /// # Errors
    /// No TLS can be set up.
    pub fn new() -> Result<Client, String> {
        let client = reqwest::Client::builder()
            .timeout(CALL_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("gatewright/", env!("CARGO_PKG_VERSION")))
            .build();
        client.map(Client).map_err(|error| error.to_string())
    }

    /// Posts a body to an address, which is a secret: who knows it may post.
    pub(crate) async fn post(
        &self,
        url: &SecretString,
        body: Vec<u8>,
        more: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<(), SendError> {
        let request = self.0.post(url.expose_secret()).header(CONTENT_TYPE, "application/json").body(body);
        let answer = more(request).send().await.map_err(|error| again(words_of(error), None))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let after = asked(&answer);
        let said = said(answer, url).await;
        let cause = format!("it answered {status}{said}");
        let may_pass = status.is_server_error()
            || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS);
        Err(if may_pass { again(cause, after) } else { SendError::Final { cause } })
    }
}

fn again(cause: String, after_secs: Option<u64>) -> SendError {
    SendError::Again { cause, after_secs }
}

/// What happened, without the address.
fn words_of(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut words = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    words
}

/// The pause that is asked for. Discord writes parts of a second too.
fn asked(answer: &Response) -> Option<u64> {
    let secs: f64 = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    (secs.is_finite() && secs >= 0.0).then_some(secs.ceil() as u64)
}

/// What the answer says, as far as that is short. One that repeats the address is not shown.
async fn said(mut answer: Response, url: &SecretString) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() >= ANSWER_BYTES_MAX {
            break;
        }
    }
    bytes.truncate(ANSWER_BYTES_MAX);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let words: String = text.chars().filter(|c| !c.is_control()).take(WORDS_MAX).collect();
    let path = url.expose_secret().rsplit('/').next().unwrap_or_default();
    let repeats = !path.is_empty() && words.contains(path);
    if words.trim().is_empty() || repeats { String::new() } else { format!(": {}", words.trim()) }
}
