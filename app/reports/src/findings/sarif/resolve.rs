//! What results refer to, once their run has been read.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::model::{self, Descriptor, Driver};
use super::{
    Collector, FindingKind, Fingerprint, Level, Location, Own, Pending, PlaceReference, Rule, RuleReference, Run, Severity,
    TaxonReference, cut, level, taxon,
};

/// Bases may lie in each other so deep.
const BASES_DEPTH_MAX: usize = 16;

/// Of a rule so many tags, and so many entries of catalogues, are kept.
const TAGS_MAX: usize = 20;

/// Of a rule's help so many bytes are kept.
const HELP_BYTES_MAX: usize = 4 * 1024;

/// A URI, and the base that it is relative to.
type InBase = (Arc<str>, Option<Arc<str>>);

impl Run {
    /// Completes the findings of the run.
    pub(super) fn finish(self, collector: &mut Collector) {
        collector.tool(self.tool.driver.name.as_deref().unwrap_or_default());
        let lookup = Lookup::of(&self.tool);
        let levels = Levels::of(&self, &lookup);
        for ((reference, level, invocation), amount) in &self.counted {
            let descriptor = lookup.descriptor(reference);
            let level = level.unwrap_or_else(|| levels.level(descriptor, *invocation));
            collector.count(level, descriptor.and_then(security_severity).and_then(Severity::of_score), *amount);
        }
        let mut rules: HashMap<RuleReference, Arc<Rule>> = HashMap::new();
        let mut paths: HashMap<InBase, Arc<str>> = HashMap::new();
        for (nth, pending) in self.pending.iter().enumerate() {
            let descriptor = lookup.descriptor(&pending.rule);
            let rule = rules.entry(pending.rule.clone()).or_insert_with(|| lookup.rule(&pending.rule, collector)).clone();
            let Some(finding) = collector.list().get_mut(self.begin + nth) else { break };
            if pending.level.is_none() && finding.kind == FindingKind::Fail {
                finding.level = levels.level(descriptor, pending.invocation);
            }
            // Not the rule's, which it shares with other runs of its tool.
            finding.severity = descriptor.and_then(security_severity).and_then(Severity::of_score);
            if finding.message.is_empty() {
                finding.message = lookup.message(pending, descriptor).unwrap_or_default();
            }
            let message = without_links(&filled(&finding.message, &pending.arguments));
            finding.message = cut(&message, super::super::collect::MESSAGE_BYTES_MAX);
            finding.taxa.extend(pending.taxa.iter().filter_map(|reference| self.taxon(reference)));
            let mut places = pending.places.iter();
            let mut complete = |path: &mut Arc<str>| {
                let Some(place) = places.next() else { return };
                let (uri, base) = self.uri(path, place);
                let whole = || Arc::from(self.joined(&uri, base.as_deref(), 0));
                *path = paths.entry((uri.clone(), base.clone())).or_insert_with(whole).clone();
            };
            // In the order in which they were noted.
            finding.location.iter_mut().for_each(|location| complete(&mut location.path));
            finding.related.iter_mut().for_each(|related| complete(&mut related.location.path));
            finding.fix.iter_mut().flat_map(|fix| &mut fix.edits).for_each(|edit| complete(&mut edit.path));
            finding.fingerprint =
                fingerprint(&rule, finding.location.as_ref().map_or("", |location| &location.path), pending.own.as_ref());
            finding.rule = rule;
        }
        self.forget_common(collector);
    }

    /// What several results in different places have in common tells none of them from the others, whatever it is called.
    fn forget_common(&self, collector: &mut Collector) {
        let Some(findings) = collector.list().get_mut(self.begin..) else { return };
        let mut first: HashMap<Fingerprint, Option<Location>> = HashMap::new();
        let mut common: HashSet<Fingerprint> = HashSet::new();
        for (finding, pending) in findings.iter().zip(&self.pending) {
            if let (Some(Own::Whole(_)), Some(fingerprint)) = (&pending.own, finding.fingerprint)
                && *first.entry(fingerprint).or_insert_with(|| finding.location.clone()) != finding.location
            {
                common.insert(fingerprint);
            }
        }
        for finding in findings {
            finding.fingerprint = finding.fingerprint.filter(|fingerprint| !common.contains(fingerprint));
        }
    }

    /// An entry of a catalogue that is named by number.
    fn taxon(&self, reference: &TaxonReference) -> Option<String> {
        let taxonomy = reference.taxonomy.and_then(|nth| self.taxonomies.get(nth));
        let by_index = || taxonomy?.taxa.get(reference.index?)?.id.clone();
        let id = reference.id.clone().or_else(by_index)?;
        let catalogue = taxonomy.and_then(|taxonomy| taxonomy.name.as_deref());
        Some(cut(&catalogue.map_or_else(|| id.clone(), |catalogue| format!("{catalogue} {id}")), 200))
    }

