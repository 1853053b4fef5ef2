//! The desk: what an operator may look up in the store and have done, in one place for the running service's socket
//! ([`socket`]) and for commands that open the store themselves ([`source`]).

use std::sync::Arc;

use bytes::Bytes;
use gatewright_core::facts::{BenchmarkFacts, Facts};
use gatewright_core::run::{JournalEntry, Run, RunEvent, StepState};
use gatewright_core::store::{
    AuditEntry, Blobs, DeliveryRecord, Environments, Phase, RunFilter, RunRecord, Store, StoreError, StoreUpkeep,
};
use gatewright_core::verdict::{Evidence, LogRef, Output, StepOutcome};
use gatewright_core::{DeliveryId, ForgeKind, GateName, RunId, Subject, Timestamp};
use gatewright_engine::{Engine, Wait};
use serde::{Deserialize, Serialize};

pub(crate) mod agents;
pub(crate) mod releases;
pub(crate) mod socket;
pub(crate) mod source;

/// A repository is looked for by its path among so many of the newest runs. An older one is found by its number.
const RUNS_SEARCHED_MAX: usize = 20_000;

/// So many of them are read at once.
const SEARCH_PAGE: usize = 500;

/// Deliveries and lines of the audit log are paged through so many of the newest; they have no index to begin a page at.
const LINES_SEARCHED_MAX: usize = 10_000;

/// Which runs to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct RunsQuery {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) repo: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<Phase>,
    pub(crate) limit: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<RunId>,
}

/// Which deliveries to list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DeliveriesQuery {
    pub(crate) limit: u32,
    /// Only older than this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<DeliveryId>,
}

/// Which lines of the audit log to list.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct AuditQuery {
    pub(crate) limit: u32,
    /// Only of earlier seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Timestamp>,
}

/// A run and its whole journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunPage {
    pub(crate) run: RunRecord,
    pub(crate) journal: Vec<JournalEntry>,
    /// What failed and is to be tried again, where the service that drives the run is asked.
    #[serde(default)]
    pub(crate) waits: Vec<Wait>,
}

impl RunPage {
    /// The run as its journal tells it. None where this version cannot read the journal.
    pub(crate) fn replayed(&self) -> Option<Run> {
        Run::replay(self.run.id, &self.journal).ok()
    }

    /// The log of a gate's last step that wrote one.
    pub(crate) fn log_of(&self, gate: &GateName) -> Option<LogRef> {
        self.outcomes_of(gate).find_map(|outcome| outcome.log.clone())
    }

    /// The files that a gate's last step has kept.
    pub(crate) fn outputs_of(&self, gate: &GateName) -> impl Iterator<Item = &Output> {
        self.outcomes_of(gate).next().into_iter().flat_map(|outcome| &outcome.outputs)
    }

    /// What came of a gate's steps, the last one first.
    fn outcomes_of(&self, gate: &GateName) -> impl Iterator<Item = &StepOutcome> {
        self.journal.iter().rev().filter_map(move |entry| match &entry.event {
            RunEvent::StepFinished { gate: of, outcome } if of == gate => Some(&**outcome),
            _ => None,
        })
    }
}

/// A recorded delivery and its body.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DeliveryPage {
    pub(crate) delivery: DeliveryRecord,
    /// The body as it was sent.
    pub(crate) body: String,
}

/// What came of a retry.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Retried {
    pub(crate) run: RunId,
    /// False where it was not set aside.
    pub(crate) retried: bool,
}

/// Why the desk cannot answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeskError {
    /// There is no such thing.
    #[error("{0}")]
    Missing(String),
    /// It is not done as things stand.
    #[error("{0}")]
    Refused(String),
    /// The store, or the way to it, failed.
    #[error("{0}")]
    Failed(String),
}

