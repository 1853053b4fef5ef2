//! Reads the values of the repository file's keys. What is not as it must be becomes a problem that says what was expected
//! and what was found.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Span, SpanRelativeTo};

use super::parse::Reader;
use super::tree::{Node, Place, Scalar, ScalarKind, Value, quoted};
use super::{GateEvent, Percent, keys};
use crate::command::{COMMANDS, CommandName, Who};
use crate::forge::Permission;
use crate::ids::GateName;
use crate::plan::glob;

/// A list may have so many entries.
pub(super) const LIST_MAX: usize = 100;

/// An environment may have so many variables.
pub(super) const ENV_MAX: usize = 200;

/// A gate's time limit may be so long: a day, the longest that a sandbox is kept.
pub(super) const TIMEOUT_SECS_MAX: u64 = 24 * 3600;

/// An image's name may have so many bytes; registries allow 255 for the repository and 128 for the tag.
pub(super) const IMAGE_BYTES_MAX: usize = 512;

/// Variables with this beginning are the service's own.
const RESERVED_PREFIX: &str = "GATEWRIGHT";

/// A text that is not empty.
pub(super) fn text<'n>(reader: &mut Reader, node: &'n Node, expected: &str) -> Option<&'n str> {
    match &node.value {
        Value::Scalar(Scalar { text, kind: ScalarKind::Text }) if !text.trim().is_empty() => Some(text),
        Value::Scalar(Scalar { kind: ScalarKind::Text, .. }) => {
            reader.wrong(node.place, format!("expected {expected}, found an empty text"));
            None
        }
        Value::Scalar(Scalar { kind: ScalarKind::Number, .. }) => {
            reader.wrong(node.place, format!("expected {expected}, found {node}; put it in quotes if it is meant so"));
            None
        }
        Value::Scalar(_) | Value::List(_) | Value::Mapping(_) => {
            reader.wrong(node.place, format!("expected {expected}, found {node}"));
            None
        }
    }
}

/// One text or a list of texts, each with its place.
pub(super) fn texts(reader: &mut Reader, node: &Node, expected: &str, expected_all: &str) -> Vec<(String, Place)> {
    let Value::List(nodes) = &node.value else {
        // Not `expected`: of a wrong type it is to be said that a list would do as well.
        return text(reader, node, expected_all).map(|text| (text.to_owned(), node.place)).into_iter().collect();
    };
    if nodes.is_empty() {
        reader.wrong(node.place, format!("expected {expected_all}, found an empty list"));
    }
    if let Some(beyond) = nodes.get(LIST_MAX) {
        reader.wrong(beyond.place, format!("{} entries; a list may have {LIST_MAX}", nodes.len()));
    }
    let read = |node: &std::rc::Rc<Node>| Some((text(reader, node, expected)?.to_owned(), node.place));
    nodes.iter().take(LIST_MAX).filter_map(read).collect()
}

/// One value or a list of values, of which there may be so many.
pub(super) fn one_or_more<'n>(reader: &mut Reader, node: &'n Node, expected: &str, most: usize) -> Vec<&'n Node> {
    let Value::List(nodes) = &node.value else { return vec![node] };
    if nodes.is_empty() {
        reader.wrong(node.place, format!("expected {expected}, found an empty list"));
    }
    if let Some(beyond) = nodes.get(most) {
        reader.wrong(beyond.place, format!("{} entries; there may be {most}", nodes.len()));
    }
    nodes.iter().take(most).map(std::rc::Rc::as_ref).collect()
}

/// A command. `true` and `false` are commands too, whatever YAML takes them for.
pub(super) fn command(reader: &mut Reader, node: &Node) -> Option<String> {
    if let Value::Scalar(Scalar { text, kind: ScalarKind::Bool(_) }) = &node.value {
        return Some(text.clone());
    }
    let command = text(reader, node, "a command")?;
    if command.contains('\0') {
        reader.wrong(node.place, "a command cannot hold the character NUL");
        return None;
    }
    Some(command.to_owned())
}

