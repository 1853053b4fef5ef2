//! Findings as SARIF 2.1.0, for those who show it: GitHub's code scanning above all, whose limits it keeps.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Finding, Findings, Level, Location, Rule, Severity, TextRange};

/// Of a tool so many results are shown by code scanning: the worst. It refuses more than 25,000.
const RESULTS_MAX: usize = 5_000;

/// A file may have so many runs, of which each tool has one. Tools beyond are left out.
const RUNS_MAX: usize = 20;

/// All results and rules may have so many bytes together, uncompressed; code scanning takes 10 MB compressed. Results beyond
/// are left out.
const BYTES_MAX: usize = 9 * 1024 * 1024;

/// Of a rule so many tags are shown by code scanning.
const TAGS_MAX: usize = 10;

/// What a result is called that has no rule.
const NO_RULE: &str = "no-rule";

/// The name that code scanning reads a result's fingerprint by, and our own.
const FINGERPRINTS: [&str; 2] = ["primaryLocationLineHash", "gatewright/v1"];

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SarifLog {
    /// JSON.
    pub json: Vec<u8>,
    /// So many results are in it.
    pub results: usize,
    /// So many findings that stand are not: they name no file of the repository, or there are too many.
    pub left_out: usize,
}

/// Writes the findings that stand, the worst first, a run for each tool. `category` tells them from those of other gates. The
/// same findings give the same bytes. To be called once paths are mapped and findings are identified.
pub fn write_sarif(findings: &Findings, category: &str) -> SarifLog {
    let mut standing: Vec<&Finding> = findings.list.iter().filter(|finding| finding.stands()).collect();
    let all = standing.len();
    standing.retain(|finding| finding.location.is_some());
    standing.sort_by_key(|finding| (finding.severity.map_or(4, |severity| severity as u8), finding.level));
    // Of a tool that found nothing there is a run too: so it is known that what it found earlier is gone.
    let asked = findings.tools.iter().take(RUNS_MAX).map(|tool| (tool.as_str(), Run::of(tool, category)));
    let mut runs: BTreeMap<&str, Run<'_>> = asked.collect();
    let mut bytes = 0;
    let mut results = 0;
    for finding in standing {
        let tool = finding.rule.tool.as_str();
        if runs.len() >= RUNS_MAX && !runs.contains_key(tool) {
            continue;
        }
        let run = runs.entry(tool).or_insert_with(|| Run::of(tool, category));
        let Some(result) = Result::of(finding) else { continue };
        let takes = size_of(&result) + run.rule_takes(finding);
        if run.results.len() >= RESULTS_MAX || bytes + takes > BYTES_MAX {
            continue;
        }
        bytes += takes;
        results += 1;
        run.push(result, finding);
    }
    let log = Log { schema: SCHEMA, version: "2.1.0", runs: runs.into_values().collect() };
    let json = serde_json::to_vec(&log).expect("maps with names as keys, texts and numbers are JSON");
    let left_out = all - results + usize::try_from(findings.left_out.values().sum::<u64>()).unwrap_or(usize::MAX);
    SarifLog { json, results, left_out }
}

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

#[derive(Serialize)]
struct Log<'f> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: Vec<Run<'f>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'f> {
    tool: Tool<'f>,
    automation_details: Automation,
    results: Vec<Result<'f>>,
    #[serde(skip)]
    known: BTreeMap<&'f str, usize>,
}

#[derive(Serialize)]
struct Tool<'f> {
    driver: Driver<'f>,
}

#[derive(Serialize)]
struct Driver<'f> {
    name: &'f str,
    rules: Vec<Descriptor<'f>>,
}

#[derive(Serialize)]
struct Automation {
    id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor<'f> {
    id: &'f str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'f str>,
    short_description: Text<'f>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<Text<'f>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help_uri: Option<&'f str>,
    properties: Properties<'f>,
}

#[derive(Serialize)]
struct Properties<'f> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<&'f str>,
    #[serde(rename = "security-severity", skip_serializing_if = "Option::is_none")]
    security_severity: Option<String>,
}

