//! Reads `strategy`.

use super::keys::{
    BLUE_GREEN, CANARY, PAUSE, PIN_KEYS, PREVIEW, RECREATE, ROLLING, STEP, STEP_KEYS, STEPS_MAX, STRATEGIES, STRATEGY_KEYS, Spans,
};
use super::values;
use crate::config::parse::{Fields, Reader};
use crate::config::tree::{Node, Place, Scalar, ScalarKind, Value};
use crate::config::values::{is_word, one_or_more, span_within, whole, word};
use crate::config::{CanaryStep, Percent, Pin, Preview, StepHold, Strategy};

const MINUTE_SECS: u64 = 60;

/// Percentages of the steps of a canary that has none.
const STEPS: [u32; 4] = [5, 25, 50, 100];

/// Reads a strategy, which is a word where it is as it usually is. `rolling` is zero-downtime, and needs neither a second set of
/// instances nor anybody to look: so it is what is done where none is written.
pub(super) fn strategy(reader: &mut Reader, node: Option<&Node>) -> Strategy {
    let nothing = Fields::default();
    let Some(node) = node else { return rolling(reader, &nothing) };
    let read = if matches!(node.value, Value::Mapping(_)) {
        let Some((name, node)) = reader.one_key(node, &STRATEGY_KEYS) else { return Strategy::Recreate };
        let table = match name {
            "recreate" => &RECREATE,
            "rolling" => &ROLLING,
            "blue-green" => &BLUE_GREEN,
            _ => &CANARY,
        };
        reader.fields(node, table).map(|fields| (name, fields))
    } else {
        word(reader, node, STRATEGIES).map(|name| (name, nothing))
    };
    // A file with a problem is not returned to anybody.
    let Some((name, fields)) = read else { return Strategy::Recreate };
    match name {
        "recreate" => Strategy::Recreate,
        "rolling" => rolling(reader, &fields),
        "blue-green" => blue_green(reader, &fields),
        _ => canary(reader, &fields),
    }
}

fn span(reader: &mut Reader, fields: &Fields<'_>, key: &str, Spans { least, most }: Spans, default: u64) -> u64 {
    fields.get(key).and_then(|node| span_within(reader, node, least, most)).unwrap_or(default)
}

fn rolling(reader: &mut Reader, fields: &Fields<'_>) -> Strategy {
    let batch = fields.get("batch").and_then(|node| whole(reader, node, 1, 100)).unwrap_or(25);
    Strategy::Rolling { batch: Percent { hundredths: batch * 100 }, every_secs: span(reader, fields, "every", PAUSE, 0) }
}

fn blue_green(reader: &mut Reader, fields: &Fields<'_>) -> Strategy {
    let preview = fields.get("preview").and_then(|node| word(reader, node, PREVIEW));
    Strategy::BlueGreen {
        preview: if preview == Some("manual") { Preview::Manual } else { Preview::None },
        watch_secs: span(reader, fields, "watch", PAUSE, 5 * MINUTE_SECS),
        keep_secs: span(reader, fields, "keep", PAUSE, 60 * MINUTE_SECS),
    }
}

fn canary(reader: &mut Reader, fields: &Fields<'_>) -> Strategy {
    let every = span(reader, fields, "every", STEP, 5 * MINUTE_SECS);
    let usual = || STEPS.map(|percent| CanaryStep { percent, hold: StepHold::Secs(every) }).to_vec();
    Strategy::Canary {
        steps: fields.get("steps").map_or_else(usual, |node| steps(reader, node, every)),
        keep_secs: span(reader, fields, "keep", PAUSE, 10 * MINUTE_SECS),
        pin: fields.get("pin").and_then(|node| pin(reader, node)),
    }
}

fn steps(reader: &mut Reader, node: &Node, every: u64) -> Vec<CanaryStep> {
    const EXPECTED: &str = "a list of percentages, such as `[5, 25, 50, 100]`";
    if !matches!(node.value, Value::List(_)) {
        reader.wrong(node.place, format!("expected {EXPECTED}, found {node}"));
        return Vec::new();
    }
    let nodes = one_or_more(reader, node, EXPECTED, STEPS_MAX);
    let steps: Vec<(CanaryStep, Place)> =
        nodes.iter().filter_map(|node| Some((step(reader, node, every)?, node.place))).collect();
    let mut right = steps.len() == nodes.len();
    for pair in steps.windows(2) {
        if let [(before, _), (step, place)] = pair
            && before.percent >= step.percent
        {
            reader.wrong(*place, format!("steps ascend, and {} % comes after {} %", step.percent, before.percent));
            right = false;
        }
    }
    // Of steps some of which are wrong the last one may be another once they are right.
    if let Some((last, place)) = steps.last().filter(|(last, _)| right && last.percent != 100) {
        let rule = "the last step is 100 %, so that the new version gets everything in the end";
        reader.wrong(*place, format!("{rule}; this one is {} %", last.percent));
    }
    steps.into_iter().map(|(step, _)| step).collect()
}

fn step(reader: &mut Reader, node: &Node, every: u64) -> Option<CanaryStep> {
    if let Value::Scalar(Scalar { kind: ScalarKind::Number, .. }) = &node.value {
        return Some(CanaryStep { percent: whole(reader, node, 0, 100)?, hold: StepHold::Secs(every) });
    }
    if !matches!(node.value, Value::Mapping(_)) {
        reader.wrong(node.place, format!("expected a percentage, or a mapping with `percent` and `hold`; found {node}"));
        return None;
    }
    let fields = reader.fields(node, &STEP_KEYS)?;
    reader.lacks(node.place, &fields, "percent", "the step has no `percent`; it needs a number from 0 to 100");
    let hold = match fields.get("hold") {
        Some(node) if is_word(node, "manual") => StepHold::Manual,
        Some(node) => StepHold::Secs(span_within(reader, node, STEP.least, STEP.most).unwrap_or(every)),
        None => StepHold::Secs(every),
    };
    Some(CanaryStep { percent: whole(reader, fields.get("percent")?, 0, 100)?, hold })
}

fn pin(reader: &mut Reader, node: &Node) -> Option<Pin> {
    match reader.one_key(node, &PIN_KEYS)? {
        ("header", node) => values::pin(reader, node, "a header").map(Pin::Header),
        (_, node) => values::pin(reader, node, "a cookie").map(Pin::Cookie),
    }
}
