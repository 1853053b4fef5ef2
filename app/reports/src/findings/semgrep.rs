//! `semgrep --json`.

use std::io::Read;

use serde::Deserialize;
use serde_json::Value;

use super::collect::{Collector, RELATED_MAX, cut, small};
use super::{Edit, Finding, Findings, Fix, Level, Location, Severity, Suppression, TextRange};
use crate::error::{Fault, ReportError, one_line};
use crate::json::Json;

#[derive(Deserialize)]
struct Match {
    check_id: String,
    path: String,
    start: Position,
    end: Position,
    extra: Extra,
}

#[derive(Deserialize)]
struct Position {
    line: u32,
    col: u32,
}

#[derive(Deserialize)]
struct Extra {
    message: String,
    severity: String,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    is_ignored: bool,
    #[serde(default)]
    fix: Option<String>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    cwe: Option<Value>,
    #[serde(default)]
    shortlink: Option<Value>,
    #[serde(default)]
    source: Option<Value>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    level: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

/// Reads a report.
pub(super) fn read(source: impl Read) -> Result<Findings, ReportError> {
    let mut json = Json::new(source);
    let mut collector = Collector::default();
    let mut has = false;
    json.object(|json, key| match key {
        "results" => {
            has = true;
            json.array(|json| {
                let found: Match = json.small_item()?;
                take(found, &mut collector).map_err(|fault| json.error(fault))
            })
        }
        "errors" => json.array(|json| {
            let problem: Problem = json.small_item()?;
            if problem.level.as_deref().is_none_or(|level| level == "error") {
                collector.problem(problem.message.as_deref().unwrap_or("Semgrep reports an error"));
            }
            Ok(())
        }),
        _ => json.skip(),
    })?;
    json.end()?;
    match has {
        true => Ok(collector.finish()),
        false => Err(json.error(Fault::broken("this is no report of Semgrep: it has no results"))),
    }
}

fn take(found: Match, collector: &mut Collector) -> Result<(), Fault> {
    let level = match found.extra.severity.as_str() {
        "ERROR" | "CRITICAL" | "HIGH" => Level::Error,
        "WARNING" | "MEDIUM" => Level::Warning,
        "INFO" | "LOW" | "INVENTORY" | "EXPERIMENT" => Level::Note,
        other => return Err(Fault::Broken(format!("the severity {:?}", one_line(other, 40)))),
    };
    // `ERROR`, `WARNING` and `INFO` are said of any rule; these words only of what matters for security.
    let severity = match found.extra.severity.as_str() {
        "CRITICAL" => Some(Severity::Critical),
        "HIGH" => Some(Severity::High),
        "MEDIUM" => Some(Severity::Medium),
        "LOW" => Some(Severity::Low),
        _ => None,
    };
    if found.start.line == 0 || found.end.line < found.start.line {
        return Err(Fault::Broken(format!("a match from line {} to line {}", found.start.line, found.end.line)));
    }
    let metadata = &found.extra.metadata;
    let url = [&metadata.shortlink, &metadata.source].into_iter().flatten().find_map(Value::as_str);
    let rule = collector.rule_with("Semgrep", &found.check_id, |rule| rule.help_url = url.map(|url| cut(url, 1024)));
    let column = |column: u32| (column > 0).then_some(column);
    let range = TextRange {
        start_line: found.start.line,
        start_column: column(found.start.col),
        end_line: found.end.line,
        end_column: column(found.end.col),
    };
    let path = collector.shared(&found.path);
    let mut finding = Finding::new(rule, level, &found.extra.message);
    finding.severity = severity;
    finding.taxa = match &metadata.cwe {
        Some(Value::String(cwe)) => vec![cut(cwe, 200)],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).take(RELATED_MAX).map(|cwe| cut(cwe, 200)).collect(),
        Some(_) | None => Vec::new(),
    };
    // `nosemgrep`, which says no reason.
    finding.suppressed = found.extra.is_ignored.then(Suppression::default);
    finding.location = Some(Location { path: path.clone(), range: Some(range) });
    finding.fix =
        found.extra.fix.and_then(|text| small(Fix { description: String::new(), edits: vec![Edit { path, range, text }] }));
    collector.push(finding);
    Ok(())
}
