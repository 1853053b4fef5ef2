//! The files that the step leaves: reports in its folder, and what the runner is told.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use gatewright_action::Variables;
use gatewright_action::checked::{Checked, word};
use gatewright_action::github::files;
use gatewright_action::gitlab::{cobertura, code_quality, junit};
use gatewright_action::result;
use gatewright_core::config::RepoConfig;
use gatewright_core::run::StepState;
use gatewright_core::survey::Survey;
use gatewright_core::verdict::ReportKind;
use gatewright_engine::gates::reports_wanted;
use gatewright_engine::local::LocalReport;
use gatewright_reports::coverage::{self, Coverage};
use gatewright_reports::findings::{self, Merger};
use gatewright_reports::{GO_MOD_BYTES_MAX, Mapping, RepositoryFiles, SNIFF_BYTES, go_modules};
use uuid::Uuid;

use super::folder::{Folder, cannot};
use super::keep::Kept;
use super::seal::{Seal, scan_file};
use crate::failure::Failure;
use crate::print::{self, printable};

const SUMMARY_FILE: &str = "summary.md";
/// Where containers have the source.
const WORKSPACE: &str = "/workspace";
/// A file of the repository is read for the text of a finding's line if it has at most so many bytes.
const TEXT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What gates left.
pub(super) struct Left<'a> {
    pub(super) kept: Vec<Kept>,
    pub(super) survey: &'a Survey,
    /// Where the checkout is: tools write full paths.
    pub(super) root: PathBuf,
    pub(super) config: &'a RepoConfig,
}

impl Left<'_> {
    /// The reports of a kind, in the order in which gates left them, each once.
    fn of(&self, wanted: ReportKind) -> Vec<&Kept> {
        let about = |kept: &&Kept| {
            let gate = self.config.gates.iter().find(|gate| gate.name == kept.gate);
            let wants = gate.map(reports_wanted).unwrap_or_default();
            wants.iter().any(|(kind, globs)| *kind == wanted && globs.contains(&kept.glob))
        };
        let mut seen = BTreeSet::new();
        let all: Vec<&Kept> = self.kept.iter().filter(about).collect();
        all.into_iter().filter(|kept| seen.insert((&kept.gate, &kept.file.path))).collect()
    }

    fn mapping(&self) -> Mapping {
        let root = self.root.to_string_lossy().into_owned();
        let modules = self
            .survey
            .texts
            .as_ref()
            .map(|texts| go_modules(self.survey.files.iter().map(String::as_str), |path| texts.read(path, GO_MOD_BYTES_MAX)));
        Mapping { roots: vec![WORKSPACE.to_owned(), root], go_modules: modules.unwrap_or_default() }
    }

    fn files(&self) -> RepositoryFiles {
        RepositoryFiles::new(self.survey.files.iter().cloned())
    }
}

impl Folder {
    /// The result that another step or workflow reads, and the summary.
    pub(super) fn results(&self, result: &str, summary: &str) -> Result<(), Failure> {
        self.write(result::FILE_NAME, result.as_bytes())?;
        self.write(SUMMARY_FILE, summary.as_bytes())
    }

    /// The gates' logs, and their reports put together. Returns the percentage of covered lines, if any is known. What cannot be
    /// put together is said, and is no failure: the gate that it belongs to has judged it.
    pub(super) fn reports(&self, left: &Left<'_>, report: &LocalReport) -> Result<Option<String>, Failure> {
        self.of_steps(report)?;
        // It reads reports of many megabytes.
        tokio::task::block_in_place(|| {
            self.junit(left)?;
            self.findings(left)?;
            self.coverage(left)
        })
    }

    /// Logs, what code scanning is to be given, and the files that gates were asked to keep.
    fn of_steps(&self, report: &LocalReport) -> Result<(), Failure> {
        for step in &report.gates().steps {
            let StepState::Done { outcome, .. } = &step.state else { continue };
            let name = &step.gate.name;
            if let Some(log) = &outcome.log {
                self.copy(&report.blobs.file(&log.blob), &format!("logs/{name}.log"))?;
            }
            if let Some(scan) = &outcome.scan {
                self.copy(&report.blobs.file(scan), &scan_file(name))?;
            }
            for output in &outcome.outputs {
                // They were read as paths within the workspace; nothing else is written to.
                if Path::new(&output.path).components().all(|part| matches!(part, Component::Normal(_))) {
                    self.copy(&report.blobs.file(&output.blob), &format!("outputs/{name}/{}", output.path))?;
                }
            }
        }
        Ok(())
    }

    fn junit(&self, left: &Left<'_>) -> Result<(), Failure> {
        let reports = left.of(ReportKind::Tests);
        if reports.is_empty() {
            return Ok(());
        }
        let target = self.path.join("junit.xml");
        let unwritten = |error: junit::JunitError| Failure::Outside(error.to_string());
        let draft = self.draft(&target)?;
        let mut merge = junit::Merge::new(io::BufWriter::new(draft.1)).map_err(unwritten)?;
        for kept in reports {
            match merge.add(|| kept.file.content.open()) {
                Err(junit::JunitError::Unusable(cause)) => skipped(kept, &cause)?,
                Err(error @ junit::JunitError::Write(_)) => return Err(unwritten(error)),
                Ok(()) => {}
            }
        }
        merge.finish().and_then(|mut out| out.flush().map_err(junit::JunitError::Write)).map_err(unwritten)?;
        fs::rename(&draft.0, &target).map_err(|error| cannot(&target, &error))
    }

