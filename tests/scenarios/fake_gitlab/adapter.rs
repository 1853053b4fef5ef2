//! The adapter for GitLab against the fake: what each takes the other to be, and what is read of projects and people.

use std::sync::atomic::AtomicU64;

use gatewright_core::event::{CommentPlace, CommentRef, User};
use gatewright_core::forge::{CatchUp, Change, Forge, ForgeError, Permission, PullState, Standing};
use gatewright_core::secret::{ExposeSecret, SecretString};
use gatewright_core::{CommitId, ForgeKind, RepoRef, Timestamp};
use gatewright_forge_gitlab::{GitLab, GitLabConfig, Timeouts};
use gatewright_tests::gitlab::Edit;

use super::*;

/// Seconds by which the adapters' clocks are ahead, shared with what a test lets pass.
pub(crate) type Ahead = Arc<AtomicU64>;

pub(crate) fn adapter_with(gitlab: &FakeGitLab, token: &str, ahead: &Ahead) -> GitLab {
    let ahead = ahead.clone();
    let clock = Arc::new(move || {
        let secs = i64::try_from(ahead.load(Ordering::SeqCst)).expect("not that long");
        Timestamp::from_second(Timestamp::now().as_second() + secs).expect("in range")
    });
    let config = GitLabConfig::new(gitlab.url(), SecretString::from(token.to_owned()));
    let timeouts = Timeouts { retry_delay: Duration::from_millis(1), ..Timeouts::default() };
    GitLab::new(GitLabConfig { timeouts, clock, ..config }).expect("the configuration is right")
}

pub(crate) fn adapter(gitlab: &FakeGitLab) -> GitLab {
    adapter_with(gitlab, TOKEN, &Ahead::default())
}

pub(crate) fn repo_ref(id: u64, path: &str) -> RepoRef {
    RepoRef { forge: ForgeKind::Gitlab, id, path: path.to_owned(), installation: None }
}

fn user(gitlab: &FakeGitLab, login: &str) -> User {
    User { id: gitlab.user_id(login), login: login.to_owned() }
}

/// A project with a merge request; its number and head.
pub(crate) async fn opened(gitlab: &FakeGitLab) -> (RepoRef, u64, CommitId) {
    let (iid, head) = with_request(gitlab);
    let (_, project) = Client::bot(gitlab).get(PROJECT).await;
    (repo_ref(id(&project), REPO), iid, head.parse().expect("a commit"))
}

