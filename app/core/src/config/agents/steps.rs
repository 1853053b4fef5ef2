//! Reads `steps`, or has the built-in ones.

use super::Around;
use super::keys::{BRANCHES_MAX, EXPECT, PROGRAM, STEPS, TURNS_MAX, VERIFY};
use super::roles::Roles;
use super::values::{hosts, models, program_name, providers};
use crate::agent::{BuiltInStep, PIPELINES};
use crate::config::keys::{listed, nearest};
use crate::config::parse::{Fields, Reader};
use crate::config::tree::{Node, Place, Scalar, ScalarKind, Value, quoted};
use crate::config::values::{command, gates, image, one_or_more, span_secs, text, whole, word};
use crate::config::{AgentStage, Budget, Expect, GateConfig, ProgramStage, STAGES_MAX, Stage, VerifyStage};
use crate::ids::{GateName, PipelineName};

/// What a program is called that has no name.
const PROGRAM_NAME: &str = "agent";

/// What the steps of a pipeline go by.
pub(super) struct Within<'a> {
    pub(super) around: &'a Around<'a>,
    pub(super) roles: &'a Roles,
    pub(super) name: &'a PipelineName,
    /// Where the name stands.
    pub(super) place: Place,
    /// The gates whose failure starts it.
    pub(super) failed: &'a [GateName],
    pub(super) budget: &'a Budget,
}

/// Where a step stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Row {
    /// In the pipeline itself.
    Main,
    /// In a row of a `parallel`.
    Branch,
}

pub(super) fn steps(reader: &mut Reader, fields: &Fields<'_>, within: &Within<'_>) -> Vec<Stage> {
    let built_in = PIPELINES.iter().find(|pipeline| pipeline.name == within.name.as_str());
    match (fields.get("steps"), built_in) {
        (Some(node), _) => written(reader, node, within),
        (None, Some(pipeline)) => pipeline.steps.iter().filter_map(|step| within.built_in(reader, *step)).collect(),
        (None, None) if fields.has("steps") => Vec::new(),
        (None, None) => {
            let names = || PIPELINES.iter().map(|pipeline| pipeline.name);
            let hint = match nearest(within.name.as_str(), names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("only {} have them built in", listed(names())),
            };
            reader.wrong(within.place, format!("the pipeline `{}` has no `steps`; {hint}", within.name));
            Vec::new()
        }
    }
}

fn written(reader: &mut Reader, node: &Node, within: &Within<'_>) -> Vec<Stage> {
    let stages: Vec<Stage> = list(reader, node, "a list of steps, such as `[diagnose, repair, verify]`", STAGES_MAX)
        .into_iter()
        .filter_map(|node| within.step(reader, node, Row::Main))
        .collect();
    let count = stages.iter().flat_map(Stage::each).count();
    if count > STAGES_MAX {
        let rule = format!("{count} stages, those of all branches together; a pipeline may have {STAGES_MAX}");
        reader.wrong(node.place, rule);
    }
    stages
}

/// A list that is not empty.
fn list<'n>(reader: &mut Reader, node: &'n Node, expected: &str, most: usize) -> Vec<&'n Node> {
    if !matches!(node.value, Value::List(_)) {
        reader.wrong(node.place, format!("expected {expected}; found {node}"));
        return Vec::new();
    }
    one_or_more(reader, node, expected, most)
}

