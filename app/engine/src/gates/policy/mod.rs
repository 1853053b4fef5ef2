//! Policy: what a change itself has to be, beside what its tests say. Judged by what git on the host and the forge tell; what
//! ran in a sandbox has no say in it.
//!
//! Each rule is one file and one line of [`RULES`]. A gate's verdict has a line for each rule that it asks for; one that is
//! broken says the next move, and has an annotation where there is a place for one. What is not known here (a title in a local
//! run, commits of a branch's first push) is said to be not judged, and is no pass: where nothing could be judged, the gate is
//! skipped.

use gatewright_core::config::{GateConfig, Policy, Reviewers};
use gatewright_core::survey::{Survey, SurveyWanted};
use gatewright_core::verdict::{Annotation, AnnotationLevel, Evidence, Verdict, VerdictStatus};

use super::markdown::code;
use super::{Kind, Opinion};

mod changelog;
mod commits;
mod conventional;
mod dependencies;
mod forbidden;
mod licences;
mod links;
mod owners;
mod reviewers;
mod size;
mod slugs;
mod targets;
mod title;
mod touched;

pub(super) const KIND: Kind = Kind { about: None, reports: |config| (!config.policy.is_empty()).then_some(&[]), judge };

/// A rule.
struct Rule {
    /// Its key in the repository file.
    name: &'static str,
    /// Whether the gate asks for it.
    asked: fn(&Policy) -> bool,
    /// What has to be known for it.
    wanted: fn(&Policy) -> SurveyWanted,
    /// What it says. Called only where it is asked for.
    check: fn(&Policy, &Survey) -> Found,
}

/// Every rule, in the order in which they are shown.
static RULES: [Rule; 10] = [
    touched::RULE,
    changelog::RULE,
    title::RULE,
    commits::CONVENTIONAL,
    commits::SIGNED_OFF,
    size::RULE,
    forbidden::RULE,
    links::RULE,
    reviewers::RULE,
    dependencies::RULE,
];

/// A word in a sentence is cut to so many characters.
const WORD_CHARS_MAX: usize = 120;

/// So many items of a kind are named in a sentence or a list; the rest is counted.
const NAMED_MAX: usize = 10;

/// What a rule says.
struct Found {
    word: Word,
    /// One sentence in Markdown.
    says: String,
    /// What to do next, in Markdown. Empty where there is nothing to do.
    next: String,
    /// More in Markdown, below the table. Empty where there is no more.
    details: String,
    annotations: Vec<Annotation>,
    /// A few words on what is different from the base. Empty where there is nothing worth them.
    change: String,
    /// Whether `says` can stand in a title: no word in it is a stranger's.
    is_title: bool,
}

/// The word of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    /// It is kept.
    Kept,
    /// It is broken.
    Broken,
    /// It cannot be told here.
    NotJudged,
}

impl Found {
    fn of(word: Word, says: impl Into<String>, next: impl Into<String>) -> Found {
        let (says, next) = (says.into(), next.into());
        Found { word, says, next, details: String::new(), annotations: Vec::new(), change: String::new(), is_title: false }
    }

    fn kept(says: impl Into<String>) -> Found {
        Found::of(Word::Kept, says, "")
    }

    fn broken(says: impl Into<String>, next: impl Into<String>) -> Found {
        Found::of(Word::Broken, says, next)
    }

    fn not_judged(because: impl Into<String>) -> Found {
        Found::of(Word::NotJudged, because, "")
    }

    /// Where there is no commit to compare with.
    fn nothing_to_compare() -> Found {
        Found::not_judged("there is no commit that this one is compared with")
    }

    /// Where no word of the sentence is a stranger's.
    fn titled(mut self) -> Found {
        self.is_title = true;
        self
    }

    fn with_details(mut self, details: impl Into<String>) -> Found {
        self.details = details.into();
        self
    }

    fn with_annotations(mut self, annotations: Vec<Annotation>) -> Found {
        self.annotations = annotations;
        self
    }
}

/// What has to be known for a policy.
pub(super) fn wanted(policy: &Policy) -> SurveyWanted {
    let asked = RULES.iter().filter(|rule| (rule.asked)(policy));
    asked.map(|rule| (rule.wanted)(policy)).fold(SurveyWanted::default(), SurveyWanted::and)
}

/// Where the base branch's `CODEOWNERS` can lie, where the policy goes by it.
pub(super) fn owners_paths(policy: &Policy) -> &'static [&'static str] {
    if policy.reviewers == Some(Reviewers::CodeOwners) { &owners::PATHS } else { &[] }
}

/// The teams of whose members it has to be known.
pub(super) fn teams(policy: &Policy, owners: Option<&str>) -> Vec<String> {
    reviewers::teams(policy, owners)
}

