//! Reads the repository file: the text into a tree, the tree by the table of keys into gates, and then what the gates say
//! of each other. Each step goes on past a problem, so that all of them are named at once.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::agents::{self, Around};
use super::environments::{self, releases};
use super::keys::{self, Table};
use super::tree::{self, Node, Place, Value, quoted};
use super::{BYTES_MAX, Cache, Checkout, GATES_MAX, GateConfig, Policy, Problem, RepoConfig, Require, When};
use super::{coverage, findings, needs, policy, values};
use crate::command::{CommandName, Who};
use crate::ids::{GateName, PipelineName};

/// So many problems of a file are named. Who mends these will see the rest.
const PROBLEMS_MAX: usize = 50;

/// Reads a repository file. Every problem that can be told apart is named, at most 50, in the order of the file. Where the
/// text is not YAML at all, that is the only problem, since nothing behind it can be trusted.
pub fn parse(text: &str) -> Result<RepoConfig, Vec<Problem>> {
    read(Reader { problems: Vec::new(), asked_for: None }, text)
}

/// As [`parse`], for somebody who has asked for a pipeline by its name: where it is a built-in one that the file does not have, it is
/// among the file's as if nothing had been written of it there, and nothing else starts it.
pub fn parse_with(text: &str, pipeline: &PipelineName) -> Result<RepoConfig, Vec<Problem>> {
    read(Reader { problems: Vec::new(), asked_for: Some(pipeline.clone()) }, text)
}

fn read(mut reader: Reader, text: &str) -> Result<RepoConfig, Vec<Problem>> {
    let config = reader.file(text);
    let mut problems = reader.problems;
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        Some(_) | None => {
            problems.sort_by(|a, b| (a.line, a.column, &a.message).cmp(&(b.line, b.column, &b.message)));
            // What an alias stands for is read, and found wrong, wherever the alias is.
            problems.dedup();
            problems.truncate(PROBLEMS_MAX);
            Err(problems)
        }
    }
}

/// Collects problems while a file is read.
pub(super) struct Reader {
    problems: Vec<Problem>,
    /// The pipeline that somebody has asked for by its name.
    pub(super) asked_for: Option<PipelineName>,
}

/// A gate as far as it could be read, with where it names others.
pub(super) struct ReadGate {
    pub(super) config: GateConfig,
    pub(super) needs: Vec<(GateName, Place)>,
    pub(super) coverage_of: Vec<(GateName, Place)>,
    /// Whether it has the key, be its value a wrong one.
    pub(super) has_coverage: bool,
}

impl ReadGate {
    fn link(&self) -> needs::Link<'_> {
        let to = self.needs.iter().map(|(need, place)| (need.as_str(), *place)).collect();
        needs::Link { name: self.config.name.as_str(), to }
    }
}

/// What the file says for all gates.
struct Shared {
    image: Option<String>,
    /// Whether the file has an image, be it a wrong one: then no gate is told that it lacks one.
    image_written: bool,
    env: BTreeMap<String, String>,
}

impl Reader {
    /// Notes that a key is missing, unless it is there misspelt.
    pub(super) fn lacks(&mut self, place: Place, fields: &Fields<'_>, key: &str, message: impl Into<String>) {
        if !fields.has(key) {
            self.wrong(place, message);
        }
    }

