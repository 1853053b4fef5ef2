//! Rule: finds out who said something and how things stand, and weighs each command.

use std::collections::BTreeSet;

use gatewright_core::config::{self, RepoConfig};
use gatewright_core::event::User;
use gatewright_core::forge::{Forge, ForgeError, PullState};
use gatewright_core::report::ReportKey;
use gatewright_core::run::{Command, Flood, Origin, Ruled, Ruling, RulingOutcome, Run, RunEvent};
use gatewright_core::store::{Phase, RunFilter, StoreError};
use gatewright_core::{CommitId, GateName, RunId, Subject, Timestamp};

use super::obey::about;
use super::prepare::{self, last_valid_config};
use super::{Done, again_or_final};
use crate::Engine;
use crate::commands::{self, Case, may::Rules, parse};
use crate::flood::COMMANDS_PER_MINUTE;

/// To find out when a commit was seen first, so many of its runs are looked at.
const RUNS_OF_A_HEAD_MAX: usize = 50;

/// Replies of so many earlier commands are looked at for whether they still hold.
const EARLIER_COMMANDS_MAX: usize = 20;

/// Why ruling stopped short.
enum Short {
    /// To be tried again.
    Again(Done),
    /// What is spoken about is gone, or hidden from us; there is nobody to answer.
    Silent,
}

impl From<ForgeError> for Short {
    fn from(error: ForgeError) -> Self {
        match again_or_final(error) {
            Ok(again) => Short::Again(again),
            Err(cause) => {
                tracing::warn!(cause, "a command cannot be weighed");
                Short::Silent
            }
        }
    }
}

impl From<StoreError> for Short {
    fn from(error: StoreError) -> Self {
        Short::Again(Done::Again { after: None, cause: error.to_string() })
    }
}

pub(super) async fn rule(engine: &Engine, run: &Run, command: &Command) -> Done {
    if command.spec.flood != Flood::No {
        return ruled(Ruled { rulings: too_many(command), ..Ruled::default() });
    }
    let Some(forge) = engine.forge(run.repo.forge) else { return ruled(Ruled::default()) };
    match weighed(engine, forge.as_ref(), run, command).await {
        Ok(weighed) => ruled(weighed),
        Err(Short::Silent) => ruled(Ruled::default()),
        Err(Short::Again(again)) => again,
    }
}

fn ruled(ruled: Ruled) -> Done {
    Done::Events(vec![RunEvent::Ruled { ruled: Box::new(ruled) }])
}

fn too_many(command: &Command) -> Vec<Ruling> {
    let because = format!(
        "this repository has had {COMMANDS_PER_MINUTE} commands within a minute, so further ones are not obeyed. Wait a minute."
    );
    let refuse = |call| Ruling { command: parse::written(call), outcome: RulingOutcome::Refused { because: because.clone() } };
    command.spec.calls.iter().map(refuse).collect()
}

/// What a command is about, as the forge and the store have it now.
struct Matter {
    pull: Option<PullState>,
    head: CommitId,
    /// The repository file in force, and whether it could be read.
    rules: Rules,
    gates: Vec<GateName>,
}

async fn weighed(engine: &Engine, forge: &dyn Forge, run: &Run, command: &Command) -> Result<Ruled, Short> {
    let about = about(&run.subject);
    let matter = matter(engine, forge, run, command, about).await?;
    let spec = &command.spec;
    let standing = forge.standing(&run.repo, &spec.by, &matter.rules.teams()).await?;
    if standing.bot {
        return Err(Short::Silent);
    }
    let key = about.key(&run.repo);
    let of_head = RunFilter { subject: Some(key.clone()), commit: Some(matter.head.clone()), ..RunFilter::default() };
    let runs = engine.runs(&of_head, RUNS_OF_A_HEAD_MAX).await?;
    let first = runs.last();
    let open = RunFilter { subject: Some(key.clone()), phase: Some(Phase::Open), ..RunFilter::default() };
    let case = Case {
        run: run.id,
        now: Timestamp::now(),
        repo: &run.repo,
        about,
        by: &User { id: spec.by.id, login: standing.login.clone() },
        said_at: spec.said_at,
        said_about: spec.head.as_ref(),
        head: &matter.head,
        pull: matter.pull.as_ref(),
        standing: &standing,
        rules: &matter.rules,
        gates: &matter.gates,
        latest: runs.first(),
        seen_at: first.map(|run| run.gates().and_then(|gates| gates.spec.changed_at).unwrap_or(run.created_at)),
        busy: !engine.deps.store.list(&open, 1).await?.is_empty(),
        orders: &engine.deps.store.orders(&key).await?,
    };
    let mut rulings: Vec<Ruling> = spec.calls.iter().map(|call| commands::rule(&case, call)).collect();
    rulings.extend(unread(spec.unread));
    Ok(Ruled { head: Some(matter.head.clone()), rulings, outdated: outdated(engine, run, &spec.by).await? })
}