/// The name of an image.
pub(super) fn image(reader: &mut Reader, node: &Node) -> Option<String> {
    let image = text(reader, node, "the name of an image, such as `rust:1.95`")?;
    if let Some(cause) = wrong_image(image) {
        reader.wrong(node.place, format!("{} cannot be the name of an image: it {cause}", quoted(image)));
        return None;
    }
    Some(image.to_owned())
}

pub(super) fn wrong_image(image: &str) -> Option<&'static str> {
    if image.starts_with('-') {
        Some("begins with `-`")
    } else if image.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Some("holds white space or control characters")
    } else if image.len() > IMAGE_BYTES_MAX {
        Some("is too long")
    } else {
        None
    }
}

/// An environment. Values are taken as they are written.
pub(super) fn env(reader: &mut Reader, node: &Node) -> BTreeMap<String, String> {
    let Value::Mapping(entries) = &node.value else {
        reader.wrong(node.place, format!("expected a mapping of names to values, found {node}"));
        return BTreeMap::new();
    };
    if let Some(beyond) = entries.get(ENV_MAX) {
        reader.wrong(beyond.place, format!("{} variables; there may be {ENV_MAX}", entries.len()));
    }
    let mut env = BTreeMap::new();
    for entry in entries.iter().take(ENV_MAX) {
        if let Some(cause) = wrong_name(&entry.key) {
            reader.wrong(entry.place, format!("{} cannot be a variable's name: {cause}", quoted(&entry.key)));
        }
        if let Some(value) = env_value(reader, &entry.value) {
            env.insert(entry.key.clone(), value);
        }
    }
    env
}

pub(super) fn wrong_name(name: &str) -> Option<&'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(plain) {
        Some("letters, digits and `_`, not beginning with a digit")
    } else if name.starts_with(RESERVED_PREFIX) {
        Some("names that begin with `GATEWRIGHT` are reserved")
    } else {
        None
    }
}

pub(super) fn env_value(reader: &mut Reader, node: &Node) -> Option<String> {
    match &node.value {
        Value::Scalar(Scalar { text, .. }) if text.contains('\0') => {
            reader.wrong(node.place, "a variable's value cannot hold the character NUL");
            None
        }
        Value::Scalar(Scalar { text, kind: ScalarKind::Text | ScalarKind::Number | ScalarKind::Bool(_) }) => Some(text.clone()),
        Value::Scalar(Scalar { kind: ScalarKind::Null, .. }) => {
            reader.wrong(node.place, "expected a variable's value, found nothing; write `\"\"` for an empty one");
            None
        }
        Value::List(_) | Value::Mapping(_) => {
            reader.wrong(node.place, format!("expected a variable's value, found {node}"));
            None
        }
    }
}

/// The names of gates, as a key has them. Whether they exist is looked at once all are known.
pub(super) fn gates(reader: &mut Reader, node: &Node, key: &str) -> Vec<(GateName, Place)> {
    let mut gates: Vec<(GateName, Place)> = Vec::new();
    for (name, place) in texts(reader, node, "the name of a gate", "the name of a gate, or a list of them") {
        match name.parse::<GateName>() {
            Ok(name) if gates.iter().any(|(known, _)| *known == name) => {
                reader.wrong(place, format!("`{key}` names the gate `{name}` twice"));
            }
            Ok(name) => gates.push((name, place)),
            Err(_) => {
                reader.wrong(place, format!("{} cannot be a gate's name: {}", quoted(&name), GateName::RULE));
            }
        }
    }
    gates
}

/// Globs of paths, each perhaps with a `!` before it.
pub(super) fn path_globs(reader: &mut Reader, node: &Node) -> Vec<String> {
    let rule = |rule: &str| wrong_path(rule.strip_prefix('!').unwrap_or(rule));
    globs(reader, node, "a glob of paths", "a glob of paths, or a list of them", rule)
}

/// Globs of report files.
pub(super) fn report_globs(reader: &mut Reader, node: &Node) -> Vec<String> {
    globs(reader, node, "a path or glob of report files", "a path or glob of report files, or a list of them", wrong_path)
}