    /// A URI and its base; those of the file that is meant by its number, if there is no URI.
    fn uri(&self, uri: &Arc<str>, place: &PlaceReference) -> InBase {
        match place.artifact.and_then(|index| self.artifacts.get(index)) {
            Some(artifact) => (artifact.uri.clone().unwrap_or_else(|| uri.clone()), artifact.base.clone()),
            None => (uri.clone(), place.base.clone()),
        }
    }

    /// 3.14.14: a path from its base's, which may have a base too. A base that says no place is the repository's root.
    fn joined(&self, uri: &str, base: Option<&str>, depth: usize) -> String {
        let path = decoded(uri);
        let base = base.and_then(|base| self.bases.get(base));
        let Some(base) = base.filter(|_| depth < BASES_DEPTH_MAX && !is_absolute(uri)) else { return path };
        let folder = self.joined(base.uri.as_deref().unwrap_or_default(), base.uri_base_id.as_deref(), depth + 1);
        match folder.is_empty() {
            true => path,
            false => format!("{}/{path}", folder.trim_end_matches('/')),
        }
    }
}

fn is_absolute(uri: &str) -> bool {
    uri.starts_with('/') || uri.split(['/', '?', '#']).next().is_some_and(|first| first.contains(':'))
}

/// The rules of a run, to be found by number and id.
struct Lookup<'t> {
    tool: &'t model::Tool,
    by_id: HashMap<&'t str, (&'t Driver, &'t Descriptor)>,
}

impl<'t> Lookup<'t> {
    fn of(tool: &'t model::Tool) -> Lookup<'t> {
        let mut by_id = HashMap::new();
        for driver in std::iter::once(&tool.driver).chain(&tool.extensions) {
            for descriptor in &driver.rules {
                if let Some(id) = descriptor.id.as_deref() {
                    by_id.entry(id).or_insert((driver, descriptor));
                }
            }
        }
        Lookup { tool, by_id }
    }

    fn driver(&self, reference: &RuleReference) -> &'t Driver {
        reference.extension.and_then(|nth| self.tool.extensions.get(nth)).unwrap_or(&self.tool.driver)
    }

    /// By its number; else by its id, or what stands before the last `/` of it (3.27.5).
    fn descriptor(&self, reference: &RuleReference) -> Option<&'t Descriptor> {
        let by_index = reference.index.and_then(|index| self.driver(reference).rules.get(index));
        by_index.or_else(|| {
            let mut id = reference.id.as_deref()?;
            loop {
                match (self.by_id.get(id), id.rsplit_once('/')) {
                    (Some((_, descriptor)), _) => return Some(*descriptor),
                    (None, Some((before, _))) => id = before,
                    (None, None) => return None,
                }
            }
        })
    }

    fn rule(&self, reference: &RuleReference, collector: &mut Collector) -> Arc<Rule> {
        let descriptor = self.descriptor(reference);
        let tool = self.tool.driver.name.as_deref().unwrap_or_default();
        let id = reference.id.as_deref().or_else(|| descriptor?.id.as_deref()).unwrap_or_default();
        collector.rule_with(tool, id, |rule| {
            let Some(descriptor) = descriptor else { return };
            let text = |message: &Option<model::Message>| message.as_ref().and_then(|message| message.text.clone());
            rule.name.clone_from(&descriptor.name);
            rule.summary = text(&descriptor.short_description).or_else(|| text(&descriptor.full_description));
            rule.help_url.clone_from(&descriptor.help_uri);
            for field in [&mut rule.name, &mut rule.summary, &mut rule.help_url] {
                *field = field.take().filter(|text| !text.is_empty()).map(|text| cut(&text, 1024));
            }
            rule.help = text(&descriptor.help).filter(|help| !help.is_empty()).map(|help| cut(&help, HELP_BYTES_MAX));
            let targets = descriptor.relationships.iter().map(|relationship| &relationship.target);
            rule.taxa = targets.filter_map(taxon).take(TAGS_MAX).collect();
            if let Some(properties) = &descriptor.properties {
                rule.tags = properties.tags.iter().take(TAGS_MAX).map(|tag| cut(tag, 200)).collect();
            }
            rule.security_severity = security_severity(descriptor);
        })
    }

    /// 3.11.7: a message that is kept with the rule, or with the tool.
    fn message(&self, pending: &Pending, descriptor: Option<&Descriptor>) -> Option<String> {
        let id = pending.message.as_deref()?;
        let strings = descriptor.and_then(|descriptor| descriptor.message_strings.get(id));
        let message = strings.or_else(|| self.driver(&pending.rule).global_message_strings.get(id))?;
        message.text.clone()
    }
}

fn default_level(descriptor: &Descriptor) -> Level {
    let word = descriptor.default_configuration.as_ref().and_then(|configuration| configuration.level.as_deref());
    word.and_then(|word| level(word).ok()).unwrap_or(Level::Warning)
}

