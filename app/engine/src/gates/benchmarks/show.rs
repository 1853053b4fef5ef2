//! What is shown of benchmarks, in Markdown. All names and units come from untrusted code.

use gatewright_core::config::Percent;

use super::compare::{Allowed, ERROR_RATE, Found, Limit, Way};
use super::rounds::RATIO_MAX;
use super::{Line, Told, history};
use crate::gates::markdown::{code, one_line};

/// So many benchmarks are listed, the worst first; all of them are judged and counted.
const LISTED_MAX: usize = 50;

/// Names and units are shown up to so many characters.
const NAME_CHARS_MAX: usize = 120;
const UNIT_CHARS_MAX: usize = 20;

/// What a person reads.
pub(super) struct Shown {
    pub(super) title: String,
    pub(super) summary: String,
    pub(super) change: String,
}

/// Puts what matters first: what is not allowed, then what got slower, then what cannot be told.
pub(super) fn worst_first(lines: &mut [Line]) {
    let rank = |line: &Line| match line.found {
        Some(Found { allowed: Allowed::No, .. }) => 0,
        Some(Found { way: Way::Slower, .. }) => 1,
        Some(Found { allowed: Allowed::Unclear, .. }) => 2,
        None => 3,
        Some(Found { way: Way::Faster | Way::Unchanged, .. }) => 4,
    };
    let change = |line: &Line| line.found.map_or(0.0, |found| found.change);
    lines.sort_by(|a, b| rank(a).cmp(&rank(b)).then(change(b).total_cmp(&change(a))));
}

pub(super) fn shown(told: &Told, limit: Limit, asked: Option<Percent>, problems: &[String]) -> Shown {
    let intervals: Vec<Option<(f64, f64)>> = told.lines.iter().take(LISTED_MAX).map(Line::interval).collect();
    let mut parts: Vec<String> = problems.iter().map(|problem| format!("Not measured: {}", code(problem, 300))).collect();
    parts.push(told.about.clone());
    parts.extend(told.notes.iter().cloned());
    parts.push(table(&told.lines, &intervals));
    parts.extend(unclear(told, &intervals, limit));
    Shown {
        title: title(told, asked, problems),
        summary: parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n"),
        change: change(&told.lines, &intervals),
    }
}

/// `2 of 14 benchmarks more than 10 % slower`
fn title(told: &Told, asked: Option<Percent>, problems: &[String]) -> String {
    let lines = &told.lines;
    let count = |is: &dyn Fn(&Line) -> bool| lines.iter().filter(|line| is(line)).count();
    let (too_slow, unclear) = (count(&|line| line.is(Allowed::No)), count(&|line| line.is(Allowed::Unclear)));
    let way = |way: Way| count(&move |line: &Line| line.found.is_some_and(|found| found.way == way));
    let compared = count(&|line| line.found.is_some());
    let of = format!("of {}", counted(lines.len()));
    let mut parts = Vec::new();
    if !problems.is_empty() {
        parts.push(format!("{} not measured", counted(problems.len())));
    }
    match (too_slow, asked) {
        (1.., Some(asked)) if asked.hundredths > 0 => parts.push(format!("{too_slow} {of} more than {asked} slower")),
        (1.., _) => parts.push(format!("{too_slow} {of} slower")),
        (0, _) if compared == 0 => parts.push(format!("inconclusive: {}, none compared", counted(lines.len()))),
        (0, _) if unclear > 0 => parts.push(format!("inconclusive for {unclear} {of}")),
        (0, None) if way(Way::Slower) > 0 => parts.push(format!("{} {of} slower", way(Way::Slower))),
        (0, Some(_)) if way(Way::Slower) > 0 => parts.push(format!("{} {of} slower, within what is allowed", way(Way::Slower))),
        (0, _) => parts.push(format!("{}, none slower", counted(lines.len()))),
    }
    if way(Way::Faster) > 0 {
        parts.push(format!("{} faster", way(Way::Faster)));
    }
    parts.join(", ")
}

