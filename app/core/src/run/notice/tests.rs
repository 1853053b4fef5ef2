#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::ids::{ForgeKind, RepoRef, RunId, Subject};
use crate::notice::NoticeKind;
use crate::run::{Action, Next, Run, RunSpec, Work};

fn at(secs: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + secs).unwrap()
}

fn run(channels: &[&str]) -> Run {
    let repo = RepoRef { forge: ForgeKind::Github, id: 1, path: "octo/app".to_owned(), installation: None };
    let notice = Notice {
        key: "promoted/1".to_owned(),
        kind: NoticeKind::Promoted,
        repo: repo.clone(),
        environment: "production".parse().unwrap(),
        tag: "v1.0.0".to_owned(),
        title: "v1.0.0 is live in production".to_owned(),
        text: String::new(),
        owner: None,
        url: None,
        at: at(0),
    };
    let subject = Subject::Notice { environment: notice.environment.clone() };
    let channels = channels.iter().map(|channel| (*channel).to_owned()).collect();
    let spec = RunSpec { repo, subject, work: Work::Notice(Box::new(NoticeSpec { notice, channels })) };
    Run::new(RunId::new(), &spec, at(0))
}

/// The channels that it is to be sent through now.
fn due(run: &Run, secs: i64) -> Vec<String> {
    let Next::Perform { actions, .. } = run.next(at(secs)) else { return Vec::new() };
    let channel = |action: &Action| match action {
        Action::Notice(NoticeAction::Send { channel }) => Some(channel.clone()),
        _ => None,
    };
    actions.iter().filter_map(channel).collect()
}

fn happened(run: &mut Run, secs: i64, event: NoticeEvent) {
    run.apply(at(secs), &RunEvent::Notice { event }).unwrap();
}

fn sent(channel: &str) -> NoticeEvent {
    NoticeEvent::Sent { channel: channel.to_owned() }
}

fn failed(channel: &str, again: Again) -> NoticeEvent {
    NoticeEvent::Failed { channel: channel.to_owned(), because: "no".to_owned(), again }
}

#[test]
fn a_channel_that_has_taken_it_is_left_alone_while_another_is_tried_again() {
    let mut run = run(&["chat", "mail"]);
    assert_eq!(due(&run, 0), ["chat", "mail"]);
    happened(&mut run, 1, sent("chat"));
    happened(&mut run, 1, failed("mail", Again::After(0)));
    assert_eq!(due(&run, 5), Vec::<String>::new());
    assert_eq!(due(&run, 6), ["mail"]);
    happened(&mut run, 7, failed("mail", Again::After(300)));
    assert_eq!(due(&run, 306), Vec::<String>::new(), "the channel has asked for more time");
    assert_eq!(due(&run, 307), ["mail"]);
    happened(&mut run, 308, sent("mail"));
    assert!(
        matches!(run.next(at(308)), Next::Perform { actions, .. } if matches!(actions[..], [Action::Finish { conclusion: Conclusion::Success }]))
    );
}

#[test]
fn a_dead_channel_is_given_up_and_that_shows() {
    let mut run = run(&["chat"]);
    let (mut tries, mut secs) = (0, 0);
    while due(&run, i64::MAX / 1_000_000_000) == ["chat"] {
        secs += 40_000;
        happened(&mut run, secs, failed("chat", Again::After(1_000_000)));
        tries += 1;
    }
    assert_eq!(tries, PAUSES_SECS.len() + 1);
    assert_eq!(run.conclusion(), Conclusion::Failure);
}

#[test]
fn what_a_channel_refuses_for_good_is_not_tried_again() {
    let mut run = run(&["chat"]);
    happened(&mut run, 1, failed("chat", Again::Never));
    assert_eq!(due(&run, 1_000_000), Vec::<String>::new());
    assert_eq!(run.conclusion(), Conclusion::Failure);
}

#[test]
fn it_is_over_only_when_every_channel_is_settled() {
    let run = &mut run(&["chat"]);
    let finished = RunEvent::Finished { conclusion: Conclusion::Success };
    assert!(run.apply(at(1), &finished).is_err());
    assert!(run.apply(at(1), &RunEvent::Notice { event: sent("mail") }).is_err(), "there is no such channel");
}
