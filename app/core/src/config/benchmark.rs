//! What a gate says of its benchmarks: where their reports are, and what they are compared with.

use serde::{Deserialize, Serialize};

use super::GateConfig;
use super::parse::{Fields, Reader};
use super::tree::Node;
use super::values;

/// What a gate says of its benchmarks. Without reports it has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Benchmark {
    /// Files, globs or folders of benchmark reports. Empty: benchmarks are not looked at.
    pub reports: Vec<String>,
    /// What they are compared with.
    pub compare: Compare,
    /// How often base and head are measured where they are measured in turn.
    pub rounds: u32,
    /// Run once in both sources before the rounds, so that what it takes is not measured.
    pub prepare: Option<String>,
}

impl Benchmark {
    /// With fewer rounds not even all of them saying the same would be enough.
    pub const ROUNDS_MIN: u32 = 6;

    /// More rounds than this are not asked for.
    pub const ROUNDS_MAX: u32 = 60;

    /// How many there are where none are asked for.
    pub const ROUNDS_DEFAULT: u32 = 20;

    /// Whether base and head are to be measured in one sandbox, in turn.
    pub fn is_interleaved(&self) -> bool {
        !self.reports.is_empty() && self.compare == Compare::Interleaved
    }
}

impl Default for Benchmark {
    fn default() -> Self {
        Benchmark { reports: Vec::new(), compare: Compare::default(), rounds: Self::ROUNDS_DEFAULT, prepare: None }
    }
}

/// What benchmarks are compared with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compare {
    /// With what earlier runs of the base branch measured.
    #[default]
    History,
    /// With the base, measured in the same sandbox, in turn with the head.
    Interleaved,
}

/// The words of `compare`.
pub(super) const COMPARE: &[&str] = &["history", "interleaved"];

impl Reader {
    pub(super) fn benchmark(&mut self, fields: &Fields<'_>) -> Benchmark {
        let Some(reports) = fields.get("benchmark") else {
            for key in ["compare", "rounds", "prepare"] {
                self.alone(
                    fields,
                    key,
                    "benchmark",
                    "is for benchmarks, and the gate has no `benchmark`; name its report files there",
                );
            }
            return Benchmark::default();
        };
        let compare = fields.get("compare").and_then(|node| values::word(self, node, COMPARE));
        let compare = if compare == Some("interleaved") { Compare::Interleaved } else { Compare::History };
        if compare == Compare::History && fields.get("compare").is_none_or(|node| values::is_word(node, "history")) {
            for key in ["rounds", "prepare"] {
                self.alone(fields, key, "compare", "is for rounds of base and head; write `compare: interleaved` for them");
            }
        }
        let rounds = |node: &Node| values::whole(self, node, Benchmark::ROUNDS_MIN, Benchmark::ROUNDS_MAX);
        Benchmark {
            rounds: fields.get("rounds").and_then(rounds).unwrap_or(Benchmark::ROUNDS_DEFAULT),
            prepare: fields.get("prepare").and_then(|node| values::command(self, node)),
            reports: values::report_globs(self, reports),
            compare,
        }
    }

    /// What is measured again until it passes has another error rate than the one that is stated.
    pub(super) fn measured_once(&mut self, fields: &Fields<'_>, gate: &GateConfig) {
        if let Some(node) = fields.get("retries")
            && gate.benchmark.is_interleaved()
            && gate.retries > 0
        {
            let words = "`retries` is not for `compare: interleaved`: to measure again until it passes would hide what is looked \
                         for; ask for more `rounds`";
            self.wrong(node.place, words);
        }
    }

    /// Names a key that has no meaning without another, unless that other one is only misspelt.
    fn alone(&mut self, fields: &Fields<'_>, key: &str, without: &'static str, message: &str) {
        if let Some(node) = fields.get(key)
            && !fields.meant.contains(&without)
        {
            self.wrong(node.place, format!("`{key}` {message}"));
        }
    }
}
