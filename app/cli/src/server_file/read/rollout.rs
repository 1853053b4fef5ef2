//! Reads `[rollout]`.

use super::super::RolloutTable;
use super::super::keys::Shape;
use super::super::tree::{Node, Value};
use super::Fields;
use super::Reader;

impl Reader<'_> {
    pub(super) fn rollout(&mut self, fields: &Fields<'_>) -> RolloutTable {
        RolloutTable {
            measure_secs: self.number(fields, "measure_secs"),
            baseline_secs: self.number(fields, "baseline_secs"),
            drain_secs: self.number(fields, "drain_secs"),
            drift_secs: self.number(fields, "drift_secs"),
            remind_after_secs: self.numbers(fields, "remind_after_secs"),
        }
    }

    /// Of a variable, parted by commas. They are put in their order.
    fn numbers(&mut self, fields: &Fields<'_>, name: &str) -> Vec<u64> {
        let Shape::Numbers { min, max, most, default } = fields.key(name).shape else {
            unreachable!("`{name}` is a list of numbers in the table of keys")
        };
        let Some(node) = fields.get(name) else { return default.to_vec() };
        let read: Option<Vec<u64>> = match &node.value {
            Value::List(items) => items.iter().map(whole).collect(),
            Value::Untyped(text) if text.trim().is_empty() => Some(Vec::new()),
            Value::Untyped(text) => text.split(',').map(|number| number.trim().parse().ok()).collect(),
            Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Bool | Value::Date | Value::Table(_) => None,
        };
        let fits = |all: &Vec<u64>| all.len() <= most && all.iter().all(|number| (min..=max).contains(number));
        let Some(mut numbers) = read.filter(fits) else {
            self.wrong(&node.origin, format!("`{name}` is a list of up to {most} whole numbers, each from {min} to {max}"));
            return default.to_vec();
        };
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}

/// A whole number that the file has written.
fn whole(node: &Node) -> Option<u64> {
    match &node.value {
        Value::Integer(number) => number.and_then(|number| u64::try_from(number).ok()),
        Value::Text(_) | Value::Float(_) | Value::Bool | Value::Date | Value::List(_) | Value::Table(_) | Value::Untyped(_) => {
            None
        }
    }
}