#[derive(Serialize)]
struct Text<'f> {
    text: &'f str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Result<'f> {
    rule_id: &'f str,
    rule_index: usize,
    level: &'static str,
    message: Text<'f>,
    locations: [Place<'f>; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_locations: Vec<Place<'f>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    partial_fingerprints: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Place<'f> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<usize>,
    physical_location: Physical,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Text<'f>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Physical {
    artifact_location: Artifact,
    region: Region,
}

#[derive(Serialize)]
struct Artifact {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_column: Option<u32>,
    end_line: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_column: Option<u32>,
}

impl<'f> Run<'f> {
    fn of(tool: &'f str, category: &str) -> Run<'f> {
        let name = if tool.is_empty() { "gatewright" } else { tool };
        let driver = Driver { name, rules: Vec::new() };
        // What stands before the last `/` is the category; behind it would be the one upload.
        let automation_details = Automation { id: format!("{category}/") };
        let (results, known) = (Vec::new(), BTreeMap::new());
        Run { tool: Tool { driver }, automation_details, results, known }
    }

    /// How many bytes a rule takes that is not there yet.
    fn rule_takes(&self, finding: &'f Finding) -> usize {
        if self.known.contains_key(rule_id(&finding.rule)) { 0 } else { size_of(&Descriptor::of(finding)) }
    }

    /// Code scanning knows how bad a rule is, not a result. The worst finding comes first, so it is what the rule is taken for.
    fn push(&mut self, mut result: Result<'f>, finding: &'f Finding) {
        let rules = &mut self.tool.driver.rules;
        result.rule_index = *self.known.entry(rule_id(&finding.rule)).or_insert_with(|| {
            rules.push(Descriptor::of(finding));
            rules.len() - 1
        });
        self.results.push(result);
    }
}

impl<'f> Descriptor<'f> {
    /// Of the rule of a finding.
    fn of(finding: &'f Finding) -> Descriptor<'f> {
        let rule: &Rule = &finding.rule;
        let id = rule_id(rule);
        let tags = rule.tags.iter().chain(&rule.taxa).take(TAGS_MAX).map(String::as_str).collect();
        Descriptor {
            id,
            name: rule.name.as_deref(),
            short_description: Text { text: rule.summary.as_deref().or(rule.name.as_deref()).unwrap_or(id) },
            help: rule.help.as_deref().map(|text| Text { text }),
            help_uri: rule.help_url.as_deref().filter(|url| url.starts_with("https://")),
            properties: Properties { tags, security_severity: score(finding) },
        }
    }
}

impl<'f> Result<'f> {
    /// None for a finding that names no file.
    fn of(finding: &'f Finding) -> Option<Result<'f>> {
        let place = Place { id: None, physical_location: Physical::of(finding.location.as_ref()?), message: None };
        let related = finding.related.iter().enumerate().map(|(nth, related)| Place {
            id: Some(nth + 1),
            physical_location: Physical::of(&related.location),
            message: Some(Text { text: &related.message }),
        });
        let level = match finding.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "note",
            Level::None => "none",
        };
        let fingerprint = finding.fingerprint.map(|fingerprint| fingerprint.to_string());
        Some(Result {
            rule_id: rule_id(&finding.rule),
            rule_index: 0,
            level,
            // Code scanning takes no empty one.
            message: Text { text: if finding.message.is_empty() { rule_id(&finding.rule) } else { &finding.message } },
            locations: [place],
            related_locations: related.collect(),
            partial_fingerprints: fingerprint.iter().flat_map(|own| FINGERPRINTS.map(|name| (name, own.clone()))).collect(),
        })
    }
}

impl Physical {
    fn of(location: &Location) -> Physical {
        // Code scanning shows nothing without a line.
        let whole = TextRange { start_line: 1, start_column: None, end_line: 1, end_column: None };
        let TextRange { start_line, start_column, end_line, end_column } = location.range.unwrap_or(whole);
        let end_column = end_column.filter(|end| start_line < end_line || start_column.is_some_and(|start| start <= *end));
        let region = Region { start_line, start_column, end_line, end_column };
        Physical { artifact_location: Artifact { uri: encoded(&location.path) }, region }
    }
}

fn rule_id(rule: &Rule) -> &str {
    if rule.id.is_empty() { NO_RULE } else { &rule.id }
}

/// The number that code scanning sorts by; where the tool has only a word, the middle of what the word stands for.
fn score(finding: &Finding) -> Option<String> {
    let of_word = |severity| match severity {
        Severity::Critical => 9.5,
        Severity::High => 8.0,
        Severity::Medium => 5.5,
        Severity::Low => 2.0,
    };
    let of_rule = finding.rule.security_severity.filter(|score| Severity::of_score(*score) == finding.severity);
    of_rule.or_else(|| finding.severity.map(of_word)).map(|score| format!("{score:.1}"))
}

/// A path as a relative URI.
fn encoded(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

fn size_of(part: &impl Serialize) -> usize {
    serde_json::to_vec(part).map_or(usize::MAX / 4, |json| json.len() + 1)
}
