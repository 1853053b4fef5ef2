//! Reads one pipeline, all but its steps.

use super::keys::{BUDGET, COMMANDS, ISSUE, MINUTES_MAX, ON, ON_RED, PIPELINE, TOKENS, TRIES, TRIES_MAX, TURNS_MAX, USD_MAX};
use super::roles::Roles;
use super::values::{labels, models, offerings, schedule, whole_or};
use super::{Around, inputs, steps};
use crate::agent::PIPELINES;
use crate::command::CommandName;
use crate::config::parse::{Fields, Reader};
use crate::config::tree::{Node, Place, Scalar, ScalarKind, Value};
use crate::config::values::{decimal, gates, image, is_word, protected_globs, whole, word};
use crate::config::{Budget, Offering, OnRed, Pipeline, Triggers};
use crate::ids::PipelineName;

/// What pipelines may hand over where the file does not say it. To commit to somebody's branch, and to open issues, has to be asked for.
const MAY: [Offering; 4] = [Offering::Comment, Offering::Suggestion, Offering::Finding, Offering::PullRequest];

/// The same of those named `review`: who reviews changes nothing.
const MAY_OF_REVIEW: [Offering; 3] = [Offering::Comment, Offering::Suggestion, Offering::Finding];

/// A millionth of a US dollar has so many decimals.
const MICRO_DECIMALS: usize = 6;

/// Reads a pipeline; and says where it says what starts it.
pub(super) fn pipeline(
    reader: &mut Reader,
    name: PipelineName,
    place: Place,
    node: &Node,
    around: &Around<'_>,
    roles: &Roles,
) -> Option<(Pipeline, Place)> {
    if matches!(&node.value, Value::Scalar(Scalar { kind: ScalarKind::Null, .. })) {
        reader.wrong(place, format!("the pipeline `{name}` is empty; write `{name}: {{}}` if nothing is to be said of it"));
        return None;
    }
    let fields = reader.fields(node, &PIPELINE)?;
    let on = match fields.get("on") {
        Some(node) => triggers(reader, node, around),
        None => Triggers { command: command_of(name.as_str()), ..Triggers::default() },
    };
    let budget = fields.get("budget").map(|node| budget(reader, node)).unwrap_or_default();
    let image = image_of(reader, &name, place, &fields, around);
    let within = steps::Within { around, roles, name: &name, place, failed: &on.failed, budget: &budget };
    let pipeline = Pipeline {
        inputs: inputs::inputs(reader, &fields, &on),
        steps: steps::steps(reader, &fields, &within),
        models: fields.get("model").map(|node| models(reader, node)).unwrap_or_default(),
        tries: whole_or(reader, &fields, "tries", TRIES_MAX, TRIES),
        on_red: on_red(reader, &fields),
        may: may(reader, &name, &fields),
        protect: protect(reader, &name, &fields),
        image,
        network: reader.flag(&fields, "network", false),
        line: place.line,
        on,
        budget,
        name,
    };
    Some((pipeline, fields.get("on").map_or(place, |node| node.place)))
}

/// The globs of its lines, beside those that its name brings with it.
fn protect(reader: &mut Reader, name: &PipelineName, fields: &Fields<'_>) -> Vec<String> {
    let built_in = PIPELINES.iter().find(|pipeline| pipeline.name == name.as_str());
    let mut globs: Vec<String> =
        built_in.into_iter().flat_map(|pipeline| pipeline.protect).map(|glob| (*glob).to_owned()).collect();
    globs.extend(fields.get("protect").map(|node| protected_globs(reader, node)).unwrap_or_default());
    globs
}

/// The command that starts a pipeline of this name where its lines do not say what does.
fn command_of(name: &str) -> Option<CommandName> {
    COMMANDS.contains(&name).then(|| name.parse().ok()).flatten()
}

