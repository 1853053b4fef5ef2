//! Planning: which gates of a repository file apply to a change, and which do not and why. Pure.

use globset::{Glob, GlobSet, GlobSetBuilder};
use serde::{Deserialize, Serialize};

use crate::config::{GateConfig, GateEvent, Pushed, RepoConfig};
use crate::forge::ChangedFiles;
use crate::ids::GateName;

/// What planning goes by.
#[derive(Debug, Clone)]
pub struct Change<'a> {
    /// The kind of event.
    pub event: GateEvent,
    /// The branch that the change is going to, or that was pushed.
    pub branch: &'a str,
    /// Where it went, if it is a push.
    pub pushed: Pushed,
    /// The files that it touches.
    pub files: &'a ChangedFiles,
    /// Only these gates, where a person asked for some only. What they need is taken to have passed.
    pub only: Option<&'a [GateName]>,
}

/// A plan: every gate of the file, each with whether it applies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// In the order of the file.
    pub gates: Vec<PlannedGate>,
}

/// A gate in a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedGate {
    /// The gate as the base branch's file has it.
    pub config: GateConfig,
    /// Whether it applies.
    pub applies: Applies,
}

/// Whether a gate applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Applies {
    /// It runs.
    Yes,
    /// It does not, and this is why.
    No {
        /// For people: "no changed file matches `app/**`".
        because: String,
    },
    /// It was not asked for; an earlier run's verdict stands.
    NotAskedFor,
}

/// Whether planning needs the list of changed files at all.
pub fn needs_changed_files(config: &RepoConfig) -> bool {
    config.gates.iter().any(|gate| !gate.when.changed.is_empty())
}

/// Plans a change. The same inputs give the same plan.
pub fn plan(config: &RepoConfig, change: &Change<'_>) -> Plan {
    if change.pushed == Pushed::Tag {
        return asked_for(config, change.only.unwrap_or_default());
    }
    if change.event == GateEvent::Push {
        return pushed(config, change);
    }
    let planned = |gate: &GateConfig| PlannedGate { config: gate.clone(), applies: applies(gate, change, unmet) };
    Plan { gates: config.gates.iter().map(planned).collect() }
}

/// On a push only the gates for pushes to that branch are named: most pushes concern no gate, and a pull request's check may be
/// on the same commit. What these need comes along, unless it says that it is for other events: without it they would never run.
fn pushed(config: &RepoConfig, change: &Change<'_>) -> Plan {
    let for_push = config.gates.iter().filter(|gate| is_for_push(gate, change)).map(|gate| &gate.name);
    let comes_along = |gate: &GateConfig| gate.when.events.is_empty() && goes_to(gate, change) || is_for_push(gate, change);
    let named = with_needs(config, for_push.collect(), comes_along);
    let gates = config.gates.iter().filter(|gate| named.contains(&&gate.name));
    let planned = |gate: &GateConfig| PlannedGate { config: gate.clone(), applies: applies(gate, change, unmet_but_event) };
    Plan { gates: gates.map(planned).collect() }
}

/// These gates with all that they need, as far as that comes along.
fn with_needs<'c>(
    config: &'c RepoConfig,
    mut wanted: Vec<&'c GateName>,
    comes_along: impl Fn(&GateConfig) -> bool,
) -> Vec<&'c GateName> {
    let mut n = 0;
    while let Some(name) = wanted.get(n) {
        let needs = config.gates.iter().filter(|gate| gate.name == **name).flat_map(|gate| &gate.needs);
        let comes = |need: &&GateName| config.gates.iter().any(|gate| gate.name == **need && comes_along(gate));
        let further: Vec<&GateName> = needs.filter(|need| !wanted.contains(need)).filter(comes).collect();
        wanted.extend(further);
        n += 1;
    }
    wanted
}

/// The gates that a release asks for, with all that they need. When they apply otherwise is no matter.
fn asked_for(config: &RepoConfig, names: &[GateName]) -> Plan {
    let known = config.gates.iter().map(|gate| &gate.name).filter(|name| names.contains(name));
    let wanted = with_needs(config, known.collect(), |_| true);
    let asked = config.gates.iter().filter(|gate| wanted.contains(&&gate.name));
    Plan { gates: asked.map(|gate| PlannedGate { config: gate.clone(), applies: Applies::Yes }).collect() }
}

