//! The policy: what of all that agents handed over people get to see, each item on its own. Pure; whatever an agent says, this decides.

use std::collections::BTreeMap;

use gatewright_core::agent::{Finding, Handover, ProposedIssue, Severity};
use gatewright_core::config::{Offering, Pipeline};
use gatewright_core::forge::PullState;
use gatewright_core::suggestion::Suggestion;
use gatewright_core::tree::Tree;
use gatewright_core::verdict::{Annotation, AnnotationLevel};
use serde::{Deserialize, Serialize};

use super::prose::{self, prose, title};
use super::protect;
use crate::redact::Redactor;

/// A summary has so many characters where people read it.
const SUMMARY_CHARS_MAX: usize = 4_000;

/// A finding says so much.
const MESSAGE_CHARS_MAX: usize = 1_500;

/// And a suggestion, which stands in Markdown, on one line.
const REASON_CHARS_MAX: usize = 300;

/// The label of everything that agents have made.
pub const LABEL: &str = "gatewright-agent";

/// What is shown to people: sanitised, and ready to be rendered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Shown {
    /// What agents have to say. Markdown, made harmless.
    Comment {
        /// The text.
        text: String,
    },
    /// Places in the source.
    Findings {
        /// Each of them.
        annotations: Vec<Annotation>,
    },
    /// Lines that others could take the place of.
    Suggestions {
        /// Each of them.
        suggestions: Vec<Suggestion>,
    },
    /// The result, as a commit or a pull request.
    Change {
        /// Its title, on one line.
        title: String,
        /// What was done. Markdown, made harmless.
        summary: String,
    },
    /// An issue.
    Issue {
        /// Its title, on one line.
        title: String,
        /// What it says. Markdown, made harmless.
        body: String,
    },
}

/// What the policy goes by.
pub(super) struct Handed<'a> {
    pub(super) pipeline: &'a Pipeline,
    pub(super) pull: Option<&'a PullState>,
    /// What agents handed over, in the order of the stages.
    pub(super) handovers: &'a [(String, Handover)],
    pub(super) result: &'a Tree,
    /// The lines that the result adds, as a diff has them.
    pub(super) added: &'a str,
    /// The lines that the pull request adds, by file: suggestions can be made on those alone.
    pub(super) lines: &'a BTreeMap<String, Vec<u32>>,
    pub(super) protected: &'a [String],
    /// Whether gates had something to look at, and passed it.
    pub(super) verified: Verified,
}

/// What gates make of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verified {
    /// They passed it.
    Yes,
    /// No gate was asked.
    NotAsked,
    /// They did not.
    No,
}

/// An item, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) what: Offering,
    /// What is shown, or why nothing is.
    pub(super) shown: Result<Shown, String>,
}

/// Judges all that was handed over.
pub(super) fn judged(handed: &Handed<'_>, redactor: &mut Redactor) -> Vec<Judged> {
    let mut all = Vec::new();
    all.extend(comment(handed));
    all.extend(findings(handed));
    all.extend(suggestions(handed));
    all.extend(change(handed, redactor));
    all.extend(issues(handed));
    for judged in &mut all {
        let allowed = handed.pipeline.may.contains(&judged.what);
        if let Ok(shown) = &judged.shown {
            if !allowed {
                judged.shown = Err(format!("the pipeline may not hand over a {}", judged.what.as_str()));
            } else if holds_secret(shown, redactor) {
                judged.shown = Err("it holds what looks like a secret".to_owned());
            }
        }
    }
    all
}

fn holds_secret(shown: &Shown, redactor: &mut Redactor) -> bool {
    let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(shown) else { return true };
    let before = serde_json::Value::Object(fields);
    let mut after = before.clone();
    super::turn::redacted(&mut after, redactor);
    before != after
}

/// What the last agents to say something said: the others spoke to them.
fn last_words(handed: &Handed<'_>) -> Option<String> {
    let words = |(name, handover): &(String, Handover)| format!("**{name}**: {}", prose(&handover.summary, SUMMARY_CHARS_MAX));
    let said: Vec<String> = handed.handovers.iter().filter(|(_, of)| !of.summary.trim().is_empty()).map(words).collect();
    (!said.is_empty()).then(|| prose::shortened(&said.join("\n\n"), 3 * SUMMARY_CHARS_MAX))
}

fn comment(handed: &Handed<'_>) -> Option<Judged> {
    let text = last_words(handed)?;
    Some(Judged { what: Offering::Comment, shown: Ok(Shown::Comment { text }) })
}

fn all_findings<'a>(handed: &'a Handed<'_>) -> impl Iterator<Item = &'a Finding> {
    let all = handed.handovers.iter().flat_map(|(_, handover)| &handover.findings);
    all.filter(|finding| is_path(&finding.path) && finding.line > 0).take(Handover::FINDINGS_MAX)
}

