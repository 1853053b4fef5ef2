//! What people read of findings.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

use gatewright_core::config::GateConfig;
use gatewright_core::verdict::{Annotation, AnnotationLevel, Verdict};
use gatewright_reports::findings::{Finding, Level, SarifLog, write_sarif};

use super::compare::{Against, Compared, worst_first};
use super::tally::{Row, Tally, word};
use super::{Demand, Scope, Seen};
use crate::gates::markdown::{code, one_line, without_controls};
use crate::gates::{NO_BASE, PATH_CHARS_MAX, compared_with};

/// So many rules, new findings, reasons and problems of the tool are shown.
const RULES_MAX: usize = 30;
const NEW_MAX: usize = 20;
const REASONS_MAX: usize = 10;
const PROBLEMS_MAX: usize = 10;

/// Messages, ids and the like in a list are cut to so many characters.
const MESSAGE_CHARS_MAX: usize = 300;
const ID_CHARS_MAX: usize = 100;

/// So many related places of a finding are shown.
const RELATED_MAX: usize = 5;

/// An annotation's title may have so many characters, and its message so many bytes.
const TITLE_CHARS_MAX: usize = 200;
const ANNOTATION_BYTES_MAX: usize = 2 * 1024;

/// `1 new error, none allowed`
pub(super) fn title(seen: &Seen<'_>) -> String {
    let broken: Vec<&Demand> = seen.demands.iter().filter(|demand| !demand.is_met()).collect();
    if let [first, rest @ ..] = broken.as_slice() {
        let more = if rest.is_empty() { String::new() } else { format!(", and {} more", rest.len()) };
        let most = if first.most == 0 { "none".to_owned() } else { first.most.to_string() };
        return format!("{}, {most} allowed{more}", counted(first));
    }
    if seen.findings.unfinished {
        return "the tool did not run to its end".to_owned();
    }
    let (all, new) = (Tally::of_all(seen.findings), seen.compared.tally());
    match (all.total(), &seen.compared.against) {
        (0, _) => "no findings".to_owned(),
        (_, Against::Nothing) => words(&all, ""),
        (known, Against::Base(_) | Against::AddedLines) if new.total() == 0 => format!("no new findings, {known} known"),
        (_, Against::Base(_) | Against::AddedLines) => words(&new, "new "),
    }
}

/// `2 new errors`
fn counted(demand: &Demand) -> String {
    let text = demand.row.counted(demand.is);
    match (demand.scope, text.split_once(' ')) {
        (Scope::New, Some((count, what))) => format!("{count} new {what}"),
        (Scope::New | Scope::All, _) => text,
    }
}

