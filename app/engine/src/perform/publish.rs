//! Publish: makes the forge show a report. The only place that writes to a forge.

use std::time::Duration;

use gatewright_core::forge::ForgeError;
use gatewright_core::report::{AssetName, AssetReport, CheckReport, Holds, Known, Report, ReportKey, ScanReport};
use gatewright_core::run::{RolloutState, Run, RunEvent, Step};
use gatewright_core::{GateName, RunId};
use tokio_util::sync::CancellationToken;

use super::{Done, again_or_final, comment, not_configured};
use crate::{Engine, agents, release, render, rollout};

pub(super) async fn publish(
    engine: &Engine,
    run: &Run,
    key: ReportKey,
    digest: String,
    known: &Known,
    stop: &CancellationToken,
) -> Done {
    let Some(forge) = engine.forge(run.repo.forge) else { return not_configured(run) };
    // All runs about a pull request share its comment, those of gates and those of agents. One hand at a time, so that two that both find
    // none do not both make one, and so that what is read of the others' runs is still so when it is shown.
    let lock = match key {
        ReportKey::Comment | ReportKey::AgentComment => Some(engine.comments.lock(&run.about().key(&run.repo)).await),
        ReportKey::Gate(_)
        | ReportKey::Scan(_)
        | ReportKey::Aggregate
        | ReportKey::Seen
        | ReportKey::Answered
        | ReportKey::Reply
        | ReportKey::Resolved(_)
        | ReportKey::Release
        | ReportKey::Asset(_)
        | ReportKey::ReleaseComment
        | ReportKey::Deployment(_)
        | ReportKey::ProtectionRule
        | ReportKey::Proposal
        | ReportKey::Pushed
        | ReportKey::Issue(_) => None,
    };
    if stop.is_cancelled() {
        // While this one waited, a newer run took the comment over.
        return Done::GivenUp;
    }
    let rendered = match &key {
        ReportKey::Comment | ReportKey::AgentComment if run.about().pull().is_some() => {
            match comment::of_pull(engine, run).await {
                Ok(rendered) => rendered,
                Err(error) => return Done::Again { after: None, cause: error.to_string() },
            }
        }
        key if run.agent().is_some() => agents::report(engine, run, key).await,
        ReportKey::Proposal if run.release().is_some() => release::changelog::report(engine, run).await,
        ReportKey::Resolved(earlier) => outdated(engine, *earlier).await,
        ReportKey::ReleaseComment => release_comment(engine, run).await,
        ReportKey::Scan(gate) => scan(engine, run, gate).await,
        ReportKey::Asset(name) => asset(engine, run, name).await,
        ReportKey::Gate(_)
        | ReportKey::Aggregate
        | ReportKey::Comment
        | ReportKey::Seen
        | ReportKey::Answered
        | ReportKey::Reply
        | ReportKey::Release
        | ReportKey::Deployment(_)
        | ReportKey::ProtectionRule
        | ReportKey::AgentComment
        | ReportKey::Proposal
        | ReportKey::Pushed
        | ReportKey::Issue(_) => render::report(run, &key, engine.options.public_url.as_deref()),
    };
    let report = match rendered {
        Ok(report) => report,
        Err(cause) => return Done::Events(vec![RunEvent::PublishRefused { key, digest, cause }]),
    };
    let mut published = forge.publish(&run.repo, &report, known).await;
    if let (Err(ForgeError::Refused { cause, .. }), Some(plain)) = (&published, plainer(&report)) {
        // Whoever waits for the check is to learn how it ended, whatever it was that the forge did not like about the details.
        tracing::warn!(run.id = %run.id, repo = %run.repo, report = ?key, cause, "the forge will not show a check in full");
        // Of a check with many annotations the first part may be there already.
        let known = if matches!(known, Known::Never) { &Known::Maybe } else { known };
        published = forge.publish(&run.repo, &plain, known).await;
    }
    drop(lock);
    match published {
        Ok(published) => Done::Events(vec![RunEvent::Published { key, digest, id: published.id }]),
        Err(error) => match again_or_final(error) {
            Ok(Done::Again { after: None, cause }) => {
                Done::Again { after: Some(Duration::from_millis(engine.options.uncertain_ms)), cause }
            }
            Ok(done) => done,
            Err(cause) => {
                tracing::warn!(run.id = %run.id, repo = %run.repo, report = ?key, cause, "the forge will not show a report");
                Done::Events(vec![RunEvent::PublishRefused { key, digest, cause }])
            }
        },
    }
}

