mod changed;
mod dialects;
mod hostile;
mod map;
mod merge;
mod real;

use gatewright_reports::ReportError;
use gatewright_reports::coverage::{CoverageFormat, CoverageReport, read};

/// What is wrong with a report, as it is shown.
fn refused(format: CoverageFormat, report: impl AsRef<[u8]>) -> String {
    read(format, report.as_ref()).expect_err("it is refused").to_string()
}

fn good(format: CoverageFormat, report: &str) -> CoverageReport {
    read(format, report.as_bytes()).unwrap_or_else(|error: ReportError| panic!("{error}"))
}

/// `a.c 1:5 2:0; 1/2`
fn shown(report: &CoverageReport) -> String {
    let files = report.files.iter().map(|(path, file)| {
        let lines: String = file.lines().iter().map(|line| format!(" {}:{}", line.number, line.hits)).collect();
        let branches = file.totals().branches;
        match branches.total {
            0 => format!("{path}{lines}"),
            total => format!("{path}{lines}; {}/{total}", branches.covered),
        }
    });
    files.collect::<Vec<_>>().join("\n")
}
