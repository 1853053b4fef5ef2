//! `dependencies`: what comes in, leaves and changes by the lock files that the change touches. No registry is asked, so a
//! licence is known only where a lock file holds it.

use gatewright_core::config::{Dependencies, Policy};
use gatewright_core::survey::{ContentWanted, FileChange, Side, Survey, SurveyWanted, Which};
use gatewright_core::verdict::{Annotation, AnnotationLevel};
use gatewright_reports::lockfiles::{Change, ChangeKind, LockFormat, Package, difference, format_of, read};
use globset::GlobMatcher;

use super::licences::{Licences, matches, words};
use super::{Found, NAMED_MAX, Rule, counted, named, remark, word};

pub(super) const RULE: Rule = Rule { name: "dependencies", asked: |policy| policy.dependencies.is_some(), wanted, check };

/// The files that are looked at.
const FILES: [&str; 13] = [
    "**/Cargo.lock",
    "**/package-lock.json",
    "**/npm-shrinkwrap.json",
    "**/pnpm-lock.yaml",
    "**/yarn.lock",
    "**/poetry.lock",
    "**/uv.lock",
    "**/Pipfile.lock",
    "**/requirements*.txt",
    "**/go.{mod,sum}",
    "**/Gemfile.lock",
    "**/gems.locked",
    "**/composer.lock",
];

/// So many packages are listed.
const LISTED_MAX: usize = 60;

fn wanted(_: &Policy) -> SurveyWanted {
    let globs = FILES.map(str::to_owned).to_vec();
    SurveyWanted { changes: true, contents: vec![ContentWanted { globs, which: Which::Changed }], ..SurveyWanted::default() }
}

/// A package that has changed, in which file, and what is wrong with that.
struct Entry<'a> {
    path: &'a str,
    line: u32,
    change: Change,
    faults: Vec<String>,
}

/// A lock file that cannot be read.
struct Unread<'a> {
    path: &'a str,
    line: u32,
    why: String,
}

fn check(policy: &Policy, survey: &Survey) -> Found {
    let Some(changes) = &survey.changes else { return Found::nothing_to_compare() };
    let rules = policy.dependencies.clone().unwrap_or_default();
    let files: Vec<(&FileChange, LockFormat)> = changes
        .iter()
        .filter_map(|change| Some((change, format_of(&change.path)?)))
        .filter(|file| !says_less(file, changes))
        .collect();
    if files.is_empty() {
        return Found::kept("no lock file has changed");
    }
    let (mut entries, mut unread) = (Vec::new(), Vec::new());
    for (file, format) in &files {
        match compared(survey, file, *format) {
            Ok(found) => entries.extend(found),
            Err(fault) => unread.push(fault),
        }
    }
    let judge = Judge::new(&rules);
    for entry in &mut entries {
        entry.faults = judge.faults(&entry.change);
    }
    said(&rules, entries, &unread)
}

/// `go.sum` also names what was only looked at, so `go.mod` beside it says more.
fn says_less((file, format): &(&FileChange, LockFormat), changes: &[FileChange]) -> bool {
    let beside = file.path.strip_suffix("go.sum").map(|folder| format!("{folder}go.mod"));
    *format == LockFormat::GoSum && beside.is_some_and(|beside| changes.iter().any(|change| change.path == beside))
}

/// What has changed in a lock file.
fn compared<'a>(survey: &Survey, file: &'a FileChange, format: LockFormat) -> Result<Vec<Entry<'a>>, Unread<'a>> {
    let path = file.path.as_str();
    let text = |side: Side, path: Option<&str>| path.map(|path| survey.content(side, path).ok_or(()));
    let before = match text(Side::Base, file.path_before()) {
        // One that was broken before is not this change's fault: all of it counts as new.
        Some(Ok(bytes)) => read(format, bytes.as_ref()).unwrap_or_default(),
        Some(Err(())) | None => Vec::new(),
    };
    let (after, lines) = match text(Side::Head, file.path_now()) {
        None => (Vec::new(), String::new()),
        Some(Err(())) => return Err(Unread { path, line: 1, why: "it is too large, or no regular file".to_owned() }),
        Some(Ok(bytes)) => match read(format, bytes.as_ref()) {
            Ok(packages) => (packages, String::from_utf8_lossy(bytes).into_owned()),
            Err(error) => {
                let line = error.place().map_or(1, |place| u32::try_from(place.line).unwrap_or(u32::MAX));
                return Err(Unread { path, line, why: error.to_string() });
            }
        },
    };
    let entry = |change: Change| Entry { path, line: line_of(&lines, &change), change, faults: Vec::new() };
    Ok(difference(&before, &after).into_iter().map(entry).collect())
}

