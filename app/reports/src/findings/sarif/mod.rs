//! SARIF 2.1.0 (OASIS standard). Results are read one by one; what they refer to (rules, files, bases) may stand behind them
//! in the file, so they are completed at the end of their run.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use super::collect::{Collector, RELATED_MAX, cut, small};
use super::{
    BaselineState, Edit, Finding, FindingKind, Findings, Fingerprint, Fix, Level, Location, Related, Rule, Severity, Suppression,
    TextRange,
};
use crate::error::{Fault, ReportError, one_line};
use crate::json::{Json, Kind};

mod model;
mod resolve;

/// A run may name so many files. Beyond, the report is refused.
const ARTIFACTS_MAX: usize = 500_000;

/// Their paths may have so many bytes together. Beyond, the report is refused.
const ARTIFACTS_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Of a message so many arguments are kept, and so many bytes of each.
const ARGUMENTS_MAX: usize = 20;
const ARGUMENT_BYTES_MAX: usize = 1024;

/// Results of so many different rules, levels and kinds are counted beyond those that are kept. Beyond, the report is refused.
const COUNTED_MAX: usize = 100_000;

/// The invocations of a run may configure so many rules. Beyond, the report is refused.
const OVERRIDES_MAX: usize = 50_000;

/// A run may name so many catalogues. Those beyond are not looked at.
const TAXONOMIES_MAX: usize = 20;

/// What a result refers to, until the end of its run.
#[derive(Default)]
struct Pending {
    rule: RuleReference,
    level: Option<Level>,
    /// Of the run's invocations, the one that it comes from.
    invocation: Option<usize>,
    /// Of the message: its id and arguments.
    message: Option<String>,
    arguments: Vec<String>,
    /// Of the location, those related and the edits: bases, and numbers of files.
    places: Vec<PlaceReference>,
    /// Of the tool's own fingerprints, where it brings them.
    own: Option<Own>,
    /// Entries of catalogues that are named by number.
    taxa: Vec<TaxonReference>,
}

/// Which entry of a catalogue is meant.
struct TaxonReference {
    id: Option<String>,
    index: Option<usize>,
    /// Of the catalogues, which one.
    taxonomy: Option<usize>,
}

/// What the tool itself recognises a result by.
enum Own {
    /// By itself.
    Whole(Fingerprint),
    /// With the rule and the file.
    Partial(Fingerprint),
}

/// Which rule is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct RuleReference {
    id: Option<String>,
    index: Option<usize>,
    /// Of the tool's extensions, which one.
    extension: Option<usize>,
}

/// How a path is to be completed.
#[derive(Default, Clone)]
struct PlaceReference {
    base: Option<Arc<str>>,
    artifact: Option<usize>,
}

/// A file that results name by its number.
struct Artifact {
    uri: Option<Arc<str>>,
    base: Option<Arc<str>>,
}

/// A run that is being read.
#[derive(Default)]
struct Run {
    tool: model::Tool,
    bases: BTreeMap<String, model::ArtifactLocation>,
    artifacts: Vec<Artifact>,
    artifacts_bytes: usize,
    taxonomies: Vec<model::Taxonomy>,
    /// The first of its findings, and what each of them still refers to.
    begin: usize,
    pending: Vec<Pending>,
    /// Results that are not kept: of which rule, level and invocation.
    counted: BTreeMap<(RuleReference, Option<Level>, Option<usize>), u64>,
    /// How many invocations there are, and what level each gives to which rules.
    invocations: usize,
    overrides: Vec<(usize, RuleReference, Level)>,
}

/// Reads a report.
pub(super) fn read(source: impl Read) -> Result<Findings, ReportError> {
    let mut json = Json::new(source);
    let mut collector = Collector::default();
    let (mut runs, mut version) = (false, None);
    json.object(|json, key| match key {
        "runs" => {
            runs = true;
            json.array(|json| run(json, &mut collector))
        }
        "version" => {
            let found: String = json.item()?;
            if found != "2.1.0" {
                let cause = format!("SARIF version {:?}, where 2.1.0 is read", one_line(&found, 40));
                return Err(json.error(Fault::Broken(cause)));
            }
            version = Some(found);
            Ok(())
        }
        _ => json.skip(),
    })?;
    json.end()?;
    match (runs, version) {
        (true, _) => Ok(collector.finish()),
        (false, Some(_)) => Err(json.error(Fault::broken("a SARIF log without runs"))),
        (false, None) => Err(json.error(Fault::broken("this is no SARIF log: it has neither version nor runs"))),
    }
}