fn unread(count: u32) -> Option<Ruling> {
    let because = format!("a comment may have {} commands. Write the others into another one.", parse::CALLS_MAX);
    let command = format!("({count} more)");
    (count > 0).then_some(Ruling { command, outcome: RulingOutcome::Refused { because } })
}

async fn matter(engine: &Engine, forge: &dyn Forge, run: &Run, command: &Command, about: &Subject) -> Result<Matter, Short> {
    let (pull, head, base) = match about {
        Subject::Pull { number } => {
            let pull = forge.pull(&run.repo, *number).await?;
            (Some(pull.clone()), pull.head, pull.base)
        }
        // Only a button can be about anything else, and its check is on a commit that does not move.
        Subject::MergeGroup { .. } | Subject::Branch { .. } | Subject::Commands { .. } => {
            let Origin::Button { run: pressed } = &command.spec.origin else { return Err(Short::Silent) };
            let pressed = engine.run(*pressed).await?;
            let gates = pressed.as_ref().and_then(Run::gates).ok_or(Short::Silent)?;
            let base = gates.prepared.as_ref().and_then(|prepared| prepared.base.clone());
            (None, gates.spec.head.clone(), base.unwrap_or_else(|| gates.spec.head.clone()))
        }
    };
    let (rules, gates) = match forge.file(&run.repo, &base, config::PATH).await? {
        None => (Rules::Written(Default::default()), Vec::new()),
        Some(text) => match prepare::read(&text) {
            Ok(config) => in_force(config),
            Err(_) => match last_valid_config(engine, run, pull.as_ref()).await? {
                Some(config) => in_force(config),
                None => (Rules::Unreadable, Vec::new()),
            },
        },
    };
    Ok(Matter { pull, head, rules, gates })
}

fn in_force(config: RepoConfig) -> (Rules, Vec<GateName>) {
    (Rules::Written(config.commands), config.gates.into_iter().map(|gate| gate.name).collect())
}

/// The replies to earlier commands of this person: whatever they said, something newer has been said now.
async fn outdated(engine: &Engine, run: &Run, by: &User) -> Result<Vec<(RunId, u64)>, StoreError> {
    let subject = Some(run.subject.key(&run.repo));
    let filter = RunFilter { subject, before: Some(run.id), ..RunFilter::default() };
    let earlier = engine.runs(&filter, EARLIER_COMMANDS_MAX).await?;
    let resolved: BTreeSet<RunId> = earlier.iter().flat_map(resolved_by).collect();
    let reply = |run: &Run| run.shown_as(&ReportKey::Reply).map(|id| (run.id, id));
    let own = earlier.iter().filter(|run| run.command().is_some_and(|command| command.spec.by.id == by.id));
    Ok(own.filter_map(reply).filter(|(run, _)| !resolved.contains(run)).collect())
}

fn resolved_by(run: &Run) -> Vec<RunId> {
    let resolved = |(key, state): (&ReportKey, &gatewright_core::run::PublishState)| match key {
        ReportKey::Resolved(of) => state.shown.as_ref().map(|_| *of),
        ReportKey::Gate(_)
        | ReportKey::Aggregate
        | ReportKey::Comment
        | ReportKey::Seen
        | ReportKey::Answered
        | ReportKey::Reply => None,
    };
    run.published.iter().filter_map(resolved).collect()
}
