//! The gates from the outside: evidence in, a verdict as a person reads it out.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "gates/benchmarks.rs"]
mod benchmarks;
#[path = "gates/cases.rs"]
mod cases;
#[path = "gates/coverage.rs"]
mod coverage;
#[path = "gates/findings.rs"]
mod findings;
#[path = "gates/fixtures.rs"]
mod fixtures;
#[path = "gates/hostile.rs"]
mod hostile;
#[path = "gates/policy.rs"]
mod policy;
#[path = "gates/tests.rs"]
mod tests;

use gatewright_core::config::{GateConfig, RepoConfig, parse};
use gatewright_core::verdict::{Evidence, Exit, ReportFile, ReportKind, Reports, Verdict, VerdictStatus};
use gatewright_engine::gates;

/// A gate that reads these report files.
fn gate(junit: &str) -> GateConfig {
    let RepoConfig { gates, .. } = parse(&format!("image: a\ngates: {{ t: {{ run: x{junit} }} }}\n")).unwrap();
    gates.into_iter().next().unwrap()
}

/// What a step left behind that ended with this code.
fn evidence(code: i64, reports: &[(&str, &[u8])]) -> Evidence {
    let file = |(path, bytes): &(&str, &[u8])| ReportFile::new(*path, bytes.to_vec());
    Evidence {
        reports: [(ReportKind::Tests, Reports { files: reports.iter().map(file).collect(), errors: Vec::new() })].into(),
        ..Evidence::of(Exit::Code { code })
    }
}

fn judge(config: &GateConfig, evidence: &Evidence) -> Verdict {
    gates::judge(config, evidence).verdict
}

/// The verdict on one report of a command that ended well.
fn judged(report: impl AsRef<[u8]>) -> Verdict {
    judge(&gate(", junit: out.xml"), &evidence(0, &[("out.xml", report.as_ref())]))
}

/// Status and title in one line, and the annotations below it.
fn shown(verdict: &Verdict) -> String {
    let places = verdict.annotations.iter().map(|a| {
        let column = a.column.map(|column| format!(":{column}")).unwrap_or_default();
        let first = a.message.lines().next().unwrap_or_default();
        format!("\n{:?} {}:{}{column} {}: {first}", a.level, a.path, a.start_line, a.title)
    });
    format!("{:?}: {}{}", verdict.status, verdict.title, places.collect::<String>())
}

fn status(report: impl AsRef<[u8]>) -> VerdictStatus {
    judged(report).status
}
