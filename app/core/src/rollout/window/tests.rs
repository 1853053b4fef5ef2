use super::*;

fn at(moment: &str) -> Timestamp {
    moment.parse().expect("a moment")
}

fn window(days: &[u8], from: u16, to: u16, zone: &str) -> Window {
    Window { days: days.to_vec(), from_minute: from, to_minute: to, zone: zone.to_owned() }
}

/// When it opens, as clocks there show it.
fn told(windows: &[Window], now: &str) -> String {
    match opens(windows, at(now)) {
        None => "open".to_owned(),
        Some(moment) => moment.to_zoned(zone(&windows[0].zone).expect("a zone")).strftime("%a %F %H:%M %Z").to_string(),
    }
}

const WORKDAYS: [u8; 5] = [1, 2, 3, 4, 5];
const BERLIN: &str = "Europe/Berlin";

#[test]
fn without_windows_it_is_always_open() {
    assert_eq!(opens(&[], at("2026-11-21T12:00:00Z")), None);
}

#[test]
fn it_is_open_from_the_first_minute_until_the_beginning_of_the_last() {
    let office = [window(&WORKDAYS, 9 * 60, 16 * 60, BERLIN)];
    // A Friday; Berlin is an hour ahead of UTC.
    assert_eq!(told(&office, "2026-11-20T07:59:59.999Z"), "Fri 2026-11-20 09:00 CET");
    assert_eq!(told(&office, "2026-11-20T08:00:00Z"), "open");
    assert_eq!(told(&office, "2026-11-20T14:59:59.999Z"), "open");
    assert_eq!(told(&office, "2026-11-20T15:00:00Z"), "Mon 2026-11-23 09:00 CET");
}

#[test]
fn the_week_goes_round() {
    assert_eq!(told(&[window(&[1], 600, 660, "UTC")], "2026-11-23T11:00:00Z"), "Mon 2026-11-30 10:00 UTC");
    assert_eq!(told(&[window(&[7], 0, DAY_MINUTES, "UTC")], "2026-11-21T23:59:59Z"), "Sun 2026-11-22 00:00 UTC");
    assert_eq!(told(&[window(&[7], 0, DAY_MINUTES, "UTC")], "2026-11-22T23:59:59Z"), "open");
    assert_eq!(told(&[window(&[7], 0, DAY_MINUTES, "UTC")], "2026-11-23T00:00:00Z"), "Sun 2026-11-29 00:00 UTC");
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
    let night = [window(&[7], 22 * 60, 6 * 60, "UTC")];
    assert_eq!(told(&night, "2026-11-22T05:00:00Z"), "Sun 2026-11-22 22:00 UTC");
    assert_eq!(told(&night, "2026-11-22T22:00:00Z"), "open");
    assert_eq!(told(&night, "2026-11-23T05:59:59Z"), "open");
    assert_eq!(told(&night, "2026-11-23T06:00:00Z"), "Sun 2026-11-29 22:00 UTC");
}

#[test]
fn the_day_is_that_of_the_zone() {
    let auckland = [window(&[1], 0, 60, "Pacific/Auckland")];
    assert_eq!(told(&auckland, "2026-11-22T11:30:00Z"), "open");
    assert_eq!(told(&auckland, "2026-11-23T00:30:00Z"), "Mon 2026-11-30 00:00 NZDT");
}

#[test]
fn of_several_windows_the_first_to_open_counts() {
    let windows = [window(&[3], 600, 660, "UTC"), window(&[2], 600, 660, "America/New_York")];
    assert_eq!(told(&windows, "2026-11-23T12:00:00Z"), "Tue 2026-11-24 15:00 UTC");
}

#[test]
fn the_same_hour_of_the_day_holds_before_and_after_clocks_are_changed() {
    let morning = [window(&[6, 7], 9 * 60, 10 * 60, BERLIN)];
    assert_eq!(told(&morning, "2026-03-28T06:00:00Z"), "Sat 2026-03-28 09:00 CET");
    assert_eq!(told(&morning, "2026-03-28T12:00:00Z"), "Sun 2026-03-29 09:00 CEST");
    assert_eq!(opens(&morning, at("2026-03-28T12:00:00Z")), Some(at("2026-03-29T07:00:00Z")));
}

#[test]
fn what_lies_in_an_hour_that_is_left_out_opens_a_week_later() {
    let skipped = [window(&[7], 2 * 60 + 10, 2 * 60 + 50, BERLIN)];
    assert_eq!(told(&skipped, "2026-03-28T12:00:00Z"), "Sun 2026-04-05 02:10 CEST");
}