fn run<R: Read>(json: &mut Json<R>, collector: &mut Collector) -> Result<(), ReportError> {
    let mut run = Run { begin: collector.list().len(), ..Run::default() };
    json.object(|json, key| match (key, json.kind()?) {
        // Null, as some writers put for what they do not have.
        (_, Kind::Plain | Kind::String) => json.skip(),
        ("tool", _) => {
            run.tool = json.item()?;
            Ok(())
        }
        ("originalUriBaseIds", _) => {
            run.bases = json.small_item()?;
            Ok(())
        }
        ("artifacts", _) => json.array(|json| {
            let artifact: model::Artifact = json.small_item()?;
            run.artifact(artifact).map_err(|fault| json.error(fault))
        }),
        ("taxonomies", _) => json.array(|json| {
            if run.taxonomies.len() >= TAXONOMIES_MAX {
                return json.skip();
            }
            let taxonomy: model::Taxonomy = json.item()?;
            collector.charge(taxonomy.taxa.len() * 64);
            run.taxonomies.push(taxonomy);
            Ok(())
        }),
        ("invocations", _) => json.array(|json| {
            let invocation: model::Invocation = json.small_item()?;
            run.invocation(&invocation, collector).map_err(|fault| json.error(fault))
        }),
        ("results", _) => json.array(|json| {
            let result: model::ResultObject = json.item()?;
            run.result(result, collector).map_err(|fault| json.error(fault))
        }),
        _ => json.skip(),
    })?;
    run.finish(collector);
    Ok(())
}

impl Run {
    /// What the tool says it could not do, and how it was configured.
    fn invocation(&mut self, invocation: &model::Invocation, collector: &mut Collector) -> Result<(), Fault> {
        if invocation.execution_successful == Some(false) {
            let why = invocation.exit_code_description.as_deref().unwrap_or("the tool says that it did not run to its end");
            collector.unfinished(why);
        }
        let notifications = invocation.tool_execution_notifications.iter().chain(&invocation.tool_configuration_notifications);
        for notification in notifications.filter(|notification| notification.level.as_deref() == Some("error")) {
            collector.problem(notification.message.text.as_deref().unwrap_or("the tool reports an error"));
        }
        for one in &invocation.rule_configuration_overrides {
            let Some(word) = one.configuration.level.as_deref() else { continue };
            self.overrides.push((self.invocations, RuleReference::of(&one.descriptor), level(word)?));
        }
        self.invocations += 1;
        match self.overrides.len() > OVERRIDES_MAX {
            true => Err(Fault::TooMuch(format!("more than {OVERRIDES_MAX} rules that are configured for invocations"))),
            false => Ok(()),
        }
    }

    fn artifact(&mut self, artifact: model::Artifact) -> Result<(), Fault> {
        let location = artifact.location.unwrap_or_default();
        let bytes = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        self.artifacts_bytes += bytes(&location.uri) + bytes(&location.uri_base_id);
        if self.artifacts.len() >= ARTIFACTS_MAX || self.artifacts_bytes > ARTIFACTS_BYTES_MAX {
            let limits = format!("more than {ARTIFACTS_MAX} files, or {ARTIFACTS_BYTES_MAX} bytes of their paths");
            return Err(Fault::TooMuch(limits));
        }
        self.artifacts.push(Artifact { uri: location.uri.map(Arc::from), base: location.uri_base_id.map(Arc::from) });
        Ok(())
    }

    fn result(&mut self, result: model::ResultObject, collector: &mut Collector) -> Result<(), Fault> {
        let rule = rule_reference(&result);
        let kind = result.kind.as_deref().map_or(Ok(FindingKind::Fail), kind)?;
        let level = result.level.as_deref().map(level).transpose()?;
        // 3.27.10: nothing but a failure has a level. So limits of levels do not count what somebody has to look at first.
        let level = if kind == FindingKind::Fail { level } else { level.or(Some(Level::None)) };
        let invocation = result.provenance.as_ref().and_then(|provenance| usize::try_from(provenance.invocation_index?).ok());
        let mut pending = Pending { rule, level, invocation, ..Pending::default() };
        pending.message = result.message.id.map(|id| cut(&id, ARGUMENT_BYTES_MAX));
        let arguments = result.message.arguments.iter().take(ARGUMENTS_MAX);
        pending.arguments = arguments.map(|argument| cut(argument, ARGUMENT_BYTES_MAX)).collect();
        pending.own = own(&result.fingerprints, &result.partial_fingerprints);
        let text = result.message.text.or(result.message.markdown).unwrap_or_default();
        let mut finding = Finding::new(Arc::default(), level.unwrap_or(Level::Warning), &text);
        finding.kind = kind;
        finding.suppressed = suppressed(&result.suppressions)?;
        finding.baseline = result.baseline_state.as_deref().map(baseline).transpose()?;
        if !collector.has_room() {
            return if finding.stands() { self.count(&pending) } else { Ok(()) };
        }
        for reference in result.taxa.iter().take(RELATED_MAX) {
            match taxon(reference) {
                Some(taxon) => finding.taxa.push(taxon),
                None => pending.taxa.push(TaxonReference::of(reference)),
            }
        }
        let mut locations = result.locations.into_iter();
        let first = locations.next();
        finding.location = first.map(|first| pending.place(first, collector)).transpose()?.flatten().map(|(place, _)| place);
        for other in locations.chain(result.related_locations).take(RELATED_MAX) {
            if let Some((location, message)) = pending.place(other, collector)? {
                finding.related.push(Related { location, message: cut(&message, 1024) });
            }
        }
        if let Some(fix) = result.fixes.into_iter().next() {
            finding.fix = pending.fix(fix, collector)?;
        }
        if collector.push(finding) {
            collector.charge(pending.bytes());
            self.pending.push(pending);
        }
        Ok(())
    }

