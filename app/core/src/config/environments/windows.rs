//! Reads `windows`.

use super::keys::{WINDOW, WINDOWS_MAX};
use super::values::{DAYS, minute, zone};
use crate::config::Window;
use crate::config::keys::{listed, nearest};
use crate::config::parse::Reader;
use crate::config::tree::{Node, quoted};
use crate::config::values::{one_or_more, texts};
use crate::rollout::window::DAY_MINUTES;

pub(super) fn windows(reader: &mut Reader, node: &Node) -> Vec<Window> {
    let all = one_or_more(reader, node, "a window with `days`, `from`, `to` and `zone`, or a list of them", WINDOWS_MAX);
    all.into_iter().filter_map(|node| window(reader, node)).collect()
}

fn window(reader: &mut Reader, node: &Node) -> Option<Window> {
    let fields = reader.fields(node, &WINDOW)?;
    if fields.is_empty() && fields.is_right() {
        reader.wrong(node.place, "a window without anything is always open; write `days`, or `from` and `to`");
    }
    let from = fields.get("from").and_then(|node| minute(reader, node, DAY_MINUTES - 1));
    let to = fields.get("to").and_then(|node| minute(reader, node, DAY_MINUTES));
    if let (Some(from), Some(to), Some(node)) = (from, to, fields.get("to"))
        && from == to
    {
        reader.wrong(node.place, "a window that closes when it opens is never open; for a whole day leave both away");
    }
    Some(Window {
        days: fields.get("days").map_or_else(|| (1..=7).collect(), |node| days(reader, node)),
        from_minute: from.unwrap_or(0),
        to_minute: to.unwrap_or(DAY_MINUTES),
        zone: fields.get("zone").and_then(|node| zone(reader, node)).unwrap_or_else(|| "UTC".to_owned()),
    })
}

/// Days and ranges of them, Monday = 1, each once and in the order of the week.
fn days(reader: &mut Reader, node: &Node) -> Vec<u8> {
    let mut days = Vec::new();
    let expected = "a day such as `mon`, a range such as `mon-fri`";
    for (written, place) in texts(reader, node, expected, &format!("{expected}, or a list of them")) {
        let (first, last) = written.split_once('-').unwrap_or((&written, &written));
        match (day(first), day(last)) {
            (Some(first), Some(last)) => days.extend(range(first, last)),
            (None, _) => reader.wrong(place, unknown_day(first)),
            (_, None) => reader.wrong(place, unknown_day(last)),
        }
    }
    days.sort_unstable();
    days.dedup();
    days
}

fn day(name: &str) -> Option<u8> {
    (1..).zip(DAYS).find(|(_, day)| *day == name).map(|(number, _)| number)
}

/// From one day to another, over the end of the week where that is the way.
fn range(first: u8, last: u8) -> impl Iterator<Item = u8> {
    let length = (last + 7 - first) % 7;
    (0..=length).map(move |n| (first - 1 + n) % 7 + 1)
}

fn unknown_day(name: &str) -> String {
    let hint = match nearest(name, DAYS.into_iter()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the days are {}", listed(DAYS.into_iter())),
    };
    format!("unknown day {}; {hint}", quoted(name))
}
