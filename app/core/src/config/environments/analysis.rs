//! The keys of `analysis`, and their reading. What is not written is as [`AnalysisConfig`] has it by default.

use super::values::decimal;
use crate::config::Percent;
use crate::config::keys::{Shape, Table, key};
use crate::config::parse::{Fields, Reader};
use crate::config::tree::Node;
use crate::config::values::{is_word, percent, span_within, whole};
use crate::rollout::analysis::{AnalysisConfig, ErrorLimit, FixedLimits, Times};

/// `analysis`.
pub(super) static ANALYSIS: Table = Table {
    what: "`analysis`",
    keys: &[
        key(
            "errors",
            Shape::OneOf(&[Shape::Word(&["none"]), Shape::Filled(&ERRORS)]),
            "How much worse than the stable version the new one may be at errors; `none`: they are not compared.",
        ),
        key(
            "latency-p95",
            Shape::Needing(&LATENCY, &["worse-at-most"]),
            "The same of the 95th percentile of how long requests take; not compared if not written.",
        ),
        key(
            "max-error-rate",
            Shape::Percent,
            "At most so many percent of the requests to the new version may fail, whatever the stable one does.",
        ),
        key(
            "max-p95-ms",
            Shape::Whole { least: 1, most: P95_MS_MAX, default: None },
            "The new version's 95th percentile may be so many milliseconds.",
        ),
        key("exceeded-in", Shape::Filled(&EXCEEDED), "When `max-error-rate` and `max-p95-ms` count as exceeded."),
        key(
            "alpha",
            Shape::Decimal { least: 0.01, most: 10.0 },
            "A version that is no worse is rolled back with at most this probability, in percent; 1 if not written.",
        ),
        key(
            "warm-up",
            Shape::SpanWithin { least: 0, most: AnalysisConfig::WARM_UP_SECS_MAX as u64 },
            "What is measured for so long from its first request on is not judged; `60s` if not written.",
        ),
        key(
            "extend-at-most",
            Shape::SpanWithin { least: 0, most: AnalysisConfig::EXTEND_SECS_MAX },
            "A step may last so much longer while too little is known to go on; `30m` if not written.",
        ),
    ],
    later: &[],
};

/// More than an hour is no limit.
const P95_MS_MAX: u32 = 3_600_000;

/// A window of more requests would take too long to fill.
const REQUESTS_MAX: u32 = 1_000_000;

const TIMES: Shape = Shape::Decimal { least: 1.05, most: 100.0 };

static ERRORS: Table = Table {
    what: "`errors`",
    keys: &[
        key("worse-at-most", TIMES, "So many times the stable version's share of errors is tolerated; 1.5 if not written."),
        key(
            "more-at-most",
            Shape::Percent,
            "So many percentage points more are too few to keep a release waiting for; 0.2 if not written.",
        ),
    ],
    later: &[],
};

static LATENCY: Table = Table {
    what: "`latency-p95`",
    keys: &[key("worse-at-most", TIMES, "It may be so many times the stable version's.")],
    later: &[],
};

const WINDOWS: Shape = Shape::Whole { least: 1, most: FixedLimits::WINDOWS_MAX, default: None };

static EXCEEDED: Table = Table {
    what: "`exceeded-in`",
    keys: &[
        key("windows", WINDOWS, "In so many windows; 3 if not written."),
        key("of", WINDOWS, "Of so many, the last ones; 5 if not written."),
        key(
            "requests-at-least",
            Shape::Whole { least: 1, most: REQUESTS_MAX, default: Some(100) },
            "A window is over once the new version has had so many requests.",
        ),
    ],
    later: &[],
};

