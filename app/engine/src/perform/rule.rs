//! Rule: finds out who said something and how things stand, and weighs each command.

use std::collections::BTreeSet;

use gatewright_core::command::{COMMANDS, CommandName};
use gatewright_core::config::{self, Pipeline, RepoConfig};
use gatewright_core::event::User;
use gatewright_core::forge::{Forge, ForgeError, Protection, PullState};
use gatewright_core::report::ReportKey;
use gatewright_core::run::{Command, Flood, Origin, Ruled, Ruling, RulingOutcome, Run, RunEvent};
use gatewright_core::store::{Phase, RunFilter, StoreError};
use gatewright_core::{CommitId, EnvironmentName, GateName, ItemRef, RepoRef, RunId, Subject, Timestamp};

use jiff::SignedDuration;

use super::prepare::{self, last_valid_config};
use super::{Done, again_or_final};
use crate::Engine;
use crate::commands::environment::EnvironmentCase;
use crate::commands::{self, Case, agents::STARTS_PER_HOUR, may::Rules, parse};
use crate::flood::{COMMANDS_PER_MINUTE, COMMANDS_PER_MINUTE_EACH};
use crate::rollout::EnvironmentOrders;

/// So many earlier commands are looked at for replies that no longer hold.
const EARLIER_COMMANDS_MAX: usize = 20;

/// A person gets so many replies about a pull request within an hour; each of them rings a bell for all who follow it.
const REPLIES_PER_HOUR: usize = 5;
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// So many rollouts to one environment that are not over are looked at.
const OPEN_ROLLOUTS_MAX: usize = 20;

/// To find the merge groups that a pull request is in, so many open runs of the repository are looked at.
const OPEN_RUNS_MAX: usize = 1_000;

/// Why ruling stopped short.
enum Short {
    /// To be tried again.
    Again(Done),
    /// Nobody is to be answered: a program wrote it.
    Silent,
    /// Nothing of it is obeyed, for this reason.
    Refused { because: String, quiet: bool },
}

