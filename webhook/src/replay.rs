//! Deliveries in files, for `gatewright replay`.

use std::collections::BTreeMap;

use gatewright_core::ForgeKind;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{NotJson, Parsed, github, gitlab};

/// What the names of GitLab's events end with in its header, and those of GitHub's do not.
const GITLAB_SUFFIX: &str = " Hook";

/// A delivery that was kept in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryFile {
    /// Which forge sent it.
    pub forge: ForgeKind,
    /// The delivery's id, where the file has it.
    pub guid: Option<String>,
    /// The event's name.
    pub event_name: String,
    /// The payload.
    pub body: Vec<u8>,
}

/// A file is no delivery.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryFileError {
    /// It is not JSON.
    #[error("{0}")]
    NotJson(#[from] NotJson),
    /// It does not say which event it is.
    #[error(
        "the file does not say which event it is: give its name, as in X-GitHub-Event or X-Gitlab-Event, or a file with `headers` and `payload`"
    )]
    NoEventName,
}

/// What a file may hold around a payload. `request` is how GitHub's API gives a delivery back, `request_headers` and
/// `request_data` are GitLab's.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Recorded<'a> {
    #[serde(alias = "delivery")]
    guid: Option<String>,
    event: Option<String>,
    #[serde(alias = "request_headers")]
    headers: Option<BTreeMap<String, String>>,
    #[serde(borrow, alias = "body", alias = "request_data")]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    request: Option<RecordedRequest<'a>>,
}

#[derive(Deserialize)]
struct RecordedRequest<'a> {
    headers: BTreeMap<String, String>,
    #[serde(borrow, alias = "body")]
    payload: &'a RawValue,
}

/// What a recording says of its payload.
#[derive(Default)]
struct Label {
    forge: Option<ForgeKind>,
    event: Option<String>,
    guid: Option<String>,
}

impl<'a> Recorded<'a> {
    /// The payload and what is said of it. None where this is not a recorded delivery.
    fn parts(self) -> Option<(Label, &'a RawValue)> {
        let (headers, payload) = match self.request {
            Some(request) => (request.headers, request.payload),
            None if self.headers.is_some() || self.event.is_some() => (self.headers.unwrap_or_default(), self.payload?),
            None => return None,
        };
        let header = |name: &str| headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone());
        let (github, gitlab) = (header("x-github-event"), header("x-gitlab-event"));
        let forge = match (&github, &gitlab) {
            (Some(_), _) => Some(ForgeKind::Github),
            (None, Some(_)) => Some(ForgeKind::Gitlab),
            (None, None) => None,
        };
        let guid = ["x-github-delivery", "idempotency-key", "webhook-id"].into_iter().find_map(header);
        Some((Label { forge, event: github.or(gitlab).or(self.event), guid: guid.or(self.guid) }, payload))
    }
}

/// What GitLab's payloads say of themselves, and GitHub's do not.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Kind {
    object_kind: Option<String>,
    event_name: Option<String>,
}

impl DeliveryFile {
    /// Reads a file: what GitHub's API gives for a delivery (`{"guid", "event", "request": {"headers", "payload"}}`), what
    /// GitLab's gives (`{"request_headers", "request_data"}`), or `{"headers": {...}, "payload": ...}`, or
    /// `{"event", "payload"}` and perhaps `delivery`; `body` instead of `payload`; the payload as JSON or as the string that
    /// was sent. Or a bare payload, for which `event_name` is needed unless it is GitLab's. An `event_name` that is given
    /// wins.
    pub fn read(file: &[u8], event_name: Option<&str>) -> Result<Self, DeliveryFileError> {
        let whole: &RawValue = serde_json::from_slice(file).map_err(|error| NotJson::from_json(&error))?;
        // A bare payload need not fit: its fields are its own.
        let recorded: Recorded<'_> = serde_json::from_str(whole.get()).unwrap_or_default();
        let (label, body) = match recorded.parts() {
            Some((label, payload)) => (label, sent(payload)),
            None => (Label::default(), file.to_vec()),
        };
        let kind: Kind = serde_json::from_slice(&body).unwrap_or_default();
        let kind = kind.object_kind.or(kind.event_name);
        let named = event_name.map(str::to_owned).or(label.event);
        let gitlab = named.as_ref().map_or(kind.is_some(), |name| name.ends_with(GITLAB_SUFFIX) || Some(name) == kind.as_ref());
        let forge = label.forge.unwrap_or(if gitlab { ForgeKind::Gitlab } else { ForgeKind::Github });
        let event_name = named.or(kind).ok_or(DeliveryFileError::NoEventName)?;
        Ok(DeliveryFile { forge, guid: label.guid, event_name, body })
    }

    /// What the delivery means, if it is GitHub's for the App `app_id`.
    pub fn parse(&self, app_id: u64) -> Result<Parsed, NotJson> {
        match self.forge {
            ForgeKind::Github => github::parse(&self.event_name, &self.body, app_id),
            ForgeKind::Gitlab => gitlab::parse(&self.event_name, &self.body),
        }
    }
}

/// The body as it was sent: the text of a string, or the JSON itself.
fn sent(payload: &RawValue) -> Vec<u8> {
    let text = serde_json::from_str::<String>(payload.get());
    text.unwrap_or_else(|_| payload.get().to_owned()).into_bytes()
}
