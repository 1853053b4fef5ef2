//! Release notes, from commits written by the rules of Conventional Commits and the pull requests that they came by.
//!
//! A commit is one line: what it says, the pull request it came by and who opened that, or who wrote the commit. What breaks
//! something comes first, then the sections in an order that never changes; what follows no rule is under "Other changes".
//! Merge commits are left out where what they merged is listed. Pull requests of which no commit follows the rules are
//! one line, by their title.
//!
//! Everything that people wrote is shown as they wrote it, without effect: see [`harmless`].

use std::collections::BTreeMap;
use std::fmt::Write;

use gatewright_core::ForgeKind;
use gatewright_core::forge::{PullRef, ReleasedCommit, ReleasedCommits};

use crate::gates::markdown::{fenced, one_line};
use crate::render::escape;

/// Longer descriptions are cut.
const DESCRIPTION_CHARS_MAX: usize = 200;
/// Longer explanations of what breaks are cut.
const BREAKING_CHARS_MAX: usize = 500;
/// Longer scopes and names are cut.
const NAME_CHARS_MAX: usize = 60;
/// More artefacts are not listed, only counted.
const ARTEFACTS_MAX: usize = 100;
/// What the forge takes, less what goes around the notes: GitHub 125,000 characters, GitLab 1,000,000. Counted in bytes.
const GITHUB_BYTES_MAX: usize = 120_000;
const GITLAB_BYTES_MAX: usize = 990_000;
/// The heading of what artefacts are checked by.
const CHECKSUMS: &str = "SHA-256 checksums";
/// What the line begins with that leads to the forge's page of the difference.
const DIFFERENCE: &str = "[All that changed";
/// A character without width.
const APART: &str = "&#8203;";

/// What notes are made from.
#[derive(Debug)]
pub struct Notes<'a> {
    /// What the release brings.
    pub commits: &'a ReleasedCommits,
    /// The tag of the release before, where there is one.
    pub previous: Option<&'a str>,
    /// The release's own tag.
    pub tag: &'a str,
    /// What is given out with it.
    pub artefacts: &'a [Artefact],
    /// Where the notes are shown.
    pub forge: ForgeKind,
}

/// A file that is given out with a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artefact {
    /// Its name.
    pub name: String,
    /// Its SHA-256, in small hexadecimal digits.
    pub sha256: String,
}

/// The sections, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Section {
    Breaking,
    Features,
    Fixes,
    Performance,
    Reverted,
    Documentation,
    Inside,
    Other,
}

impl Section {
    fn title(self) -> &'static str {
        match self {
            Section::Breaking => "Breaking changes",
            Section::Features => "Features",
            Section::Fixes => "Fixes",
            Section::Performance => "Performance",
            Section::Reverted => "Reverted",
            Section::Documentation => "Documentation",
            Section::Inside => "Under the hood",
            Section::Other => "Other changes",
        }
    }

    fn of(kind: &str) -> Self {
        match kind.to_ascii_lowercase().as_str() {
            "feat" | "feature" => Section::Features,
            "fix" | "bugfix" | "hotfix" => Section::Fixes,
            "perf" => Section::Performance,
            "revert" => Section::Reverted,
            "docs" | "doc" => Section::Documentation,
            "refactor" | "build" | "ci" | "chore" | "style" | "test" | "tests" | "deps" => Section::Inside,
            _ => Section::Other,
        }
    }
}

/// One line of the notes.
struct Entry {
    section: Section,
    scope: Option<String>,
    text: String,
    breaking: Option<String>,
    pull: Option<u64>,
    by: String,
    /// Whether it follows the rules.
    conventional: bool,
}

/// The notes as Markdown. Empty commits and no artefacts make a text that says so, never an empty one.
pub fn notes(of: &Notes<'_>) -> String {
    let bytes_max = match of.forge {
        ForgeKind::Github => GITHUB_BYTES_MAX,
        ForgeKind::Gitlab => GITLAB_BYTES_MAX,
    };
    let end = [checksums(of.artefacts), difference(of)].concat();
    let mut sections: BTreeMap<Section, Vec<String>> = BTreeMap::new();
    for entry in entries(&of.commits.commits) {
        sections.entry(entry.section).or_default().push(line(&entry, of.forge));
    }
    let mut out = listed(&sections, of.commits.more, bytes_max.saturating_sub(end.len()));
    if out.is_empty() {
        out.push_str("No changes since the release before.\n");
    }
    out.push_str(&end);
    out.trim_end().to_owned()
}