#[test]
fn a_window_that_begins_in_an_hour_that_is_left_out_opens_behind_it() {
    let partly = [window(&[7], 2 * 60 + 30, 3 * 60 + 15, BERLIN)];
    assert_eq!(told(&partly, "2026-03-28T12:00:00Z"), "Sun 2026-03-29 03:00 CEST");
    assert_eq!(opens(&partly, at("2026-03-29T01:00:00Z")), None);
    assert_eq!(told(&partly, "2026-03-29T01:15:00Z"), "Sun 2026-04-05 02:30 CEST");
}

#[test]
fn an_hour_that_comes_twice_is_in_its_window_twice() {
    let twice = [window(&[7], 2 * 60 + 30, 2 * 60 + 45, BERLIN)];
    assert_eq!(told(&twice, "2026-10-25T00:00:00Z"), "Sun 2026-10-25 02:30 CEST");
    assert_eq!(opens(&twice, at("2026-10-25T00:30:00Z")), None);
    assert_eq!(told(&twice, "2026-10-25T00:45:00Z"), "Sun 2026-10-25 02:30 CET");
    assert_eq!(opens(&twice, at("2026-10-25T01:44:59Z")), None);
    assert_eq!(told(&twice, "2026-10-25T01:45:00Z"), "Sun 2026-11-01 02:30 CET");
}

#[test]
fn clocks_that_are_put_back_into_a_window_open_it_again() {
    let into = [window(&[7], 60 + 30, 2 * 60 + 30, BERLIN)];
    assert_eq!(opens(&into, at("2026-10-25T00:29:59Z")), None);
    assert_eq!(opens(&into, at("2026-10-25T00:30:00Z")), Some(at("2026-10-25T01:00:00Z")));
    assert_eq!(opens(&into, at("2026-10-25T01:29:59Z")), None);
    assert_eq!(told(&into, "2026-10-25T01:30:00Z"), "Sun 2026-11-01 01:30 CET");
}

#[test]
fn a_midnight_that_is_left_out_opens_at_the_first_hour_there_is() {
    // In Cairo the clocks go from 24:00 to 1:00 on the last Friday of April.
    let day = [window(&[5], 0, DAY_MINUTES, "Africa/Cairo")];
    assert_eq!(told(&day, "2026-04-23T12:00:00Z"), "Fri 2026-04-24 01:00 EEST");
}

#[test]
fn a_zone_that_nobody_knows_is_never_open() {
    let odd = [window(&[1, 2, 3, 4, 5, 6, 7], 0, DAY_MINUTES, "Mars/Olympus")];
    assert_eq!(opens(&odd, at("2026-11-21T12:00:00Z")), Some(at("2026-12-06T12:00:00Z")));
}

#[test]
fn zones_have_one_way_to_be_written() {
    for name in ["UTC", BERLIN, "America/Argentina/Buenos_Aires", "Asia/Kolkata"] {
        assert!(zone(name).is_some(), "{name}");
    }
    for name in ["", "europe/berlin", "CEST", "+02:00", "Etc/Unknown", "../../etc/passwd"] {
        assert!(zone(name).is_none(), "{name}");
    }
    assert!(zones().any(|name| name == BERLIN));
}

/// What [`opens`] says, found by looking at every minute.
fn found_by_looking(windows: &[Window], now: Timestamp) -> Option<Timestamp> {
    let open =
        |at: Timestamp| windows.iter().any(|window| Zoned { window, zone: zone(&window.zone).expect("a zone") }.holds_at(at));
    if open(now) {
        return None;
    }
    let minutes = (1..16 * 24 * 60).map(|minutes| now + SignedDuration::from_mins(minutes));
    minutes.into_iter().find(|at| open(*at))
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    #[test]
    fn the_next_opening_is_the_first_minute_that_is_open(
        // Around both changes of clocks in Berlin, New York and Lord Howe (half an hour) of 2026.
        day in proptest::sample::select(vec!["2026-03-05", "2026-03-26", "2026-04-02", "2026-10-01", "2026-10-22", "2026-10-29"]),
        minute in 0..4320_i64,
        days in proptest::sample::subsequence(vec![1, 2, 3, 4, 5, 6, 7_u8], 1..=3),
        from in 0..DAY_MINUTES,
        to in 0..=DAY_MINUTES,
        name in proptest::sample::select(vec![BERLIN, "America/New_York", "Australia/Lord_Howe", "UTC"]),
    ) {
        let now = at(&format!("{day}T00:00:00Z")) + SignedDuration::from_mins(minute);
        let windows = [window(&days, from, to, name)];
        proptest::prop_assert_eq!(opens(&windows, now), found_by_looking(&windows, now));
    }
}
