//! A pipeline once more without a model: the model's part is read from its journal, tools and gates are used again, and what comes of them
//! is compared with what came of them then.
//!
//! [`Recorded`] is a model like any other; the loop does not know that nobody is asked. What is compared is pure ([`differences`]).
//! `gatewright agent replay` calls it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use gatewright_core::model::{Ask, Model, ModelError, ModelName, Price, ProviderHealth, Reply};
use gatewright_core::run::{AgentEvent, AgentRun, Doing, JournalEntry, Run, RunEvent, Scarce};
use gatewright_core::store::Blobs;
use gatewright_core::{BlobId, CommitId};

use super::turn::{Lost, kept};

mod compare;

pub use compare::{Difference, Told, differences};

/// The blobs that a replay reads of a run: what agents were shown and told, what models said and what tools said. What was in files is not
/// among them, since files are compared by their digests.
pub fn blobs(journal: &[JournalEntry]) -> Vec<BlobId> {
    let mut all = Vec::new();
    for event in events(journal) {
        match event {
            AgentEvent::Prepared { prepared } => all.extend(prepared.prompts.values().chain([&prepared.context]).cloned()),
            AgentEvent::Replied { reply, .. } => all.push(reply.blob.clone()),
            AgentEvent::Acted { acted, .. } => all.push(acted.blob.clone()),
            AgentEvent::Refused { .. }
            | AgentEvent::TurnBegun { .. }
            | AgentEvent::TurnFailed { .. }
            | AgentEvent::Broken { .. }
            | AgentEvent::ProgramEnded { .. }
            | AgentEvent::Expired { .. }
            | AgentEvent::Spent { .. }
            | AgentEvent::Verified { .. }
            | AgentEvent::Judged { .. } => {}
        }
    }
    all.sort();
    all.dedup();
    all
}

/// The events of a pipeline's journal.
fn events(journal: &[JournalEntry]) -> impl Iterator<Item = &AgentEvent> {
    journal.iter().filter_map(|entry| match &entry.event {
        RunEvent::Agent { event } => Some(&**event),
        _ => None,
    })
}

/// What of a journal can be replayed.
#[derive(Debug, Clone)]
pub struct Replayable {
    /// What the journal of the replay says when it begins: the inputs as they were pinned.
    pub known: Vec<RunEvent>,
    /// The commit that agents worked on.
    pub commit: CommitId,
    /// Why the journal ends before the pipeline did, for people: what would have come after is not compared.
    pub cut: Option<String>,
}

/// What of a run can be replayed, or why nothing can, for people.
pub fn replayable(run: &Run, journal: &[JournalEntry]) -> Result<Replayable, String> {
    let of = run.agent().ok_or("it is none of agents")?;
    if run.finished.is_none() {
        return Err("it is not over yet".to_owned());
    }
    let prepared = of.prepared.as_ref().ok_or("no agent ever began in it")?;
    let outside = |stage: &&gatewright_core::run::StageRun| match &stage.what {
        Doing::Program(program) => !program.egress.is_empty() || !program.keys.is_empty(),
        Doing::Agent(_) | Doing::Verify(_) | Doing::Finally(_) => false,
    };
    if let Some(stage) = of.stages.iter().find(outside) {
        return Err(format!(
            "its stage `{}` is a program with `egress` or `keys`: it asks others over a network, and what they answered it is in no journal",
            stage.name
        ));
    }
    let pinned = journal.iter().find(|entry| match &entry.event {
        RunEvent::Agent { event } => matches!(**event, AgentEvent::Prepared { .. }),
        _ => false,
    });
    let known = pinned.map(|entry| entry.event.clone()).into_iter().collect();
    Ok(Replayable { known, commit: prepared.commit.clone(), cut: cut(of, journal) })
}

/// What ended the pipeline that no replay can act out again.
fn cut(of: &AgentRun, journal: &[JournalEntry]) -> Option<String> {
    if let Some(reason) = &of.cancel {
        return Some(reason.to_string());
    }
    let (mut lost, mut why) = (0_i64, None);
    for event in events(journal) {
        match event {
            AgentEvent::TurnBegun { .. } => lost += 1,
            AgentEvent::Replied { .. } | AgentEvent::TurnFailed { .. } => lost -= 1,
            AgentEvent::Spent { what: Scarce::Time } => why = Some(Scarce::Time.words().to_owned()),
            // What a turn cost whose answer was lost with the process, no replay pays.
            AgentEvent::Spent { what } if lost > 0 => why = Some(format!("{}, with turns in it that were lost", what.words())),
            AgentEvent::Expired { stage } => why = Some(format!("stage {stage} was not over in time")),
            AgentEvent::Broken { stage, because } => why = Some(format!("stage {stage} could not go on: {because}")),
            AgentEvent::Prepared { .. }
            | AgentEvent::Refused { .. }
            | AgentEvent::Acted { .. }
            | AgentEvent::ProgramEnded { .. }
            | AgentEvent::Spent { .. }
            | AgentEvent::Verified { .. }
            | AgentEvent::Judged { .. } => {}
        }
        if why.is_some() {
            break;
        }
    }
    why
}

/// What was said in a turn of a stage, in order where the turn was taken more than once.
type Said = BTreeMap<(u16, u32), VecDeque<Result<Reply, String>>>;

/// A model that says what a journal has.
#[derive(Debug)]
pub struct Recorded {
    said: Mutex<Said>,
}

impl Recorded {
    /// Reads what models said. An error is for people: what they said is no longer kept.
    pub async fn read(blobs: &dyn Blobs, journal: &[JournalEntry]) -> Result<Recorded, String> {
        let mut said = Said::new();
        // What was said last where a pipeline was cut short came to nothing then, and is to come to nothing now.
        let mut acted: BTreeMap<(u16, u32), usize> = BTreeMap::new();
        for event in events(journal) {
            if let AgentEvent::Acted { stage, turn, .. } = event {
                *acted.entry((*stage, *turn)).or_default() += 1;
            }
        }
        for event in events(journal) {
            let (key, reply) = match event {
                AgentEvent::Replied { stage, turn, reply } => {
                    let Some(left) = acted.get_mut(&(*stage, *turn)).filter(|left| **left > 0) else { continue };
                    *left -= 1;
                    let reply = kept::<Reply>(blobs, &reply.blob).await.map_err(|lost| match lost {
                        Lost::Later(cause) | Lost::Never(cause) => cause,
                    })?;
                    ((*stage, *turn), Ok(reply))
                }
                AgentEvent::TurnFailed { stage, turn, because } => ((*stage, *turn), Err(because.clone())),
                _ => continue,
            };
            said.entry(key).or_default().push_back(reply);
        }
        Ok(Recorded { said: Mutex::new(said) })
    }
}

#[async_trait]
impl Model for Recorded {
    async fn reply(&self, ask: &Ask) -> Result<Reply, ModelError> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        match said.get_mut(&(ask.stage, ask.turn)).and_then(VecDeque::pop_front) {
            Some(Ok(reply)) => Ok(reply),
            Some(Err(because)) => Err(ModelError::Unknown(because)),
            None => Err(ModelError::Unknown(format!("the journal has no turn {} of stage {}", ask.turn, ask.stage))),
        }
    }

    fn price(&self, _model: &ModelName) -> Option<Price> {
        None
    }

    fn usual(&self) -> Vec<ModelName> {
        Vec::new()
    }

    fn unknown(&self, _model: &ModelName) -> Option<String> {
        None
    }

    fn health(&self) -> Vec<ProviderHealth> {
        Vec::new()
    }
}