/// A path of a file of the repository, whatever it leads to.
fn is_path(path: &str) -> bool {
    !path.is_empty()
        && path.len() <= 500
        && !path.starts_with('/')
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
        && !path.chars().any(char::is_control)
}

fn findings(handed: &Handed<'_>) -> Option<Judged> {
    let annotation = |finding: &Finding| Annotation {
        path: finding.path.clone(),
        start_line: finding.line,
        end_line: finding.end_line.unwrap_or(finding.line).max(finding.line),
        column: None,
        level: match finding.severity {
            Severity::Error => AnnotationLevel::Failure,
            Severity::Warning => AnnotationLevel::Warning,
            Severity::Notice => AnnotationLevel::Notice,
        },
        title: title(&finding.message, 100),
        message: prose::plain(&finding.message, MESSAGE_CHARS_MAX),
    };
    let annotations: Vec<Annotation> = all_findings(handed).map(annotation).collect();
    (!annotations.is_empty()).then_some(Judged { what: Offering::Finding, shown: Ok(Shown::Findings { annotations }) })
}

/// Suggestions on lines that the pull request adds, and on no file that is protected.
fn suggestions(handed: &Handed<'_>) -> Option<Judged> {
    handed.pull?;
    let mut suggestions = Vec::new();
    let mut refused = 0;
    for finding in all_findings(handed) {
        let Some(text) = &finding.replacement else { continue };
        let last = finding.end_line.unwrap_or(finding.line).max(finding.line);
        let added = handed.lines.get(&finding.path).is_some_and(|lines| (finding.line..=last).all(|line| lines.contains(&line)));
        if !added || protect::is_protected(handed.protected, &finding.path) || suggestions.len() == Suggestion::MAX {
            refused += 1;
            continue;
        }
        suggestions.push(Suggestion {
            path: finding.path.clone(),
            first_line: finding.line,
            last_line: last,
            text: prose::without_hidden(text),
            message: prose(&title(&finding.message, REASON_CHARS_MAX), REASON_CHARS_MAX),
        });
    }
    let shown = match (suggestions.is_empty(), refused) {
        (true, 0) => return None,
        (true, _) => Err("they are on lines that the pull request does not add, or in protected files".to_owned()),
        (false, _) => Ok(Shown::Suggestions { suggestions }),
    };
    Some(Judged { what: Offering::Suggestion, shown })
}

fn change(handed: &Handed<'_>, redactor: &mut Redactor) -> Option<Judged> {
    if handed.result.is_empty() {
        return None;
    }
    let onto = handed.pipeline.may.contains(&Offering::Commit) && handed.pull.is_some_and(|pull| !pull.fork);
    let what = if onto { Offering::Commit } else { Offering::PullRequest };
    Some(Judged { what, shown: whole(handed, redactor) })
}

/// A change is taken as a whole or not at all: a part of it is what nobody has looked at.
fn whole(handed: &Handed<'_>, redactor: &mut Redactor) -> Result<Shown, String> {
    if let Some(path) = handed.result.files.keys().find(|path| protect::is_protected(handed.protected, path)) {
        return Err(format!("it changes `{}`, which is protected", title(path, 200)));
    }
    if handed.result.files.len() > Tree::FILES_MAX {
        return Err(format!("it changes more than {} files", Tree::FILES_MAX));
    }
    if handed.verified == Verified::No {
        return Err("gates did not pass it".to_owned());
    }
    if redactor.text(handed.added) != handed.added {
        return Err("it adds what looks like a secret".to_owned());
    }
    let proposed = handed.handovers.iter().rev().find_map(|(_, handover)| handover.title.as_deref());
    let fallback = format!("{}: {} files", handed.pipeline.name, handed.result.files.len());
    let title = proposed.map(|proposed| title(proposed, 72)).filter(|title| !title.is_empty()).unwrap_or(fallback);
    Ok(Shown::Change { title, summary: last_words(handed).unwrap_or_default() })
}

fn issues(handed: &Handed<'_>) -> Vec<Judged> {
    let all = handed.handovers.iter().flat_map(|(_, handover)| &handover.issues);
    let judged = |(at, issue): (usize, &ProposedIssue)| {
        let shown = match (at < Handover::ISSUES_MAX, title(&issue.title, 200)) {
            (false, _) => Err(format!("more than {} issues", Handover::ISSUES_MAX)),
            (true, title) if title.is_empty() => Err("it has no title".to_owned()),
            (true, title) => Ok(Shown::Issue { title, body: prose(&issue.body, SUMMARY_CHARS_MAX) }),
        };
        Judged { what: Offering::Issue, shown }
    };
    all.enumerate().map(judged).collect()
}
