//! The adapter for GitHub against the fake: what each takes the other to be.

use gatewright_core::event::{CommentPlace, CommentRef, User};
use gatewright_core::forge::{CatchUp, Forge, ForgeError, Permission, Standing};
use gatewright_core::report::{CommentReport, Holds, Known, Reaction, ReactionReport, Report};
use gatewright_core::{ForgeKind, ItemRef, RepoRef};
use gatewright_forge_github::{GitHub, GitHubConfig, Timeouts};

use super::*;

const REPO: &str = "octo/app";
const MARKER: &str = "<!-- test:reply 1 -->";

pub(super) fn adapter_at(github: &FakeGitHub, api_url: String) -> GitHub {
    let config = GitHubConfig::new(api_url, github.app_id(), github.private_key_pem().into());
    let timeouts = Timeouts { retry_delay: Duration::from_millis(1), ..Timeouts::default() };
    GitHub::new(GitHubConfig { timeouts, ..config }).expect("the configuration is right")
}

pub(super) fn adapter(github: &FakeGitHub) -> GitHub {
    adapter_at(github, github.url())
}

/// As a webhook names it.
pub(super) fn repo_ref(github: &FakeGitHub, id: u64, path: &str) -> RepoRef {
    RepoRef { forge: ForgeKind::Github, id, path: path.to_owned(), installation: Some(github.installation(path)) }
}

fn user(github: &FakeGitHub, login: &str) -> User {
    User { id: github.user_id(login), login: login.to_owned() }
}

fn person(permission: Permission, login: &str, teams: &[&str]) -> Standing {
    let teams = teams.iter().map(|team| (*team).to_owned()).collect();
    Standing { permission, login: login.to_owned(), bot: false, teams }
}

#[tokio::test]
async fn every_role_is_understood_and_asked_for_anew_each_time() {
    let github = FakeGitHub::start().await;
    let repo = github.create_repo(REPO);
    let repo = repo_ref(&github, repo, REPO);
    let (adapter, alice) = (adapter(&github), user(&github, "alice"));
    for (level, permission) in [
        (Level::None, Permission::None),
        (Level::Read, Permission::Read),
        (Level::Triage, Permission::Read),
        (Level::Write, Permission::Write),
        (Level::Maintain, Permission::Maintain),
        (Level::Admin, Permission::Admin),
    ] {
        github.set_permission(REPO, "alice", level);
        assert_eq!(adapter.standing(&repo, &alice, &[]).await, Ok(person(permission, "alice", &[])));
    }
    for (base, permission) in [(Level::Write, Permission::Write), (Level::Maintain, Permission::Maintain)] {
        github.set_custom_role(REPO, "alice", "our-own-role", base);
        assert_eq!(adapter.standing(&repo, &alice, &[]).await, Ok(person(permission, "alice", &[])));
    }
    let open = github.create_public_repo("octo/open");
    let open = repo_ref(&github, open, "octo/open");
    assert_eq!(adapter.standing(&open, &user(&github, "zoe"), &[]).await, Ok(person(Permission::Read, "zoe", &[])));
    github.assert_valid();
}

#[tokio::test]
async fn a_renamed_maintainer_is_known_and_whoever_took_the_name_is_not() {
    let github = FakeGitHub::start().await;
    let repo = github.create_repo(REPO);
    let repo = repo_ref(&github, repo, REPO);
    let adapter = adapter(&github);
    github.set_permission(REPO, "alice", Level::Maintain);
    github.add_to_team("octo/core", "alice");
    let alice = user(&github, "alice");
    github.rename_user("alice", "alison");
    let teams = ["octo/core".to_owned()];
    let expected = Ok(person(Permission::Maintain, "alison", &["octo/core"]));
    assert_eq!(adapter.standing(&repo, &alice, &teams).await, expected);
    let thief = User { id: github.take_login("alice"), login: "alice".to_owned() };
    assert_eq!(adapter.standing(&repo, &alice, &teams).await, expected);
    assert_eq!(adapter.standing(&repo, &thief, &teams).await, Ok(person(Permission::None, "alice", &[])));
    github.assert_valid();
}