/// The sections, as far as there is room; what is left out is counted.
fn listed(sections: &BTreeMap<Section, Vec<String>>, more: u64, bytes_max: usize) -> String {
    let mut out = String::new();
    let mut left = more;
    let mut full = false;
    for (section, lines) in sections {
        for (at, line) in lines.iter().enumerate() {
            let heading = if at == 0 { format!("## {}\n\n", section.title()) } else { String::new() };
            // Room for the sentence about what is left out.
            full = full || out.len() + heading.len() + line.len() + 100 > bytes_max;
            if full {
                left += 1;
            } else {
                out.push_str(&heading);
                out.push_str(line);
            }
        }
        if !full {
            out.push('\n');
        }
    }
    match (left, sections.is_empty()) {
        (0, _) => {}
        (_, true) => out.push_str("What it brings is too much to be listed.\n\n"),
        (1, false) => out.push_str("\n… and 1 more change.\n\n"),
        (_, false) => out.push_str(&format!("\n… and {left} more changes.\n\n")),
    }
    out
}

fn line(entry: &Entry, forge: ForgeKind) -> String {
    let mut line = "- ".to_owned();
    if let Some(scope) = &entry.scope {
        line.push_str(&format!("**{}:** ", harmless(&one_line(scope, NAME_CHARS_MAX))));
    }
    line.push_str(&item(&one_line(&entry.text, DESCRIPTION_CHARS_MAX)));
    let by = harmless(&one_line(&entry.by, NAME_CHARS_MAX));
    let sigil = match forge {
        ForgeKind::Github => '#',
        ForgeKind::Gitlab => '!',
    };
    match (entry.pull, by.is_empty()) {
        (Some(number), false) => line.push_str(&format!(" ({sigil}{number} by {by})")),
        (Some(number), true) => line.push_str(&format!(" ({sigil}{number})")),
        (None, false) => line.push_str(&format!(" (by {by})")),
        (None, true) => {}
    }
    line.push('\n');
    if let Some(breaking) = entry.breaking.as_ref().filter(|breaking| **breaking != entry.text) {
        line.push_str(&format!("  - {}\n", item(&one_line(breaking, BREAKING_CHARS_MAX))));
    }
    line
}

/// The lines, in the commits' order.
fn entries(commits: &[ReleasedCommit]) -> Vec<Entry> {
    let mut of_pull: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    let mut entries: Vec<Option<Entry>> = Vec::new();
    for (at, commit) in commits.iter().enumerate() {
        let pull = commit.pulls.first();
        if let Some(pull) = pull {
            of_pull.entry(pull.number).or_default().push(at);
        }
        entries.push((!is_merge(&commit.message)).then(|| entry(commit, pull)));
    }
    for at in of_pull.values() {
        let tells = at.iter().any(|at| entries[*at].as_ref().is_some_and(|entry| entry.conventional));
        let lines = at.iter().filter(|at| entries[**at].is_some()).count();
        // One commit says what it is. Several that follow no rule, or a merge alone, are told by the pull request.
        if tells || lines == 1 {
            continue;
        }
        at.iter().for_each(|at| entries[*at] = None);
        if let Some((last, pull)) = at.last().and_then(|at| Some((*at, commits[*at].pulls.first()?))) {
            entries[last] = Some(of_title(pull));
        }
    }
    entries.into_iter().flatten().collect()
}

fn entry(commit: &ReleasedCommit, pull: Option<&PullRef>) -> Entry {
    let subject = commit.message.lines().next().unwrap_or_default();
    let by = pull.map(|pull| pull.author.clone()).filter(|author| !author.is_empty());
    let by = by.or_else(|| commit.login.clone()).unwrap_or_else(|| commit.author.clone());
    told(&commit.message, subject, pull.map(|pull| pull.number), by)
}

fn of_title(pull: &PullRef) -> Entry {
    told(&pull.title, &pull.title, Some(pull.number), pull.author.clone())
}

