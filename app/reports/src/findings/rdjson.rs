//! Reviewdog's diagnostic format: `rdjson`, one object, and `rdjsonl`, one diagnostic a line.

use std::fmt;
use std::io::Read;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer};

use super::collect::{Collector, RELATED_MAX, cut, small};
use super::{Edit, Finding, Findings, Fix, Level, Location, Related, TextRange};
use crate::error::{Fault, ReportError};
use crate::json::Json;
use crate::lines::Lines;

#[derive(Deserialize)]
struct Diagnostic {
    message: String,
    #[serde(default)]
    location: Option<Place>,
    #[serde(default)]
    severity: Option<Severity>,
    #[serde(default)]
    source: Option<Source>,
    #[serde(default)]
    code: Option<Code>,
    #[serde(default)]
    suggestions: Vec<Suggestion>,
    #[serde(default, alias = "relatedLocations")]
    related_locations: Vec<RelatedPlace>,
}

/// By name, or by number as protocol buffers may write it.
enum Severity {
    Name(String),
    Number(u64),
}

impl<'de> Deserialize<'de> for Severity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Severity, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Severity;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a severity")
            }

            fn visit_str<E>(self, name: &str) -> Result<Severity, E> {
                Ok(Severity::Name(name.to_owned()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Severity, E> {
                Ok(Severity::Number(number))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[derive(Default, Deserialize)]
struct Source {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Code {
    #[serde(default)]
    value: String,
    #[serde(default)]
    url: Option<String>,
}

#[derive(Deserialize)]
struct Place {
    path: String,
    #[serde(default)]
    range: Option<Range>,
}

#[derive(Deserialize)]
struct Range {
    #[serde(default)]
    start: Option<Position>,
    #[serde(default)]
    end: Option<Position>,
}

#[derive(Deserialize)]
struct Position {
    #[serde(default)]
    line: u32,
    #[serde(default)]
    column: u32,
}

#[derive(Deserialize)]
struct Suggestion {
    range: Range,
    #[serde(default)]
    text: String,
}

#[derive(Deserialize)]
struct RelatedPlace {
    #[serde(default)]
    message: String,
    location: Place,
}

/// What holds for diagnostics that do not say it themselves.
#[derive(Default)]
struct Common {
    source: Source,
    severity: Option<Severity>,
}

/// Reads `rdjson`. Source and severity of all may stand behind the diagnostics: they are put in at the end.
pub(super) fn read(source: impl Read) -> Result<Findings, ReportError> {
    let mut json = Json::new(source);
    let mut collector = Collector::default();
    let mut common = Common::default();
    let mut late = Late::default();
    let mut has = false;
    json.object(|json, key| match key {
        "source" => {
            common.source = json.item::<Option<Source>>()?.unwrap_or_default();
            Ok(())
        }
        "severity" => {
            common.severity = json.item()?;
            Ok(())
        }
        "diagnostics" => {
            has = true;
            json.array(|json| {
                let diagnostic: Diagnostic = json.item()?;
                if collector.has_room() {
                    late.note(&diagnostic, collector.list().len());
                }
                take(diagnostic, &common, &mut collector).map_err(|fault| json.error(fault))
            })
        }
        _ => json.skip(),
    })?;
    json.end()?;
    if !has {
        return Err(json.error(Fault::broken("this is no rdjson: it has no diagnostics")));
    }
    late.complete(&common, &mut collector).map_err(|fault| json.error(fault))?;
    Ok(collector.finish())
}

/// Reads `rdjsonl`.
pub(super) fn read_lines(source: impl Read) -> Result<Findings, ReportError> {
    let mut lines = Lines::new(source);
    let mut collector = Collector::default();
    while lines.next()? {
        if lines.line().trim().is_empty() {
            continue;
        }
        let diagnostic: Diagnostic = lines.json()?;
        take(diagnostic, &Common::default(), &mut collector).map_err(|fault| lines.error(fault))?;
    }
    Ok(collector.finish())
}

/// Findings that were read before what holds for all was known.
#[derive(Default)]
struct Late {
    /// Those without a source of their own, and those without a severity.
    sources: Vec<usize>,
    severities: Vec<usize>,
}

impl Late {
    fn note(&mut self, diagnostic: &Diagnostic, at: usize) {
        if diagnostic.source.is_none() {
            self.sources.push(at);
        }
        if diagnostic.severity.is_none() {
            self.severities.push(at);
        }
    }

    fn complete(&self, common: &Common, collector: &mut Collector) -> Result<(), Fault> {
        collector.tool(&common.source.name);
        let level = level(common.severity.as_ref())?;
        for at in &self.severities {
            if let Some(finding) = collector.list().get_mut(*at) {
                finding.level = level;
            }
        }
        for at in &self.sources {
            let Some(rule) = collector.list().get(*at).map(|finding| finding.rule.clone()) else { break };
            if rule.tool != common.source.name {
                let url = rule.help_url.clone();
                let rule = collector.rule_with(&common.source.name, &rule.id, |rule| rule.help_url = url);
                collector.list()[*at].rule = rule;
            }
        }
        Ok(())
    }
}

fn take(diagnostic: Diagnostic, common: &Common, collector: &mut Collector) -> Result<(), Fault> {
    let level = level(diagnostic.severity.as_ref().or(common.severity.as_ref()))?;
    let source = diagnostic.source.as_ref().unwrap_or(&common.source);
    let code = diagnostic.code.unwrap_or(Code { value: String::new(), url: None });
    let rule = collector.rule_with(&source.name, &code.value, |rule| {
        rule.help_url = code.url.filter(|url| !url.is_empty()).map(|url| cut(&url, 1024));
    });
    collector.tool(&source.name);
    let mut finding = Finding::new(rule, level, &diagnostic.message);
    let place = |place: Place, collector: &mut Collector| -> Result<Location, Fault> {
        let range = place.range.as_ref().map(range).transpose()?.flatten();
        Ok(Location { path: collector.shared(&place.path), range })
    };
    let path = diagnostic.location.as_ref().map(|location| collector.shared(&location.path));
    finding.location = diagnostic.location.map(|location| place(location, collector)).transpose()?;
    for related in diagnostic.related_locations.into_iter().take(RELATED_MAX) {
        let location = place(related.location, collector)?;
        finding.related.push(Related { location, message: cut(&related.message, 1024) });
    }
    // Several suggestions are alternatives: the first is the one that is offered.
    if let (Some(path), Some(suggestion)) = (path, diagnostic.suggestions.into_iter().next())
        && let Some(range) = range(&suggestion.range)?
    {
        let edits = vec![Edit { path, range, text: suggestion.text }];
        finding.fix = small(Fix { description: String::new(), edits });
    }
    collector.push(finding);
    Ok(())
}

/// Where nothing is said, it is a warning.
fn level(severity: Option<&Severity>) -> Result<Level, Fault> {
    Ok(match severity {
        None => Level::Warning,
        Some(Severity::Number(number)) => match number {
            0 | 2 => Level::Warning,
            1 => Level::Error,
            3 => Level::Note,
            _ => return Err(Fault::Broken(format!("the severity {number}"))),
        },
        Some(Severity::Name(name)) => match name.as_str() {
            "ERROR" => Level::Error,
            "WARNING" | "UNKNOWN_SEVERITY" | "" => Level::Warning,
            "INFO" => Level::Note,
            _ => return Err(Fault::Broken(format!("the severity {:?}", crate::error::one_line(name, 40)))),
        },
    })
}

/// None where it has no line.
fn range(range: &Range) -> Result<Option<TextRange>, Fault> {
    let Some(start) = range.start.as_ref().filter(|start| start.line > 0) else { return Ok(None) };
    let column = |column: u32| (column > 0).then_some(column);
    let end = range.end.as_ref().filter(|end| end.line > 0);
    let end_line = end.map_or(start.line, |end| end.line);
    if end_line < start.line {
        return Err(Fault::Broken(format!("a range that ends in line {end_line} and begins in line {}", start.line)));
    }
    let (start_column, end_column) = (column(start.column), end.and_then(|end| column(end.column)));
    Ok(Some(TextRange { start_line: start.line, start_column, end_line, end_column }))
}
