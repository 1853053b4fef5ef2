//! The desk's part about releases and environments: what is known of them, and what the operator has done with them.

use std::collections::BTreeMap;

use bytes::Bytes;
use gatewright_core::order::Ordered;
use gatewright_core::run::{Artefact, Call, GatesState, PlannedEnvironment, ReleaseRun, RolloutState, Run};
use gatewright_core::store::RunFilter;
use gatewright_core::{CommitId, EnvironmentName, RepoRef, RunId, Timestamp};
use gatewright_engine::operator::{Operation, OperationError, ReleasePlan};
use gatewright_engine::overview::{self, Deployment, EnvironmentOverview};
use gatewright_engine::release::changelog_words;
use gatewright_engine::render::release_headline;
use gatewright_engine::statistics::{self, Figures};
use serde::{Deserialize, Serialize};

use super::{Desk, DeskError, RUNS_SEARCHED_MAX, SEARCH_PAGE};

/// Where a name is not known, so many others are named.
const NAMED_MAX: usize = 20;

const DAY_SECS: i64 = 24 * 3600;

/// Which environments to look at.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct EnvironmentsQuery {
    pub(crate) repo: Option<String>,
    pub(crate) environment: Option<String>,
}

/// Environments of a repository.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Environments {
    /// None where nothing is known of any repository yet.
    pub(crate) repo: Option<RepoRef>,
    pub(crate) environments: Vec<EnvironmentOverview>,
}

/// Which releases to look at.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ReleasesQuery {
    pub(crate) repo: Option<String>,
    pub(crate) tag: Option<String>,
    pub(crate) limit: u32,
}

/// A release as it stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ReleaseView {
    pub(crate) run: RunId,
    pub(crate) tag: String,
    pub(crate) version: Option<String>,
    pub(crate) commit: Option<CommitId>,
    pub(crate) branch: Option<String>,
    pub(crate) previous: Option<String>,
    pub(crate) prerelease: bool,
    /// How it stands, in one line.
    pub(crate) headline: String,
    /// Why it goes no further.
    pub(crate) problem: Option<String>,
    pub(crate) begun_at: Timestamp,
    pub(crate) gates: Option<GatesState>,
    pub(crate) planned: Vec<PlannedEnvironment>,
    pub(crate) rollouts: Vec<RolloutOf>,
    pub(crate) artefacts: Vec<Artefact>,
    /// What became of the changelog file, where one is asked for. Markdown, made by us.
    #[serde(default)]
    pub(crate) changelog: Option<String>,
    /// Markdown, made by us.
    pub(crate) notes: String,
}

/// A rollout of a release, as far as it has told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RolloutOf {
    pub(crate) environment: EnvironmentName,
    pub(crate) run: RunId,
    pub(crate) state: Option<RolloutState>,
}

impl ReleaseView {
    pub(crate) fn of(run: &Run, release: &ReleaseRun) -> ReleaseView {
        let valid = release.valid.as_deref();
        let rollouts = release.rollouts.iter().flatten().map(|(environment, run, state)| RolloutOf {
            environment: environment.clone(),
            run: *run,
            state: state.clone(),
        });
        ReleaseView {
            run: run.id,
            tag: release.spec.tag.clone(),
            version: valid.map(|valid| valid.release.version.clone()),
            commit: valid.map(|valid| valid.release.commit.clone()).or_else(|| release.spec.commit.clone()),
            branch: valid.map(|valid| valid.branch.clone()),
            previous: valid.and_then(|valid| valid.previous.clone()),
            prerelease: valid.is_some_and(|valid| valid.prerelease),
            headline: release_headline(release),
            problem: release.problem().or_else(|| release.tag_trouble.clone()),
            begun_at: release.created_at,
            gates: release.gates.clone(),
            planned: release.planned.clone().unwrap_or_default(),
            rollouts: rollouts.collect(),
            artefacts: release.artefacts.clone(),
            changelog: changelog_words(run, release),
            notes: release.notes.clone(),
        }
    }
}

/// Which rollouts to count.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DeploymentsQuery {
    pub(crate) repo: Option<String>,
    pub(crate) days: u32,
    pub(crate) now: Timestamp,
}

