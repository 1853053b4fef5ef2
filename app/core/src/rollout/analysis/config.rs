//! What the repository file says of how a rollout is judged.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::config::Percent;

/// How a rollout is judged. The defaults are those of a file that says nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnalysisConfig {
    /// Compares errors with those of the stable version at the same time. None: errors are not compared.
    pub errors: Option<ErrorLimit>,
    /// Compares the 95th percentile of how long requests take with the stable version's: it may be so many times as long. None: it is
    /// not compared. Where it is, a source that measures no latency leaves the rollout inconclusive.
    pub latency_p95: Option<Times>,
    /// A version that is no worse is rolled back with at most this probability, however often and for however long is looked.
    pub alpha: Percent,
    /// What is measured in so many seconds from the first request to the new version on is shown, and not judged: caches are cold.
    pub warm_up_secs: u32,
    /// A stage that was planned for so and so long may last so many seconds longer while it is not known enough to go on.
    pub extend_at_most_secs: u64,
    /// Limits that know nothing of the stable version.
    pub fixed: FixedLimits,
}

impl AnalysisConfig {
    /// The least and the most that `alpha` can be.
    pub const ALPHA_RANGE: (Percent, Percent) = (Percent { hundredths: 1 }, Percent { hundredths: 1_000 });

    /// A longer warm-up is no warm-up.
    pub const WARM_UP_SECS_MAX: u32 = 3600;

    /// A stage is not drawn out for longer.
    pub const EXTEND_SECS_MAX: u64 = 24 * 3600;

    /// Whether anything is judged at all.
    pub fn is_empty(&self) -> bool {
        self.errors.is_none() && self.latency_p95.is_none() && self.fixed.is_empty()
    }
}

impl Default for AnalysisConfig {
    fn default() -> Self {
        AnalysisConfig {
            errors: Some(ErrorLimit::default()),
            latency_p95: None,
            alpha: Percent { hundredths: 100 },
            warm_up_secs: 60,
            extend_at_most_secs: 1800,
            fixed: FixedLimits::default(),
        }
    }
}

/// How much worse than the stable version the new one may be at errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorLimit {
    /// So many times the stable version's share of errors is tolerated.
    pub worse_at_most: Times,
    /// So many percentage points more errors than the stable version has are too few to keep a release waiting for. Only what is needed
    /// to go on is eased by it; a version that is shown to be worse is rolled back all the same. Zero: nothing is too few.
    pub more_at_most: Percent,
}

impl Default for ErrorLimit {
    fn default() -> Self {
        ErrorLimit { worse_at_most: Times { hundredths: 150 }, more_at_most: Percent { hundredths: 20 } }
    }
}

/// Limits that know nothing of the stable version. An incident that strikes both versions breaks them too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FixedLimits {
    /// At most so many of a hundred requests to the new version may fail.
    pub max_error_rate: Option<Percent>,
    /// The new version's 95th percentile may be so many milliseconds.
    pub max_p95_ms: Option<u32>,
    /// What is measured is put together until there are so many requests to the new version: one window.
    pub requests_at_least: u32,
    /// A limit is broken where it is exceeded in so many ...
    pub windows: u32,
    /// ... of the last so many windows.
    pub of: u32,
}

impl FixedLimits {
    /// More windows than this are not looked back at.
    pub const WINDOWS_MAX: u32 = 20;

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.max_error_rate.is_none() && self.max_p95_ms.is_none()
    }
}

impl Default for FixedLimits {
    fn default() -> Self {
        FixedLimits { max_error_rate: None, max_p95_ms: None, requests_at_least: 100, windows: 3, of: 5 }
    }
}

/// A factor, exact to hundredths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Times {
    /// In hundredths: 150 is 1.5 times.
    pub hundredths: u32,
}

impl Times {
    /// The least and the most that a tolerance can be: what is to be no worse than 1.05 times can never be shown, and 100 times is no
    /// tolerance.
    pub const RANGE: (Times, Times) = (Times { hundredths: 105 }, Times { hundredths: 10_000 });

    /// The factor.
    pub fn factor(self) -> f64 {
        f64::from(self.hundredths) / 100.0
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} times", self.factor())
    }
}
