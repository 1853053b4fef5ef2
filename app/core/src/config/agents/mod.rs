//! Reads `agents` and `roles`: what starts a pipeline, what it does, what it may use up and what it may hand over.
//!
//! Whether a model or a provider's key is there is the operator's matter and is not looked at here.

use super::keys::{listed, nearest};
use super::parse::{Fields, Reader};
use super::tree::{Node, Place, Value, quoted};
use super::{GateConfig, GateEvent, PIPELINES_MAX, Pipeline, Pushed, Triggers};
use crate::agent::PIPELINES;
use crate::ids::{GateName, PipelineName};

mod inputs;
pub(super) mod keys;
mod pipeline;
mod roles;
mod steps;
pub(super) mod values;

/// What of the rest of the file pipelines go by.
pub(super) struct Around<'f> {
    /// The gates. None: something about them is wrong, so that what is not there may only be misspelt.
    gates: Option<&'f [GateConfig]>,
    /// The image of stages that name none.
    pub(super) image: Option<&'f str>,
    /// Whether the file has an image, be it a wrong one.
    pub(super) image_written: bool,
    /// The names of the gates, also of those that could not be read. None: there is no mapping of them.
    names: Option<Vec<&'f str>>,
}

impl<'f> Around<'f> {
    pub(super) fn new(of_file: &Fields<'f>, gates: Option<&'f [GateConfig]>, image: Option<&'f str>) -> Self {
        let names = match of_file.get("gates").map(|node| &node.value) {
            Some(Value::Mapping(entries)) => Some(entries.iter().map(|entry| entry.key.as_str()).collect()),
            Some(Value::Scalar(_) | Value::List(_)) | None => None,
        };
        Around { gates, image, image_written: of_file.has("image"), names }
    }

    /// Whether all gates could be read, so that what is not there is not there.
    fn all_read(&self) -> bool {
        self.gates.is_some()
    }

    fn read(&self) -> impl Iterator<Item = &'f GateConfig> {
        self.gates.unwrap_or_default().iter()
    }

    /// Says of gates that there are none of these names, and keeps the others.
    fn known(&self, reader: &mut Reader, named: Vec<(GateName, Place)>, key: &str) -> Vec<(GateName, Place)> {
        let Some(names) = &self.names else { return named };
        let (known, unknown): (Vec<_>, Vec<_>) = named.into_iter().partition(|(gate, _)| names.contains(&gate.as_str()));
        for (gate, place) in unknown {
            if reader.is_full() {
                break;
            }
            let hint = match nearest(gate.as_str(), names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}", listed(names.iter().copied())),
            };
            reader.wrong(place, format!("`{key}` names the gate {}, which does not exist; {hint}", quoted(gate.as_str())));
        }
        known
    }

    /// The gate of a name, where it could be read.
    fn gate(&self, name: &GateName) -> Option<&GateConfig> {
        self.read().find(|gate| gate.name == *name)
    }

    /// The gates that a pull request has to pass and that can look at any source.
    fn required(&self) -> Vec<GateName> {
        let all = self.read().filter(|gate| gate.stands_alone() && gate.runs_for(GateEvent::PullRequest, Pushed::Elsewhere));
        all.filter(|gate| gate.required).map(|gate| gate.name.clone()).collect()
    }

    /// Those that measure.
    fn measuring(&self) -> Vec<GateName> {
        let all = self.read().filter(|gate| gate.stands_alone() && !gate.benchmark.reports.is_empty());
        all.map(|gate| gate.name.clone()).collect()
    }
}

/// Reads the pipelines of a file.
pub(super) fn agents(reader: &mut Reader, of_file: &Fields<'_>, around: &Around<'_>) -> Vec<Pipeline> {
    let roles = roles::roles(reader, of_file);
    let mut all = match of_file.get("agents") {
        Some(node) => written(reader, node, around, &roles),
        None => Vec::new(),
    };
    if let Some(name) = reader.asked_for.clone()
        && PIPELINES.iter().any(|pipeline| pipeline.name == name.as_str())
        && all.iter().all(|pipeline| pipeline.name != name)
    {
        let unsaid = Node::unsaid();
        let added = pipeline::pipeline(reader, name, unsaid.place, &unsaid, around, &roles);
        all.extend(added.map(|(pipeline, _)| Pipeline { on: Triggers::default(), ..pipeline }));
    }
    all
}

/// The pipelines that the file has.
fn written(reader: &mut Reader, node: &Node, around: &Around<'_>, roles: &roles::Roles) -> Vec<Pipeline> {
    let Value::Mapping(entries) = &node.value else {
        reader.wrong(node.place, format!("expected a mapping of pipelines by their names, found {node}"));
        return Vec::new();
    };
    if entries.is_empty() {
        let names = listed(PIPELINES.iter().map(|pipeline| pipeline.name));
        reader.wrong(node.place, format!("`agents` has no pipeline in it; it takes {names}, and others with `steps`"));
    }
    if let Some(entry) = entries.get(PIPELINES_MAX) {
        reader.wrong(entry.place, format!("{} pipelines; a file may have {PIPELINES_MAX}", entries.len()));
    }
    let mut read = Vec::new();
    for entry in entries.iter().take(PIPELINES_MAX) {
        match entry.key.parse::<PipelineName>() {
            Ok(name) => read.extend(pipeline::pipeline(reader, name, entry.place, &entry.value, around, roles)),
            Err(_) => {
                let message = format!("{} cannot be a pipeline's name: {}", quoted(&entry.key), PipelineName::RULE);
                reader.wrong(entry.place, message);
            }
        }
    }
    each_command_once(reader, &read);
    read.into_iter().map(|(pipeline, _)| pipeline).collect()
}

/// A command that starts two pipelines would start neither for sure.
fn each_command_once(reader: &mut Reader, read: &[(Pipeline, Place)]) {
    for (n, (pipeline, place)) in read.iter().enumerate() {
        let Some(command) = pipeline.on.command else { continue };
        if let Some((other, _)) = read[..n].iter().find(|(other, _)| other.on.command == Some(command)) {
            let (one, other) = (&pipeline.name, &other.name);
            let rule = format!("a command starts one pipeline, and `/gw {command}` starts `{other}` already");
            reader.wrong(*place, format!("{rule}; give `{one}` another `on`"));
        }
    }
}