    /// The one entry of a mapping that takes exactly one of its keys.
    pub(super) fn one_key<'n>(&mut self, node: &'n Node, table: &Table) -> Option<(&'n str, &'n Node)> {
        let fields = self.fields(node, table)?;
        let mut all = fields.all();
        match (all.next(), all.next()) {
            (Some(one), None) => return Some(one),
            (None, _) if !fields.is_right() => {}
            (None, _) | (Some(_), Some(_)) => {
                let known = keys::listed(table.keys.iter().map(|key| key.name));
                self.wrong(node.place, format!("{} takes exactly one of {known}", table.what));
            }
        }
        None
    }

    /// Notes a problem.
    pub(super) fn wrong(&mut self, place: Place, message: impl Into<String>) {
        self.problems.push(place.problem(message));
    }

    /// Whether more problems are known than are named, so that more need not be looked for.
    pub(super) fn is_full(&self) -> bool {
        self.problems.len() >= PROBLEMS_MAX
    }

    fn file(&mut self, text: &str) -> Option<RepoConfig> {
        if text.len() > BYTES_MAX {
            self.wrong(Place::START, format!("the file has {} bytes; it may have {BYTES_MAX}", text.len()));
            return None;
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let root = match tree::read(text, &mut self.problems) {
            Ok(Some(root)) if !is_nothing(&root) => root,
            Ok(Some(_) | None) => {
                self.wrong(Place::START, "the file is empty; it needs `gates`, with at least one gate");
                return None;
            }
            Err(problem) => {
                self.problems.push(problem);
                return None;
            }
        };
        let fields = self.fields(&root, &keys::FILE)?;
        let shared = Shared {
            image: fields.get("image").and_then(|node| values::image(self, node)),
            image_written: fields.get("image").is_some() || fields.meant.contains(&"image"),
            env: fields.get("env").map(|node| values::env(self, node)).unwrap_or_default(),
        };
        if fields.get("gates").is_none() && !fields.meant.contains(&"gates") {
            self.wrong(root.place, "`gates` is missing; the file needs at least one gate");
        }
        let commands = fields.get("commands").map(|node| self.commands(node)).unwrap_or_default();
        let before = self.problems.len();
        let gates = fields.get("gates").and_then(|node| self.gates(node, &shared));
        let gates_are_right = self.problems.len() == before;
        let releases = releases::releases(self, &fields);
        let environments = environments::environments(self, &fields, shared.image.as_deref());
        let around = Around::new(&fields, gates.as_deref().filter(|_| gates_are_right), shared.image.as_deref());
        let agents = agents::agents(self, &fields, &around);
        Some(RepoConfig { gates: gates?, releases, environments, agents, commands })
    }

    fn commands(&mut self, node: &Node) -> BTreeMap<CommandName, Vec<Who>> {
        let Value::Mapping(entries) = &node.value else {
            self.wrong(node.place, format!("expected a mapping of commands by their names, found {node}"));
            return BTreeMap::new();
        };
        let mut commands = BTreeMap::new();
        for entry in entries {
            let Ok(name) = entry.key.parse::<CommandName>() else {
                self.wrong(entry.place, values::unknown_command(&entry.key));
                continue;
            };
            let Some(fields) = self.fields(&entry.value, &keys::COMMAND) else { continue };
            match fields.get("who") {
                Some(node) => {
                    commands.insert(name, values::who(self, node, name));
                }
                None if fields.meant.contains(&"who") => {}
                None => self.wrong(entry.place, format!("the command `{name}` has no `who`; it needs a role, a user or a team")),
            }
        }
        commands
    }

    /// The entries of a mapping that its table knows. Names the ones that it does not.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, table: &Table) -> Option<Fields<'n>> {
        let Value::Mapping(entries) = &node.value else {
            let known = keys::listed(table.keys.iter().map(|key| key.name));
            self.wrong(node.place, format!("{} is a mapping that takes {known}; found {node}", table.what));
            return None;
        };
        let mut fields = Fields { entries: Vec::new(), later: false, meant: Vec::new() };
        for entry in entries {
            if table.keys.iter().any(|key| key.name == entry.key) {
                fields.entries.push((&entry.key, &entry.value));
            } else {
                fields.later |= table.later.contains(&entry.key.as_str());
                fields.meant.extend(keys::meant(table, &entry.key));
                self.wrong(entry.place, keys::unknown(table, &entry.key));
            }
        }
        Some(fields)
    }

    fn gates(&mut self, node: &Node, shared: &Shared) -> Option<Vec<GateConfig>> {
        let Value::Mapping(entries) = &node.value else {
            self.wrong(node.place, format!("expected a mapping of gates by their names, found {node}"));
            return None;
        };
        if entries.is_empty() {
            self.wrong(node.place, "`gates` has no gate in it; the file needs at least one");
        }
        if let Some(entry) = entries.get(GATES_MAX) {
            self.wrong(entry.place, format!("{} gates; a file may have {GATES_MAX}", entries.len()));
        }
        let mut gates: Vec<ReadGate> = Vec::new();
        for entry in entries.iter().take(GATES_MAX) {
            match entry.key.parse::<GateName>() {
                Ok(name) => gates.extend(self.gate(name, entry.place, &entry.value, shared)),
                Err(_) => {
                    let message = format!("{} cannot be a gate's name: {}", quoted(&entry.key), GateName::RULE);
                    self.wrong(entry.place, message);
                }
            }
        }
        let names: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
        let links: Vec<needs::Link<'_>> = gates.iter().map(ReadGate::link).collect();
        needs::check(self, &needs::GATES, &links, &names);
        self.counted(&mut gates, &names);
        Some(gates.into_iter().map(|gate| gate.config).collect())
    }

    fn gate(&mut self, name: GateName, place: Place, node: &Node, shared: &Shared) -> Option<ReadGate> {
        if is_nothing(node) {
            self.wrong(place, format!("the gate `{name}` is empty; it needs `run`"));
            return None;
        }
        let mut fields = self.fields(node, &keys::GATE)?;
        fields.later |= fields.get("require").is_some_and(asks_for_later);
        if let (Some(_), Some(tests)) = (fields.get("junit"), fields.get("tests")) {
            self.wrong(tests.place, "`tests` takes what `junit` does, and other formats; write one of them");
        }
        let needs = fields.get("needs").map(|node| values::gates(self, node, "needs")).unwrap_or_default();
        let coverage = fields.get("coverage").map(|node| self.coverage(node)).unwrap_or_default();
        let (require, policy) = fields.get("require").and_then(|node| self.require(node, &fields)).unwrap_or_default();
        let config = GateConfig {
            image: self.image(&name, place, &fields, shared),
            run: self.run(&name, place, &fields),
            env: self.env(&fields, shared),
            needs: needs.iter().map(|(need, _)| need.clone()).collect(),
            when: fields.get("when").and_then(|node| self.when(node)).unwrap_or_default(),
            timeout_secs: fields.get("timeout").and_then(|node| values::span_secs(self, node)),
            junit: fields.get("junit").map(|node| values::report_globs(self, node)).unwrap_or_default(),
            tests: fields.get("tests").map(|node| values::report_globs(self, node)).unwrap_or_default(),
            retries: fields.get("retries").and_then(|node| values::whole(self, node, 0, keys::RETRIES_MAX)).unwrap_or(0),
            coverage: coverage.reports,
            coverage_of: coverage.of.iter().map(|(gate, _)| gate.clone()).collect(),
            coverage_counted: false,
            findings: self.findings(&fields),
            code_scanning: self.code_scanning(&fields),
            benchmark: self.benchmark(&fields),
            require,
            policy,
            outputs: fields.get("outputs").map(|node| values::report_globs(self, node)).unwrap_or_default(),
            cache: fields.get("cache").and_then(|node| self.cache(node)),
            network: self.flag(&fields, "network", false),
            required: self.flag(&fields, "required", true),
            checkout: fields.get("checkout").and_then(|node| self.checkout(node)).unwrap_or_default(),
            line: place.line,
            name,
        };
        self.measured_once(&fields, &config);
        Some(ReadGate { config, needs, coverage_of: coverage.of, has_coverage: fields.has("coverage") })
    }

    // A gate with a problem is not returned to anybody, so what stands in for a missing value here is never used.
    fn run(&mut self, name: &GateName, place: Place, fields: &Fields<'_>) -> Option<String> {
        match fields.get("run") {
            Some(node) => values::command(self, node),
            // A gate of a later kind may need no command; that it is of such a kind has been said.
            None if fields.later || fields.meant.contains(&"run") || needs_no_command(fields) => None,
            None => {
                self.wrong(place, format!("the gate `{name}` has no `run`; it needs a command"));
                None
            }
        }
    }

    fn image(&mut self, name: &GateName, place: Place, fields: &Fields<'_>, shared: &Shared) -> String {
        match (fields.get("image"), &shared.image) {
            (Some(node), _) => values::image(self, node).unwrap_or_default(),
            (None, Some(image)) => image.clone(),
            (None, None) if needs_no_command(fields) => String::new(),
            (None, None) if shared.image_written || fields.meant.contains(&"image") => String::new(),
            (None, None) => {
                self.wrong(place, format!("the gate `{name}` has no `image`, and neither has the file; one of them needs it"));
                String::new()
            }
        }
    }

    fn env(&mut self, fields: &Fields<'_>, shared: &Shared) -> BTreeMap<String, String> {
        let mut env = shared.env.clone();
        if let Some(node) = fields.get("env") {
            env.extend(values::env(self, node));
        }
        env
    }

    pub(super) fn flag(&mut self, fields: &Fields<'_>, key: &str, default: bool) -> bool {
        fields.get(key).and_then(|node| values::flag(self, node)).unwrap_or(default)
    }

    fn when(&mut self, node: &Node) -> Option<When> {
        let fields = self.fields(node, &keys::WHEN)?;
        if let (Some(_), Some(paths)) = (fields.get("changed"), fields.get("paths")) {
            self.wrong(paths.place, "`paths` is another name of `changed`; write one of them");
        }
        let changed = fields.get("changed").or(fields.get("paths"));
        Some(When {
            changed: changed.map(|node| values::path_globs(self, node)).unwrap_or_default(),
            branches: fields.get("branches").map(|node| values::branch_globs(self, node)).unwrap_or_default(),
            events: fields.get("events").map(|node| values::events(self, node)).unwrap_or_default(),
        })
    }

    /// What reports have to say, and what the change itself has to be.
    fn require(&mut self, node: &Node, of_gate: &Fields<'_>) -> Option<(Require, Policy)> {
        let fields = self.fields(node, &keys::REQUIRE)?;
        for asked in keys::REQUIRE_OF {
            let asks = asked.keys.iter().any(|key| fields.get(key).is_some());
            if asks && !asked.reports.iter().any(|key| of_gate.get(key).is_some() || of_gate.meant.contains(key)) {
                let (of, [first, ..]) = (asked.of, asked.reports) else { continue };
                self.wrong(
                    node.place,
                    format!("`require` asks for {of}, and the gate has no `{first}`; name its report files there"),
                );
            }
        }
        let mut percent = |key| fields.get(key).and_then(|node| values::percent(self, node));
        let require = Require {
            lines: percent("lines"),
            branches: percent("branches"),
            changed_lines: percent("changed-lines"),
            drop_at_most: percent("drop-at-most"),
            tests_drop_at_most: percent("tests-drop-at-most"),
            slower_at_most: percent("slower-at-most"),
            new_failures_at_most: fields
                .get("new-failures-at-most")
                .and_then(|node| values::whole(self, node, 0, keys::NEW_FAILURES_MAX)),
            new: fields.get("new").and_then(|node| findings::limits(self, node)),
            total: fields.get("total").and_then(|node| findings::limits(self, node)),
        };
        Some((require, policy::read::policy(self, &fields)))
    }

    fn cache(&mut self, node: &Node) -> Option<Cache> {
        let fields = self.fields(node, &keys::CACHE)?;
        for key in ["paths", "key"] {
            if fields.get(key).is_none() && !fields.meant.contains(&key) {
                self.wrong(
                    node.place,
                    format!("`cache` has no `{key}`; it needs folders to keep, and the files that decide about them"),
                );
            }
        }
        Some(Cache {
            paths: fields.get("paths").map(|node| values::folders(self, node)).unwrap_or_default(),
            key: fields.get("key").map(|node| values::report_globs(self, node)).unwrap_or_default(),
        })
    }

    /// Two names of one thing; where both are written, both count.
    fn findings(&mut self, fields: &Fields<'_>) -> Vec<String> {
        let written = ["sarif", "findings"].into_iter().filter_map(|key| fields.get(key));
        written.flat_map(|node| values::report_globs(self, node)).collect()
    }

    fn code_scanning(&mut self, fields: &Fields<'_>) -> bool {
        let wanted = self.flag(fields, "code-scanning", false);
        let of_reports = ["sarif", "findings"];
        if let (true, Some(node)) = (wanted, fields.get("code-scanning"))
            && !of_reports.iter().any(|key| fields.get(key).is_some() || fields.meant.contains(key))
        {
            self.wrong(node.place, "`code-scanning` uploads findings, and the gate has no `sarif`; name its report files there");
        }
        wanted
    }

    fn checkout(&mut self, node: &Node) -> Option<Checkout> {
        let fields = self.fields(node, &keys::CHECKOUT)?;
        Some(Checkout { submodules: self.flag(&fields, "submodules", false), lfs: self.flag(&fields, "lfs", false) })
    }
}