/// The line that a package begins at: the first that names it as a whole word, and best one with its version behind it.
fn line_of(text: &str, change: &Change) -> u32 {
    let part_of_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '@');
    let names = |line: &str| {
        let at = line.find(change.name.as_str())?;
        let (before, after) = (line[..at].chars().next_back(), line[at + change.name.len()..].chars().next());
        // A key of npm ends with the name: `node_modules/name`.
        let begins = before.is_none_or(|c| c == '/' || !part_of_name(c));
        (begins && after.is_none_or(|c| c == '@' || !part_of_name(c))).then_some(())
    };
    let version = change.after.first().map_or("", |package| package.version.split(' ').next().unwrap_or_default());
    let lines: Vec<&str> = text.lines().collect();
    let named = || lines.iter().enumerate().filter(|(_, line)| names(line).is_some()).map(|(index, _)| index);
    let with_version = |index: &usize| lines[*index..].iter().take(3).any(|line| line.contains(version));
    let index = named().take(1000).find(with_version).or_else(|| named().next()).unwrap_or(0);
    u32::try_from(index + 1).unwrap_or(u32::MAX)
}

/// What the repository file allows.
struct Judge {
    sources: Vec<GlobMatcher>,
    licences: Licences,
}

impl Judge {
    fn new(rules: &Dependencies) -> Judge {
        Judge { sources: words(&rules.sources), licences: Licences::new(rules) }
    }

    /// What is wrong with what is there now and was not.
    fn faults(&self, change: &Change) -> Vec<String> {
        let mut faults = Vec::new();
        for package in &change.after {
            if let Some(place) = package.source.place().filter(|place| !self.sources.is_empty() && !matches(&self.sources, place))
            {
                faults.push(format!("comes from {}", word(place)));
            }
            if let Some(licence) = package.licence.as_ref().filter(|licence| !self.licences.take(licence)) {
                faults.push(format!("is under {}", word(licence)));
            }
        }
        faults.dedup();
        faults
    }
}

fn said(rules: &Dependencies, mut entries: Vec<Entry<'_>>, unread: &[Unread<'_>]) -> Found {
    let came_in = entries.iter().filter(|entry| entry.change.kind == ChangeKind::CameIn).count();
    let mut faults = Vec::new();
    if !unread.is_empty() {
        faults.push(format!("{} cannot be read", named(unread.iter().map(|one| one.path))));
    }
    if let Some(most) = rules.new_at_most.filter(|most| came_in as u64 > *most) {
        faults.push(format!("{} came in, {most} may", counted(came_in, "package", "packages")));
    }
    let wrong = entries.iter().filter(|entry| !entry.faults.is_empty()).count();
    if wrong > 0 {
        let have = counted(wrong, "package has", "packages have");
        faults.push(format!("{have} a source or a licence that is not allowed"));
    }
    // The worst first: what breaks the rule, what comes from elsewhere, what is new.
    entries.sort_by_key(|entry| (entry.faults.is_empty(), !entry.change.elsewhere, entry.change.kind));
    let mut found = match faults.as_slice() {
        [] => Found::kept(overview(&entries)),
        [..] => Found::broken(faults.join("; "), next(wrong, unread)),
    };
    found.is_title = unread.is_empty();
    found.details = details(rules, &entries, unread);
    found.annotations = annotations(&entries, unread);
    found.change = phrase(&entries);
    found
}

