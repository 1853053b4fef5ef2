//! Operator: what the person at the machine has done with environments, and what a release would change there. The rules are those of
//! the slash commands, without the question who may: whoever can reach the service's socket may do all of it, but approve. Approvals
//! are of people whom the forge knows, so that one person at a machine does not stand for two.
//!
//! Called by the desk of the command line.

use gatewright_core::command::CommandName;
use gatewright_core::event::User;
use gatewright_core::forge::{ForgeError, Permission, Standing};
use gatewright_core::rollout::Wait;
use gatewright_core::run::{
    Call, Deed, GatesState, JournalEntry, PlannedEnvironment, Refusal, ReleaseEvent, ReleaseSpec, Ruling, RulingOutcome, Run,
    RunEvent, RunSpec, Valid, Work,
};
use gatewright_core::secret::SecretString;
use gatewright_core::store::{Acceptance, AuditEntry, StoreError};
use gatewright_core::{CommitId, EnvironmentName, RepoRef, RunId, Subject, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Engine;
use crate::commands::environment::{EnvironmentCase, is_about_one};
use crate::commands::{self, Case, may::Rules};
use crate::perform::{Done, environments};
use crate::release;
use crate::rollout::redacted;

/// The operator's name in the audit log, and where people read who did something.
const OPERATOR: &str = "operator";

/// Something that the operator wants done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// What makes it unique: asking for the same again changes nothing more.
    pub id: RunId,
    /// The repository.
    pub repo: RepoRef,
    /// The environment.
    pub environment: EnvironmentName,
    /// The command, as it would be written in a comment.
    pub call: Call,
}

/// Why something was not done, by what comes next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperationError {
    /// As things stand it makes no sense, or is not the operator's to do.
    #[error("{0}")]
    Refused(String),
    /// It cannot be found out or written down now. Trying again may help.
    #[error("{0}")]
    Unavailable(String),
}

impl From<StoreError> for OperationError {
    fn from(error: StoreError) -> Self {
        OperationError::Unavailable(error.to_string())
    }
}

impl From<ForgeError> for OperationError {
    fn from(error: ForgeError) -> Self {
        OperationError::Unavailable(error.to_string())
    }
}

/// What a release would come to, as far as it was looked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReleasePlan {
    /// What the tag is. None where it is no release.
    pub valid: Option<Valid>,
    /// Why it is none.
    pub refused: Option<String>,
    /// How its gates stand. None where they would have to be run first.
    pub gates: Option<GatesState>,
    /// What would be done in each environment.
    pub environments: Vec<PlannedEnvironment>,
    /// What is new. Markdown, made by us.
    pub notes: String,
    /// The names of what would be given out with it.
    pub artefacts: Vec<String>,
}

impl ReleasePlan {
    /// Whether nothing speaks against it.
    pub fn is_possible(&self) -> bool {
        self.valid.is_some()
            && !matches!(self.gates, Some(GatesState::Failed { .. }))
            && self.environments.iter().all(|environment| environment.problem.is_none())
    }
}

impl Engine {
    /// Does what the operator wants, once. Returns what it came to, for people.
    pub async fn operate(&self, operation: &Operation, now: Timestamp) -> Result<String, OperationError> {
        let Operation { id, repo, environment, call } = operation;
        let name = call.name.parse::<CommandName>().ok().filter(|name| is_about_one(*name));
        let name = name.ok_or_else(|| OperationError::Refused(format!("`{}` is no command about an environment.", call.name)))?;
        let cases = environments(self, repo, std::slice::from_ref(environment)).await?;
        if name == CommandName::Promote {
            may_promote(&cases)?;
        }
        let tags = if name == CommandName::Deploy { self.tags(repo).await? } else { Vec::new() };
        let deed = weigh(operation, &cases, &tags, now)?;
        let audit = AuditEntry {
            at: now,
            actor: OPERATOR.to_owned(),
            action: format!("rollout.{name}"),
            target: format!("{repo} environment/{environment}"),
            commit: None,
            outcome: deed.1.clone(),
        };
        let Deed { run, start, signals, orders: _, elsewhere } = deed.0;
        let acceptance = Acceptance {
            run,
            start,
            signals,
            orders: elsewhere,
            audit: vec![audit],
            ..Acceptance::internal(&format!("operator/{id}"), now)
        };
        self.accept(acceptance).await?;
        Ok(deed.1)
    }

    fn release_event(&self, done: Done) -> Result<ReleaseEvent, OperationError> {
        release_event(&self.options.secrets, done)
    }

    async fn tags(&self, repo: &RepoRef) -> Result<Vec<String>, OperationError> {
        let forge = self.forge(repo.forge).ok_or_else(|| not_configured(repo))?;
        Ok(forge.tags(repo).await?.tags.into_iter().map(|(name, _)| name).collect())
    }

