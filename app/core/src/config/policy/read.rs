//! Reads the keys of `require` that ask something of the change itself.

use super::keys::{COUNT_MAX, DEPENDENCIES, FORBIDDEN, LICENCES, REVIEW, REVIEWS_MAX, SIZE};
use super::{CommitRule, Dependencies, Forbidden, Policy, Review, Reviewers, Size, Style};
use crate::command::Who;
use crate::config::keys::{listed, nearest};
use crate::config::parse::{Fields, Reader};
use crate::config::tree::{Node, Scalar, ScalarKind, Value, quoted};
use crate::config::values::{LIST_MAX, path_globs, texts};

/// What `require` asks of the change itself.
pub(in crate::config) fn policy(reader: &mut Reader, fields: &Fields<'_>) -> Policy {
    Policy {
        touched: fields.get("touched").map(|node| path_globs(reader, node)).unwrap_or_default(),
        changelog: fields.get("changelog").map(|node| true_or_globs(reader, node, "CHANGELOG.md")).unwrap_or_default(),
        title: fields.get("title").and_then(|node| style(reader, node)),
        commits: fields.get("commits").map(|node| commit_rules(reader, node)).unwrap_or_default(),
        types: fields.get("types").map(|node| types(reader, node)).unwrap_or_default(),
        size: fields.get("size-at-most").and_then(|node| size(reader, node)),
        forbidden: fields.get("forbidden").map(|node| forbidden(reader, node)).unwrap_or_default(),
        links: fields.get("links").map(|node| true_or_globs(reader, node, "**/*.md")).unwrap_or_default(),
        reviewers: fields.get("reviewers").and_then(|node| reviewers(reader, node)),
        dependencies: fields.get("dependencies").and_then(|node| dependencies(reader, node)),
    }
}

/// `true` for the usual files, or which ones.
fn true_or_globs(reader: &mut Reader, node: &Node, usual: &str) -> Vec<String> {
    match &node.value {
        Value::Scalar(Scalar { kind: ScalarKind::Bool(true), .. }) => vec![usual.to_owned()],
        Value::Scalar(Scalar { kind: ScalarKind::Bool(false), .. }) => {
            reader.wrong(
                node.place,
                format!("expected `true` (for `{usual}`) or a glob of paths; leave the key away if it is not wanted"),
            );
            Vec::new()
        }
        Value::Scalar(_) | Value::List(_) | Value::Mapping(_) => path_globs(reader, node),
    }
}

fn style(reader: &mut Reader, node: &Node) -> Option<Style> {
    match &node.value {
        Value::Scalar(Scalar { text, kind: ScalarKind::Text }) if text == "conventional" => Some(Style::Conventional),
        Value::Scalar(_) | Value::List(_) | Value::Mapping(_) => {
            reader.wrong(node.place, format!("expected `conventional`, found {node}"));
            None
        }
    }
}

fn commit_rules(reader: &mut Reader, node: &Node) -> Vec<CommitRule> {
    let mut rules = Vec::new();
    for (word, place) in texts(reader, node, "a rule of commits", "`conventional`, `signed-off`, or a list of them") {
        let words = || CommitRule::ALL.iter().map(|(word, _)| *word);
        match CommitRule::ALL.iter().find(|(known, _)| *known == word) {
            Some((_, rule)) if rules.contains(rule) => reader.wrong(place, format!("`{word}` is there twice")),
            Some((_, rule)) => rules.push(*rule),
            None => {
                let hint = match nearest(&word, words()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("there are {}", listed(words())),
                };
                reader.wrong(place, format!("unknown rule of commits {}; {hint}", quoted(&word)));
            }
        }
    }
    rules
}

fn types(reader: &mut Reader, node: &Node) -> Vec<String> {
    let all = texts(reader, node, "a type of change, such as `feat`", "a type of change, such as `feat`, or a list of them");
    let mut types = Vec::new();
    for (word, place) in all {
        if word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            types.push(word);
        } else {
            reader.wrong(place, format!("{} cannot be a type of change: letters, digits and `-`", quoted(&word)));
        }
    }
    types
}

fn size(reader: &mut Reader, node: &Node) -> Option<Size> {
    let fields = reader.fields(node, &SIZE)?;
    let mut number = |key| fields.get(key).and_then(|node| count(reader, node, 0, COUNT_MAX));
    let (files, lines, file_bytes) = (number("files"), number("lines"), number("file-bytes"));
    if files.is_none() && lines.is_none() && file_bytes.is_none() && fields.is_right() {
        reader.wrong(node.place, "`size-at-most` limits nothing; it needs `files`, `lines` or `file-bytes`");
    }
    let except = fields.get("except").map(|node| path_globs(reader, node)).unwrap_or_default();
    Some(Size { files, lines, file_bytes, except })
}

