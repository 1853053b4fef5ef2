//! Coverage: which lines tests went through, of all files and of the lines that the change adds.
//!
//! Reports are read by `gatewright-reports`; this says what they come to. Files of a report that are none of the commit's do
//! not count, and are named; a report of which no file is one makes the gate an error, since nothing would be judged by it. So does
//! a demand on lines or branches of which the reports have none. What other gates of the run have covered counts too where the gate
//! asks for it.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fmt::Write;
use std::path::Path;

use gatewright_core::config::{GateConfig, Percent};
use gatewright_core::facts::{CoverageFacts, Facts, Past, Share};
use gatewright_core::verdict::{
    Annotation, AnnotationLevel, Evidence, Exit, ReportFile, ReportKind, Reports, Survey, Verdict, VerdictStatus,
};
use gatewright_reports::coverage::{self, ChangedCoverage, Coverage, Ratio, Totals, UncoveredRange};
use gatewright_reports::{Diff, Mapping, ReportError, RepositoryFiles, Unmapped};

use super::markdown::code;
use super::{Kind, NO_BASE, Opinion, PATH_CHARS_MAX, compared_with};
use counted::Others;
use demands::{CHANGED, Demand};
use unmatched::Unmatched;

mod counted;
mod demands;
mod unmatched;

pub(super) const KIND: Kind =
    Kind { about: Some(ReportKind::Coverage), reports: |config| config.looks_at_coverage().then_some(&config.coverage), judge };

/// So many problems with reports are shown.
const PROBLEMS_MAX: usize = 20;

/// So many folders, and so many changed files that no report knows, are shown.
const FOLDERS_MAX: usize = 30;
const FILES_MAX: usize = 10;

/// Folders are shown down to this depth.
const DEPTH: usize = 2;

/// What the reports of a gate say together, and what other gates have covered, where it counts that.
struct Found {
    coverage: Coverage,
    others: Others,
    /// Of its own reports, where it has any.
    own: Option<Totals>,
    /// Of the lines that the change adds. None where nothing says which these are.
    changed: Option<ChangedCoverage>,
    unmatched: Unmatched,
}

fn judge(config: &GateConfig, evidence: &Evidence) -> Opinion {
    let none = Reports::default();
    let reports = evidence.reports.get(&ReportKind::Coverage).unwrap_or(&none);
    if !config.coverage.is_empty() && reports.files.is_empty() && reports.errors.is_empty() {
        return no_report(config, evidence.exit == Exit::Code { code: 0 });
    }
    let others = match Others::read(&config.coverage_of, &evidence.counted) {
        Ok(others) => others,
        Err(problems) => return errored("coverage of another gate is missing", problems),
    };
    if config.coverage.is_empty() && others.each.is_empty() {
        return Opinion::plain(VerdictStatus::Skipped, "none of the gates that it counts applies here", others.left_out());
    }
    match read(reports, evidence, others) {
        Ok(found) => said(config, evidence, &found),
        Err(problems) => errored("a coverage report cannot be read", problems),
    }
}

fn errored(title: &str, mut problems: Vec<String>) -> Opinion {
    problems.truncate(PROBLEMS_MAX);
    Opinion::plain(VerdictStatus::Errored, title, problems.join("\n\n"))
}

fn said(config: &GateConfig, evidence: &Evidence, found: &Found) -> Opinion {
    let demands = demands::demands(config, found);
    let of_nothing = demands::of_nothing(config, found);
    let short: Vec<&Demand> = demands.iter().filter(|demand| !demand.is_met()).collect();
    let drop = Drop::of(config, found, evidence.base.as_ref());
    let dropped = drop.as_ref().is_some_and(|drop| !drop.is_allowed());
    let status = match (of_nothing.is_empty(), short.is_empty() && !dropped) {
        (false, _) => VerdictStatus::Errored,
        (true, false) => VerdictStatus::Failed,
        (true, true) => VerdictStatus::Passed,
    };
    // Where the gate fails for them they are what has to be mended, else a hint.
    let fails = short.iter().any(|demand| demand.what == CHANGED);
    let level = if fails { AnnotationLevel::Failure } else { AnnotationLevel::Warning };
    let (annotations, annotations_left_out) = annotations(found, level);
    let notes = [of_nothing.join("\n\n"), notes(config, found, drop.as_ref())];
    let title = match of_nothing.is_empty() {
        true => title(found, &short, drop.as_ref()),
        false => "the reports lack what `require` asks about".to_owned(),
    };
    let summary = summary(found, &demands, drop.as_ref(), &notes);
    // A part of what the gate counts is nothing to compare the whole of it with.
    let kept = found.is_whole().then(|| kept(&found.coverage.totals()));
    Opinion {
        change: drop.as_ref().map(Drop::words).unwrap_or_default(),
        facts: Facts { coverage: kept, ..Facts::default() },
        coverage: config.coverage_counted.then(|| counted::handed_on(&found.coverage)).flatten(),
        annotations,
        annotations_left_out,
        ..Opinion::plain(status, title, summary)
    }
}

