//! What a person reads at the end of a local pipeline: what agents said, what they found, what they changed, and what it cost.

use gatewright_core::run::{AgentRun, StageState};
use gatewright_core::tree::FileChange;
use gatewright_engine::agents::policy::Shown;
use gatewright_engine::agents::show;

use super::{Done, shown};
use crate::commands::agent::stages;
use crate::commands::run::show::places;
use crate::failure::Failure;
use crate::print::{self, printable, printable_lines};

/// So many changed files are named; the patch has all.
const FILES_MAX: usize = 50;

pub(super) async fn show(done: &Done<'_>) -> Result<(), Failure> {
    if let Some((because, _)) = &done.of.refused {
        return print::line(&printable(&format!("not started: {because}")));
    }
    said(done.of)?;
    found(done).await?;
    stages(done.of)?;
    print::line("")?;
    print::line(&printable(&headline(done)))?;
    for offer in done.of.offers.iter().flatten() {
        if let Some(because) = &offer.refused {
            print::line(&printable(&format!("not handed over: {}, since {because}", offer.what.as_str())))?;
        }
    }
    files(&done.outcome.changes)?;
    print::line(&printable(&show::cost(done.of)))?;
    print::line(&printable(&format!("all that was said: {}", done.outcome.kept.display())))?;
    what_next(done)
}

/// What agents handed over in words, the last try of each.
fn said(of: &AgentRun) -> Result<(), Failure> {
    for stage in &of.stages {
        let Some(handover) = stage.handover.as_ref().filter(|handover| !handover.summary.trim().is_empty()) else { continue };
        print::line(&printable(&format!("── {}", stage.name)))?;
        for line in handover.summary.trim().lines() {
            print::line(&format!("   {}", printable_lines(line)))?;
        }
        print::line("")?;
    }
    Ok(())
}

/// The places that they found, and the issues that they would open.
async fn found(done: &Done<'_>) -> Result<(), Failure> {
    for shown in offered(done).await {
        match shown {
            Shown::Findings { annotations } => {
                places(&annotations)?;
                print::line("")?;
            }
            Shown::Issue { title, .. } => print::line(&printable(&format!("would open an issue: {title}\n")))?,
            Shown::Comment { .. } | Shown::Suggestions { .. } | Shown::Change { .. } => {}
        }
    }
    Ok(())
}

/// What was let through of what agents handed over.
pub(super) async fn offered(done: &Done<'_>) -> Vec<Shown> {
    let mut all = Vec::new();
    for blob in done.of.offers.iter().flatten().filter_map(|offer| offer.blob.as_ref()) {
        let Ok(Some(bytes)) = done.bench.blobs().get(blob).await else { continue };
        all.extend(serde_json::from_slice::<Shown>(&bytes));
    }
    all
}

/// The pipeline in one line.
pub(super) fn headline(done: &Done<'_>) -> String {
    let of = done.of;
    let name = of.pipeline().unwrap_or("agents");
    let failed = of.stages.iter().any(|stage| matches!(stage.state, StageState::Failed { .. }));
    let changed = match done.outcome.changes.len() {
        0 => "nothing was changed".to_owned(),
        1 => format!("1 file changed. {}", show::verified(of)),
        count => format!("{count} files changed. {}", show::verified(of)),
    };
    match (&of.cancel, &of.stopped) {
        (Some(reason), _) => format!("{name}: {reason}; nothing is handed over"),
        (None, Some(because)) => format!("{name}: stopped early: {because}; {changed}"),
        (None, None) if failed => format!("{name}: a stage failed; {changed}"),
        (None, None) => format!("{name}: {changed}"),
    }
}

fn files(changes: &[FileChange]) -> Result<(), Failure> {
    for change in changes.iter().take(FILES_MAX) {
        let what = if change.now.is_some() { "changed" } else { "removed" };
        print::line(&printable(&format!("  {what}  {}", change.path)))?;
    }
    match changes.len().checked_sub(FILES_MAX) {
        Some(more @ 1..) => print::line(&format!("  and {more} more")),
        Some(0) | None => Ok(()),
    }
}

/// Where the result is, and how to have it.
fn what_next(done: &Done<'_>) -> Result<(), Failure> {
    let Some(patch) = &done.outcome.patch else { return Ok(()) };
    let patch = shown(patch);
    print::line(&printable(&match &done.outcome.applied {
        Some(Ok(())) => format!("applied to the working tree; as a patch: {patch}"),
        Some(Err(because)) => format!("not applied: {because}: git apply {patch}"),
        None => format!("to have it in the working tree: git apply {patch}"),
    }))
}