/// What the operator wants done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OperateQuery {
    /// The same again changes nothing more.
    pub(crate) id: RunId,
    pub(crate) repo: Option<String>,
    pub(crate) environment: String,
    pub(crate) command: String,
    /// What is written behind the environment.
    pub(crate) args: Vec<String>,
}

/// What was done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Operated {
    pub(crate) repo: RepoRef,
    pub(crate) environment: EnvironmentName,
    /// What it came to, for people.
    pub(crate) outcome: String,
}

impl From<OperationError> for DeskError {
    fn from(error: OperationError) -> Self {
        match error {
            // It speaks of comments, and here is a command line.
            OperationError::Refused(because) => DeskError::Refused(because.replace("`/gw freeze", "`gatewright rollout freeze")),
            OperationError::Unavailable(cause) => DeskError::Failed(cause),
        }
    }
}

fn nothing_known() -> DeskError {
    DeskError::Missing("no run of any repository is known yet".to_owned())
}

impl Desk {
    pub(crate) async fn environments(&self, query: &EnvironmentsQuery, now: Timestamp) -> Result<Environments, DeskError> {
        let Some(repo) = self.repo_if_any(query.repo.as_deref()).await? else {
            return match query.environment {
                Some(_) => Err(nothing_known()),
                None => Ok(Environments { repo: None, environments: Vec::new() }),
            };
        };
        let names = match &query.environment {
            Some(word) => vec![self.environment_of(&repo, word, now).await?],
            None => overview::environment_names(self.store.as_ref(), &repo).await?,
        };
        let mut environments = Vec::new();
        for name in &names {
            environments.push(overview::environment(self.store.as_ref(), &repo, name, now).await?);
        }
        Ok(Environments { repo: Some(repo), environments })
    }

    pub(crate) async fn releases(&self, query: &ReleasesQuery) -> Result<Vec<ReleaseView>, DeskError> {
        let Some(repo) = self.repo_if_any(query.repo.as_deref()).await? else {
            return query.tag.as_ref().map_or_else(|| Ok(Vec::new()), |_| Err(nothing_known()));
        };
        let found = overview::releases(self.store.as_ref(), &repo, query.tag.as_deref(), query.limit as usize).await?;
        let view = |(_, run): &(_, Run)| run.release().map(|release| ReleaseView::of(run, release));
        let views: Vec<ReleaseView> = found.iter().filter_map(view).collect();
        match &query.tag {
            Some(tag) if views.is_empty() => Err(self.no_release(&repo, tag).await?),
            Some(_) | None => Ok(views),
        }
    }

    async fn no_release(&self, repo: &RepoRef, tag: &str) -> Result<DeskError, DeskError> {
        let known = overview::releases(self.store.as_ref(), repo, None, NAMED_MAX).await?;
        let tags: Vec<&str> = known.iter().filter_map(|(_, run)| run.release()).map(|of| of.spec.tag.as_str()).collect();
        Ok(unknown("release of the tag", tag, &repo.path, &tags))
    }

    pub(crate) async fn deployments(&self, query: &DeploymentsQuery) -> Result<Vec<Deployment>, DeskError> {
        match self.repo_if_any(query.repo.as_deref()).await? {
            Some(repo) => self.deployments_of(&repo, query.days, query.now).await,
            None => Ok(Vec::new()),
        }
    }

    async fn deployments_of(&self, repo: &RepoRef, days: u32, now: Timestamp) -> Result<Vec<Deployment>, DeskError> {
        let since = Timestamp::from_second(now.as_second() - i64::from(days) * DAY_SECS);
        Ok(overview::deployments(self.store.as_ref(), repo, since.unwrap_or(Timestamp::MIN)).await?)
    }

    /// How one environment has fared. None where nothing went there in that time.
    pub(crate) async fn figures(
        &self,
        repo: &RepoRef,
        environment: &EnvironmentName,
        days: u32,
        now: Timestamp,
    ) -> Result<Option<Figures>, DeskError> {
        let all = statistics::figures(&self.deployments_of(repo, days, now).await?, days);
        Ok(all.into_iter().find(|figures| figures.environment == *environment))
    }