fn counted(benchmarks: usize) -> String {
    format!("{benchmarks} benchmark{}", if benchmarks == 1 { "" } else { "s" })
}

/// The worst in a few words: `12 % slower (10..14 %)`.
fn change(lines: &[Line], intervals: &[Option<(f64, f64)>]) -> String {
    let mut compared = lines.iter().zip(intervals).filter_map(|(line, interval)| Some((line.found?, *interval)));
    let Some((found, interval)) = compared.next() else { return String::new() };
    let alone = compared.next().is_none();
    let range = interval.map(|(low, high)| format!(" ({}..{} %)", number(percent(low)), number(percent(high))));
    let range = range.filter(|_| !is_beyond(found.change)).unwrap_or_default();
    let words = match (found.way, found.allowed) {
        (Way::Slower, _) => words(found.change),
        (Way::Faster | Way::Unchanged, Allowed::Unclear) => "unclear".to_owned(),
        (Way::Faster, _) if alone => words(found.change),
        (Way::Unchanged, _) if alone => "no change".to_owned(),
        // The range of one benchmark says nothing of several.
        (Way::Faster | Way::Unchanged, _) => return "none slower".to_owned(),
    };
    format!("{words}{range}")
}

/// `12 % slower`
fn words(change: f64) -> String {
    if is_beyond(change) {
        return format!("over {RATIO_MAX} times {}", if change < 0.0 { "faster" } else { "slower" });
    }
    let percent = percent(change);
    format!("{} % {}", number(percent.abs()), if percent < 0.0 { "faster" } else { "slower" })
}

fn table(lines: &[Line], intervals: &[Option<(f64, f64)>]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let mut table = "| benchmark | base | head | slower by | 95 % interval | |\n|---|--:|--:|--:|--:|---|".to_owned();
    for (line, interval) in lines.iter().zip(intervals) {
        let cell = |value: Option<f64>| value.map_or_else(String::new, |value| cell(value, &line.unit));
        let change = line.found.map(|found| signed(found.change)).unwrap_or_default();
        let range = interval.map(|(low, high)| format!("{} to {}", signed(low), signed(high))).unwrap_or_default();
        table += &format!(
            "\n| {} | {} | {} | {change} | {range} | {} |",
            cell_code(&line.name, NAME_CHARS_MAX),
            cell(line.base),
            cell(line.head),
            verdict(line)
        );
    }
    if lines.len() > LISTED_MAX {
        table += &format!("\n\nAnd {} more, none of them worse than these.", lines.len() - LISTED_MAX);
    }
    table
}

/// A code span in a cell. A line in it would end the cell, even in a code span.
fn cell_code(text: &str, chars_max: usize) -> String {
    code(text, chars_max).replace('|', "\\|")
}

fn verdict(line: &Line) -> String {
    let Some(found) = line.found else { return line.note.to_owned() };
    let word = match (found.allowed, found.way) {
        (Allowed::No, _) => "**too slow**",
        (Allowed::Unclear, Way::Slower) => "slower, unclear by how much",
        (Allowed::Unclear, Way::Faster | Way::Unchanged) => "unclear",
        (Allowed::Yes, Way::Slower) => "slower",
        (Allowed::Yes, Way::Faster) => "faster",
        (Allowed::Yes, Way::Unchanged) => "no change",
    };
    if line.note.is_empty() { word.to_owned() } else { format!("{word}: {}", line.note) }
}

/// What would have been seen of what was not.
fn unclear(told: &Told, intervals: &[Option<(f64, f64)>], limit: Limit) -> Option<String> {
    let unclear = told.lines.iter().filter(|line| line.is(Allowed::Unclear)).count();
    if unclear == 0 {
        return None;
    }
    let widest = told.lines.iter().zip(intervals).filter(|(line, _)| line.is(Allowed::Unclear));
    let widest = widest.filter_map(|(line, interval)| Some(line.found?.change - interval.as_ref()?.0)).fold(0.0_f64, f64::max);
    let seen = if widest > 0.0 {
        format!(" The least that would have been seen of all of them is about {}.", signed(widest))
    } else {
        String::new()
    };
    Some(format!(
        "{} may be more than {} slower, or not: the measurements are too few for it or vary too much. That is no failure and no \
         proof.{seen} More rounds, longer benchmarks or a quieter machine tell more.",
        counted(unclear),
        number(percent(limit.clear())) + " %",
    ))
}