/// What is to be said beside the numbers.
fn notes(config: &GateConfig, found: &Found, drop: Option<&Drop<'_>>) -> String {
    let not_compared = match (config.require.drop_at_most, drop) {
        (Some(_), None) if found.is_whole() => NO_BASE,
        (Some(_), None) => "So it was not compared with the base.",
        (None, _) | (Some(_), Some(_)) => "",
    };
    let no_diff = match (config.require.changed_lines, &found.changed) {
        (Some(_), None) => {
            "There is no commit that this one is compared with, so nothing says which lines are changed: `changed-lines` is not judged."
        }
        (Some(_), Some(_)) | (None, _) => "",
    };
    let notes = [found.others.left_out(), not_compared.to_owned(), no_diff.to_owned()];
    notes.into_iter().filter(|note| !note.is_empty()).collect::<Vec<_>>().join(" ")
}

impl Found {
    /// Whether everything is in it that the gate counts.
    fn is_whole(&self) -> bool {
        self.others.absent.is_empty()
    }
}

fn kept(totals: &Totals) -> CoverageFacts {
    let share = |ratio: Ratio| Share { covered: ratio.covered, total: ratio.total };
    CoverageFacts { lines: share(totals.lines), branches: share(totals.branches) }
}

/// How the part of all lines that is run has changed.
struct Drop<'a> {
    base: &'a Past,
    was: Ratio,
    is: Ratio,
    allowed: Option<Percent>,
}

