//! Judge: gathers what agents handed over and what came of it, has the policy decide, and keeps what is shown.

use std::collections::BTreeMap;

use bytes::Bytes;
use gatewright_core::agent::Handover;
use gatewright_core::run::{AgentEvent, AgentPrepared, AgentRun, Offer, Run};
use gatewright_core::survey::SurveyWanted;
use gatewright_reports::{Diff, LineRange};

use super::done;
use super::policy::{self, Handed, Judged, Shown, Verified};
use super::session::{self, NoSession};
use super::turn::{Lost, kept};
use crate::Engine;
use crate::perform::Done;
use crate::redact::Redactor;

/// The result's diff is looked through whole: a tree has at most 4 MiB, and what it replaces is not longer than a file of a repository.
const DIFF_BYTES_MAX: usize = 64 * 1024 * 1024;

pub(super) async fn judge(engine: &Engine, run: &Run, of: &AgentRun) -> Done {
    session::close(engine, run.id, None).await;
    let Some(prepared) = &of.prepared else { return Done::GivenUp };
    match judged(engine, run, of, prepared).await {
        Ok(judged) => offers(engine, judged).await,
        Err(NoSession::Later(cause)) => Done::Again { after: None, cause },
        // What cannot be looked at is not shown.
        Err(NoSession::Never(cause)) => {
            let offer = |what| Offer { what, blob: None, refused: Some(format!("it could not be looked at: {cause}")) };
            done(AgentEvent::Judged { offers: prepared.pipeline.may.iter().copied().map(offer).collect() })
        }
    }
}

async fn judged(engine: &Engine, run: &Run, of: &AgentRun, prepared: &AgentPrepared) -> Result<Vec<Judged>, NoSession> {
    let mut handovers = Vec::new();
    for stage in &of.stages {
        let Some(note) = &stage.handover else { continue };
        let handover: Handover = kept(&*engine.deps.blobs, &note.blob).await.map_err(|lost| match lost {
            Lost::Later(cause) => NoSession::Later(cause),
            Lost::Never(cause) => NoSession::Never(cause),
        })?;
        handovers.push((stage.name.clone(), handover));
    }
    let added = added(engine, run, of, prepared).await?;
    let lines = lines(engine, run, prepared).await?;
    let verified = match (of.is_verified(), of.stages.iter().any(|stage| stage.proves())) {
        (true, _) => Verified::Yes,
        (false, true) => Verified::No,
        (false, false) => Verified::NotAsked,
    };
    let handed = Handed {
        pipeline: &prepared.pipeline,
        pull: prepared.pull.as_ref(),
        handovers: &handovers,
        result: of.result(),
        added: &added,
        lines: &lines,
        protected: &prepared.protected,
        verified,
    };
    Ok(policy::judged(&handed, &mut Redactor::new(engine.options.secrets.iter().cloned())))
}

/// The lines that the result adds.
async fn added(engine: &Engine, run: &Run, of: &AgentRun, prepared: &AgentPrepared) -> Result<String, NoSession> {
    if of.result().is_empty() {
        return Ok(String::new());
    }
    let source = session::source(engine, run, prepared, of.result()).await?;
    let diff = engine.deps.sandbox.diff(&source, &prepared.commit, DIFF_BYTES_MAX).await?;
    let added = diff.lines().filter(|line| line.starts_with('+') && !line.starts_with("+++ "));
    Ok(added.map(|line| &line[1..]).collect::<Vec<_>>().join("\n"))
}

/// The lines that the pull request adds.
async fn lines(engine: &Engine, run: &Run, prepared: &AgentPrepared) -> Result<BTreeMap<String, Vec<u32>>, NoSession> {
    let (Some(pull), Some(forge)) = (&prepared.pull, engine.forge(run.repo.forge)) else { return Ok(BTreeMap::new()) };
    let since = forge.merge_base(&run.repo, pull).await.map_err(|error| NoSession::Later(error.to_string()))?;
    let source = session::source_of(engine, run, &prepared.commit, &[]).await?;
    let wanted = SurveyWanted { diff: true, ..SurveyWanted::default() };
    let survey = engine.deps.sandbox.survey(&source, Some(&since), &wanted).await?;
    let Some(Ok(diff)) = survey.diff.map(|diff| Diff::read(&diff[..])) else { return Ok(BTreeMap::new()) };
    let lines = |(path, ranges): (&str, &[LineRange])| {
        (path.to_owned(), ranges.iter().flat_map(|range| range.first..=range.last).collect())
    };
    Ok(diff.added().map(lines).collect())
}

async fn offers(engine: &Engine, judged: Vec<Judged>) -> Done {
    let mut offers = Vec::new();
    for Judged { what, shown } in judged {
        let (blob, refused) = match shown {
            Err(because) => (None, Some(because)),
            Ok(shown) => match put(engine, &shown).await {
                Ok(blob) => (Some(blob), None),
                Err(cause) => return Done::Again { after: None, cause },
            },
        };
        offers.push(Offer { what, blob, refused });
    }
    done(AgentEvent::Judged { offers })
}

async fn put(engine: &Engine, shown: &Shown) -> Result<gatewright_core::BlobId, String> {
    let json = serde_json::to_vec(shown).map_err(|error| error.to_string())?;
    engine.deps.blobs.put(Bytes::from(json)).await.map_err(|error| error.to_string())
}
