//! `gitleaks --report-format json`. What the secret is, is never kept.

use std::io::Read;

use serde::Deserialize;

use super::collect::{Collector, RELATED_MAX, cut};
use super::{Finding, Findings, Level, Location, TextRange};
use crate::error::{Fault, ReportError};
use crate::json::Json;

/// `Secret`, `Match` and `Line` of a leak are deliberately not here. Its own fingerprint names a line number, which moves.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Leak {
    #[serde(rename = "RuleID")]
    rule: String,
    #[serde(default)]
    description: String,
    file: String,
    start_line: u32,
    end_line: u32,
    #[serde(default)]
    start_column: u32,
    #[serde(default)]
    end_column: u32,
    #[serde(default)]
    commit: String,
    #[serde(default)]
    tags: Option<Vec<String>>,
}

/// Reads a report.
pub(super) fn read(source: impl Read) -> Result<Findings, ReportError> {
    let mut json = Json::new(source);
    let mut collector = Collector::default();
    json.array(|json| {
        let leak: Leak = json.small_item()?;
        take(&leak, &mut collector).map_err(|fault| json.error(fault))
    })?;
    json.end()?;
    Ok(collector.finish())
}

fn take(leak: &Leak, collector: &mut Collector) -> Result<(), Fault> {
    if leak.end_line < leak.start_line {
        return Err(Fault::Broken(format!("a leak from line {} to line {}", leak.start_line, leak.end_line)));
    }
    let rule = collector.rule_with("gitleaks", &leak.rule, |rule| {
        rule.tags = leak.tags.iter().flatten().take(RELATED_MAX).map(|tag| cut(tag, 200)).collect();
    });
    let commit = if leak.commit.is_empty() { String::new() } else { format!(" (commit {})", cut(&leak.commit, 40)) };
    let mut finding = Finding::new(rule, Level::Error, &format!("{}{commit}", leak.description));
    // Lines are counted from 0 in old versions; then the first one has no place.
    let column = |column: u32| (column > 0).then_some(column);
    let range = (leak.start_line > 0).then(|| TextRange {
        start_line: leak.start_line,
        start_column: column(leak.start_column),
        end_line: leak.end_line,
        end_column: column(leak.end_column),
    });
    finding.location = Some(Location { path: collector.shared(&leak.file), range });
    collector.push(finding);
    Ok(())
}
