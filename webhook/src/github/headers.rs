//! The headers of GitHub's deliveries. Each must be there once, and of its form.

use axum::http::HeaderMap;
use gatewright_core::{DeliveryId, ForgeKind};

use crate::Refusal;
use crate::headers::{Miss, is_event_name, once, text};
use crate::signature::parse_sha256_header;

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

/// A refusal of what is not signed as it should be.
pub(super) fn unsigned(cause: &'static str) -> Refusal {
    let next = "sign the raw body with the secret that this server is configured with, and send X-Hub-Signature-256: sha256=<64 hexadecimal digits>";
    Refusal::Signature { cause, next }
}

/// The claimed signature. X-Hub-Signature, which is SHA-1, is not looked at.
pub(super) fn signature(headers: &HeaderMap) -> Result<[u8; 32], Refusal> {
    match once(headers, "x-hub-signature-256") {
        Ok(value) => {
            parse_sha256_header(value).ok_or(unsigned("the header X-Hub-Signature-256 is not sha256= and 64 hexadecimal digits"))
        }
        Err(Miss::None) => Err(unsigned("the header X-Hub-Signature-256 is missing")),
        Err(Miss::Several) => Err(unsigned("the header X-Hub-Signature-256 is there more than once")),
    }
}

/// The event's name, such as `pull_request`.
pub(crate) fn event_name(headers: &HeaderMap) -> Result<&str, Refusal> {
    let name = "X-GitHub-Event";
    let value = text(headers, "x-github-event", name)?;
    if !is_event_name(value, b"") {
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