fn judge(config: &GateConfig, evidence: &Evidence) -> Opinion {
    let none = Survey::default();
    let survey = evidence.survey.as_ref().unwrap_or(&none);
    let asked = RULES.iter().filter(|rule| (rule.asked)(&config.policy));
    let found: Vec<(&str, Found)> = asked.map(|rule| (rule.name, (rule.check)(&config.policy, survey))).collect();
    let count = |word: Word| found.iter().filter(|(_, found)| found.word == word).count();
    let status = match (count(Word::Broken), count(Word::Kept)) {
        (0, 0) if found.is_empty() => VerdictStatus::Passed,
        (0, 0) => VerdictStatus::Skipped,
        (0, _) => VerdictStatus::Passed,
        (_, _) => VerdictStatus::Failed,
    };
    let mut opinion = Opinion::plain(status, title(&found), summary(&found));
    opinion.change =
        found.iter().map(|(_, found)| found.change.as_str()).filter(|change| !change.is_empty()).collect::<Vec<_>>().join("; ");
    let mut annotations: Vec<Annotation> = found.into_iter().flat_map(|(_, found)| found.annotations).collect();
    annotations.sort_by_key(|annotation| annotation.level);
    opinion.annotations_left_out = annotations.len().saturating_sub(Verdict::ANNOTATIONS_MAX) as u64;
    annotations.truncate(Verdict::ANNOTATIONS_MAX);
    opinion.annotations = annotations;
    opinion
}

/// `touched and 2 more rules are broken`, `3 rules are kept, 1 is not judged`
fn title(found: &[(&str, Found)]) -> String {
    let of = |word: Word| found.iter().filter(|(_, found)| found.word == word).map(|(name, _)| *name).collect::<Vec<_>>();
    let (broken, kept, open) = (of(Word::Broken), of(Word::Kept), of(Word::NotJudged));
    let open = match open.as_slice() {
        [] => String::new(),
        [one] => format!(", `{one}` is not judged"),
        [..] => format!(", {} rules are not judged", open.len()),
    };
    let said =
        |word: Word| found.iter().find(|(_, found)| found.word == word && found.is_title).map(|(_, found)| found.says.clone());
    match (broken.as_slice(), kept.as_slice()) {
        ([one], _) => said(Word::Broken).unwrap_or_else(|| format!("`{one}` is broken")) + &open,
        ([one, rest @ ..], _) => format!("`{one}` and {} are broken{open}", counted(rest.len(), "more rule", "more rules")),
        ([], []) => open.trim_start_matches([',', ' ']).to_owned(),
        ([], [one]) => said(Word::Kept).unwrap_or_else(|| format!("`{one}` is kept")) + &open,
        ([], [..]) => format!("{} rules are kept{open}", kept.len()),
    }
}

fn summary(found: &[(&str, Found)]) -> String {
    let row = |(name, found): &(&str, Found)| {
        let mark = match found.word {
            Word::Kept => "✅",
            Word::Broken => "❌",
            Word::NotJudged => "not judged",
        };
        // A bar would end the cell, also within a code span.
        let says = sentence(&found.says).replace('|', "\\|");
        format!("| `{name}` | {mark} | {says} |\n")
    };
    let table: String = found.iter().map(row).collect();
    let mut parts = vec![format!("| rule | | |\n|---|---|---|\n{table}").trim_end().to_owned()];
    let next: Vec<String> = found
        .iter()
        .filter(|(_, found)| !found.next.is_empty())
        .map(|(name, found)| format!("- `{name}`: {}", found.next))
        .collect();
    if !next.is_empty() {
        parts.push(format!("What to do:\n\n{}", next.join("\n")));
    }
    parts.extend(found.iter().map(|(_, found)| found.details.clone()).filter(|details| !details.is_empty()));
    parts.join("\n\n")
}

/// With a capital at its beginning, where there is a letter.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Text of a stranger in a code span.
fn word(text: &str) -> String {
    code(text, WORD_CHARS_MAX)
}

/// `a`, `b` and 3 more
fn named<S: AsRef<str>>(all: impl ExactSizeIterator<Item = S>) -> String {
    let more = all.len().saturating_sub(NAMED_MAX);
    let shown: Vec<String> = all.take(NAMED_MAX).map(|one| word(one.as_ref())).collect();
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// `1 file`, `3 files`
fn counted(number: usize, one: &str, several: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {several}") }
}

/// A remark at a line of a file.
fn remark(path: &str, line: u32, level: AnnotationLevel, title: &str, message: impl Into<String>) -> Annotation {
    let line = line.max(1);
    Annotation {
        path: path.to_owned(),
        start_line: line,
        end_line: line,
        column: None,
        level,
        title: title.to_owned(),
        message: message.into(),
    }
}