/// `1 new error, 2 new warnings`
fn words(tally: &Tally, before: &str) -> String {
    let levels = Row::ALL.into_iter().filter(|row| matches!(row, Row::Of(_)));
    let parts = levels.filter(|row| tally.of_row(*row) > 0).map(|row| {
        let text = row.counted(tally.of_row(row));
        text.split_once(' ').map_or_else(String::new, |(count, what)| format!("{count} {before}{what}"))
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// `1 new, 3 fixed`
pub(super) fn change(compared: &Compared<'_>) -> String {
    let Against::Base(_) = compared.against else { return String::new() };
    let new = compared.tally().total();
    let fixed = compared.fixed.filter(|fixed| *fixed > 0).map(|fixed| format!("{fixed} fixed"));
    let new = if new > 0 || fixed.is_none() { Some(format!("{new} new")) } else { None };
    new.into_iter().chain(fixed).collect::<Vec<_>>().join(", ")
}

/// What the command's exit code means beside its report.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ExitNote {
    /// The command passed.
    Well,
    /// It only says that something was found.
    Excused,
    /// It failed.
    Failed,
}

pub(super) fn summary(seen: &Seen<'_>, exit: ExitNote) -> String {
    let parts = [
        counts(seen),
        against(seen.compared),
        notes(seen, exit),
        new_ones(seen.compared),
        by_rule(seen),
        suppressed(seen),
        problems(seen),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// A row for each level and severity that there is, or that something is asked of.
fn counts(seen: &Seen<'_>) -> String {
    let (all, new) = (Tally::of_all(seen.findings), seen.compared.tally());
    let mut text = "| findings | new | all | asked for | |\n|---|--:|--:|---|---|\n".to_owned();
    let shown = |row: &Row| all.of_row(*row) > 0 || seen.demands.iter().any(|demand| demand.row == *row);
    let compared = !matches!(seen.compared.against, Against::Nothing);
    for row in Row::ALL.into_iter().filter(shown) {
        let demands: Vec<&Demand> = seen.demands.iter().filter(|demand| demand.row == row).collect();
        let asked: Vec<String> = demands.iter().map(|demand| asked_for(demand)).collect();
        let mark = match (demands.is_empty(), demands.iter().all(|demand| demand.is_met())) {
            (true, _) => "",
            (false, true) => "✅",
            (false, false) => "❌",
        };
        let new = if compared { new.of_row(row).to_string() } else { String::new() };
        // Writing to a string does not fail.
        let _ = writeln!(text, "| {} | {new} | {} | {} | {mark} |", row.plural(), all.of_row(row), asked.join(", "));
    }
    text.trim_end().to_owned()
}

/// `new at most 0`
fn asked_for(demand: &Demand) -> String {
    let of = match demand.scope {
        Scope::New => "new",
        Scope::All => "all",
    };
    format!("{of} at most {}", demand.most)
}

fn against(compared: &Compared<'_>) -> String {
    match &compared.against {
        Against::Base(base) => {
            let fixed = compared.fixed.map(|fixed| format!(", {fixed} fixed")).unwrap_or_default();
            let stands_in = if base.exact {
                ""
            } else {
                " In files that the change leaves alone nothing counts as new: that may have come with the base branch."
            };
            format!("Compared with {}: {} new{fixed}.{stands_in}", compared_with(base), compared.tally().total())
        }
        Against::AddedLines => {
            format!(
                "Findings on lines that the change adds count as new, and those without a line in files that it touches; no others. {NO_BASE}"
            )
        }
        Against::Nothing => NO_BASE.to_owned(),
    }
}

/// What else is to be known of the numbers.
fn notes(seen: &Seen<'_>, exit: ExitNote) -> String {
    let mut notes = Vec::new();
    let met = seen.demands.iter().all(Demand::is_met);
    match exit {
        ExitNote::Excused => notes.push(
            "The command ended with exit code 1, as linters do that found anything; what it found is within the limits.".to_owned(),
        ),
        ExitNote::Failed if met => notes.push(
            "The findings are within the limits, but the command failed. Where its linter ends so for what it found, and only these \
             limits should count, let the command pass (`|| true`): its report is judged all the same."
                .to_owned(),
        ),
        ExitNote::Failed | ExitNote::Well => {}
    }
    let left_out: u64 = seen.findings.left_out.values().sum();
    if left_out > 0 {
        let taken = match (&seen.compared.against, seen.compared.more.total()) {
            (_, 0) | (Against::Nothing, _) => "",
            (Against::Base(_), _) => " What is more than on the base counts as new.",
            (Against::AddedLines, _) => " That counts as new, since nobody knows where it is.",
        };
        notes.push(format!("{} only counted, being beyond the first {}.{taken}", several(left_out), seen.findings.list.len()));
    }
    let all = Tally::of_all(seen.findings);
    let asks_severity = seen.demands.iter().any(|demand| matches!(demand.row, Row::Security(_)));
    if asks_severity && all.total() > 0 && !all.has_severities() {
        notes.push(
            "No finding says how bad it is for security, so limits of `critical`, `high`, `medium` and `low` count none of them. \
             Limits of `error`, `warning` and `note` do."
                .to_owned(),
        );
    }
    let standing = || seen.findings.list.iter().filter(|finding| finding.stands());
    let elsewhere: Vec<&str> = standing().filter_map(|finding| finding.elsewhere.as_deref()).collect();
    if let Some(example) = elsewhere.first() {
        let example = code(example, PATH_CHARS_MAX);
        notes.push(format!("{} in files that are none of the commit's, for example {example}.", several(elsewhere.len() as u64)));
    }
    let unreasoned = standing().filter(|finding| finding.suppressed.is_some()).count();
    if unreasoned > 0 {
        notes.push(format!(
            "{} suppressed without a reason. That suppresses nothing: it has to say why.",
            several(unreasoned as u64)
        ));
    }
    notes.join("\n\n")
}

fn several(count: u64) -> String {
    if count == 1 { "1 finding is".to_owned() } else { format!("{count} findings are") }
}

/// The new findings, one a line.
fn new_ones(compared: &Compared<'_>) -> String {
    let lines: Vec<String> = compared.new.iter().take(NEW_MAX).map(|finding| line(finding)).collect();
    if lines.is_empty() {
        return String::new();
    }
    let more = compared.new.len().saturating_sub(lines.len());
    let more = if more > 0 { format!("\n- and {more} more") } else { String::new() };
    format!("### New\n\n{}{more}", lines.join("\n"))
}

fn line(finding: &Finding) -> String {
    let place = place(finding).map(|place| format!("{} ", code(&place, PATH_CHARS_MAX))).unwrap_or_default();
    let severity = finding.severity.map(|severity| format!(", {}", word(severity))).unwrap_or_default();
    let level = level_word(finding.level);
    let rule = code(&rule_name(finding), ID_CHARS_MAX);
    format!("- {place}{level}{severity}, {rule}: {}", code(&finding.message, MESSAGE_CHARS_MAX))
}

/// `src/a.rs:3`
fn place(finding: &Finding) -> Option<String> {
    match (&finding.location, &finding.elsewhere) {
        (Some(location), _) => {
            let line = location.range.map(|range| format!(":{}", range.start_line)).unwrap_or_default();
            Some(format!("{}{line}", location.path))
        }
        (None, elsewhere) => elsewhere.as_ref().map(ToString::to_string),
    }
}

fn level_word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Note => "note",
        Level::None => "to be looked at",
    }
}

/// The rule's id, or its tool where it has none.
fn rule_name(finding: &Finding) -> String {
    let rule = &finding.rule;
    let name = [&rule.id, &rule.tool].into_iter().find(|name| !name.is_empty());
    name.cloned().unwrap_or_else(|| "no rule".to_owned())
}

/// How often each rule found something; those with new findings first, then the worst.
fn by_rule(seen: &Seen<'_>) -> String {
    struct Line<'a> {
        example: &'a Finding,
        new: usize,
        all: usize,
    }
    let mut rules: BTreeMap<(&str, &str), Line<'_>> = BTreeMap::new();
    for finding in seen.findings.list.iter().filter(|finding| finding.stands()) {
        let line = rules.entry((&finding.rule.tool, &finding.rule.id)).or_insert(Line { example: finding, new: 0, all: 0 });
        line.all += 1;
        if worst_first(finding) < worst_first(line.example) {
            line.example = finding;
        }
    }
    for finding in &seen.compared.new {
        if let Some(line) = rules.get_mut(&(finding.rule.tool.as_str(), finding.rule.id.as_str())) {
            line.new += 1;
        }
    }
    let mut lines: Vec<Line<'_>> = rules.into_values().collect();
    lines.sort_by_key(|line| (line.new == 0, worst_first(line.example)));
    if lines.is_empty() {
        return String::new();
    }
    let row = |line: &Line<'_>| {
        let rule = &line.example.rule;
        let tool = if rule.id.is_empty() { String::new() } else { code(&rule.tool, ID_CHARS_MAX) };
        let severity = line.example.severity.map_or("", word);
        let about =
            rule.summary.as_deref().or(rule.name.as_deref()).map(|text| cell(text, MESSAGE_CHARS_MAX)).unwrap_or_default();
        // Shown as text: where it leads to is the report's word.
        let help = rule.help_url.as_deref().filter(|url| url.starts_with("https://"));
        let help = help.map(|url| cell(url, PATH_CHARS_MAX)).unwrap_or_default();
        let name = cell(&rule_name(line.example), ID_CHARS_MAX);
        let level = level_word(line.example.level);
        format!("| {name} | {tool} | {level} | {severity} | {} | {} | {about} | {help} |", line.new, line.all)
    };
    let shown: Vec<String> = lines.iter().take(RULES_MAX).map(row).collect();
    let more = lines.len().saturating_sub(shown.len());
    let more = if more > 0 { format!("\n\nand {more} more rules") } else { String::new() };
    format!(
        "### By rule\n\n| rule | tool | level | security | new | all | about | help |\n|---|---|---|---|--:|--:|---|---|\n{}{more}",
        shown.join("\n")
    )
}

