//! Texts of `releases` and `environments`: their rules once for the reading and once, as patterns, for the JSON Schema.

use crate::config::keys::{self, Text};
use crate::config::parse::Reader;
use crate::config::schema::GATE_NAME;
use crate::config::tree::{Node, Place, Scalar, ScalarKind, Value, quoted};
use crate::config::values::{IMAGE_BYTES_MAX, decimal as scaled, env_value, text, wrong_image};
use crate::ids::GateName;
use crate::rollout::fill::{self, Filling, TemplateError};
use crate::rollout::window::{self, DAY_MINUTES};

/// Where templates may stand: whole `{{ name }}`, and no other `{{`.
const FILLED_IN: &str = r"\{\{\s*(version|tag|commit|environment)\s*\}\}";

/// A name of a service or hook.
pub(super) static NAME: Text = Text { pattern: || GATE_NAME.to_owned(), bytes_max: 60 };

/// The name of a secret.
pub(super) static SECRET: Text = Text { pattern: || GATE_NAME.to_owned(), bytes_max: 60 };

/// A text with templates.
pub(super) static TEMPLATE: Text =
    Text { pattern: || format!(r"^([^\u0000{{]|\{{(?!\{{)|{FILLED_IN})*$"), bytes_max: TEXT_BYTES_MAX };

/// The image of an instance.
pub(super) static TEMPLATED_IMAGE: Text = Text {
    pattern: || format!(r"^(?!-)([^\s\u0000-\u001f\u007f-\u009f{{]|\{{(?!\{{)|{FILLED_IN})+$"),
    bytes_max: IMAGE_BYTES_MAX,
};

/// Where people find an environment.
pub(super) static URL: Text = Text {
    pattern: || format!(r"^https?://([^\s\u0000-\u001f\u007f-\u009f{{]|\{{(?!\{{)|{FILLED_IN})+$"),
    bytes_max: URL_BYTES_MAX,
};

/// A path that is asked for.
pub(super) static PATH_OF_HEALTH: Text = Text { pattern: || r"^/[!-~]*$".to_owned(), bytes_max: URL_BYTES_MAX };

/// A header or cookie.
pub(super) static PIN: Text = Text { pattern: || "^[A-Za-z][A-Za-z0-9_-]{0,59}$".to_owned(), bytes_max: 60 };

/// A time of the day.
pub(super) static TIME: Text = Text { pattern: || "^([01]?[0-9]|2[0-3]):[0-5][0-9]$".to_owned(), bytes_max: 5 };

/// A time of the day, or its end.
pub(super) static TIME_OF_END: Text = Text { pattern: || "^(([01]?[0-9]|2[0-3]):[0-5][0-9]|24:00)$".to_owned(), bytes_max: 5 };

/// A time zone. Which there are the reading knows.
pub(super) static ZONE: Text = Text { pattern: || "^[A-Za-z0-9/_+-]+$".to_owned(), bytes_max: 60 };

/// A value of an instance's environment, or a word of its command, may have so many bytes. A kernel takes 128 KiB.
const TEXT_BYTES_MAX: usize = 32 * 1024;

/// What is part of an address may have so many bytes.
const URL_BYTES_MAX: usize = 2000;

/// The days of the week, from Monday.
pub(super) const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A day, or a range of days, as a pattern.
pub(in crate::config) const DAYS_PATTERN: &str = "^(mon|tue|wed|thu|fri|sat|sun)(-(mon|tue|wed|thu|fri|sat|sun))?$";

/// The name of a service, hook or secret.
pub(super) fn name(reader: &mut Reader, node: &Node, what: &str) -> Option<GateName> {
    let name = text(reader, node, &format!("the name of {what}"))?;
    let read = name.parse::<GateName>().ok();
    if read.is_none() {
        reader.wrong(node.place, format!("{} cannot be the name of {what}: {}", quoted(name), GateName::RULE));
    }
    read
}

/// A text, a number or a boolean as it is written, with templates.
pub(super) fn templated(reader: &mut Reader, node: &Node) -> Option<String> {
    let text = env_value(reader, node)?;
    let right = is_template(reader, node.place, &text) && is_short(reader, node.place, &text, TEXT_BYTES_MAX);
    right.then_some(text)
}

/// Whether a text can be filled in.
fn is_template(reader: &mut Reader, place: Place, text: &str) -> bool {
    let message = match fill::check(text) {
        Ok(()) => return true,
        Err(TemplateError::Open) => "`{{` has no `}}` behind it; it begins what is filled in, such as `{{ version }}`".to_owned(),
        Err(TemplateError::Unknown(name)) => match keys::nearest(&name, fill::NAMES.into_iter()) {
            Some(near) => format!("unknown name {} between `{{{{` and `}}}}`; did you mean `{near}`?", quoted(&name)),
            None => {
                let known = keys::listed(fill::NAMES.into_iter());
                format!("unknown name {} between `{{{{` and `}}}}`; there are {known}", quoted(&name))
            }
        },
    };
    reader.wrong(place, message);
    false
}

