use serde::{Deserialize, Serialize};

/// What is kept of tests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TestFacts {}
