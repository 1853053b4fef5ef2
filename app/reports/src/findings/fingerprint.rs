//! What a finding is recognised by in another report of the same tool, though lines above it have come or gone.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use sha2::{Digest, Sha256};

use super::{Finding, Findings};

/// Of a finding so many lines count.
const LINES_MAX: u32 = 10;

/// Tells a finding from others. Shown as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 16]);

/// How many findings of a base have a fingerprint.
pub type Fingerprints = BTreeMap<Fingerprint, u32>;

impl Fingerprint {
    /// Of parts, whose bounds count.
    pub(super) fn of<'p>(parts: impl IntoIterator<Item = &'p str>) -> Fingerprint {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.finalize()[..16]);
        Fingerprint(bytes)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Fingerprint, hex::FromHexError> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Fingerprint(bytes))
    }
}

impl Findings {
    /// Gives a fingerprint to each finding of which the report brings none: made of rule, file, the text of its lines
    /// without white space, and how many like it come before it. `line` is the text of a line of a file of the repository;
    /// where it has none, the message counts in its place. To be called once paths are mapped.
    pub fn identify(&mut self, mut line: impl FnMut(&str, u32) -> Option<String>) {
        let mut seen: HashMap<Fingerprint, u32> = HashMap::new();
        for finding in self.list.iter_mut().filter(|finding| finding.fingerprint.is_none()) {
            let text = text_of(finding, &mut line);
            let path = finding.location.as_ref().map(|location| &location.path).or(finding.elsewhere.as_ref());
            let parts = ["lines", &finding.rule.tool, &finding.rule.id, path.map_or("", |path| path), &text];
            let like = Fingerprint::of(parts);
            let nth = seen.entry(like).or_default();
            finding.fingerprint = Some(Fingerprint::of(parts.into_iter().chain([nth.to_string().as_str()])));
            *nth += 1;
        }
    }

    /// The fingerprints of the findings that stand, to be kept for later comparison.
    pub fn fingerprints(&self) -> Fingerprints {
        let mut all = Fingerprints::new();
        for fingerprint in self.list.iter().filter(|finding| finding.stands()).filter_map(|finding| finding.fingerprint) {
            *all.entry(fingerprint).or_default() += 1;
        }
        all
    }

    /// The findings that stand and that the base does not have. Of several alike, those beyond as many as the base has. One
    /// without a fingerprint is new.
    pub fn new_against(&self, base: &Fingerprints) -> Vec<&Finding> {
        let mut left = base.clone();
        let new = |finding: &&Finding| match finding.fingerprint.and_then(|fingerprint| left.get_mut(&fingerprint)) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            Some(_) | None => true,
        };
        self.list.iter().filter(|finding| finding.stands()).filter(new).collect()
    }
}

/// The text of a finding's lines, without white space; of its message, where there is none.
fn text_of(finding: &Finding, line: &mut impl FnMut(&str, u32) -> Option<String>) -> String {
    let mut text = String::new();
    if let Some(location) = &finding.location
        && let Some(range) = location.range
    {
        let last = range.end_line.min(range.start_line.saturating_add(LINES_MAX - 1));
        for number in range.start_line..=last {
            text.extend(line(&location.path, number).unwrap_or_default().split_whitespace());
        }
    }
    if text.is_empty() {
        return format!("message {}", finding.message);
    }
    text
}
