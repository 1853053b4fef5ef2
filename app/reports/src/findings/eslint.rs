//! ESLint's `json` (an array of files) and `json-with-metadata` (the same in an object).

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use serde::Deserialize;

use super::collect::{Collector, cut, small};
use super::{Edit, Finding, Findings, Fix, Level, Location, Rule, Suppression, TextRange};
use crate::error::{Fault, ReportError};
use crate::json::{Json, Kind};

const TOOL: &str = "ESLint";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    file_path: String,
    messages: Vec<Message>,
    #[serde(default)]
    suppressed_messages: Vec<Message>,
    /// Only there when something is wrong.
    #[serde(default)]
    source: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    #[serde(default)]
    rule_id: Option<String>,
    #[serde(default)]
    severity: Option<u8>,
    /// Some plugins have nothing to say.
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    line: Option<i64>,
    #[serde(default)]
    column: Option<i64>,
    #[serde(default)]
    end_line: Option<i64>,
    #[serde(default)]
    end_column: Option<i64>,
    #[serde(default)]
    fix: Option<Replacement>,
    #[serde(default)]
    suppressions: Vec<Directive>,
}

/// In UTF-16 code units from the beginning of the file.
#[derive(Deserialize)]
struct Replacement {
    range: (usize, usize),
    text: String,
}

#[derive(Deserialize)]
struct Directive {
    #[serde(default)]
    justification: String,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default, rename = "rulesMeta")]
    rules: BTreeMap<String, RuleMeta>,
}

#[derive(Deserialize)]
struct RuleMeta {
    #[serde(default)]
    docs: Option<Docs>,
}

#[derive(Deserialize)]
struct Docs {
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    url: Option<String>,
}

/// Reads a report.
pub(super) fn read(source: impl Read) -> Result<Findings, ReportError> {
    let mut json = Json::new(source);
    let mut collector = Collector::default();
    let mut metadata = None;
    let mut has = true;
    match json.kind()? {
        Kind::Array => files(&mut json, &mut collector)?,
        Kind::Object | Kind::String | Kind::Plain => {
            has = false;
            json.object(|json, key| match key {
                "results" => {
                    has = true;
                    files(json, &mut collector)
                }
                "metadata" => {
                    metadata = Some(json.small_item::<Metadata>()?);
                    Ok(())
                }
                _ => json.skip(),
            })?;
        }
    }
    json.end()?;
    if !has {
        return Err(json.error(Fault::broken("this is no report of ESLint: it has no results")));
    }
    if let Some(metadata) = metadata {
        complete(&metadata, &mut collector);
    }
    Ok(collector.finish())
}

fn files<R: Read>(json: &mut Json<R>, collector: &mut Collector) -> Result<(), ReportError> {
    json.array(|json| {
        let file: File = json.item()?;
        let path = collector.shared(&file.file_path);
        let starts = file.source.as_deref().map(line_starts);
        for message in &file.messages {
            take(message, &path, starts.as_deref(), None, collector).map_err(|fault| json.error(fault))?;
        }
        for message in &file.suppressed_messages {
            let reasons = message.suppressions.iter().map(|directive| directive.justification.trim());
            let reason = reasons.filter(|reason| !reason.is_empty()).map(|reason| cut(reason, 1024)).next();
            let suppressed = Some(Suppression { reason });
            take(message, &path, starts.as_deref(), suppressed, collector).map_err(|fault| json.error(fault))?;
        }
        Ok(())
    })
}

fn take(
    message: &Message,
    path: &Arc<str>,
    starts: Option<&[usize]>,
    suppressed: Option<Suppression>,
    collector: &mut Collector,
) -> Result<(), Fault> {
    let level = match message.severity {
        Some(2) => Level::Error,
        // Some processors leave it out.
        Some(1) | None => Level::Warning,
        Some(other) => return Err(Fault::Broken(format!("the severity {other}"))),
    };
    // Without a rule: the file cannot be parsed, or a directive is of no use.
    let rule = collector.rule(TOOL, message.rule_id.as_deref().unwrap_or_default());
    let mut finding = Finding::new(rule, level, message.message.as_deref().unwrap_or_default());
    finding.location = Some(Location { path: path.clone(), range: range(message)? });
    finding.suppressed = suppressed;
    finding.fix = message.fix.as_ref().and_then(|fix| {
        let [(start_line, start_column), (end_line, end_column)] =
            [position(fix.range.0, starts?)?, position(fix.range.1, starts?)?];
        let range = TextRange { start_line, start_column: Some(start_column), end_line, end_column: Some(end_column) };
        let edit = Edit { path: path.clone(), range, text: fix.text.clone() };
        small(Fix { description: String::new(), edits: vec![edit] }).filter(|_| fix.range.0 <= fix.range.1)
    });
    collector.push(finding);
    Ok(())
}

/// None where there is no line, or line 0: what is wrong is the file.
fn range(message: &Message) -> Result<Option<TextRange>, Fault> {
    let number = |what: &str, number: Option<i64>| match number {
        None | Some(0) => Ok(None),
        Some(number) => u32::try_from(number).map(Some).map_err(|_| Fault::Broken(format!("{what} is {number}"))),
    };
    let Some(start_line) = number("line", message.line)? else { return Ok(None) };
    // Some plugins name an end before the beginning.
    let end_line = number("endLine", message.end_line)?.unwrap_or(start_line).max(start_line);
    let (start_column, end_column) = (number("column", message.column)?, number("endColumn", message.end_column)?);
    Ok(Some(TextRange { start_line, start_column, end_line, end_column }))
}

/// Where the lines of a text begin, in UTF-16 code units, as JavaScript ends lines.
fn line_starts(source: &str) -> Vec<usize> {
    let mut starts = vec![0];
    let mut at = 0;
    let mut chars = source.chars().peekable();
    while let Some(c) = chars.next() {
        at += c.len_utf16();
        let crlf = c == '\r' && chars.peek() == Some(&'\n');
        if matches!(c, '\n' | '\r' | '\u{2028}' | '\u{2029}') && !crlf {
            starts.push(at);
        }
    }
    starts
}

/// Line and column of an offset.
fn position(offset: usize, starts: &[usize]) -> Option<(u32, u32)> {
    let line = starts.partition_point(|start| *start <= offset);
    let column = offset - starts.get(line.checked_sub(1)?)? + 1;
    Some((u32::try_from(line).ok()?, u32::try_from(column).ok()?))
}

/// Puts in what stands behind the results.
fn complete(metadata: &Metadata, collector: &mut Collector) {
    let mut rules: BTreeMap<String, Arc<Rule>> = BTreeMap::new();
    for finding in collector.list() {
        let Some(docs) = metadata.rules.get(&finding.rule.id).and_then(|meta| meta.docs.as_ref()) else { continue };
        let rule = rules.entry(finding.rule.id.clone()).or_insert_with(|| {
            let cut = |text: &Option<String>| text.as_ref().map(|text| cut(text, 1024));
            Arc::new(Rule { help_url: cut(&docs.url), summary: cut(&docs.description), ..Rule::clone(&finding.rule) })
        });
        finding.rule = rule.clone();
    }
}