impl Within<'_> {
    fn built_in(&self, reader: &mut Reader, step: BuiltInStep) -> Option<Stage> {
        match step {
            BuiltInStep::Role(name) => self.role(reader, self.place, name),
            BuiltInStep::Verify => self.verify(reader, self.place, Expect::Passes),
            BuiltInStep::VerifyFails => self.verify(reader, self.place, Expect::Fails),
            BuiltInStep::Measure => self.measure(reader),
            BuiltInStep::Parallel(roles) => {
                let branch = |name: &&str| Some(vec![self.role(reader, self.place, name)?]);
                Some(Stage::Parallel { branches: roles.iter().filter_map(branch).collect() })
            }
        }
    }

    fn step(&self, reader: &mut Reader, node: &Node, row: Row) -> Option<Stage> {
        match &node.value {
            Value::Mapping(_) => self.mapping(reader, node, row),
            Value::List(_) => {
                reader.wrong(node.place, "a list of steps stands in `parallel` only; write the steps one after the other");
                None
            }
            Value::Scalar(Scalar { text, kind: ScalarKind::Text }) if text == VERIFY => {
                self.verify(reader, node.place, Expect::Passes)
            }
            Value::Scalar(_) => {
                let name = text(reader, node, "a step: the name of a role, `verify`, or a mapping")?;
                self.role(reader, node.place, name)
            }
        }
    }

    fn mapping(&self, reader: &mut Reader, node: &Node, row: Row) -> Option<Stage> {
        let kind = kind_of(reader, node)?;
        if (kind, row) == ("parallel", Row::Branch) {
            reader.wrong(node.place, "a `parallel` within another one is not possible; its branches can stand in the outer one");
            return None;
        }
        let (_, table) = STEPS.iter().find(|(name, _)| *name == kind)?;
        let fields = reader.fields(node, table)?;
        let of_kind = fields.get(kind)?;
        match kind {
            "verify" => self.verify_step(reader, of_kind, &fields),
            "parallel" => self.parallel(reader, of_kind),
            "role" => self.role_step(reader, of_kind, &fields),
            _ => self.program(reader, of_kind),
        }
    }

    /// An agent of a role, with what stages have where nothing is said: never more than the whole pipeline.
    fn role(&self, reader: &mut Reader, place: Place, name: &str) -> Option<Stage> {
        Some(Stage::Agent(AgentStage {
            role: self.roles.named(reader, place, name)?,
            models: Vec::new(),
            turns_max: AgentStage::TURNS.min(self.budget.turns),
            secs_max: AgentStage::SECS.min(self.budget.secs),
        }))
    }

    fn role_step(&self, reader: &mut Reader, node: &Node, fields: &Fields<'_>) -> Option<Stage> {
        let name = text(reader, node, "the name of a role").map(str::to_owned);
        let models = fields.get("model").map(|node| models(reader, node)).unwrap_or_default();
        let turns = fields.get("turns").and_then(|node| self.turns(reader, node));
        let secs_max = self.secs(reader, fields);
        let Stage::Agent(usual) = self.role(reader, node.place, &name?)? else { return None };
        Some(Stage::Agent(AgentStage { models, turns_max: turns.unwrap_or(usual.turns_max), secs_max, ..usual }))
    }

    fn turns(&self, reader: &mut Reader, node: &Node) -> Option<u32> {
        let turns = whole(reader, node, 1, TURNS_MAX)?;
        if turns > self.budget.turns {
            reader.wrong(node.place, format!("{turns} turns for a stage of a pipeline that may take {}", self.budget.turns));
        }
        Some(turns)
    }

    fn secs(&self, reader: &mut Reader, fields: &Fields<'_>) -> u64 {
        let Some(node) = fields.get("timeout") else { return AgentStage::SECS.min(self.budget.secs) };
        let secs = span_secs(reader, node).unwrap_or(AgentStage::SECS);
        if secs > self.budget.secs {
            let all = self.budget.secs / 60;
            reader.wrong(node.place, format!("more time for a stage than the {all} minutes that the whole pipeline may take"));
        }
        secs
    }

    /// Gates of which none is named: those that started the pipeline by failing, else those that a pull request has to pass.
    fn verify(&self, reader: &mut Reader, place: Place, expect: Expect) -> Option<Stage> {
        let runs = |gate: &&GateName| self.around.gate(gate).is_some_and(GateConfig::stands_alone);
        let failed: Vec<GateName> = self.failed.iter().filter(runs).cloned().collect();
        let gates = if failed.is_empty() { self.around.required() } else { failed };
        if gates.is_empty() {
            if self.around.all_read() {
                let rule = "and no gate that pull requests have to pass runs a command";
                reader.wrong(place, format!("the pipeline `{}` verifies its work, {rule}; name one that does", self.name));
            }
            return None;
        }
        Some(Stage::Verify(VerifyStage { gates, expect }))
    }

    fn measure(&self, reader: &mut Reader) -> Option<Stage> {
        let gates = self.around.measuring();
        if gates.is_empty() && self.around.all_read() {
            let rule = "measures before and after, and no gate has a `benchmark`; add one, or write `steps`";
            reader.wrong(self.place, format!("the pipeline `{}` {rule}", self.name));
            return None;
        }
        Some(Stage::Verify(VerifyStage { gates, expect: Expect::Passes }))
    }

    fn verify_step(&self, reader: &mut Reader, node: &Node, fields: &Fields<'_>) -> Option<Stage> {
        let expect = fields.get("expect").and_then(|node| word(reader, node, EXPECT));
        let named = gates(reader, node, "verify");
        let named = self.around.known(reader, named, "verify");
        for (name, place) in &named {
            let rule = match self.around.gate(name) {
                Some(gate) if !gate.coverage_of.is_empty() => "counts what other gates have covered; name those instead",
                Some(gate) if gate.run.is_none() => {
                    "runs no command: it looks at a pull request, and what an agent has done is none yet"
                }
                Some(_) | None => continue,
            };
            reader.wrong(*place, format!("the gate `{name}` {rule}"));
        }
        let expect = if expect == Some("fail") { Expect::Fails } else { Expect::Passes };
        Some(Stage::Verify(VerifyStage { gates: named.into_iter().map(|(gate, _)| gate).collect(), expect }))
    }

    fn parallel(&self, reader: &mut Reader, node: &Node) -> Option<Stage> {
        let nodes = list(reader, node, "a list of branches, each a step or a list of steps", BRANCHES_MAX);
        if let [_] = nodes.as_slice() {
            reader.wrong(node.place, "one branch has nothing to go on beside; write its steps without `parallel`");
        }
        let mut branches = Vec::new();
        for node in nodes {
            let of_branch = one_or_more(reader, node, "a step, or a list of steps", STAGES_MAX);
            branches.push(of_branch.into_iter().filter_map(|node| self.step(reader, node, Row::Branch)).collect());
        }
        Some(Stage::Parallel { branches })
    }

    fn program(&self, reader: &mut Reader, node: &Node) -> Option<Stage> {
        let fields = reader.fields(node, &PROGRAM)?;
        reader.lacks(node.place, &fields, "run", "`agent` has no `run`; it needs a command");
        let egress = fields.get("egress").map(|node| hosts(reader, node)).unwrap_or_default();
        let keys = fields.get("keys").map(|node| providers(reader, node)).unwrap_or_default();
        let name = fields.get("name").and_then(|node| program_name(reader, node));
        let secs_max = self.secs(reader, &fields);
        Some(Stage::Program(ProgramStage {
            name: name.unwrap_or_else(|| PROGRAM_NAME.to_owned()),
            run: fields.get("run").and_then(|node| command(reader, node)).unwrap_or_default(),
            image: fields.get("image").and_then(|node| image(reader, node)),
            egress,
            keys,
            secs_max,
        }))
    }
}

/// What kind of step a mapping is: the one key that only this kind has.
fn kind_of(reader: &mut Reader, node: &Node) -> Option<&'static str> {
    let Value::Mapping(entries) = &node.value else { return None };
    let has = |name: &str| entries.iter().any(|entry| entry.key == name);
    let kinds: Vec<&'static str> = STEPS.iter().map(|(name, _)| *name).filter(|name| has(name)).collect();
    if let [kind] = kinds.as_slice() {
        return Some(kind);
    }
    let names = listed(STEPS.iter().map(|(name, _)| *name));
    let rule = format!("a step is the name of a role, or a mapping with exactly one of {names}");
    let all = || STEPS.iter().flat_map(|(_, table)| table.keys).map(|key| key.name);
    let slip = entries.iter().find(|entry| !all().any(|name| name == entry.key));
    match slip.and_then(|entry| Some((entry, nearest(&entry.key, all())?))) {
        Some((entry, near)) => reader.wrong(entry.place, format!("unknown key {}; did you mean `{near}`?", quoted(&entry.key))),
        None => reader.wrong(node.place, rule),
    }
    None
}
