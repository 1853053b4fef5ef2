//! The headers of GitHub's deliveries. Each must be there once, and of its form.

use axum::http::HeaderMap;
use gatewright_core::{DeliveryId, ForgeKind};

use crate::Refusal;
use crate::signature::parse_sha256_header;

/// An event's name has at most this many bytes; GitHub's longest has 35.
const EVENT_BYTES_MAX: usize = 64;

/// A form without what it is sent for.
pub(super) const NO_PAYLOAD_FIELD: Refusal =
    Refusal::Header { name: "Content-Type", fault: "says that the body is a form, and it has no field `payload`" };

/// How the payload lies in the body.
pub(super) enum ContentType {
    /// It is the body.
    Json,
    /// It is the form's field `payload`.
    Form,
}

/// The claimed signature. X-Hub-Signature, which is SHA-1, is not looked at.
pub(super) fn signature(headers: &HeaderMap) -> Result<[u8; 32], Refusal> {
    match once(headers, "x-hub-signature-256") {
        Ok(value) => parse_sha256_header(value)
            .ok_or(Refusal::Signature("the header X-Hub-Signature-256 is not sha256= and 64 hexadecimal digits")),
        Err(Miss::None) => Err(Refusal::Signature("the header X-Hub-Signature-256 is missing")),
        Err(Miss::Several) => Err(Refusal::Signature("the header X-Hub-Signature-256 is there more than once")),
    }
}

/// The event's name, such as `pull_request`.
pub(crate) fn event_name(headers: &HeaderMap) -> Result<&str, Refusal> {
    let name = "X-GitHub-Event";
    let plain = |c: &u8| c.is_ascii_alphanumeric() || b"_-.".contains(c);
    let value = text(headers, "x-github-event", name)?;
    if value.is_empty() || value.len() > EVENT_BYTES_MAX || !value.as_bytes().iter().all(plain) {
        return Err(Refusal::Header { name, fault: "is not the name of an event" });
    }
    Ok(value)
}

/// The delivery's id.
pub(crate) fn delivery_id(headers: &HeaderMap) -> Result<DeliveryId, Refusal> {
    let name = "X-GitHub-Delivery";
    let value = text(headers, "x-github-delivery", name)?;
    DeliveryId::new(ForgeKind::Github, value).map_err(|_| Refusal::Header { name, fault: "is not a delivery's id" })
}

/// Which of the two forms the hook was set up with. Parameters, such as a charset, do not matter.
pub(super) fn content_type(headers: &HeaderMap) -> Result<ContentType, Refusal> {
    let name = "Content-Type";
    let value = text(headers, "content-type", name)?;
    let essence = value.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        Ok(ContentType::Json)
    } else if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        Ok(ContentType::Form)
    } else {
        Err(Refusal::Header { name, fault: "is neither application/json nor application/x-www-form-urlencoded" })
    }
}

enum Miss {
    None,
    Several,
}

fn once<'a>(headers: &'a HeaderMap, key: &'static str) -> Result<&'a [u8], Miss> {
    let mut values = headers.get_all(key).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value.as_bytes()),
        (None, _) => Err(Miss::None),
        (Some(_), Some(_)) => Err(Miss::Several),
    }
}

fn text<'a>(headers: &'a HeaderMap, key: &'static str, name: &'static str) -> Result<&'a str, Refusal> {
    let value = once(headers, key).map_err(|miss| match miss {
        Miss::None => Refusal::Header { name, fault: "is missing" },
        Miss::Several => Refusal::Header { name, fault: "is there more than once" },
    })?;
    std::str::from_utf8(value).map_err(|_| Refusal::Header { name, fault: "is not text" })
}