    /// Counts a result of which the level may only be known at the end.
    fn count(&mut self, pending: &Pending) -> Result<(), Fault> {
        let key = (pending.rule.clone(), pending.level, pending.invocation);
        if self.counted.len() >= COUNTED_MAX && !self.counted.contains_key(&key) {
            return Err(Fault::TooMuch(format!("results of more than {COUNTED_MAX} rules")));
        }
        *self.counted.entry(key).or_default() += 1;
        Ok(())
    }
}

impl Pending {
    /// What it takes, roughly.
    fn bytes(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let arguments: usize = self.arguments.iter().map(|argument| argument.len() + 24).sum();
        256 + text(&self.rule.id) + text(&self.message) + arguments + self.places.len() * 32 + self.taxa.len() * 64
    }

    /// A place, and what is there. Its path is completed at the end of the run.
    fn place(&mut self, location: model::Location, collector: &mut Collector) -> Result<Option<(Location, String)>, Fault> {
        let message = location.message.and_then(|message| message.text).unwrap_or_default();
        let Some(physical) = location.physical_location else { return Ok(None) };
        let Some(path) = self.path(physical.artifact_location.unwrap_or_default(), collector) else { return Ok(None) };
        let range = physical.region.map(|region| range(&region)).transpose()?.flatten();
        Ok(Some((Location { path, range }, message)))
    }

    fn path(&mut self, location: model::ArtifactLocation, collector: &mut Collector) -> Option<Arc<str>> {
        let artifact = location.index.and_then(|index| usize::try_from(index).ok());
        let uri = location.uri.filter(|uri| !uri.is_empty());
        if uri.is_none() && artifact.is_none() {
            return None;
        }
        let base = location.uri_base_id.map(|base| collector.shared(&base));
        self.places.push(PlaceReference { base, artifact: artifact.filter(|_| uri.is_none()) });
        Some(collector.shared(&uri.unwrap_or_default()))
    }

    fn fix(&mut self, fix: model::Fix, collector: &mut Collector) -> Result<Option<Box<Fix>>, Fault> {
        let places = self.places.len();
        let mut edits = Vec::new();
        for change in fix.artifact_changes {
            for replacement in &change.replacements {
                let location = model::ArtifactLocation {
                    uri: change.artifact_location.uri.clone(),
                    uri_base_id: change.artifact_location.uri_base_id.clone(),
                    index: change.artifact_location.index,
                };
                let (Some(range), Some(path)) = (range(&replacement.deleted_region)?, self.path(location, collector)) else {
                    // A part of a fix is none.
                    self.places.truncate(places);
                    return Ok(None);
                };
                let text = replacement.inserted_content.as_ref().and_then(|content| content.text.clone()).unwrap_or_default();
                edits.push(Edit { path, range, text });
            }
        }
        let description = fix.description.and_then(|description| description.text).unwrap_or_default();
        let small = small(Fix { description, edits });
        if small.is_none() {
            self.places.truncate(places);
        }
        Ok(small)
    }
}

fn number(index: Option<i64>) -> Option<usize> {
    index.and_then(|index| usize::try_from(index).ok())
}

fn rule_reference(result: &model::ResultObject) -> RuleReference {
    let rule = result.rule.as_ref().map(RuleReference::of).unwrap_or_default();
    RuleReference {
        id: result.rule_id.as_deref().map(|id| cut(id, 1024)).or(rule.id),
        index: number(result.rule_index).or(rule.index),
        extension: rule.extension,
    }
}

impl RuleReference {
    fn of(reference: &model::Reference) -> RuleReference {
        RuleReference {
            id: reference.id.as_deref().map(|id| cut(id, 1024)),
            index: number(reference.index),
            extension: reference.tool_component.as_ref().and_then(|component| number(component.index)),
        }
    }
}

