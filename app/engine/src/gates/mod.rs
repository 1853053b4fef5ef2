//! The gates: what a step must leave behind, and what is said of it. Pure: no clock, no files, no network.
//!
//! A gate is judged by each [`Kind`] that its keys in the repository file ask for, one file and one line of [`KINDS`] each;
//! the worst word counts. All text that a step's program wrote is taken for hostile: it is bounded, and shown in ways in which
//! no Markdown, HTML or mention in it takes effect (see `markdown`).

use std::io::Read;

use bytes::Bytes;
use gatewright_core::config::GateConfig;
use gatewright_core::facts::{Facts, Past};
use gatewright_core::suggestion::Suggestion;
use gatewright_core::survey::SurveyWanted;
use gatewright_core::verdict::{Annotation, Evidence, Exit, ReportFile, ReportKind, Verdict, VerdictStatus};
use gatewright_reports::findings::SarifLog;
use gatewright_reports::{GO_MOD_BYTES_MAX, Mapping, SNIFF_BYTES, go_modules};

mod benchmarks;
mod command;
mod coverage;
mod findings;
pub(crate) mod markdown;
mod policy;
mod tests;

pub use benchmarks::measured;

/// Paths in a sentence are cut to so many characters.
const PATH_CHARS_MAX: usize = 200;

/// A kind of gate.
struct Kind {
    /// What its reports are about. None where it wants none.
    about: Option<ReportKind>,
    /// The report files that it wants read, as globs. None where the gate is not of this kind.
    reports: fn(&GateConfig) -> Option<&[String]>,
    /// What it says. Called only for a gate of this kind, and for all but the exit code's only if the command ended by itself.
    judge: fn(&GateConfig, &Evidence) -> Opinion,
}

/// Every kind. The exit code comes first, since without an end by itself there is nothing else to judge.
static KINDS: [Kind; 6] = [command::KIND, tests::KIND, coverage::KIND, findings::KIND, benchmarks::KIND, policy::KIND];

/// So many of them, from the first, judge what a command may do otherwise when it is run again.
const BY_ITSELF: usize = 2;

/// What a kind says.
struct Opinion {
    status: VerdictStatus,
    /// One line without any text of the step's program. Empty where the other kinds' titles say all.
    title: String,
    /// Markdown.
    summary: String,
    /// The worst first, at most [`Verdict::ANNOTATIONS_MAX`].
    annotations: Vec<Annotation>,
    annotations_left_out: u64,
    /// A few words on what is different from the base. Empty where there is nothing to compare.
    change: String,
    /// What is kept for later runs to compare with.
    facts: Facts,
    /// The command's exit code comes of what the reports tell, and that is no reason to fail.
    excuses_exit: bool,
    /// What could be changed for what was found.
    suggestions: Vec<Suggestion>,
    /// What code scanning is to be given.
    scan: Option<SarifLog>,
    /// What another gate counts: coverage, compressed.
    coverage: Option<Bytes>,
}

/// What is said of a step, and what is kept of it.
#[derive(Debug)]
pub struct Judgement {
    /// What is said.
    pub verdict: Verdict,
    /// What is kept for later runs to compare with.
    pub facts: Facts,
    /// What code scanning is to be given, where the gate asks for that.
    pub scan: Option<SarifLog>,
    /// What it has covered, where another gate counts that: [`Coverage::hand_on`](gatewright_reports::coverage::Coverage::hand_on)
    /// by gzip.
    pub coverage: Option<Bytes>,
}

impl Opinion {
    fn plain(status: VerdictStatus, title: impl Into<String>, summary: impl Into<String>) -> Opinion {
        let (title, summary) = (title.into(), summary.into());
        Opinion {
            status,
            title,
            summary,
            annotations: Vec::new(),
            annotations_left_out: 0,
            change: String::new(),
            facts: Facts::default(),
            excuses_exit: false,
            suggestions: Vec::new(),
            scan: None,
            coverage: None,
        }
    }
}

/// The report files that are to be read once the command has ended: what they are about, and globs.
pub fn reports_wanted(config: &GateConfig) -> Vec<(ReportKind, Vec<String>)> {
    let globs = |about: ReportKind, written: &[String]| match about {
        ReportKind::Benchmarks => benchmarks::globs(written),
        ReportKind::Tests | ReportKind::Coverage | ReportKind::Findings => written.to_vec(),
    };
    let wanted = KINDS.iter().filter_map(|kind| Some((kind.about?, (kind.reports)(config)?)));
    wanted.map(|(about, written)| (about, globs(about, written))).collect()
}

