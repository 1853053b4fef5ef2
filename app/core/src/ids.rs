//! Ids and names. Each is a type of its own, checked where it is made, so that the rest of the code need not check again.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

mod names;
mod subject;

pub use names::{EnvironmentName, GateName, InputName, PipelineName, RoleName};
pub use subject::{ItemRef, Subject};

/// A name or id that is not of the form it must have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value:?} is not valid: {rule}")]
pub struct InvalidId {
    /// What was to be made, such as "commit".
    pub what: &'static str,
    /// What was given, cut to 80 characters.
    pub value: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

pub(crate) fn invalid(what: &'static str, value: &str, rule: &'static str) -> InvalidId {
    InvalidId { what, value: value.chars().take(80).collect(), rule }
}

/// The forges that Gatewright serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ForgeKind {
    /// github.com or a GitHub Enterprise Server.
    Github,
    /// gitlab.com or a self-managed GitLab.
    Gitlab,
}

impl ForgeKind {
    /// The name as configuration, logs and metrics write it.
    pub fn as_str(self) -> &'static str {
        match self {
            ForgeKind::Github => "github",
            ForgeKind::Gitlab => "gitlab",
        }
    }

    /// Whether a check there has room for a text. Where it has one line only, the comment says what the checks cannot.
    pub fn checks_hold_text(self) -> bool {
        match self {
            ForgeKind::Github => true,
            ForgeKind::Gitlab => false,
        }
    }

    /// Whether it takes findings from others and shows them by itself. GitLab takes them from its own jobs only.
    pub fn has_code_scanning(self) -> bool {
        match self {
            ForgeKind::Github => true,
            ForgeKind::Gitlab => false,
        }
    }

    /// Whether a release can be there, and be filled, before everybody sees it.
    pub fn has_draft_releases(self) -> bool {
        match self {
            ForgeKind::Github => true,
            ForgeKind::Gitlab => false,
        }
    }
}

impl fmt::Display for ForgeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ForgeKind::Github => "GitHub",
            ForgeKind::Gitlab => "GitLab",
        })
    }
}

/// A run's id: a UUID of version 7, so that ids sort by the time at which their runs were accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub Uuid);

impl RunId {
    /// A new id. Ids made later in the same process are greater.
    #[expect(clippy::new_without_default, reason = "each call gives another id; a default would hide that")]
    pub fn new() -> Self {
        RunId(Uuid::now_v7())
    }