/// 3.27.16 and 3.27.17: what is called a fingerprint says which result it is, by itself; what is called a partial one does so
/// with the rule and the file. Partial ones that hold a column change with the line's indentation, and are left out.
///
/// Semgrep says to everybody who is not logged in to its service that its fingerprint is `requires login`.
fn own(whole: &BTreeMap<String, String>, partial: &BTreeMap<String, String>) -> Option<Own> {
    let hash = |parts: &mut dyn Iterator<Item = (&String, &String)>| {
        let parts: Vec<&str> = parts.flat_map(|(key, value)| [key.as_str(), value.as_str()]).collect();
        (!parts.is_empty()).then(|| Fingerprint::of(parts))
    };
    let whole = hash(&mut whole.iter().filter(|(_, value)| *value != "requires login")).map(Own::Whole);
    whole.or_else(|| hash(&mut partial.iter().filter(|(key, _)| !key.contains("Column"))).map(Own::Partial))
}

fn kind(word: &str) -> Result<FindingKind, Fault> {
    Ok(match word.to_ascii_lowercase().as_str() {
        "fail" => FindingKind::Fail,
        "pass" => FindingKind::Pass,
        "open" => FindingKind::Open,
        "review" => FindingKind::Review,
        "informational" => FindingKind::Informational,
        "notapplicable" => FindingKind::NotApplicable,
        _ => return Err(Fault::Broken(format!("a result of the kind {:?}", one_line(word, 40)))),
    })
}

fn level(word: &str) -> Result<Level, Fault> {
    Ok(match word.to_ascii_lowercase().as_str() {
        "error" => Level::Error,
        "warning" => Level::Warning,
        "note" => Level::Note,
        "none" => Level::None,
        _ => return Err(Fault::Broken(format!("the level {:?}", one_line(word, 40)))),
    })
}

fn baseline(word: &str) -> Result<BaselineState, Fault> {
    Ok(match word {
        "new" => BaselineState::New,
        "unchanged" => BaselineState::Unchanged,
        "updated" => BaselineState::Updated,
        "absent" => BaselineState::Absent,
        _ => return Err(Fault::Broken(format!("the baseline state {:?}", one_line(word, 40)))),
    })
}

/// 3.27.23, 3.35: suppressed where one suppression at least is accepted, which it is if it does not say otherwise.
fn suppressed(suppressions: &[model::Suppression]) -> Result<Option<Suppression>, Fault> {
    let mut accepted = Vec::new();
    for suppression in suppressions {
        match suppression.status.as_deref().unwrap_or("accepted") {
            "accepted" => accepted.push(suppression),
            "underReview" | "rejected" => {}
            other => return Err(Fault::Broken(format!("the suppression status {:?}", one_line(other, 40)))),
        }
    }
    let reasons = accepted.iter().filter_map(|suppression| suppression.justification.as_deref());
    let reason = reasons.map(str::trim).find(|reason| !reason.is_empty()).map(|reason| cut(reason, 1024));
    Ok((!accepted.is_empty()).then_some(Suppression { reason }))
}

/// An entry of a catalogue, if it is named in full.
fn taxon(reference: &model::Reference) -> Option<String> {
    let id = reference.id.as_deref()?;
    let catalogue = reference.tool_component.as_ref()?.name.as_deref()?;
    Some(cut(&format!("{catalogue} {id}"), 200))
}

impl TaxonReference {
    fn of(reference: &model::Reference) -> TaxonReference {
        let taxonomy = reference.tool_component.as_ref().and_then(|component| number(component.index));
        TaxonReference { id: reference.id.as_deref().map(|id| cut(id, 200)), index: number(reference.index), taxonomy }
    }
}

/// None where a region has no line, or line 0 as some writers say for a whole file.
fn range(region: &model::Region) -> Result<Option<TextRange>, Fault> {
    let number = |what: &str, number: Option<i64>| match number {
        None | Some(0) => Ok(None),
        Some(number) => match u32::try_from(number) {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(Fault::Broken(format!("{what} is {number}"))),
        },
    };
    let Some(start_line) = number("startLine", region.start_line)? else { return Ok(None) };
    let end_line = number("endLine", region.end_line)?.unwrap_or(start_line);
    if end_line < start_line {
        return Err(Fault::Broken(format!("a region that ends in line {end_line} and begins in line {start_line}")));
    }
    let (start_column, end_column) = (number("startColumn", region.start_column)?, number("endColumn", region.end_column)?);
    Ok(Some(TextRange { start_line, start_column, end_line, end_column }))
}
