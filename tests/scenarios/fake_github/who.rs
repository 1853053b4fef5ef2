//! Accounts, permissions and teams.

use super::*;

const PERMISSION: &str = "/repos/octo/app/collaborators";

#[tokio::test]
async fn a_renamed_user_keeps_the_id_and_its_permission() {
    let github = FakeGitHub::start().await;
    github.create_repo("octo/app");
    github.set_permission("octo/app", "alice", Level::Admin);
    let alice = github.user_id("alice");
    github.rename_user("alice", "alison");
    let stranger = github.user_id("alice");
    let bot = Client::bot(&github, "octo/app");
    assert_eq!(bot.get(&format!("/user/{alice}")).await.1["login"], "alison");
    assert_eq!(bot.get("/repos/octo/app/collaborators/alison/permission").await.1["permission"], "admin");
    let (_, other) = bot.get("/repos/octo/app/collaborators/alice/permission").await;
    assert_eq!((&other["permission"], &other["user"]["id"]), (&json!("none"), &json!(stranger)));
    github.assert_valid();
}

#[tokio::test]
async fn every_role_is_told_as_github_tells_it_and_changes_at_once() {
    let github = FakeGitHub::start().await;
    github.create_repo("octo/app");
    let bot = Client::bot(&github, "octo/app");
    let told = async || {
        let (_, found) = bot.get(&format!("{PERMISSION}/alice/permission")).await;
        (found["permission"].clone(), found["role_name"].clone(), found["user"]["permissions"]["maintain"].clone())
    };
    for (level, permission, role, maintains) in [
        (Level::None, "none", "none", false),
        (Level::Read, "read", "read", false),
        (Level::Triage, "read", "triage", false),
        (Level::Write, "write", "write", false),
        (Level::Maintain, "write", "maintain", true),
        (Level::Admin, "admin", "admin", true),
    ] {
        github.set_permission("octo/app", "alice", level);
        assert_eq!(told().await, (json!(permission), json!(role), json!(maintains)));
    }
    github.set_custom_role("octo/app", "alice", "release-manager", Level::Maintain);
    assert_eq!(told().await, (json!("write"), json!("release-manager"), json!(true)));
    github.set_permission("octo/app", "alice", Level::Read);
    assert_eq!(told().await, (json!("read"), json!("read"), json!(false)));
    github.create_public_repo("octo/open");
    github.user_id("stranger");
    let (_, found) = Client::bot(&github, "octo/open").get("/repos/octo/open/collaborators/stranger/permission").await;
    assert_eq!(found["permission"], "read", "everybody reads what is public");
    github.assert_valid();
}

#[tokio::test]
async fn a_bot_is_no_collaborator_and_known_by_its_type() {
    let github = FakeGitHub::start().await;
    let (number, _) = with_pull(&github);
    github.comment_as_bot("octo/app", number, "coverage", "80 %");
    let bot = Client::bot(&github, "octo/app");
    assert_eq!(bot.get(&format!("{PERMISSION}/coverage%5Bbot%5D/permission")).await.0, 404);
    let (_, account) = bot.get("/users/coverage%5Bbot%5D").await;
    assert_eq!(account["type"], "Bot");
    github.assert_valid();
}

#[tokio::test]
async fn a_login_that_is_taken_over_belongs_to_another_id() {
    let github = FakeGitHub::start().await;
    github.create_repo("octo/app");
    github.set_permission("octo/app", "alice", Level::Admin);
    let alice = github.user_id("alice");
    github.rename_user("alice", "alison");
    let thief = github.take_login("alice");
    assert_ne!(alice, thief);
    let (_, found) = Client::bot(&github, "octo/app").get(&format!("{PERMISSION}/alice/permission")).await;
    assert_eq!((&found["user"]["id"], &found["permission"]), (&json!(thief), &json!("none")));
    github.assert_valid();
}

#[tokio::test]
async fn a_team_is_told_to_whom_the_organisation_let_see_its_members() {
    let github = FakeGitHub::start().await;
    github.create_repo("octo/app");
    github.create_repo("acme/app");
    github.add_to_team("octo/core", "alice");
    github.invite_to_team("octo/core", "bob");
    github.user_id("carol");
    let path = |team: &str, user: &str| format!("/orgs/octo/teams/{team}/memberships/{user}");
    let bot = Client::bot(&github, "octo/app");
    assert_eq!(bot.get(&path("core", "alice")).await.1["state"], "active");
    assert_eq!(bot.get(&path("core", "bob")).await.1["state"], "pending");
    for (team, user) in [("core", "carol"), ("core", "nobody"), ("ghosts", "alice")] {
        assert_eq!(bot.get(&path(team, user)).await.0, 404);
    }
    assert_eq!(Client::bot(&github, "acme/app").get(&path("core", "alice")).await.0, 404);
    github.remove_from_team("octo/core", "alice");
    assert_eq!(bot.get(&path("core", "alice")).await.0, 404);
    let narrow = json!({"permissions": {"metadata": "read"}});
    let access = format!("/app/installations/{}/access_tokens", github.installation("octo/app"));
    let (_, token) = Client::app(&github).send(Method::POST, &access, narrow).await;
    let narrow = Client::new(&github, token["token"].as_str().expect("a token").to_owned());
    assert_eq!(narrow.get(&path("core", "bob")).await.0, 403);
    github.assert_valid();
}
