//! Texts of `agents` and `roles`: their rules once for the reading and once, as patterns, for the JSON Schema.

use std::collections::BTreeSet;

use super::keys::{HOSTS_MAX, LABELS_MAX, MODELS_MAX};
use crate::agent::inputs::VALUE_BYTES_MAX;
use crate::agent::{RoleName, Tool};
use crate::config::keys::{Text, listed, nearest};
use crate::config::parse::{Fields, Reader};
use crate::config::schema::GATE_NAME;
use crate::config::tree::{Node, Place, quoted};
use crate::config::values::{one_or_more, text, texts, wrong_path};
use crate::config::{Offering, Schedule};
use crate::ids::GateName;
use crate::model::ModelName;

/// The name of a role.
pub(super) static ROLE_NAME: Text = Text { pattern: || ROLE_NAME_PATTERN.to_owned(), bytes_max: 40 };

/// [`RoleName::RULE`] as a pattern.
pub(in crate::config) const ROLE_NAME_PATTERN: &str = "^[a-z0-9][a-z0-9-]{0,39}$";

/// A model.
pub(super) static MODEL: Text = Text { pattern: || "^[!-.0-~]+/[!-~]+$".to_owned(), bytes_max: 200 };

/// What an input is for.
pub(super) static DESCRIPTION: Text = Text { pattern: || ONE_LINE.to_owned(), bytes_max: DESCRIPTION_BYTES_MAX };

/// What an input may be. Which characters nobody sees the reading knows.
pub(super) static INPUT_VALUE: Text = Text { pattern: || ONE_LINE.to_owned(), bytes_max: VALUE_BYTES_MAX };

/// A text on one line that is not empty.
const ONE_LINE: &str = r"^(?=.*\S)[^\u0000-\u001f\u007f-\u009f]+$";

/// A sentence.
const DESCRIPTION_BYTES_MAX: usize = 200;

/// A label.
pub(super) static LABEL: Text =
    Text { pattern: || r"^(?=.*\S)[^\u0000-\u001f\u007f-\u009f,]+$".to_owned(), bytes_max: LABEL_BYTES_MAX };

/// A schedule. What can stand in each of its fields the reading knows.
pub(super) static SCHEDULE: Text = Text { pattern: || r"^\s*(\S+\s+){4}\S+\s*$".to_owned(), bytes_max: Schedule::BYTES_MAX };

/// The name of a program.
pub(super) static PROGRAM_NAME: Text = Text { pattern: || GATE_NAME.to_owned(), bytes_max: 60 };

/// The name of a provider.
pub(super) static KEY: Text = Text { pattern: || GATE_NAME.to_owned(), bytes_max: 60 };

/// A host.
pub(super) static HOST: Text =
    Text { pattern: || r"^(?!.*\.\.)[a-z0-9]([a-z0-9.-]*[a-z0-9])?$".to_owned(), bytes_max: HOST_BYTES_MAX };

/// The file of a prompt.
pub(super) static PROMPT: Text = Text {
    pattern: || r"^(?![/~]|\./)(?!(.*/)?\.\.?(/|$))(?!.*//)[^\u0000-\u001f\u007f-\u009f*?\[\]{}\\]+\.md$".to_owned(),
    bytes_max: PATH_BYTES_MAX,
};

/// Forges allow 50 characters (GitHub) or 255 (GitLab).
const LABEL_BYTES_MAX: usize = 255;

/// A name of the domain name system has no more.
const HOST_BYTES_MAX: usize = 253;

/// A path of the source may have so many bytes.
const PATH_BYTES_MAX: usize = 500;

/// Models, the first one to ask at the front.
pub(super) fn models(reader: &mut Reader, node: &Node) -> Vec<ModelName> {
    let mut models = Vec::new();
    for node in one_or_more(reader, node, "a model such as `anthropic/claude-sonnet-4-5`, or a list of them", MODELS_MAX) {
        let Some(name) = text(reader, node, "a model such as `anthropic/claude-sonnet-4-5`") else { continue };
        match name.parse::<ModelName>() {
            Ok(model) if models.contains(&model) => {
                reader.wrong(node.place, format!("the model {} is there twice", quoted(name)))
            }
            Ok(model) => models.push(model),
            Err(_) => reader.wrong(node.place, format!("{} is no model: {}", quoted(name), ModelName::RULE)),
        }
    }
    models
}

/// Labels.
pub(super) fn labels(reader: &mut Reader, node: &Node) -> Vec<String> {
    let mut labels = Vec::new();
    for node in one_or_more(reader, node, "a label, or a list of them", LABELS_MAX) {
        let Some(label) = text(reader, node, "a label") else { continue };
        if label.len() > LABEL_BYTES_MAX || label.chars().any(|c| c.is_control() || c == ',') {
            let rule = format!("at most {LABEL_BYTES_MAX} bytes without `,` and control characters");
            reader.wrong(node.place, format!("{} cannot be a label: {rule}", quoted(label)));
        } else {
            labels.push(label.to_owned());
        }
    }
    labels
}

/// Times that come again.
pub(super) fn schedule(reader: &mut Reader, node: &Node) -> Option<Schedule> {
    const EXPECTED: &str = "five fields in quotes (minute, hour, day of month, month, day of week; in UTC), such as `0 3 * * 1`";
    let written = text(reader, node, EXPECTED)?;
    match written.parse() {
        Ok(schedule) => Some(schedule),
        Err(cause) => {
            reader.wrong(node.place, format!("{} is no schedule: {cause}; it takes {EXPECTED}", quoted(written)));
            None
        }
    }
}

