use serde::{Deserialize, Serialize};

/// What is kept of benchmarks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BenchmarkFacts {}