/// What results have a level that say none (3.27.10).
struct Levels {
    invocations: usize,
    /// What an invocation gives to a rule. Rules are told apart by where they are: an id may be none, or another component's too.
    overrides: HashMap<(usize, *const Descriptor), Level>,
}

impl Levels {
    fn of(run: &Run, lookup: &Lookup<'_>) -> Levels {
        let one = |(invocation, rule, level): &(usize, RuleReference, Level)| {
            Some(((*invocation, std::ptr::from_ref(lookup.descriptor(rule)?)), *level))
        };
        Levels { invocations: run.invocations, overrides: run.overrides.iter().filter_map(one).collect() }
    }

    /// That of the invocation that a result comes from, where that gives one; else what the rule has by itself. Where there is one
    /// invocation, it is meant by results that name none.
    fn level(&self, descriptor: Option<&Descriptor>, invocation: Option<usize>) -> Level {
        let Some(descriptor) = descriptor else { return Level::Warning };
        let invocation = invocation.or((self.invocations == 1).then_some(0));
        let own = invocation.and_then(|invocation| self.overrides.get(&(invocation, std::ptr::from_ref(descriptor))));
        own.copied().unwrap_or_else(|| default_level(descriptor))
    }
}

/// How bad what a rule finds is for security: a number, or a text that is one, from 0 to 10.
fn security_severity(descriptor: &Descriptor) -> Option<f32> {
    let number = match descriptor.properties.as_ref()?.security_severity.as_ref()? {
        serde_json::Value::String(text) => text.trim().parse().ok()?,
        other => other.as_f64()?,
    };
    #[expect(clippy::cast_possible_truncation, reason = "one digit behind the point counts")]
    (0.0..=10.0).contains(&number).then_some(number as f32)
}

/// 3.11.5: `{0}` is the first argument, `{{` a brace.
fn filled(text: &str, arguments: &[String]) -> String {
    if arguments.is_empty() {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let argument = rest
            .strip_prefix('{')
            .and_then(|inner| inner.split_once('}'))
            .and_then(|(number, behind)| Some((arguments.get(number.parse::<usize>().ok()?)?, behind)));
        let (piece, behind) = match argument {
            Some((argument, behind)) => (argument.as_str(), behind),
            None => (&rest[..1], rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")).unwrap_or(&rest[1..])),
        };
        out.push_str(piece);
        rest = behind;
        // Arguments may be long, and be named often.
        if out.len() > super::super::collect::MESSAGE_BYTES_MAX {
            return out;
        }
    }
    out.push_str(rest);
    out
}

/// 3.11.6: a link to a related place, `[text](1)`, as its text, and brackets as what they stand for.
fn without_links(text: &str) -> String {
    if !text.contains(['[', ']']) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    // Where the texts of links that are not over begin in what is written.
    let mut begins: Vec<usize> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['[', ']', '\\']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let next = rest.as_bytes().get(1);
        match rest.as_bytes()[0] {
            b'\\' if matches!(next, Some(b'[' | b']' | b'\\')) => {
                out.push_str(&rest[1..2]);
                rest = &rest[2..];
                continue;
            }
            b'[' => begins.push(out.len()),
            b']' => {
                if let Some(begin) = begins.pop()
                    && let Some(behind) = link_target(&rest[1..])
                {
                    // The bracket that the link began with.
                    out.remove(begin);
                    rest = behind;
                    continue;
                }
            }
            _ => {}
        }
        out.push_str(&rest[..1]);
        rest = &rest[1..];
    }
    out.push_str(rest);
    out
}

/// What stands behind the number of a related place in parentheses.
fn link_target(text: &str) -> Option<&str> {
    let (number, behind) = text.strip_prefix('(')?.split_once(')')?;
    (!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())).then_some(behind)
}

/// The path that a URI names: without `file://`, and with `%20` and the like as what they stand for.
fn decoded(uri: &str) -> String {
    let path = uri.strip_prefix("file://").unwrap_or(uri);
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let code = path.get(at + 1..at + 3).filter(|_| *byte == b'%').and_then(|code| u8::from_str_radix(code, 16).ok());
        // A NUL is in no path.
        match code.filter(|code| *code != 0) {
            Some(code) => {
                out.push(code);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| path.to_owned())
}

/// The tool's own fingerprint, which nothing of another tool, rule or (where it is only a part) file has.
fn fingerprint(rule: &Rule, path: &str, own: Option<&Own>) -> Option<Fingerprint> {
    Some(match own? {
        Own::Whole(own) => Fingerprint::of(["whole", &rule.tool, &rule.id, &own.to_string()]),
        Own::Partial(own) => Fingerprint::of(["partial", &rule.tool, &rule.id, path, &own.to_string()]),
    })
}
