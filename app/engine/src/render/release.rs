//! What people read of releases and rollouts.

use gatewright_core::RunId;
use gatewright_core::report::{
    Channel, CommentReport, DeploymentReport, Holds, Life, RELEASE_COMMENT_MARKER, ReleaseReport, ReleaseStage, Report, Tier,
};
use gatewright_core::rollout::Wait;
use gatewright_core::run::{GatesState, Patience, Refusal, ReleaseRun, Rollout, RolloutState, Run};
use gatewright_core::{CommitId, EnvironmentName, ItemRef, Timestamp};
use minijinja::{Value, context};

use super::{escape, render};
use crate::release::changelog_words;

/// A release in one line.
pub fn headline(of: &ReleaseRun) -> String {
    if let Some(Refusal::NotOne { because }) = &of.refused {
        return format!("no release: {because}");
    }
    if of.problem().is_some() {
        return "cannot be released".to_owned();
    }
    let Some(rollouts) = &of.rollouts else {
        return match (&of.valid, &of.gates, &of.planned) {
            (None, _, _) => "getting ready".to_owned(),
            (Some(_), None | Some(GatesState::Running { .. }), _) => "waiting for its gates".to_owned(),
            (Some(_), Some(_), None) => "being planned".to_owned(),
            (Some(_), Some(_), Some(_)) => "being drafted".to_owned(),
        };
    };
    let states: Vec<&RolloutState> = rollouts.iter().filter_map(|(_, _, state)| state.as_ref()).collect();
    let count = |is: fn(&RolloutState) -> bool| states.iter().filter(|state| is(state)).count();
    let live = count(|state| matches!(state, RolloutState::Promoted));
    let back = count(|state| matches!(state, RolloutState::RolledBack { .. } | RolloutState::RollingBack { .. }));
    match (rollouts.len(), live, back) {
        (0, _, _) => "published".to_owned(),
        (_, _, 1..) => "rolled back".to_owned(),
        (all, live, 0) if all == live => "live everywhere".to_owned(),
        (all, live, 0) => format!("live in {live} of {all} environments"),
    }
}

/// A rollout in one line.
pub(super) fn headline_of_rollout(of: &Rollout) -> String {
    format!("{} to {}: {}", of.spec.release.tag, of.spec.environment.name, words(&of.state()))
}

/// How a rollout stands, for people.
pub fn words(state: &RolloutState) -> String {
    match state {
        RolloutState::Waiting { waits, .. } if waits.is_empty() => "getting ready".to_owned(),
        RolloutState::Waiting { waits, .. } => {
            format!("waits for {}", waits.iter().map(Wait::to_string).collect::<Vec<_>>().join(" and "))
        }
        RolloutState::Moving { what, made, of, percent } => format!("at {percent} %, move {} of {of}: {what}", made + 1),
        RolloutState::Paused { because, percent, .. } => format!("stays at {percent} %: {because}"),
        RolloutState::Promoted => "live".to_owned(),
        RolloutState::RollingBack { because } => format!("going back: {because}"),
        RolloutState::RolledBack { because } => format!("rolled back: {because}"),
        RolloutState::GivenUp { because } => format!("not rolled out: {because}"),
    }
}

fn icon(state: Option<&RolloutState>) -> &'static str {
    match state {
        None | Some(RolloutState::Waiting { .. }) => "⏳",
        Some(RolloutState::Moving { .. }) => "🔄",
        Some(RolloutState::Paused { .. }) => "⏸️",
        Some(RolloutState::Promoted) => "✅",
        Some(RolloutState::RollingBack { .. } | RolloutState::RolledBack { .. }) => "↩️",
        Some(RolloutState::GivenUp { .. }) => "🚫",
    }
}

/// Since when a rollout waits, and until when it will.
pub fn patience_words(state: &RolloutState) -> String {
    let (RolloutState::Waiting { patience, .. } | RolloutState::Paused { patience, .. }) = state else { return String::new() };
    let Patience { since: Some(since), reminders, ends_at } = patience else { return String::new() };
    let shown = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M UTC").to_string();
    let ends = ends_at.map(|at| format!(", given up at {}", shown(at))).unwrap_or_default();
    let reminded = match reminders {
        0 => String::new(),
        1 => ", people were reminded once".to_owned(),
        times => format!(", people were reminded {times} times"),
    };
    format!(" (since {}{ends}{reminded})", shown(*since))
}

/// Who can do something about it that a rollout does not go on, for people.
pub(crate) fn owner(state: &RolloutState) -> Option<String> {
    let owners: Vec<String> = match state {
        RolloutState::Waiting { waits, .. } => waits.iter().filter_map(Wait::owner).collect(),
        RolloutState::Paused { .. } => vec!["whoever may promote or roll back".to_owned()],
        RolloutState::Moving { .. }
        | RolloutState::Promoted
        | RolloutState::RollingBack { .. }
        | RolloutState::RolledBack { .. }
        | RolloutState::GivenUp { .. } => Vec::new(),
    };
    (!owners.is_empty()).then(|| owners.join(", "))
}