    pub(crate) async fn plan(&self, query: &ReleasesQuery, now: Timestamp) -> Result<ReleasePlan, DeskError> {
        let engine = self.engine.as_ref().ok_or_else(needs_service)?;
        let repo = self.repo(query.repo.as_deref()).await?;
        Ok(engine.plan_release(&repo, query.tag.as_deref().unwrap_or_default(), now).await?)
    }

    pub(crate) async fn operate(&self, query: OperateQuery, now: Timestamp) -> Result<Operated, DeskError> {
        let engine = self.engine.as_ref().ok_or_else(needs_service)?;
        let repo = self.repo(query.repo.as_deref()).await?;
        let environment = self.environment_of(&repo, &query.environment, now).await?;
        let args = std::iter::once(environment.to_string()).chain(query.args).collect();
        let call = Call { name: query.command, args };
        let operation = Operation { id: query.id, repo: repo.clone(), environment: environment.clone(), call };
        let outcome = engine.operate(&operation, now).await?;
        Ok(Operated { repo, environment, outcome })
    }

    /// The environment that a rollout went to, as it is now. It is found by the run, and where that has been pruned, by what is live.
    pub(crate) async fn environment_by(
        &self,
        rollout: RunId,
        now: Timestamp,
    ) -> Result<(RepoRef, EnvironmentOverview), DeskError> {
        let found = match self.run(rollout).await {
            Ok(page) => page.replayed().and_then(|run| Some((run.repo.clone(), run.rollout()?.spec.environment.name.clone()))),
            Err(DeskError::Missing(_)) => self.environment_live_by(rollout).await?,
            Err(error) => return Err(error),
        };
        let missing = || DeskError::Missing(format!("run {rollout} brought nothing to any environment"));
        let (repo, name) = found.ok_or_else(missing)?;
        let overview = overview::environment(self.store.as_ref(), &repo, &name, now).await?;
        Ok((repo, overview))
    }

