//! What a local pipeline comes to: a patch, whether it is in the working tree, what is kept of how it came about, and the exit code.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use gatewright_core::config::Offering;
use gatewright_core::run::{AgentEvent, AgentRun, RunEvent, StageRun, StageState};
use gatewright_core::tree::FileChange;
use gatewright_engine::agents::{replay, turn};
use gatewright_engine::local::PipelineEnd;
use serde::Serialize;

use super::super::here::{Bench, JOURNAL, SAID};
use super::before::Before;
use crate::args::AgentRunArgs;
use crate::commands::run::tree::Tree;
use crate::desk::agents::Said;
use crate::failure::Failure;

/// The patch in the folder of what is kept.
const PATCH: &str = "changes.patch";

/// What a pipeline has come to.
pub(super) struct Outcome {
    /// What the process exits with.
    pub(super) exit_code: u8,
    /// A commit's message for it.
    pub(super) message: Option<String>,
    /// What is changed. Empty: nothing that may be handed over.
    pub(super) changes: Vec<FileChange>,
    /// Where the patch is.
    pub(super) patch: Option<PathBuf>,
    /// Whether it is in the working tree now, where that was asked for; or why not, for people.
    pub(super) applied: Option<Result<(), String>>,
    /// Where all that was said and the gates' logs are.
    pub(super) kept: PathBuf,
}

impl Outcome {
    /// Writes what is kept, and applies the patch where that was asked for.
    pub(super) async fn of(
        args: &AgentRunArgs,
        tree: &Tree,
        bench: &Bench,
        end: &PipelineEnd,
        before: &Before,
        kept: PathBuf,
    ) -> Result<Outcome, Failure> {
        let Some(of) = end.run.agent() else { return Err(Failure::Outside("the run has no agents".to_owned())) };
        // An earlier run's patch in the same folder is not this one's. Other files there may be anybody's, and stay. What cannot be removed cannot be
        // written over either, which is said then.
        let _ = fs::remove_file(kept.join(PATCH));
        keep(bench, end, of, &kept).await?;
        for (gate, log) in &before.logs {
            write(&kept.join(format!("before-{gate}.log")), log)?;
        }
        let mut outcome = Outcome {
            exit_code: if before.nothing_to_fix.is_some() { 0 } else { exit_code(of, end) },
            message: None,
            changes: Vec::new(),
            patch: None,
            applied: None,
            kept: kept.clone(),
        };
        let Some(proposed) = bench.forge.proposed() else { return Ok(outcome) };
        let patch = args.patch.clone().unwrap_or_else(|| kept.join(PATCH));
        write(&patch, &bench.forge.snapshot.patch(&proposed.changes).await?)?;
        if args.apply {
            let applied = apply(tree, &proposed.changes, &patch).await?;
            if applied.is_err() {
                outcome.exit_code = outcome.exit_code.max(Failure::NOT_PASSED);
            }
            outcome.applied = Some(applied);
        }
        (outcome.message, outcome.changes, outcome.patch) = (Some(proposed.message), proposed.changes, Some(patch));
        Ok(outcome)
    }
}

/// Has the working tree have the result, unless something of somebody's would be lost: then why not.
async fn apply(tree: &Tree, changes: &[FileChange], patch: &Path) -> Result<Result<(), String>, Failure> {
    let paths: Vec<&str> = changes.iter().map(|change| change.path.as_str()).collect();
    let dirty = tree.working_tree.uncommitted(&paths).await?;
    if !dirty.is_empty() {
        let names: Vec<String> = dirty.iter().map(|path| format!("`{path}`")).collect();
        let have = if dirty.len() == 1 { "has changes that are" } else { "have changes that are" };
        return Ok(Err(format!(
            "{} {have} not committed, and the result changes the same; commit them, then apply the patch",
            names.join(", ")
        )));
    }
    // It is taken from where the user stands, and git looks from the root.
    let patch = std::path::absolute(patch).unwrap_or_else(|_| patch.to_owned());
    Ok(tree.working_tree.apply(&patch).await.map_err(|error| format!("the files have changed since: {error}")))
}

/// Keeps what was said in each stage, and what gates and programs wrote.
async fn keep(bench: &Bench, end: &PipelineEnd, of: &AgentRun, folder: &Path) -> Result<(), Failure> {
    for (n, stage) in of.stages.iter().enumerate() {
        let name = |what: &str| folder.join(format!("{n}-{}{what}", file_name(&stage.name)));
        if !stage.turns.is_empty() {
            let said = turn::transcript(bench.blobs(), &end.run, u16::try_from(n).unwrap_or(u16::MAX)).await;
            let said = said.map_err(|cause| Failure::Outside(format!("what was said cannot be kept: {cause}")))?;
            write(&name(".json"), &json(&said)?)?;
        }
        for (gate, log) in logs(stage) {
            if let Ok(Some(text)) = bench.blobs().get(&log).await {
                write(&name(&format!("-{gate}.log")), &text)?;
            }
        }
        let program = stage.program.as_ref().and_then(|program| program.log.as_ref());
        if let Some(log) = program
            && let Ok(Some(text)) = bench.blobs().get(&log.blob).await
        {
            write(&name(".log"), &text)?;
        }
    }
    let mut said = Said::new();
    for blob in replay::blobs(&end.journal) {
        if let Ok(Some(text)) = bench.blobs().get(&blob).await {
            said.insert(blob, String::from_utf8_lossy(&text).into_owned());
        }
    }
    write(&folder.join(SAID), &json(&said)?)?;
    write(&folder.join(JOURNAL), &json(&end.journal)?)
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(value).map_err(|e| Failure::Outside(format!("what was said cannot be kept: {e}")))
}

/// The logs of a stage's last look, by gate.
fn logs(stage: &StageRun) -> impl Iterator<Item = (&str, gatewright_core::BlobId)> {
    let round = stage.rounds.last().map_or(&[][..], Vec::as_slice);
    round.iter().filter_map(|(gate, outcome)| Some((gate.as_str(), outcome.log.as_ref()?.blob.clone())))
}

fn file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' }).collect()
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(file, Bytes::copy_from_slice(bytes)));
    written.map_err(|e| Failure::Outside(format!("{} cannot be written: {e}", file.display())))
}

/// 0: it came to its end, and what it changed, if anything, may be handed over. 2: it could not begin as it was called. 3: no model or no
/// sandbox could be had. 1: it was stopped, by you, its budget or its gates, or the result may not be handed over.
fn exit_code(of: &AgentRun, end: &PipelineEnd) -> u8 {
    let refused = of
        .offers
        .iter()
        .flatten()
        .any(|offer| offer.refused.is_some() && matches!(offer.what, Offering::PullRequest | Offering::Commit));
    let outside = end.journal.iter().any(|entry| match &entry.event {
        RunEvent::Agent { event } => matches!(**event, AgentEvent::TurnFailed { .. } | AgentEvent::Broken { .. }),
        _ => false,
    });
    let failed = of.stages.iter().any(|stage| matches!(stage.state, StageState::Failed { .. }));
    match () {
        () if of.refused.is_some() => Failure::WRONG,
        () if of.cancel.is_some() => Failure::NOT_PASSED,
        () if outside && of.stopped.is_some() => Failure::OUTSIDE,
        () if of.stopped.is_some() || refused || failed => Failure::NOT_PASSED,
        () => 0,
    }
}
