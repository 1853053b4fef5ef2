//! How often releases got somewhere, how long that took and how often it went wrong, as columns.

use gatewright_engine::statistics::{Figures, Spread};

use super::span;

/// What each column says.
pub(crate) const COLUMNS: [&str; 7] =
    ["deployments", "a day", "lead time", "failed changes", "succeeded", "time to restore", "rollback time"];

/// The columns of one environment. What was not measured is empty.
pub(crate) fn columns(of: &Figures) -> [String; COLUMNS.len()] {
    let percent = |percent: Option<f64>| percent.map(|percent| format!("{percent:.1} %")).unwrap_or_default();
    let spread = |spread: &Spread| spread.median_secs.map(|secs| span((secs * 1_000.0).round() as u64)).unwrap_or_default();
    [
        of.deployments.to_string(),
        format!("{:.2}", of.deployments_per_day),
        spread(&of.lead_time),
        percent(of.change_failure_percent),
        percent(of.success_percent),
        spread(&of.time_to_restore),
        spread(&of.rollback_time),
    ]
}
