//! The desk's part about pipelines of agents: which there have been, what was said in a stage, and what is needed to run one again.

use std::collections::BTreeMap;

use gatewright_core::model::Ask;
use gatewright_core::run::Run;
use gatewright_core::store::{RunFilter, RunRecord};
use gatewright_core::{BlobId, RunId};
use gatewright_engine::agents::{replay, show, turn};
use serde::{Deserialize, Serialize};

use super::{Desk, DeskError, RUNS_SEARCHED_MAX, RunsQuery, SEARCH_PAGE};

/// Subjects of agents' runs end so.
const SUBJECT_END: &str = "/agents";

/// A run of agents, as it stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AgentsView {
    pub(crate) run: RunRecord,
    /// The pipeline, once it is known which one it is.
    pub(crate) pipeline: Option<String>,
    /// How it stands, in one line.
    pub(crate) headline: String,
    pub(crate) turns: u32,
    pub(crate) tokens: u64,
    /// None: something was used whose price nobody has said.
    pub(crate) micro_usd: Option<u64>,
}

/// What was said in a pipeline, by the digest of each text: JSON that the engine knows.
pub(crate) type Said = BTreeMap<BlobId, String>;

impl Desk {
    /// Runs of agents, newest first.
    pub(crate) async fn agents(&self, query: &RunsQuery) -> Result<Vec<AgentsView>, DeskError> {
        let repo = match &query.repo {
            Some(repo) => Some(self.repo_key(repo).await?),
            None => None,
        };
        let mut filter = RunFilter { repo, phase: query.state, before: query.before, ..RunFilter::default() };
        let mut found = Vec::new();
        for _ in 0..RUNS_SEARCHED_MAX / SEARCH_PAGE {
            let page = self.store.list(&filter, SEARCH_PAGE).await?;
            let (last, whole) = (page.last().map(|run| run.id), page.len() == SEARCH_PAGE);
            for run in page.into_iter().filter(|run| run.subject.ends_with(SUBJECT_END)) {
                found.extend(self.view(run).await?);
                if found.len() == query.limit as usize {
                    return Ok(found);
                }
            }
            if !whole {
                break;
            }
            filter.before = last;
        }
        Ok(found)
    }

    /// None: it is another's, of a branch that is called so.
    async fn view(&self, run: RunRecord) -> Result<Option<AgentsView>, DeskError> {
        let (_, journal) = self.store.journal(run.id).await?;
        let replayed = Run::replay(run.id, &journal).ok();
        let Some(replayed) = &replayed else {
            let headline = "this version cannot read its journal".to_owned();
            return Ok(Some(AgentsView { run, pipeline: None, headline, turns: 0, tokens: 0, micro_usd: None }));
        };
        Ok(replayed.agent().map(|of| AgentsView {
            run,
            pipeline: of.pipeline().map(str::to_owned),
            headline: show::headline(of),
            turns: of.turns,
            tokens: of.spent.tokens,
            micro_usd: (!of.unpriced).then_some(of.spent.micro_usd),
        }))
    }

    /// What was asked and answered in a stage of a pipeline of agents.
    pub(crate) async fn transcript(&self, id: RunId, stage: u16) -> Result<Ask, DeskError> {
        let page = self.run(id).await?;
        let run = page.replayed().ok_or_else(|| DeskError::Missing(format!("run {id} cannot be read by this version")))?;
        turn::transcript(&*self.blobs, &run, stage).await.map_err(DeskError::Missing)
    }

    /// All that was said in a pipeline, by both sides and by their tools.
    pub(crate) async fn said(&self, id: RunId) -> Result<Said, DeskError> {
        let page = self.run(id).await?;
        let mut said = Said::new();
        for blob in replay::blobs(&page.journal) {
            let bytes = self.blobs.get(&blob).await?;
            let text = bytes.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
            let text = text.ok_or_else(|| DeskError::Missing(format!("what was said in run {id} has been pruned")))?;
            said.insert(blob, text);
        }
        Ok(said)
    }
}