#[tokio::test]
async fn a_bots_account_is_a_bot() {
    let github = FakeGitHub::start().await;
    let (number, _) = with_pull(&github);
    github.comment_as_bot(REPO, number, "coverage", "80 %");
    let (_, repo) = Client::bot(&github, REPO).get("/repos/octo/app").await;
    let repo = repo_ref(&github, repo["id"].as_u64().expect("an id"), REPO);
    let standing = adapter(&github).standing(&repo, &user(&github, "coverage[bot]"), &[]).await.expect("it answers");
    assert_eq!((standing.bot, standing.permission), (true, Permission::None));
    github.assert_valid();
}

#[tokio::test]
async fn teams_are_seen_where_the_owner_lets_the_app_see_them() {
    let teams = ["octo/core", "octo/invited", "octo/others", "acme/core"].map(str::to_owned);
    for lets in [true, false] {
        let mut options = Options::default();
        if !lets {
            options.permissions.remove("members");
        }
        let github = FakeGitHub::start_with(options).await;
        let repo = github.create_repo(REPO);
        let repo = repo_ref(&github, repo, REPO);
        github.set_permission(REPO, "alice", Level::Read);
        for team in ["octo/core", "acme/core"] {
            github.add_to_team(team, "alice");
        }
        github.invite_to_team("octo/invited", "alice");
        github.add_to_team("octo/others", "bob");
        let standing = adapter(&github).standing(&repo, &user(&github, "alice"), &teams).await;
        let expected: &[&str] = if lets { &["octo/core"] } else { &[] };
        assert_eq!(standing, Ok(person(Permission::Read, "alice", expected)));
        github.assert_valid();
    }
}

/// A pull request; its repository and number.
async fn pull(github: &FakeGitHub) -> (RepoRef, u64) {
    let (number, _) = with_pull(github);
    let (_, repo) = Client::bot(github, REPO).get("/repos/octo/app").await;
    (repo_ref(github, repo["id"].as_u64().expect("an id"), REPO), number)
}

fn reaction(pull: u64, id: u64, place: CommentPlace, reaction: Reaction) -> Report {
    Report::Reaction(ReactionReport { comment: CommentRef { number: pull, id, place }, reaction })
}

#[tokio::test]
async fn a_reaction_is_there_once_whatever_became_of_the_answer() {
    let github = FakeGitHub::start().await;
    let (repo, number) = pull(&github).await;
    let spoken = github.comment(REPO, number, "bob", "/gw run");
    let written = github.diff_comment(REPO, number, "bob", ("x.md", 1), "/gw run");
    let adapter = adapter(&github);
    for (place, id) in [(CommentPlace::Conversation, spoken), (CommentPlace::Diff, written)] {
        github.fault(Fault::on("reactions/*", Effect::BadGatewayAfter).once());
        github.fault(Fault::on("reactions/*", Effect::CutAfter).once());
        let eyes = reaction(number, id, place, Reaction::Eyes);
        adapter.publish(&repo, &eyes, &Known::Never).await.expect("the third time it is answered");
        adapter.publish(&repo, &eyes, &Known::Maybe).await.expect("it is there");
        let confused = reaction(number, id, place, Reaction::Confused);
        let first = adapter.publish(&repo, &confused, &Known::Never).await.expect("it is made");
        let up = reaction(number, id, place, Reaction::ThumbsUp);
        adapter.publish(&repo, &up, &Known::Id(first.id)).await.expect("it is made");
        let bot = github.bot_login();
        assert_eq!(github.reactions(REPO, id), [(bot.clone(), "eyes".to_owned()), (bot, "+1".to_owned())]);
    }
    github.delete_comment(spoken, "bob");
    let gone = adapter.publish(&repo, &reaction(number, spoken, CommentPlace::Conversation, Reaction::Eyes), &Known::Never).await;
    assert!(matches!(gone, Err(ForgeError::Missing { .. })), "{gone:?}");
    github.assert_valid();
}