#[tokio::test]
async fn the_account_and_the_server_are_who_they_say() {
    let gitlab = FakeGitLab::start().await;
    let whoami = adapter(&gitlab).probe().await.expect("it answers");
    assert_eq!((whoami.id, whoami.username.as_str()), (gitlab.user_id(BOT), BOT));
    assert_eq!(whoami.version.as_deref(), Some("18.5.0-ee"));
    gitlab.block(BOT, true);
    for adapter in [adapter(&gitlab), adapter_with(&gitlab, "glpat-wrong", &Ahead::default())] {
        assert!(matches!(adapter.probe().await, Err(ForgeError::LockedOut { .. })));
    }
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_merge_request_is_read_as_it_is_now() {
    let gitlab = FakeGitLab::start().await;
    let (repo, iid, head) = opened(&gitlab).await;
    let adapter = adapter(&gitlab);
    let main = |gitlab: &FakeGitLab| -> CommitId { gitlab.branch(REPO, "main").parse().expect("a commit") };
    let state = PullState {
        number: iid,
        open: true,
        head,
        head_ref: "topic".to_owned(),
        fork: false,
        base_ref: "main".to_owned(),
        base: main(&gitlab),
        author: user(&gitlab, "alice"),
        title: "A change".to_owned(),
    };
    assert_eq!(adapter.pull(&repo, iid).await.as_ref(), Ok(&state));
    gitlab.commit(REPO, "main", "bob", "meanwhile", [("m", "m\n")]);
    let head = gitlab.commit(REPO, "topic", "alice", "more", [("z", "z\n")]).parse().expect("a commit");
    gitlab.retitle(REPO, iid, "Another", "alice");
    gitlab.close(REPO, iid, "alice");
    let later = PullState { open: false, head, base: main(&gitlab), title: "Another".to_owned(), ..state };
    assert_eq!(adapter.pull(&repo, iid).await, Ok(later));
    assert_eq!(adapter.branch(&repo, "main").await, Ok(main(&gitlab)));
    for missing in [adapter.pull(&repo, 99).await.err(), adapter.branch(&repo, "nowhere").await.err()] {
        assert!(matches!(missing, Some(ForgeError::Missing { .. })), "{missing:?}");
    }
    let fork = gitlab.fork(REPO, "mallory");
    gitlab.commit(&fork, "evil", "mallory", "evil", [("e", "e\n")]);
    let foreign = gitlab.open_merge_request(REPO, &MergeRequestSpec::of("mallory", "evil").from_fork(&fork));
    assert_eq!(adapter.pull(&repo, foreign).await.map(|pull| pull.fork), Ok(true));
    gitlab.assert_valid();
}

#[tokio::test]
async fn files_are_read_at_a_commit_and_those_that_changed_are_named() {
    let gitlab = FakeGitLab::start().await;
    let id = gitlab.create_project(REPO);
    gitlab.commit(REPO, "main", "alice", "before", [("old", "1\n2\n3\n4\n"), ("kept", "a\n")]);
    let base: CommitId = gitlab.branch(REPO, "main").parse().expect("a commit");
    let moved = [Edit::delete("old"), Edit::from(("dir/new one", "1\n2\n3\n4\n")), Edit::from(("kept", "b\n"))];
    let head: CommitId = gitlab.commit(REPO, "topic", "alice", "after", moved).parse().expect("a commit");
    let iid = gitlab.open_merge_request(REPO, &MergeRequestSpec::of("alice", "topic"));
    let (adapter, repo) = (adapter(&gitlab), repo_ref(id, REPO));
    for change in [Change::Pull { number: iid }, Change::Between { base: base.clone(), head: head.clone() }] {
        let mut found = adapter.changed_files(&repo, &change).await.expect("it answers");
        found.paths.sort();
        assert_eq!((found.paths, found.incomplete), (["dir/new one", "kept", "old"].map(str::to_owned).to_vec(), false));
    }
    let file = async |at: &CommitId, path: &str| adapter.file(&repo, at, path).await.map(|file| file.map(|file| file.to_vec()));
    assert_eq!(file(&head, "dir/new one").await, Ok(Some(b"1\n2\n3\n4\n".to_vec())));
    assert_eq!((file(&base, "kept").await, file(&head, "old").await), (Ok(Some(b"a\n".to_vec())), Ok(None)));
    let unknown = "0".repeat(40).parse().expect("a commit");
    assert!(matches!(file(&unknown, "kept").await, Err(ForgeError::Missing { .. })));
    let hidden = repo_ref(gitlab.create_foreign_project("octo/hidden"), "octo/hidden");
    assert!(matches!(adapter.file(&hidden, &head, "kept").await, Err(ForgeError::Missing { .. })));
    gitlab.assert_valid();
}

#[tokio::test]
async fn every_role_is_understood_and_asked_for_anew_each_time() {
    let gitlab = FakeGitLab::start().await;
    let repo = repo_ref(gitlab.create_project(REPO), REPO);
    let (adapter, alice) = (adapter(&gitlab), user(&gitlab, "alice"));
    let standing = async || adapter.standing(&repo, &alice, &[]).await.expect("it answers");
    for (level, permission) in [
        (0, Permission::None),
        (10, Permission::Read),
        (20, Permission::Read),
        (30, Permission::Write),
        (40, Permission::Maintain),
        (50, Permission::Admin),
        (0, Permission::None),
    ] {
        gitlab.set_level(REPO, "alice", level);
        let expected = Standing { permission, login: "alice".to_owned(), bot: false, teams: Vec::new() };
        assert_eq!(standing().await, expected);
    }
    gitlab.add_to_group("octo", "alice", 40);
    assert_eq!(standing().await.permission, Permission::Maintain, "through the group");
    gitlab.block("alice", true);
    assert_eq!(standing().await.permission, Permission::None, "she cannot log in");
    let open = repo_ref(gitlab.create_public_project("acme/open"), "acme/open");
    let stranger = adapter.standing(&open, &user(&gitlab, "zoe"), &[]).await.expect("it answers");
    assert_eq!(stranger.permission, Permission::Read);
    gitlab.assert_valid();
}

#[tokio::test]
async fn groups_are_teams_where_the_token_sees_them_and_programs_are_in_none() {
    let gitlab = FakeGitLab::start().await;
    let repo = repo_ref(gitlab.create_project(REPO), REPO);
    gitlab.add_to_group("octo/core", "alice", 30);
    gitlab.add_to_group("octo/core", "tool", 30);
    gitlab.add_to_group("octo/others", "bob", 30);
    gitlab.create_private_group("hidden");
    gitlab.add_to_group("hidden", "alice", 30);
    gitlab.make_bot("tool");
    let adapter = adapter(&gitlab);
    let teams = ["octo/core", "octo/core/deeper", "octo/others", "hidden", "nowhere"].map(str::to_owned);
    let of = async |login: &str| adapter.standing(&repo, &user(&gitlab, login), &teams).await.expect("it answers");
    assert_eq!(of("alice").await.teams, ["octo/core"]);
    let tool = of("tool").await;
    assert_eq!((tool.bot, tool.teams.len()), (true, 0));
    gitlab.remove_from_group("octo/core", "alice");
    assert!(of("alice").await.teams.is_empty());
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_comment_is_read_as_it_is_now_where_it_is_for_everybody() {
    let gitlab = FakeGitLab::start().await;
    let (repo, iid, _) = opened(&gitlab).await;
    let adapter = adapter(&gitlab);
    let read = async |id: u64| {
        let comment = CommentRef { number: iid, id, place: CommentPlace::Conversation };
        adapter.comment(&repo, &comment).await.expect("it answers")
    };
    let note = gitlab.comment(REPO, iid, "bob", "/gw run");
    let first = read(note).await.expect("it is there");
    assert_eq!((&first.author, first.body.as_str()), (&user(&gitlab, "bob"), "/gw run"));
    gitlab.advance(5);
    gitlab.edit_note(note, "/gw help");
    let edited = read(note).await.expect("it is there");
    assert_eq!((edited.body.as_str(), edited.written_at), ("/gw help", first.written_at));
    gitlab.delete_note(note);
    assert_eq!(read(note).await, None);
    assert_eq!(read(gitlab.comment_internally(REPO, iid, "bob", "/gw run")).await, None);
    gitlab.approve(REPO, iid, "bob");
    let (_, notes) = Client::bot(&gitlab).get(&format!("{}/notes", request_path(iid))).await;
    assert_eq!((&notes[0]["system"], read(id(&notes[0])).await), (&json!(true), None));
    gitlab.assert_valid();
}

#[tokio::test]
async fn the_credential_is_one_that_git_gets_in_with() {
    let gitlab = FakeGitLab::start().await;
    let repo = repo_ref(gitlab.create_project(REPO), REPO);
    let credential = adapter(&gitlab).credential(&repo).await.expect("it has one");
    assert_eq!(credential.url, gitlab.clone_url(REPO));
    let (login, secret) = credential.login.expect("the project is private");
    let refs = format!("{}/info/refs?service=git-upload-pack", credential.url);
    let asked = async |secret: &str| {
        let answer = reqwest::Client::new().get(&refs).basic_auth(&login, Some(secret)).send().await;
        answer.expect("it answers").status().as_u16()
    };
    assert_eq!((asked(secret.expose_secret()).await, asked("another").await), (200, 401));
}

#[tokio::test]
async fn projects_are_those_in_which_the_account_may_write() {
    let gitlab = FakeGitLab::start().await;
    // More than a page.
    let ids: Vec<u64> = (0..103).map(|n| gitlab.create_project(&format!("octo/app-{n}"))).collect();
    gitlab.create_foreign_project("octo/foreign");
    gitlab.create_public_project("octo/read");
    gitlab.set_level("octo/read", BOT, 20);
    let found = adapter(&gitlab).repositories().await.expect("it answers");
    let expected: Vec<RepoRef> = (0..103).map(|n| repo_ref(ids[n], &format!("octo/app-{n}"))).collect();
    assert_eq!(found, expected);
    gitlab.assert_valid();
}

#[tokio::test]
async fn open_merge_requests_that_changed_are_found_the_last_changed_first() {
    let gitlab = FakeGitLab::start().await;
    let (repo, first, _) = opened(&gitlab).await;
    let others: Vec<u64> = (0..3)
        .map(|n| {
            gitlab.advance(1);
            gitlab.commit(REPO, &format!("b{n}"), "bob", "change", [("f", format!("{n}\n").as_str())]);
            gitlab.open_merge_request(REPO, &MergeRequestSpec::of("bob", &format!("b{n}")))
        })
        .collect();
    gitlab.close(REPO, others[2], "bob");
    let adapter = adapter(&gitlab);
    let all = adapter.open_pulls(&repo, Timestamp::UNIX_EPOCH).await.expect("it answers");
    assert_eq!(all.iter().map(|pull| pull.number).collect::<Vec<_>>(), [others[1], others[0], first]);
    gitlab.advance(60);
    let since = Timestamp::from_second(all[0].updated_at.as_second() + 30).expect("in range");
    assert_eq!(adapter.open_pulls(&repo, since).await, Ok(Vec::new()));
    gitlab.comment(REPO, first, "bob", "/gw run");
    let head = gitlab.commit(REPO, "b0", "bob", "more", [("f", "more\n")]);
    let found = adapter.open_pulls(&repo, since).await.expect("it answers");
    assert_eq!(found.iter().map(|pull| pull.number).collect::<Vec<_>>(), [others[0], first]);
    assert_eq!(
        (found[0].head.as_str(), found[0].base_ref.as_str(), &found[0].author),
        (head.as_str(), "main", &user(&gitlab, "bob"))
    );
    gitlab.assert_valid();
}
