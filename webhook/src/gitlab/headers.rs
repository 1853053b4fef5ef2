//! The headers of GitLab's deliveries: what proves that one comes from GitLab, and which one it is.

use axum::http::HeaderMap;
use gatewright_core::{DeliveryId, ForgeKind, Timestamp};
use sha2::{Digest, Sha256};

use crate::headers::{Miss, is_event_name, once};
use crate::signature::parse_signature_list;
use crate::{GitlabSecrets, Refusal};

/// How far the time of a signed delivery may be from this server's; beyond it the delivery is answered with 401. Within
/// it a repeat is found by its id. It is what the Standard Webhooks specification proposes.
pub const SKEW_SECS_MAX: i64 = 5 * 60;

/// So many hexadecimal digits of a hash stand beside an id that several deliveries may share.
const SHORT_HASH_CHARS: usize = 16;

const TOKEN: &str = "x-gitlab-token";
const SIGNATURE: &str = "webhook-signature";

/// What proved a delivery's origin.
pub(super) enum Proof<'a> {
    /// The secret token, which says nothing about the other headers.
    Token,
    /// A signature, also over this id.
    Signature { id: &'a [u8] },
}

fn unproven(cause: &'static str) -> Refusal {
    let next = "give the webhook in GitLab the secret token, or the signing token, that this server is configured with";
    Refusal::Signature { cause, next }
}

/// Checks all proofs that are there and that this server has a secret for. All of them must be right, and there must be
/// one: a signature that is wrong is not made good by a token.
pub(super) fn prove<'a>(
    secrets: &GitlabSecrets,
    headers: &'a HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<Proof<'a>, Refusal> {
    let token = secrets.has_tokens() && headers.contains_key(TOKEN);
    let signature = secrets.has_keys() && headers.contains_key(SIGNATURE);
    if token {
        right_token(secrets, headers)?;
    }
    match (signature, token) {
        (true, _) => right_signature(secrets, headers, body, now),
        (false, true) => Ok(Proof::Token),
        (false, false) => Err(unproven(missing(secrets))),
    }
}

fn missing(secrets: &GitlabSecrets) -> &'static str {
    match (secrets.has_tokens(), secrets.has_keys()) {
        (true, true) => "neither the header X-Gitlab-Token nor the header webhook-signature is there",
        (false, true) => "the header webhook-signature is missing",
        (true, false) | (false, false) => "the header X-Gitlab-Token is missing",
    }
}

fn right_token(secrets: &GitlabSecrets, headers: &HeaderMap) -> Result<(), Refusal> {
    match once(headers, TOKEN) {
        Ok(token) if secrets.knows(token) => Ok(()),
        Ok(_) | Err(Miss::None) => Err(unproven("the token in X-Gitlab-Token is not one of this server's")),
        Err(Miss::Several) => Err(unproven("the header X-Gitlab-Token is there more than once")),
    }
}

fn right_signature<'a>(
    secrets: &GitlabSecrets,
    headers: &'a HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<Proof<'a>, Refusal> {
    let header = |key, cause| once(headers, key).map_err(|_| unproven(cause));
    let list = header(SIGNATURE, "the header webhook-signature is there more than once")?;
    let id = header("webhook-id", "the header webhook-id, which is signed, is missing or there more than once")?;
    let timestamp =
        header("webhook-timestamp", "the header webhook-timestamp, which is signed, is missing or there more than once")?;
    let signatures = parse_signature_list(list);
    if signatures.is_empty() {
        return Err(unproven("the header webhook-signature holds no v1, and 32 bytes in base64"));
    }
    if !secrets.signed(id, timestamp, body, &signatures) {
        return Err(unproven("the signature in webhook-signature is not that of webhook-id, webhook-timestamp and the body"));
    }
    in_time(timestamp, now).map(|()| Proof::Signature { id })
}

/// The signature was right: without this, what was overheard once could be sent again for ever.
fn in_time(timestamp: &[u8], now: Timestamp) -> Result<(), Refusal> {
    let digits = std::str::from_utf8(timestamp).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let secs: i64 = digits
        .and_then(|digits| digits.parse().ok())
        .ok_or(unproven("the header webhook-timestamp is not a time in seconds since 1970"))?;
    let refused = |cause| Refusal::Signature {
        cause,
        next: "set the clocks of both machines right, then send the delivery again from GitLab",
    };
    match secs.saturating_sub(now.as_second()) {
        ahead if ahead > SKEW_SECS_MAX => {
            Err(refused("the time in webhook-timestamp is more than 5 minutes ahead of this server's clock"))
        }
        ahead if ahead < -SKEW_SECS_MAX => Err(refused("the time in webhook-timestamp is more than 5 minutes ago")),
        _ => Ok(()),
    }
}

/// What the request says it is, such as `Merge Request Hook`. None where that is not of the right form.
pub(crate) fn event_name(headers: &HeaderMap) -> Option<&str> {
    let name = std::str::from_utf8(once(headers, "x-gitlab-event").ok()?).ok()?;
    is_event_name(name, b" ").then_some(name)
}

/// The id that a request claims, for the log.
pub(crate) fn claimed_id(headers: &HeaderMap) -> Option<DeliveryId> {
    ["idempotency-key", "webhook-id", "x-gitlab-event-uuid"].into_iter().find_map(|key| once(headers, key).ok().and_then(id))
}

/// The delivery's id, the same for every attempt at it.
///
/// What was signed goes first: whoever overheard a signed delivery could send it again under another key. Instances
/// older than 17.4 send no `Idempotency-Key`. Their `X-Gitlab-Event-UUID` is shared by all that one event set off, so
/// that what is delivered has to be a part of the id. And some old ones send nothing at all.
pub(super) fn delivery_id(headers: &HeaderMap, proof: &Proof<'_>, body: &[u8]) -> DeliveryId {
    let given = match proof {
        Proof::Signature { id: signed } => return id(signed).unwrap_or_else(|| hashed(&[signed])),
        Proof::Token => ["idempotency-key", "webhook-id"].into_iter().find_map(|key| once(headers, key).ok().and_then(id)),
    };
    given.unwrap_or_else(|| {
        let hash = hashed(&[event_name(headers).unwrap_or_default().as_bytes(), b"\n", body]);
        let event = once(headers, "x-gitlab-event-uuid").ok().and_then(id);
        event.and_then(|event| id(format!("{}.{}", event.guid(), &hash.guid()[..SHORT_HASH_CHARS]).as_bytes())).unwrap_or(hash)
    })
}

fn id(value: &[u8]) -> Option<DeliveryId> {
    DeliveryId::new(ForgeKind::Gitlab, std::str::from_utf8(value).ok()?).ok()
}

fn hashed(parts: &[&[u8]]) -> DeliveryId {
    let hash = parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize();
    DeliveryId::new(ForgeKind::Gitlab, &hex::encode(hash)).expect("64 hexadecimal digits are an id")
}
