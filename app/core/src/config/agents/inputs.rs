//! Reads `inputs`: what whoever starts a pipeline may give it.

use super::keys::{INPUT, INPUTS_MAX, OPTIONS_MAX};
use crate::agent::inputs::wrong_value;
use crate::config::keys::listed;
use crate::config::parse::{Fields, Reader};
use crate::config::tree::{Node, Place, Value, quoted};
use crate::config::values::{one_or_more, text};
use crate::config::{PipelineInput, Triggers};
use crate::ids::InputName;

/// What an input's value has to be.
const EXPECTED: &str = "a text on one line";

pub(super) fn inputs(reader: &mut Reader, fields: &Fields<'_>, on: &Triggers) -> Vec<PipelineInput> {
    let Some(node) = fields.get("inputs") else { return Vec::new() };
    let Value::Mapping(entries) = &node.value else {
        reader.wrong(node.place, format!("expected a mapping of inputs by their names, found {node}"));
        return Vec::new();
    };
    if let Some(beyond) = entries.get(INPUTS_MAX) {
        reader.wrong(beyond.place, format!("{} inputs; a pipeline may have {INPUTS_MAX}", entries.len()));
    }
    let mut read = Vec::new();
    for entry in entries.iter().take(INPUTS_MAX) {
        match entry.key.parse::<InputName>() {
            Ok(name) => read.extend(input(reader, name, entry.place, &entry.value, on)),
            Err(_) => {
                let message = format!("{} cannot be an input's name: {}", quoted(&entry.key), InputName::RULE);
                reader.wrong(entry.place, message);
            }
        }
    }
    read
}

fn input(reader: &mut Reader, name: InputName, place: Place, node: &Node, on: &Triggers) -> Option<PipelineInput> {
    let fields = reader.fields(node, &INPUT)?;
    let options = fields.get("options").map(|node| options(reader, node)).unwrap_or_default();
    let default = fields.get("default").and_then(|node| Some((of_text(reader, node)?, node.place)));
    if let Some((default, place)) = default.as_ref().filter(|(default, _)| !options.is_empty() && !options.contains(default)) {
        let all = listed(options.iter().map(String::as_str));
        reader.wrong(*place, format!("the default {} is none of the `options`: {all}", quoted(default)));
    }
    if let (false, Some(starter)) = (fields.has("default"), without_words(on)) {
        let rule = format!("the input `{name}` has no `default`, and {starter} gives none; write one");
        reader.wrong(place, rule);
    }
    let description = fields.get("description").and_then(|node| of_text(reader, node));
    Some(PipelineInput { name, description, default: default.map(|(default, _)| default), options })
}

/// What starts the pipeline and has no words to give an input by.
fn without_words(on: &Triggers) -> Option<&'static str> {
    if !on.failed.is_empty() {
        Some("a gate that fails")
    } else if !on.labels.is_empty() {
        Some("a label")
    } else if on.issue_opened {
        Some("an issue that is opened")
    } else {
        on.schedule.as_ref().map(|_| "a schedule")
    }
}

fn options(reader: &mut Reader, node: &Node) -> Vec<String> {
    let mut options: Vec<String> = Vec::new();
    for node in one_or_more(reader, node, EXPECTED, OPTIONS_MAX) {
        let Some(option) = of_text(reader, node) else { continue };
        if options.contains(&option) {
            reader.wrong(node.place, format!("{} is there twice", quoted(&option)));
        }
        options.push(option);
    }
    options
}

fn of_text(reader: &mut Reader, node: &Node) -> Option<String> {
    let text = text(reader, node, EXPECTED)?;
    if let Some(cause) = wrong_value(text) {
        reader.wrong(node.place, format!("{} cannot stand here: {cause}", quoted(text)));
        return None;
    }
    Some(text.to_owned())
}