fn triggers(reader: &mut Reader, node: &Node, around: &Around<'_>) -> Triggers {
    let Some(fields) = reader.fields(node, &ON) else { return Triggers::default() };
    let failed = fields.get("failed").map(|node| gates(reader, node, "failed")).unwrap_or_default();
    let failed = around.known(reader, failed, "failed").into_iter().map(|(gate, _)| gate).collect();
    let command = fields.get("command").and_then(|node| word(reader, node, COMMANDS));
    Triggers {
        command: command.and_then(command_of),
        failed,
        labels: fields.get("label").map(|node| labels(reader, node)).unwrap_or_default(),
        issue_opened: fields.get("issue").and_then(|node| word(reader, node, ISSUE)).is_some(),
        schedule: fields.get("schedule").and_then(|node| schedule(reader, node)),
    }
}

fn budget(reader: &mut Reader, node: &Node) -> Budget {
    let usual = Budget::default();
    let Some(fields) = reader.fields(node, &BUDGET) else { return usual };
    if fields.is_empty() && fields.is_right() {
        reader.wrong(node.place, "`budget` limits nothing; it needs `usd`, `tokens`, `turns` or `minutes`");
    }
    let tokens = fields.get("tokens").and_then(|node| whole(reader, node, TOKENS.0, TOKENS.1));
    let minutes = whole_or(reader, &fields, "minutes", MINUTES_MAX, Budget::MINUTES);
    Budget {
        micro_usd: fields.get("usd").map_or(usual.micro_usd, |node| usd(reader, node)),
        tokens: tokens.map_or(usual.tokens, u64::from),
        turns: whole_or(reader, &fields, "turns", TURNS_MAX, Budget::TURNS),
        secs: u64::from(minutes) * 60,
    }
}

/// US dollars, in millionths. None: no limit.
fn usd(reader: &mut Reader, node: &Node) -> Option<u64> {
    if is_word(node, "none") {
        return None;
    }
    let written = match &node.value {
        Value::Scalar(Scalar { text, kind: ScalarKind::Number }) => decimal(text.trim(), MICRO_DECIMALS),
        Value::Scalar(_) | Value::List(_) | Value::Mapping(_) => None,
    };
    let within = written.filter(|micro| (10_000..=USD_MAX * 1_000_000).contains(micro));
    if within.is_none() {
        let expected = format!("US dollars from 0.01 to {USD_MAX}, such as `2.00`, or `none` for no limit");
        reader.wrong(node.place, format!("expected {expected}; found {node}"));
    }
    within.map(u64::from)
}

fn on_red(reader: &mut Reader, fields: &Fields<'_>) -> OnRed {
    match fields.get("on-red").and_then(|node| word(reader, node, ON_RED)) {
        Some("go-on") => OnRed::GoOn,
        Some(_) | None => OnRed::Stop,
    }
}

fn may(reader: &mut Reader, name: &PipelineName, fields: &Fields<'_>) -> Vec<Offering> {
    let Some(node) = fields.get("may") else {
        return if name.as_str() == "review" { MAY_OF_REVIEW.to_vec() } else { MAY.to_vec() };
    };
    let may = offerings(reader, node);
    if may.contains(&Offering::Commit) && may.contains(&Offering::PullRequest) {
        let rule = "a change goes to the pull request's own branch (`commit`) or into a pull request of its own (`pull-request`)";
        reader.wrong(node.place, format!("{rule}; write one of them"));
    }
    may
}

fn image_of(reader: &mut Reader, name: &PipelineName, place: Place, fields: &Fields<'_>, around: &Around<'_>) -> String {
    match (fields.get("image"), around.image) {
        (Some(node), _) => image(reader, node).unwrap_or_default(),
        (None, Some(image)) => image.to_owned(),
        (None, None) if around.image_written || fields.has("image") => String::new(),
        (None, None) => {
            let message = format!("the pipeline `{name}` has no `image`, and neither has the file; one of them needs it");
            reader.wrong(place, message);
            String::new()
        }
    }
}
