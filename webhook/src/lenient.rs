//! Lenient reading: what the parsers of GitHub's and of GitLab's payloads share.
//!
//! A payload that is JSON always means something, at worst that it is not used. An event that we would like to use and
//! do not understand is recorded with the reason, so that a person can find out why nothing happened.

use std::str::FromStr;

use gatewright_core::event::{Event, User};
use gatewright_core::{CommitId, Timestamp};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::NotJson;

/// A comment of more bytes is not used: nobody writes commands so long. GitHub cuts comments at 65,536 characters, GitLab
/// at 1,000,000.
pub const COMMENT_BYTES_MAX: usize = 128 * 1024;

/// Why what was changed about a comment is not used.
pub(crate) const EDITED: &str = "edits of comments are not read";

/// A name, ref or id longer than this, in bytes, is not used: events are kept in places that are made for small things.
const TEXT_BYTES_MAX: usize = 1024;

/// A longer action, in bytes, is cut; the forges' longest has 29.
const ACTION_BYTES_MAX: usize = 100;

/// A time that is longer, in bytes, is none.
const TIME_BYTES_MAX: usize = 64;

/// What the front of a branch's full name is.
pub(crate) const BRANCH_PREFIX: &str = "refs/heads/";

/// What the front of a tag's full name is.
pub(crate) const TAG_PREFIX: &str = "refs/tags/";

/// A payload's meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The event's name: GitHub's header says it, GitLab's payload does (`merge_request`).
    pub name: String,
    /// The payload's action, where it has one, cut to 100 bytes.
    pub action: Option<String>,
    /// What it means here.
    pub event: Event,
}

/// Why an event is not used.
pub(crate) type Reason = String;

pub(crate) fn unused(reason: Reason) -> Event {
    Event::Unused { reason }
}

pub(crate) fn action_unused(event: &str, action: Option<&str>) -> Reason {
    match action {
        Some(action) => format!("{event} events with the action {:?} are not used", cut(action.to_owned())),
        None => format!("{event} events without an action are not used"),
    }
}

pub(crate) fn cut(mut action: String) -> String {
    action.truncate(action.floor_char_boundary(ACTION_BYTES_MAX));
    action
}

pub(crate) fn utf8(json: &[u8]) -> Result<&str, NotJson> {
    std::str::from_utf8(json).map_err(|error| NotJson::from_utf8(json, error))
}

/// None where the payload is JSON but has something else in a place that is looked at.
pub(crate) fn read<T: DeserializeOwned>(json: &str) -> Result<Option<T>, NotJson> {
    if let Ok(value) = serde_json::from_str(json) {
        return Ok(Some(value));
    }
    // Skipping keeps no stack, so that deep nesting, which nothing here looks into, is no danger.
    match serde_json::from_str::<IgnoredAny>(json) {
        Ok(_) => Ok(None),
        Err(error) => Err(NotJson::from_json(&error)),
    }
}

/// For fields that an event can do without: what is of another type counts as absent.
pub(crate) fn optional<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let raw: &'de RawValue = Deserialize::deserialize(deserializer)?;
    Ok(serde_json::from_str::<Option<T>>(raw.get()).ok().flatten())
}

pub(crate) fn text(field: &str, value: Option<String>) -> Result<String, Reason> {
    match value {
        Some(value) if value.is_empty() => Err(format!("{field} is empty")),
        Some(value) if value.len() > TEXT_BYTES_MAX => Err(format!("{field} is longer than {TEXT_BYTES_MAX} bytes")),
        Some(value) => Ok(value),
        None => Err(format!("the payload has no {field}")),
    }
}

pub(crate) fn commit(field: &str, sha: Option<String>) -> Result<CommitId, Reason> {
    push_commit(field, sha)?.ok_or_else(|| format!("{field} is no commit"))
}

/// A commit at one end of a push; None where it says that there is none.
pub(crate) fn push_commit(field: &str, sha: Option<String>) -> Result<Option<CommitId>, Reason> {
    let sha = text(field, sha)?;
    let commit = CommitId::from_str(&sha).map_err(|_| format!("{field} is not a commit"))?;
    Ok(Some(commit).filter(|commit| !commit.is_zero()))
}

/// The branch that was pushed to.
pub(crate) fn pushed_branch(git_ref: Option<String>) -> Result<String, Reason> {
    let git_ref = text("ref", git_ref)?;
    let branch = git_ref.strip_prefix(BRANCH_PREFIX).filter(|branch| !branch.is_empty());
    branch.map(str::to_owned).ok_or_else(|| "pushes to anything but a branch are not used".to_owned())
}

/// The tag that was pushed. None where it was something else that was. Names that git itself would not take are refused: they
/// become parts of addresses and arguments.
pub(crate) fn pushed_tag(git_ref: Option<&str>) -> Result<Option<String>, Reason> {
    let Some(tag) = git_ref.and_then(|git_ref| git_ref.strip_prefix(TAG_PREFIX)) else { return Ok(None) };
    let tag = text("ref", Some(tag.to_owned()))?;
    if is_tag_name(&tag) { Ok(Some(tag)) } else { Err("the tag's name is none that git takes".to_owned()) }
}

/// The rules of `git check-ref-format`, and no `-` in front, which a program might take for an option.
fn is_tag_name(tag: &str) -> bool {
    let forbidden = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    !tag.starts_with('-')
        && !tag.ends_with('.')
        && !tag.contains("..")
        && !tag.contains("@{")
        && tag != "@"
        && !tag.contains(forbidden)
        && tag.split('/').all(part)
}