/// A check with its outcome, and a word in the place of the rest.
fn plainer(report: &Report) -> Option<Report> {
    let Report::Check(check) = report else { return None };
    let page = match &check.details_url {
        Some(_) => "They are on the page that this check leads to.",
        None => "`gatewright runs show` has what came of it.",
    };
    let summary = format!("The forge refused to show this check with its details. {page}");
    let plain = CheckReport { summary, text: None, annotations: Vec::new(), suggestions: Vec::new(), ..(**check).clone() };
    Some(Report::Check(Box::new(plain)))
}

/// The reply to an earlier command, which no longer holds.
async fn outdated(engine: &Engine, earlier: RunId) -> Result<Report, String> {
    let run = engine.run(earlier).await.map_err(|error| error.to_string())?;
    render::reply(&run.ok_or("the earlier command has been pruned")?, Holds::NoLonger)
}

/// The comment that tells of a release, with what its rollouts were rolled back for.
async fn release_comment(engine: &Engine, run: &Run) -> Result<Report, String> {
    let release = run.release().ok_or("the run is no release")?;
    let mut seen = Vec::new();
    for (environment, id, state) in release.rollouts.iter().flatten() {
        if !matches!(state, Some(RolloutState::RolledBack { .. })) {
            continue;
        }
        // What has been pruned meanwhile has no picture any more either.
        let rollout = engine.run(*id).await.map_err(|error| error.to_string())?;
        if let Some(evidence) = rollout.as_ref().and_then(Run::rollout).and_then(rollout::evidence) {
            seen.push((*id, format!("{} in {environment}. {}", release.spec.tag, evidence.title())));
        }
    }
    render::release_comment(run, release, &seen, engine.options.public_url.as_deref())
}

/// An artefact of a release.
async fn asset(engine: &Engine, run: &Run, name: &AssetName) -> Result<Report, String> {
    let release = run.release().ok_or("the run is no release")?;
    let artefact = release.artefacts.iter().find(|artefact| artefact.name == *name).ok_or("the release has no such artefact")?;
    let content = engine.deps.blobs.get(&artefact.blob).await.map_err(|error| error.to_string())?;
    let url = engine.options.public_url.as_ref().map(|url| format!("{url}/runs/{}/artefacts/{name}", run.id));
    Ok(Report::Asset(Box::new(AssetReport {
        tag: release.spec.tag.clone(),
        name: name.clone(),
        content_type: "application/octet-stream".to_owned(),
        content: content.ok_or("the artefact has been pruned")?,
        sha256: artefact.blob.to_string(),
        url,
    })))
}

/// What the findings of a gate are for code scanning.
async fn scan(engine: &Engine, run: &Run, gate: &GateName) -> Result<Report, String> {
    let gates = run.gates().ok_or("the run has no gates")?;
    let blob = gates.step(gate).and_then(Step::scan).ok_or("the gate has nothing for code scanning")?;
    let of = gates.scan_of().ok_or("code scanning takes no findings of this")?;
    let sarif = engine.deps.blobs.get(blob).await.map_err(|error| error.to_string())?;
    let sarif = sarif.ok_or("the findings have been pruned")?;
    Ok(Report::Scan(Box::new(ScanReport { head: gates.spec.head.clone(), of, sarif })))
}
