//! `/gw freeze ENV [UNTIL] [REASON]`: keeps releases from an environment. `UNTIL` is a span such as `2h` or `3d`, a day, or a time in
//! UTC; without it the freeze lasts until `unfreeze`. Going back stays possible.

use gatewright_core::Timestamp;
use gatewright_core::command::CommandName;
use gatewright_core::order::Ordered;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, SpanRelativeTo};

use super::{Answer, Case, words, wrong_args};

/// A freeze ends after a year: what lasts longer is no freeze.
const FREEZE_MAX: SignedDuration = SignedDuration::from_hours(366 * 24);

pub(super) fn obey(case: &Case<'_>, args: &[String]) -> Answer {
    let Some((word, rest)) = args.split_first() else { return Err(wrong_args(CommandName::Freeze)) };
    let environment = case.environment(word)?;
    let until = match rest.first() {
        Some(word) => until(word, case.now)?,
        None => None,
    };
    let rest = if until.is_some() { &rest[1..] } else { rest };
    // A day, and then a time that would be lost in the reason.
    if let Some(time) = rest.first().filter(|word| until.is_some() && word.parse::<Time>().is_ok()) {
        return Err(format!("a time is written with its day as one word, like 2026-12-24T{time}."));
    }
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

/// `2h`, `2026-12-24`, `2026-12-24T18:00`. None for a word of the reason, which does not begin like one of these: a freeze whose end was mistyped
/// would last for ever.
fn until(word: &str, now: Timestamp) -> Result<Option<Timestamp>, String> {
    if let Some(at) = time(word, now) {
        return Ok(Some(at));
    }
    if word.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("the end of a freeze is written like 2h, 3d, 2026-12-24 or 2026-12-24T18:00 (UTC); a reason does not begin with a number.".to_owned());
    }
    Ok(None)
}

fn time(word: &str, now: Timestamp) -> Option<Timestamp> {
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
        let read = |word: &str| until(word, now).expect("it is none or a time").map(|at| at.to_string());
        assert_eq!(read("2h").as_deref(), Some("2026-11-21T14:00:00Z"));
        assert_eq!(read("3d").as_deref(), Some("2026-11-24T12:00:00Z"));
        assert_eq!(read("2026-12-24").as_deref(), Some("2026-12-24T00:00:00Z"));
        assert_eq!(read("2026-12-24T18:00").as_deref(), Some("2026-12-24T18:00:00Z"));
        assert_eq!(read("2026-12-24T18:00:00+01:00").as_deref(), Some("2026-12-24T17:00:00Z"));
        assert_eq!(read("holidays"), None);
        for mistyped in ["2026-12-32", "2hours-or-so", "24.12.2026", "18:00"] {
            assert!(until(mistyped, now).is_err(), "{mistyped}");
        }
    }
}
