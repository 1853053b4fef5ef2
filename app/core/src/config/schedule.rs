//! Times that come again: minute, hour, day of month, month and day of week, in UTC, as cron has them.

use std::fmt;
use std::str::FromStr;

use cronexpr::{Crontab, FallbackTimezoneOption, MakeTimestamp, ParseOptions, parse_crontab_with};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Times that come again. Where neither the day of the month nor that of the week begins with `*`, either is enough, as in every cron.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Schedule(String);

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSchedule {
    /// It has another number of fields.
    #[error("the number of its fields is {0}, not 5")]
    Fields(usize),
    /// One of them is not what it can be.
    #[error("{0}")]
    Field(String),
    /// No day is like that, such as the 30th of February.
    #[error("that never comes")]
    Never,
}

impl Schedule {
    /// It may have so many bytes.
    pub const BYTES_MAX: usize = 200;

    /// The fields, in their order.
    const FIELDS: usize = 5;

    /// The library looks for so long ahead. Days that come less often (a 29th of February that is a Monday) are found in several steps.
    const STEP: SignedDuration = SignedDuration::from_hours(4 * 365 * 24);

    /// 28 years hold every day of every month on every day of the week, but for a year without a leap day in between, so twice that
    /// is enough.
    const STEPS_MAX: usize = 14;

    /// What would be later is not looked for: the calendar ends with the year 9999.
    const LAST_SECOND: i64 = 250_000_000_000;

    /// The first time after this one. None where the calendar ends before.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        next(&self.crontab().ok()?, after)
    }

    /// As it is written, with one space between its fields.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn crontab(&self) -> Result<Crontab, NoSchedule> {
        let mut options = ParseOptions::default();
        options.fallback_timezone_option = FallbackTimezoneOption::UTC;
        parse_crontab_with(&self.0, options).map_err(|error| {
            // In front of the cause the library repeats what it was given, over two lines.
            let said = error.to_string();
            let cause = said.rsplit_once("^ ").map_or(said.as_str(), |(_, cause)| cause);
            NoSchedule::Field(cause.to_owned())
        })
    }
}

fn next(crontab: &Crontab, after: Timestamp) -> Option<Timestamp> {
    let mut from = after;
    for _ in 0..Schedule::STEPS_MAX {
        if from.as_second() > Schedule::LAST_SECOND {
            return None;
        }
        if let Ok(found) = crontab.find_next(MakeTimestamp(from)) {
            return Some(found.timestamp());
        }
        from = from.checked_add(Schedule::STEP).ok()?;
    }
    None
}

impl FromStr for Schedule {
    type Err = NoSchedule;
    fn from_str(s: &str) -> Result<Self, NoSchedule> {
        let fields: Vec<&str> = s.split_ascii_whitespace().collect();
        if fields.len() != Self::FIELDS {
            return Err(NoSchedule::Fields(fields.len()));
        }
        if !s.is_ascii() || s.len() > Self::BYTES_MAX {
            return Err(NoSchedule::Field(format!("it takes digits, names, `*`, `,`, `-` and `/`, {} at most", Self::BYTES_MAX)));
        }
        let schedule = Schedule(fields.join(" "));
        let crontab = schedule.crontab()?;
        match next(&crontab, Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(schedule),
            None => Err(NoSchedule::Never),
        }
    }
}

impl TryFrom<String> for Schedule {
    type Error = NoSchedule;
    fn try_from(s: String) -> Result<Self, NoSchedule> {
        s.parse()
    }
}

impl From<Schedule> for String {
    fn from(schedule: Schedule) -> String {
        schedule.0
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(schedule: &str, after: &str) -> Vec<String> {
        let schedule: Schedule = schedule.parse().expect("a schedule");
        let after: Timestamp = after.parse().expect("a time");
        let times = std::iter::successors(schedule.next(after), |after| schedule.next(*after));
        times.take(3).map(|time| time.to_string()).collect()
    }

    #[test]
    fn times_are_found_one_after_the_other_in_utc() {
        let weekly = times("0 3 * * 1", "2026-11-21T12:00:00Z");
        assert_eq!(weekly, ["2026-11-23T03:00:00Z", "2026-11-30T03:00:00Z", "2026-12-07T03:00:00Z"]);
        let often = times("*/20 8-9 * * MON-FRI", "2026-11-20T09:20:00Z");
        assert_eq!(often, ["2026-11-20T09:40:00Z", "2026-11-23T08:00:00Z", "2026-11-23T08:20:00Z"]);
    }

    #[test]
    fn the_time_itself_is_not_after_it() {
        assert_eq!(times("0 3 * * *", "2026-11-21T03:00:00Z")[0], "2026-11-22T03:00:00Z");
        assert_eq!(times("0 3 * * *", "2026-11-21T02:59:59.999Z")[0], "2026-11-21T03:00:00Z");
    }

    #[test]
    fn days_that_come_seldom_are_found() {
        assert_eq!(times("0 0 29 2 *", "2096-03-01T00:00:00Z")[0], "2104-02-29T00:00:00Z");
        assert_eq!(times("0 0 29 2 */7", "2032-03-01T00:00:00Z")[0], "2060-02-29T00:00:00Z", "a Sunday");
    }

    #[test]
    fn what_is_no_schedule_says_why() {
        let told = |written: &str| written.parse::<Schedule>().expect_err("no schedule").to_string();
        assert_eq!(told(""), "the number of its fields is 0, not 5");
        assert_eq!(told("0 0 3 * * 1"), "the number of its fields is 6, not 5");
        assert_eq!(told("61 3 * * 1"), "value must be in range 0..=59; found 61");
        assert_eq!(told("0 0 30 2 *"), "that never comes");
        assert_eq!(told("@daily * * * *"), "malformed expression");
    }

    #[test]
    fn the_end_of_the_calendar_is_no_panic() {
        let schedule: Schedule = "0 3 * * 1".parse().expect("a schedule");
        assert_eq!(schedule.next(Timestamp::MAX), None);
        assert!(schedule.next(Timestamp::MIN).is_some());
    }
}
