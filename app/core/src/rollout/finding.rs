//! What a look at a rollout comes to.

use serde::{Deserialize, Serialize};

use super::analysis::Evidence;

/// What a look comes to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "finding")]
pub enum Finding {
    /// Nothing speaks against going on.
    GoOn,
    /// It cannot be said yet.
    Wait {
        /// Why, for people.
        because: String,
    },
    /// It cannot be said, and has not been for so long that somebody has to look.
    Pause {
        /// Why, for people.
        because: String,
    },
    /// The new version is worse, or not as it should be.
    Back {
        /// Why, for people, with the numbers.
        because: String,
        /// What was counted, where that is what speaks against it.
        evidence: Option<Box<Evidence>>,
    },
}