/// What the gate has to know of the source itself, and of how it differs from what it is compared with.
pub fn survey_wanted(config: &GateConfig) -> SurveyWanted {
    let reads = config.looks_at_coverage() || !config.findings.is_empty();
    SurveyWanted { files: reads, diff: reads, ..SurveyWanted::default() }.and(policy::wanted(&config.policy))
}

/// Whether the gate has to know what only a forge tells of a pull request.
pub fn pull_wanted(config: &GateConfig) -> bool {
    config.policy.title.is_some() || config.policy.reviewers.is_some()
}

/// Where the base branch's `CODEOWNERS` can lie, the first that there is, where the gate goes by it.
pub fn owners_paths(config: &GateConfig) -> &'static [&'static str] {
    policy::owners_paths(&config.policy)
}

/// The teams of whose members the gate has to know, with what the base branch's `CODEOWNERS` says.
pub fn teams_wanted(config: &GateConfig, owners: Option<&str>) -> Vec<String> {
    policy::teams(&config.policy, owners)
}

/// Whether it has to be known with which commit the gate's is compared.
pub fn base_wanted(config: &GateConfig) -> bool {
    !survey_wanted(config).is_empty() || config.compares()
}

/// What is said of a step. The same evidence gives the same verdict.
pub fn judge(config: &GateConfig, evidence: &Evidence) -> Judgement {
    judgement(opinions(config, evidence, &KINDS), evidence)
}

/// Whether another try of the command might do better: it failed by itself, by its exit code or by its tests. One that was
/// killed at a limit would take as long again, and what other reports say does not change by itself.
pub fn may_pass_again(config: &GateConfig, evidence: &Evidence) -> bool {
    let opinions = opinions(config, evidence, &KINDS[..BY_ITSELF]);
    let worst = opinions.iter().map(|opinion| opinion.status).min_by_key(|status| severity(*status));
    matches!(evidence.exit, Exit::Code { .. }) && worst == Some(VerdictStatus::Failed)
}

/// What these kinds say of a gate that is of them. An exit code that one of them excuses is no reason to fail.
fn opinions(config: &GateConfig, evidence: &Evidence, kinds: &[Kind]) -> Vec<Opinion> {
    let mut opinions: Vec<Opinion> = match evidence.exit {
        Exit::Code { .. } => {
            let of_kind = kinds.iter().filter(|kind| (kind.reports)(config).is_some());
            of_kind.map(|kind| (kind.judge)(config, evidence)).collect()
        }
        // There is nothing to be judged but that.
        Exit::TimedOut { .. } | Exit::OutOfMemory { .. } | Exit::Cancelled | Exit::NotStarted { .. } => {
            vec![(command::KIND.judge)(config, evidence)]
        }
    };
    let excused = opinions.iter().any(|opinion| opinion.excuses_exit);
    if let Some(of_exit) = opinions.first_mut().filter(|of_exit| excused && of_exit.status == VerdictStatus::Failed) {
        of_exit.status = VerdictStatus::Passed;
        of_exit.summary.clear();
    }
    opinions
}

/// What is said of a step whose judging broke off.
pub fn unreadable() -> Judgement {
    let verdict = Verdict::plain(
        VerdictStatus::Errored,
        "the reports could not be judged",
        "Reading the reports broke off. This is a mistake in Gatewright; its log says more.",
    );
    Judgement { verdict, facts: Facts::default(), scan: None, coverage: None }
}

fn judgement(opinions: Vec<Opinion>, evidence: &Evidence) -> Judgement {
    let status = opinions.iter().map(|opinion| opinion.status).min_by_key(|status| severity(*status));
    let several = opinions.len() > 1;
    let mut verdict = Verdict::plain(status.unwrap_or(VerdictStatus::Errored), "", "");
    let (mut titles, mut summaries, mut changes) = (Vec::new(), Vec::new(), Vec::new());
    let (mut facts, mut scan, mut coverage) = (Facts::default(), None, None);
    for opinion in opinions {
        // That the command was well is not worth a word where a report says more.
        if !(several && opinion.status == VerdictStatus::Passed && opinion.summary.is_empty()) {
            titles.push(opinion.title);
        }
        summaries.push(opinion.summary);
        verdict.annotations.extend(opinion.annotations);
        verdict.annotations_left_out += opinion.annotations_left_out;
        changes.extend(Some(opinion.change).filter(|change| !change.is_empty()));
        facts.merge(opinion.facts);
        verdict.suggestions.extend(opinion.suggestions);
        scan = scan.or(opinion.scan);
        coverage = coverage.or(opinion.coverage);
    }
    verdict.change = changes.join("; ");
    verdict.title = titles.join("; ");
    summaries.push(log_end(verdict.status, &evidence.log_tail));
    summaries.retain(|summary| !summary.is_empty());
    verdict.summary = summaries.join("\n\n");
    let over = verdict.annotations.len().saturating_sub(Verdict::ANNOTATIONS_MAX);
    verdict.annotations.sort_by_key(|annotation| annotation.level);
    verdict.annotations.truncate(Verdict::ANNOTATIONS_MAX);
    verdict.annotations_left_out += over as u64;
    cut_messages(&mut verdict.annotations);
    Judgement { verdict, facts, scan, coverage }
}

