use serde::{Deserialize, Serialize};

/// What is kept of what linters and scanners found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FindingFacts {}