fn forbidden(reader: &mut Reader, node: &Node) -> Forbidden {
    if !matches!(node.value, Value::Mapping(_)) {
        let globs = path_globs(reader, node);
        return Forbidden { added: globs.clone(), changed: globs, removed: Vec::new() };
    }
    let Some(fields) = reader.fields(node, &FORBIDDEN) else { return Forbidden::default() };
    if fields.is_empty() && fields.is_right() {
        reader.wrong(node.place, "`forbidden` forbids nothing; it needs `added`, `changed` or `removed`");
    }
    let mut globs = |key| fields.get(key).map(|node| path_globs(reader, node)).unwrap_or_default();
    Forbidden { added: globs("added"), changed: globs("changed"), removed: globs("removed") }
}

fn reviewers(reader: &mut Reader, node: &Node) -> Option<Reviewers> {
    match &node.value {
        Value::Scalar(Scalar { text, kind: ScalarKind::Text }) if text == "codeowners" => Some(Reviewers::CodeOwners),
        Value::Mapping(_) => Some(Reviewers::Rules { rules: review(reader, node).into_iter().collect() }),
        Value::List(nodes) if !nodes.is_empty() => {
            if let Some(beyond) = nodes.get(LIST_MAX) {
                reader.wrong(beyond.place, format!("{} entries; a list may have {LIST_MAX}", nodes.len()));
            }
            Some(Reviewers::Rules { rules: nodes.iter().take(LIST_MAX).filter_map(|node| review(reader, node)).collect() })
        }
        Value::Scalar(_) | Value::List(_) => {
            reader.wrong(
                node.place,
                format!("expected `codeowners`, or a list of rules with `paths`, `from` and `count`; found {node}"),
            );
            None
        }
    }
}

fn review(reader: &mut Reader, node: &Node) -> Option<Review> {
    let fields = reader.fields(node, &REVIEW)?;
    Some(Review {
        paths: fields.get("paths").map(|node| path_globs(reader, node)).unwrap_or_default(),
        from: fields.get("from").map(|node| people(reader, node)).unwrap_or_default(),
        count: fields.get("count").and_then(|node| count(reader, node, 1, REVIEWS_MAX)).unwrap_or(1),
    })
}

fn people(reader: &mut Reader, node: &Node) -> Vec<Who> {
    let mut people = Vec::new();
    for (name, place) in texts(reader, node, "`@user` or `@org/team`", "`@user` or `@org/team`, or a list of them") {
        match Who::named(&name) {
            Some(who) => people.push(who),
            None => reader.wrong(place, format!("{} is nobody; a user is written `@name`, a team `@org/team`", quoted(&name))),
        }
    }
    people
}

fn dependencies(reader: &mut Reader, node: &Node) -> Option<Dependencies> {
    let fields = reader.fields(node, &DEPENDENCIES)?;
    let licences = fields.get("licences").and_then(|node| reader.fields(node, &LICENCES));
    let mut of_licences = |key| licences.as_ref().and_then(|fields| fields.get(key)).map(|node| patterns(reader, node));
    let (licences_allowed, licences_denied) = (of_licences("allow").unwrap_or_default(), of_licences("deny").unwrap_or_default());
    Some(Dependencies {
        new_at_most: fields.get("new-at-most").and_then(|node| count(reader, node, 0, COUNT_MAX)),
        sources: fields.get("sources").map(|node| patterns(reader, node)).unwrap_or_default(),
        licences_allowed,
        licences_denied,
    })
}

/// Words in which `*` and `?` stand for others.
fn patterns(reader: &mut Reader, node: &Node) -> Vec<String> {
    let mut patterns = Vec::new();
    for (word, place) in
        texts(reader, node, "a word, in which `*` may stand", "a word, in which `*` may stand, or a list of them")
    {
        if word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./*?:@+".contains(c)) {
            patterns.push(word);
        } else {
            reader.wrong(place, format!("{} cannot be looked for: letters, digits, `-_./:@+`, `*` and `?`", quoted(&word)));
        }
    }
    patterns
}

/// A whole number.
fn count(reader: &mut Reader, node: &Node, least: u64, most: u64) -> Option<u64> {
    let written = match &node.value {
        Value::Scalar(Scalar { text, kind: ScalarKind::Number }) => text.trim().parse::<u64>().ok(),
        Value::Scalar(_) | Value::List(_) | Value::Mapping(_) => None,
    };
    let right = written.filter(|number| (least..=most).contains(number));
    if right.is_none() {
        reader.wrong(node.place, format!("expected a whole number from {least} to {most}, found {node}"));
    }
    right
}