/// Globs of files that are not to be changed.
pub(super) fn protected_globs(reader: &mut Reader, node: &Node) -> Vec<String> {
    let rule = |rule: &str| match rule {
        rule if rule.starts_with('!') => Some("`!` is not possible here; name the files that are protected".to_owned()),
        rule => wrong_path(rule),
    };
    globs(reader, node, "a glob of files", "a glob of files, or a list of them", rule)
}

/// Folders of the workspace.
pub(super) fn folders(reader: &mut Reader, node: &Node) -> Vec<String> {
    globs(reader, node, "a folder", "a folder, or a list of them", wrong_folder)
}

/// Globs of branches.
pub(super) fn branch_globs(reader: &mut Reader, node: &Node) -> Vec<String> {
    let rule = |rule: &str| match rule {
        rule if rule.starts_with('!') => Some("`!` is not possible here; name the branches that are wanted".to_owned()),
        rule if rule.starts_with("refs/") => Some("write the branch without `refs/heads/`".to_owned()),
        rule => wrong_glob(rule),
    };
    globs(reader, node, "a glob of branches", "a glob of branches, or a list of them", rule)
}

/// Globs of tags.
pub(super) fn tag_globs(reader: &mut Reader, node: &Node) -> Vec<String> {
    let rule = |rule: &str| match rule {
        rule if rule.starts_with('!') => Some("`!` is not possible here; name the tags that are wanted".to_owned()),
        rule if rule.starts_with("refs/") => Some("write the tag without `refs/tags/`".to_owned()),
        rule => wrong_glob(rule),
    };
    globs(reader, node, "a glob of tags", "a glob of tags, or a list of them", rule)
}

fn globs(reader: &mut Reader, node: &Node, one: &str, all: &str, wrong: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut globs = Vec::new();
    for (glob, place) in texts(reader, node, one, all) {
        match wrong(&glob) {
            Some(cause) => reader.wrong(place, format!("{} cannot be {one}: {cause}", quoted(&glob))),
            None => globs.push(glob),
        }
    }
    globs
}

pub(super) fn wrong_path(rule: &str) -> Option<String> {
    if rule.is_empty() {
        Some("it is empty".to_owned())
    } else if rule.starts_with('/') || rule.starts_with('~') {
        Some("paths are relative to the root of the source".to_owned())
    } else if rule.split('/').any(|part| part == "..") {
        Some("`..` leads out of the source".to_owned())
    } else if rule.starts_with("./") {
        Some("leave the `./` away".to_owned())
    } else {
        wrong_glob(rule)
    }
}

fn wrong_folder(path: &str) -> Option<String> {
    if path.contains(['*', '?', '[', ']', '{', '}', '\\']) {
        Some("a folder is named without wildcards".to_owned())
    } else if path.ends_with('/') || path.contains("//") {
        Some("leave the `/` at its end away, and double ones".to_owned())
    } else if path.split('/').any(|part| part == ".") {
        Some("name a folder in the source, not the source itself".to_owned())
    } else {
        wrong_path(path)
    }
}

fn wrong_glob(rule: &str) -> Option<String> {
    if rule.chars().any(char::is_control) {
        return Some("it holds control characters".to_owned());
    }
    glob(rule).err().map(|error| error.kind().to_string())
}

/// The events of a gate.
pub(super) fn events(reader: &mut Reader, node: &Node) -> Vec<GateEvent> {
    let mut events = Vec::new();
    for (name, place) in texts(reader, node, "an event", "an event, or a list of them") {
        match GateEvent::ALL.iter().find(|event| event.as_str() == name) {
            Some(event) if events.contains(event) => reader.wrong(place, format!("the event `{name}` is there twice")),
            Some(event) => events.push(*event),
            None => {
                let names = || GateEvent::ALL.iter().map(|event| event.as_str());
                let hint = match keys::nearest(&name, names()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the events are {}", keys::listed(names())),
                };
                reader.wrong(place, format!("unknown event {}; {hint}", quoted(&name)));
            }
        }
    }
    events
}