fn is_for_push(gate: &GateConfig, change: &Change<'_>) -> bool {
    gate.runs_for(GateEvent::Push, change.pushed) && goes_to(gate, change)
}

/// Whether it is for changes of that branch.
fn goes_to(gate: &GateConfig, change: &Change<'_>) -> bool {
    let branches = &gate.when.branches;
    branches.is_empty() || globs(branches).is_match(change.branch)
}

fn applies(gate: &GateConfig, change: &Change<'_>, unmet: fn(&GateConfig, &Change<'_>) -> Option<String>) -> Applies {
    if change.only.is_some_and(|only| !only.contains(&gate.name)) {
        return Applies::NotAskedFor;
    }
    match unmet(gate, change) {
        None => Applies::Yes,
        Some(because) => Applies::No { because },
    }
}

/// The first of a gate's conditions that a change does not meet.
fn unmet(gate: &GateConfig, change: &Change<'_>) -> Option<String> {
    if !gate.runs_for(change.event, change.pushed) {
        return Some(format!("it does not run for {}", event_words(change.event)));
    }
    unmet_but_event(gate, change)
}

/// The same, whatever it says of events.
fn unmet_but_event(gate: &GateConfig, change: &Change<'_>) -> Option<String> {
    let when = &gate.when;
    if !goes_to(gate, change) {
        return Some(format!("the branch `{}` does not match {}", change.branch, quoted(&when.branches)));
    }
    if !when.changed.is_empty() && !change.files.incomplete && !any_changed(&when.changed, &change.files.paths) {
        return Some(format!("no changed file matches {}", quoted(&when.changed)));
    }
    None
}

fn event_words(event: GateEvent) -> &'static str {
    match event {
        GateEvent::PullRequest => "pull requests",
        GateEvent::MergeGroup => "merge groups",
        GateEvent::Push => "pushes",
    }
}

fn any_changed(rules: &[String], paths: &[String]) -> bool {
    let rules = PathRules::new(rules);
    paths.iter().any(|path| rules.matches(path))
}

/// Globs of paths, of which those with a `!` before them take paths out again.
#[derive(Debug, Clone)]
pub struct PathRules {
    take: GlobSet,
    out: GlobSet,
}

impl PathRules {
    /// From rules as the repository file has them. Without any, and with those only that take paths out, every other path
    /// matches.
    pub fn new(rules: &[String]) -> PathRules {
        let (out, take): (Vec<&String>, Vec<&String>) = rules.iter().partition(|rule| rule.starts_with('!'));
        let out = globs(out.iter().map(|rule| &rule[1..]));
        // Rules that only take paths out mean "anything but these".
        let take = if take.is_empty() { globs(["**"]) } else { globs(take) };
        PathRules { take, out }
    }

    /// Whether a path is meant.
    pub fn matches(&self, path: &str) -> bool {
        self.take.is_match(path) && !self.out.is_match(path)
    }
}

/// The set of these globs, in which `*` does not cross a `/`. Globs were checked when the file was read; one that is
/// not valid all the same matches nothing.
fn globs<I, S>(rules: I) -> GlobSet
where
    I: IntoIterator<Item = S>,
    S: AsRef<str>,
{
    let mut set = GlobSetBuilder::new();
    for rule in rules {
        if let Ok(glob) = glob(rule.as_ref()) {
            set.add(glob);
        }
    }
    set.build().unwrap_or_else(|_| GlobSet::empty())
}

/// A glob as the repository file writes it.
pub fn glob(rule: &str) -> Result<Glob, globset::Error> {
    globset::GlobBuilder::new(rule).literal_separator(true).build()
}