fn reply(pull: u64, holds: Holds) -> Report {
    Report::Comment(CommentReport {
        on: ItemRef::Pull { number: pull },
        marker: MARKER.to_owned(),
        body: "You may not.".to_owned(),
        holds,
    })
}

#[tokio::test]
async fn a_reply_that_no_longer_holds_is_minimised_and_keeps_its_text() {
    let github = FakeGitHub::start().await;
    let (repo, number) = pull(&github).await;
    for url in [github.url(), github.enterprise_url()] {
        let adapter = adapter_at(&github, url);
        let made = adapter.publish(&repo, &reply(number, Holds::Yes), &Known::Never).await.expect("it is made");
        for known in [Known::Never, Known::Maybe, Known::Id(made.id)] {
            assert_eq!(adapter.publish(&repo, &reply(number, Holds::NoLonger), &known).await, Ok(made.clone()));
        }
        assert!(github.minimised(REPO, made.id));
        let seen = github.bot_comments(REPO, number);
        assert_eq!((seen.len(), seen[0].body.as_str(), seen[0].edited), (1, "<!-- test:reply 1 -->\nYou may not.", false));
        github.delete_comment(made.id, "bob");
        for known in [Known::Never, Known::Maybe, Known::Id(made.id)] {
            assert!(adapter.publish(&repo, &reply(number, Holds::NoLonger), &known).await.is_ok());
        }
        assert!(github.comments(REPO, number).is_empty(), "none is made for that");
    }
    github.assert_valid();
}

#[tokio::test]
async fn repositories_are_all_that_can_be_served() {
    let github = FakeGitHub::start().await;
    let ids: Vec<u64> = (0..120).map(|n| github.create_repo(&format!("octo/app-{n}"))).collect();
    github.archive("octo/app-3");
    github.create_repo("acme/tool");
    github.suspend(github.installation("acme/tool"), true);
    let solo = github.create_repo("solo/tool");
    github.create_foreign_repo("octo/foreign");
    let found = adapter(&github).repositories().await.expect("it answers");
    assert_eq!(found.len(), 120);
    assert!(
        found.contains(&repo_ref(&github, ids[119], "octo/app-119")) && found.contains(&repo_ref(&github, solo, "solo/tool"))
    );
    assert!(found.iter().all(|repo| repo.path != "octo/app-3" && repo.path != "octo/foreign"));
    github.assert_valid();
}

#[tokio::test]
async fn pull_requests_that_changed_are_found_until_the_time_asked_for() {
    let github = FakeGitHub::start().await;
    let (repo, first) = pull(&github).await;
    let numbers: Vec<u64> = (0..60)
        .map(|n| {
            github.advance(1);
            github.commit(REPO, &format!("b{n}"), "alice", "change", [("f", format!("{n}").as_str())]);
            github.open_pull(REPO, PullSpec::of("alice", &format!("b{n}")))
        })
        .collect();
    github.close_pull(REPO, numbers[5], "alice");
    github.advance(100);
    let since = github.now();
    let adapter = adapter(&github);
    assert_eq!(adapter.open_pulls(&repo, since).await, Ok(Vec::new()));
    github.comment(REPO, first, "bob", "/gw run");
    github.advance(1);
    let head = github.commit(REPO, "b7", "alice", "more", [("f", "more")]);
    let found = adapter.open_pulls(&repo, since).await.expect("it answers");
    assert_eq!(found.iter().map(|pull| pull.number).collect::<Vec<_>>(), [numbers[7], first]);
    assert_eq!(
        (found[0].head.as_str(), found[0].base_ref.as_str(), &found[0].author),
        (head.as_str(), "main", &user(&github, "alice"))
    );
    let all = adapter.open_pulls(&repo, Timestamp::UNIX_EPOCH).await.expect("it answers");
    assert_eq!(all.len(), 60);
    assert!(all.is_sorted_by(|a, b| a.updated_at >= b.updated_at));
    github.assert_valid();
}