impl From<ForgeError> for Short {
    fn from(error: ForgeError) -> Self {
        match again_or_final(error) {
            Ok(again) => Short::Again(again),
            Err(cause) => Short::Refused { because: format!("it could not be weighed: {cause}."), quiet: false },
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
        return ruled(Ruled { rulings: all_refused(command, &too_many()), ..Ruled::default() });
    }
    let Some(forge) = engine.forge(run.repo.forge) else { return ruled(Ruled::default()) };
    match weighed(engine, forge.as_ref(), run, command).await {
        Ok(weighed) => ruled(weighed),
        Err(Short::Silent) => ruled(Ruled::default()),
        Err(Short::Refused { because, quiet }) => {
            let rulings = all_refused(command, &because);
            ruled(Ruled { rulings, quiet, ..Ruled::default() })
        }
        Err(Short::Again(again)) => again,
    }
}

fn ruled(ruled: Ruled) -> Done {
    Done::Events(vec![RunEvent::Ruled { ruled: Box::new(ruled) }])
}

fn too_many() -> String {
    format!(
        "a minute has room for {COMMANDS_PER_MINUTE_EACH} commands of one person and {COMMANDS_PER_MINUTE} of all together here, \
         and these are more. Wait a minute."
    )
}

fn all_refused(command: &Command, because: &str) -> Vec<Ruling> {
    let outcome = RulingOutcome::Refused { because: because.to_owned() };
    let refuse = |call| Ruling { command: parse::written(call), outcome: outcome.clone() };
    command.spec.calls.iter().map(refuse).collect()
}

/// Makes sure that the comment is what the delivery said of it, and says when it was written. Whoever knows the secret of a
/// webhook, which projects can share, could otherwise speak for everybody.
async fn written(forge: &dyn Forge, run: &Run, command: &Command) -> Result<Timestamp, Short> {
    let spec = &command.spec;
    let Origin::Comment { comment } = &spec.origin else { return Ok(spec.said_at) };
    let Some(found) = forge.comment(&run.repo, comment).await? else {
        return Err(Short::Refused { because: "the comment was gone before it was read.".to_owned(), quiet: true });
    };
    let parse::Said { calls, unread } = parse::parse(&found.body);
    if found.author.id != spec.by.id || calls != spec.calls || unread != spec.unread {
        let because = "the comment was changed before it was read. Write another one.".to_owned();
        return Err(Short::Refused { because, quiet: false });
    }
    Ok(found.written_at)
}

/// What a command is about, as the forge and the store have it now.
struct Matter {
    pull: Option<PullState>,
    head: CommitId,
    /// The repository file in force, and whether it could be read.
    rules: Rules,
    gates: Vec<GateName>,
    environments: Vec<EnvironmentName>,
    pipelines: Vec<Pipeline>,
}

async fn weighed(engine: &Engine, forge: &dyn Forge, run: &Run, command: &Command) -> Result<Ruled, Short> {
    let about = run.about();
    let said_at = written(forge, run, command).await?;
    if matches!(about, Subject::Issue { .. }) && !is_about_issues(command) {
        return on_issue(engine, forge, run, command).await;
    }
    let matter = matter(engine, forge, run, command, about).await?;
    let spec = &command.spec;
    let standing = forge.standing(&run.repo, &spec.by, &matter.rules.teams(asked_about(command))).await?;
    if standing.bot {
        return Err(Short::Silent);
    }
    let key = about.key(&run.repo);
    let of_head = RunFilter { subject: Some(key.clone()), commit: Some(matter.head.clone()), ..RunFilter::default() };
    let latest = engine.runs(&of_head, 1).await?;
    let newest = engine.runs(&RunFilter { subject: Some(key.clone()), ..RunFilter::default() }, 1).await?;
    let open = RunFilter { subject: Some(key.clone()), phase: Some(Phase::Open), ..RunFilter::default() };
    let of_agents = Subject::Agents { about: Box::new(about.clone()) }.key(&run.repo);
    let agents = RunFilter { subject: Some(of_agents), ..RunFilter::default() };
    let (environments, tags) = match is_about_environments(command) {
        true => (environments(engine, &run.repo, &matter.environments).await?, tags(forge, run, command).await?),
        false => (Vec::new(), Vec::new()),
    };
    let case = Case {
        run: run.id,
        now: Timestamp::now(),
        repo: &run.repo,
        about,
        by: &User { id: spec.by.id, login: standing.login.clone() },
        said_at,
        by_button: matches!(spec.origin, Origin::Button { .. }),
        said_about: spec.head.as_ref(),
        head: &matter.head,
        pull: matter.pull.as_ref(),
        standing: &standing,
        rules: &matter.rules,
        gates: &matter.gates,
        latest: latest.first(),
        head_since: newest.first().and_then(|run| head_since(run, &matter.head)),
        queued: &queued(engine, run, about).await?,
        environments: &environments,
        tags: &tags,
        busy: !engine.deps.store.list(&open, 1).await?.is_empty(),
        pipelines: &matter.pipelines,
        agents: &engine.runs(&agents, STARTS_PER_HOUR).await?,
        orders: &engine.deps.store.orders(&key).await?,
    };
    let mut rulings: Vec<Ruling> = spec.calls.iter().map(|call| commands::rule(&case, call)).collect();
    rulings.extend(unread(spec.unread));
    let earlier = earlier(engine, run, &spec.by).await?;
    Ok(Ruled { head: Some(matter.head.clone()), rulings, outdated: outdated(&earlier), quiet: is_enough(&earlier) })
}

/// Where nothing was said that could be done about an issue, not even the repository's file is asked for.
async fn on_issue(engine: &Engine, forge: &dyn Forge, run: &Run, command: &Command) -> Result<Ruled, Short> {
    if forge.standing(&run.repo, &command.spec.by, &[]).await?.bot {
        return Err(Short::Silent);
    }
    let rulings = all_refused(command, &commands::not_on_issues());
    let earlier = earlier(engine, run, &command.spec.by).await?;
    Ok(Ruled { head: None, rulings, outdated: outdated(&earlier), quiet: is_enough(&earlier) })
}

/// Whether so many replies were given to these commands lately that another is one too many.
fn is_enough(earlier: &[Run]) -> bool {
    let recent = earlier.iter().filter(|run| Timestamp::now().duration_since(run.created_at) < HOUR);
    recent.filter(|run| run.shown_as(&ReportKey::Reply).is_some()).count() >= REPLIES_PER_HOUR
}

/// The commands for which it matters what team somebody is in: help asks about each.
fn asked_about(command: &Command) -> Vec<CommandName> {
    let names: Vec<CommandName> = command.spec.calls.iter().filter_map(|call| call.name.parse().ok()).collect();
    if names.contains(&CommandName::Help) { COMMANDS.iter().map(|line| line.name).collect() } else { names }
}

/// Whether some of what was said can be done about an issue.
fn is_about_issues(command: &Command) -> bool {
    command.spec.calls.iter().any(|call| call.name.parse().is_ok_and(|name| commands::ON_ISSUES.contains(&name)))
}

/// Whether some of what was said is about an environment.
fn is_about_environments(command: &Command) -> bool {
    let about_one = |name: CommandName| commands::environment::is_about_one(name);
    command.spec.calls.iter().any(|call| call.name.parse().is_ok_and(about_one))
}

/// Since when this commit is the head, by the newest run about the pull request. None where that one is about another
/// commit: the head has moved since, perhaps back, and nobody can have looked at it for sure.
fn head_since(newest: &Run, head: &CommitId) -> Option<Timestamp> {
    let gates = newest.gates().filter(|gates| gates.spec.head == *head)?;
    Some(gates.spec.changed_at.unwrap_or(newest.created_at))
}

/// The subjects of the merge groups that a pull request is being checked in.
async fn queued(engine: &Engine, run: &Run, about: &Subject) -> Result<Vec<String>, StoreError> {
    let Subject::Pull { number } = about else { return Ok(Vec::new()) };
    let filter = RunFilter { repo: Some(run.repo.key()), phase: Some(Phase::Open), ..RunFilter::default() };
    let open = engine.deps.store.list(&filter, OPEN_RUNS_MAX).await?;
    let is_in = |subject: &String| {
        let head_ref = subject.strip_prefix(&format!("{}/merge-group/", run.repo.key())).map(str::to_owned);
        head_ref.is_some_and(|head_ref| Subject::MergeGroup { head_ref }.queued_pull() == Some(*number))
    };
    Ok(open.into_iter().map(|record| record.subject).filter(is_in).collect())
}

/// What is known of the environments of the repository file. Those of a branch that anybody may push to decide nothing.
pub(crate) async fn environments(
    engine: &Engine,
    repo: &RepoRef,
    names: &[EnvironmentName],
) -> Result<Vec<EnvironmentCase>, StoreError> {
    let mut cases = Vec::new();
    for name in names {
        let orders = EnvironmentOrders::of(engine, repo, name).await?;
        let subject = Some(orders.key.clone());
        let filter = RunFilter { subject, phase: Some(Phase::Open), ..RunFilter::default() };
        cases.push(EnvironmentCase {
            name: name.clone(),
            live: orders.live().cloned(),
            frozen_by: orders.freeze(Timestamp::now()).map(|(order, _, _)| order.by.login.clone()),
            hold: orders.hold(),
            arrivals: orders.arrivals().into_iter().cloned().collect(),
            open: engine.runs(&filter, OPEN_ROLLOUTS_MAX).await?,
        });
    }
    Ok(cases)
}

/// The tags that a command may mean.
async fn tags(forge: &dyn Forge, run: &Run, command: &Command) -> Result<Vec<String>, Short> {
    if !command.spec.calls.iter().any(|call| call.name.parse() == Ok(CommandName::Deploy)) {
        return Ok(Vec::new());
    }
    Ok(forge.tags(&run.repo).await?.tags.into_iter().map(|(name, _)| name).collect())
}

fn unread(count: u32) -> Option<Ruling> {
    let because = format!("a comment may have {} commands. Write the others into another one.", parse::CALLS_MAX);
    let command = format!("({count} more)");
    (count > 0).then_some(Ruling { command, outcome: RulingOutcome::Refused { because } })
}

async fn matter(engine: &Engine, forge: &dyn Forge, run: &Run, command: &Command, about: &Subject) -> Result<Matter, Short> {
    let (pull, head, base) = match about.item() {
        Some(ItemRef::Pull { number }) => {
            let pull = forge.pull(&run.repo, number).await?;
            (Some(pull.clone()), pull.head, pull.base)
        }
        // What is done about an issue is done to what is there now.
        Some(ItemRef::Issue { .. }) => {
            let branch = forge.default_branch(&run.repo).await?;
            let head = forge.branch(&run.repo, &branch).await?;
            (None, head.clone(), head)
        }
        // Only a button can be about anything else, and its check is on a commit that does not move.
        None => {
            let Origin::Button { run: pressed } = &command.spec.origin else { return Err(Short::Silent) };
            let pressed = engine.run(*pressed).await?;
            let gates = pressed.as_ref().and_then(Run::gates).ok_or(Short::Silent)?;
            let base = gates.prepared.as_ref().and_then(|prepared| prepared.base.clone());
            (None, gates.spec.head.clone(), base.unwrap_or_else(|| gates.spec.head.clone()))
        }
    };
    if is_about_environments(command)
        && let Protection::Off { .. } = forge.protection(&run.repo, &base).await?
    {
        let because = "what it is about is on no protected branch, whose file alone says who may do this.".to_owned();
        return Err(Short::Refused { because, quiet: false });
    }
    let config = match forge.file(&run.repo, &base, config::PATH).await? {
        None => return Ok(Matter::with(pull, head, Rules::Written(Default::default()))),
        Some(text) => match prepare::read(&text) {
            Ok(config) => Some(config),
            Err(_) => last_valid_config(engine, run, pull.as_ref()).await?,
        },
    };
    Ok(match config {
        Some(config) => Matter::of_file(pull, head, config),
        None => Matter::with(pull, head, Rules::Unreadable),
    })
}

impl Matter {
    /// Where no file says anything.
    fn with(pull: Option<PullState>, head: CommitId, rules: Rules) -> Self {
        Matter { pull, head, rules, gates: Vec::new(), environments: Vec::new(), pipelines: Vec::new() }
    }

