//! `cargo audit --json`: advisories against crates that `Cargo.lock` names.

use std::io::Read;

use serde::Deserialize;

use super::collect::{Collector, cut};
use super::{Finding, Findings, Level, Location, cvss};
use crate::error::{Fault, ReportError};
use crate::json::{Json, Kind};

/// What advisories are about.
const LOCK_FILE: &str = "Cargo.lock";

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    advisory: Option<Advisory>,
    #[serde(default)]
    versions: Option<Versions>,
    #[serde(default)]
    package: Option<Package>,
}

#[derive(Deserialize)]
struct Advisory {
    id: String,
    package: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    cvss: Option<String>,
}

#[derive(Deserialize)]
struct Versions {
    #[serde(default)]
    patched: Vec<String>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
}

/// Reads a report.
pub(super) fn read(source: impl Read) -> Result<Findings, ReportError> {
    let mut json = Json::new(source);
    let mut collector = Collector::default();
    let mut has = false;
    json.object(|json, key| match key {
        "vulnerabilities" => {
            has = true;
            json.object(|json, _| match json.kind()? {
                // `list`; and single ones under numbers, as old versions wrote.
                Kind::Array => json.array(|json| entry(json, Level::Error, &mut collector)),
                Kind::Object => entry(json, Level::Error, &mut collector),
                Kind::String | Kind::Plain => json.skip(),
            })
        }
        "warnings" => json.object(|json, _| match json.kind()? {
            Kind::Array => json.array(|json| entry(json, Level::Warning, &mut collector)),
            Kind::Object | Kind::String | Kind::Plain => json.skip(),
        }),
        _ => json.skip(),
    })?;
    json.end()?;
    match has {
        true => Ok(collector.finish()),
        false => Err(json.error(Fault::broken("this is no report of cargo-audit: it has no vulnerabilities"))),
    }
}

fn entry<R: Read>(json: &mut Json<R>, level: Level, collector: &mut Collector) -> Result<(), ReportError> {
    let Entry { kind, advisory, versions, package } = json.small_item()?;
    let kind = kind.unwrap_or_default();
    let named = package.map(|package| format!("{} {}", package.name, package.version));
    let (id, message) = match &advisory {
        Some(advisory) => {
            let patched = versions.map(|versions| versions.patched.join(" or ")).filter(|patched| !patched.is_empty());
            let patched = patched.map_or_else(|| "no version fixes it".to_owned(), |patched| format!("fixed in {patched}"));
            let named = named.unwrap_or_else(|| advisory.package.clone());
            (advisory.id.as_str(), format!("{named}: {} ({patched})", advisory.title))
        }
        // A version that was taken back has no advisory.
        None => match named {
            Some(named) => (kind.as_str(), format!("{named} is {}", if kind.is_empty() { "warned of" } else { &kind })),
            None => return Err(json.error(Fault::broken("an entry with neither advisory nor package"))),
        },
    };
    let rule = collector.rule_with("cargo-audit", id, |rule| {
        let Some(advisory) = &advisory else { return };
        rule.summary = Some(cut(&advisory.title, 1024));
        let own = || advisory.id.starts_with("RUSTSEC-").then(|| format!("https://rustsec.org/advisories/{}", advisory.id));
        rule.help_url = advisory.url.clone().or_else(own).map(|url| cut(&url, 1024));
        rule.security_severity = advisory.cvss.as_deref().and_then(cvss::score);
        rule.tags = advisory.aliases.iter().take(20).map(|alias| cut(alias, 200)).collect();
    });
    let mut finding = Finding::new(rule, level, &message);
    finding.location = Some(Location { path: collector.shared(LOCK_FILE), range: None });
    collector.push(finding);
    Ok(())
}
