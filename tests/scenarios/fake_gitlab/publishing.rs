//! The adapter for GitLab against the fake: what is said twice is shown once, whatever became of the answers.

use gatewright_core::event::{CommentPlace, CommentRef};
use gatewright_core::forge::{CatchUp, Forge, ForgeError};
use gatewright_core::report::{
    CheckReport, CheckStatus, CommentReport, Conclusion, Holds, Known, Published, Reaction, ReactionReport, Report, external_id,
};
use gatewright_core::verdict::{Annotation, AnnotationLevel};
use gatewright_core::{CommitId, ForgeKind, ItemRef, RepoRef, RunId, Timestamp};
use gatewright_forge_gitlab::GitLab;
use gatewright_tests::gitlab::{Effect, Fault, Limits};

use super::adapter::{Ahead, adapter, adapter_with, opened, repo_ref};
use super::*;

const MARKER: &str = "<!-- test:sticky -->";
const CHECK: &str = "gatewright/tests";

/// The operations that make something.
const NOTE: &str = "POST /projects/:id/merge_requests/:iid/notes";
const THREAD: &str = "POST /projects/:id/merge_requests/:iid/discussions";
const STATUS: &str = "POST /projects/:id/statuses/:sha";
const EMOJI: &str = "POST /projects/:id/merge_requests/:iid/notes/:note_id/award_emoji";

fn run(number: u128) -> RunId {
    RunId(uuid::Uuid::from_u128(number))
}

fn completed(conclusion: Conclusion) -> CheckStatus {
    CheckStatus::Completed { started_at: None, completed_at: Timestamp::UNIX_EPOCH, conclusion }
}

fn running() -> CheckStatus {
    CheckStatus::InProgress { started_at: Timestamp::UNIX_EPOCH }
}

fn check(pull: u64, head: &CommitId, status: CheckStatus) -> CheckReport {
    CheckReport {
        name: CHECK.to_owned(),
        head: head.clone(),
        pull: Some(pull),
        external_id: external_id(run(1), Some(&"tests".parse().expect("a gate's name"))),
        status,
        title: "60 passed".to_owned(),
        summary: String::new(),
        text: None,
        annotations: Vec::new(),
        suggestions: Vec::new(),
        actions: Vec::new(),
        details_url: Some("https://gw.example/runs/1".to_owned()),
    }
}

fn shown(check: CheckReport) -> Report {
    Report::Check(Box::new(check))
}

async fn publish(adapter: &GitLab, repo: &RepoRef, report: &Report, known: Known) -> Published {
    adapter.publish(repo, report, &known).await.expect("it is shown")
}

#[tokio::test]
async fn a_check_that_is_published_twice_is_one_status_on_the_merge_requests_pipeline() {
    for own_pipeline in [false, true] {
        let gitlab = FakeGitLab::start().await;
        let (repo, iid, head) = opened(&gitlab).await;
        let pipeline = own_pipeline.then(|| gitlab.start_pipeline(REPO, &format!("refs/merge-requests/{iid}/head")));
        let adapter = adapter(&gitlab);
        let mut known = Known::Never;
        for (status, state) in
            [(CheckStatus::Queued, "pending"), (running(), "running"), (completed(Conclusion::Success), "success")]
        {
            let report = shown(check(iid, &head, status));
            let id = publish(&adapter, &repo, &report, known).await.id;
            for again in [Known::Maybe, Known::Id(id)] {
                assert_eq!(publish(&adapter, &repo, &report, again).await.id, id, "{state}");
            }
            let seen = &gitlab.statuses(REPO, head.as_str())[CHECK];
            assert_eq!((seen.state.as_str(), seen.id, gitlab.statuses_made(head.as_str())), (state, id, 1));
            assert!(pipeline.is_none_or(|pipeline| seen.pipeline == pipeline));
            assert_eq!(gitlab.head_pipeline(REPO, iid), Some((seen.pipeline, state)));
            known = Known::Id(id);
        }
        let seen = &gitlab.statuses(REPO, head.as_str())[CHECK];
        assert_eq!((seen.description.as_str(), seen.target_url.as_deref()), ("60 passed", Some("https://gw.example/runs/1")));
        gitlab.assert_valid();
    }
}