impl From<StoreError> for DeskError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoRun(_) => DeskError::Missing(error.to_string()),
            StoreError::LeaseLost(_)
            | StoreError::WrongSeq { .. }
            | StoreError::Untaken(_)
            | StoreError::Full(_)
            | StoreError::Unavailable(_)
            | StoreError::Damaged(_) => DeskError::Failed(error.to_string()),
        }
    }
}

/// Looks things up in a store.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) upkeep: Arc<dyn StoreUpkeep>,
    pub(crate) environments: Arc<dyn Environments>,
    pub(crate) blobs: Arc<dyn Blobs>,
    /// The engine of the running service, which is to be told when a run becomes ready.
    pub(crate) engine: Option<Arc<Engine>>,
}

impl Desk {
    pub(crate) async fn runs(&self, query: &RunsQuery) -> Result<Vec<RunRecord>, DeskError> {
        let repo = match &query.repo {
            Some(repo) => Some(self.repo_key(repo).await?),
            None => None,
        };
        let filter = RunFilter { repo, phase: query.state, before: query.before, ..RunFilter::default() };
        Ok(self.store.list(&filter, query.limit as usize).await?)
    }

    pub(crate) async fn run(&self, id: RunId) -> Result<RunPage, DeskError> {
        let (run, journal) = self.store.journal(id).await?;
        let waits = self.engine.as_ref().map(|engine| engine.waits_of(id)).unwrap_or_default();
        Ok(RunPage { run, journal, waits })
    }

    pub(crate) async fn log(&self, id: RunId, gate: &GateName) -> Result<Bytes, DeskError> {
        if let Some(so_far) = self.engine.as_ref().and_then(|engine| engine.log_so_far(id, gate)) {
            return Ok(so_far);
        }
        let page = self.run(id).await?;
        let log = page.log_of(gate).ok_or_else(|| DeskError::Missing(format!("run {id} has no log of a gate {gate}")))?;
        let bytes = self.blobs.get(&log.blob).await?;
        bytes.ok_or_else(|| DeskError::Missing(format!("the log of gate {gate} in run {id} has been pruned")))
    }

    /// A file that a gate has kept.
    pub(crate) async fn output(&self, id: RunId, gate: &GateName, path: &str) -> Result<Bytes, DeskError> {
        let page = self.run(id).await?;
        let known = page.outputs_of(gate).find(|output| output.path == path).map(|output| output.blob.clone());
        let blob = known.ok_or_else(|| DeskError::Missing(format!("gate {gate} of run {id} has kept no file {path}")))?;
        let bytes = self.blobs.get(&blob).await?;
        bytes.ok_or_else(|| DeskError::Missing(format!("{path} of gate {gate} in run {id} has been pruned")))
    }

    /// What the gates of a run have kept of their benchmarks, oldest first: runs of its base branch before it, then the run itself.
    /// Gates that have measured nothing are left out.
    pub(crate) async fn benchmarks(&self, run: &Run) -> Result<Vec<(GateName, Vec<BenchmarkFacts>)>, DeskError> {
        let mut all = Vec::new();
        for (gate, facts) in self.measured(run).await? {
            all.push((gate, vec![facts]));
        }
        let Some(branch) = run.gates().map(|gates| gates.base_ref().to_owned()).filter(|_| !all.is_empty()) else {
            return Ok(all);
        };
        let subject = Some(Subject::Branch { name: branch }.key(&run.repo));
        let filter = RunFilter { subject, before: Some(run.id), ..RunFilter::default() };
        // Newest first, so each is put before those that are there.
        for record in self.store.list(&filter, Evidence::HISTORY_MAX).await? {
            let (_, journal) = self.store.journal(record.id).await?;
            let Ok(past) = Run::replay(record.id, &journal) else { continue };
            for (gate, facts) in self.measured(&past).await? {
                if let Some((_, runs)) = all.iter_mut().find(|(name, _)| *name == gate) {
                    runs.insert(0, facts);
                }
            }
        }
        Ok(all)
    }