fn is_short(reader: &mut Reader, place: Place, text: &str, bytes_max: usize) -> bool {
    let short = text.len() <= bytes_max;
    if !short {
        reader.wrong(place, format!("a text of {} bytes; it may have {bytes_max}", text.len()));
    }
    short
}

/// What a text with templates is like once it is filled in, for rules about the whole of it.
fn sample(text: &str) -> String {
    fill::fill_text(text, &Filling { version: "1", tag: "1", commit: "1", environment: "1" })
}

/// The image of an instance.
pub(super) fn image(reader: &mut Reader, node: &Node) -> Option<String> {
    let image = text(reader, node, "the name of an image, such as `ghcr.io/acme/shop:{{ version }}`")?;
    if !is_template(reader, node.place, image) || !is_short(reader, node.place, image, IMAGE_BYTES_MAX) {
        return None;
    }
    if let Some(cause) = wrong_image(&sample(image)) {
        reader.wrong(node.place, format!("{} cannot be the name of an image: it {cause}", quoted(image)));
        return None;
    }
    Some(image.to_owned())
}

/// Where people find an environment.
pub(super) fn url(reader: &mut Reader, node: &Node) -> Option<String> {
    let url = text(reader, node, "an address, such as `https://shop.example.com`")?;
    if !is_template(reader, node.place, url) || !is_short(reader, node.place, url, URL_BYTES_MAX) {
        return None;
    }
    let filled = sample(url);
    let behind = filled.strip_prefix("https://").or(filled.strip_prefix("http://"));
    if behind.is_some_and(|host| !host.is_empty() && !host.chars().any(|c| c.is_whitespace() || c.is_control())) {
        return Some(url.to_owned());
    }
    reader.wrong(node.place, format!("{} is no address; write it with `https://` and without white space", quoted(url)));
    None
}

/// A path that is asked for.
pub(super) fn path_of_health(reader: &mut Reader, node: &Node) -> Option<String> {
    let path = text(reader, node, "a path, such as `/healthz`")?;
    if !is_short(reader, node.place, path, URL_BYTES_MAX) {
        return None;
    }
    if path.starts_with('/') && path.chars().all(|c| c.is_ascii_graphic()) {
        return Some(path.to_owned());
    }
    reader.wrong(node.place, format!("{} is no path; it begins with `/` and holds no white space", quoted(path)));
    None
}

/// The name of a header or cookie. Only what can stand in a router's configuration as it is.
pub(super) fn pin(reader: &mut Reader, node: &Node, what: &str) -> Option<String> {
    let name = text(reader, node, &format!("the name of {what}"))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.len() <= 60 && name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(plain) {
        return Some(name.to_owned());
    }
    let rule = "1 to 60 letters, digits, `-` or `_`, beginning with a letter";
    reader.wrong(node.place, format!("{} cannot be the name of {what}: {rule}", quoted(name)));
    None
}

/// A time of the day, in minutes from midnight.
pub(super) fn minute(reader: &mut Reader, node: &Node, latest: u16) -> Option<u16> {
    let example = if latest == DAY_MINUTES { "`16:00` or `24:00`" } else { "`09:00`" };
    let expected = format!("a time of the day in quotes, such as {example}");
    let written = text(reader, node, &expected)?;
    let minute = minute_of(written).filter(|minute| *minute <= latest);
    if minute.is_none() {
        reader.wrong(node.place, format!("expected {expected}, found {node}"));
    }
    minute
}

fn minute_of(written: &str) -> Option<u16> {
    let (hour, minute) = written.split_once(':')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !(1..=2).contains(&hour.len()) || minute.len() != 2 || !digits(hour) || !digits(minute) {
        return None;
    }
    let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
    (hour <= 24 && minute < 60).then_some(hour * 60 + minute)
}

/// A time zone.
pub(super) fn zone(reader: &mut Reader, node: &Node) -> Option<String> {
    let name = text(reader, node, "the name of a time zone, such as `Europe/Berlin`")?;
    if window::zone(name).is_some() {
        return Some(name.to_owned());
    }
    // All names are looked at for the nearest one, which is not worth it once more problems are known than are named.
    if reader.is_full() {
        return None;
    }
    let zones: Vec<String> = window::zones().filter(|name| window::zone(name).is_some()).collect();
    let hint = match keys::nearest(name, zones.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "write it as the IANA database has it: `Europe/Berlin`, `UTC`".to_owned(),
    };
    reader.wrong(node.place, format!("unknown time zone {}; {hint}", quoted(name)));
    None
}

/// A number with decimals, times a thousand or so.
pub(super) fn decimal(
    reader: &mut Reader,
    node: &Node,
    decimals: usize,
    (least, most): (u32, u32),
    expected: &str,
) -> Option<u32> {
    let written = match &node.value {
        Value::Scalar(Scalar { text, kind: ScalarKind::Number }) => scaled(text.trim(), decimals),
        Value::Scalar(_) | Value::List(_) | Value::Mapping(_) => None,
    };
    let within = written.filter(|number| (least..=most).contains(number));
    if within.is_none() {
        reader.wrong(node.place, format!("expected {expected}, found {node}"));
    }
    within
}
