//! When promotion may begin: windows of the week, each in a time zone.
//!
//! A window holds for what clocks on the wall there show, and for nothing else. So it needs no rule about the days on which clocks
//! are changed: an hour that is left out is in no window, and one that comes twice is in its windows twice.

use std::sync::LazyLock;

use jiff::civil::{Date, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::config::Window;

/// The minutes of a day, and so the end of a window that lasts until midnight.
pub const DAY_MINUTES: u16 = 24 * 60;

/// The next opening is looked for so far ahead: in two weeks every day of the week comes twice, so that a window which a change of
/// clocks leaves out once is found the next time.
const AHEAD_DAYS: i32 = 15;

/// The binary's own time zones.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The time zone of exactly this IANA name. None: there is none.
pub fn zone(name: &str) -> Option<TimeZone> {
    ZONES.get(name).ok().filter(|zone| zone.iana_name() == Some(name) && !zone.is_unknown())
}

/// The names of all time zones.
pub fn zones() -> impl Iterator<Item = String> {
    ZONES.available().map(|name| name.as_str().to_owned())
}

/// When the next of these windows opens. None: one is open now, or there are none, and so it is always open. A window is open from
/// the beginning of its first minute until the beginning of its last.
///
/// A window whose zone this binary does not know (the file was read by a newer one) is never open. Where all are such, it may be
/// asked again after 15 days; what waits has its own deadline.
pub fn opens(windows: &[Window], now: Timestamp) -> Option<Timestamp> {
    let known = |window| Some(Zoned { window, zone: zone(&window.zone)? });
    let zoned: Vec<Zoned<'_>> = windows.iter().filter_map(known).collect();
    if windows.is_empty() || zoned.iter().any(|window| window.holds_at(now)) {
        return None;
    }
    let end = now.saturating_add(SignedDuration::from_hours(i64::from(AHEAD_DAYS) * 24)).unwrap_or(Timestamp::MAX);
    Some(zoned.iter().filter_map(|window| window.opens_after(now)).min().unwrap_or(end))
}

/// A window with its time zone.
struct Zoned<'w> {
    window: &'w Window,
    zone: TimeZone,
}

impl Zoned<'_> {
    /// Whether it is open.
    fn holds_at(&self, at: Timestamp) -> bool {
        let wall = self.zone.to_datetime(at);
        let minute = wall.time().duration_since(Time::midnight()).as_mins();
        let (from, to) = (i64::from(self.window.from_minute), i64::from(self.window.to_minute));
        if from < to {
            return self.begins_on(wall.date()) && (from..to).contains(&minute);
        }
        let began_yesterday = || wall.date().yesterday().is_ok_and(|date| self.begins_on(date));
        minute >= from && self.begins_on(wall.date()) || minute < to && began_yesterday()
    }

    fn begins_on(&self, date: Date) -> bool {
        self.window.days.contains(&date.weekday().to_monday_one_offset().unsigned_abs())
    }

    /// The first moment after this one at which it opens. It can open where its first minute begins, and where clocks are changed.
    fn opens_after(&self, now: Timestamp) -> Option<Timestamp> {
        let today = self.zone.to_datetime(now).date();
        let dates = (0..=AHEAD_DAYS).filter_map(|days| today.checked_add(days.days()).ok());
        let begins = dates.filter(|date| self.begins_on(*date)).flat_map(|date| self.begins(date));
        let changes = self.zone.following(now).map(|change| change.timestamp());
        let changes = changes.take_while(|at| at.duration_since(now) <= SignedDuration::from_hours(i64::from(AHEAD_DAYS) * 24));
        begins.chain(changes).filter(|at| *at > now && self.holds_at(*at)).min()
    }

    /// When its first minute begins on a date: two moments where clocks show it twice. Where they leave it out, these are moments
    /// nearby, at which it may hold or not.
    fn begins(&self, date: Date) -> impl Iterator<Item = Timestamp> {
        let wall = date.to_datetime(Time::midnight()).checked_add(i64::from(self.window.from_minute).minutes());
        let both = wall.ok().map(|wall| self.zone.to_ambiguous_timestamp(wall));
        both.into_iter().flat_map(|both| [both.earlier(), both.later()]).flatten()
    }
}

#[cfg(test)]
mod tests;
