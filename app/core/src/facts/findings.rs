use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// What is kept of what linters and scanners found: how much, and by what each finding is recognised.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingFacts {
    /// How many there are: errors, warnings, notes, and those without a level.
    #[serde(default)]
    pub counts: [u64; 4],
    /// How many of them are only counted, and not recognised again.
    #[serde(default)]
    pub left_out: [u64; 4],
    /// How many of these are critical, high, medium and low.
    #[serde(default)]
    pub left_out_severities: [u64; 4],
    /// The fingerprints of all others, sorted, as 16 hexadecimal digits each, one behind the other.
    #[serde(default)]
    fingerprints: String,
}

/// A fingerprint as it is written.
const DIGITS: usize = 16;

impl FindingFacts {
    /// So many findings are recognised again. More than that are not read of a gate's reports.
    pub const FINGERPRINTS_MAX: usize = 100_000;

    /// Of findings with these fingerprints; several may have the same one. Those beyond the limit are not kept.
    pub fn of(fingerprints: impl IntoIterator<Item = u64>) -> FindingFacts {
        let mut sorted: Vec<u64> = fingerprints.into_iter().take(FindingFacts::FINGERPRINTS_MAX).collect();
        sorted.sort_unstable();
        let fingerprints = sorted.iter().map(|fingerprint| format!("{fingerprint:016x}")).collect();
        FindingFacts { fingerprints, ..FindingFacts::default() }
    }

    /// How many findings have each fingerprint. None where they are not written as they should be.
    pub fn fingerprints(&self) -> Option<HashMap<u64, u32>> {
        let mut known: HashMap<u64, u32> = HashMap::new();
        for digits in self.fingerprints.as_bytes().chunks(DIGITS) {
            let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.len() == DIGITS)?;
            *known.entry(u64::from_str_radix(digits, 16).ok()?).or_default() += 1;
        }
        Some(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_they_were_written() {
        let facts = FindingFacts::of([7, u64::MAX, 7, 0]);
        let text = serde_json::to_string(&facts).expect("facts are JSON");
        let read: FindingFacts = serde_json::from_str(&text).expect("it was written so");
        assert_eq!(read.fingerprints(), Some([(7, 2), (u64::MAX, 1), (0, 1)].into()));
        let empty: FindingFacts = serde_json::from_str("{}").expect("all may be missing");
        assert_eq!(empty.fingerprints(), Some(HashMap::new()));
        let cut = text.replace("\"}", "f\"}");
        let cut: FindingFacts = serde_json::from_str(&cut).expect("it is a text");
        assert_eq!(cut.fingerprints(), None);
    }
}
