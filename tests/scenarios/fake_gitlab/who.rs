//! Credentials, accounts, and who is a member of what.

use super::*;

#[tokio::test]
async fn a_token_is_taken_in_either_header() {
    let gitlab = FakeGitLab::start().await;
    let stranger = Client::stranger(&gitlab);
    for (name, value) in [("PRIVATE-TOKEN", TOKEN.to_owned()), ("Authorization", format!("Bearer {TOKEN}"))] {
        let (status, user) = answered(stranger.request(Method::GET, "/user").header(name, value)).await;
        assert_eq!((status, &user["username"]), (200, &json!(BOT)), "{name}");
    }
    assert_eq!(stranger.get("/user").await, (401, json!({"message": "401 Unauthorized"})));
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_wrong_token_opens_nothing_not_even_what_is_public() {
    let gitlab = FakeGitLab::start().await;
    gitlab.create_public_project(REPO);
    let wrong = Client::new(&gitlab, Some("glpat-wrong".to_owned()));
    assert_eq!(wrong.get(PROJECT).await.0, 401);
    assert_eq!(Client::stranger(&gitlab).get(PROJECT).await.0, 200);
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_revoked_token_and_one_of_a_blocked_account_are_refused_until_it_is_let_in_again() {
    let gitlab = FakeGitLab::start().await;
    gitlab.create_project(REPO);
    gitlab.set_level(REPO, "alice", 30);
    let token = gitlab.personal_token("alice", Scope::Api);
    let (alice, other) = (Client::new(&gitlab, Some(token.clone())), Client::of(&gitlab, "alice"));
    assert_eq!(alice.get(PROJECT).await.0, 200);
    gitlab.revoke(&token);
    assert_eq!((alice.get(PROJECT).await.0, other.get(PROJECT).await.0), (401, 200));
    gitlab.block("alice", true);
    let (status, refusal) = other.get(PROJECT).await;
    assert_eq!((status, &refusal["message"]), (403, &json!("403 Forbidden - Your account has been blocked.")));
    gitlab.block("alice", false);
    assert_eq!(other.get(PROJECT).await.0, 200);
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_token_for_reading_does_not_write_whatever_its_account_may() {
    let gitlab = FakeGitLab::start().await;
    let (iid, head) = with_request(&gitlab);
    gitlab.set_level(REPO, "alice", 50);
    let reader = Client::new(&gitlab, Some(gitlab.personal_token("alice", Scope::ReadApi)));
    let notes = format!("{}/notes", request_path(iid));
    assert_eq!(reader.get(&notes).await.0, 200);
    for (path, body) in [(notes, json!({"body": "b"})), (format!("{PROJECT}/statuses/{head}"), json!({"state": "success"}))] {
        let (status, refusal) = reader.post(&path, body).await;
        assert_eq!((status, &refusal["error"]), (403, &json!("insufficient_scope")), "{path}");
    }
    let (_, token) = reader.get("/personal_access_tokens/self").await;
    assert_eq!((&token["scopes"], &token["active"]), (&json!(["read_api"]), &json!(true)));
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_private_project_is_not_there_for_strangers_and_a_guest_knows_of_it_but_may_not_look() {
    let gitlab = FakeGitLab::start().await;
    let (iid, head) = with_request(&gitlab);
    let insights = [
        request_path(iid),
        format!("{}/notes", request_path(iid)),
        format!("{PROJECT}/repository/branches/main"),
        format!("{PROJECT}/repository/commits/{head}/statuses"),
        format!("{PROJECT}/repository/files/x.md/raw?ref=topic"),
    ];
    let looks = async |client: &Client| {
        let mut seen = vec![client.get(PROJECT).await.0];
        for path in &insights {
            seen.push(client.get(path).await.0);
        }
        seen.dedup();
        seen
    };
    gitlab.user_id("zoe");
    for stranger in [Client::stranger(&gitlab), Client::of(&gitlab, "zoe")] {
        assert_eq!(looks(&stranger).await, [404]);
        assert_eq!(stranger.get(PROJECT).await.1, json!({"message": "404 Project Not Found"}));
    }
    for (level, expected) in [(10, vec![200, 403]), (20, vec![200]), (30, vec![200]), (0, vec![404])] {
        gitlab.set_level(REPO, "gina", level);
        assert_eq!(looks(&Client::of(&gitlab, "gina")).await, expected, "{level}");
    }
    gitlab.assert_valid();
}

#[tokio::test]
async fn everybody_looks_at_what_is_public_and_writes_notes_with_an_account_only() {
    let gitlab = FakeGitLab::start().await;
    gitlab.create_public_project(REPO);
    gitlab.commit(REPO, "topic", "alice", "a change", [("a", "a\n")]);
    let iid = gitlab.open_merge_request(REPO, &MergeRequestSpec::of("alice", "topic"));
    let notes = format!("{}/notes", request_path(iid));
    let stranger = Client::stranger(&gitlab);
    assert_eq!((stranger.get(&notes).await.0, stranger.post(&notes, json!({"body": "b"})).await.0), (200, 401));
    assert_eq!(Client::of(&gitlab, "zoe").post(&notes, json!({"body": "b"})).await.0, 201);
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_projects_token_is_an_account_of_its_own_in_that_project_alone() {
    let gitlab = FakeGitLab::start().await;
    let id = gitlab.create_project(REPO);
    gitlab.create_project("octo/other");
    let token = Client::new(&gitlab, Some(gitlab.project_token(REPO, 30, Scope::Api)));
    let (_, user) = token.get("/user").await;
    assert!(user["username"].as_str().is_some_and(|name| name.starts_with(&format!("project_{id}_bot_"))), "{user}");
    assert_eq!(user["bot"], true);
    assert_eq!((token.get(PROJECT).await.0, token.get("/projects/octo%2Fother").await.0), (200, 404));
    let (_, listed) = token.get("/projects?membership=true").await;
    assert_eq!(all(&listed, "/path_with_namespace"), ["octo/app"]);
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_groups_token_reaches_all_of_the_groups_projects_and_no_others() {
    let gitlab = FakeGitLab::start().await;
    for path in ["octo/app", "octo/deep/er/tool", "acme/app", "octopus/app"] {
        gitlab.create_foreign_project(path);
    }
    let token = Client::new(&gitlab, Some(gitlab.group_token("octo", 30, Scope::Api)));
    let (_, listed) = token.get("/projects?membership=true&order_by=id&sort=asc").await;
    assert_eq!(all(&listed, "/path_with_namespace"), ["octo/app", "octo/deep/er/tool"]);
    assert_eq!(token.get("/projects/octopus%2Fapp").await.0, 404);
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_member_is_found_through_every_group_above_with_the_highest_level() {
    let gitlab = FakeGitLab::start().await;
    gitlab.create_project("octo/deep/app");
    let alice = gitlab.user_id("alice");
    let (bot, path) = (Client::bot(&gitlab), format!("/projects/octo%2Fdeep%2Fapp/members/all/{alice}"));
    let level = async || {
        let (status, member) = bot.get(&path).await;
        (status, member["access_level"].clone(), member["id"].clone())
    };
    assert_eq!(bot.get(&path).await, (404, json!({"message": "404 Not found"})));
    gitlab.add_to_group("octo", "alice", 20);
    assert_eq!(level().await, (200, json!(20), json!(alice)));
    gitlab.set_level("octo/deep/app", "alice", 10);
    assert_eq!(level().await.1, 20, "the group says more");
    gitlab.add_to_group("octo/deep", "alice", 40);
    assert_eq!(level().await.1, 40);
    gitlab.remove_from_group("octo/deep", "alice");
    gitlab.remove_from_group("octo", "alice");
    assert_eq!(level().await.1, 10);
    gitlab.set_level("octo/deep/app", "alice", 0);
    assert_eq!(level().await.0, 404);
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_groups_members_are_told_to_those_who_see_the_group() {
    let gitlab = FakeGitLab::start().await;
    gitlab.add_to_group("octo/core", "alice", 30);
    gitlab.create_private_group("hidden");
    gitlab.add_to_group("hidden", "alice", 30);
    let alice = gitlab.user_id("alice");
    let path = |group: &str, user: u64| format!("/groups/{group}/members/all/{user}");
    let bot = Client::bot(&gitlab);
    assert_eq!(bot.get(&path("octo%2Fcore", alice)).await.1["access_level"], 30);
    for (group, user) in [("octo%2Fcore", gitlab.user_id("bob")), ("nowhere", alice), ("hidden", alice)] {
        assert_eq!(bot.get(&path(group, user)).await.0, 404, "{group}");
    }
    gitlab.add_to_group("hidden", BOT, 10);
    assert_eq!(bot.get(&path("hidden", alice)).await.0, 200);
    gitlab.assert_valid();
}

#[tokio::test]
async fn an_account_says_whether_it_is_a_programs_and_whether_it_is_blocked() {
    let gitlab = FakeGitLab::start().await;
    let (alice, tool) = (gitlab.user_id("alice"), gitlab.user_id("tool"));
    gitlab.make_bot("tool");
    gitlab.block("alice", true);
    let bot = Client::bot(&gitlab);
    let told = async |id: u64| {
        let (_, user) = bot.get(&format!("/users/{id}")).await;
        (user["username"].clone(), user["bot"].clone(), user["state"].clone())
    };
    assert_eq!(told(alice).await, (json!("alice"), json!(false), json!("blocked")));
    assert_eq!(told(tool).await, (json!("tool"), json!(true), json!("active")));
    assert_eq!(bot.get("/users/999999").await.0, 404);
    assert_eq!((bot.get("/version").await.0, Client::stranger(&gitlab).get("/version").await.0), (200, 401));
    gitlab.assert_valid();
}