/// A part of a repository's path. It becomes a part of addresses, so it may hold nothing that has a meaning there.
pub(crate) fn is_path_part(part: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !matches!(part, "" | "." | "..") && part.chars().all(allowed)
}

/// Who did it. Some payloads do not say, and checks are wanted all the same: the name is then the one that GitHub shows
/// for accounts that are gone, and the id is one that no account has, so that no permission goes with it.
pub(crate) fn sender(id: Option<u64>, login: Option<&str>) -> User {
    let login = login.filter(|login| !login.is_empty() && login.len() <= TEXT_BYTES_MAX);
    User { id: id.unwrap_or(0), login: login.unwrap_or("ghost").to_owned() }
}

/// Who wrote a comment. Without an id nobody could say what they may do, so that nothing would come of it.
pub(crate) fn author(id: Option<u64>, login: Option<&str>) -> Result<User, Reason> {
    match id {
        Some(id) if id > 0 => Ok(sender(Some(id), login)),
        Some(_) | None => Err("the payload does not say who wrote the comment".to_owned()),
    }
}

/// A time as the forges write it: RFC 3339, or GitLab's `2015-05-17 18:08:09 UTC` and `2015-05-17 18:08:09 +0200`.
pub(crate) fn time(text: &str) -> Option<Timestamp> {
    if text.len() > TIME_BYTES_MAX {
        return None;
    }
    text.parse().ok().or_else(|| {
        let mut parts = text.split(' ');
        let (date, time, zone) = (parts.next()?, parts.next()?, parts.next()?);
        let zone = if zone == "UTC" { "Z" } else { zone };
        format!("{date}T{time}{zone}").parse().ok().filter(|_| parts.next().is_none())
    })
}

/// When a comment was written.
pub(crate) fn written_at(field: &str, text: Option<&str>) -> Result<Timestamp, Reason> {
    let text = text.ok_or_else(|| format!("the payload has no {field}"))?;
    time(text).ok_or_else(|| format!("{field} is not a time"))
}

/// A comment's text, where it may hold a command: one of its lines begins with a slash and a letter. Whether that line
/// is a command, and which, is not decided here.
pub(crate) fn commanding(body: Option<String>) -> Result<String, Reason> {
    let body = body.ok_or("the payload has no text of the comment")?;
    if body.len() > COMMENT_BYTES_MAX {
        return Err(format!("the comment is longer than {COMMENT_BYTES_MAX} bytes"));
    }
    let command = |line: &str| {
        let name = line.trim_start().strip_prefix('/');
        name.is_some_and(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()))
    };
    // Markdown ends a line at a carriage return too.
    if body.split(['\n', '\r']).any(command) { Ok(body) } else { Err("the comment holds no command".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_in_which_the_forges_write_a_time_is_read() {
        let noon = Timestamp::from_second(1_431_885_600).expect("this is in range");
        for text in [
            "2015-05-17T18:00:00Z",
            "2015-05-17 18:00:00 UTC",
            "2015-05-17T20:00:00+02:00",
            "2015-05-17 20:00:00 +0200",
            "2015-05-17 18:00:00.000 UTC",
            "2015-05-17T18:00:00.000Z",
        ] {
            assert_eq!(time(text), Some(noon), "{text}");
        }
        for text in
            ["", "2015-05-17", "2015-05-17 18:00:00", "2015-05-17 18:00:00 UTC x", "now", "2015-13-17 18:00:00 UTC", " UTC"]
        {
            assert_eq!(time(text), None, "{text}");
        }
        assert_eq!(time(&format!("2015-05-17T18:00:00.{}Z", "0".repeat(100))), None);
    }

    #[test]
    fn a_tag_has_a_name_that_git_takes() {
        let tag = |git_ref: &str| pushed_tag(Some(git_ref));
        for good in ["v1.0.0", "releases/1.0", "v1.0.0-rc.1+build", "große-änderung", "v1@x"] {
            assert_eq!(tag(&format!("refs/tags/{good}")), Ok(Some(good.to_owned())));
        }
        for bad in [
            "", "-x", "a b", "a..b", "a~1", "a^", "a:b", "a\\b", "/a", "a/", "a//b", ".a", "a/.b", "a.lock", "a.", "@", "a@{0}",
            "a\n",
        ] {
            assert!(tag(&format!("refs/tags/{bad}")).is_err(), "{bad:?}");
        }
        assert_eq!(tag("refs/heads/v1"), Ok(None));
        assert_eq!(pushed_tag(None), Ok(None));
    }

    #[test]
    fn a_comment_is_worth_reading_when_a_line_begins_with_a_slash_and_a_letter() {
        let worth = |body: &str| commanding(Some(body.to_owned())).is_ok();
        for body in ["/gw run", "  \t/retest", "thanks\n/gw run", "thanks\r\n/gw run", "thanks\r/gw run", "\u{a0}/x", "> a\n\n/Y"]
        {
            assert!(worth(body), "{body:?}");
        }
        for body in ["", "lgtm", "use /gw run", "> /gw run", "/", "//x", "/ gw", "/1", "\\/gw", "-/gw", "`/gw`", "/\u{e4}"] {
            assert!(!worth(body), "{body:?}");
        }
    }

    #[test]
    fn a_comment_is_used_up_to_its_limit() {
        let of = |bytes: usize| commanding(Some(format!("/{}", "x".repeat(bytes - 1))));
        assert!(of(COMMENT_BYTES_MAX).is_ok());
        assert_eq!(of(COMMENT_BYTES_MAX + 1), Err("the comment is longer than 131072 bytes".to_owned()));
    }
}