/// The roles, as the file writes them.
pub(super) static ROLES: [(&str, Permission); 4] =
    [("read", Permission::Read), ("write", Permission::Write), ("maintain", Permission::Maintain), ("admin", Permission::Admin)];

/// The weakest role that a command can be given to. What runs foreign code, passes what did not pass, changes what users get, or spends
/// money is never for everybody.
pub(super) fn weakest_role(command: CommandName) -> Permission {
    match command {
        CommandName::Approve
        | CommandName::Skip
        | CommandName::Deploy
        | CommandName::Promote
        | CommandName::Pause
        | CommandName::Resume
        | CommandName::Rollback
        | CommandName::Freeze
        | CommandName::Unfreeze
        | CommandName::Fix
        | CommandName::Review
        | CommandName::Do => Permission::Write,
        CommandName::Help
        | CommandName::Status
        | CommandName::Explain
        | CommandName::Run
        | CommandName::Rerun
        | CommandName::Cancel
        | CommandName::Hold
        | CommandName::Unhold => Permission::Read,
    }
}

/// What to say of a command that there is not.
pub(super) fn unknown_command(word: &str) -> String {
    match CommandName::nearest(word) {
        Some(near) => format!("unknown command {}; did you mean `{near}`?", quoted(word)),
        None => {
            format!("unknown command {}; the commands are {}", quoted(word), keys::listed(COMMANDS.iter().map(|line| line.word)))
        }
    }
}

/// Those who may give a command.
pub(super) fn who(reader: &mut Reader, node: &Node, command: CommandName) -> Vec<Who> {
    let weakest = weakest_role(command);
    who_of(reader, node, weakest, &format!("`{command}`"))
}

/// Those to whom something is given, none of whom may be of a weaker role than this.
pub(super) fn who_of(reader: &mut Reader, node: &Node, weakest: Permission, what: &str) -> Vec<Who> {
    let mut who = Vec::new();
    for (name, place) in
        texts(reader, node, "a role, `@user` or `@org/team`", "a role, `@user` or `@org/team`, or a list of them")
    {
        match one_of(&name) {
            // On a public repository everybody may read.
            Some(Who::Role(role)) if role < weakest => {
                reader.wrong(place, format!("{what} cannot be given to `{name}`: on a public repository that is everybody"));
            }
            Some(one) => who.push(one),
            None => {
                let hint = match keys::nearest(&name, ROLES.iter().map(|(word, _)| *word)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => {
                        format!("the roles are {}; a user is written `@name`", keys::listed(ROLES.iter().map(|(word, _)| *word)))
                    }
                };
                reader.wrong(place, format!("unknown role {}; {hint}", quoted(&name)));
            }
        }
    }
    who
}

fn one_of(name: &str) -> Option<Who> {
    match ROLES.iter().find(|(word, _)| *word == name) {
        Some((_, role)) => Some(Who::Role(*role)),
        None => Who::named(name),
    }
}

/// True or false.
pub(super) fn flag(reader: &mut Reader, node: &Node) -> Option<bool> {
    match &node.value {
        Value::Scalar(Scalar { kind: ScalarKind::Bool(value), .. }) => Some(*value),
        Value::Scalar(_) | Value::List(_) | Value::Mapping(_) => {
            reader.wrong(node.place, format!("expected `true` or `false`, found {node}"));
            None
        }
    }
}

/// A time limit in whole seconds.
pub(super) fn span_secs(reader: &mut Reader, node: &Node) -> Option<u64> {
    span_within(reader, node, 1, TIMEOUT_SECS_MAX)
}