/// Whether a `require` asks for what later versions know.
fn asks_for_later(node: &Node) -> bool {
    let Value::Mapping(entries) = &node.value else { return false };
    entries.iter().any(|entry| keys::REQUIRE.later.contains(&entry.key.as_str()))
}

/// Whether a gate has nothing to run, and need not: what it asks about is there without any command of its own.
fn needs_no_command(gate: &Fields<'_>) -> bool {
    let counts = coverage::only_counts(gate);
    let of_reports = policy::keys::NEED_A_COMMAND.iter().any(|key| gate.get(key).is_some() && !(counts && *key == "coverage"));
    gate.get("run").is_none() && (counts || asks_of_the_change(gate)) && !of_reports
}

fn asks_of_the_change(gate: &Fields<'_>) -> bool {
    let Some(Value::Mapping(require)) = gate.get("require").map(|node| &node.value) else { return false };
    require.iter().any(|entry| policy::keys::NAMES.contains(&entry.key.as_str()))
}

/// The known entries of a mapping.
#[derive(Default)]
pub(super) struct Fields<'n> {
    entries: Vec<(&'n str, &'n Rc<Node>)>,
    /// Whether it has a key that later versions know.
    later: bool,
    /// Keys of which it has misspelt ones. That these are missing has been said.
    pub(super) meant: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// Whether none of its keys is known.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether all of its keys are known, so that what is missing was not misspelt.
    pub(super) fn is_right(&self) -> bool {
        self.meant.is_empty() && !self.later
    }

    /// Whether a key is there, be it misspelt.
    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some() || self.meant.contains(&key)
    }

    /// The keys that are known, with their values.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'n str, &'n Node)> {
        self.entries.iter().map(|&(name, node)| (name, node.as_ref()))
    }

    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(name, _)| *name == key).map(|&(_, node)| node.as_ref())
    }
}

fn is_nothing(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar(scalar) if scalar.kind == tree::ScalarKind::Null)
}
