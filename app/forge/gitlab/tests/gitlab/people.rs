//! Who somebody is to a project.

use gatewright_core::event::User;
use gatewright_core::forge::{Forge, Permission, Standing};
use serde_json::{Value, json};

use crate::stub::*;

const ACCOUNT: &str = "/api/v4/users/77";
const MEMBER: &str = "/api/v4/projects/7/members/all/77";

fn user() -> User {
    User { id: 77, login: "ada".to_owned() }
}

fn account() -> Value {
    json!({"id": 77, "username": "ada", "state": "active", "bot": false})
}

fn account_with(name: &str, value: Value) -> Value {
    let mut account = account();
    account[name] = value;
    account
}

fn member(level: u32) -> Value {
    json!({"id": 77, "username": "ada", "state": "active", "access_level": level, "expires_at": null})
}

/// What the account is, with this answer for the membership and this visibility of the project.
async fn standing_of(account: Value, membership: Reply, visibility: Value) -> Standing {
    let stub = Stub::start(move |seen| match seen.target.as_str() {
        ACCOUNT => Reply::ok(account.clone()),
        MEMBER => Some(membership.clone()),
        PROJECT => Reply::ok(json!({"id": 7, "visibility": visibility})),
        _ => None,
    })
    .await;
    stub.gitlab().standing(&repo(), &user(), &[]).await.unwrap()
}

async fn permission_of(account: Value, membership: Value) -> Permission {
    standing_of(account, Reply::json(200, &membership), json!("private")).await.permission
}

#[tokio::test]
async fn an_access_level_is_what_gitlab_says_it_is_worth() {
    let cases = [(10, Permission::Read), (30, Permission::Write), (40, Permission::Maintain), (50, Permission::Admin)];
    for (level, expected) in cases {
        assert_eq!(permission_of(account(), member(level)).await, expected, "{level}");
    }
    assert_eq!(permission_of(account(), member(5)).await, Permission::None, "minimal access is none to a project");
}

#[tokio::test]
async fn an_administrator_may_everything() {
    let standing = standing_of(account_with("is_admin", json!(true)), Reply::status(404), json!("private")).await;
    assert_eq!(standing.permission, Permission::Admin);
}

#[tokio::test]
async fn what_no_longer_holds_counts_for_nothing() {
    for state in ["blocked", "deactivated", "banned", ""] {
        assert_eq!(permission_of(account_with("state", json!(state)), member(50)).await, Permission::None, "{state}");
    }
    let blocked_admin = json!({"id": 77, "username": "ada", "state": "blocked", "is_admin": true});
    assert_eq!(permission_of(blocked_admin, member(50)).await, Permission::None);
    let expired = json!({"id": 77, "state": "active", "access_level": 40, "expires_at": "2027-01-14"});
    assert_eq!(permission_of(account(), expired).await, Permission::None);
    let awaiting = json!({"id": 77, "state": "awaiting", "access_level": 40});
    assert_eq!(permission_of(account(), awaiting).await, Permission::None);
    let somebody_else = json!({"id": 78, "state": "active", "access_level": 40});
    assert_eq!(permission_of(account(), somebody_else).await, Permission::None);
}

#[tokio::test]
async fn a_stranger_may_read_what_is_not_private() {
    for (visibility, expected) in [
        (json!("public"), Permission::Read),
        (json!("internal"), Permission::Read),
        (json!("private"), Permission::None),
        (json!(null), Permission::None),
    ] {
        let standing = standing_of(account(), Reply::says(404, "404 Not found"), visibility).await;
        assert_eq!(standing.permission, expected);
    }
}

#[tokio::test]
async fn an_account_is_known_by_its_number_and_named_as_it_is_now() {
    let standing = standing_of(account_with("username", json!("ada-l")), Reply::json(200, &member(30)), json!("private")).await;
    assert_eq!((standing.login.as_str(), standing.permission), ("ada-l", Permission::Write));
    let gone = Stub::start(|seen| (seen.target == ACCOUNT).then(|| Reply::status(404))).await;
    let standing = gone.gitlab().standing(&repo(), &user(), &["group".to_owned()]).await.unwrap();
    assert_eq!(standing, Standing { permission: Permission::None, login: "ada".to_owned(), bot: false, teams: Vec::new() });
}

#[tokio::test]
async fn a_bot_is_told_as_one_and_its_groups_are_not_asked_for() {
    let stub = Stub::start(|seen| match seen.target.as_str() {
        ACCOUNT => Reply::ok(account_with("bot", json!(true))),
        MEMBER => Reply::ok(member(40)),
        _ => None,
    })
    .await;
    let standing = stub.gitlab().standing(&repo(), &user(), &["group".to_owned()]).await.unwrap();
    assert!(standing.bot && standing.teams.is_empty());
}

#[tokio::test]
async fn of_the_groups_those_count_whose_member_one_is() {
    let stub = Stub::start(|seen| match seen.target.as_str() {
        ACCOUNT => Reply::ok(account()),
        MEMBER => Reply::ok(member(30)),
        "/api/v4/groups/org%2Frelease/members/all/77" => Reply::ok(member(10)),
        "/api/v4/groups/org%2Fother/members/all/77" => Some(Reply::says(404, "404 Not found")),
        "/api/v4/groups/hidden/members/all/77" => Some(Reply::status(403)),
        "/api/v4/groups/looks/members/all/77" => Reply::ok(member(5)),
        _ => None,
    })
    .await;
    let teams = ["org/release", "org/other", "hidden", "looks", ".."].map(str::to_owned);
    let standing = stub.gitlab().standing(&repo(), &user(), &teams).await.unwrap();
    assert_eq!(standing.teams, ["org/release"]);
}

#[tokio::test]
async fn an_answer_that_fails_is_no_permission_of_any_kind() {
    let stub = Stub::start(|seen| match seen.target.as_str() {
        ACCOUNT => Reply::ok(account()),
        MEMBER => Some(Reply::status(502)),
        _ => None,
    })
    .await;
    assert!(is_unavailable(&stub.gitlab().standing(&repo(), &user(), &[]).await));
}

#[tokio::test]
async fn nothing_of_it_is_remembered() {
    let stub = Stub::start(|seen| match seen.target.as_str() {
        ACCOUNT => Reply::ok(account()),
        MEMBER => Reply::ok(member(30)),
        _ => None,
    })
    .await;
    let gitlab = stub.gitlab();
    for _ in 0..2 {
        gitlab.standing(&repo(), &user(), &[]).await.unwrap();
    }
    assert_eq!((stub.count("GET", ACCOUNT), stub.count("GET", MEMBER)), (2, 2));
}
