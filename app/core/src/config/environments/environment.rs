//! Reads one environment.

use super::keys::{APPROVALS_MAX, APPROVERS, BUSY, DEADLINE_SECS, DRIFT, ENVIRONMENT, SOAK, START, Spans, WAIT};
use super::{Read, Written, analysis, hooks, strategy, target, values, windows};
use crate::command::Who;
use crate::config::parse::{Fields, Reader};
use crate::config::tree::{Node, Place, Scalar, ScalarKind, Value, quoted};
use crate::config::values::{span_within, texts, who_of, whole, word};
use crate::config::{Approvals, AuthorCounts, Busy, Drift, ENVIRONMENTS_MAX, Environment, ExecConfig, StartsBy, TargetConfig};
use crate::forge::Permission;
use crate::ids::EnvironmentName;

pub(super) fn environment(
    reader: &mut Reader,
    name: EnvironmentName,
    place: Place,
    node: &Node,
    image: Option<&str>,
) -> Option<Read> {
    let fields = reader.fields(node, &ENVIRONMENT)?;
    let after = fields.get("after").map(|node| after(reader, node)).unwrap_or_default();
    let target = match fields.get("target") {
        Some(node) => target::target(reader, node).map_or(Written::Wrong, Written::Right),
        None if fields.has("target") || fields.has("after") && after.is_empty() => Written::Wrong,
        None => Written::Not,
    };
    let (soak_secs, deadline_secs) = waits(reader, &fields);
    let config = Environment {
        url: fields.get("url").and_then(|node| values::url(reader, node)),
        after: after.iter().map(|(name, _)| name.clone()).collect(),
        soak_secs,
        approvals: fields.get("approvals").map(|node| approvals(reader, node)).unwrap_or_default(),
        windows: fields.get("windows").map(|node| windows::windows(reader, node)).unwrap_or_default(),
        busy: choice(reader, &fields, "busy", BUSY, &[Busy::Wait, Busy::Supersede]),
        prereleases: reader.flag(&fields, "prereleases", false),
        start: choice(reader, &fields, "start", START, &[StartsBy::Release, StartsBy::Command]),
        deadline_secs,
        target: not_known_yet(),
        strategy: strategy::strategy(reader, fields.get("strategy")),
        analysis: fields.get("analysis").and_then(|node| analysis::analysis(reader, node)).unwrap_or_default(),
        hooks: fields.get("hooks").and_then(|node| hooks::hooks(reader, node, image)).unwrap_or_default(),
        drift: choice(reader, &fields, "drift", DRIFT, &[Drift::Report, Drift::Restore]),
        line: place.line,
        name,
    };
    Some(Read { config, after, target, place })
}

/// Stands for a target until all environments have been read. No file with it is ever returned.
fn not_known_yet() -> TargetConfig {
    TargetConfig::Exec(ExecConfig { service: String::new(), replicas: 0, with: Default::default(), ready_within_secs: 0 })
}

/// One of a few words, the first of which is the default.
fn choice<T: Copy + Default>(
    reader: &mut Reader,
    fields: &Fields<'_>,
    key: &str,
    words: &'static [&'static str],
    meanings: &[T],
) -> T {
    let found = fields.get(key).and_then(|node| word(reader, node, words));
    let meaning = words.iter().zip(meanings).find(|(word, _)| Some(**word) == found);
    meaning.map(|(_, meaning)| *meaning).unwrap_or_default()
}

fn after(reader: &mut Reader, node: &Node) -> Vec<(EnvironmentName, Place)> {
    let mut after: Vec<(EnvironmentName, Place)> = Vec::new();
    for (name, place) in texts(reader, node, "the name of an environment", "the name of an environment, or a list of them") {
        match name.parse::<EnvironmentName>() {
            Ok(name) if after.iter().any(|(known, _)| *known == name) => {
                reader.wrong(place, format!("`after` names the environment `{name}` twice"));
            }
            Ok(name) => after.push((name, place)),
            Err(_) => {
                reader.wrong(place, format!("{} cannot be an environment's name: {}", quoted(&name), EnvironmentName::RULE));
            }
        }
    }
    after.truncate(ENVIRONMENTS_MAX);
    after
}

/// How long a release must have been in the environments before, and how long it waits for everything together.
fn waits(reader: &mut Reader, fields: &Fields<'_>) -> (u64, u64) {
    let mut span = |key, Spans { least, most }| fields.get(key).and_then(|node| span_within(reader, node, least, most));
    let (soak, deadline) = (span("soak", SOAK), span("deadline", WAIT));
    if let Some(node) = fields.get("soak") {
        reader.lacks(
            node.place,
            fields,
            "after",
            "`soak` is time in the environments before, and there is no `after` to name them",
        );
        if soak.is_some_and(|soak| soak >= deadline.unwrap_or(DEADLINE_SECS)) && (deadline.is_some() || !fields.has("deadline")) {
            reader.wrong(
                node.place,
                "a release waits for `soak` until after its `deadline` (`7d` if not written), so none would ever come here",
            );
        }
    }
    (soak.unwrap_or(0), deadline.unwrap_or(DEADLINE_SECS))
}

fn approvals(reader: &mut Reader, node: &Node) -> Approvals {
    if let Value::Scalar(Scalar { kind: ScalarKind::Number, .. }) = &node.value {
        let count = whole(reader, node, 0, APPROVALS_MAX).unwrap_or(0);
        return Approvals { count, ..Approvals::default() };
    }
    if !matches!(node.value, Value::Mapping(_)) {
        reader.wrong(
            node.place,
            format!("expected a number of people, or a mapping with `count`, `who` and `author`; found {node}"),
        );
        return Approvals::default();
    }
    let Some(fields) = reader.fields(node, &APPROVERS) else { return Approvals::default() };
    let count = fields.get("count").and_then(|node| whole(reader, node, 1, APPROVALS_MAX));
    let who = fields.get("who").map(|node| who_of(reader, node, Permission::Write, "approval")).unwrap_or_default();
    if let (Some(count), Some(node)) = (count, fields.get("who"))
        && who.iter().all(|who| matches!(who, Who::User(_)))
        && who.len() < count as usize
        && !who.is_empty()
    {
        reader.wrong(node.place, format!("{count} people have to agree, and `who` names only {}", who.len()));
    }
    let author = if reader.flag(&fields, "author", true) { AuthorCounts::Yes } else { AuthorCounts::No };
    Approvals { count: count.unwrap_or(1), who, author }
}