    fn coverage(&self, left: &Left<'_>) -> Result<Option<String>, Failure> {
        let (files, mapping) = (left.files(), left.mapping());
        let mut all = Coverage::default();
        for kept in left.of(ReportKind::Coverage) {
            match read(kept, coverage::sniff, coverage::read) {
                Ok(report) => all.merge(report.map(&files, &mapping).0),
                Err(cause) => skipped(kept, &cause)?,
            }
        }
        let Some(hundredths) = all.totals().lines.hundredths() else { return Ok(None) };
        let mut text = String::new();
        // Writing to a text does not fail.
        let _ = cobertura::write(&all, &mut text);
        self.write("cobertura.xml", text.as_bytes())?;
        Ok(Some(format!("{}.{:02}", hundredths / 100, hundredths % 100)))
    }

    fn findings(&self, left: &Left<'_>) -> Result<(), Failure> {
        let (files, mapping) = (left.files(), left.mapping());
        let (mut merger, mut any) = (Merger::default(), false);
        for kept in left.of(ReportKind::Findings) {
            match read(kept, findings::sniff, findings::read) {
                Ok(mut report) => {
                    any = true;
                    report.map(&files, &mapping);
                    merger.add(report);
                }
                Err(cause) => skipped(kept, &cause)?,
            }
        }
        if !any {
            return Ok(());
        }
        let mut all = merger.finish();
        let mut source = Lines { survey: left.survey, path: String::new(), text: String::new() };
        all.identify(|path, line| source.line(path, line));
        self.write("gl-code-quality-report.json", code_quality::write(&all).as_bytes())
    }
}

/// Reads a report in whatever format it is in.
fn read<F, T, E: std::fmt::Display>(
    kept: &Kept,
    sniff: impl Fn(&str, &[u8]) -> Option<F>,
    read: impl Fn(F, Box<dyn Read + Send>) -> Result<T, E>,
) -> Result<T, String> {
    let open = || kept.file.content.open().map_err(|error| error.to_string());
    let mut head = Vec::new();
    open()?.take(SNIFF_BYTES as u64).read_to_end(&mut head).map_err(|error| error.to_string())?;
    let format = sniff(&kept.file.path, &head).ok_or("it is in no format that is known here")?;
    read(format, open()?).map_err(|error| error.to_string())
}

fn skipped(kept: &Kept, cause: &str) -> Result<(), Failure> {
    let words = format!("note: {} of the gate {}: {cause}", kept.file.path, kept.gate);
    print::line(&gatewright_action::github::command::harmless(&printable(&words)))
}

/// The lines of the repository's files, a file at a time.
struct Lines<'a> {
    survey: &'a Survey,
    path: String,
    text: String,
}

impl Lines<'_> {
    fn line(&mut self, path: &str, number: u32) -> Option<String> {
        if self.path != path {
            path.clone_into(&mut self.path);
            let bytes = self.survey.texts.as_ref().and_then(|texts| texts.read(path, TEXT_BYTES_MAX));
            self.text = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        }
        self.text.lines().nth(usize::try_from(number).ok()?.checked_sub(1)?).map(str::to_owned)
    }
}

/// Tells GitHub's runner: outputs, and the summary of the job.
pub(super) fn tell_runner(
    variables: &Variables,
    checked: &Checked,
    folder: &Folder,
    summary: &str,
    seal: &Seal,
) -> Result<(), Failure> {
    let counts = serde_json::to_string(&checked.counts()).map_err(|error| Failure::Outside(error.to_string()))?;
    let (report, markdown) = (folder.name_of(result::FILE_NAME), folder.name_of(SUMMARY_FILE));
    let seal = seal.to_text();
    let values = [
        ("verdict", word(checked.status())),
        ("counts", counts.as_str()),
        ("report", report.as_str()),
        ("summary", markdown.as_str()),
        ("reports", folder.name.as_str()),
        ("seal", seal.as_str()),
    ];
    let random = Uuid::new_v4().simple().to_string();
    let outputs = files::outputs(&values, &random).map_err(|error| Failure::Outside(error.to_string()))?;
    append(variables, "GITHUB_STEP_SUMMARY", summary)?;
    append(variables, "GITHUB_OUTPUT", &outputs)
}

/// Appends to a file of the runner's, which is there: where it is not, the runner would never know.
fn append(variables: &Variables, name: &'static str, text: &str) -> Result<(), Failure> {
    let Some(path) = variables.get(name).filter(|path| !path.is_empty()) else {
        return Err(Failure::Outside(format!("the variable {name} is not set, as it is in every step")));
    };
    let opened = fs::File::options().append(true).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed()).open(path);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Failure::Outside(format!("{path}, which {name} names, cannot be written: {error}")))
}
