//! Who somebody is to a repository.

use gatewright_core::event::User;
use gatewright_core::forge::{Forge, Permission, Standing};
use serde_json::{Value, json};

use crate::stub::*;

fn account(id: u64, login: &str, kind: &str) -> Value {
    json!({"id": id, "login": login, "type": kind, "new_field": {}})
}

fn permission(word: &str, role: &str, user: &Value) -> Reply {
    Reply::json(200, &json!({"permission": word, "role_name": role, "user": user}))
}

fn ada() -> User {
    User { id: 42, login: "ada".to_owned() }
}

fn teams(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn standing(permission: Permission, login: &str) -> Standing {
    Standing { permission, login: login.to_owned(), bot: false, teams: Vec::new() }
}

const BY_NAME: &str = "/repos/octo/app/collaborators/";

#[tokio::test]
async fn a_standing_is_asked_for_by_name_and_counts_for_the_id() {
    let stub =
        Stub::start(|seen| seen.is("GET", BY_NAME).then(|| permission("write", "maintain", &account(42, "Ada", "User")))).await;
    assert_eq!(stub.github().standing(&repo(), &ada(), &[]).await, Ok(standing(Permission::Maintain, "Ada")));
    assert_eq!(stub.lines(), ["GET /repos/octo/app/collaborators/ada/permission"]);
}

#[tokio::test]
async fn who_was_renamed_keeps_the_permission_and_who_took_the_name_does_not_get_it() {
    let stub = Stub::start(|seen| match seen.target.as_str() {
        "/repos/octo/app/collaborators/ada/permission" => Some(permission("admin", "admin", &account(666, "ada", "User"))),
        "/repos/octo/app/collaborators/ada-l/permission" => Some(permission("write", "write", &account(42, "ada-l", "User"))),
        "/user/42" => Some(Reply::json(200, &account(42, "ada-l", "User"))),
        _ => None,
    })
    .await;
    assert_eq!(stub.github().standing(&repo(), &ada(), &[]).await, Ok(standing(Permission::Write, "ada-l")));
}

#[tokio::test]
async fn an_id_that_no_name_leads_to_may_nothing() {
    for by_name in
        [permission("admin", "admin", &account(666, "x", "User")), permission("admin", "admin", &Value::Null), Reply::status(404)]
    {
        let stub = Stub::start(move |seen| match seen.target.as_str() {
            "/user/42" => Some(Reply::json(200, &account(42, "ada-l", "User"))),
            _ => seen.is("GET", BY_NAME).then(|| by_name.clone()),
        })
        .await;
        assert_eq!(stub.github().standing(&repo(), &ada(), &[]).await, Ok(standing(Permission::None, "ada-l")));
    }
    let gone = Stub::start(|_| None).await;
    assert_eq!(gone.github().standing(&repo(), &ada(), &teams(&["octo/core"])).await, Ok(standing(Permission::None, "ada")));
    assert_eq!(gone.count("GET", "/orgs/"), 0, "an account that is gone is in no team");
    let other = Stub::start(|seen| (seen.target == "/user/42").then(|| Reply::json(200, &account(666, "eve", "User")))).await;
    assert_eq!(other.github().standing(&repo(), &ada(), &[]).await, Ok(standing(Permission::None, "ada")));
    let odd = User { id: 42, login: "..".to_owned() };
    assert_eq!(gone.github().standing(&repo(), &odd, &[]).await, Ok(standing(Permission::None, "..")));
}

#[tokio::test]
async fn a_program_is_known_by_its_accounts_type_and_not_by_its_name() {
    let stub = Stub::start(|seen| match seen.target.as_str() {
        "/repos/octo/app/collaborators/dependabot%5Bbot%5D/permission" => Some(Reply::status(404)),
        "/user/49699333" => Some(Reply::json(200, &account(49_699_333, "dependabot[bot]", "Bot"))),
        _ => seen.is("GET", BY_NAME).then(|| permission("write", "write", &account(42, "x[bot]", "User"))),
    })
    .await;
    let github = stub.github();
    let bot = User { id: 49_699_333, login: "dependabot[bot]".to_owned() };
    let found = github.standing(&repo(), &bot, &teams(&["octo/core"])).await.unwrap();
    assert_eq!((found.bot, found.permission, stub.count("GET", "/orgs/")), (true, Permission::None, 0));
    let person = github.standing(&repo(), &User { id: 42, login: "x[bot]".to_owned() }, &[]).await.unwrap();
    assert_eq!((person.bot, person.permission), (false, Permission::Write));
}

#[tokio::test]
async fn a_standing_that_could_not_be_asked_for_is_an_error_and_not_none() {
    let stub = Stub::start(|seen| seen.is("GET", "/repos/").then(|| Reply::status(500))).await;
    assert!(is_unavailable(&stub.github().standing(&repo(), &ada(), &[]).await));
    let stub = Stub::start(|seen| match seen.target.as_str() {
        "/user/42" => Some(Reply::status(503)),
        _ => None,
    })
    .await;
    assert!(is_unavailable(&stub.github().standing(&repo(), &ada(), &[]).await));
    let stub = Stub::start(|seen| match seen.target.as_str() {
        "/repos/octo/app/collaborators/ada/permission" => Some(permission("read", "read", &account(42, "ada", "User"))),
        _ => seen.is("GET", "/orgs/").then(|| Reply::status(502)),
    })
    .await;
    assert!(is_unavailable(&stub.github().standing(&repo(), &ada(), &teams(&["octo/core"])).await));
}

/// A stub on which ada may read, and whose teams answer so.
async fn with_teams(team: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Stub {
    Stub::start(move |seen| match seen.target.as_str() {
        "/repos/octo/app/collaborators/ada/permission" => Some(permission("read", "read", &account(42, "ada", "User"))),
        _ => seen.is("GET", "/orgs/").then(|| team(seen)),
    })
    .await
}

#[tokio::test]
async fn teams_are_those_of_the_owner_in_which_the_membership_is_active() {
    let stub = with_teams(|seen| match seen.target.strip_prefix("/orgs/octo/teams/").unwrap() {
        "core/memberships/ada" => Reply::json(200, &json!({"state": "active", "role": "maintainer", "url": "https://x"})),
        "invited/memberships/ada" => Reply::json(200, &json!({"state": "pending", "role": "member", "url": "https://x"})),
        _ => Reply::status(404),
    })
    .await;
    let asked = teams(&["other/core", "Octo/core", "octo/invited", "octo/strangers", "octo", "octo/", "octo/..", ""]);
    let found = stub.github().standing(&repo(), &ada(), &asked).await.unwrap();
    assert_eq!(found.teams, ["Octo/core"]);
    assert_eq!(stub.count("GET", "/orgs/"), 3, "{:?}", stub.lines());
    let mint = stub.seen().into_iter().filter(|seen| seen.method == "POST").nth(1).unwrap();
    assert_eq!(mint.body, json!({"repository_ids": [7], "permissions": {"members": "read", "metadata": "read"}}));
}

#[tokio::test]
async fn where_members_may_not_be_seen_teams_are_empty_and_it_is_not_asked_again_at_once() {
    let stub = with_teams(|_| Reply::json(403, &json!({"message": "Resource not accessible by integration"}))).await;
    let github = stub.github();
    for _ in 0..3 {
        let found = github.standing(&repo(), &ada(), &teams(&["octo/a", "octo/b"])).await.unwrap();
        assert_eq!((found.permission, found.teams), (Permission::Read, Vec::new()));
    }
    assert_eq!(stub.count("GET", "/orgs/"), 1);
    stub.pass(601);
    github.standing(&repo(), &ada(), &teams(&["octo/a"])).await.unwrap();
    assert_eq!(stub.count("GET", "/orgs/"), 2, "an owner may have granted it meanwhile");
}

#[tokio::test]
async fn an_owner_who_did_not_grant_members_loses_nothing_else() {
    let stub = Stub::start(|seen| match seen.target.as_str() {
        "/repos/octo/app/collaborators/ada/permission" => Some(permission("read", "read", &account(42, "ada", "User"))),
        _ if seen.body["permissions"]["members"] == "read" => {
            Some(Reply::json(422, &json!({"message": "The permissions requested are not granted to this installation."})))
        }
        _ => None,
    })
    .await;
    let github = stub.github();
    for _ in 0..2 {
        let found = github.standing(&repo(), &ada(), &teams(&["octo/a"])).await;
        assert_eq!(found, Ok(standing(Permission::Read, "ada")));
    }
    assert_eq!(stub.count("POST", "/app/installations/"), 2, "one token for all else, and one refused");
}

#[tokio::test]
async fn no_more_teams_are_asked_about_than_the_limit() {
    let stub = with_teams(|_| Reply::json(200, &json!({"state": "active"}))).await;
    let asked: Vec<String> = (0..80).map(|n| format!("octo/team-{n}")).collect();
    let found = stub.github().standing(&repo(), &ada(), &asked).await.unwrap();
    assert_eq!((found.teams.len(), stub.count("GET", "/orgs/")), (50, 50));
}

#[tokio::test]
async fn a_limit_while_asking_about_teams_is_a_limit() {
    let stub = with_teams(|_| Reply::status(403).with("retry-after", 30)).await;
    assert!(is_limited(&stub.github().standing(&repo(), &ada(), &teams(&["octo/a"])).await, 30));
}