    async fn environment_live_by(&self, rollout: RunId) -> Result<Option<(RepoRef, EnvironmentName)>, DeskError> {
        let (mut after, mut searched) = (None::<String>, 0);
        while searched < RUNS_SEARCHED_MAX {
            let page = self.environments.live(after.as_deref(), SEARCH_PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            searched += page.len();
            let mut live = page.into_iter().filter_map(|(_, order)| match order.what {
                Ordered::Live { live } if live.rollout == rollout => Some(live),
                _ => None,
            });
            if let Some(live) = live.next_back() {
                let name = live.environment.name;
                return Ok(live.repo.map(|repo| (repo, name)));
            }
        }
        Ok(None)
    }

    /// A file that is given out with a release.
    pub(crate) async fn artefact(&self, id: RunId, name: &str) -> Result<Bytes, DeskError> {
        let run = self.run(id).await?.replayed();
        let known = run.as_ref().and_then(Run::release).into_iter().flat_map(|release| &release.artefacts);
        let blob = known.into_iter().find(|artefact| artefact.name.to_string() == name).map(|artefact| artefact.blob.clone());
        let blob = blob.ok_or_else(|| DeskError::Missing(format!("run {id} gives out no file {name}")))?;
        let bytes = self.blobs.get(&blob).await?;
        bytes.ok_or_else(|| DeskError::Missing(format!("{name} of run {id} has been pruned")))
    }

    /// The log of a command around a rollout, by its place among them.
    pub(crate) async fn hook_log(&self, id: RunId, n: usize) -> Result<Bytes, DeskError> {
        let run = self.run(id).await?.replayed();
        let hook = run.as_ref().and_then(Run::rollout).and_then(|rollout| rollout.hooks.get(n));
        let blob = hook.and_then(|hook| hook.log.clone());
        let blob = blob.ok_or_else(|| DeskError::Missing(format!("run {id} has no log of a hook {n}")))?;
        let bytes = self.blobs.get(&blob).await?;
        bytes.ok_or_else(|| DeskError::Missing(format!("the log of hook {n} in run {id} has been pruned")))
    }

    /// The environment of this name, where anything is known of it.
    async fn environment_of(&self, repo: &RepoRef, word: &str, now: Timestamp) -> Result<EnvironmentName, DeskError> {
        let names = overview::environment_names(self.store.as_ref(), repo).await?;
        if let Some(name) = names.iter().find(|name| name.as_str() == word) {
            return Ok(name.clone());
        }
        if let Ok(name) = word.parse::<EnvironmentName>()
            && !overview::environment(self.store.as_ref(), repo, &name, now).await?.is_unknown()
        {
            return Ok(name);
        }
        let names: Vec<&str> = names.iter().map(EnvironmentName::as_str).collect();
        Err(unknown("environment", word, &repo.path, &names))
    }

    /// The repository that is named, or the only one that there is.
    async fn repo(&self, name: Option<&str>) -> Result<RepoRef, DeskError> {
        self.repo_if_any(name).await?.ok_or_else(nothing_known)
    }

    /// The same. None where none is named and there is none.
    async fn repo_if_any(&self, name: Option<&str>) -> Result<Option<RepoRef>, DeskError> {
        let known = self.known_repos().await?;
        if let Some(name) = name {
            let is_it = |repo: &&RepoRef| repo.path.eq_ignore_ascii_case(name) || repo.key() == name;
            let names: Vec<&str> = known.iter().map(|(repo, _)| repo.path.as_str()).collect();
            let found = known.iter().map(|(repo, _)| repo).find(is_it);
            return found.cloned().map(Some).ok_or_else(|| unknown_repo(name, &names));
        }
        let releasing: Vec<&RepoRef> = known.iter().filter(|(_, releases)| *releases).map(|(repo, _)| repo).collect();
        let all: Vec<&RepoRef> = known.iter().map(|(repo, _)| repo).collect();
        match (releasing.as_slice(), all.as_slice()) {
            ([only], _) | ([], [only]) => Ok(Some((*only).clone())),
            ([], []) => Ok(None),
            (several, _) => {
                let several = if several.is_empty() { &all } else { &releasing };
                let names: Vec<&str> = several.iter().take(NAMED_MAX).map(|repo| repo.path.as_str()).collect();
                Err(DeskError::Missing(format!("several repositories are known; name one with --repo: {}", names.join(", "))))
            }
        }
    }

    /// The repositories of the newest runs, and whether each has releases or environments.
    async fn known_repos(&self) -> Result<Vec<(RepoRef, bool)>, DeskError> {
        let mut known: BTreeMap<String, (RepoRef, bool)> = BTreeMap::new();
        let mut before = None;
        for _ in 0..RUNS_SEARCHED_MAX / SEARCH_PAGE {
            let page = self.store.list(&RunFilter { before, ..RunFilter::default() }, SEARCH_PAGE).await?;
            before = page.last().map(|run| run.id);
            let all = page.len() < SEARCH_PAGE;
            for run in page {
                let key = run.repo.key();
                let of = run.subject.strip_prefix(&key).unwrap_or_default();
                let releases = of.starts_with("/release/") || of.starts_with("/environment/");
                // The newest run has the path that the repository has now.
                let entry = known.entry(key).or_insert((run.repo, false));
                entry.1 |= releases;
            }
            if all {
                break;
            }
        }
        Ok(known.into_values().collect())
    }
}

fn needs_service() -> DeskError {
    DeskError::Failed(
        "no service runs with this store, and only a running one can do this; start it with `gatewright serve`".to_owned(),
    )
}

fn unknown_repo(name: &str, known: &[&str]) -> DeskError {
    let near = gatewright_core::config::nearest(name, known.iter().copied());
    let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    DeskError::Missing(format!("no run of a repository `{name}` is known{near}"))
}

fn unknown(what: &str, word: &str, repo: &str, known: &[&str]) -> DeskError {
    let rest = match gatewright_core::config::nearest(word, known.iter().copied()) {
        Some(near) => format!("; did you mean `{near}`?"),
        None if known.is_empty() => "; none is known yet".to_owned(),
        None => format!("; known are {}", known.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ")),
    };
    DeskError::Missing(format!("no {what} `{word}` is known of {repo}{rest}"))
}