/// What stands before the paths of the commit's files where a tool names them.
fn mapping(evidence: &Evidence) -> Mapping {
    let modules = evidence.survey.as_ref().and_then(|survey| {
        let texts = survey.texts.as_ref()?;
        Some(go_modules(survey.files.iter().map(String::as_str), |path| texts.read(path, GO_MOD_BYTES_MAX)))
    });
    Mapping { roots: vec![evidence.workspace.clone()], go_modules: modules.unwrap_or_default() }
}

/// Opens a report: its first bytes, by which its format is known, and all of it.
fn opened(report: &ReportFile) -> Result<(Vec<u8>, Box<dyn Read + Send>), String> {
    let unread =
        |error: std::io::Error| format!("The report {} cannot be read: {error}", markdown::code(&report.path, PATH_CHARS_MAX));
    let mut head = Vec::new();
    let first = report.content.open().map_err(unread)?;
    first.take(SNIFF_BYTES as u64).read_to_end(&mut head).map_err(unread)?;
    Ok((head, report.content.open().map_err(unread)?))
}

/// The whole of a report that is known to be small.
fn whole(report: &ReportFile) -> Result<Vec<u8>, String> {
    let (_, mut content) = opened(report)?;
    let mut bytes = Vec::new();
    let read = content.read_to_end(&mut bytes);
    read.map_err(|error| format!("The report {} cannot be read: {error}", markdown::code(&report.path, PATH_CHARS_MAX)))?;
    Ok(bytes)
}

/// What a change is compared with, for a sentence.
fn compared_with(base: &Past) -> String {
    let of = if base.exact { "the commit that it started from" } else { "the newest one of the base branch that is known here" };
    format!("{}, {of}", base.commit.short())
}

/// What to say where nothing is known of the base.
const NO_BASE: &str = "Nothing is known of the base yet, so this was not compared. A gate that compares also runs for pushes to the \
    default branch, unless its `when` says otherwise; from the next such push on there is something to compare with.";

/// The messages of all annotations of a gate may have so many bytes together; each gets an equal share. They are journaled.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

fn cut_messages(annotations: &mut [Annotation]) {
    let share = MESSAGE_BYTES_MAX / annotations.len().max(1);
    for message in annotations.iter_mut().map(|annotation| &mut annotation.message) {
        if message.len() > share {
            message.truncate(message.floor_char_boundary(share));
            message.push('…');
        }
    }
}

/// Adds what of the files that were to be kept was not.
pub(crate) fn say_not_kept(verdict: &mut Verdict, problems: &[String]) {
    let lines: Vec<String> =
        problems.iter().take(NOT_KEPT_MAX).map(|problem| format!("- {}", markdown::code(problem, PATH_CHARS_MAX))).collect();
    if !lines.is_empty() {
        verdict.summary.push_str(&format!("\n\nNot all of `outputs` was kept:\n\n{}", lines.join("\n")));
    }
}

/// So many files that were not kept are named.
const NOT_KEPT_MAX: usize = 10;

/// The worst first.
fn severity(status: VerdictStatus) -> u8 {
    match status {
        VerdictStatus::Cancelled => 0,
        VerdictStatus::Errored => 1,
        VerdictStatus::Failed => 2,
        VerdictStatus::Passed => 3,
        VerdictStatus::Skipped => 4,
    }
}

/// The end of the log: folded away where all is well.
fn log_end(status: VerdictStatus, tail: &str) -> String {
    let tail = markdown::fenced(tail);
    match status {
        _ if tail.is_empty() => String::new(),
        VerdictStatus::Passed | VerdictStatus::Skipped => {
            format!("<details><summary>The log's end</summary>\n\n{tail}\n\n</details>")
        }
        VerdictStatus::Failed | VerdictStatus::Errored | VerdictStatus::Cancelled => format!("### The log's end\n\n{tail}"),
    }
}
