//! Keeps the findings of a report within bounds.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Finding, Findings, Fix, Level, Location, Rule, Severity};

/// So many findings of a report are kept. Those beyond are counted.
const KEPT_MAX: usize = 100_000;

/// The texts of all findings that are kept may have so many bytes together. Findings beyond are counted.
const TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Of a message so many bytes are kept.
pub(super) const MESSAGE_BYTES_MAX: usize = 4 * 1024;

/// Of an id, a name, a path or the like so many bytes are kept.
pub(super) const NAME_BYTES_MAX: usize = 1024;

/// So many related places and taxa of a finding are kept.
pub(super) const RELATED_MAX: usize = 20;

/// A fix with more edits, or more text, is not kept.
const EDITS_MAX: usize = 100;
const EDIT_BYTES_MAX: usize = 16 * 1024;

/// So many of the tool's own problems are kept.
pub(super) const PROBLEMS_MAX: usize = 100;

/// So many tools are named.
pub(super) const TOOLS_MAX: usize = 100;

/// What of a report has been read.
#[derive(Default)]
pub(super) struct Collector {
    findings: Findings,
    text_bytes: usize,
    /// Texts that many findings share.
    shared: HashSet<Arc<str>>,
    rules: HashSet<SharedRule>,
}

/// A rule that is told from others by its tool and id.
struct SharedRule(Arc<Rule>);

impl std::hash::Hash for SharedRule {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (&self.0.tool, &self.0.id).hash(state);
    }
}

impl PartialEq for SharedRule {
    fn eq(&self, other: &SharedRule) -> bool {
        (&self.0.tool, &self.0.id) == (&other.0.tool, &other.0.id)
    }
}

impl Eq for SharedRule {}

/// What is left of the limits of all reports together.
pub(super) struct Room {
    findings: usize,
    text_bytes: usize,
}

impl Default for Room {
    fn default() -> Room {
        Room { findings: KEPT_MAX, text_bytes: TEXT_BYTES_MAX }
    }
}

impl Room {
    /// Whether there is room for a finding, which is then taken from it.
    pub(super) fn takes(&mut self, finding: &Finding) -> bool {
        let bytes = bytes_of(finding);
        let fits = self.findings > 0 && bytes <= self.text_bytes;
        if fits {
            self.findings -= 1;
            self.text_bytes -= bytes;
        }
        fits
    }
}

impl Collector {
    /// Takes a finding. Whether it is kept, rather than only counted.
    pub(super) fn push(&mut self, finding: Finding) -> bool {
        let bytes = bytes_of(&finding);
        let kept = self.findings.list.len() < KEPT_MAX && self.text_bytes + bytes <= TEXT_BYTES_MAX;
        if kept {
            self.text_bytes += bytes;
            self.findings.list.push(finding);
        } else if finding.stands() {
            self.count(finding.level, finding.severity, 1);
        }
        kept
    }

    /// Whether another finding would be kept.
    pub(super) fn has_room(&self) -> bool {
        self.findings.list.len() < KEPT_MAX && self.text_bytes < TEXT_BYTES_MAX
    }

    /// Notes what is held beside the findings.
    pub(super) fn charge(&mut self, bytes: usize) {
        self.text_bytes += bytes;
    }

    /// Notes what the tool could not do.
    pub(super) fn problem(&mut self, text: &str) {
        if self.findings.problems.len() < PROBLEMS_MAX {
            self.findings.problems.push(cut(text, MESSAGE_BYTES_MAX));
        }
    }

    /// Notes that the tool did not run to its end.
    pub(super) fn unfinished(&mut self, why: &str) {
        self.problem(why);
        self.findings.unfinished = true;
    }

    /// Notes a tool that was asked.
    pub(super) fn tool(&mut self, name: &str) {
        if !name.is_empty() && self.findings.tools.len() < TOOLS_MAX {
            self.findings.tools.insert(cut(name, NAME_BYTES_MAX));
        }
    }

    /// A text that is kept once, however many findings have it.
    pub(super) fn shared(&mut self, text: &str) -> Arc<str> {
        let text = within(text, NAME_BYTES_MAX);
        if let Some(known) = self.shared.get(text) {
            return known.clone();
        }
        // No finding that has it would be kept.
        if !self.has_room() {
            return Arc::from("");
        }
        let new: Arc<str> = text.into();
        self.text_bytes += text.len();
        self.shared.insert(new.clone());
        new
    }

    /// A rule of which nothing but tool and id is known.
    pub(super) fn rule(&mut self, tool: &str, id: &str) -> Arc<Rule> {
        self.rule_with(tool, id, |_| {})
    }

    /// A rule; `more` fills in what else is known when it is seen first.
    pub(super) fn rule_with(&mut self, tool: &str, id: &str, more: impl FnOnce(&mut Rule)) -> Arc<Rule> {
        let key = Rule { tool: cut(tool, NAME_BYTES_MAX), id: cut(id, NAME_BYTES_MAX), ..Rule::default() };
        let mut key = SharedRule(Arc::new(key));
        if let Some(known) = self.rules.get(&key) {
            return known.0.clone();
        }
        if let Some(rule) = Arc::get_mut(&mut key.0) {
            more(rule);
        }
        let rule = key.0.clone();
        if self.has_room() {
            self.text_bytes += bytes_of_rule(&rule);
            self.rules.insert(key);
        }
        rule
    }

    /// The findings so far.
    pub(super) fn list(&mut self) -> &mut Vec<Finding> {
        &mut self.findings.list
    }

    /// Counts findings that are not kept.
    pub(super) fn count(&mut self, level: Level, severity: Option<Severity>, amount: u64) {
        *self.findings.left_out.entry((level, severity)).or_default() += amount;
    }

    pub(super) fn finish(self) -> Findings {
        self.findings
    }
}

/// The beginning of a text.
pub(super) fn cut(text: &str, bytes_max: usize) -> String {
    within(text, bytes_max).to_owned()
}

fn within(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// A fix, if it is small enough to be shown.
pub(super) fn small(fix: Fix) -> Option<Box<Fix>> {
    let text: usize = fix.edits.iter().map(|edit| edit.text.len()).sum();
    let description = cut(&fix.description, MESSAGE_BYTES_MAX);
    let fits = !fix.edits.is_empty() && fix.edits.len() <= EDITS_MAX && text <= EDIT_BYTES_MAX;
    fits.then(|| Box::new(Fix { description, edits: fix.edits }))
}

/// What a finding takes, roughly, without what it shares with others.
fn bytes_of(finding: &Finding) -> usize {
    let place = |_: &Location| 64;
    let related: usize = finding.related.iter().map(|related| related.message.len() + place(&related.location)).sum();
    let taxa: usize = finding.taxa.iter().map(|taxon| taxon.len() + 24).sum();
    let edits = finding.fix.iter().flat_map(|fix| &fix.edits).map(|edit| edit.text.len() + 64).sum::<usize>();
    let reason = finding.suppressed.as_ref().and_then(|suppressed| suppressed.reason.as_ref()).map_or(0, String::len);
    finding.message.len() + related + taxa + edits + reason
}

fn bytes_of_rule(rule: &Rule) -> usize {
    let tags: usize = rule.tags.iter().chain(&rule.taxa).map(|tag| tag.len() + 24).sum();
    let texts = [&rule.name, &rule.summary, &rule.help_url, &rule.help].map(|text| text.as_ref().map_or(0, String::len));
    256 + rule.tool.len() + rule.id.len() + tags + texts.iter().sum::<usize>()
}