/// Hosts that may be reached.
pub(super) fn hosts(reader: &mut Reader, node: &Node) -> Vec<String> {
    const RULE: &str = "a host's name in small letters, such as `api.anthropic.com`, without scheme, port, path or wildcard";
    let mut hosts = Vec::new();
    for (host, place) in texts(reader, node, "a host such as `api.anthropic.com`", "a list of hosts such as `api.anthropic.com`")
    {
        if !is_host(&host) {
            reader.wrong(place, format!("{} cannot be reached: this takes {RULE}", quoted(&host)));
        }
        hosts.push(host);
    }
    few(reader, node, hosts.len());
    hosts
}

fn is_host(host: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let plain = |c: char| edge(c) || c == '-' || c == '.';
    host.len() <= HOST_BYTES_MAX
        && host.chars().all(plain)
        && host.starts_with(edge)
        && host.ends_with(edge)
        && !host.contains("..")
}

/// Providers of the server file.
pub(super) fn providers(reader: &mut Reader, node: &Node) -> Vec<String> {
    let mut providers = Vec::new();
    for (name, place) in texts(reader, node, "a provider of the server file", "a list of providers of the server file") {
        if name.parse::<GateName>().is_err() {
            reader.wrong(place, format!("{} cannot be a provider's name: {}", quoted(&name), GateName::RULE));
        }
        providers.push(name);
    }
    few(reader, node, providers.len());
    providers
}

/// The name of a program.
pub(super) fn program_name(reader: &mut Reader, node: &Node) -> Option<String> {
    let name = text(reader, node, "a name")?;
    if name.parse::<GateName>().is_err() {
        reader.wrong(node.place, format!("{} cannot be a program's name: {}", quoted(name), GateName::RULE));
        return None;
    }
    Some(name.to_owned())
}

fn few(reader: &mut Reader, node: &Node, count: usize) {
    if count > HOSTS_MAX {
        reader.wrong(node.place, format!("{count} entries; there may be {HOSTS_MAX}"));
    }
}

/// The file of a prompt.
pub(super) fn prompt(reader: &mut Reader, node: &Node) -> Option<String> {
    let path = text(reader, node, "the path of a Markdown file, such as `.gatewright/reviewer.md`")?;
    let cause = if path.len() > PATH_BYTES_MAX {
        Some(format!("it has {} bytes, and may have {PATH_BYTES_MAX}", path.len()))
    } else if path.contains(['*', '?', '[', ']', '{', '}', '\\']) {
        Some("a file is named without wildcards".to_owned())
    } else if path.contains("//") || path.split('/').any(|part| part == ".") {
        Some("leave `.` and double slashes away".to_owned())
    } else if !path.ends_with(".md") || path.ends_with("/.md") {
        Some("its name ends with `.md`".to_owned())
    } else {
        wrong_path(path)
    };
    match cause {
        None => Some(path.to_owned()),
        Some(cause) => {
            reader.wrong(node.place, format!("{} cannot be the path of a prompt: {cause}", quoted(path)));
            None
        }
    }
}

/// The name of a role.
pub(super) fn role_name(reader: &mut Reader, place: Place, name: &str) -> Option<RoleName> {
    let read = name.parse::<RoleName>().ok();
    if read.is_none() {
        reader.wrong(place, format!("{} cannot be a role's name: {}", quoted(name), RoleName::RULE));
    }
    read
}

/// What a role may use, each once.
pub(super) fn tools(reader: &mut Reader, node: &Node) -> Vec<Tool> {
    let all = Tool::ALL.map(|tool| (tool.as_str(), tool));
    words(reader, node, "tool", &all)
}

/// What may be handed over, each once.
pub(super) fn offerings(reader: &mut Reader, node: &Node) -> Vec<Offering> {
    let all = Offering::ALL.map(|offering| (offering.as_str(), offering));
    words(reader, node, "result", &all)
}

/// One of a few words, or a list of them, in the order of those that there are.
fn words<T: Copy + Ord>(reader: &mut Reader, node: &Node, what: &str, all: &[(&'static str, T)]) -> Vec<T> {
    let mut found = BTreeSet::new();
    let names = || all.iter().map(|(word, _)| *word);
    for (word, place) in texts(reader, node, &format!("a {what}"), &format!("a {what}, or a list of them")) {
        match all.iter().find(|(known, _)| *known == word) {
            Some((_, one)) => {
                if !found.insert(*one) {
                    reader.wrong(place, format!("the {what} `{word}` is there twice"));
                }
            }
            None => {
                let hint = match nearest(&word, names()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("there are {}", listed(names())),
                };
                reader.wrong(place, format!("unknown {what} {}; {hint}", quoted(&word)));
            }
        }
    }
    found.into_iter().collect()
}

/// A whole number of a key, or what it is where it is not written.
pub(super) fn whole_or(reader: &mut Reader, fields: &Fields<'_>, key: &str, most: u32, default: u32) -> u32 {
    fields.get(key).and_then(|node| crate::config::values::whole(reader, node, 1, most)).unwrap_or(default)
}
