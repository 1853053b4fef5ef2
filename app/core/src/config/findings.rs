//! What a gate asks of findings: how many there may be of each level and severity.

use serde::{Deserialize, Serialize};

use super::keys::{self, Shape, key};
use super::parse::Reader;
use super::tree::Node;
use super::values;

/// A gate allows at most so many findings of a kind; more is no limit at all.
pub(super) const COUNT_MAX: u32 = 1_000_000;

const COUNT: Shape = Shape::Whole { least: 0, most: COUNT_MAX, default: None };

/// The keys of `require.new` and `require.total`.
pub(super) static LIMITS: keys::Table = keys::Table {
    what: "a limit of findings",
    keys: &[
        key("error", COUNT, "So many errors at most."),
        key("warning", COUNT, "So many warnings at most."),
        key("note", COUNT, "So many notes at most."),
        key("critical", COUNT, "So many of critical severity at most: 9.0 or more of 10."),
        key("high", COUNT, "So many of high severity at most: 7.0 to 8.9."),
        key("medium", COUNT, "So many of medium severity at most: 4.0 to 6.9."),
        key("low", COUNT, "So many of low severity at most: 0.1 to 3.9."),
    ],
    later: &[],
};

/// How many findings of each level, and of each severity for security, a gate allows. None: any number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FindingLimits {
    /// Errors.
    pub error: Option<u32>,
    /// Warnings.
    pub warning: Option<u32>,
    /// Notes.
    pub note: Option<u32>,
    /// Critical ones, whatever their level.
    pub critical: Option<u32>,
    /// Of high severity.
    pub high: Option<u32>,
    /// Of medium severity.
    pub medium: Option<u32>,
    /// Of low severity.
    pub low: Option<u32>,
}

impl FindingLimits {
    /// What a gate asks for that asks for nothing.
    pub const NO_ERRORS: FindingLimits =
        FindingLimits { error: Some(0), warning: None, note: None, critical: None, high: None, medium: None, low: None };
}

/// Reads limits. One that limits nothing is a mistake.
pub(super) fn limits(reader: &mut Reader, node: &Node) -> Option<FindingLimits> {
    let fields = reader.fields(node, &LIMITS)?;
    if fields.is_empty() && fields.is_right() {
        reader.wrong(node.place, "it limits nothing; write for example `error: 0`");
    }
    let mut count = |key| fields.get(key).and_then(|node| values::whole(reader, node, 0, COUNT_MAX));
    Some(FindingLimits {
        error: count("error"),
        warning: count("warning"),
        note: count("note"),
        critical: count("critical"),
        high: count("high"),
        medium: count("medium"),
        low: count("low"),
    })
}
