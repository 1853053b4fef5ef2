//! Benchmarks: whether the head is slower than the base, by a test that states how often it is wrong, never by a bare threshold.
//!
//! Where the gate asks for it (`compare: interleaved`), base and head were measured in the same sandbox, one round after the
//! other, and the rounds are judged by a sign-flip test (`compare`, `signs`). Else the head is compared with what earlier runs of
//! the base branch measured (`history`). What cannot be told is called so: it is neither a proof nor a failure.

use gatewright_core::config::GateConfig;
use gatewright_core::facts::{BenchmarkFact, BenchmarkFacts, Facts, Past};
use gatewright_core::verdict::{Evidence, Exit, ReportKind, Reports, Rounds, VerdictStatus};

use super::markdown::code;
use super::{Kind, Opinion, PATH_CHARS_MAX};

mod compare;
mod history;
mod measured;
mod rounds;
mod show;
mod signs;

use compare::{Allowed, Found, Limit};

pub(super) const KIND: Kind = Kind {
    about: Some(ReportKind::Benchmarks),
    reports: |config| (!config.benchmark.reports.is_empty()).then_some(&config.benchmark.reports),
    judge,
};

/// What is said of one benchmark.
struct Line {
    name: String,
    unit: String,
    /// What it measured on both sides, where it did.
    base: Option<f64>,
    head: Option<f64>,
    /// What is found out of that. None where there is nothing to compare.
    found: Option<Found>,
    /// What its interval is drawn from.
    source: Source,
    /// What is to be said beside the figures.
    note: &'static str,
}

/// What the interval of a benchmark is drawn from.
enum Source {
    Rounds(Vec<f64>),
    Past(history::Against),
    Nothing,
}

impl Line {
    fn interval(&self) -> Option<(f64, f64)> {
        match &self.source {
            Source::Rounds(changes) => compare::interval(changes),
            Source::Past(against) => against.interval(),
            Source::Nothing => None,
        }
    }

    fn is(&self, allowed: Allowed) -> bool {
        self.found.is_some_and(|found| found.allowed == allowed)
    }
}

/// What all benchmarks of a gate come to.
struct Told {
    lines: Vec<Line>,
    /// What they were compared with, and how sure that is, in sentences.
    about: String,
    /// Why less can be said than was asked for.
    notes: Vec<String>,
}

/// The globs of a gate's `benchmark`, with what a folder stands for: Criterion's folders below it, and reports in it.
pub(super) fn globs(written: &[String]) -> Vec<String> {
    let one = |path: &String| {
        let path = path.trim_end_matches('/');
        let last = path.rsplit('/').next().unwrap_or(path);
        let below = ["/**/new/{benchmark,sample,estimates}.json", "/*.{json,txt}"];
        let folder = if last.contains(['.', '*', '?', '[', '{']) { &[][..] } else { &below[..] };
        let below = folder.iter().map(|below| format!("{path}{below}"));
        std::iter::once(path.to_owned()).chain(below).collect::<Vec<_>>()
    };
    written.iter().flat_map(one).collect()
}

fn judge(config: &GateConfig, evidence: &Evidence) -> Opinion {
    let none = Reports::default();
    let reports = evidence.reports.get(&ReportKind::Benchmarks).unwrap_or(&none);
    let head = match measured::read(reports) {
        Ok(head) => head,
        Err(problems) => return Opinion::plain(VerdictStatus::Errored, "a report cannot be read", problems),
    };
    if head.list.is_empty() && reports.files.is_empty() {
        // A command that failed may not have come so far.
        let status = if evidence.exit == (Exit::Code { code: 0 }) { VerdictStatus::Errored } else { VerdictStatus::Failed };
        return Opinion::plain(status, "no benchmark report", no_report(config));
    }
    let limit = Limit::percent(config.require.slower_at_most.map(|percent| f64::from(percent.hundredths) / 100.0));
    let Some(rounds) = &evidence.rounds else {
        let facts = head.facts();
        return opinion(config, limit, against_history(&facts, &evidence.history, limit), facts, &head.problems);
    };
    match rounds::told(rounds, &head.facts(), limit) {
        Ok((told, facts)) => opinion(config, limit, told, facts, &head.problems),
        Err(problems) => Opinion::plain(VerdictStatus::Errored, "a report cannot be read", problems),
    }
}

fn no_report(config: &GateConfig) -> String {
    let globs: Vec<String> = config.benchmark.reports.iter().take(10).map(|glob| code(glob, PATH_CHARS_MAX)).collect();
    format!("No file matches {}. `benchmark` in the repository file says where the command writes its report.", globs.join(", "))
}

fn opinion(config: &GateConfig, limit: Limit, mut told: Told, facts: BenchmarkFacts, problems: &[String]) -> Opinion {
    show::worst_first(&mut told.lines);
    let failed = told.lines.iter().any(|line| line.is(Allowed::No)) || !problems.is_empty();
    let status = if failed { VerdictStatus::Failed } else { VerdictStatus::Passed };
    let shown = show::shown(&told, limit, config.require.slower_at_most, problems);
    let facts = Facts { benchmarks: Some(facts), ..Facts::default() };
    Opinion { change: shown.change, facts, ..Opinion::plain(status, shown.title, shown.summary) }
}

fn against_history(facts: &BenchmarkFacts, history: &[Past], limit: Limit) -> Told {
    let past: Vec<&BenchmarkFacts> = history.iter().filter_map(|past| past.facts.benchmarks.as_ref()).collect();
    let against = |fact: &BenchmarkFact| {
        let same = |facts: &&BenchmarkFacts| facts.find(&fact.name, &fact.unit).map(BenchmarkFact::value);
        let past: Vec<f64> = past.iter().filter_map(same).collect();
        (history::Against::of(fact, &past), typical(past))
    };
    let all: Vec<(history::Against, Option<f64>)> = facts.list.iter().map(against).collect();
    let found = history::judge(&all.iter().map(|(against, _)| against.clone()).collect::<Vec<_>>(), limit);
    let lines = facts.list.iter().zip(all).zip(found).map(|((fact, (against, base)), found)| Line {
        name: fact.name.clone(),
        unit: fact.unit.clone(),
        base,
        head: Some(fact.value()),
        note: match against.past.len() {
            0 => "new",
            few if few < history::RUNS_MIN => "too few runs",
            _ => "",
        },
        found: (!against.past.is_empty()).then_some(found),
        source: Source::Past(against),
    });
    Told { lines: lines.collect(), about: show::about_history(past.len(), limit), notes: Vec::new() }
}

/// A measurement as people read it: `12.5 ms`. Plain text, of which the unit may come from untrusted code.
pub fn measured(value: f64, unit: &str) -> String {
    show::measured(value, unit)
}

/// The middle one.
fn typical(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// How rounds are told of that could not be measured.
fn cut_short(rounds: &Rounds) -> Option<String> {
    rounds.cut_short.as_ref().map(|cause| format!("Measured were {} of {} rounds: {cause}.", rounds.list.len(), rounds.wanted))
}