impl<'a> Drop<'a> {
    fn of(config: &GateConfig, found: &Found, base: Option<&'a Past>) -> Option<Drop<'a>> {
        let base = base?;
        let Share { covered, total } = base.facts.coverage?.lines;
        let (was, is) = (Ratio { covered, total }, found.coverage.totals().lines);
        let comparable = found.is_whole() && total > 0 && is.total > 0;
        comparable.then_some(Drop { base, was, is, allowed: config.require.drop_at_most })
    }

    fn is_allowed(&self) -> bool {
        self.allowed.is_none_or(|allowed| self.hundredths() >= -i64::from(allowed.hundredths))
    }

    /// The difference in hundredths of a percentage point. A drop is rounded away from zero, so that what is shown as allowed is.
    fn hundredths(&self) -> i64 {
        let product = |a: u64, b: u64| i128::from(a) * i128::from(b);
        let difference = product(self.is.covered, self.was.total) - product(self.was.covered, self.is.total);
        let hundredths = (difference * 10_000).div_euclid(product(self.is.total, self.was.total));
        i64::try_from(hundredths).unwrap_or_default()
    }

    /// `-0.42 % of lines`
    fn words(&self) -> String {
        let hundredths = self.hundredths();
        let sign = if hundredths < 0 { "-" } else { "+" };
        let size = Percent { hundredths: u32::try_from(hundredths.unsigned_abs()).unwrap_or(u32::MAX) };
        format!("{sign}{size} of lines")
    }
}

fn no_report(config: &GateConfig, exit_well: bool) -> Opinion {
    let globs: Vec<String> = config.coverage.iter().take(10).map(|glob| code(glob, PATH_CHARS_MAX)).collect();
    let summary = format!(
        "No file matches {}. `coverage` in the repository file says where the command writes its report.",
        globs.join(", ")
    );
    // A command that failed may not have come so far.
    let status = if exit_well { VerdictStatus::Errored } else { VerdictStatus::Failed };
    Opinion::plain(status, "no coverage report", summary)
}

/// Reads all reports and puts what others have covered to them, or says what is wrong.
fn read(reports: &Reports, evidence: &Evidence, mut others: Others) -> Result<Found, Vec<String>> {
    let none = Survey::default();
    let survey = evidence.survey.as_ref().unwrap_or(&none);
    let files = RepositoryFiles::new(survey.files.iter().cloned());
    let mapping = super::mapping(evidence);
    let mut unmatched = Unmatched::default();
    let mut problems: Vec<String> =
        reports.errors.iter().map(|error| format!("A report cannot be read: {}", code(error, PATH_CHARS_MAX))).collect();
    let mut all = Coverage::default();
    for report in &reports.files {
        match read_one(report, &files, &mapping) {
            Ok((coverage, others)) => {
                all.merge(coverage);
                unmatched.add(others);
            }
            Err(problem) => problems.push(problem),
        }
    }
    let own = (!reports.files.is_empty()).then(|| all.totals());
    all.merge(std::mem::take(&mut others.coverage));
    let diff = survey.diff.as_ref().map(|diff| Diff::read(diff.as_ref())).transpose();
    let diff = diff.map_err(|error| {
        problems.push(format!("What the change adds cannot be read: {}", code(&error.to_string(), PATH_CHARS_MAX)))
    });
    match diff {
        Ok(diff) if problems.is_empty() => {
            Ok(Found { changed: diff.map(|diff| all.changed_lines(&diff)), coverage: all, others, own, unmatched })
        }
        Ok(_) | Err(()) => Err(problems),
    }
}

/// What a report says of files of the commit, and those of its files that are none.
fn read_one(report: &ReportFile, files: &RepositoryFiles, mapping: &Mapping) -> Result<(Coverage, Vec<Unmapped>), String> {
    let broken = |error: &ReportError| {
        format!("The report {} cannot be read: {}", code(&report.path, PATH_CHARS_MAX), code(&error.to_string(), PATH_CHARS_MAX))
    };
    let (head, content) = super::opened(report)?;
    let format = coverage::sniff(&report.path, &head)
        .ok_or_else(|| format!("The report {} is in no format that is known here.", code(&report.path, PATH_CHARS_MAX)))?;
    let read = coverage::read(format, content).map_err(|error| broken(&error))?;
    let (coverage, unmapped) = read.map(files, mapping);
    if coverage.files().next().is_none() {
        let example = unmapped.first().map(|one| format!(", for example {}", unmatched::named(one))).unwrap_or_default();
        return Err(format!("The report {} names no file of this commit{example}.", code(&report.path, PATH_CHARS_MAX)));
    }
    Ok((coverage, unmapped))
}

/// `87.5 % (7 of 8) of lines, 50 % (1 of 2) of changed lines`
fn title(found: &Found, short: &[&Demand], drop: Option<&Drop<'_>>) -> String {
    if let ([], Some(drop), Some(allowed)) = (short, drop, drop.and_then(|drop| drop.allowed))
        && !drop.is_allowed()
    {
        return format!("{}, and a drop of {allowed} is allowed", drop.words());
    }
    if let [first, rest @ ..] = short {
        let more = if rest.is_empty() { String::new() } else { format!(", and {} more", rest.len()) };
        return format!("{} of {}, less than {}{more}", first.is, first.what, first.least);
    }
    let changed = found.changed.as_ref().filter(|changed| changed.lines.total > 0);
    let changed = changed.map(|changed| format!(", {} of changed lines", changed.lines)).unwrap_or_default();
    format!("{} of lines{changed}", found.coverage.totals().lines)
}

fn summary(found: &Found, demands: &[Demand], drop: Option<&Drop<'_>>, notes: &[String]) -> String {
    let mut text = "| coverage | is | asked for | |\n|---|--:|--:|---|\n".to_owned();
    let Totals { lines, branches } = found.coverage.totals();
    let changed = found.changed.as_ref().map(|changed| changed.lines);
    for (what, is) in [("lines", Some(lines)), ("branches", Some(branches)), (CHANGED, changed)] {
        let demand = demands.iter().find(|demand| demand.what == what);
        let Some(is) = is.filter(|is| is.total > 0 || demand.is_some()) else { continue };
        // Of nothing, only a change can have what is asked for.
        let is_met = |demand: &Demand| demand.is_met() && (is.total > 0 || what == CHANGED);
        let (least, mark) =
            demand.map_or((String::new(), ""), |demand| (demand.least.to_string(), if is_met(demand) { "✅" } else { "❌" }));
        // Writing to a string does not fail.
        let _ = writeln!(text, "| {what} | {is} | {least} | {mark} |");
    }
    let against = drop.map(against).unwrap_or_default();
    let by_gate = found.others.table(found.own);
    let of_files = [by_gate, uncovered(found), unknown(found), found.unmatched.summary(), folders(&found.coverage)];
    let parts = [text, against].into_iter().chain(notes.iter().cloned()).chain(of_files);
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}

fn against(drop: &Drop<'_>) -> String {
    let allowed = drop.allowed.map(|allowed| format!(" A drop of {allowed} is allowed.")).unwrap_or_default();
    let base = compared_with(drop.base);
    format!("{}: {} here, {} at {base}.{allowed}", drop.words(), drop.is, drop.was)
}

/// What the change adds and nothing tests.
fn uncovered(found: &Found) -> String {
    let Some(changed) = &found.changed else { return String::new() };
    let mut text = String::new();
    let range = |one: &UncoveredRange| format!("- {}", code(&place(one), PATH_CHARS_MAX));
    let shown: Vec<String> = changed.uncovered.iter().take(FILES_MAX).map(range).collect();
    if !shown.is_empty() {
        let more = changed.uncovered.len().saturating_sub(shown.len());
        let more = if more > 0 { format!("\n- and {more} more") } else { String::new() };
        let _ = write!(text, "Added lines that no test runs:\n\n{}{more}", shown.join("\n"));
    }
    text
}

/// Files that the change adds lines to and that no report knows, where reports know others that are called alike: code that no
/// test loads, or that is left out of the reports on purpose. Which of the two, only people can tell, so it decides nothing.
fn unknown(found: &Found) -> String {
    let Some(changed) = &found.changed else { return String::new() };
    let kinds: HashSet<&OsStr> = found.coverage.files().filter_map(|(path, _)| Path::new(path).extension()).collect();
    let is_code = |path: &&String| Path::new(path.as_str()).extension().is_some_and(|kind| kinds.contains(kind));
    let files: Vec<&String> = changed.files_unknown.iter().filter(is_code).collect();
    let shown: Vec<String> = files.iter().take(FILES_MAX).map(|path| format!("- {}", code(path, PATH_CHARS_MAX))).collect();
    if shown.is_empty() {
        return String::new();
    }
    let more = files.len() - shown.len();
    let more = if more > 0 { format!("\n- and {more} more") } else { String::new() };
    format!(
        "Changed files that no report knows, so that they count neither as covered nor as not covered:\n\n{}{more}",
        shown.join("\n")
    )
}

fn place(one: &UncoveredRange) -> String {
    let (first, last) = (one.range.first, one.range.last);
    if first == last { format!("{}:{first}", one.path) } else { format!("{}:{first}-{last}", one.path) }
}

fn folders(coverage: &Coverage) -> String {
    let folders = coverage.by_folder(DEPTH);
    let row = |folder: &coverage::Folder| {
        let path = if folder.path.is_empty() { "(root)".to_owned() } else { code(&folder.path, PATH_CHARS_MAX) };
        format!("| {} | {} | {} |\n", path.replace('|', "\\|"), folder.files, folder.totals.lines)
    };
    let rows: String = folders.iter().take(FOLDERS_MAX).map(row).collect();
    let more = folders.len().saturating_sub(FOLDERS_MAX);
    let more = if more > 0 { format!("\nAnd {more} more folders.\n") } else { String::new() };
    format!("<details><summary>By folder</summary>\n\n| folder | files | lines |\n|---|--:|--:|\n{rows}{more}\n</details>")
}

/// One at each range of added lines that no test runs.
fn annotations(found: &Found, level: AnnotationLevel) -> (Vec<Annotation>, u64) {
    let uncovered = found.changed.iter().flat_map(|changed| &changed.uncovered);
    let all: Vec<Annotation> = uncovered.map(|one| annotation(one, level)).collect();
    let left_out = all.len().saturating_sub(Verdict::ANNOTATIONS_MAX) as u64;
    (all.into_iter().take(Verdict::ANNOTATIONS_MAX).collect(), left_out)
}

fn annotation(one: &UncoveredRange, level: AnnotationLevel) -> Annotation {
    let message = match one.lines {
        1 => "No test runs this line.".to_owned(),
        lines => format!("No test runs these {lines} lines."),
    };
    Annotation {
        path: one.path.clone(),
        start_line: one.range.first,
        end_line: one.range.last,
        column: None,
        level,
        title: "Not covered".to_owned(),
        message,
    }
}
