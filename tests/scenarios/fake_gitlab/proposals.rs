//! Proposals, pushed commits, issues and items: the adapter for GitLab against the fake, and the fake's own strictness.

use gatewright_core::event::{Event, IssueChange, PullChange};
use gatewright_core::forge::{Forge, ForgeError, Items};
use gatewright_core::report::proposal::signed_message;
use gatewright_core::report::{
    AGENT_COMMENT_MARKER, CommentReport, Holds, IssueReport, Known, NO_NUMBER, ProposalReport, Published, PushedReport, Report,
};
use gatewright_core::tree::{FileChange, FileMode, Tree};
use gatewright_core::{ItemRef, RepoRef};
use gatewright_forge_gitlab::GitLab;
use gatewright_tests::gitlab::{Edit, Effect, Fault, Item, Signing};
use insta::assert_snapshot;

use super::adapter::{adapter, repo_ref};
use super::*;

const BRANCH: &str = "gatewright/fix-7-0192ab";
const KEY: &str = "0192ab/proposal";

async fn with_project() -> (FakeGitLab, RepoRef, GitLab) {
    let gitlab = FakeGitLab::start().await;
    let repo = repo_ref(gitlab.create_project(REPO), REPO);
    let edits = [Edit::from(("a.txt", "one\n")), Edit::from(("gone.txt", "x\n")), Edit::script("run.sh", "#!\n")];
    gitlab.commit(REPO, "main", "alice", "files", edits);
    let adapter = adapter(&gitlab);
    (gitlab, repo, adapter)
}

fn plain(path: &str, content: &[u8]) -> FileChange {
    FileChange { path: path.to_owned(), now: Some((FileMode::Plain, Bytes::copy_from_slice(content))) }
}

fn proposal(gitlab: &FakeGitLab) -> ProposalReport {
    ProposalReport {
        branch: BRANCH.to_owned(),
        parent: gitlab.branch(REPO, "main").parse().expect("a commit"),
        changes: vec![plain("a.txt", b"two\n")],
        message: "fix: the first file\n\nIt said one.".to_owned(),
        target: "main".to_owned(),
        title: "Fix the first file".to_owned(),
        body: "What was done.".to_owned(),
        labels: vec!["gatewright".to_owned()],
        draft: true,
        external_id: KEY.to_owned(),
    }
}

fn report(proposal: &ProposalReport) -> Report {
    Report::Proposal(Box::new(proposal.clone()))
}

fn pushed(gitlab: &FakeGitLab, branch: &str) -> PushedReport {
    let ProposalReport { changes, message, external_id, .. } = proposal(gitlab);
    let parent = gitlab.branch(REPO, branch).parse().expect("a commit");
    PushedReport { branch: branch.to_owned(), parent, changes, message, external_id }
}

fn issue(body: &str) -> Report {
    let (marker, labels) = ("<!-- test:issue 1 -->".to_owned(), vec!["gatewright".to_owned(), "bug".to_owned()]);
    Report::Issue(IssueReport { title: "It is slow".to_owned(), body: body.to_owned(), labels, marker })
}

fn refusal(result: Result<Published, ForgeError>) -> String {
    match result {
        Err(ForgeError::Refused { cause, .. }) => cause,
        other => panic!("it should be refused: {other:?}"),
    }
}