#[tokio::test]
async fn a_check_whose_answer_was_lost_is_found_again() {
    let gitlab = FakeGitLab::start().await;
    let (repo, iid, head) = opened(&gitlab).await;
    let adapter = adapter(&gitlab);
    for status in [CheckStatus::Queued, running(), completed(Conclusion::Failure)] {
        let report = shown(check(iid, &head, status));
        for effect in [Effect::BadGatewayAfter, Effect::CutAfter, Effect::ServerError] {
            gitlab.fault(Fault::on(STATUS, effect).once());
        }
        let lost = adapter.publish(&repo, &report, &Known::Maybe).await;
        assert!(matches!(lost, Err(ForgeError::Unavailable { .. })), "{lost:?}");
        gitlab.heal();
        for _ in 0..2 {
            publish(&adapter, &repo, &report, Known::Maybe).await;
        }
        assert_eq!(gitlab.statuses_made(head.as_str()), 1);
    }
    assert_eq!(gitlab.statuses(REPO, head.as_str())[CHECK].state, "failed");
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_rerun_replaces_what_was_over_and_an_older_run_says_no_more() {
    let gitlab = FakeGitLab::start().await;
    let (repo, iid, head) = opened(&gitlab).await;
    let adapter = adapter(&gitlab);
    let of_run = |n: u128, status| {
        let id = external_id(run(n), Some(&"tests".parse().expect("a gate's name")));
        shown(CheckReport { external_id: id, ..check(iid, &head, status) })
    };
    let first = publish(&adapter, &repo, &of_run(1, completed(Conclusion::Failure)), Known::Never).await;
    let second = publish(&adapter, &repo, &of_run(2, running()), Known::Never).await;
    assert_ne!(first, second);
    publish(&adapter, &repo, &of_run(1, completed(Conclusion::Failure)), Known::Maybe).await;
    assert_eq!(gitlab.statuses(REPO, head.as_str())[CHECK].state, "running");
    publish(&adapter, &repo, &of_run(2, completed(Conclusion::Success)), Known::Id(second.id)).await;
    assert_eq!(
        (gitlab.head_pipeline(REPO, iid).map(|(_, state)| state), gitlab.statuses_made(head.as_str())),
        (Some("success"), 2)
    );
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_forks_check_is_shown_in_the_target_where_the_fork_is_not_ours() {
    for member in [false, true] {
        let gitlab = FakeGitLab::start().await;
        let repo = repo_ref(gitlab.create_public_project(REPO), REPO);
        let fork = gitlab.fork(REPO, "mallory");
        if member {
            gitlab.set_level(&fork, BOT, 30);
        }
        let head = gitlab.commit(&fork, "main", "mallory", "evil", [("evil.sh", "x\n")]);
        let iid = gitlab.open_merge_request(REPO, &MergeRequestSpec::of("mallory", "main").from_fork(&fork));
        let (adapter, commit) = (adapter(&gitlab), head.parse().expect("a commit"));
        for _ in 0..2 {
            publish(&adapter, &repo, &shown(check(iid, &commit, completed(Conclusion::Success))), Known::Maybe).await;
        }
        let (in_fork, in_target) = (gitlab.statuses(&fork, &head), gitlab.statuses(REPO, &head));
        assert_eq!((in_fork.len(), in_target.len()), if member { (1, 0) } else { (0, 1) });
        let reference = if member { "main".to_owned() } else { format!("refs/merge-requests/{iid}/head") };
        assert_eq!(in_fork.values().chain(in_target.values()).next().map(|seen| &seen.reference), Some(&reference));
        assert!(gitlab.head_pipeline(REPO, iid).is_some());
        gitlab.assert_valid();
    }
}

#[tokio::test]
async fn a_push_to_a_protected_branch_is_shown_by_a_maintainer_and_others_are_told_so() {
    let gitlab = FakeGitLab::start().await;
    let repo = repo_ref(gitlab.create_project(REPO), REPO);
    gitlab.protect(REPO, "main");
    let main: CommitId = gitlab.branch(REPO, "main").parse().expect("a commit");
    let report = shown(CheckReport { pull: None, ..check(0, &main, completed(Conclusion::Success)) });
    let adapter = adapter(&gitlab);
    let refused = adapter.publish(&repo, &report, &Known::Never).await;
    assert!(matches!(&refused, Err(ForgeError::Refused { cause, .. }) if cause.contains("protected branch")), "{refused:?}");
    gitlab.set_level(REPO, BOT, 40);
    for _ in 0..2 {
        publish(&adapter, &repo, &report, Known::Maybe).await;
    }
    assert_eq!(gitlab.statuses_made(main.as_str()), 1);
    gitlab.assert_valid();
}

#[tokio::test]
async fn the_external_status_check_is_answered_by_the_aggregate() {
    let gitlab = FakeGitLab::start().await;
    let (repo, iid, head) = opened(&gitlab).await;
    gitlab.add_status_check(REPO, "gatewright");
    gitlab.add_status_check(REPO, "somebody else's");
    let adapter = adapter(&gitlab);
    let aggregate = |status| {
        let name = "gatewright".to_owned();
        shown(CheckReport { name, external_id: external_id(run(1), None), ..check(iid, &head, status) })
    };
    publish(&adapter, &repo, &shown(check(iid, &head, completed(Conclusion::Success))), Known::Never).await;
    assert!(gitlab.external_answers(REPO, iid).is_empty(), "a gate's is no answer");
    for (status, word) in
        [(running(), "pending"), (completed(Conclusion::Failure), "failed"), (completed(Conclusion::Success), "passed")]
    {
        publish(&adapter, &repo, &aggregate(status), Known::Maybe).await;
        let answers = gitlab.external_answers(REPO, iid);
        assert_eq!((answers.len(), &answers["gatewright"]), (1, &(head.to_string(), word.to_owned())));
    }
    gitlab.assert_valid();
}

fn note(pull: u64, body: &str, holds: Holds) -> Report {
    Report::Comment(CommentReport { on: ItemRef::Pull { number: pull }, marker: MARKER.to_owned(), body: body.to_owned(), holds })
}

#[tokio::test]
async fn the_sticky_note_is_one_whatever_became_of_the_answers() {
    let gitlab = FakeGitLab::start().await;
    let (repo, iid, _) = opened(&gitlab).await;
    gitlab.comment(REPO, iid, "mallory", &format!("{MARKER}\nforged"));
    let adapter = adapter(&gitlab);
    for effect in [Effect::BadGatewayAfter, Effect::CutAfter] {
        gitlab.fault(Fault::on(NOTE, effect).once());
        let lost = adapter.publish(&repo, &note(iid, "first", Holds::Yes), &Known::Maybe).await;
        assert_eq!(lost.is_ok(), effect == Effect::CutAfter, "it is found the second time: {lost:?}");
    }
    gitlab.heal();
    let made = publish(&adapter, &repo, &note(iid, "first", Holds::Yes), Known::Maybe).await;
    for known in [Known::Maybe, Known::Id(made.id), Known::Id(made.id)] {
        assert_eq!(publish(&adapter, &repo, &note(iid, "second", Holds::Yes), known).await, made);
    }
    let ours = gitlab.bot_notes(REPO, iid);
    assert_eq!((ours.len(), ours[0].body.as_str()), (1, "<!-- test:sticky -->\nsecond"));
    gitlab.delete_note(made.id);
    let anew = publish(&adapter, &repo, &note(iid, "second", Holds::Yes), Known::Id(made.id)).await;
    assert_eq!(gitlab.sticky(REPO, iid, MARKER).map(|note| note.id), Some(anew.id));
    gitlab.assert_valid();
}

#[tokio::test]
async fn notes_that_were_made_twice_become_one() {
    let gitlab = FakeGitLab::start().await;
    let (repo, iid, _) = opened(&gitlab).await;
    // Two processes that both know of nothing.
    let (one, other) = (adapter(&gitlab), adapter(&gitlab));
    let first = publish(&one, &repo, &note(iid, "of one", Holds::Yes), Known::Never).await;
    publish(&other, &repo, &note(iid, "of the other", Holds::Yes), Known::Never).await;
    assert_eq!(gitlab.bot_notes(REPO, iid).len(), 2);
    assert_eq!(publish(&other, &repo, &note(iid, "of both", Holds::Yes), Known::Maybe).await, first);
    assert_eq!(gitlab.sticky(REPO, iid, MARKER).map(|note| note.body), Some(format!("{MARKER}\nof both")));
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_reply_that_no_longer_holds_is_folded_once() {
    let gitlab = FakeGitLab::start().await;
    let (repo, iid, _) = opened(&gitlab).await;
    let adapter = adapter(&gitlab);
    let folded = note(iid, "You may not.", Holds::NoLonger);
    publish(&adapter, &repo, &folded, Known::Maybe).await;
    assert!(gitlab.bot_notes(REPO, iid).is_empty(), "none is made for that");
    let made = publish(&adapter, &repo, &note(iid, "You may not.", Holds::Yes), Known::Never).await;
    for known in [Known::Never, Known::Maybe, Known::Id(made.id)] {
        assert_eq!(publish(&adapter, &repo, &folded, known).await, made);
    }
    let body = gitlab.sticky(REPO, iid, MARKER).expect("it stays").body;
    assert_eq!((body.matches("<details>").count(), body.contains("You may not.")), (1, true), "{body}");
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_reaction_is_there_once_whatever_became_of_the_answer() {
    let gitlab = FakeGitLab::start().await;
    let (repo, iid, _) = opened(&gitlab).await;
    let spoken = gitlab.comment(REPO, iid, "bob", "/gw run");
    let adapter = adapter(&gitlab);
    let give = |reaction| {
        let comment = CommentRef { number: iid, id: spoken, place: CommentPlace::Conversation };
        Report::Reaction(ReactionReport { comment, reaction })
    };
    gitlab.fault(Fault::on(EMOJI, Effect::BadGatewayAfter).once());
    gitlab.fault(Fault::on(EMOJI, Effect::CutAfter).once());
    let eyes = publish(&adapter, &repo, &give(Reaction::Eyes), Known::Never).await;
    assert_eq!(publish(&adapter, &repo, &give(Reaction::Eyes), Known::Maybe).await, eyes);
    let confused = publish(&adapter, &repo, &give(Reaction::Confused), Known::Never).await;
    publish(&adapter, &repo, &give(Reaction::ThumbsUp), Known::Id(confused.id)).await;
    assert_eq!(gitlab.reactions(spoken), ["eyes", "thumbsup"].map(|name| (BOT.to_owned(), name.to_owned())));
    gitlab.delete_note(spoken);
    let gone = adapter.publish(&repo, &give(Reaction::Eyes), &Known::Never).await;
    assert!(matches!(gone, Err(ForgeError::Missing { .. })), "{gone:?}");
    gitlab.assert_valid();
}

fn failure(path: &str, line: u32, title: &str) -> Annotation {
    let (path, title, message) = (path.to_owned(), title.to_owned(), "in full".to_owned());
    Annotation { path, start_line: line, end_line: line, column: None, level: AnnotationLevel::Failure, title, message }
}

fn failed(pull: u64, head: &CommitId, annotations: Vec<Annotation>) -> Report {
    shown(CheckReport { annotations, title: "failed".to_owned(), ..check(pull, head, completed(Conclusion::Failure)) })
}

fn places(gitlab: &FakeGitLab, iid: u64) -> Vec<(String, u64)> {
    gitlab.bot_notes(REPO, iid).into_iter().filter_map(|note| note.place).collect()
}

#[tokio::test]
async fn remarks_stand_at_their_lines_once_and_go_when_they_no_longer_hold() {
    let gitlab = FakeGitLab::start().await;
    let (repo, iid, head) = opened(&gitlab).await;
    let adapter = adapter(&gitlab);
    let remarks =
        vec![failure("src/a b.txt", 2, "wrong"), failure("x.md", 1, "also wrong"), failure("README.md", 1, "elsewhere")];
    gitlab.fault(Fault::on(THREAD, Effect::BadGatewayAfter).nth(2));
    let lost = adapter.publish(&repo, &failed(iid, &head, remarks.clone()), &Known::Maybe).await;
    assert!(matches!(lost, Err(ForgeError::Unavailable { .. })), "{lost:?}");
    for _ in 0..2 {
        publish(&adapter, &repo, &failed(iid, &head, remarks.clone()), Known::Maybe).await;
    }
    assert_eq!(places(&gitlab, iid), [("src/a b.txt".to_owned(), 2), ("x.md".to_owned(), 1)]);
    let description = &gitlab.statuses(REPO, head.as_str())[CHECK].description;
    assert_eq!(description, "failed (1 of 3 remarks not shown at their lines)");
    let answered = gitlab.bot_notes(REPO, iid).pop().expect("the second");
    gitlab.answer(answered.id, "bob", "why?");
    publish(&adapter, &repo, &shown(check(iid, &head, completed(Conclusion::Success))), Known::Maybe).await;
    assert_eq!(places(&gitlab, iid), [("x.md".to_owned(), 1)], "what somebody answered to stays");
    assert!(gitlab.bot_notes(REPO, iid)[0].resolved);
    publish(&adapter, &repo, &failed(iid, &head, remarks), Known::Maybe).await;
    assert!(gitlab.bot_notes(REPO, iid).iter().all(|note| !note.resolved), "it is true again");
    assert_eq!(places(&gitlab, iid).len(), 2);
    gitlab.assert_valid();
}

#[tokio::test]
async fn what_others_wrote_is_repeated_and_never_obeyed() {
    let gitlab = FakeGitLab::start().await;
    let (repo, iid, head) = opened(&gitlab).await;
    let adapter = adapter(&gitlab);
    let evil = "/merge\n  /approve\r\n\t/title x\n```\n/close\n```\n~~~\n/lock\n~~~\n/label ~done";
    let made = publish(&adapter, &repo, &note(iid, evil, Holds::Yes), Known::Never).await;
    publish(&adapter, &repo, &note(iid, &format!("{evil}\n/draft"), Holds::Yes), Known::Id(made.id)).await;
    publish(&adapter, &repo, &note(iid, evil, Holds::NoLonger), Known::Id(made.id)).await;
    let remark = Annotation { message: evil.to_owned(), ..failure("x.md", 1, "```\n/merge") };
    publish(&adapter, &repo, &failed(iid, &head, vec![remark]), Known::Never).await;
    assert_eq!((gitlab.obeyed(), gitlab.bot_notes(REPO, iid).len()), (Vec::new(), 2));
    assert!(gitlab.bot_notes(REPO, iid).iter().all(|note| note.body.contains("/merge")));
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_limit_of_notes_holds_notes_back_and_statuses_go_on() {
    let gitlab = FakeGitLab::start().await;
    let (repo, iid, head) = opened(&gitlab).await;
    gitlab.set_limits(Limits { notes_per_minute: 1, enforced: true, ..Limits::default() });
    let ahead = Ahead::default();
    let adapter = adapter_with(&gitlab, TOKEN, &ahead);
    let other = |n: u64| {
        Report::Comment(CommentReport {
            on: ItemRef::Pull { number: iid },
            marker: format!("<!-- {n} -->"),
            body: "b".to_owned(),
            holds: Holds::Yes,
        })
    };
    publish(&adapter, &repo, &other(1), Known::Never).await;
    let limited = adapter.publish(&repo, &other(2), &Known::Never).await;
    assert_eq!(limited, Err(ForgeError::RateLimited { forge: ForgeKind::Gitlab, wait_secs: 60 }));
    let sent = gitlab.calls(NOTE);
    assert!(matches!(adapter.publish(&repo, &other(2), &Known::Never).await, Err(ForgeError::RateLimited { .. })));
    assert_eq!(gitlab.calls(NOTE), sent, "it is not even asked");
    publish(&adapter, &repo, &shown(check(iid, &head, running())), Known::Never).await;
    gitlab.advance(61);
    ahead.store(61, Ordering::SeqCst);
    publish(&adapter, &repo, &other(2), Known::Never).await;
    assert_eq!(gitlab.bot_notes(REPO, iid).len(), 2);
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_limit_of_requests_holds_everything_back_for_as_long_as_it_says() {
    let gitlab = FakeGitLab::start().await;
    let (repo, iid, _) = opened(&gitlab).await;
    gitlab.fault(Fault::on("*", Effect::SecondaryLimit { retry_after_secs: 30 }).once());
    let ahead = Ahead::default();
    let adapter = adapter_with(&gitlab, TOKEN, &ahead);
    let limited = adapter.pull(&repo, iid).await;
    assert_eq!(limited, Err(ForgeError::RateLimited { forge: ForgeKind::Gitlab, wait_secs: 30 }));
    assert!(matches!(adapter.branch(&repo, "main").await, Err(ForgeError::RateLimited { .. })));
    ahead.store(31, Ordering::SeqCst);
    assert!(adapter.branch(&repo, "main").await.is_ok());
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_projects_and_a_groups_token_do_all_that_is_asked_of_them() {
    for of_group in [false, true] {
        let gitlab = FakeGitLab::start().await;
        let (repo, iid, head) = opened(&gitlab).await;
        let token =
            if of_group { gitlab.group_token("octo", 30, Scope::Api) } else { gitlab.project_token(REPO, 30, Scope::Api) };
        let adapter = adapter_with(&gitlab, &token, &Ahead::default());
        let me = adapter.probe().await.expect("it answers");
        for _ in 0..2 {
            publish(&adapter, &repo, &note(iid, "mine", Holds::Yes), Known::Maybe).await;
            publish(&adapter, &repo, &failed(iid, &head, vec![failure("x.md", 1, "wrong")]), Known::Maybe).await;
        }
        let authors: Vec<String> = gitlab.notes(REPO, iid).into_iter().map(|note| note.author).collect();
        assert_eq!(authors, [me.username.clone(), me.username]);
        assert_eq!(adapter.repositories().await, Ok(vec![repo]));
        gitlab.revoke(&token);
        assert!(matches!(adapter.repositories().await, Err(ForgeError::LockedOut { .. })));
        gitlab.assert_valid();
    }
}
