//! Notices: what people are told through the operator's channels. A rollout that tells others how it stands, and what is found of drift,
//! bring with them the run that tells people, in the same transaction: it is there exactly once, whatever happens to the service. What that
//! run does is here too.

use gatewright_core::notice::{Notice, NoticeKind, SendError};
use gatewright_core::rollout::Live;
use gatewright_core::rollout::drift::Drift;
use gatewright_core::run::{
    Again, NewRun, NoticeAction, NoticeEvent, NoticeRun, NoticeSpec, Patience, Rollout, RolloutState, Run, RunEvent, RunSpec,
    Work,
};
use gatewright_core::{EnvironmentName, RepoRef, RunId, Subject, Timestamp};

use crate::Engine;
use crate::perform::Done;
use crate::redact::Redactor;
use crate::render::release::{hint, owner, patience_words, words};

/// Sends a notice through a channel. That it was not taken is an event like any other: the run says when it is tried again.
pub(crate) async fn perform(engine: &Engine, of: &NoticeRun, action: NoticeAction) -> Done {
    let NoticeAction::Send { channel } = action;
    let redacted = |text: &str| Redactor::new(engine.options.secrets.iter().cloned()).text(text);
    let failed = |channel, cause: &str, again| NoticeEvent::Failed { channel, because: redacted(cause), again };
    let event = match engine.deps.channels.send(&channel, &of.spec.notice).await {
        Ok(()) => NoticeEvent::Sent { channel },
        Err(SendError::Again { cause, after_secs }) => failed(channel, &cause, Again::After(after_secs.unwrap_or(0))),
        Err(SendError::Final { cause }) => failed(channel, &cause, Again::Never),
    };
    let outcome = match &event {
        NoticeEvent::Sent { .. } => "sent",
        NoticeEvent::Failed { again: Again::After(_), .. } => "failed",
        NoticeEvent::Failed { again: Again::Never, .. } => "refused",
    };
    metrics::counter!("gatewright_notices_total", "outcome" => outcome).increment(1);
    if let NoticeEvent::Failed { channel, because, .. } = &event {
        tracing::warn!(channel, because, notice = of.spec.notice.key, "people could not be told");
    }
    Done::Events(vec![RunEvent::Notice { event }])
}

/// The run that tells people how a rollout stands. None where that is nothing new to them, or no channel is for it.
pub(crate) fn of_rollout(engine: &Engine, run: &Run, rollout: &Rollout, state: &RolloutState, now: Timestamp) -> Option<NewRun> {
    let kind = if rollout.spec.cause.brings_a_release() { worth(rollout.told.as_ref(), state)? } else { of_made_again(state)? };
    let (tag, environment) = (rollout.spec.release.tag.clone(), rollout.spec.environment.name.clone());
    let title = match reminders(state) {
        0 => format!("{tag} to {environment}: {}", words(state)),
        _ => format!("Reminder: {tag} to {environment}: {}", words(state)),
    };
    let patience = patience_words(state);
    let lines = [words(state) + &patience, hint(&environment, state).unwrap_or_default()];
    let text = lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    let notice = Notice {
        key: format!("rollout/{}/{}", run.id, run.seq),
        kind,
        repo: run.repo.clone(),
        environment,
        tag,
        title,
        text,
        owner: owner(state),
        url: engine.options.public_url.as_ref().map(|url| format!("{url}/runs/{}", run.id)),
        at: now,
    };
    new_run(engine, notice)
}

/// The run that tells people what was found of drift.
pub(crate) fn of_drift(
    engine: &Engine,
    repo: &RepoRef,
    name: &EnvironmentName,
    live: &Live,
    drift: &Drift,
    now: Timestamp,
) -> Option<NewRun> {
    let tag = live.release.tag.clone();
    let (word, title, text) = match drift.stands() {
        true => ("found", format!("Drift in {name}: what runs is not {tag} as it was released"), drift.words()),
        false => ("gone", format!("No drift in {name} any more: what runs is {tag} as it was released"), String::new()),
    };
    let notice = Notice {
        key: format!("drift/{}/{word}", drift.id),
        kind: NoticeKind::Drift,
        repo: repo.clone(),
        environment: name.clone(),
        tag,
        title,
        text,
        owner: None,
        url: engine.options.public_url.as_ref().map(|url| format!("{url}/environments/{}", live.rollout)),
        at: now,
    };
    new_run(engine, notice)
}