fn shown(gitlab: &FakeGitLab) -> String {
    let line = |item: Item| {
        format!(
            "{} {} {:?} by {} {:?} {:?}: {}",
            item.iid, item.state, item.title, item.author, item.labels, item.branches, item.description
        )
    };
    gitlab.merge_requests(REPO).into_iter().chain(gitlab.issues(REPO)).map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_proposal_is_a_commit_on_a_branch_and_a_labelled_draft_and_is_made_once() {
    let (gitlab, repo, adapter) = with_project().await;
    let proposal = proposal(&gitlab);
    for known in [Known::Never, Known::Never, Known::Maybe, Known::Id(1)] {
        assert_eq!(adapter.publish(&repo, &report(&proposal), &known).await, Ok(Published { id: 1 }));
    }
    assert_snapshot!(shown(&gitlab), @r#"1 opened "Draft: Fix the first file" by gatewright-bot ["gatewright"] Some(("gatewright/fix-7-0192ab", "main")): What was done."#);
    let head = gitlab.branch(REPO, BRANCH);
    let (message, parents) = gitlab.commit_info(REPO, &head);
    assert_snapshot!(message, @"
    fix: the first file

    It said one.

    Gatewright-Run: 0192ab/proposal
    ");
    assert_eq!(parents, [proposal.parent.to_string()]);
    let calls = ["repository/commits", "merge_requests"].map(|path| gitlab.calls(&format!("POST /projects/:id/{path}")));
    assert_eq!((calls, gitlab.calls("PUT /projects/:id/merge_requests/:iid")), ([1, 1], 0));
    let changed = ProposalReport { title: "Fix it".to_owned(), body: "More was done.\n/merge".to_owned(), ..proposal };
    assert_eq!(adapter.publish(&repo, &report(&changed), &Known::Id(1)).await, Ok(Published { id: 1 }));
    assert_eq!((gitlab.merge_requests(REPO)[0].title.as_str(), gitlab.branch(REPO, BRANCH)), ("Draft: Fix it", head));
    assert!(gitlab.obeyed().is_empty());
    gitlab.assert_valid();
}

#[tokio::test]
async fn files_are_what_was_asked_for_removed_executable_and_binary_ones_too() {
    let (gitlab, repo, adapter) = with_project().await;
    let script = |path: &str, text: &'static str| FileChange {
        path: path.to_owned(),
        now: Some((FileMode::Executable, Bytes::from(text))),
    };
    let changes = vec![
        plain("a.txt", b"crlf\r\n\xc3\xbc"),
        FileChange { path: "gone.txt".to_owned(), now: None },
        plain("run.sh", b"#!\n"),
        script("README.md", "a project\n"),
        script("new/deep/tool", "#!/bin/sh\n"),
        plain("image.bin", &[0xff, 0x00, 0xfe, b'\n']),
        plain("empty", b""),
    ];
    let proposal = ProposalReport { changes, ..proposal(&gitlab) };
    assert_eq!(adapter.publish(&repo, &report(&proposal), &Known::Never).await, Ok(Published { id: 1 }));
    let files = gitlab.files(REPO, &gitlab.branch(REPO, BRANCH));
    let line = |(path, (mode, content)): (&String, &(String, Vec<u8>))| {
        format!("{mode} {path} {:?}", content.escape_ascii().to_string())
    };
    assert_snapshot!(files.iter().map(line).collect::<Vec<_>>().join("\n"), @r##"
    100755 README.md "a project\\n"
    100644 a.txt "crlf\\r\\n\\xc3\\xbc"
    100644 empty ""
    100644 image.bin "\\xff\\x00\\xfe\\n"
    100755 new/deep/tool "#!/bin/sh\\n"
    100644 run.sh "#!\\n"
    "##);
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_hundred_files_are_one_commit_and_one_more_is_refused_without_a_request() {
    let (gitlab, repo, adapter) = with_project().await;
    let many: Vec<FileChange> = (0..Tree::FILES_MAX).map(|n| plain(&format!("f/{n}"), format!("{n}\n").as_bytes())).collect();
    let proposal = ProposalReport { changes: many.clone(), ..proposal(&gitlab) };
    assert_eq!(adapter.publish(&repo, &report(&proposal), &Known::Never).await, Ok(Published { id: 1 }));
    assert_eq!(gitlab.files(REPO, &gitlab.branch(REPO, BRANCH)).len(), 100 + 4);
    let requests = gitlab.log().len();
    let changes = many.into_iter().chain([plain("one-more", b"x")]).collect();
    let more = ProposalReport { branch: "gatewright/x".to_owned(), changes, ..proposal };
    assert_snapshot!(refusal(adapter.publish(&repo, &report(&more), &Known::Never).await), @"101 files are changed, and 100 are the most");
    let comma = ProposalReport { changes: vec![plain("x", b"x")], labels: vec!["a,b".to_owned()], ..more };
    assert_snapshot!(refusal(adapter.publish(&repo, &report(&comma), &Known::Never).await), @r#"the label "a,b" has a comma in it, by which GitLab parts labels"#);
    assert_eq!(gitlab.log().len(), requests);
    gitlab.assert_valid();
}

#[tokio::test]
async fn after_a_crash_between_branch_and_merge_request_the_branch_is_found() {
    for (operation, effect) in [
        ("POST /projects/:id/repository/commits", Effect::BadGatewayAfter),
        ("POST /projects/:id/merge_requests", Effect::ServerError),
        ("POST /projects/:id/merge_requests", Effect::CutAfter),
    ] {
        let (gitlab, repo, adapter) = with_project().await;
        let proposal = proposal(&gitlab);
        let fault = gitlab.fault(Fault::on(operation, effect));
        let failed = adapter.publish(&repo, &report(&proposal), &Known::Never).await;
        assert!(matches!(failed, Err(ForgeError::Unavailable { .. })), "{operation}: {failed:?}");
        assert!(gitlab.struck(fault) > 0);
        gitlab.heal();
        assert_eq!(adapter.publish(&repo, &report(&proposal), &Known::Maybe).await, Ok(Published { id: 1 }), "{operation}");
        let commits = gitlab.calls("POST /projects/:id/repository/commits");
        assert_eq!((gitlab.merge_requests(REPO).len(), commits), (1, 1), "{operation}");
        assert_eq!(gitlab.merge_requests(REPO)[0].labels, ["gatewright"]);
        gitlab.assert_valid();
    }
}

#[tokio::test]
async fn what_somebody_else_pushed_to_our_branch_stays_and_a_closed_one_stays_closed() {
    let (gitlab, repo, adapter) = with_project().await;
    let first = proposal(&gitlab);
    assert_eq!(adapter.publish(&repo, &report(&first), &Known::Never).await, Ok(Published { id: 1 }));
    let theirs = gitlab.commit(REPO, BRANCH, "bob", "better", [("a.txt", "three\n")]);
    gitlab.retitle(REPO, 1, "Fix the first file", "bob");
    gitlab.unlabel(REPO, 1, "bob", "gatewright");
    let later = ProposalReport { body: "New words.".to_owned(), ..first };
    for known in [Known::Id(1), Known::Id(1)] {
        assert_eq!(adapter.publish(&repo, &report(&later), &known).await, Ok(Published { id: 1 }));
    }
    assert_eq!(gitlab.branch(REPO, BRANCH), theirs);
    assert_snapshot!(shown(&gitlab), @r#"1 opened "Fix the first file" by gatewright-bot [] Some(("gatewright/fix-7-0192ab", "main")): New words."#);
    gitlab.close(REPO, 1, "bob");
    let last = ProposalReport { body: "Newer words.".to_owned(), ..later };
    assert_eq!(adapter.publish(&repo, &report(&last), &Known::Maybe).await, Ok(Published { id: 1 }));
    gitlab.delete_branch(REPO, BRANCH, "bob");
    assert_eq!(adapter.publish(&repo, &report(&last), &Known::Maybe).await, Ok(Published { id: 1 }), "found without its branch");
    assert_eq!(
        (gitlab.merge_requests(REPO)[0].state, gitlab.merge_requests(REPO)[0].description.as_str()),
        ("closed", "New words.")
    );
    assert!(!gitlab.has_branch(REPO, BRANCH));
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_branch_that_holds_something_else_is_nobodys_to_propose() {
    let (gitlab, repo, adapter) = with_project().await;
    let proposal = proposal(&gitlab);
    let foreign = gitlab.commit(REPO, BRANCH, "mallory", "mine", [("a.txt", "evil\n")]);
    let cause = refusal(adapter.publish(&repo, &report(&proposal), &Known::Never).await);
    assert!(cause.contains(&foreign[..7]) && cause.contains("is not what was to be proposed"), "{cause}");
    gitlab.commit(REPO, BRANCH, "mallory", &signed_message("mine", KEY), [("a.txt", "worse\n")]);
    assert!(refusal(adapter.publish(&repo, &report(&proposal), &Known::Maybe).await).contains("is not what was to be proposed"));
    gitlab.open_merge_request(REPO, &MergeRequestSpec::of("mallory", BRANCH));
    let cause = refusal(adapter.publish(&repo, &report(&proposal), &Known::Maybe).await);
    assert_snapshot!(cause, @"somebody else has opened !1 for the branch gatewright/fix-7-0192ab; nothing is changed there");
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_missing_role_or_scope_is_named_with_what_to_do() {
    let (gitlab, repo, adapter) = with_project().await;
    gitlab.set_level(REPO, BOT, 20);
    assert_snapshot!(refusal(adapter.publish(&repo, &report(&proposal(&gitlab)), &Known::Never).await), @"403 Forbidden (for branch gatewright/fix-7-0192ab of octo/app); the token needs the scope `api`, and its account the role Developer, for a protected branch Maintainer");
    gitlab.set_level(REPO, BOT, 30);
    gitlab.protect(REPO, "main");
    let onto_main = Report::Pushed(Box::new(pushed(&gitlab, "main")));
    let cause = refusal(adapter.publish(&repo, &onto_main, &Known::Never).await);
    assert!(cause.contains("for a protected branch Maintainer"), "{cause}");
    gitlab.assert_valid();
}

#[tokio::test]
async fn what_leaves_everything_as_it_is_and_what_goes_nowhere_is_refused() {
    let (gitlab, repo, adapter) = with_project().await;
    let same = ProposalReport { changes: vec![plain("a.txt", b"one\n")], ..proposal(&gitlab) };
    assert!(refusal(adapter.publish(&repo, &report(&same), &Known::Never).await).starts_with("the changes leave "));
    let absent = vec![FileChange { path: "never.txt".to_owned(), now: None }];
    let removed = ProposalReport { changes: absent, ..proposal(&gitlab) };
    assert!(
        refusal(adapter.publish(&repo, &report(&removed), &Known::Never).await)
            .starts_with("never.txt is to be removed, and is not in ")
    );
    assert!(!gitlab.has_branch(REPO, BRANCH));
    let nowhere = ProposalReport { target: "nowhere".to_owned(), ..proposal(&gitlab) };
    assert!(
        refusal(adapter.publish(&repo, &report(&nowhere), &Known::Never).await).contains("the branch nowhere does not exist")
    );
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_commit_goes_on_a_branch_once_and_only_where_it_was_made_for() {
    let (gitlab, repo, adapter) = with_project().await;
    gitlab.commit(REPO, "topic", "alice", "work", [("b.txt", "b\n")]);
    let mine = pushed(&gitlab, "topic");
    let report = Report::Pushed(Box::new(mine.clone()));
    for known in [Known::Never, Known::Maybe, Known::Id(NO_NUMBER)] {
        assert_eq!(adapter.publish(&repo, &report, &known).await, Ok(Published { id: NO_NUMBER }));
    }
    let head = gitlab.branch(REPO, "topic");
    assert_eq!(gitlab.commit_info(REPO, &head).1, [mine.parent.to_string()]);
    let theirs = gitlab.commit(REPO, "topic", "alice", "more", [("c.txt", "c\n")]);
    assert_eq!(
        adapter.publish(&repo, &report, &Known::Maybe).await,
        Ok(Published { id: NO_NUMBER }),
        "it lies below what was pushed since"
    );
    let other = PushedReport { external_id: "0192ab/other".to_owned(), ..mine };
    let parent = other.parent.short().to_owned();
    let cause = refusal(adapter.publish(&repo, &Report::Pushed(Box::new(other.clone())), &Known::Never).await);
    assert_eq!(
        cause.replace(&parent, "PARENT"),
        "the branch topic has moved on from PARENT since; nothing was pushed. Ask for it again at its new head"
    );
    assert_eq!(gitlab.branch(REPO, "topic"), theirs);
    gitlab.delete_branch(REPO, "topic", "alice");
    let cause = refusal(adapter.publish(&repo, &Report::Pushed(Box::new(other)), &Known::Never).await);
    assert_snapshot!(cause, @"the branch topic is gone; nothing was pushed");
    gitlab.assert_valid();
}

#[tokio::test]
async fn an_answer_to_a_push_that_got_lost_does_not_push_twice() {
    let (gitlab, repo, adapter) = with_project().await;
    gitlab.commit(REPO, "topic", "alice", "work", [("b.txt", "b\n")]);
    let report = Report::Pushed(Box::new(pushed(&gitlab, "topic")));
    gitlab.fault(Fault::on("POST /projects/:id/repository/commits", Effect::BadGatewayAfter).once());
    assert!(matches!(adapter.publish(&repo, &report, &Known::Never).await, Err(ForgeError::Unavailable { .. })));
    let head = gitlab.branch(REPO, "topic");
    assert_eq!(adapter.publish(&repo, &report, &Known::Maybe).await, Ok(Published { id: NO_NUMBER }));
    assert_eq!(gitlab.branch(REPO, "topic"), head);
    gitlab.assert_valid();
}

#[tokio::test]
async fn an_issue_is_opened_once_and_stays_closed() {
    let (gitlab, repo, adapter) = with_project().await;
    gitlab.open_issue(REPO, "mallory", "copied", "<!-- test:issue 1 -->\nnot ours", &["gatewright"]);
    gitlab.fault(Fault::on("POST /projects/:id/issues", Effect::CutAfter).once());
    assert!(matches!(adapter.publish(&repo, &issue("x"), &Known::Never).await, Err(ForgeError::Unavailable { .. })));
    for known in [Known::Maybe, Known::Never, Known::Id(2)] {
        assert_eq!(adapter.publish(&repo, &issue("Since Monday."), &known).await, Ok(Published { id: 2 }));
    }
    assert_eq!(adapter.publish(&repo, &issue("Since Tuesday."), &Known::Id(2)).await, Ok(Published { id: 2 }));
    assert_snapshot!(shown(&gitlab), @r#"
    1 opened "copied" by mallory ["gatewright"] None: <!-- test:issue 1 -->
    not ours
    2 opened "It is slow" by gatewright-bot ["gatewright", "bug"] None: <!-- test:issue 1 -->
    Since Tuesday.
    "#);
    gitlab.close_issue(REPO, 2, "alice");
    for known in [Known::Maybe, Known::Id(2)] {
        assert_eq!(adapter.publish(&repo, &issue("Still."), &known).await, Ok(Published { id: 2 }));
    }
    assert!(gitlab.issues(REPO)[1].description.ends_with("Tuesday."));
    gitlab.assert_valid();
}

#[tokio::test]
async fn the_agents_comment_stands_on_an_issue_as_on_a_merge_request() {
    let (gitlab, repo, adapter) = with_project().await;
    gitlab.commit(REPO, "topic", "alice", "work", [("b.txt", "b\n")]);
    let number = gitlab.open_issue(REPO, "alice", "broken", "It is.", &[]);
    let pull = gitlab.open_merge_request(REPO, &MergeRequestSpec::of("alice", "topic"));
    assert_eq!(number, pull, "each has numbers of its own");
    for on in [ItemRef::Issue { number }, ItemRef::Pull { number: pull }] {
        let comment = |body: &str| {
            Report::Comment(CommentReport {
                on,
                marker: AGENT_COMMENT_MARKER.to_owned(),
                body: body.to_owned(),
                holds: Holds::Yes,
            })
        };
        let first = adapter.publish(&repo, &comment("Working."), &Known::Maybe).await.expect("it is shown");
        assert_eq!(adapter.publish(&repo, &comment(&format!("Done with {on}.")), &Known::Maybe).await, Ok(first));
    }
    let expected = |on: &str| format!("{AGENT_COMMENT_MARKER}\nDone with {on}.");
    assert_eq!(gitlab.notes_on_issue(REPO, number), [(BOT.to_owned(), expected("issue 1"))]);
    assert_eq!(gitlab.bot_notes(REPO, pull).into_iter().map(|note| note.body).collect::<Vec<_>>(), [expected("#1")]);
    gitlab.assert_valid();
}

#[tokio::test]
async fn an_item_is_told_with_what_was_said_and_when_it_was_changed() {
    let (gitlab, repo, adapter) = with_project().await;
    assert_eq!(adapter.default_branch(&repo).await.as_deref(), Ok("main"));
    gitlab.commit(REPO, "topic", "alice", "work", [("b.txt", "b\n")]);
    let spec = MergeRequestSpec::of("alice", "topic").titled("Work").described("Please look.").labelled(&["bug"]);
    let pull = gitlab.open_merge_request(REPO, &spec);
    let number = gitlab.open_issue(REPO, "mallory", "broken", "It is.", &["bug"]);
    gitlab.comment_internally(REPO, pull, "bob", "secret");
    for (item, title, author) in
        [(ItemRef::Pull { number: pull }, "Work", "alice"), (ItemRef::Issue { number }, "broken", "mallory")]
    {
        let is_issue = matches!(item, ItemRef::Issue { .. });
        let say = |user: &str, body: &str| match is_issue {
            true => gitlab.comment_on_issue(REPO, item.number(), user, body),
            false => gitlab.comment(REPO, item.number(), user, body),
        };
        let rewrite = |title: Option<&str>, body: Option<&str>| match is_issue {
            true => gitlab.rewrite_issue(REPO, item.number(), author, title, body),
            false => gitlab.rewrite(REPO, item.number(), author, title, body),
        };
        let first = say("bob", "first");
        say("project_7_bot_0a1b", "beep");
        let told = adapter.item(&repo, &item).await.expect("it is there");
        assert_eq!((told.title.as_str(), told.author.login.as_str(), told.open, told.edited_at), (title, author, true, None));
        assert_eq!(told.labels, ["bug"]);
        let said: Vec<_> = told.comments.iter().map(|c| (c.author.login.as_str(), c.bot, c.edited_at, c.body.as_str())).collect();
        assert_eq!(said, [("bob", false, None, "first"), ("project_7_bot_0a1b", true, None, "beep")]);
        rewrite(None, Some("Changed."));
        gitlab.edit_note(first, "second");
        let told = adapter.item(&repo, &item).await.expect("it is there");
        let edited = told.edited_at.expect("it was changed");
        assert!(told.body == "Changed." && edited > told.created_at && told.comments[0].edited_at.is_some_and(|at| at > edited));
        rewrite(Some("Another"), None);
        let again = adapter.item(&repo, &item).await.expect("it is there").edited_at;
        assert!(again.is_some_and(|again| again > edited), "{again:?}");
    }
    let hidden = ItemRef::Issue { number: gitlab.open_confidential_issue(REPO, "alice", "leak") };
    assert!(matches!(adapter.item(&repo, &hidden).await, Err(ForgeError::Refused { .. })));
    assert!(matches!(adapter.item(&repo, &ItemRef::Issue { number: 99 }).await, Err(ForgeError::Missing { .. })));
    gitlab.assert_valid();
}

#[tokio::test]
async fn of_very_many_notes_the_first_and_the_newest_are_told() {
    let (gitlab, repo, adapter) = with_project().await;
    let number = gitlab.open_issue(REPO, "alice", "broken", "", &[]);
    for (count, left_out) in [(100_usize, 0), (101, 1), (260, 160), (700, 500)] {
        let there = gitlab.notes_on_issue(REPO, number).len();
        for n in there..count {
            gitlab.comment_on_issue(REPO, number, "bob", &n.to_string());
        }
        let told = adapter.item(&repo, &ItemRef::Issue { number }).await.expect("it is there");
        let said: Vec<usize> = told.comments.iter().map(|comment| comment.body.parse().expect("a number")).collect();
        let expected: Vec<usize> = if left_out == 0 { (0..count).collect() } else { (0..50).chain(count - 50..count).collect() };
        assert_eq!(said, expected, "{count}");
        assert_eq!(told.comments_left_out, left_out, "of 700 not all are counted");
        assert_eq!(told.edited_at.is_some(), count > 500, "what lies among so many nobody knows");
    }
    gitlab.assert_valid();
}

#[tokio::test]
async fn what_happens_to_items_is_told_by_webhook_as_if_a_person_had_done_it() {
    let (gitlab, repo, adapter) = with_project().await;
    let receiver = Receiver::start().await;
    gitlab.set_webhook(&receiver.url, Signing::Token("a secret of some length".to_owned()));
    assert!(adapter.publish(&repo, &report(&proposal(&gitlab)), &Known::Never).await.is_ok());
    assert!(adapter.publish(&repo, &issue("x"), &Known::Never).await.is_ok());
    gitlab.label_issue(REPO, 1, "alice", &["agents", "bug", "more"]);
    gitlab.rewrite_issue(REPO, 1, "alice", Some("Renamed"), None);
    gitlab.label(REPO, 1, "alice", &["agents"]);
    gitlab.unlabel(REPO, 1, "alice", "agents");
    gitlab.open_confidential_issue(REPO, "alice", "leak");
    gitlab.comment_on_issue(REPO, 1, "alice", "/gw do it");
    gitlab.comment_on_issue(REPO, 2, "alice", "/gw leak it");
    gitlab.deliveries_settled().await;
    let event = |event: Event| match event {
        Event::Pull(pull) => format!("pull {} {:?} {:?}", pull.number, pull.change, pull.labels),
        Event::Labelled(pull) => format!("pull {} {:?} by {}", pull.number, pull.labels, pull.sender.login),
        Event::Issue(issue) => format!("issue {} {:?} by {}", issue.number, issue.change, issue.sender.login),
        Event::Comment(said) => format!("{} {:?}", said.comment.item(), said.body),
        Event::Push(push) => format!("push to {}", push.branch),
        Event::Unused { reason } => reason,
        other => format!("{:?}", other.repo().is_some()),
    };
    let told: Vec<String> = receiver
        .got
        .lock()
        .expect("no panic")
        .iter()
        .map(|(_, body)| {
            let parsed = gatewright_webhook::gitlab::parse("", body).expect("it is JSON");
            format!("{}.{}: {}", parsed.name, parsed.action.unwrap_or_default(), event(parsed.event))
        })
        .collect();
    assert_snapshot!(told.join("\n"), @r#"
    push.: push to gatewright/fix-7-0192ab
    merge_request.open: pull 1 Opened ["gatewright"]
    issue.open: issue 1 Opened { labels: ["gatewright", "bug"] } by gatewright-bot
    issue.update: issue 1 Labelled { labels: ["agents", "more"] } by alice
    issue.update: the update brings no label
    merge_request.update: pull 1 ["agents"] by alice
    merge_request.update: the update brings neither commits nor another target branch
    issue.open: confidential issues are not read
    note.create: issue 1 "/gw do it"
    note.create: confidential issues are not read
    "#);
    let opened = IssueChange::Opened { labels: vec!["gatewright".to_owned(), "bug".to_owned()] };
    assert!(told.iter().any(|line| line.contains(&format!("{opened:?}"))));
    assert!(told.iter().any(|line| line.contains(&format!("{:?}", PullChange::Opened))));
    gitlab.assert_valid();
}

#[tokio::test]
async fn the_fake_takes_no_force_and_tells_creating_from_changing() {
    let (gitlab, _, _) = with_project().await;
    let bot = Client::bot(&gitlab);
    let commits = format!("{PROJECT}/repository/commits");
    let post = async |more: Value| {
        let mut body = json!({ "branch": "topic", "commit_message": "m", "actions": [] });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        bot.send(Method::POST, &commits, body).await
    };
    let main = gitlab.branch(REPO, "main");
    let action = |action: &str, path: &str| json!({ "action": action, "file_path": path, "content": "x" });
    for (more, message) in [
        (json!({ "actions": [action("create", "x")] }), "You can only create or edit files when you are on a branch"),
        (json!({ "start_sha": main, "actions": [action("create", "a.txt")] }), "A file with this name already exists"),
        (json!({ "start_sha": main, "actions": [action("update", "x")] }), "A file with this name doesn't exist"),
        (
            json!({ "branch": "main", "start_sha": main, "actions": [action("create", "x")] }),
            "A branch called 'main' already exists. Switch to that branch in order to make changes",
        ),
    ] {
        let (status, answer) = post(more).await;
        assert_eq!((status, answer["message"].as_str()), (400, Some(message)));
    }
    let stale = json!({ "action": "update", "file_path": "a.txt", "content": "x", "last_commit_id": main });
    gitlab.commit(REPO, "main", "alice", "meanwhile", [("a.txt", "newer\n")]);
    assert_eq!(post(json!({ "branch": "main", "actions": [stale] })).await.0, 400, "the file was changed since");
    gitlab.assert_valid();
    assert_eq!(post(json!({ "start_sha": main, "force": true, "actions": [action("create", "x")] })).await.0, 400);
    assert_eq!(gitlab.take_violations().len(), 1);
}