    /// What the gates of one run have kept of their benchmarks.
    async fn measured(&self, run: &Run) -> Result<Vec<(GateName, BenchmarkFacts)>, DeskError> {
        let mut all = Vec::new();
        for step in run.gates().into_iter().flat_map(|gates| &gates.steps) {
            let StepState::Done { outcome, .. } = &step.state else { continue };
            if step.gate.benchmark.reports.is_empty() {
                continue;
            }
            let Some(blob) = &outcome.facts else { continue };
            let facts = self.blobs.get(blob).await?.and_then(|text| serde_json::from_slice::<Facts>(&text).ok());
            all.extend(facts.and_then(|facts| facts.benchmarks).map(|benchmarks| (step.gate.name.clone(), benchmarks)));
        }
        Ok(all)
    }

    pub(crate) async fn retry(&self, id: RunId, now: Timestamp) -> Result<Retried, DeskError> {
        let retried = match &self.engine {
            Some(engine) => engine.retry(id, now).await?,
            None => self.upkeep.retry(id, now).await?,
        };
        if retried {
            self.upkeep.audit(&retry_entry(id, now)).await?;
        }
        Ok(Retried { run: id, retried })
    }

    pub(crate) async fn deliveries(&self, query: &DeliveriesQuery) -> Result<Vec<DeliveryRecord>, DeskError> {
        let limit = query.limit as usize;
        let Some(before) = &query.before else { return Ok(self.upkeep.deliveries(limit).await?) };
        for searched in windows() {
            let newest = self.upkeep.deliveries(searched).await?;
            let at = newest.iter().position(|delivery| delivery.id == *before);
            let (all, behind) = (newest.len() < searched, at.map(|at| newest.len() - at - 1));
            match at {
                Some(at) if all || searched == LINES_SEARCHED_MAX || behind >= Some(limit) => {
                    return Ok(newest.into_iter().skip(at + 1).take(limit).collect());
                }
                None if all => break,
                Some(_) | None => {}
            }
        }
        let message = format!("the delivery {before} is not among the newest {LINES_SEARCHED_MAX}");
        Err(DeskError::Missing(message))
    }

    pub(crate) async fn delivery(&self, id: &DeliveryId) -> Result<DeliveryPage, DeskError> {
        let found = self.upkeep.delivery(id).await?;
        let (delivery, body) = found.ok_or_else(|| DeskError::Missing(format!("there is no delivery {id}")))?;
        Ok(DeliveryPage { delivery, body: String::from_utf8_lossy(&body).into_owned() })
    }

