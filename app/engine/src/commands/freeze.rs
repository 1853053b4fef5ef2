//! `/gw freeze ENV [UNTIL] [REASON]`: keeps releases from an environment. `UNTIL` is a span such as `2h` or `3d`, a day, or a time in
//! UTC; without it the freeze lasts until `unfreeze`. Going back stays possible.

use gatewright_core::Timestamp;
use gatewright_core::command::CommandName;
use gatewright_core::order::Ordered;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, SpanRelativeTo};

use super::{Answer, Case, words, wrong_args};

/// A freeze ends after a year: what lasts longer is no freeze.
const FREEZE_MAX: SignedDuration = SignedDuration::from_hours(366 * 24);

pub(super) fn obey(case: &Case<'_>, args: &[String]) -> Answer {
    let Some((word, rest)) = args.split_first() else { return Err(wrong_args(CommandName::Freeze)) };
    let environment = case.environment(word)?;
    let until = rest.first().and_then(|word| until(word, case.now));
    let rest = if until.is_some() { &rest[1..] } else { rest };
    if let Some(until) = until {
        if until <= case.now {
            return Err("that time is over already.".to_owned());
        }
        if until.duration_since(case.now) > FREEZE_MAX {
            return Err("a freeze lasts a year at most.".to_owned());
        }
    }
    let reason = (!rest.is_empty()).then(|| words(rest));
    let means = match until {
        Some(until) => format!("{} frozen until {}", environment.name, until.strftime("%Y-%m-%d %H:%M UTC")),
        None => format!("{} frozen", environment.name),
    };
    case.change(environment, vec![case.ordered(Ordered::Freeze { until, reason })], means)
}

/// `2h`, `2026-12-24`, `2026-12-24T18:00`.
fn until(word: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(span) = word.parse::<jiff::Span>() {
        let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        return now.checked_add(duration).ok();
    }
    if let Ok(at) = word.parse::<Timestamp>() {
        return Some(at);
    }
    if let Ok(at) = word.parse::<DateTime>() {
        return at.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp());
    }
    word.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_freeze_is_a_span_a_day_or_a_time() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().expect("a time");
        let read = |word: &str| until(word, now).map(|at| at.to_string());
        assert_eq!(read("2h").as_deref(), Some("2026-11-21T14:00:00Z"));
        assert_eq!(read("3d").as_deref(), Some("2026-11-24T12:00:00Z"));
        assert_eq!(read("2026-12-24").as_deref(), Some("2026-12-24T00:00:00Z"));
        assert_eq!(read("2026-12-24T18:00").as_deref(), Some("2026-12-24T18:00:00Z"));
        assert_eq!(read("2026-12-24T18:00:00+01:00").as_deref(), Some("2026-12-24T17:00:00Z"));
        assert_eq!(read("holidays"), None);
    }
}