/// What somebody can do about how a rollout stands.
pub(crate) fn hint(name: &EnvironmentName, state: &RolloutState) -> Option<String> {
    match state {
        RolloutState::Waiting { waits, .. } if waits.iter().any(|wait| matches!(wait, Wait::Approvals { .. })) => {
            Some(format!("To approve, comment `/gw promote {name}`."))
        }
        RolloutState::Waiting { waits, .. } if waits.iter().any(|wait| matches!(wait, Wait::Command)) => {
            Some(format!("To begin, comment `/gw deploy {name}`."))
        }
        RolloutState::Waiting { waits, .. } if waits.iter().any(|wait| matches!(wait, Wait::Held { .. })) => {
            Some(format!("To let releases come to {name} again, comment `/gw resume {name}`."))
        }
        RolloutState::Paused { .. } => {
            Some(format!("To go on, comment `/gw promote {name}`; to undo it, `/gw rollback {name}`."))
        }
        RolloutState::RolledBack { .. } => Some(format!(
            "Nothing comes to {name} by itself until somebody comments `/gw resume {name}`, or `/gw deploy {name} VERSION`."
        )),
        RolloutState::Waiting { .. }
        | RolloutState::Moving { .. }
        | RolloutState::Promoted
        | RolloutState::RollingBack { .. }
        | RolloutState::GivenUp { .. } => None,
    }
}

/// The comment that tells a pull request what becomes of it. `seen` is what rollouts were rolled back for, in words: their pictures are
/// images of the service's own pages.
pub(crate) fn comment(run: &Run, of: &ReleaseRun, seen: &[(RunId, String)], public_url: Option<&str>) -> Result<Report, String> {
    let details = public_url.map(|url| format!("{url}/runs/{}", run.id));
    let picture = |(id, words): &(RunId, String)| {
        public_url.map(|url| format!("[![{}]({url}/runs/{id}/measured.svg)]({url}/runs/{id})", escape(words)))
    };
    let pictures: Vec<Value> = seen.iter().filter_map(picture).map(Value::from_safe_string).collect();
    let pull = of.pull().ok_or("the release's commit came by no pull request")?;
    let rollouts: &[(EnvironmentName, RunId, Option<RolloutState>)] = of.rollouts.as_deref().unwrap_or_default();
    let row = |(name, _, state): &(EnvironmentName, RunId, Option<RolloutState>)| {
        let words = state.as_ref().map_or_else(|| "getting ready".to_owned(), |state| words(state) + &patience_words(state));
        context! { icon => icon(state.as_ref()), name => name.as_str(), words }
    };
    let rows: Vec<Value> = rollouts.iter().map(row).collect();
    let hints = rollouts.iter().filter_map(|(name, _, state)| hint(name, state.as_ref()?));
    let hints: Vec<Value> = hints.map(Value::from_safe_string).collect();
    let commit = match &of.refused {
        Some(Refusal::Invalid { commit, .. }) => Some(commit),
        Some(Refusal::NotOne { .. }) | None => of.release().map(|release| &release.commit),
    };
    let body = render(
        "release",
        &context! {
            tag => of.spec.tag.as_str(),
            headline => headline(of),
            problem => of.problem().or_else(|| of.tag_trouble.clone()),
            rows,
            changelog => changelog_words(run, of).map(Value::from_safe_string),
            hints,
            commit => commit.map(CommitId::short),
            branch => of.valid.as_ref().map(|valid| valid.branch.as_str()),
            pictures,
            details => details.map(Value::from_safe_string),
        },
    )?;
    let marker = RELEASE_COMMENT_MARKER.to_owned();
    tracing::debug!(run.id = %run.id, pull, "release comment");
    Ok(Report::Comment(CommentReport { on: ItemRef::Pull { number: pull }, marker, body, holds: Holds::Yes }))
}

/// The forge's release.
pub(super) fn release(of: &ReleaseRun) -> Result<Report, String> {
    let valid = of.valid.as_ref().ok_or("the release is not valid")?;
    Ok(Report::Release(Box::new(ReleaseReport {
        tag: valid.release.tag.clone(),
        commit: valid.release.commit.clone(),
        name: valid.release.tag.clone(),
        body: of.notes.clone(),
        stage: if of.drafted { ReleaseStage::Published } else { ReleaseStage::Draft },
        channel: if valid.prerelease { Channel::Prerelease } else { Channel::Stable },
        latest: valid.latest,
    })))
}

/// The forge's deployment.
pub(super) fn deployment(run: &Run, of: &Rollout, details_url: Option<String>) -> Report {
    let (state, description) = of.deployment();
    let environment = &of.spec.environment;
    Report::Deployment(Box::new(DeploymentReport {
        key: run.id.to_string(),
        environment: environment.name.clone(),
        tag: of.spec.release.tag.clone(),
        commit: of.spec.release.commit.clone(),
        since: of.created_at,
        state,
        // Forges show it as it is.
        description: description.chars().filter(|c| !c.is_control()).collect(),
        log_url: details_url,
        environment_url: environment.url.clone(),
        tier: if environment.name.as_str().starts_with("prod") { Tier::Production } else { Tier::Before },
        life: Life::Permanent,
    }))
}