/// What a message says, by the rules where it follows them, else by its subject.
fn told(message: &str, subject: &str, pull: Option<u64>, by: String) -> Entry {
    let Ok(parsed) = git_conventional::Commit::parse(message.trim_end()) else {
        let section = if subject.starts_with("Revert \"") { Section::Reverted } else { Section::Other };
        let text = without_number(subject, pull);
        return Entry { section, scope: None, text, breaking: None, pull, by, conventional: false };
    };
    let section = if parsed.breaking() { Section::Breaking } else { Section::of(parsed.type_().as_str()) };
    Entry {
        section,
        scope: parsed.scope().map(|scope| scope.as_str().to_owned()),
        text: without_number(parsed.description(), pull),
        breaking: parsed.breaking_description().map(|text| without_number(text, pull)),
        pull,
        by,
        conventional: true,
    }
}

/// GitHub puts the number behind the title when it squashes; it is told beside it here.
fn without_number(text: &str, pull: Option<u64>) -> String {
    let text = text.trim();
    let number = pull.map(|number| format!("(#{number})"));
    number.and_then(|number| text.strip_suffix(&number)).unwrap_or(text).trim_end().to_owned()
}

fn is_merge(message: &str) -> bool {
    ["Merge pull request #", "Merge branch '", "Merge remote-tracking branch '", "Merge tag '"]
        .iter()
        .any(|start| message.starts_with(start))
}

/// The notes as a part of a file: under headings of this level, without what is the forge's release's own (checksums), and without what
/// only keeps a forge from telling people: nobody is told by a file.
pub(super) fn for_file(notes: &str, level: usize) -> String {
    let mut out = String::new();
    let mut left_out = false;
    for line in notes.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            left_out = title == CHECKSUMS;
            if !left_out {
                let _ = writeln!(out, "{} {title}", "#".repeat(level));
            }
            continue;
        }
        left_out = left_out && !line.starts_with(DIFFERENCE);
        if !left_out {
            out.push_str(&readable(line));
            out.push('\n');
        }
    }
    out.trim_end().to_owned()
}

/// A line without the characters that part signs from what follows, but for those that keep it from being a list in a list.
fn readable(line: &str) -> String {
    let text = line.trim_start();
    let Some(text) = text.strip_prefix("- ") else { return line.to_owned() };
    let kept = if text.starts_with(APART) { APART } else { "" };
    let begin = &line[..line.len() - text.len()];
    let plain = text.replace(APART, "").replace("&#64;", "@");
    // At its beginning it would be a heading.
    let plain = if plain.starts_with("&#35;") { plain } else { plain.replace("&#35;", "#") };
    format!("{begin}{kept}{plain}")
}

fn checksums(artefacts: &[Artefact]) -> String {
    if artefacts.is_empty() {
        return String::new();
    }
    let mut lines = String::new();
    for artefact in artefacts.iter().take(ARTEFACTS_MAX) {
        let _ = writeln!(lines, "{}  {}", artefact.sha256, one_line(&artefact.name, 2 * NAME_CHARS_MAX));
    }
    let left = artefacts.len().saturating_sub(ARTEFACTS_MAX);
    let more = if left > 0 { format!("\n… and {left} more.\n") } else { String::new() };
    format!("## {CHECKSUMS}\n\n{}\n{more}\n", fenced(&lines))
}

fn difference(of: &Notes<'_>) -> String {
    let (Some(previous), Some(url)) = (of.previous, of.commits.compare_url.as_deref()) else { return String::new() };
    // It is the forge's own, but what goes between brackets must stay between them.
    let plain = |c: char| c.is_ascii_graphic() && !"()<>\\\"`".contains(c);
    if !url.starts_with("http") || !url.chars().all(plain) {
        return String::new();
    }
    format!("{DIFFERENCE} from {} to {}]({url})\n", harmless(previous), harmless(of.tag))
}

/// What a list's line says; one that looks like a line of another list does not become that.
fn item(text: &str) -> String {
    let apart = if text.starts_with(|c: char| c.is_ascii_digit() || "-+=".contains(c)) { APART } else { "" };
    format!("{apart}{}", harmless(text))
}

/// A text so that it is shown as it is: no markup, mention, reference or closing word in it takes effect. Forges look for
/// mentions and references in what Markdown has become, entities resolved, so a character without width parts each sign
/// from what follows.
fn harmless(text: &str) -> String {
    const SIGNS: &str = "@#!%&~$";
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for piece in text.split_inclusive(|c| SIGNS.contains(c)) {
        out.push_str(&escape(piece));
        if piece.ends_with(|c| SIGNS.contains(c)) {
            out.push_str(APART);
        }
    }
    out
}

#[cfg(test)]
mod tests;