/// A code span in a table, which a `|` would end.
fn cell(text: &str, chars_max: usize) -> String {
    code(&text.replace('|', "¦"), chars_max)
}

/// What is suppressed, and why.
fn suppressed(seen: &Seen<'_>) -> String {
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for finding in seen.findings.list.iter().filter(|finding| finding.is_problem()) {
        if let Some(reason) = finding.reason() {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    let total: u64 = reasons.values().sum();
    if total == 0 {
        return String::new();
    }
    let mut reasons: Vec<(&str, u64)> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let shown: Vec<String> = reasons
        .iter()
        .take(REASONS_MAX)
        .map(|(reason, count)| format!("- {count}: {}", code(reason, MESSAGE_CHARS_MAX)))
        .collect();
    let more = reasons.len().saturating_sub(shown.len());
    let more = if more > 0 { format!("\n- and {more} more reasons") } else { String::new() };
    format!("### Suppressed: {total}\n\n{}{more}", shown.join("\n"))
}

/// What the tool says it could not do.
fn problems(seen: &Seen<'_>) -> String {
    let problems = &seen.findings.problems;
    if problems.is_empty() {
        return String::new();
    }
    let shown: Vec<String> =
        problems.iter().take(PROBLEMS_MAX).map(|problem| format!("- {}", code(problem, MESSAGE_CHARS_MAX))).collect();
    let more = problems.len().saturating_sub(shown.len());
    let more = if more > 0 { format!("\n- and {more} more") } else { String::new() };
    format!("### What the tool could not do\n\n{}{more}", shown.join("\n"))
}

/// The new findings; where nothing is new for want of something to compare with, or a limit of all is broken, all of them,
/// the new ones first. The worst first.
pub(super) fn annotations(seen: &Seen<'_>) -> (Vec<Annotation>, u64) {
    let all_matter = matches!(seen.compared.against, Against::Nothing)
        || seen.demands.iter().any(|demand| demand.scope == Scope::All && !demand.is_met());
    let mut shown: Vec<&Finding> = seen.compared.new.clone();
    if all_matter {
        let mut others: Vec<&Finding> = seen.findings.list.iter().filter(|finding| finding.stands()).collect();
        let new: HashSet<*const Finding> = shown.iter().map(|finding| std::ptr::from_ref(*finding)).collect();
        others.retain(|finding| !new.contains(&std::ptr::from_ref(*finding)));
        others.sort_by_key(|finding| worst_first(finding));
        shown.extend(others);
    }
    let placed: Vec<&Finding> = shown.into_iter().filter(|finding| finding.location.is_some()).collect();
    let left_out = placed.len().saturating_sub(Verdict::ANNOTATIONS_MAX) as u64;
    (placed.into_iter().take(Verdict::ANNOTATIONS_MAX).filter_map(annotation).collect(), left_out)
}

fn annotation(finding: &Finding) -> Option<Annotation> {
    let location = finding.location.as_ref()?;
    let (start_line, end_line) = location.range.map_or((1, 1), |range| (range.start_line, range.end_line));
    let column = location.range.filter(|range| range.start_line == range.end_line).and_then(|range| range.start_column);
    let level = match finding.level {
        Level::Error => AnnotationLevel::Failure,
        Level::Warning => AnnotationLevel::Warning,
        Level::Note | Level::None => AnnotationLevel::Notice,
    };
    let severity = finding.severity.map(|severity| format!(" ({})", word(severity))).unwrap_or_default();
    let tool = Some(&finding.rule.tool).filter(|tool| !tool.is_empty() && !finding.rule.id.is_empty());
    let tool = tool.map(|tool| format!("{tool}: ")).unwrap_or_default();
    let title = one_line(&format!("{tool}{}{severity}", rule_name(finding)), TITLE_CHARS_MAX);
    let message = message(finding);
    Some(Annotation { path: location.path.to_string(), start_line, end_line, column, level, title, message })
}

/// The finding's message, and what else is known of it.
fn message(finding: &Finding) -> String {
    let mut text = finding.message.clone();
    if text.trim().is_empty() {
        text = finding.rule.summary.clone().unwrap_or_else(|| rule_name(finding));
    }
    for related in finding.related.iter().take(RELATED_MAX) {
        let line = related.location.range.map(|range| format!(":{}", range.start_line)).unwrap_or_default();
        let _ = write!(text, "\n{}{line}: {}", related.location.path, one_line(&related.message, MESSAGE_CHARS_MAX));
    }
    let taxa: Vec<&str> = finding.taxa.iter().chain(&finding.rule.taxa).map(String::as_str).collect();
    if !taxa.is_empty() {
        let _ = write!(text, "\n{}", one_line(&taxa.join(", "), MESSAGE_CHARS_MAX));
    }
    if let Some(fix) = &finding.fix
        && !fix.description.is_empty()
    {
        let _ = write!(text, "\nFix: {}", one_line(&fix.description, MESSAGE_CHARS_MAX));
    }
    if let Some(url) = finding.rule.help_url.as_deref().filter(|url| url.starts_with("https://")) {
        let _ = write!(text, "\n{}", one_line(url, PATH_CHARS_MAX));
    }
    let mut text = without_controls(&text, true);
    text.truncate(text.floor_char_boundary(ANNOTATION_BYTES_MAX));
    text
}

/// What code scanning is given. The gate's name tells it from what other gates give.
pub(super) fn scan(config: &GateConfig, findings: &gatewright_reports::findings::Findings) -> SarifLog {
    write_sarif(findings, &format!("gatewright/{}", config.name))
}