fn quoted(rules: &[String]) -> String {
    rules.iter().map(|rule| format!("`{rule}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(paths: &[&str]) -> ChangedFiles {
        ChangedFiles { paths: paths.iter().map(|p| (*p).to_owned()).collect(), incomplete: false }
    }

    fn change<'a>(files: &'a ChangedFiles) -> Change<'a> {
        Change { event: GateEvent::PullRequest, branch: "main", pushed: Pushed::Elsewhere, files, only: None }
    }

    /// A gate with these keys beside its command.
    fn gate(keys: &str) -> GateConfig {
        let text = format!("image: i\ngates: {{ g: {{ run: x, {keys} }} }}");
        crate::config::parse(&text).expect("a valid file").gates.remove(0)
    }

    #[test]
    fn a_gate_for_paths_runs_only_when_one_of_them_changed() {
        let gate = gate("when: { changed: ['app/**', '!**/*.md'] }");
        assert_eq!(unmet(&gate, &change(&files(&["app/core/lib.rs"]))), None);
        assert!(unmet(&gate, &change(&files(&["app/README.md", "docs/x.rs"]))).is_some());
    }

    #[test]
    fn a_list_of_files_that_the_forge_cut_never_hides_a_gate() {
        let gate = gate("when: { changed: 'app/**' }");
        let cut = ChangedFiles { incomplete: true, ..files(&["docs/x.md"]) };
        assert_eq!(unmet(&gate, &change(&cut)), None);
    }

    #[test]
    fn a_gate_runs_for_pull_requests_and_merge_groups_unless_it_says_otherwise() {
        let none = files(&[]);
        let push = Change { event: GateEvent::Push, pushed: Pushed::DefaultBranch, ..change(&none) };
        assert_eq!(unmet(&gate(""), &push).as_deref(), Some("it does not run for pushes"));
        let release = gate("when: { events: push, branches: 'release/*' }");
        assert!(unmet(&release, &push).is_some_and(|why| why.contains("`main` does not match `release/*`")));
        assert_eq!(unmet(&release, &Change { branch: "release/1", pushed: Pushed::Elsewhere, ..push }), None);
    }

    #[test]
    fn a_release_has_the_gates_run_that_it_names_with_all_that_they_need_whenever_they_apply_otherwise() {
        let text = "image: i\ngates:\n  a: { run: x, when: { events: pull_request, changed: 'docs/**' } }\n  b: { run: x, needs: [a] }\n  c: { run: x }";
        let config = crate::config::parse(text).expect("a valid file");
        let (none, only) = (files(&[]), ["b".parse().expect("a name")]);
        let tag = Change { event: GateEvent::Push, pushed: Pushed::Tag, only: Some(&only), ..change(&none) };
        let planned = plan(&config, &tag).gates;
        assert_eq!(planned.iter().map(|gate| gate.config.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(planned.iter().all(|gate| gate.applies == Applies::Yes));
    }

    #[test]
    fn a_gate_that_compares_with_the_base_also_runs_for_pushes_to_the_default_branch_unless_it_says_otherwise() {
        let none = files(&[]);
        let push = Change { event: GateEvent::Push, pushed: Pushed::DefaultBranch, ..change(&none) };
        let compares = "coverage: a.info, require: { drop-at-most: 1 }";
        assert_eq!(unmet(&gate(compares), &push), None);
        assert!(unmet(&gate(compares), &Change { pushed: Pushed::Elsewhere, ..push.clone() }).is_some());
        assert!(unmet(&gate(&format!("{compares}, when: {{ events: pull_request }}")), &push).is_some());
    }

    #[test]
    fn what_a_gate_needs_comes_along_on_a_push_unless_it_says_that_it_is_for_other_events() {
        let text = "image: i\ngates:\n  deep: { run: x, when: { changed: 'docs/**' } }\n  a: { run: x, needs: [deep] }\n  \
                    b: { run: x, when: { events: pull_request } }\n  c: { run: x, when: { branches: other } }\n  \
                    all: { run: x, needs: [a, b, c], coverage: x.info, require: { drop-at-most: 0 } }\n  d: { run: x }";
        let config = crate::config::parse(text).expect("a valid file");
        let none = files(&[]);
        let push = Change { event: GateEvent::Push, pushed: Pushed::DefaultBranch, ..change(&none) };
        let planned = plan(&config, &push).gates;
        let applies = |planned: &PlannedGate| (planned.config.name.to_string(), planned.applies == Applies::Yes);
        let expected = [("deep", false), ("a", true), ("all", true)].map(|(name, applies)| (name.to_owned(), applies));
        assert_eq!(planned.iter().map(applies).collect::<Vec<_>>(), expected);
        assert_eq!(plan(&config, &Change { pushed: Pushed::Elsewhere, ..push }), Plan::default());
    }
}