    /// Says what a release of a tag would change, and changes nothing: the forge is asked what the tag is, the store what its gates
    /// say, and every target what it would do.
    pub async fn plan_release(&self, repo: &RepoRef, tag: &str, now: Timestamp) -> Result<ReleasePlan, OperationError> {
        if self.forge(repo.forge).is_none() {
            return Err(not_configured(repo));
        }
        let spec = ReleaseSpec { tag: tag.to_owned(), commit: None, by: None, only: None, commanded: Some(operator()) };
        let spec = RunSpec { repo: repo.clone(), subject: Subject::Release { tag: tag.to_owned() }, work: Work::Release(spec) };
        let mut journal = vec![JournalEntry { seq: 0, at: now, event: RunEvent::Created { spec: spec.into() } }];
        let id = RunId::new();
        let mut plan = ReleasePlan {
            valid: None,
            refused: None,
            gates: None,
            environments: Vec::new(),
            notes: String::new(),
            artefacts: Vec::new(),
        };
        match self.release_event(release::try_validate(self, &replayed(id, &journal)?).await)? {
            ReleaseEvent::Refused { refusal: Refusal::NotOne { because } | Refusal::Invalid { because, .. } } => {
                plan.refused = Some(because);
                return Ok(plan);
            }
            event => journal.push(JournalEntry { seq: 1, at: now, event: RunEvent::Release { event: Box::new(event) } }),
        }
        let run = replayed(id, &journal)?;
        plan.valid = run.release().and_then(|release| release.valid.as_deref().cloned());
        plan.gates = release::known_gates(self, &run).await?;
        if let ReleaseEvent::Planned { environments, notes, artefacts } =
            self.release_event(release::try_plan(self, &run).await)?
        {
            plan.environments = environments;
            plan.notes = notes;
            plan.artefacts = artefacts.iter().map(|artefact| artefact.name.to_string()).collect();
        }
        Ok(plan)
    }
}

fn operator() -> User {
    User { id: 0, login: OPERATOR.to_owned() }
}

fn not_configured(repo: &RepoRef) -> OperationError {
    OperationError::Refused(format!("{} is not configured.", repo.forge))
}

fn replayed(id: RunId, journal: &[JournalEntry]) -> Result<Run, OperationError> {
    Run::replay(id, journal).map_err(|error| OperationError::Unavailable(error.to_string()))
}

/// What an action of a release came to, where nobody tries it again.
fn release_event(secrets: &[SecretString], done: Done) -> Result<ReleaseEvent, OperationError> {
    // What targets say may repeat a secret of the service's, here as in the journal.
    match redacted(secrets, done) {
        Done::Events(events) => events
            .into_iter()
            .find_map(|event| match event {
                RunEvent::Release { event } => Some(*event),
                _ => None,
            })
            .ok_or_else(|| OperationError::Unavailable("nothing was found out.".to_owned())),
        Done::Again { cause, .. } => Err(OperationError::Unavailable(cause)),
        Done::Claimed { .. } | Done::Stopped { .. } | Done::GivenUp => {
            Err(OperationError::Unavailable("nothing was found out.".to_owned()))
        }
    }
}

/// Who waits for approvals waits for people whom the forge knows.
fn may_promote(cases: &[EnvironmentCase]) -> Result<(), OperationError> {
    let begun = cases.iter().any(|case| case.under_way().is_some());
    let waits = |case: &EnvironmentCase| {
        case.rollouts().any(|(_, rollout)| rollout.waits.iter().any(|wait| matches!(wait, Wait::Approvals { .. })))
    };
    match cases.iter().find(|case| !begun && waits(case)) {
        None => Ok(()),
        Some(case) => Err(OperationError::Refused(format!(
            "it waits for approvals, and those are of people whom the forge knows: comment `/gw promote {}` on the pull request.",
            case.name
        ))),
    }
}

/// The rules of the slash commands, for somebody who may give all of them.
fn weigh(
    operation: &Operation,
    environments: &[EnvironmentCase],
    tags: &[String],
    now: Timestamp,
) -> Result<(Deed, String), OperationError> {
    let by = operator();
    let standing = Standing { permission: Permission::Admin, login: by.login.clone(), bot: false, teams: Vec::new() };
    // Nothing about an environment is pinned to a commit of a change.
    let head: CommitId = "0".repeat(40).parse().map_err(|_| OperationError::Unavailable("no commit can be named.".to_owned()))?;
    let about = Subject::Environment { name: operation.environment.clone() };
    let case = Case {
        run: operation.id,
        now,
        repo: &operation.repo,
        about: &about,
        by: &by,
        said_at: now,
        said_about: None,
        by_button: false,
        head: &head,
        pull: None,
        standing: &standing,
        rules: &Rules::Written(Default::default()),
        gates: &[],
        latest: None,
        head_since: None,
        queued: &[],
        busy: false,
        pipelines: &[],
        agents: &[],
        orders: &[],
        environments,
        tags,
    };
    let Ruling { outcome, .. } = commands::rule(&case, &operation.call);
    match outcome {
        RulingOutcome::Granted { deed, means } => Ok((*deed, means)),
        RulingOutcome::Refused { because } => Err(OperationError::Refused(because)),
    }
}