    fn of_file(pull: Option<PullState>, head: CommitId, config: RepoConfig) -> Self {
        let RepoConfig { gates, releases: _, environments, agents, commands } = config;
        Matter {
            pull,
            head,
            rules: Rules::Written(commands),
            gates: gates.into_iter().map(|gate| gate.name).collect(),
            environments: environments.into_iter().map(|environment| environment.name).collect(),
            pipelines: agents,
        }
    }
}

/// The runs of earlier commands of this person about the same.
async fn earlier(engine: &Engine, run: &Run, by: &User) -> Result<Vec<Run>, StoreError> {
    let subject = Some(run.subject.key(&run.repo));
    let filter = RunFilter { subject, before: Some(run.id), ..RunFilter::default() };
    let mut earlier = engine.runs(&filter, EARLIER_COMMANDS_MAX).await?;
    earlier.retain(|run| run.command().is_some_and(|command| command.spec.by.id == by.id));
    Ok(earlier)
}

/// The replies to them: whatever they said, something newer has been said now.
fn outdated(earlier: &[Run]) -> Vec<(RunId, u64)> {
    let resolved: BTreeSet<RunId> = earlier.iter().flat_map(resolved_by).collect();
    let reply = |run: &Run| run.shown_as(&ReportKey::Reply).map(|id| (run.id, id));
    earlier.iter().filter_map(reply).filter(|(run, _)| !resolved.contains(run)).collect()
}

fn resolved_by(run: &Run) -> Vec<RunId> {
    let resolved = |(key, state): (&ReportKey, &gatewright_core::run::PublishState)| match key {
        ReportKey::Resolved(of) => state.shown.as_ref().map(|_| *of),
        ReportKey::Gate(_)
        | ReportKey::Scan(_)
        | ReportKey::Aggregate
        | ReportKey::Comment
        | ReportKey::Seen
        | ReportKey::Answered
        | ReportKey::Reply
        | ReportKey::Release
        | ReportKey::Asset(_)
        | ReportKey::ReleaseComment
        | ReportKey::Deployment(_)
        | ReportKey::ProtectionRule
        | ReportKey::AgentComment
        | ReportKey::Proposal
        | ReportKey::Pushed
        | ReportKey::Issue(_) => None,
    };
    run.published.iter().filter_map(resolved).collect()
}
