//! How a rollout is judged. Pure.

use serde::{Deserialize, Serialize};

/// What a new version has to be no worse at.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AnalysisConfig {}

impl Eq for AnalysisConfig {}