pub(super) fn analysis(reader: &mut Reader, node: &Node) -> Option<AnalysisConfig> {
    let fields = reader.fields(node, &ANALYSIS)?;
    let defaults = AnalysisConfig::default();
    let span = |reader: &mut Reader, key, most| fields.get(key).and_then(|node| span_within(reader, node, 0, most));
    let warm_up = span(reader, "warm-up", u64::from(AnalysisConfig::WARM_UP_SECS_MAX));
    let extend = span(reader, "extend-at-most", AnalysisConfig::EXTEND_SECS_MAX);
    Some(AnalysisConfig {
        errors: fields.get("errors").map_or(defaults.errors, |node| errors(reader, node)),
        latency_p95: fields.get("latency-p95").and_then(|node| latency(reader, node)),
        alpha: fields.get("alpha").and_then(|node| alpha(reader, node)).unwrap_or(defaults.alpha),
        warm_up_secs: warm_up.and_then(|secs| secs.try_into().ok()).unwrap_or(defaults.warm_up_secs),
        extend_at_most_secs: extend.unwrap_or(defaults.extend_at_most_secs),
        fixed: fixed(reader, &fields),
    })
}

fn errors(reader: &mut Reader, node: &Node) -> Option<ErrorLimit> {
    if is_word(node, "none") {
        return None;
    }
    let fields = reader.fields(node, &ERRORS)?;
    if fields.is_empty() && fields.is_right() {
        reader.wrong(node.place, "it limits nothing; write for example `worse-at-most: 1.5`, or `none`");
    }
    let defaults = ErrorLimit::default();
    Some(ErrorLimit {
        worse_at_most: fields.get("worse-at-most").and_then(|node| times(reader, node)).unwrap_or(defaults.worse_at_most),
        more_at_most: fields.get("more-at-most").and_then(|node| percent(reader, node)).unwrap_or(defaults.more_at_most),
    })
}

fn latency(reader: &mut Reader, node: &Node) -> Option<Times> {
    let fields = reader.fields(node, &LATENCY)?;
    reader.lacks(node.place, &fields, "worse-at-most", "it limits nothing; write for example `worse-at-most: 1.2`");
    times(reader, fields.get("worse-at-most")?)
}

fn times(reader: &mut Reader, node: &Node) -> Option<Times> {
    let (least, most) = Times::RANGE;
    let expected = "a factor from 1.05 to 100 with at most two decimals, such as `1.5`";
    decimal(reader, node, 2, (least.hundredths, most.hundredths), expected).map(|hundredths| Times { hundredths })
}

fn alpha(reader: &mut Reader, node: &Node) -> Option<Percent> {
    let (least, most) = AnalysisConfig::ALPHA_RANGE;
    let expected = "a percentage from 0.01 to 10 with at most two decimals, such as `1`";
    decimal(reader, node, 2, (least.hundredths, most.hundredths), expected).map(|hundredths| Percent { hundredths })
}

fn fixed(reader: &mut Reader, fields: &Fields<'_>) -> FixedLimits {
    let mut limits = FixedLimits {
        max_error_rate: fields.get("max-error-rate").and_then(|node| percent(reader, node)),
        max_p95_ms: fields.get("max-p95-ms").and_then(|node| whole(reader, node, 1, P95_MS_MAX)),
        ..FixedLimits::default()
    };
    let Some(node) = fields.get("exceeded-in") else { return limits };
    if !fields.has("max-error-rate") && !fields.has("max-p95-ms") {
        reader.wrong(node.place, "`exceeded-in` is about limits, and there are none; write `max-error-rate` or `max-p95-ms`");
    }
    let Some(of_node) = reader.fields(node, &EXCEEDED) else { return limits };
    if of_node.is_empty() && of_node.is_right() {
        reader.wrong(node.place, "`exceeded-in` says nothing; it takes `windows`, `of` and `requests-at-least`");
    }
    let mut number = |key, most| of_node.get(key).and_then(|node| whole(reader, node, 1, most));
    limits.windows = number("windows", FixedLimits::WINDOWS_MAX).unwrap_or(limits.windows);
    limits.of = number("of", FixedLimits::WINDOWS_MAX).unwrap_or(limits.of);
    limits.requests_at_least = number("requests-at-least", REQUESTS_MAX).unwrap_or(limits.requests_at_least);
    if limits.windows > limits.of {
        let (windows, of) = (limits.windows, limits.of);
        reader.wrong(node.place, format!("a limit cannot be exceeded in {windows} of {of} windows; `windows` is at most `of`"));
    }
    limits
}