/// How interleaved rounds are compared, and how sure that is.
pub(super) fn about_rounds(rounds: usize, limit: Limit) -> String {
    format!(
        "Base and head were measured in turn in the same sandbox, {rounds} rounds. {} This is a sign-flip test of the rounds' ratios, \
         for all benchmarks together; it assumes nothing of how the noise is shaped.",
        error_rate(limit)
    )
}

/// How history is compared, and how sure that is.
pub(super) fn about_history(runs: usize, limit: Limit) -> String {
    let few = if runs < history::RUNS_MIN { format!(" {} are needed.", history::RUNS_MIN) } else { String::new() };
    format!(
        "Compared with {runs} earlier runs of the base branch.{few} {} This is Student's test of one further run, for all benchmarks \
         together (Holm); it takes runs to vary about normally. Runs are sessions of their own and vary more than rounds of one: \
         `compare: interleaved` tells smaller changes.",
        error_rate(limit)
    )
}

fn error_rate(limit: Limit) -> String {
    let by = match limit.allowed() {
        Some(limit) if limit > 0.0 => format!("more than {} % slower", number(percent(limit))),
        Some(_) | None => "slower".to_owned(),
    };
    format!("Where none is {by}, one is said to be so in at most {} % of runs.", number(ERROR_RATE * 100.0))
}

/// Whether a change is counted as this large because it is larger.
fn is_beyond(change: f64) -> bool {
    change.abs() >= RATIO_MAX.ln() * 0.999
}

/// The percent by which the head is slower.
fn percent(change: f64) -> f64 {
    change.exp_m1() * 100.0
}

fn signed(change: f64) -> String {
    if is_beyond(change) {
        return format!("over {RATIO_MAX} times {}", if change < 0.0 { "less" } else { "more" });
    }
    let percent = percent(change);
    let text = number(percent);
    let sign = if percent > 0.0 && text != "0" { "+" } else { "" };
    format!("{sign}{text} %")
}

/// A value in its unit, in Markdown.
fn cell(value: f64, unit: &str) -> String {
    match scaled(value, unit) {
        (number, Some(known)) => format!("{number} {known}"),
        (number, None) if unit.is_empty() => number,
        (number, None) => format!("{number} {}", cell_code(unit, UNIT_CHARS_MAX)),
    }
}

/// A value in its unit, as text that is still to be escaped.
pub(in crate::gates) fn measured(value: f64, unit: &str) -> String {
    let (number, known) = scaled(value, unit);
    format!("{number} {}", known.unwrap_or(&one_line(unit, UNIT_CHARS_MAX))).trim_end().to_owned()
}

/// Times in the unit in which they are best read; of other units only the number.
fn scaled(value: f64, unit: &str) -> (String, Option<&'static str>) {
    let nanos = match unit {
        "ns" | "ns/op" | "ns/iter" => Some(1.0),
        "us" | "µs" => Some(1e3),
        "ms" => Some(1e6),
        "s" => Some(1e9),
        _ => None,
    };
    match nanos.map(|nanos| value * nanos) {
        Some(nanos) if nanos >= 1e9 => (number(nanos / 1e9), Some("s")),
        Some(nanos) if nanos >= 1e6 => (number(nanos / 1e6), Some("ms")),
        Some(nanos) if nanos >= 1e3 => (number(nanos / 1e3), Some("µs")),
        Some(nanos) => (number(nanos), Some("ns")),
        None => (number(value), None),
    }
}

/// Three digits that matter.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}