    pub(crate) async fn audited(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>, DeskError> {
        let limit = query.limit as usize;
        for searched in windows() {
            let newest = self.upkeep.audited(searched).await?;
            let all = newest.len() < searched || searched == LINES_SEARCHED_MAX;
            if let Some(page) = page_of_seconds(newest, query.before, limit, all) {
                return Ok(page);
            }
        }
        Ok(Vec::new())
    }

    /// The key of a repository that a person named.
    async fn repo_key(&self, name: &str) -> Result<String, DeskError> {
        if let Some((forge, number)) = name.split_once('/')
            && [ForgeKind::Github.as_str(), ForgeKind::Gitlab.as_str()].contains(&forge)
            && number.bytes().all(|b| b.is_ascii_digit())
        {
            return Ok(name.to_owned());
        }
        let mut before = None;
        for _ in 0..RUNS_SEARCHED_MAX / SEARCH_PAGE {
            let page = self.store.list(&RunFilter { before, ..RunFilter::default() }, SEARCH_PAGE).await?;
            if let Some(run) = page.iter().find(|run| run.repo.path.eq_ignore_ascii_case(name)) {
                return Ok(run.repo.key());
            }
            match page.last() {
                Some(last) if page.len() == SEARCH_PAGE => before = Some(last.id),
                Some(_) | None => break,
            }
        }
        Err(DeskError::Missing(format!("no run of a repository `{name}` is known")))
    }
}

/// Ever more of the newest lines, up to as many as are searched.
fn windows() -> impl Iterator<Item = usize> {
    let doubled = std::iter::successors(Some(SEARCH_PAGE), |size| (*size < LINES_SEARCHED_MAX).then_some(size * 2));
    doubled.map(|size| size.min(LINES_SEARCHED_MAX))
}

/// The page of a list, newest first, that begins before this second: `limit` lines, and those of the last one's second. None
/// where it may go on behind the list's end, unless these are `all` that there are.
fn page_of_seconds(newest: Vec<AuditEntry>, before: Option<Timestamp>, limit: usize, all: bool) -> Option<Vec<AuditEntry>> {
    let second = |at: Timestamp| at.as_second();
    let mut page: Vec<AuditEntry> =
        newest.into_iter().filter(|entry| before.is_none_or(|before| second(entry.at) < second(before))).collect();
    // Lines are in the order in which they were written, which is not quite that of their times.
    page.sort_by_key(|entry| std::cmp::Reverse(second(entry.at)));
    let last = page.get(limit.saturating_sub(1)).map(|entry| second(entry.at));
    let end = last.and_then(|last| page.iter().position(|entry| second(entry.at) < last));
    match (end, all) {
        (Some(end), _) => page.truncate(end),
        (None, true) => {}
        (None, false) => return None,
    }
    Some(page)
}

fn retry_entry(id: RunId, now: Timestamp) -> AuditEntry {
    AuditEntry {
        at: now,
        actor: "operator".to_owned(),
        action: "run.retry".to_owned(),
        target: id.to_string(),
        commit: None,
        outcome: "ready again".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines at these milliseconds, each with its own as its target.
    fn lines(at: &[i64]) -> Vec<AuditEntry> {
        let line = |ms: &i64| AuditEntry {
            at: Timestamp::from_millisecond(*ms).expect("in range"),
            actor: "ann".to_owned(),
            action: "command.run".to_owned(),
            target: ms.to_string(),
            commit: None,
            outcome: "obeyed".to_owned(),
        };
        at.iter().map(line).collect()
    }

    fn page(at: &[i64], before_ms: Option<i64>, limit: usize, all: bool) -> Option<Vec<i64>> {
        let before = before_ms.map(|ms| Timestamp::from_millisecond(ms).expect("in range"));
        let page = page_of_seconds(lines(at), before, limit, all)?;
        Some(page.iter().map(|line| line.at.as_millisecond()).collect())
    }

    #[test]
    fn pages_of_the_audit_log_part_no_second_so_that_none_of_its_lines_is_lost() {
        let log = [5_200, 4_900, 4_100, 4_000, 3_000];
        assert_eq!(page(&log, None, 2, true), Some(vec![5_200, 4_900, 4_100, 4_000]));
        assert_eq!(page(&log, Some(4_000), 2, true), Some(vec![3_000]));
        assert_eq!(page(&log, Some(4_900), 2, true), Some(vec![3_000]), "a second is the same however it is written");
        assert_eq!(page(&log, None, 1, true), Some(vec![5_200]));
        assert_eq!(page(&log, Some(3_000), 1, true), Some(vec![]));
    }

    #[test]
    fn a_page_that_may_go_on_behind_what_was_read_is_read_anew() {
        let log = [5_200, 4_900, 4_100];
        assert_eq!(page(&log, None, 2, false), None);
        assert_eq!(page(&log, None, 1, false), Some(vec![5_200]));
        assert_eq!(page(&log, Some(4_000), 1, false), None);
    }

    #[test]
    fn clocks_that_disagree_a_little_part_no_second_either() {
        assert_eq!(page(&[5_000, 4_900, 5_100, 4_000], None, 1, true), Some(vec![5_000, 5_100]));
    }

    #[test]
    fn ever_more_lines_are_read_up_to_the_limit() {
        assert_eq!(windows().collect::<Vec<_>>(), [500, 1_000, 2_000, 4_000, 8_000, 10_000]);
    }
}