fn next(wrong: usize, unread: &[Unread<'_>]) -> String {
    match (wrong, unread) {
        (_, [_, ..]) => "Let the package manager write the lock file anew; the annotations name the places.".to_owned(),
        (0, []) => "Do without some of the new packages, or raise `dependencies.new-at-most` in the repository file.".to_owned(),
        (_, []) => "Take these packages from another place or do without them; the list below names them.".to_owned(),
    }
}

fn count(entries: &[Entry<'_>], kinds: &[ChangeKind]) -> usize {
    entries.iter().filter(|entry| kinds.contains(&entry.change.kind)).count()
}

/// In, out, changed.
fn counts(entries: &[Entry<'_>]) -> [usize; 3] {
    let changed = count(entries, &[ChangeKind::Up, ChangeKind::Down, ChangeKind::Moved]);
    [count(entries, &[ChangeKind::CameIn]), count(entries, &[ChangeKind::Left]), changed]
}

fn overview(entries: &[Entry<'_>]) -> String {
    let [came_in, left, changed] = counts(entries);
    if entries.is_empty() {
        return "no package is another than before".to_owned();
    }
    format!("{} came in, {left} left, {changed} changed", counted(came_in, "package", "packages"))
}

/// `3 packages in, 1 out`
fn phrase(entries: &[Entry<'_>]) -> String {
    let [came_in, left, changed] = counts(entries);
    let part = |number: usize, what: &str| (number > 0).then(|| format!("{number} {what}"));
    let parts: Vec<String> = [part(came_in, "in"), part(left, "out"), part(changed, "changed")].into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!("packages: {}", parts.join(", ")) }
}

fn details(rules: &Dependencies, entries: &[Entry<'_>], unread: &[Unread<'_>]) -> String {
    let mut parts: Vec<String> =
        unread.iter().take(NAMED_MAX).map(|one| format!("{}: {}", word(one.path), word(&one.why))).collect();
    if !entries.is_empty() {
        let rows: String = entries.iter().take(LISTED_MAX).map(row).collect();
        let more = entries.len().saturating_sub(LISTED_MAX);
        let more = if more > 0 { format!("\n\nAnd {} more.", counted(more, "package", "packages")) } else { String::new() };
        let head = "| package | | before | now | from | licence |\n|---|---|---|---|---|---|\n";
        parts.push(format!("{head}{}{more}", rows.trim_end()));
    }
    let unknown = entries.iter().flat_map(|entry| &entry.change.after).filter(|package| package.licence.is_none()).count();
    if unknown > 0 && !Licences::new(rules).ask_nothing() {
        parts.push(format!(
            "Of {} the lock files do not tell the licence; it was not looked at.",
            counted(unknown, "package", "packages")
        ));
    }
    parts.join("\n\n")
}

fn row(entry: &Entry<'_>) -> String {
    let Change { ecosystem, name, kind, before, after, elsewhere } = &entry.change;
    let what = match kind {
        ChangeKind::CameIn => "new",
        ChangeKind::Left => "gone",
        ChangeKind::Up => "up",
        ChangeKind::Down => "down",
        ChangeKind::Moved => "moved",
    };
    let mark = match (entry.faults.is_empty(), elsewhere) {
        (false, _) => "❌ ",
        (true, true) => "⚠️ ",
        (true, false) => "",
    };
    let versions = |all: &[Package]| {
        let mut versions: Vec<String> = all.iter().take(3).map(|one| word(&one.version)).collect();
        // One that may come from several places is there once for each.
        versions.dedup();
        versions.join(", ")
    };
    let mut sources: Vec<String> = after.iter().take(3).map(|one| word(&one.source.to_string())).collect();
    sources.dedup();
    let from = match (elsewhere, before.first()) {
        (true, Some(was)) => format!("{}, was {}", sources.join(", "), word(&was.source.to_string())),
        _ => sources.join(", "),
    };
    let mut licences: Vec<String> =
        after.iter().take(3).map(|one| one.licence.as_ref().map_or("unknown".to_owned(), |it| word(it))).collect();
    licences.dedup();
    let cells = [
        format!("{mark}{} ({})", word(name), ecosystem.as_str()),
        what.to_owned(),
        versions(before),
        versions(after),
        from,
        licences.join(", "),
    ];
    format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "))
}

fn annotations(entries: &[Entry<'_>], unread: &[Unread<'_>]) -> Vec<Annotation> {
    let broken = unread.iter().map(|one| {
        remark(one.path, one.line, AnnotationLevel::Failure, "Lock file cannot be read", format!("{}.", word(&one.why)))
    });
    let wrong = entries.iter().filter(|entry| !entry.faults.is_empty()).map(|entry| {
        let message = format!(
            "{} {}, which the repository's policy does not allow.",
            word(&entry.change.name),
            entry.faults.join(", and ")
        );
        remark(entry.path, entry.line, AnnotationLevel::Failure, "Dependency not allowed", message)
    });
    let elsewhere = entries.iter().filter(|entry| entry.faults.is_empty() && entry.change.elsewhere).map(|entry| {
        let place = |all: &[Package]| all.first().map(|one| word(&one.source.to_string())).unwrap_or_default();
        let (was, is) = (place(&entry.change.before), place(&entry.change.after));
        let message = format!(
            "{} comes from {is} now. Before, it came from {}.",
            word(&entry.change.name),
            if was.is_empty() { "elsewhere" } else { &was }
        );
        remark(entry.path, entry.line, AnnotationLevel::Warning, "Dependency from another place", message)
    });
    broken.chain(wrong).chain(elsewhere).collect()
}