/// A span of time in whole seconds. A day has 24 hours.
pub(super) fn span_within(reader: &mut Reader, node: &Node, least: u64, most: u64) -> Option<u64> {
    const EXPECTED: &str = "a time such as `90s`, `10m` or `1h30m`, or a number of seconds";
    let written = match &node.value {
        Value::Scalar(Scalar { text, kind: ScalarKind::Text | ScalarKind::Number }) => text.trim(),
        Value::Scalar(_) | Value::List(_) | Value::Mapping(_) => {
            reader.wrong(node.place, format!("expected {EXPECTED}, found {node}"));
            return None;
        }
    };
    let Some(duration) = duration(written) else {
        reader.wrong(node.place, format!("expected {EXPECTED}, found {node}"));
        return None;
    };
    let secs =
        u64::try_from(duration.as_secs()).ok().filter(|secs| duration >= SignedDuration::ZERO && (least..=most).contains(secs));
    if duration.subsec_nanos() != 0 || secs.is_none() {
        let (least, most) = (shown_span(least), shown_span(most));
        reader.wrong(node.place, format!("{} is not possible: this takes whole seconds, {least} to {most}", quoted(written)));
        return None;
    }
    secs
}

fn duration(written: &str) -> Option<SignedDuration> {
    if let Ok(secs) = written.parse::<i64>() {
        return Some(SignedDuration::from_secs(secs));
    }
    let span = || written.parse::<Span>().ok()?.to_duration(SpanRelativeTo::days_are_24_hours()).ok();
    written.parse::<SignedDuration>().ok().or_else(span)
}

/// A span of time for people: `1 s`, `24 h`, `30 d`.
fn shown_span(secs: u64) -> String {
    match secs {
        secs if secs >= 2 * 86_400 && secs.is_multiple_of(86_400) => format!("{} d", secs / 86_400),
        secs if secs >= 3600 && secs.is_multiple_of(3600) => format!("{} h", secs / 3600),
        secs if secs >= 60 && secs.is_multiple_of(60) => format!("{} min", secs / 60),
        secs => format!("{secs} s"),
    }
}

/// One of a few words.
pub(super) fn word(reader: &mut Reader, node: &Node, words: &[&'static str]) -> Option<&'static str> {
    let found = words.iter().find(|word| is_word(node, word));
    if found.is_none() {
        let near = match &node.value {
            Value::Scalar(Scalar { text, .. }) => keys::nearest(text, words.iter().copied()),
            Value::List(_) | Value::Mapping(_) => None,
        };
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        reader.wrong(node.place, format!("expected one of {}, found {node}{hint}", keys::listed(words.iter().copied())));
    }
    found.copied()
}

/// Whether a value is this word.
pub(super) fn is_word(node: &Node, word: &str) -> bool {
    matches!(&node.value, Value::Scalar(Scalar { text, kind: ScalarKind::Text }) if text == word)
}

/// A whole number.
pub(super) fn whole(reader: &mut Reader, node: &Node, least: u32, most: u32) -> Option<u32> {
    let written = match &node.value {
        Value::Scalar(Scalar { text, kind: ScalarKind::Number }) => text.trim().parse::<u32>().ok(),
        Value::Scalar(_) | Value::List(_) | Value::Mapping(_) => None,
    };
    let within = written.filter(|number| (least..=most).contains(number));
    if within.is_none() {
        reader.wrong(node.place, format!("expected a whole number from {least} to {most}, found {node}"));
    }
    within
}

/// A part of a hundred.
pub(super) fn percent(reader: &mut Reader, node: &Node) -> Option<Percent> {
    const EXPECTED: &str = "a percentage: a number from 0 to 100 with at most two decimals, such as `80` or `87.5`";
    let written = match &node.value {
        Value::Scalar(Scalar { text, kind: ScalarKind::Number }) => decimal(text.trim(), 2),
        Value::Scalar(_) | Value::List(_) | Value::Mapping(_) => None,
    };
    let Some(hundredths) = written.filter(|hundredths| *hundredths <= 10_000) else {
        reader.wrong(node.place, format!("expected {EXPECTED}, found {node}"));
        return None;
    };
    Some(Percent { hundredths })
}

/// A number that is not negative, with at most so many decimals, without its point: 1.5 with two of them is 150.
pub(super) fn decimal(text: &str, decimals: usize) -> Option<u32> {
    let (whole, behind) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(behind) || behind.len() > decimals {
        return None;
    }
    format!("{whole}{behind:0<decimals$}").parse().ok()
}