fn new_run(engine: &Engine, notice: Notice) -> Option<NewRun> {
    let mut redactor = Redactor::new(engine.options.secrets.iter().cloned());
    let (title, text) = (redactor.text(&notice.title), redactor.text(&notice.text));
    let notice = Notice { title, text, ..notice }.bounded();
    let channels = engine.deps.channels.fitting(&notice);
    if channels.is_empty() {
        return None;
    }
    let (repo, subject) = (notice.repo.clone(), Subject::Notice { environment: notice.environment.clone() });
    let work = Work::Notice(Box::new(NoticeSpec { notice, channels }));
    Some(NewRun { id: RunId::new(), spec: RunSpec { repo, subject, work } })
}

/// What a rollout's state is worth telling as, after what others were told before.
fn worth(before: Option<&RolloutState>, now: &RolloutState) -> Option<NoticeKind> {
    match (before, now) {
        (_, RolloutState::Waiting { waits, .. }) if waits.is_empty() => None,
        (_, RolloutState::Waiting { .. } | RolloutState::Paused { .. }) => {
            let news = before.and_then(patience).is_none_or(|before| Some(before) != patience(now));
            news.then_some(NoticeKind::Waiting)
        }
        (None | Some(RolloutState::Waiting { .. }), RolloutState::Moving { .. }) => Some(NoticeKind::Started),
        (_, RolloutState::Moving { .. } | RolloutState::RollingBack { .. }) => None,
        (_, RolloutState::Promoted) => Some(NoticeKind::Promoted),
        (_, RolloutState::RolledBack { .. }) => Some(NoticeKind::RolledBack),
        (_, RolloutState::GivenUp { .. }) => Some(NoticeKind::GivenUp),
    }
}

/// That something is made again is told where it came to nothing. Else it is told that the drift is gone.
fn of_made_again(now: &RolloutState) -> Option<NoticeKind> {
    match now {
        RolloutState::RolledBack { .. } | RolloutState::GivenUp { .. } => Some(NoticeKind::Drift),
        RolloutState::Waiting { .. }
        | RolloutState::Moving { .. }
        | RolloutState::Paused { .. }
        | RolloutState::Promoted
        | RolloutState::RollingBack { .. } => None,
    }
}

/// For how long a rollout has waited, if it waits: another time is another wait, or a reminder.
fn patience(state: &RolloutState) -> Option<&Patience> {
    match state {
        RolloutState::Waiting { patience, .. } | RolloutState::Paused { patience, .. } => Some(patience),
        RolloutState::Moving { .. }
        | RolloutState::Promoted
        | RolloutState::RollingBack { .. }
        | RolloutState::RolledBack { .. }
        | RolloutState::GivenUp { .. } => None,
    }
}

fn reminders(state: &RolloutState) -> u32 {
    patience(state).map_or(0, |patience| patience.reminders)
}

#[cfg(test)]
mod tests {
    use gatewright_core::rollout::Wait;

    use super::*;

    fn waiting(secs: i64, reminders: u32, missing: u32) -> RolloutState {
        let patience = Patience { since: Timestamp::from_second(secs).ok(), reminders, ends_at: None };
        RolloutState::Waiting { waits: vec![Wait::Approvals { missing, who: "max".to_owned() }], patience }
    }

    #[test]
    fn what_is_waited_for_is_told_once_and_with_each_reminder() {
        assert_eq!(worth(None, &waiting(1, 0, 2)), Some(NoticeKind::Waiting));
        assert_eq!(worth(Some(&waiting(1, 0, 2)), &waiting(1, 0, 1)), None, "one approval less is the same wait");
        assert_eq!(worth(Some(&waiting(1, 0, 1)), &waiting(1, 1, 1)), Some(NoticeKind::Waiting), "a reminder");
        assert_eq!(worth(Some(&waiting(1, 1, 1)), &waiting(9, 0, 1)), Some(NoticeKind::Waiting), "another wait");
        let nothing = RolloutState::Waiting { waits: Vec::new(), patience: Patience::default() };
        assert_eq!(worth(None, &nothing), None);
    }

    #[test]
    fn each_move_is_no_news_but_the_first() {
        let moving = |made| RolloutState::Moving { what: "x".to_owned(), made, of: 9, percent: 0 };
        assert_eq!(worth(Some(&waiting(1, 0, 1)), &moving(0)), Some(NoticeKind::Started));
        assert_eq!(worth(None, &moving(0)), Some(NoticeKind::Started));
        assert_eq!(worth(Some(&moving(0)), &moving(1)), None);
        let back = RolloutState::RolledBack { because: "x".to_owned() };
        assert_eq!(worth(Some(&moving(1)), &back), Some(NoticeKind::RolledBack));
    }
}
