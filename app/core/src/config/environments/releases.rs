//! Reads `releases`.

use super::keys::{NOTES, ON, RELEASES, SIGNED};
use crate::config::keys::{listed, nearest};
use crate::config::parse::{Fields, Reader};
use crate::config::tree::{Node, Value, quoted};
use crate::config::values::{gates, report_globs, tag_globs, text, word, wrong_path};
use crate::config::{Notes, Releases, Signed};
use crate::ids::GateName;

/// Reads what a file says of releases, and looks whether the gates that they ask for are there.
pub(in crate::config) fn releases(reader: &mut Reader, of_file: &Fields<'_>) -> Option<Releases> {
    let node = of_file.get("releases")?;
    let fields = reader.fields(node, &RELEASES)?;
    reader.lacks(node.place, &fields, "on", "`releases` has no `on`; it needs tags, such as `on: { tag: \"v*\" }`");
    let notes = fields.get("notes").and_then(|node| word(reader, node, NOTES));
    let notes = if notes == Some("none") { Notes::None } else { Notes::Conventional };
    let changelog = fields.get("changelog").and_then(|node| changelog(reader, node));
    if let (Notes::None, Some(node)) = (notes, fields.get("changelog")) {
        reader.wrong(node.place, "`changelog` is for notes, and there are none with `notes: none`; write one of them");
    }
    Some(Releases {
        tags: fields.get("on").map(|node| tags(reader, node)).unwrap_or_default(),
        require: fields.get("require").map(|node| required(reader, node, of_file)).unwrap_or_default(),
        notes,
        signed: fields.get("signed").map(|node| signed(reader, node)).unwrap_or_default(),
        artefacts: fields.get("artefacts").map(|node| artefacts(reader, node, of_file)).unwrap_or_default(),
        changelog,
        line: node.place.line,
    })
}

fn tags(reader: &mut Reader, node: &Node) -> Vec<String> {
    let Some(fields) = reader.fields(node, &ON) else { return Vec::new() };
    reader.lacks(node.place, &fields, "tag", "`on` has no `tag`; it needs a glob of tags, such as `tag: \"v*\"`");
    fields.get("tag").map(|node| tag_globs(reader, node)).unwrap_or_default()
}

fn required(reader: &mut Reader, node: &Node, of_file: &Fields<'_>) -> Vec<GateName> {
    let required = gates(reader, node, "require");
    if let Some(Value::Mapping(entries)) = of_file.get("gates").map(|node| &node.value) {
        let names = || entries.iter().map(|entry| entry.key.as_str());
        for (name, place) in required.iter().filter(|(name, _)| !names().any(|known| known == name.as_str())) {
            let hint = match nearest(name.as_str(), names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}", listed(names())),
            };
            reader.wrong(*place, format!("`require` names the gate {}, which does not exist; {hint}", quoted(name.as_str())));
        }
    }
    required.into_iter().map(|(name, _)| name).collect()
}

fn signed(reader: &mut Reader, node: &Node) -> Signed {
    match word(reader, node, SIGNED) {
        Some("tag") => Signed::Tag,
        Some("commit") => Signed::Commit,
        Some("either") => Signed::Either,
        Some(_) | None => Signed::Nothing,
    }
}

/// Artefacts are outputs of gates; where no gate keeps any, there is nothing that could become one.
fn artefacts(reader: &mut Reader, node: &Node, of_file: &Fields<'_>) -> Vec<String> {
    if let Some(Value::Mapping(gates)) = of_file.get("gates").map(|node| &node.value) {
        let keeps = |gate: &Node| matches!(&gate.value, Value::Mapping(keys) if keys.iter().any(|entry| entry.key == "outputs"));
        if !gates.iter().any(|entry| keeps(&entry.value)) {
            reader.wrong(node.place, "`artefacts` are files that gates keep, and no gate has `outputs`; name the files there");
        }
    }
    report_globs(reader, node)
}

fn changelog(reader: &mut Reader, node: &Node) -> Option<String> {
    let path = text(reader, node, "the path of a file, such as `CHANGELOG.md`")?;
    let cause = if path.contains(['*', '?', '[', ']', '{', '}', '\\']) {
        Some("a file is named without wildcards".to_owned())
    } else if path.ends_with('/') || path.contains("//") || path.split('/').any(|part| part == ".") {
        Some("it names a folder".to_owned())
    } else {
        wrong_path(path)
    };
    match cause {
        None => Some(path.to_owned()),
        Some(cause) => {
            reader.wrong(node.place, format!("{} cannot be the path of a file: {cause}", quoted(path)));
            None
        }
    }
}
