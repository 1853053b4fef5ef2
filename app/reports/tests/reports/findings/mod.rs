mod fingerprints;
mod formats;
mod real;
mod sarif;
mod write;

use gatewright_reports::findings::{Finding, Findings, FindingsFormat, Level, read};

fn good(format: FindingsFormat, report: impl AsRef<[u8]>) -> Findings {
    read(format, report.as_ref()).unwrap_or_else(|error| panic!("{error}"))
}

/// What is wrong with a report, as it is shown.
fn refused(format: FindingsFormat, report: impl AsRef<[u8]>) -> String {
    read(format, report.as_ref()).expect_err("it is refused").to_string()
}

/// Errors, warnings, notes and others that stand.
fn counts(findings: &Findings) -> [u64; 4] {
    let counts = findings.counts();
    [Level::Error, Level::Warning, Level::Note, Level::None].map(|level| counts.get(&level).copied().unwrap_or_default())
}

/// `src/a.c:1:2-3:4 error tool/rule: message`
fn shown(finding: &Finding) -> String {
    let column = |column: Option<u32>| column.map_or_else(String::new, |column| format!(":{column}"));
    let place = finding.location.as_ref().map_or_else(
        || "nowhere".to_owned(),
        |location| {
            let range = location.range.map_or_else(String::new, |range| {
                let (start, end) = (column(range.start_column), column(range.end_column));
                format!(":{}{start}-{}{end}", range.start_line, range.end_line)
            });
            format!("{}{range}", location.path)
        },
    );
    format!("{place} {:?} {}/{}: {}", finding.level, finding.rule.tool, finding.rule.id, finding.message)
}

fn all(findings: &Findings) -> Vec<String> {
    findings.list.iter().map(shown).collect()
}
