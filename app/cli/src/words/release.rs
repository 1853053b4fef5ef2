//! Releases and rollouts in words.

use gatewright_core::rollout::{Finding, HookOutcome, drift};
use gatewright_core::run::{
    ChangelogEntry, GatesState, Refusal, ReleaseEvent, ReleaseSpec, ReleaseWord, RolloutCause, RolloutEvent, RolloutSpec,
    RolloutWord, Way,
};
use gatewright_engine::render::rollout_words;

use super::span;

/// What a release is to do.
pub(super) fn spec(spec: &ReleaseSpec) -> String {
    let by = spec.commanded.as_ref().or(spec.by.as_ref()).map(|by| format!(" (by {})", by.login));
    format!("release of {}{}", spec.tag, by.unwrap_or_default())
}

/// What a rollout is to do.
pub(super) fn rollout_spec(spec: &RolloutSpec) -> String {
    let why = match &spec.cause {
        RolloutCause::Released => "released".to_owned(),
        RolloutCause::Commanded { by } => format!("by {}", by.login),
        RolloutCause::Restored { by, because } if because.is_empty() => format!("back, by {}", by.login),
        RolloutCause::Restored { by, because } => format!("back, by {}: {because}", by.login),
        RolloutCause::Drifted { differences, .. } => format!("drift: {}", drift::words(differences)),
    };
    format!("{} to {} ({why})", spec.release.tag, spec.environment.name)
}

/// What a release was told.
pub(super) fn word(word: &ReleaseWord) -> String {
    match word {
        ReleaseWord::Rollout { environment, state, .. } => format!("{environment}: {}", rollout_words(state)),
        ReleaseWord::TagChanged => "told that the tag may have changed".to_owned(),
        ReleaseWord::Look => "told to look again".to_owned(),
    }
}

/// What a rollout was told.
pub(super) fn rollout_word(word: &RolloutWord) -> String {
    match word {
        RolloutWord::Look => "told to look again".to_owned(),
        RolloutWord::Promote { by } => format!("promoted by {}", by.login),
        RolloutWord::Deploy { by } => format!("told to begin by {}", by.login),
        RolloutWord::Pause { by } => format!("paused by {}", by.login),
        RolloutWord::Resume { by } => format!("resumed by {}", by.login),
        RolloutWord::GiveWay { tag } => format!("told to make room for {tag}"),
        RolloutWord::RollBack { by, because } if because.is_empty() => format!("told to go back by {}", by.login),
        RolloutWord::RollBack { by, because } => format!("told to go back by {}: {because}", by.login),
    }
}

/// What happened to a release.
pub(super) fn event(event: &ReleaseEvent) -> String {
    match event {
        ReleaseEvent::Validated { valid } => {
            let release = &valid.release;
            format!("it is version {} at {} on {}", release.version, release.commit.short(), valid.branch)
        }
        ReleaseEvent::Refused { refusal: Refusal::NotOne { because } } => format!("no release: {because}"),
        ReleaseEvent::Refused { refusal: Refusal::Invalid { because, .. } } => format!("cannot be released: {because}"),
        ReleaseEvent::Gates { state: GatesState::Passed { run: None } } => "it asks for no gates".to_owned(),
        ReleaseEvent::Gates { state: GatesState::Passed { run: Some(run) } } => format!("its gates have passed (run {run})"),
        ReleaseEvent::Gates { state: GatesState::Running { run, .. } } => format!("waiting for its gates (run {run})"),
        ReleaseEvent::Gates { state: GatesState::Failed { run, because } } => format!("its gates: {because} (run {run})"),
        ReleaseEvent::Planned { environments, artefacts, .. } => {
            let one = |planned: &gatewright_core::run::PlannedEnvironment| match &planned.problem {
                Some(problem) => format!("{}: {problem}", planned.name),
                None => format!("{}: {}", planned.name, planned.changes.join("; ")),
            };
            let environments: Vec<String> = environments.iter().map(one).collect();
            format!("planned; {} artefacts; {}", artefacts.len(), environments.join(" | "))
        }
        ReleaseEvent::Drafted => "the forge's release is complete".to_owned(),
        ReleaseEvent::Started { rollouts } => {
            let rollouts: Vec<String> = rollouts.iter().map(|(name, run)| format!("{name} (run {run})")).collect();
            format!("rollouts started: {}", if rollouts.is_empty() { "none".to_owned() } else { rollouts.join(", ") })
        }
        ReleaseEvent::Changelog { entry: ChangelogEntry::Proposed { parent, .. } } => {
            format!("its notes are for the changelog, on {}", parent.short())
        }
        ReleaseEvent::Changelog { entry: ChangelogEntry::AsItIs { because } } => {
            format!("the changelog stays as it is: {because}")
        }
        ReleaseEvent::TagSeen { commit: Some(commit), .. } => format!("the tag points at {}", commit.short()),
        ReleaseEvent::TagSeen { commit: None, .. } => "the tag is gone".to_owned(),
    }
}

/// What happened to a rollout.
pub(super) fn rollout_event(event: &RolloutEvent) -> String {
    match event {
        RolloutEvent::Looked { waits, .. } => {
            format!("waits for {}", waits.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and "))
        }
        RolloutEvent::Admitted { live, moves, .. } => {
            let before = live.as_ref().map_or_else(|| "nothing".to_owned(), |live| live.release.tag.clone());
            let moves: Vec<String> = moves.iter().map(gatewright_core::rollout::Move::words).collect();
            format!("begins, with {before} there; the moves: {}", moves.join(" → "))
        }
        RolloutEvent::Refused { because } => format!("not rolled out: {because}"),
        RolloutEvent::Made { way, n, hook, .. } => format!("{} {} made{}", way_words(*way), n + 1, hook_words(hook.as_ref())),
        RolloutEvent::Failed { way, n, because, hook } => {
            format!("{} {} failed: {because}{}", way_words(*way), n + 1, hook_words(hook.as_ref()))
        }
        RolloutEvent::Measured { look, finding } => {
            let finding = match finding.as_ref() {
                Finding::GoOn => "nothing speaks against going on".to_owned(),
                Finding::Wait { because } => format!("not yet: {because}"),
                Finding::Pause { because } => format!("stays: {because}"),
                Finding::Back { because, .. } => format!("goes back: {because}"),
            };
            let unmeasured = look.unmeasured.as_ref().map(|why| format!(" (not measured: {why})")).unwrap_or_default();
            format!("looked: {finding}{unmeasured}")
        }
        RolloutEvent::Told { state } => format!("others were told: {}", rollout_words(state)),
        RolloutEvent::Reminded => "people are reminded".to_owned(),
    }
}

fn way_words(way: Way) -> &'static str {
    match way {
        Way::Forth => "move",
        Way::Back => "move of the way back",
    }
}

fn hook_words(hook: Option<&HookOutcome>) -> String {
    hook.map(|hook| format!("; `{}`: {} ({})", hook.name, hook.ended, span(hook.duration_ms))).unwrap_or_default()
}
