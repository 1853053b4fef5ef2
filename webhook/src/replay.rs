//! Deliveries in files, for `gatewright replay`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::NotJson;
use crate::github::{self, Parsed};

/// A delivery of GitHub that was kept in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryFile {
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
        "the file does not say which event it is: give its name, as in X-GitHub-Event, or a file with `headers` and `payload`"
    )]
    NoEventName,
}

/// What a file may hold around a payload. `request` is how GitHub's API gives a delivery back.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Recorded<'a> {
    #[serde(alias = "delivery")]
    guid: Option<String>,
    event: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    #[serde(borrow, alias = "body")]
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

impl<'a> Recorded<'a> {
    /// The event's name, the delivery's id and the payload. None where this is not a recorded delivery.
    fn parts(self) -> Option<(Option<String>, Option<String>, &'a RawValue)> {
        let (headers, payload) = match self.request {
            Some(request) => (request.headers, request.payload),
            None if self.headers.is_some() || self.event.is_some() => (self.headers.unwrap_or_default(), self.payload?),
            None => return None,
        };
        let header = |name: &str| headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone());
        Some((header("x-github-event").or(self.event), header("x-github-delivery").or(self.guid), payload))
    }
}

impl DeliveryFile {
    /// Reads a file: what GitHub's API gives for a delivery (`{"guid", "event", "request": {"headers", "payload"}}`), or
    /// `{"headers": {...}, "payload": ...}`, or `{"event", "payload"}` and perhaps `delivery`; `body` instead of `payload`;
    /// the payload as JSON or as the string that was sent. Or a bare payload, for which `event_name` is needed. An
    /// `event_name` that is given wins.
    pub fn read(file: &[u8], event_name: Option<&str>) -> Result<Self, DeliveryFileError> {
        let whole: &RawValue = serde_json::from_slice(file).map_err(|error| NotJson::from_json(&error))?;
        // A bare payload need not fit: its fields are its own.
        let recorded: Recorded<'_> = serde_json::from_str(whole.get()).unwrap_or_default();
        let given = event_name.map(str::to_owned);
        let Some((recorded_name, guid, payload)) = recorded.parts() else {
            let event_name = given.ok_or(DeliveryFileError::NoEventName)?;
            return Ok(DeliveryFile { guid: None, event_name, body: file.to_vec() });
        };
        let event_name = given.or(recorded_name).ok_or(DeliveryFileError::NoEventName)?;
        Ok(DeliveryFile { guid, event_name, body: sent(payload) })
    }

    /// What the delivery means for the App `app_id`.
    pub fn parse(&self, app_id: u64) -> Result<Parsed, NotJson> {
        github::parse(&self.event_name, &self.body, app_id)
    }
}

/// The body as it was sent: the text of a string, or the JSON itself.
fn sent(payload: &RawValue) -> Vec<u8> {
    let text = serde_json::from_str::<String>(payload.get());
    text.unwrap_or_else(|_| payload.get().to_owned()).into_bytes()
}
