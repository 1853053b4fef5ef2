//! The version that a tag stands for: <https://semver.org/spec/v2.0.0.html>, with whatever a repository of several products
//! writes before it. What tags there are is the forge's to know; this only reads their names.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{InvalidId, invalid};

/// A tag's name may have so many bytes to be a version's. A longer one is none.
pub const TAG_BYTES_MAX: usize = 200;

/// A version, with the product that its tag names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    /// The tag, as it is.
    tag: String,
    /// Where in it the version begins.
    begin: usize,
    number: semver::Version,
}

/// Whether a version is one to be released to everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It is, such as `1.4.0`.
    Final,
    /// It is one to try, such as `1.4.0-rc.1`.
    PreRelease,
}

impl Version {
    /// The rule in words, for error texts.
    pub const RULE: &'static str = "a version such as `v1.4.0` or `1.4.0-rc.1` (semver.org), behind a product's name where there are several, as in \
                                    `shop-v1.4.0` or `shop/v1.4.0`";

    /// The tag that it was read from.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// The product that the tag names: `shop` of `shop-v1.4.0`, nothing of `v1.4.0`.
    pub fn product(&self) -> &str {
        self.tag[..self.begin].trim_end_matches(['v', 'V']).trim_end_matches(SEPARATORS)
    }

    /// The numbers.
    pub fn number(&self) -> &semver::Version {
        &self.number
    }

    /// Whether it is a pre-release.
    pub fn stage(&self) -> Stage {
        if self.number.pre.is_empty() { Stage::Final } else { Stage::PreRelease }
    }

    /// Whether it is the older, the newer, or (but for what its tags and builds are called) the same one, as SemVer has it. None: of
    /// another product.
    pub fn precedence(&self, other: &Version) -> Option<Ordering> {
        (self.product() == other.product()).then(|| self.number.cmp_precedence(&other.number))
    }
}

/// The version itself, `1.4.0`: without the product's name and a `v`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number.fmt(f)
    }
}

/// What stands between a product's name and its version.
const SEPARATORS: [char; 5] = ['-', '/', '_', '@', '.'];

impl FromStr for Version {
    type Err = InvalidId;

    /// Reads a tag's name. The version is the longest end of it that is one, where what stands before is nothing, or ends with a
    /// separator; with a `v` between them or not.
    fn from_str(tag: &str) -> Result<Self, InvalidId> {
        // The name becomes a part of images' names, addresses and files, so that nothing but plain characters may pass.
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '+' || SEPARATORS.contains(&c);
        if tag.len() > TAG_BYTES_MAX || !tag.chars().all(plain) {
            return Err(invalid("version", tag, Self::RULE));
        }
        let number = |begin: usize| Some((begin, semver::Version::parse(&tag[begin..]).ok()?));
        match begins(tag).find_map(number) {
            Some((begin, number)) => Ok(Version { tag: tag.to_owned(), begin, number }),
            None => Err(invalid("version", tag, Self::RULE)),
        }
    }
}

/// Where in a tag of ASCII a version could begin, from the left.
fn begins(tag: &str) -> impl Iterator<Item = usize> {
    let digits = tag.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit()).map(|(at, _)| at);
    digits.filter(|&at| {
        let before = tag[..at].strip_suffix(['v', 'V']).unwrap_or(&tag[..at]);
        // Not `.`: what follows the dot in `python3.11` is no version's beginning.
        before.is_empty() || before.ends_with(['-', '/', '_', '@'])
    })
}

impl TryFrom<String> for Version {
    type Error = InvalidId;
    fn try_from(s: String) -> Result<Self, InvalidId> {
        s.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> String {
        version.tag
    }
}

/// The tag of the release before: the highest version of the same product that is lower. For a final version that is a final one, so
/// that its notes tell what changed since then and not since the last candidate. Tags that are no versions are passed over.
pub fn previous<'t>(tags: &'t [String], version: &Version) -> Option<&'t str> {
    let read = |tag: &'t String| Some((tag.as_str(), tag.parse::<Version>().ok()?));
    let counts = |(_, other): &(&str, Version)| {
        let comparable = version.stage() == Stage::PreRelease || other.stage() == Stage::Final;
        comparable && other.precedence(version) == Some(Ordering::Less)
    };
    let lower = tags.iter().filter_map(read).filter(counts);
    lower.max_by(|(_, a), (_, b)| a.number.cmp(&b.number)).map(|(tag, _)| tag)
}

#[cfg(test)]
mod tests;
