//! Proposals, pushed commits and issues: the adapter for GitHub against the fake, and the fake's own strictness.

use gatewright_core::forge::{Forge, ForgeError, Items};
use gatewright_core::report::proposal::signed_message;
use gatewright_core::report::{
    AGENT_COMMENT_MARKER, CommentReport, Holds, IssueReport, Known, NO_NUMBER, ProposalReport, Published, PushedReport, Report,
};
use gatewright_core::tree::{FileChange, FileMode, Tree};
use gatewright_core::{ItemRef, RepoRef};
use gatewright_forge_github::GitHub;
use insta::assert_snapshot;

use super::adapter::{adapter, repo_ref};
use super::*;

const REPO: &str = "octo/app";
const BRANCH: &str = "gatewright/fix-7-0192ab";
const KEY: &str = "0192ab/proposal";

async fn with_repo() -> (FakeGitHub, RepoRef, GitHub) {
    with_options(Options::default()).await
}

async fn with_options(options: Options) -> (FakeGitHub, RepoRef, GitHub) {
    let github = FakeGitHub::start_with(options).await;
    let id = github.create_repo(REPO);
    let (repo, adapter) = (repo_ref(&github, id, REPO), adapter(&github));
    github.commit(
        REPO,
        "main",
        "alice",
        "files",
        [Edit::from(("a.txt", "one\n")), Edit::from(("gone.txt", "x\n")), Edit::script("run.sh", "#!\n")],
    );
    (github, repo, adapter)
}

fn plain(path: &str, content: &[u8]) -> FileChange {
    FileChange { path: path.to_owned(), now: Some((FileMode::Plain, Bytes::copy_from_slice(content))) }
}

