//! `trivy --format json`: vulnerable packages, misconfigurations, secrets and licences. What a secret is, is never kept.

use std::io::Read;
use std::sync::Arc;

use serde::Deserialize;

use super::collect::{Collector, cut};
use super::{Finding, FindingKind, Findings, Level, Location, Rule, Severity, TextRange};
use crate::error::{Fault, ReportError, one_line};
use crate::json::{Json, Kind};

const TOOL: &str = "Trivy";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Vulnerability {
    #[serde(rename = "VulnerabilityID")]
    id: String,
    pkg_name: String,
    #[serde(default)]
    installed_version: String,
    #[serde(default)]
    fixed_version: String,
    #[serde(default)]
    severity: String,
    #[serde(default)]
    title: String,
    #[serde(default, rename = "PrimaryURL")]
    url: Option<String>,
    #[serde(default, rename = "CweIDs")]
    cwes: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Misconfiguration {
    #[serde(rename = "ID")]
    id: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    severity: String,
    #[serde(default)]
    status: String,
    #[serde(default, rename = "PrimaryURL")]
    url: Option<String>,
    #[serde(default)]
    cause_metadata: Option<Lines>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Lines {
    #[serde(default)]
    start_line: u32,
    #[serde(default)]
    end_line: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Secret {
    #[serde(rename = "RuleID")]
    id: String,
    #[serde(default)]
    severity: String,
    #[serde(default)]
    title: String,
    #[serde(flatten)]
    lines: Lines,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct License {
    #[serde(default)]
    severity: String,
    #[serde(default)]
    pkg_name: String,
    #[serde(default)]
    file_path: String,
    name: String,
}

/// Reads a report.
pub(super) fn read(source: impl Read) -> Result<Findings, ReportError> {
    let mut json = Json::new(source);
    let mut collector = Collector::default();
    let mut version = false;
    json.object(|json, key| match (key, json.kind()?) {
        ("SchemaVersion", _) => {
            version = true;
            match json.item::<u32>()? {
                2 => Ok(()),
                other => Err(json.error(Fault::Broken(format!("version {other} of Trivy's report, where 2 is read")))),
            }
        }
        // Without anything found there are no results.
        ("Results", Kind::Array) => json.array(|json| target(json, &mut collector)),
        _ => json.skip(),
    })?;
    json.end()?;
    match version {
        true => Ok(collector.finish()),
        false => Err(json.error(Fault::broken("this is no report of Trivy: it has no SchemaVersion"))),
    }
}

/// What was found in one file, image or the like.
fn target<R: Read>(json: &mut Json<R>, collector: &mut Collector) -> Result<(), ReportError> {
    let begin = collector.list().len();
    let mut path: Option<Arc<str>> = None;
    json.object(|json, key| match (key, json.kind()?) {
        ("Target", Kind::String) => {
            path = Some(collector.shared(&json.item::<String>()?));
            Ok(())
        }
        ("Vulnerabilities", Kind::Array) => each(json, collector, vulnerability),
        ("Misconfigurations", Kind::Array) => each(json, collector, misconfiguration),
        ("Secrets", Kind::Array) => each(json, collector, secret),
        ("Licenses", Kind::Array) => each(json, collector, license),
        _ => json.skip(),
    })?;
    let path = path.filter(|path| !path.is_empty());
    for finding in &mut collector.list()[begin..] {
        // The target may stand behind what was found in it.
        finding.location = match (finding.location.take(), &path) {
            (Some(location), Some(path)) if location.path.is_empty() => Some(Location { path: path.clone(), ..location }),
            (location, _) => location.filter(|location| !location.path.is_empty()),
        };
    }
    Ok(())
}

fn each<R: Read, T: serde::de::DeserializeOwned>(
    json: &mut Json<R>,
    collector: &mut Collector,
    take: fn(T, &mut Collector) -> Result<(), Fault>,
) -> Result<(), ReportError> {
    json.array(|json| {
        let found = json.small_item()?;
        take(found, collector).map_err(|fault| json.error(fault))
    })
}

fn vulnerability(found: Vulnerability, collector: &mut Collector) -> Result<(), Fault> {
    let level = level(&found.severity)?;
    let rule = collector.rule_with(TOOL, &found.id, |rule| describe(rule, &found.title, found.url.as_deref()));
    let fixed = match found.fixed_version.as_str() {
        "" => "no version fixes it".to_owned(),
        version => format!("fixed in {version}"),
    };
    let message = format!("{} {}: {} ({fixed})", found.pkg_name, found.installed_version, found.title);
    let mut finding = Finding::new(rule, level, &message);
    finding.taxa = found.cwes.unwrap_or_default().iter().take(20).map(|cwe| cut(cwe, 200)).collect();
    push(finding, &found.severity, None, collector);
    Ok(())
}

fn misconfiguration(found: Misconfiguration, collector: &mut Collector) -> Result<(), Fault> {
    let level = level(&found.severity)?;
    let rule = collector.rule_with(TOOL, &found.id, |rule| describe(rule, &found.title, found.url.as_deref()));
    let mut finding = Finding::new(rule, level, if found.message.is_empty() { &found.title } else { &found.message });
    finding.kind = match found.status.as_str() {
        "PASS" => FindingKind::Pass,
        "EXCEPTION" => FindingKind::NotApplicable,
        _ => FindingKind::Fail,
    };
    push(finding, &found.severity, range(&found.cause_metadata.unwrap_or_default())?, collector);
    Ok(())
}

fn secret(found: Secret, collector: &mut Collector) -> Result<(), Fault> {
    let level = level(&found.severity)?;
    let rule = collector.rule_with(TOOL, &found.id, |rule| describe(rule, &found.title, None));
    let finding = Finding::new(rule, level, &format!("A secret: {}", found.title));
    push(finding, &found.severity, range(&found.lines)?, collector);
    Ok(())
}

fn license(found: License, collector: &mut Collector) -> Result<(), Fault> {
    let level = level(&found.severity)?;
    let rule = collector.rule(TOOL, &found.name);
    let of = if found.pkg_name.is_empty() { &found.file_path } else { &found.pkg_name };
    let finding = Finding::new(rule, level, &format!("{of} has the licence {}", found.name));
    push(finding, &found.severity, None, collector);
    Ok(())
}

/// Keeps a finding; its path is put in at the end of its target. Of one vulnerability it says in each package how bad it is there.
fn push(mut finding: Finding, word: &str, range: Option<TextRange>, collector: &mut Collector) {
    finding.severity = severity(word);
    finding.location = Some(Location { path: collector.shared(""), range });
    collector.push(finding);
}

fn describe(rule: &mut Rule, title: &str, url: Option<&str>) {
    rule.summary = (!title.is_empty()).then(|| cut(title, 1024));
    rule.help_url = url.filter(|url| !url.is_empty()).map(|url| cut(url, 1024));
}

fn range(lines: &Lines) -> Result<Option<TextRange>, Fault> {
    let end_line = lines.end_line.max(lines.start_line);
    if lines.end_line != 0 && lines.end_line < lines.start_line {
        return Err(Fault::Broken(format!("a range from line {} to line {}", lines.start_line, lines.end_line)));
    }
    let range = TextRange { start_line: lines.start_line, start_column: None, end_line, end_column: None };
    Ok((lines.start_line > 0).then_some(range))
}

fn severity(word: &str) -> Option<Severity> {
    match word {
        "CRITICAL" => Some(Severity::Critical),
        "HIGH" => Some(Severity::High),
        "MEDIUM" => Some(Severity::Medium),
        "LOW" => Some(Severity::Low),
        _ => None,
    }
}

fn level(severity: &str) -> Result<Level, Fault> {
    Ok(match severity {
        "CRITICAL" | "HIGH" => Level::Error,
        "MEDIUM" => Level::Warning,
        "LOW" | "UNKNOWN" | "" => Level::Note,
        other => return Err(Fault::Broken(format!("the severity {:?}", one_line(other, 40)))),
    })
}
