//! Git over smart HTTP.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use gatewright_tests::gitlab::{Effect, Fault, Signing};

use super::*;

/// Runs git, as somebody who has this token.
async fn git(args: &[&str], token: Option<&str>) -> std::process::Output {
    let mut command = tokio::process::Command::new("git");
    command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "alice").env(format!("GIT_{role}_EMAIL"), "alice@example.com");
    }
    if let Some(token) = token {
        let basic = BASE64_STANDARD.encode(format!("oauth2:{token}"));
        command.args(["-c", &format!("http.extraHeader=Authorization: Basic {basic}")]);
    }
    command.args(args).output().await.expect("git is installed")
}

/// Its words, where it did not do it.
async fn failed(args: &[&str], token: Option<&str>) -> String {
    let output = git(args, token).await;
    assert!(!output.status.success(), "{args:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn done(args: &[&str], token: Option<&str>) {
    let output = git(args, token).await;
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn a_private_project_is_cloned_with_a_token_and_not_without() {
    let gitlab = FakeGitLab::start().await;
    with_request(&gitlab);
    let dir = tempfile::tempdir().expect("a folder");
    let (url, to) = (gitlab.clone_url(REPO), dir.path().join("clone"));
    let to = to.to_str().expect("a plain path");
    let clone = ["clone", "-q", "-b", "topic", &url, to];
    for token in [None, Some("glpat-wrong")] {
        failed(&clone, token).await;
    }
    let zoe = gitlab.personal_token("zoe", Scope::Api);
    assert!(failed(&clone, Some(&zoe)).await.contains("not found"), "it is not there for her");
    gitlab.set_level(REPO, "zoe", 10);
    assert!(failed(&clone, Some(&zoe)).await.contains("403"), "a guest knows of it");
    gitlab.set_level(REPO, "zoe", 20);
    done(&clone, Some(&gitlab.personal_token("zoe", Scope::ReadApi))).await;
    assert_eq!(std::fs::read_to_string(dir.path().join("clone/src/a b.txt")).expect("it is there"), "one\ntwo\n");
    gitlab.block("zoe", true);
    failed(&["ls-remote", &url], Some(&zoe)).await;
    gitlab.assert_valid();
}

#[tokio::test]
async fn git_takes_a_token_as_a_password_only_and_the_api_takes_no_password() {
    let gitlab = FakeGitLab::start().await;
    gitlab.create_project(REPO);
    let url = gitlab.clone_url(REPO);
    for given in [format!("PRIVATE-TOKEN: {TOKEN}"), format!("Authorization: Bearer {TOKEN}")] {
        failed(&["-c", &format!("http.extraHeader={given}"), "ls-remote", &url], None).await;
    }
    done(&["ls-remote", &url], Some(TOKEN)).await;
    let asked = reqwest::Client::new().get(format!("{url}/info/refs?service=git-upload-pack")).send().await.expect("it answers");
    assert_eq!((asked.status().as_u16(), header(asked.headers(), "www-authenticate")), (401, "Basic realm=\"GitLab\""));
    let basic = reqwest::Client::new().get(format!("{}/api/v4/user", gitlab.url())).basic_auth("oauth2", Some(TOKEN));
    assert_eq!(basic.send().await.expect("it answers").status().as_u16(), 401);
}

#[tokio::test]
async fn what_is_public_is_cloned_by_everybody_and_pushed_to_by_developers() {
    let gitlab = FakeGitLab::start().await;
    gitlab.create_public_project(REPO);
    let dir = tempfile::tempdir().expect("a folder");
    let (url, at) = (gitlab.clone_url(REPO), dir.path().join("w"));
    let at = at.to_str().expect("a plain path");
    done(&["clone", "-q", &url, at], None).await;
    done(&["-C", at, "commit", "-q", "--allow-empty", "-m", "more"], None).await;
    let push = ["-C", at, "push", "-q", &url, "HEAD:refs/heads/topic"];
    failed(&push, None).await;
    gitlab.set_level(REPO, "rita", 20);
    gitlab.set_level(REPO, "dave", 30);
    for (user, scope) in [("zoe", Scope::Api), ("rita", Scope::Api), ("dave", Scope::ReadApi)] {
        assert!(failed(&push, Some(&gitlab.personal_token(user, scope))).await.contains("403"), "{user}");
    }
    done(&push, Some(&gitlab.personal_token("dave", Scope::Api))).await;
    assert_eq!(gitlab.calls("git/receive-pack"), 1);
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_real_push_moves_the_merge_request_and_is_told() {
    let (gitlab, receiver) = (FakeGitLab::start().await, Receiver::start().await);
    let (iid, before) = with_request(&gitlab);
    gitlab.set_level(REPO, "alice", 30);
    gitlab.set_webhook(&receiver.url, Signing::Token("a secret token of some length".to_owned()));
    let dir = tempfile::tempdir().expect("a folder");
    let (url, at) = (gitlab.clone_url(REPO), dir.path().join("w"));
    let at = at.to_str().expect("a plain path");
    let token = gitlab.personal_token("alice", Scope::Api);
    done(&["clone", "-q", "-b", "topic", &url, at], Some(&token)).await;
    done(&["-C", at, "commit", "-q", "--allow-empty", "-m", "more"], None).await;
    done(&["-C", at, "tag", "v1"], None).await;
    done(&["-C", at, "push", "-q", &url, "topic", "v1"], Some(&token)).await;
    let told: Vec<Value> = receiver.take(&gitlab).await.iter().map(|(_, body)| parsed(body)).collect();
    let kinds: Vec<&str> = told.iter().filter_map(|payload| payload["object_kind"].as_str()).collect();
    assert_eq!(kinds, ["push", "merge_request", "tag_push"]);
    let after = gitlab.head(REPO, iid);
    assert_ne!(before, after);
    assert_eq!(
        (&told[0]["before"], &told[0]["after"], &told[0]["user_username"]),
        (&json!(before), &json!(after), &json!("alice"))
    );
    assert_eq!((&told[1]["object_attributes"]["oldrev"], &told[1]["user"]["username"]), (&json!(before), &json!("alice")));
    assert_eq!((&told[2]["ref"], &told[2]["after"]), (&json!("refs/tags/v1"), &json!(after)));
    done(&["-C", at, "push", "-q", &url, ":topic"], Some(&token)).await;
    let removed = receiver.take(&gitlab).await;
    assert_eq!((removed.len(), &parsed(&removed[0].1)["after"]), (1, &json!("0".repeat(40))));
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_commit_is_fetched_by_its_id_or_by_its_merge_request_when_no_branch_has_it() {
    let gitlab = FakeGitLab::start().await;
    gitlab.create_project(REPO);
    let fork = gitlab.fork(REPO, "mallory");
    let head = gitlab.commit(&fork, "evil", "mallory", "evil", [("evil.sh", "x\n")]);
    let iid = gitlab.open_merge_request(REPO, &MergeRequestSpec::of("mallory", "evil").from_fork(&fork));
    let dir = tempfile::tempdir().expect("a folder");
    let at = dir.path().to_str().expect("a plain path");
    done(&["init", "-q", at], None).await;
    for wanted in [head.as_str(), &format!("refs/merge-requests/{iid}/head")] {
        done(&["-C", at, "fetch", "-q", "--depth", "1", &gitlab.clone_url(REPO), wanted], Some(TOKEN)).await;
        let fetched = git(&["-C", at, "rev-parse", "FETCH_HEAD"], None).await;
        assert_eq!(String::from_utf8_lossy(&fetched.stdout).trim(), head);
    }
    failed(&["ls-remote", &gitlab.clone_url(&fork)], Some(TOKEN)).await;
    gitlab.assert_valid();
}

#[tokio::test]
async fn faults_of_git_do_what_they_say() {
    let gitlab = FakeGitLab::start().await;
    gitlab.create_project(REPO);
    let url = gitlab.clone_url(REPO);
    for effect in [Effect::ServerError, Effect::Unavailable, Effect::Cut, Effect::CutBody] {
        let fault = gitlab.fault(Fault::on("git/*", effect).once());
        failed(&["ls-remote", &url], Some(TOKEN)).await;
        assert_eq!(gitlab.struck(fault), 1, "{effect:?}");
        done(&["ls-remote", &url], Some(TOKEN)).await;
    }
}