fn proposal(github: &FakeGitHub) -> ProposalReport {
    ProposalReport {
        branch: BRANCH.to_owned(),
        parent: github.branch(REPO, "main").parse().expect("a commit"),
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

fn pushed(github: &FakeGitHub, branch: &str) -> PushedReport {
    let ProposalReport { changes, message, external_id, .. } = proposal(github);
    let parent = github.branch(REPO, branch).parse().expect("a commit");
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

fn shown(github: &FakeGitHub) -> String {
    let line = |thread: gatewright_tests::github::Thread| {
        let (open, draft) = (if thread.open { "open" } else { "closed" }, if thread.draft { " draft" } else { "" });
        format!(
            "#{} {open}{draft} {:?} by {} {:?} {:?}: {}",
            thread.number, thread.title, thread.author, thread.labels, thread.branches, thread.body
        )
    };
    github.pulls(REPO).into_iter().chain(github.issues(REPO)).map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_proposal_is_a_verified_commit_on_a_branch_and_a_labelled_draft_and_is_made_once() {
    let (github, repo, adapter) = with_repo().await;
    let proposal = proposal(&github);
    for known in [Known::Never, Known::Never, Known::Maybe, Known::Id(1)] {
        assert_eq!(adapter.publish(&repo, &report(&proposal), &known).await, Ok(Published { id: 1 }));
    }
    assert_snapshot!(shown(&github), @r#"#1 open draft "Fix the first file" by gatewright[bot] ["gatewright"] Some(("gatewright/fix-7-0192ab", "main")): What was done."#);
    let head = github.branch(REPO, BRANCH);
    let (message, parents, verified) = github.commit_info(REPO, &head);
    assert_snapshot!(message, @"
    fix: the first file

    It said one.

    Gatewright-Run: 0192ab/proposal
    ");
    assert_eq!((parents, verified), (vec![proposal.parent.to_string()], true));
    let calls =
        ["git/create-commit", "git/create-ref", "pulls/create", "issues/add-labels", "pulls/update"].map(|op| github.calls(op));
    assert_eq!(calls, [1, 1, 1, 1, 0]);
    let changed = ProposalReport { title: "Fix it".to_owned(), body: "More was done.".to_owned(), ..proposal };
    assert_eq!(adapter.publish(&repo, &report(&changed), &Known::Id(1)).await, Ok(Published { id: 1 }));
    assert_eq!((github.pulls(REPO)[0].title.as_str(), github.branch(REPO, BRANCH)), ("Fix it", head));
    github.assert_valid();
}

#[tokio::test]
async fn files_are_what_was_asked_for_removed_executable_and_binary_ones_too() {
    let (github, repo, adapter) = with_repo().await;
    let binary = [0xff, 0x00, 0xfe, b'\n'];
    let script = |path: &str, text: &'static str| FileChange {
        path: path.to_owned(),
        now: Some((FileMode::Executable, Bytes::from(text))),
    };
    let changes = vec![
        plain("a.txt", b"crlf\r\n\xc3\xbc"),
        FileChange { path: "gone.txt".to_owned(), now: None },
        plain("run.sh", b"#!\n"),
        script("new/deep/tool", "#!/bin/sh\n"),
        plain("image.bin", &binary),
        plain("nul.txt", b"a\0b"),
        plain("empty", b""),
    ];
    let proposal = ProposalReport { changes, ..proposal(&github) };
    assert_eq!(adapter.publish(&repo, &report(&proposal), &Known::Never).await, Ok(Published { id: 1 }));
    let files = github.files(REPO, &github.branch(REPO, BRANCH));
    let line = |(path, (mode, content)): (&String, &(String, Vec<u8>))| {
        format!("{mode} {path} {:?}", content.escape_ascii().to_string())
    };
    assert_snapshot!(files.iter().map(line).collect::<Vec<_>>().join("\n"), @r##"
    100644 README.md "# app\\n"
    100644 a.txt "crlf\\r\\n\\xc3\\xbc"
    100644 empty ""
    100644 image.bin "\\xff\\x00\\xfe\\n"
    100755 new/deep/tool "#!/bin/sh\\n"
    100644 nul.txt "a\\x00b"
    100644 run.sh "#!\\n"
    "##);
    // Text goes along with the tree.
    assert_eq!((github.calls("git/create-blob"), github.calls("git/create-tree")), (2, 1));
    github.assert_valid();
}

#[tokio::test]
async fn a_hundred_files_are_one_tree_and_one_more_is_refused_without_a_request() {
    let (github, repo, adapter) = with_repo().await;
    let many: Vec<FileChange> = (0..Tree::FILES_MAX).map(|n| plain(&format!("f/{n}"), format!("{n}\n").as_bytes())).collect();
    let proposal = ProposalReport { changes: many.clone(), ..proposal(&github) };
    assert_eq!(adapter.publish(&repo, &report(&proposal), &Known::Never).await, Ok(Published { id: 1 }));
    assert_eq!(github.files(REPO, &github.branch(REPO, BRANCH)).len(), 100 + 4);
    let requests = github.requests();
    let changes = many.into_iter().chain([plain("one-more", b"x")]).collect();
    let more = ProposalReport { branch: "gatewright/x".to_owned(), changes, ..proposal };
    assert_snapshot!(refusal(adapter.publish(&repo, &report(&more), &Known::Never).await), @"101 files are changed, and 100 are the most");
    let outside = ProposalReport { changes: vec![plain("../x", b"x")], ..more.clone() };
    assert_snapshot!(refusal(adapter.publish(&repo, &report(&outside), &Known::Never).await), @r#""../x" is no path of a file"#);
    let odd = ProposalReport { branch: "a..b".to_owned(), changes: vec![plain("x", b"x")], ..more };
    assert_snapshot!(refusal(adapter.publish(&repo, &report(&odd), &Known::Never).await), @r#""a..b" is no name for a branch"#);
    assert_eq!(github.requests(), requests);
    github.assert_valid();
}

#[tokio::test]
async fn after_a_crash_between_branch_and_pull_request_the_branch_is_found() {
    for (operation, effect) in [
        ("git/create-ref", Effect::BadGatewayAfter),
        ("pulls/create", Effect::ServerError),
        ("pulls/create", Effect::CutAfter),
        ("issues/add-labels", Effect::Cut),
    ] {
        let (github, repo, adapter) = with_repo().await;
        let proposal = proposal(&github);
        let fault = github.fault(Fault::on(operation, effect));
        let failed = adapter.publish(&repo, &report(&proposal), &Known::Never).await;
        assert!(matches!(failed, Err(ForgeError::Unavailable { .. })), "{operation}: {failed:?}");
        assert!(github.fault_hits(fault) > 0);
        github.clear_faults();
        assert_eq!(adapter.publish(&repo, &report(&proposal), &Known::Maybe).await, Ok(Published { id: 1 }), "{operation}");
        assert_eq!((github.pulls(REPO).len(), github.calls("git/create-ref")), (1, 1), "{operation}");
        assert_eq!(github.pulls(REPO)[0].labels, ["gatewright"]);
        github.assert_valid();
    }
}

#[tokio::test]
async fn what_somebody_else_pushed_to_our_branch_stays_and_a_closed_one_stays_closed() {
    let (github, repo, adapter) = with_repo().await;
    let first = proposal(&github);
    assert_eq!(adapter.publish(&repo, &report(&first), &Known::Never).await, Ok(Published { id: 1 }));
    let theirs = github.commit(REPO, BRANCH, "bob", "better", [("a.txt", "three\n")]);
    github.set_draft(REPO, 1, false, "bob");
    github.unlabel(REPO, 1, "gatewright");
    let later = ProposalReport { body: "New words.".to_owned(), ..first };
    for known in [Known::Id(1), Known::Id(1)] {
        assert_eq!(adapter.publish(&repo, &report(&later), &known).await, Ok(Published { id: 1 }));
    }
    assert_eq!(github.branch(REPO, BRANCH), theirs);
    assert_snapshot!(shown(&github), @r#"#1 open "Fix the first file" by gatewright[bot] [] Some(("gatewright/fix-7-0192ab", "main")): New words."#);
    github.close_pull(REPO, 1, "bob");
    let last = ProposalReport { body: "Newer words.".to_owned(), ..later };
    assert_eq!(adapter.publish(&repo, &report(&last), &Known::Maybe).await, Ok(Published { id: 1 }));
    github.delete_branch(REPO, BRANCH, "bob");
    assert_eq!(adapter.publish(&repo, &report(&last), &Known::Maybe).await, Ok(Published { id: 1 }), "found without its branch");
    assert_eq!((github.pulls(REPO)[0].open, github.pulls(REPO)[0].body.as_str()), (false, "New words."));
    assert!(!github.has_branch(REPO, BRANCH));
    github.assert_valid();
}

#[tokio::test]
async fn a_branch_that_holds_something_else_is_nobodys_to_propose() {
    let (github, repo, adapter) = with_repo().await;
    let proposal = proposal(&github);
    let foreign = github.commit(REPO, BRANCH, "mallory", "mine", [("a.txt", "evil\n")]);
    let cause = refusal(adapter.publish(&repo, &report(&proposal), &Known::Never).await);
    assert_eq!(
        cause.replace(&foreign[..7], "SHA"),
        "the branch gatewright/fix-7-0192ab is at SHA, which is not what was to be proposed; no pull request is opened for it. Rename or \
         delete the branch, and try again"
    );
    // A key that somebody copies is not enough: the commit must follow where the change began.
    github.commit(REPO, BRANCH, "mallory", &signed_message("mine", KEY), [("a.txt", "worse\n")]);
    assert!(refusal(adapter.publish(&repo, &report(&proposal), &Known::Maybe).await).contains("is not what was to be proposed"));
    github.open_pull(REPO, PullSpec::of("mallory", BRANCH));
    let cause = refusal(adapter.publish(&repo, &report(&proposal), &Known::Maybe).await);
    assert_snapshot!(cause, @"somebody else has opened #1 for the branch gatewright/fix-7-0192ab; nothing is changed there");
    github.assert_valid();
}

#[tokio::test]
async fn where_the_plan_has_no_drafts_the_title_says_so() {
    let (github, repo, adapter) = with_repo().await;
    github.without_drafts(REPO);
    let first = proposal(&github);
    for known in [Known::Never, Known::Maybe, Known::Id(1)] {
        assert_eq!(adapter.publish(&repo, &report(&first), &known).await, Ok(Published { id: 1 }));
    }
    assert_eq!((github.pulls(REPO)[0].title.as_str(), github.pulls(REPO)[0].draft), ("Draft: Fix the first file", false));
    github.rewrite(REPO, 1, "bob", Some("Fix the first file"), None);
    let later = ProposalReport { title: "Fix both files".to_owned(), ..first };
    assert_eq!(adapter.publish(&repo, &report(&later), &Known::Id(1)).await, Ok(Published { id: 1 }));
    assert_eq!(github.pulls(REPO)[0].title, "Fix both files", "a person has taken the prefix off");
    github.assert_valid();
}

#[tokio::test]
async fn a_missing_permission_is_named_with_what_to_do() {
    let mut options = Options::default();
    options.permissions.insert("contents".to_owned(), "read".to_owned());
    options.permissions.insert("issues".to_owned(), "read".to_owned());
    let (github, repo, adapter) = with_options(options).await;
    assert_snapshot!(refusal(adapter.publish(&repo, &report(&proposal(&github)), &Known::Never).await), @"no token for octo/app: The permissions requested are not granted to this installation. (the App lacks `contents: write`; add that in the App's settings, and have the owner accept it on the installation's page)");
    assert!(refusal(adapter.publish(&repo, &issue("x"), &Known::Never).await).contains("the App lacks `issues: write`"));
    let pushed = Report::Pushed(Box::new(pushed(&github, "main")));
    assert!(refusal(adapter.publish(&repo, &pushed, &Known::Never).await).contains("the App lacks `contents: write`"));
    github.assert_valid();
}

#[tokio::test]
async fn each_thing_is_asked_for_by_a_token_that_can_do_no_more() {
    let (github, repo, adapter) = with_repo().await;
    assert!(adapter.publish(&repo, &report(&proposal(&github)), &Known::Never).await.is_ok());
    assert!(adapter.publish(&repo, &issue("x"), &Known::Never).await.is_ok());
    let asked = github.log().into_iter().filter(|seen| seen.operation == "apps/create-installation-access-token");
    let asked: Vec<String> = asked.map(|seen| seen.body["permissions"].to_string()).collect();
    assert_snapshot!(asked.join("\n"), @r#"
    {"contents":"write","metadata":"read","pull_requests":"write"}
    {"checks":"write","contents":"read","metadata":"read","pull_requests":"write"}
    {"issues":"write","metadata":"read"}
    "#);
    github.assert_valid();
}

#[tokio::test]
async fn what_leaves_everything_as_it_is_and_what_goes_nowhere_is_refused() {
    let (github, repo, adapter) = with_repo().await;
    let same = ProposalReport { changes: vec![plain("a.txt", b"one\n")], ..proposal(&github) };
    assert!(refusal(adapter.publish(&repo, &report(&same), &Known::Never).await).starts_with("the changes leave "));
    let absent = vec![FileChange { path: "never.txt".to_owned(), now: None }];
    let removed = ProposalReport { changes: absent, ..proposal(&github) };
    assert!(
        refusal(adapter.publish(&repo, &report(&removed), &Known::Never).await).ends_with("is a file removed that is not there?")
    );
    assert!(!github.has_branch(REPO, BRANCH));
    let nowhere = ProposalReport { target: "nowhere".to_owned(), ..proposal(&github) };
    assert!(refusal(adapter.publish(&repo, &report(&nowhere), &Known::Never).await).contains("\"field\":\"base\""));
    github.assert_valid();
}

#[tokio::test]
async fn a_commit_goes_on_a_branch_once_and_only_where_it_was_made_for() {
    let (github, repo, adapter) = with_repo().await;
    github.commit(REPO, "topic", "alice", "work", [("b.txt", "b\n")]);
    let mine = pushed(&github, "topic");
    let report = Report::Pushed(Box::new(mine.clone()));
    for known in [Known::Never, Known::Maybe, Known::Id(NO_NUMBER)] {
        assert_eq!(adapter.publish(&repo, &report, &known).await, Ok(Published { id: NO_NUMBER }));
    }
    let head = github.branch(REPO, "topic");
    assert_eq!(github.commit_info(REPO, &head).1, [mine.parent.to_string()]);
    let theirs = github.commit(REPO, "topic", "alice", "more", [("c.txt", "c\n")]);
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
    assert_eq!(github.branch(REPO, "topic"), theirs);
    github.delete_branch(REPO, "topic", "alice");
    let cause = refusal(adapter.publish(&repo, &Report::Pushed(Box::new(other)), &Known::Never).await);
    assert_snapshot!(cause, @"the branch topic is gone; nothing was pushed");
    github.assert_valid();
}

#[tokio::test]
async fn an_answer_to_a_push_that_got_lost_does_not_push_twice() {
    let (github, repo, adapter) = with_repo().await;
    github.commit(REPO, "topic", "alice", "work", [("b.txt", "b\n")]);
    let report = Report::Pushed(Box::new(pushed(&github, "topic")));
    github.fault(Fault::on("git/update-ref", Effect::BadGatewayAfter));
    let failed = adapter.publish(&repo, &report, &Known::Never).await;
    assert!(matches!(failed, Err(ForgeError::Unavailable { .. })), "{failed:?}");
    let head = github.branch(REPO, "topic");
    github.clear_faults();
    assert_eq!(adapter.publish(&repo, &report, &Known::Maybe).await, Ok(Published { id: NO_NUMBER }));
    assert_eq!(github.branch(REPO, "topic"), head);
    github.assert_valid();
}

#[tokio::test]
async fn an_issue_is_opened_once_and_stays_closed() {
    let (github, repo, adapter) = with_repo().await;
    github.open_issue(REPO, "mallory", "copied", "<!-- test:issue 1 -->\nnot ours");
    for known in [Known::Never, Known::Maybe, Known::Id(2)] {
        assert_eq!(adapter.publish(&repo, &issue("Since Monday."), &known).await, Ok(Published { id: 2 }));
    }
    assert_eq!(adapter.publish(&repo, &issue("Since Tuesday."), &Known::Id(2)).await, Ok(Published { id: 2 }));
    assert_snapshot!(shown(&github), @r#"
    #1 open "copied" by mallory [] None: <!-- test:issue 1 -->
    not ours
    #2 open "It is slow" by gatewright[bot] ["gatewright", "bug"] None: <!-- test:issue 1 -->
    Since Tuesday.
    "#);
    github.close_issue(REPO, 2, "alice");
    for known in [Known::Maybe, Known::Id(2)] {
        assert_eq!(adapter.publish(&repo, &issue("Still."), &known).await, Ok(Published { id: 2 }));
    }
    assert!(!github.issues(REPO)[1].open && github.issues(REPO)[1].body.ends_with("Tuesday."));
    github.assert_valid();
}

#[tokio::test]
async fn an_issue_whose_answer_got_lost_is_found() {
    let (github, repo, adapter) = with_repo().await;
    github.fault(Fault::on("issues/create", Effect::CutAfter).once());
    assert!(matches!(adapter.publish(&repo, &issue("x"), &Known::Never).await, Err(ForgeError::Unavailable { .. })));
    assert_eq!(adapter.publish(&repo, &issue("x"), &Known::Maybe).await, Ok(Published { id: 1 }));
    assert_eq!(github.issues(REPO).len(), 1);
    github.assert_valid();
}

#[tokio::test]
async fn the_agents_comment_stands_on_an_issue_as_on_a_pull_request() {
    let (github, repo, adapter) = with_repo().await;
    github.commit(REPO, "topic", "alice", "work", [("b.txt", "b\n")]);
    let number = github.open_issue(REPO, "alice", "broken", "It is.");
    let pull = github.open_pull(REPO, PullSpec::of("alice", "topic"));
    for on in [ItemRef::Issue { number }, ItemRef::Pull { number: pull }] {
        let comment = |body: &str, holds| {
            Report::Comment(CommentReport { on, marker: AGENT_COMMENT_MARKER.to_owned(), body: body.to_owned(), holds })
        };
        let first = adapter.publish(&repo, &comment("Working.", Holds::Yes), &Known::Maybe).await.expect("it is shown");
        assert_eq!(adapter.publish(&repo, &comment("Done.", Holds::Yes), &Known::Maybe).await, Ok(first.clone()));
        let sticky = github.sticky(REPO, on.number()).expect("it is there");
        assert_eq!(sticky.body, format!("{AGENT_COMMENT_MARKER}\nDone."));
        assert_eq!(adapter.publish(&repo, &comment("", Holds::NoLonger), &Known::Id(first.id)).await, Ok(first));
        assert!(github.sticky(REPO, on.number()).expect("it is there").minimised);
    }
    github.assert_valid();
}

#[tokio::test]
async fn an_item_is_told_with_what_was_said_and_when_it_was_changed() {
    let (github, repo, adapter) = with_repo().await;
    github.stop_clock();
    assert_eq!(adapter.default_branch(&repo).await.as_deref(), Ok("main"));
    github.commit(REPO, "topic", "alice", "work", [("b.txt", "b\n")]);
    let pull = github.open_pull(REPO, PullSpec::of("alice", "topic").title("Work").body("Please look."));
    let number = github.open_issue(REPO, "mallory", "broken", "It is.");
    github.label(REPO, number, "bug", "alice");
    for (item, title, author) in
        [(ItemRef::Pull { number: pull }, "Work", "alice"), (ItemRef::Issue { number }, "broken", "mallory")]
    {
        github.advance(10);
        let comment = github.comment(REPO, item.number(), "bob", "first");
        github.comment_as_bot(REPO, item.number(), "other", "beep");
        let told = adapter.item(&repo, &item).await.expect("it is there");
        assert_eq!((told.title.as_str(), told.author.login.as_str(), told.open, told.edited_at), (title, author, true, None));
        let said: Vec<_> = told.comments.iter().map(|c| (c.author.login.as_str(), c.bot, c.edited_at, c.body.as_str())).collect();
        assert_eq!(said, [("bob", false, None, "first"), ("other[bot]", true, None, "beep")]);
        github.advance(10);
        let edited = github.now();
        github.rewrite(REPO, item.number(), author, None, Some("Changed."));
        github.edit_comment(comment, "bob", "second");
        github.advance(10);
        let told = adapter.item(&repo, &item).await.expect("it is there");
        assert_eq!((told.body.as_str(), told.edited_at, told.comments[0].edited_at), ("Changed.", Some(edited), Some(edited)));
        let renamed = github.now();
        github.rewrite(REPO, item.number(), author, Some("Another"), None);
        assert_eq!(adapter.item(&repo, &item).await.map(|told| told.edited_at), Ok(Some(renamed)));
    }
    assert_eq!(adapter.item(&repo, &ItemRef::Issue { number }).await.map(|told| told.labels), Ok(vec!["bug".to_owned()]));
    for wrong in [ItemRef::Issue { number: pull }, ItemRef::Pull { number }, ItemRef::Issue { number: 99 }] {
        let told = adapter.item(&repo, &wrong).await;
        assert!(matches!(told, Err(ForgeError::Missing { .. } | ForgeError::Refused { .. })), "{wrong:?}: {told:?}");
    }
    github.assert_valid();
}

#[tokio::test]
async fn of_very_many_comments_the_first_and_the_newest_are_told() {
    let (github, repo, adapter) = with_repo().await;
    let number = github.open_issue(REPO, "alice", "broken", "");
    for (count, left_out) in [(49, 0), (50, 0), (51, 0), (100, 0), (101, 1), (149, 49), (151, 51), (260, 160)] {
        let there = github.comments(REPO, number).len();
        for n in there..count {
            github.comment(REPO, number, "bob", &n.to_string());
        }
        let told = adapter.item(&repo, &ItemRef::Issue { number }).await.expect("it is there");
        let said: Vec<usize> = told.comments.iter().map(|comment| comment.body.parse().expect("a number")).collect();
        let expected: Vec<usize> = if left_out == 0 { (0..count).collect() } else { (0..50).chain(count - 50..count).collect() };
        assert_eq!((said, told.comments_left_out), (expected, left_out as u64), "{count}");
    }
    github.assert_valid();
}

#[tokio::test]
async fn a_proposal_and_an_issue_are_told_by_webhook_as_if_a_person_had_made_them() {
    let (github, repo, adapter) = with_repo().await;
    let (hook, got) = receiver(StatusCode::ACCEPTED).await;
    github.set_webhook(&hook, SECRET);
    assert!(adapter.publish(&repo, &report(&proposal(&github)), &Known::Never).await.is_ok());
    assert!(adapter.publish(&repo, &issue("x"), &Known::Never).await.is_ok());
    github.label(REPO, 2, "agents", "alice");
    github.comment(REPO, 2, "alice", "/gw do it");
    github.deliveries_settled().await;
    let told: Vec<String> = got
        .lock()
        .expect("no panic")
        .iter()
        .map(|(headers, body)| {
            let parsed =
                gatewright_webhook::github::parse(header(headers, "x-github-event"), body, github.app_id()).expect("it is JSON");
            format!(
                "{}.{}: {}",
                parsed.name,
                parsed.action.unwrap_or_default(),
                match parsed.event {
                    gatewright_core::event::Event::Pull(pull) => format!("pull {} {:?}", pull.number, pull.change),
                    gatewright_core::event::Event::Labelled(pull) =>
                        format!("pull {} {:?} by {}", pull.number, pull.labels, pull.sender.login),
                    gatewright_core::event::Event::Issue(issue) =>
                        format!("issue {} {:?} by {}", issue.number, issue.change, issue.sender.login),
                    gatewright_core::event::Event::Comment(said) => format!("{} {:?}", said.comment.item(), said.body),
                    gatewright_core::event::Event::Push(push) => format!("push to {}", push.branch),
                    other => format!("{:?}", other.repo().is_some()),
                }
            )
        })
        .collect();
    assert_snapshot!(told.join("\n"), @r#"
    ping.: false
    push.: push to gatewright/fix-7-0192ab
    check_suite.requested: false
    pull_request.opened: pull 1 Opened
    pull_request.labeled: pull 1 ["gatewright"] by gatewright[bot]
    issues.opened: issue 2 Opened { labels: [] } by gatewright[bot]
    issues.labeled: issue 2 Labelled { labels: ["gatewright"] } by gatewright[bot]
    issues.labeled: issue 2 Labelled { labels: ["bug"] } by gatewright[bot]
    issues.labeled: issue 2 Labelled { labels: ["agents"] } by alice
    issue_comment.created: issue 2 "/gw do it"
    "#);
    github.assert_valid();
}

#[tokio::test]
async fn the_fake_takes_no_force_no_foreign_modes_and_no_second_pull_request() {
    let (github, _, _) = with_repo().await;
    github.commit(REPO, "topic", "alice", "work", [("b.txt", "b\n")]);
    let bot = Client::bot(&github, REPO);
    let (main, topic) = (github.branch(REPO, "main"), github.branch(REPO, "topic"));
    let post = async |path: &str, body: Value| bot.send(Method::POST, &format!("/repos/octo/app/{path}"), body).await.0;
    let refs = "/repos/octo/app/git/refs/heads/topic";
    assert_eq!(bot.send(Method::PATCH, refs, json!({"sha": main, "force": false})).await.0, 422, "no fast forward");
    assert_eq!(post("git/refs", json!({"ref": "refs/heads/topic", "sha": topic})).await, 422, "it is there");
    assert_eq!(post("pulls", json!({"title": "t", "head": "topic", "base": "main"})).await, 201);
    assert_eq!(post("pulls", json!({"title": "t", "head": "topic", "base": "main"})).await, 422, "there is one");
    assert_eq!(post("pulls", json!({"title": "t", "head": "main", "base": "topic"})).await, 422, "nothing lies between");
    github.assert_valid();
    assert_eq!(bot.send(Method::PATCH, refs, json!({"sha": main, "force": true})).await.0, 422);
    let link = json!({"tree": [{"path": "l", "mode": "120000", "type": "commit", "content": "/etc/passwd"}]});
    assert_eq!(post("git/trees", link).await, 422);
    assert_eq!(github.take_violations().len(), 2);
}
