//! Headers that must be there once.

use axum::http::HeaderMap;

use crate::Refusal;

/// An event's name has at most this many bytes; the forges' longest have 35.
const EVENT_BYTES_MAX: usize = 64;

/// Why a header has no value.
pub(crate) enum Miss {
    None,
    Several,
}

pub(crate) fn once<'a>(headers: &'a HeaderMap, key: &'static str) -> Result<&'a [u8], Miss> {
    let mut values = headers.get_all(key).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value.as_bytes()),
        (None, _) => Err(Miss::None),
        (Some(_), Some(_)) => Err(Miss::Several),
    }
}

pub(crate) fn text<'a>(headers: &'a HeaderMap, key: &'static str, name: &'static str) -> Result<&'a str, Refusal> {
    let value = once(headers, key).map_err(|miss| match miss {
        Miss::None => Refusal::Header { name, fault: "is missing" },
        Miss::Several => Refusal::Header { name, fault: "is there more than once" },
    })?;
    std::str::from_utf8(value).map_err(|_| Refusal::Header { name, fault: "is not text" })
}

/// Whether this can be the name of an event: short, and nothing in it that has a meaning in a log.
pub(crate) fn is_event_name(name: &str, beside: &[u8]) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"_-.".contains(&c) || beside.contains(&c);
    !name.is_empty() && name.len() <= EVENT_BYTES_MAX && name.bytes().all(plain)
}
