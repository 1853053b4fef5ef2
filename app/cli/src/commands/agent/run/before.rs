//! What gates say of the working tree before agents begin: those who find out why a gate fails are shown it, as on a forge, and what agents
//! change is compared with it.

use std::collections::BTreeMap;

use gatewright_core::config::{Pipeline, RepoConfig, Stage};
use gatewright_core::run::StepState;
use gatewright_core::store::Blobs;
use gatewright_core::verdict::VerdictStatus;
use gatewright_engine::local::{LocalEnd, LocalReport, LocalRun, Pasts};
use tokio_util::sync::CancellationToken;

use super::progress::Progress;
use super::{Job, here};
use crate::commands::agent::here::Bench;
use crate::commands::run::limits;
use crate::failure::Failure;

/// The role whose work it is to find out why a gate fails.
const DIAGNOSES: &str = "diagnose";

/// What gates said before.
#[derive(Default)]
pub(super) struct Before {
    /// Why there is nothing for agents to do. None: there is, or nobody has looked.
    pub(super) nothing_to_fix: Option<String>,
    /// What each gate wrote, by its name.
    pub(super) logs: BTreeMap<String, Vec<u8>>,
}

/// Whether agents of a pipeline are to be shown what gates say.
fn looks_at_gates(pipeline: &Pipeline) -> bool {
    pipeline.stages().any(|stage| match stage {
        Stage::Agent(agent) => agent.role.name.as_str() == DIAGNOSES,
        Stage::Verify(_) | Stage::Parallel { .. } | Stage::Program(_) => false,
    })
}

impl Job<'_> {
    /// Runs the gates where agents look at what they say, and has the pipeline remember it.
    pub(super) async fn before(
        &self,
        bench: &Bench,
        config: &RepoConfig,
        pipeline: &Pipeline,
        progress: &Progress,
        stop: &CancellationToken,
    ) -> Result<Before, Failure> {
        if !looks_at_gates(pipeline) {
            return Ok(Before::default());
        }
        let local = LocalRun {
            sandbox: self.sandbox(),
            config: config.clone(),
            change: self.tree.change.clone(),
            only: None,
            jobs: self.gates_at_once(),
            limits: limits(self.args.tree.bounds),
            secrets: self.asked.secrets.clone(),
            scratch: self.scratch.join("blobs"),
            pasts: Some(Pasts::new(self.pasts)),
        };
        progress.say("asking the gates first");
        let ran = local.run(progress, stop).await;
        let report = ran.map_err(|error| {
            Failure::Outside(format!("the gates came to something that cannot be, which is our fault: {error}"))
        })?;
        if stop.is_cancelled() {
            return Ok(Before::default());
        }
        if report.end() == LocalEnd::NotRun {
            return Err(Failure::Outside(format!("the gates cannot be run here: {}", not_run(&report))));
        }
        bench.pipeline.remember(&report).await.map_err(|failure| here::failed(&failure))?;
        let asked = self.args.requirements.is_some() || self.args.requirements_file.is_some();
        let nothing_to_fix = (report.end() == LocalEnd::Passed && !asked).then(|| all_passed(&report));
        Ok(Before { nothing_to_fix, logs: logs(&report).await })
    }
}

/// Why gates could not be run, in their own words.
fn not_run(report: &LocalReport) -> String {
    let bad = report.gates().steps.iter().filter(|step| step.status() == Some(VerdictStatus::Errored));
    let said = bad.filter_map(|step| Some(format!("{}: {}", step.gate.name, step.verdict()?.title)));
    said.collect::<Vec<_>>().join("; ")
}

fn all_passed(report: &LocalReport) -> String {
    let passed = report.gates().steps.iter().filter(|step| step.status() == Some(VerdictStatus::Passed));
    let names: Vec<&str> = passed.map(|step| step.gate.name.as_str()).collect();
    let said = match names.as_slice() {
        [] => "no gate applies here".to_owned(),
        names => format!("the gates pass ({})", names.join(", ")),
    };
    format!("{said}, so there is nothing to fix; what is wrong all the same, say with --requirements")
}

async fn logs(report: &LocalReport) -> BTreeMap<String, Vec<u8>> {
    let mut logs = BTreeMap::new();
    for step in &report.gates().steps {
        let StepState::Done { outcome, .. } = &step.state else { continue };
        let Some(log) = &outcome.log else { continue };
        if let Ok(Some(text)) = report.blobs.get(&log.blob).await {
            logs.insert(step.gate.name.to_string(), text.to_vec());
        }
    }
    logs
}
