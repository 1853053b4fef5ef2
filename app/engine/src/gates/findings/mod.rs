//! Findings: what linters, compilers and scanners say is wrong, and which of it the change brings.
//!
//! Reports are read by `gatewright-reports`; this says what they come to. New is what the base commit's reports did not have,
//! recognised by fingerprints that survive moved lines; where nothing is stored of the base, what lies on lines that the change
//! adds. Suppressions count where they say a reason. A report that cannot be read, or a tool that says that it did not run to
//! its end, makes the gate an error: that nothing was found would mean nothing.
//!
//! It uploads nothing and says nothing in reviews: what may be is handed over as [`Shown`].

use gatewright_core::config::{FindingLimits, GateConfig};
use gatewright_core::facts::{Facts, FindingFacts};
use gatewright_core::verdict::{Evidence, Exit, ReportKind, Reports, VerdictStatus};
use gatewright_reports::findings::Findings;

use super::markdown::code;
use super::{Kind, Opinion, PATH_CHARS_MAX};
use compare::{Against, Compared};
use tally::{Row, Tally};

mod compare;
mod read;
mod show;
mod suggest;
mod tally;

/// The exit code by which linters say that they have found something. With others they say that they have failed.
const FOUND_CODE: i64 = 1;

pub(super) const KIND: Kind = Kind {
    about: Some(ReportKind::Findings),
    reports: |config| (!config.findings.is_empty()).then_some(&config.findings),
    judge,
};

fn judge(config: &GateConfig, evidence: &Evidence) -> Opinion {
    let none = Reports::default();
    let reports = evidence.reports.get(&ReportKind::Findings).unwrap_or(&none);
    let exit_well = evidence.exit == Exit::Code { code: 0 };
    let excusable = evidence.exit == Exit::Code { code: FOUND_CODE };
    if reports.files.is_empty() && reports.errors.is_empty() {
        return no_report(config, exit_well);
    }
    match read::read(reports, evidence) {
        Ok(read::Found { findings, diff, mut texts }) => {
            let compared = compare::compare(&findings, evidence.base.as_ref(), diff.as_ref());
            let seen = Seen { demands: demands(config, &findings, &compared), findings: &findings, compared: &compared };
            let suggestions = suggest::suggestions(&compared.new, diff.as_ref(), &mut texts);
            let opinion = opinion(config, &seen, exit_well, excusable);
            Opinion { suggestions, ..opinion }
        }
        Err(problems) => Opinion::plain(VerdictStatus::Errored, "a report of findings cannot be read", problems.join("\n\n")),
    }
}

/// All that the verdict is made of.
struct Seen<'a> {
    findings: &'a Findings,
    compared: &'a Compared<'a>,
    demands: Vec<Demand>,
}

fn opinion(config: &GateConfig, seen: &Seen<'_>, exit_well: bool, excusable: bool) -> Opinion {
    let broken = seen.demands.iter().any(|demand| !demand.is_met());
    let status = match (seen.findings.unfinished, broken) {
        (_, true) => VerdictStatus::Failed,
        (true, false) => VerdictStatus::Errored,
        (false, false) => VerdictStatus::Passed,
    };
    let found_any = Tally::of_all(seen.findings).total() > 0;
    let excuses_exit = excusable && found_any && status == VerdictStatus::Passed;
    let exit = match (exit_well, excuses_exit) {
        (true, _) => show::ExitNote::Well,
        (false, true) => show::ExitNote::Excused,
        (false, false) => show::ExitNote::Failed,
    };
    let (annotations, annotations_left_out) = show::annotations(seen);
    Opinion {
        annotations,
        annotations_left_out,
        change: show::change(seen.compared),
        facts: Facts { findings: Some(kept(seen.findings)), ..Facts::default() },
        excuses_exit,
        scan: config.code_scanning.then(|| show::scan(config, seen.findings)),
        ..Opinion::plain(status, show::title(seen), show::summary(seen, exit))
    }
}

fn no_report(config: &GateConfig, exit_well: bool) -> Opinion {
    let globs: Vec<String> = config.findings.iter().take(10).map(|glob| code(glob, PATH_CHARS_MAX)).collect();
    let summary = format!(
        "No file matches {}. `sarif` or `findings` in the repository file says where the command writes its report.",
        globs.join(", ")
    );
    // A command that failed may not have come so far.
    let status = if exit_well { VerdictStatus::Errored } else { VerdictStatus::Failed };
    Opinion::plain(status, "no report of findings", summary)
}

/// What later runs compare with.
fn kept(findings: &Findings) -> FindingFacts {
    let fingerprints = findings.list.iter().filter(|finding| finding.stands()).filter_map(|finding| finding.fingerprint);
    let mut facts = FindingFacts::of(fingerprints.map(|fingerprint| compare::short(&fingerprint)));
    facts.counts = Tally::of_all(findings).levels;
    let left_out = Tally::of_left_out(findings);
    (facts.left_out, facts.left_out_severities) = (left_out.levels, left_out.severities);
    facts
}

/// Something that the repository file asks for, and what there is.
struct Demand {
    scope: Scope,
    row: Row,
    most: u32,
    is: u64,
}

/// Which findings a demand counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    New,
    All,
}

impl Demand {
    fn is_met(&self) -> bool {
        self.is <= u64::from(self.most)
    }
}

fn demands(config: &GateConfig, findings: &Findings, compared: &Compared<'_>) -> Vec<Demand> {
    // Where there is nothing to compare with, it is not known what is new.
    let new = config.require.new_findings().filter(|_| !matches!(compared.against, Against::Nothing));
    let all = config.require.total;
    let of = |scope, limits: Option<FindingLimits>, tally: &Tally| {
        let limits = limits.unwrap_or_default();
        let demand = |row: Row| Some(Demand { scope, row, most: row.limit(&limits)?, is: tally.of_row(row) });
        Row::ALL.into_iter().filter_map(demand).collect::<Vec<_>>()
    };
    let mut demands = of(Scope::New, new, &compared.tally());
    demands.extend(of(Scope::All, all, &Tally::of_all(findings)));
    demands
}