    /// The id of a run that this one starts for a purpose of this name: the same whenever it is asked for, and of the same time.
    pub fn child(self, purpose: &str) -> RunId {
        use sha2::Digest;
        let hash = sha2::Sha256::digest([self.0.as_bytes().as_slice(), purpose.as_bytes()].concat());
        let mut bytes = *self.0.as_bytes();
        // Behind the time, but for the version and the variant, all bits are free.
        bytes[6] = (bytes[6] & 0xf0) | (hash[6] & 0x0f);
        bytes[7] = hash[7];
        bytes[8] = (bytes[8] & 0xc0) | (hash[8] & 0x3f);
        bytes[9..].copy_from_slice(&hash[9..16]);
        RunId(Uuid::from_bytes(bytes))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl FromStr for RunId {
    type Err = InvalidId;
    fn from_str(s: &str) -> Result<Self, InvalidId> {
        Uuid::try_parse(s).map(RunId).map_err(|_| invalid("run id", s, "a UUID"))
    }
}

/// The forge's own id of one delivery: `X-GitHub-Delivery`, or GitLab's `Idempotency-Key`, behind the forge's name.
/// A redelivery keeps it, so it is what duplicates are found by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeliveryId(String);

impl DeliveryId {
    /// At most this many bytes of an id are taken; forges send UUIDs of 36.
    pub const BYTES_MAX: usize = 128;

    /// The id `guid` of a delivery by `forge`. Refuses an empty id, one over [`Self::BYTES_MAX`], or one with
    /// characters other than letters, digits and `-_.:`.
    pub fn new(forge: ForgeKind, guid: &str) -> Result<Self, InvalidId> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        if guid.is_empty() || guid.len() > Self::BYTES_MAX || !guid.chars().all(plain) {
            return Err(invalid("delivery id", guid, "1 to 128 letters, digits, '-', '_', '.' or ':'"));
        }
        Ok(DeliveryId(format!("{}/{guid}", forge.as_str())))
    }

    /// An id for something that the service itself accepts, such as one run that starts another. Same words, same id:
    /// accepting it twice changes nothing.
    pub fn internal(words: &str) -> Self {
        DeliveryId(format!("internal/{words}"))
    }

    /// The whole id, `forge/guid`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The forge's part, as the forge sent it.
    pub fn guid(&self) -> &str {
        self.0.split_once('/').map_or(self.0.as_str(), |(_, guid)| guid)
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for DeliveryId {
    type Error = InvalidId;
    fn try_from(s: String) -> Result<Self, InvalidId> {
        if s.contains('/') { Ok(DeliveryId(s)) } else { Err(invalid("delivery id", &s, "forge/guid")) }
    }
}

impl From<DeliveryId> for String {
    fn from(id: DeliveryId) -> String {
        id.0
    }
}

/// A commit: 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits, never a branch or an abbreviation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitId(String);

impl CommitId {
    /// All 40 or 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 7 digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..7]
    }

    /// Whether all digits are 0, which forges write for "no commit" (a branch made or deleted).
    pub fn is_zero(&self) -> bool {
        self.0.bytes().all(|b| b == b'0')
    }
}

impl FromStr for CommitId {
    type Err = InvalidId;
    fn from_str(s: &str) -> Result<Self, InvalidId> {
        let hex = s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if hex && (s.len() == 40 || s.len() == 64) {
            Ok(CommitId(s.to_owned()))
        } else {
            Err(invalid("commit", s, "40 or 64 lower-case hexadecimal digits"))
        }
    }
}

impl TryFrom<String> for CommitId {
    type Error = InvalidId;
    fn try_from(s: String) -> Result<Self, InvalidId> {
        s.parse()
    }
}

impl From<CommitId> for String {
    fn from(id: CommitId) -> String {
        id.0
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A repository on a forge.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RepoRef {
    /// Which forge it is on.
    pub forge: ForgeKind,
    /// The forge's number of it, which a rename keeps.
    pub id: u64,
    /// `owner/name` on GitHub, `group/.../project` on GitLab.
    pub path: String,
    /// The GitHub App's installation that covers it. None on GitLab, or where the delivery named none.
    pub installation: Option<u64>,
}

impl RepoRef {
    /// `forge/id`: what limits and indexes go by, since a rename does not change it.
    pub fn key(&self) -> String {
        format!("{}/{}", self.forge.as_str(), self.id)
    }

    /// The part before the last `/` and the part behind it.
    pub fn owner_and_name(&self) -> (&str, &str) {
        self.path.rsplit_once('/').unwrap_or(("", &self.path))
    }
}

impl fmt::Display for RepoRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

/// The SHA-256 of something kept outside of the journal (a log, a large payload), in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BlobId(String);

impl BlobId {
    /// The id of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest;
        BlobId(hex::encode(sha2::Sha256::digest(bytes)))
    }

    /// 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for BlobId {
    type Error = InvalidId;
    fn try_from(s: String) -> Result<Self, InvalidId> {
        // It becomes a file name, so nothing but the digits themselves may pass.
        if s.len() == 64 && s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            Ok(BlobId(s))
        } else {
            Err(invalid("blob id", &s, "64 lower-case hexadecimal digits"))
        }
    }
}

impl From<BlobId> for String {
    fn from(id: BlobId) -> String {
        id.0
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_whole_and_lower_case() {
        assert!("a".repeat(40).parse::<CommitId>().is_ok());
        assert!("0".repeat(64).parse::<CommitId>().is_ok_and(|c| c.is_zero()));
        for bad in ["", "main", "abc1234", &"A".repeat(40), &"g".repeat(40), "--upload-pack=x"] {
            assert!(bad.parse::<CommitId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_delivery_id_holds_no_surprises() {
        assert!(DeliveryId::new(ForgeKind::Github, "72d3162e-cc78-11e3-81ab-4c9367dc0958").is_ok());
        for bad in ["", "a/b", "a b", "a\nb", &"x".repeat(129)] {
            assert!(DeliveryId::new(ForgeKind::Github, bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_child_has_an_id_of_its_own_that_follows_from_the_parents() {
        let parent = RunId::new();
        assert_eq!(parent.child("gates"), parent.child("gates"));
        assert_ne!(parent.child("gates"), parent.child("staging"));
        assert_ne!(parent.child("gates"), parent);
        assert_eq!(parent.child("gates").0.get_version_num(), 7);
        assert_eq!(parent.child("gates").0.get_timestamp(), parent.0.get_timestamp());
    }

    #[test]
    fn a_blob_id_can_be_no_path() {
        assert!(BlobId::try_from("../../etc/passwd".to_owned()).is_err());
        assert_eq!(BlobId::of(b"").as_str().len(), 64);
    }
}
