use serde::{Deserialize, Serialize};

/// What is kept of benchmarks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BenchmarkFacts {
    /// Each name and unit once, at most [`BenchmarkFacts::LIST_MAX`].
    #[serde(default)]
    pub list: Vec<BenchmarkFact>,
}

impl BenchmarkFacts {
    /// So many benchmarks of a gate are compared. A report with more of them cannot be judged.
    pub const LIST_MAX: usize = 1000;

    /// A name or a unit is kept up to so many bytes.
    const NAME_BYTES_MAX: usize = 200;

    /// A name as it is kept: a long one ends in a number that tells it from others with the same beginning.
    pub fn name(name: &str) -> String {
        if name.len() <= Self::NAME_BYTES_MAX {
            return name.to_owned();
        }
        // FNV-1a, 64 bits: it only has to tell names of one report apart.
        let hash =
            name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        let beginning = &name[..name.floor_char_boundary(Self::NAME_BYTES_MAX - 18)];
        format!("{beginning}… {hash:016x}")
    }

    /// The benchmark of this name and unit, as they are kept.
    pub fn find(&self, name: &str, unit: &str) -> Option<&BenchmarkFact> {
        self.list.iter().find(|fact| fact.name == name && fact.unit == unit)
    }
}

/// What is kept of one benchmark: a few figures of its samples.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BenchmarkFact {
    /// What was measured.
    pub name: String,
    /// In what: `ns`, `ops/s`.
    pub unit: String,
    /// Which way is up.
    pub better: Better,
    /// How many samples there were.
    pub samples: u64,
    /// A quarter of the samples are no larger.
    pub low: f64,
    /// The middle of the samples.
    pub median: f64,
    /// A quarter of the samples are no smaller.
    pub high: f64,
}

impl BenchmarkFact {
    /// The value that is compared: the quartile at the better end. What else runs on a machine makes a program slower and never
    /// faster, so the better end tells most about the program itself.
    pub fn value(&self) -> f64 {
        match self.better {
            Better::Smaller => self.low,
            Better::Bigger => self.high,
        }
    }
}

/// Which way is up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// Times, bytes.
    #[default]
    Smaller,
    /// Operations a second.
    Bigger,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_stay_apart() {
        let (one, other) = (format!("{}a", "ü".repeat(300)), format!("{}b", "ü".repeat(300)));
        assert!(BenchmarkFacts::name(&one).len() <= 204);
        assert_ne!(BenchmarkFacts::name(&one), BenchmarkFacts::name(&other));
        assert_eq!(BenchmarkFacts::name("short"), "short");
    }
}
