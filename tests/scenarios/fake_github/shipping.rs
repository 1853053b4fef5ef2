//! Tags, releases and deployments: the adapter for GitHub against the fake, and the fake's own strictness.

use gatewright_core::forge::{Forge, ForgeError, Protection, Releases, Signature};
use gatewright_core::report::{
    AssetReport, Channel, CommentReport, DeploymentReport, DeploymentState, Holds, Known, Latest, Life, ProtectionAnswer,
    ProtectionReport, Published, RELEASE_COMMENT_MARKER, RELEASE_MARKER, ReleaseReport, ReleaseStage, Report, Tier,
};
use gatewright_core::{CommitId, ItemRef, RepoRef};
use gatewright_forge_github::GitHub;
use insta::assert_snapshot;
use sha2::{Digest, Sha256};

use super::adapter::{adapter, adapter_at, repo_ref};
use super::*;

const REPO: &str = "octo/app";

async fn with_repo() -> (FakeGitHub, RepoRef, GitHub) {
    let github = FakeGitHub::start().await;
    let id = github.create_repo(REPO);
    let (repo, adapter) = (repo_ref(&github, id, REPO), adapter(&github));
    (github, repo, adapter)
}

fn commit(sha: &str) -> CommitId {
    sha.parse().expect("the fake's commits are commits")
}

fn pushed(github: &FakeGitHub, message: &str) -> String {
    github.commit(REPO, "main", "alice", message, [("f", message)])
}

#[tokio::test]
async fn a_tag_leads_to_its_commit_and_says_who_signed_it() {
    let (github, repo, adapter) = with_repo().await;
    let sha = pushed(&github, "feat: a");
    assert_eq!(adapter.tag(&repo, "v1.0.0").await, Ok(None));
    github.push_tag(REPO, "v1.0.0", &sha, "alice");
    let light = adapter.tag(&repo, "v1.0.0").await.expect("it answers").expect("it is there");
    assert_eq!(
        (light.commit.as_str(), light.object, light.message, light.signature),
        (sha.as_str(), None, None, Signature::Unsigned)
    );
    let object = github.push_annotated_tag(REPO, "releases/v1.1.0", &sha, "the second one", "alice");
    github.sign(&object);
    github.sign_as(&sha, "expired_key");
    let annotated = adapter.tag(&repo, "releases/v1.1.0").await.expect("it answers").expect("it is there");
    assert_eq!((annotated.commit.as_str(), annotated.object.as_ref()), (sha.as_str(), Some(&commit(&object))));
    assert_eq!(annotated.message.as_deref(), Some("the second one\n"));
    assert!(matches!(annotated.signature, Signature::Verified { by: Some(by) } if by.starts_with("alice <")));
    assert_eq!(annotated.commit_signature, Signature::Unverified { reason: "expired_key".to_owned() });
    github.sign_as(&object, "gpgverify_unavailable");
    let now = adapter.tag(&repo, "releases/v1.1.0").await.expect("it answers").expect("it is there");
    assert!(matches!(now.signature, Signature::Unknown { .. }), "{now:?}");
    // A tag of a tag.
    let outer = github.push_annotated_tag(REPO, "v2", &sha, "x", "alice");
    assert_eq!(adapter.tag(&repo, "v2").await.map(|tag| tag.and_then(|tag| tag.object)), Ok(Some(commit(&outer))));
    let mut tags = adapter.tags(&repo).await.expect("it answers");
    tags.tags.sort();
    let names: Vec<&str> = tags.tags.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((names, tags.incomplete), (vec!["releases/v1.1.0", "v1.0.0", "v2"], false));
    assert!(tags.tags.iter().all(|(_, at)| at.as_str() == sha), "annotated tags name their commits");
    github.assert_valid();
}

#[tokio::test]
async fn a_push_of_a_tag_is_told_whatever_kind_it_is() {
    let (github, _, _) = with_repo().await;
    let (url, _got) = receiver(StatusCode::OK).await;
    github.set_webhook(&url, SECRET);
    let first = pushed(&github, "one");
    let second = pushed(&github, "two");
    github.push_tag(REPO, "v1", &first, "alice");
    let object = github.push_annotated_tag(REPO, "v1", &second, "moved", "alice");
    github.delete_tag(REPO, "v1", "alice");
    github.deliveries_settled().await;
    let tags: Vec<Value> = github
        .deliveries()
        .iter()
        .filter(|delivery| delivery.event == "push")
        .map(|delivery| serde_json::from_slice::<Value>(&delivery.body).expect("JSON"))
        .filter(|payload| payload["ref"] == "refs/tags/v1")
        .collect();
    let zero = "0".repeat(40);
    let told: Vec<_> = tags.iter().map(|t| (t["before"].clone(), t["after"].clone(), t["head_commit"]["id"].clone())).collect();
    assert_eq!(
        told,
        [
            (json!(zero), json!(first), json!(first)),
            (json!(first), json!(object), json!(second)),
            (json!(object), json!(zero), Value::Null)
        ]
    );
    github.assert_valid();
}

#[tokio::test]
async fn only_a_protected_branch_that_holds_the_commit_counts() {
    let (github, repo, adapter) = with_repo().await;
    let on_main = pushed(&github, "one");
    pushed(&github, "two");
    let ahead = github.commit(REPO, "topic", "alice", "not merged", [("t", "t")]);
    let maintained = github.commit(REPO, "release/1.x", "alice", "backport", [("b", "b")]);
    let protection = async |sha: &str| adapter.protection(&repo, &commit(sha)).await.expect("it answers");
    let off = |looked_at: &[&str]| Protection::Off {
        looked_at: looked_at.iter().map(|name| (*name).to_owned()).collect(),
        incomplete: false,
    };
    let on = |branch: &str| Protection::On { branch: branch.to_owned() };
    assert_eq!(protection(&on_main).await, off(&[]), "nothing is protected");
    github.protect(REPO, "main");
    assert_eq!(protection(&on_main).await, on("main"));
    assert_eq!(protection(&github.branch(REPO, "main")).await, on("main"));
    assert_eq!(protection(&ahead).await, off(&["main"]));
    github.protect(REPO, "release/1.x");
    assert_eq!(protection(&maintained).await, on("release/1.x"));
    assert_eq!(protection(&ahead).await, off(&["main", "release/1.x"]));
    // A branch of a merged pull request is looked at before the others.
    let fix = github.commit(REPO, "fix", "alice", "fix: x", [("x", "x")]);
    let number = github.open_pull(REPO, PullSpec::of("alice", "fix").into_branch("release/1.x"));
    github.merge_pull(REPO, number, "alice").expect("no conflict");
    assert_eq!(protection(&fix).await, on("release/1.x"));
    github.assert_valid();
}

#[tokio::test]
async fn what_lies_between_two_releases_is_told_with_its_pull_requests() {
    let (github, repo, adapter) = with_repo().await;
    let from = pushed(&github, "chore: start");
    let topic = github.commit(REPO, "topic", "bob", "feat: search\n\nBREAKING CHANGE: all of it", [("s", "s")]);
    let number = github.open_pull(REPO, PullSpec::of("bob", "topic").title("Search"));
    github.label_pull(REPO, number, "feature", "bob");
    let merge = github.merge_pull(REPO, number, "alice").expect("no conflict");
    let direct = pushed(&github, "fix: at once");
    let found = adapter.commits_between(&repo, Some(&commit(&from)), &commit(&direct)).await.expect("it answers");
    let ids: Vec<&str> = found.commits.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, [&topic, &merge, &direct]);
    assert_eq!((found.more, found.pulls_incomplete), (0, false));
    assert!(found.compare_url.as_deref().is_some_and(|url| url.contains("/compare/")));
    assert_eq!((found.commits[0].login.as_deref(), found.commits[2].login.as_deref()), (Some("bob"), Some("alice")));
    for told in &found.commits[..2] {
        let pull = told.pulls.first().expect("it came by a pull request");
        assert_eq!((pull.number, pull.title.as_str(), pull.author.as_str()), (number, "Search", "bob"));
        assert_eq!(pull.labels, ["feature"]);
    }
    assert!(found.commits[2].pulls.is_empty());
    assert_eq!(adapter.pull_of(&repo, &commit(&merge)).await, Ok(Some(number)));
    assert_eq!(adapter.pull_of(&repo, &commit(&direct)).await, Ok(None));
    let all = adapter.commits_between(&repo, None, &commit(&direct)).await.expect("it answers");
    assert_eq!((all.commits.len(), all.more, all.compare_url), (5, 0, None));
    assert_eq!(all.commits[4].id.as_str(), direct);
    github.assert_valid();
}

fn release(tag: &str, sha: &str, stage: ReleaseStage) -> ReleaseReport {
    let (tag, commit) = (tag.to_owned(), commit(sha));
    let (name, body) = (tag.clone(), "## Fixes\n\n- a".to_owned());
    ReleaseReport { tag, commit, name, body, stage, channel: Channel::Stable, latest: Latest::Yes }
}

async fn publish(adapter: &GitHub, repo: &RepoRef, report: &ReleaseReport, known: &Known) -> Result<Published, ForgeError> {
    adapter.publish(repo, &Report::Release(Box::new(report.clone())), known).await
}

fn asset(tag: &str, name: &str, content: &str) -> Report {
    Report::Asset(Box::new(AssetReport {
        tag: tag.to_owned(),
        name: name.parse().expect("a name that GitHub leaves alone"),
        content_type: "application/gzip".to_owned(),
        content: content.to_owned().into(),
        sha256: hex::encode(Sha256::digest(content)),
        url: None,
    }))
}

#[tokio::test]
async fn a_release_is_drafted_filled_and_published_once_however_often_it_is_tried() {
    let (github, repo, _) = with_repo().await;
    github.make_releases_immutable(REPO);
    for (n, url) in [github.url(), github.enterprise_url()].into_iter().enumerate() {
        let adapter = adapter_at(&github, url);
        let (sha, tag) = (pushed(&github, &format!("one {n}")), format!("v1.{n}.0"));
        github.push_tag(REPO, &tag, &sha, "alice");
        let draft = release(&tag, &sha, ReleaseStage::Draft);
        // The answer is lost: the next attempt finds what was made.
        github.fault(Fault::on("repos/create-release", Effect::CutAfter).once());
        assert!(matches!(publish(&adapter, &repo, &draft, &Known::Never).await, Err(ForgeError::Unavailable { .. })));
        let made = publish(&adapter, &repo, &draft, &Known::Maybe).await.expect("it is found");
        github.fault(Fault::on("repos/upload-release-asset", Effect::CutAfter).once());
        let file = asset(&tag, "app-1.0.tar.gz", "all of it");
        assert!(matches!(adapter.publish(&repo, &file, &Known::Never).await, Err(ForgeError::Unavailable { .. })));
        let first = adapter.publish(&repo, &file, &Known::Maybe).await.expect("it is found");
        assert_eq!(adapter.publish(&repo, &file, &Known::Id(first.id)).await, Ok(first));
        assert_eq!(github.asset(REPO, &tag, "app-1.0.tar.gz").as_deref(), Some(b"all of it".as_slice()));
        let out = release(&tag, &sha, ReleaseStage::Published);
        github.fault(Fault::on("repos/update-release", Effect::BadGatewayAfter).once());
        for known in [Known::Maybe, Known::Id(made.id), Known::Never] {
            assert_eq!(publish(&adapter, &repo, &out, &known).await, Ok(made.clone()));
        }
        let writes = github.log().iter().filter(|seen| seen.method != "GET" && seen.path.contains("/releases")).count();
        assert_eq!(publish(&adapter, &repo, &draft, &Known::Id(made.id)).await, Ok(made), "it never goes back to a draft");
        assert_eq!(github.log().iter().filter(|seen| seen.method != "GET" && seen.path.contains("/releases")).count(), writes);
    }
    assert_snapshot!(github.releases(REPO), @r#"
    v1.1.0 "v1.1.0" latest, by gatewright[bot]
      app-1.0.tar.gz application/gzip, 9 bytes, uploaded
    v1.0.0 "v1.0.0" published, by gatewright[bot]
      app-1.0.tar.gz application/gzip, 9 bytes, uploaded
    "#);
    assert_eq!(github.release_body(REPO, "v1.0.0").as_deref(), Some("<!-- gatewright:notes -->\n## Fixes\n\n- a"));
    github.assert_valid();
}

#[tokio::test]
async fn nothing_is_published_for_a_tag_that_was_moved_or_deleted() {
    let (github, repo, adapter) = with_repo().await;
    let first = pushed(&github, "one");
    github.push_tag(REPO, "v1.0.0", &first, "alice");
    publish(&adapter, &repo, &release("v1.0.0", &first, ReleaseStage::Draft), &Known::Never).await.expect("it is made");
    let second = pushed(&github, "two");
    github.push_annotated_tag(REPO, "v1.0.0", &second, "moved", "mallory");
    let out = release("v1.0.0", &first, ReleaseStage::Published);
    let moved = publish(&adapter, &repo, &out, &Known::Maybe).await.expect_err("it is refused").to_string();
    assert!(moved.contains("was moved from"), "{moved}");
    github.delete_tag(REPO, "v1.0.0", "mallory");
    let gone = publish(&adapter, &repo, &out, &Known::Maybe).await.expect_err("it is refused").to_string();
    assert!(gone.contains("was deleted"), "{gone}");
    assert_snapshot!(github.releases(REPO), @r#"v1.0.0 "v1.0.0" draft, by gatewright[bot]"#);
    github.assert_valid();
}

#[tokio::test]
async fn what_a_person_has_released_stays_as_it_is_and_gets_the_artefacts() {
    let (github, repo, adapter) = with_repo().await;
    let sha = pushed(&github, "one");
    let theirs = github.write_release(REPO, "v1.0.0", &sha, "All by myself.", "alice");
    let found = publish(&adapter, &repo, &release("v1.0.0", &sha, ReleaseStage::Published), &Known::Never).await;
    assert_eq!(found, Ok(Published { id: theirs }));
    assert_eq!(github.release_body(REPO, "v1.0.0").as_deref(), Some("All by myself."));
    adapter.publish(&repo, &asset("v1.0.0", "SHA256SUMS", "one"), &Known::Never).await.expect("it is taken");
    // Half an upload, and another content under the same name, are replaced.
    github.break_asset(REPO, "v1.0.0", "SHA256SUMS");
    adapter.publish(&repo, &asset("v1.0.0", "SHA256SUMS", "one"), &Known::Never).await.expect("it is replaced");
    adapter.publish(&repo, &asset("v1.0.0", "SHA256SUMS", "two"), &Known::Never).await.expect("it is replaced");
    assert_eq!(github.asset(REPO, "v1.0.0", "SHA256SUMS").as_deref(), Some(b"two".as_slice()));
    let none = adapter.publish(&repo, &asset("v9", "x", "y"), &Known::Never).await;
    assert!(matches!(none, Err(ForgeError::Missing { .. })), "{none:?}");
    assert_snapshot!(github.releases(REPO), @r#"
    v1.0.0 "v1.0.0" latest, by alice
      SHA256SUMS application/gzip, 3 bytes, uploaded
    "#);
    github.assert_valid();
}

#[tokio::test]
async fn a_pre_release_and_an_older_version_are_never_the_latest() {
    let (github, repo, adapter) = with_repo().await;
    let sha = pushed(&github, "one");
    for (tag, channel, latest) in [
        ("v2.0.0", Channel::Stable, Latest::Yes),
        ("v2.1.0-rc.1", Channel::Prerelease, Latest::Yes),
        ("v1.9.1", Channel::Stable, Latest::No),
    ] {
        github.push_tag(REPO, tag, &sha, "alice");
        let report = ReleaseReport { channel, latest, ..release(tag, &sha, ReleaseStage::Published) };
        publish(&adapter, &repo, &report, &Known::Never).await.expect("it is made");
    }
    // Later words about an older release do not make it the newest again.
    let more = ReleaseReport { body: "more".to_owned(), ..release("v1.9.1", &sha, ReleaseStage::Published) };
    publish(&adapter, &repo, &more, &Known::Maybe).await.expect("it is changed");
    assert_snapshot!(github.releases(REPO), @r#"
    v1.9.1 "v1.9.1" published, by gatewright[bot]
    v2.1.0-rc.1 "v2.1.0-rc.1" pre-release, by gatewright[bot]
    v2.0.0 "v2.0.0" latest, by gatewright[bot]
    "#);
    let long = ReleaseReport { body: "x".repeat(200_000), ..more };
    publish(&adapter, &repo, &long, &Known::Maybe).await.expect("it is cut");
    assert!(github.release_body(REPO, "v1.9.1").is_some_and(|body| body.starts_with(RELEASE_MARKER) && body.len() <= 125_000));
    github.assert_valid();
}

fn deployment(key: &str, tag: &str, sha: &str, environment: &str, state: DeploymentState, description: &str) -> DeploymentReport {
    DeploymentReport {
        key: key.to_owned(),
        environment: environment.parse().expect("a name"),
        tag: tag.to_owned(),
        commit: commit(sha),
        since: Timestamp::UNIX_EPOCH,
        state,
        description: description.to_owned(),
        log_url: Some("https://ci.example/runs/1".to_owned()),
        environment_url: Some("https://staging.example".to_owned()),
        tier: if environment == "production" { Tier::Production } else { Tier::Before },
        life: Life::Permanent,
    }
}

async fn deploy(adapter: &GitHub, repo: &RepoRef, report: &DeploymentReport, known: &Known) -> Result<Published, ForgeError> {
    adapter.publish(repo, &Report::Deployment(Box::new(report.clone())), known).await
}

#[tokio::test]
async fn a_deployment_is_made_once_and_gets_a_status_for_each_change() {
    let (github, repo, adapter) = with_repo().await;
    let sha = pushed(&github, "one");
    github.push_tag(REPO, "v1.0.0", &sha, "alice");
    // Behind the default branch, and with a check that is not green: neither is in the way.
    pushed(&github, "two");
    let at = |state, words| deployment("run-1/staging", "v1.0.0", &sha, "staging", state, words);
    github.fault(Fault::on("repos/create-deployment", Effect::CutAfter).once());
    let queued = at(DeploymentState::Queued, "waits for its turn");
    assert!(matches!(deploy(&adapter, &repo, &queued, &Known::Never).await, Err(ForgeError::Unavailable { .. })));
    let made = deploy(&adapter, &repo, &queued, &Known::Maybe).await.expect("it is found");
    let id = Known::Id(made.id);
    github.fault(Fault::on("repos/create-deployment-status", Effect::BadGatewayAfter).once());
    let waits = at(DeploymentState::Waiting, "waits for 2 approvals");
    assert!(deploy(&adapter, &repo, &waits, &id).await.is_err());
    for report in [
        waits,
        at(DeploymentState::InProgress, "5 %"),
        at(DeploymentState::InProgress, "5 %"),
        at(DeploymentState::InProgress, &"x".repeat(200)),
        at(DeploymentState::Success, "live"),
    ] {
        assert_eq!(deploy(&adapter, &repo, &report, &id).await, Ok(made.clone()));
    }
    assert_snapshot!(github.deployments(REPO), @r"
    v1.0.0 to staging
      queued: waits for its turn
      pending: waits for 2 approvals
      in_progress: 5 %
      in_progress: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
      success: live
    ");
    github.assert_valid();
}

#[tokio::test]
async fn what_was_live_becomes_inactive_and_does_not_come_back() {
    let (github, repo, adapter) = with_repo().await;
    let (first, second) = (pushed(&github, "one"), pushed(&github, "two"));
    github.push_tag(REPO, "v1", &first, "alice");
    github.push_tag(REPO, "v2", &second, "alice");
    for environment in ["staging", "production"] {
        let one = deployment("1", "v1", &first, environment, DeploymentState::Success, "live");
        let one = DeploymentReport { key: format!("1/{environment}"), ..one };
        let made = deploy(&adapter, &repo, &one, &Known::Never).await.expect("it is made");
        let two = deployment("2", "v2", &second, environment, DeploymentState::Success, "live");
        let two = DeploymentReport { key: format!("2/{environment}"), ..two };
        deploy(&adapter, &repo, &two, &Known::Never).await.expect("it is made");
        let live = [("v1", "inactive"), ("v2", "success")].map(|(of, state)| (of.to_owned(), state.to_owned()));
        assert_eq!(github.deployed(REPO, environment), live);
        // A late repeat of the first, as after a crash.
        assert_eq!(deploy(&adapter, &repo, &one, &Known::Id(made.id)).await, Ok(made));
        assert_eq!(github.deployed(REPO, environment), live);
    }
    assert_snapshot!(github.deployments(REPO), @r"
    v1 to staging
      success: live
      inactive: 
    v2 to staging
      success: live
    v1 to production (production)
      success: live
      inactive: v2 took its place
    v2 to production (production)
      success: live
    ");
    github.assert_valid();
}

#[tokio::test]
async fn a_tag_that_was_moved_is_deployed_as_the_commit_that_was_released() {
    let (github, repo, adapter) = with_repo().await;
    let (first, second) = (pushed(&github, "one"), pushed(&github, "two"));
    github.push_tag(REPO, "v1", &second, "mallory");
    let report = deployment("k", "v1", &first, "staging", DeploymentState::Cancelled, "given up: the tag was moved");
    deploy(&adapter, &repo, &report, &Known::Never).await.expect("it is made");
    assert_eq!(github.deployed(REPO, "staging"), [(first, "inactive".to_owned())]);
    github.assert_valid();
}

#[tokio::test]
async fn without_the_permission_nothing_else_suffers() {
    let mut options = Options::default();
    options.permissions.remove("deployments");
    options.permissions.insert("contents".to_owned(), "read".to_owned());
    options.events.retain(|event| event != "deployment_protection_rule");
    let github = FakeGitHub::start_with(options).await;
    let id = github.create_repo(REPO);
    let (repo, adapter) = (repo_ref(&github, id, REPO), adapter(&github));
    let sha = pushed(&github, "one");
    github.push_tag(REPO, "v1", &sha, "alice");
    assert!(adapter.tag(&repo, "v1").await.is_ok_and(|tag| tag.is_some()));
    let refused = publish(&adapter, &repo, &release("v1", &sha, ReleaseStage::Published), &Known::Never).await;
    assert!(matches!(refused, Err(ForgeError::Refused { .. })), "{refused:?}");
    let report = deployment("k", "v1", &sha, "staging", DeploymentState::Queued, "");
    let refused = deploy(&adapter, &repo, &report, &Known::Never).await;
    assert!(matches!(refused, Err(ForgeError::Refused { .. })), "{refused:?}");
    github.assert_valid();
}

#[tokio::test]
async fn a_workflow_that_waits_is_told_once() {
    let (github, repo, adapter) = with_repo().await;
    let (url, _got) = receiver(StatusCode::OK).await;
    github.set_webhook(&url, SECRET);
    let sha = pushed(&github, "one");
    github.push_tag(REPO, "v1", &sha, "alice");
    let run = github.ask_to_deploy(REPO, "prod eu", "v1", "alice");
    github.deliveries_settled().await;
    let asked = github.deliveries().iter().any(|delivery| delivery.event == "deployment_protection_rule");
    assert!(asked, "the App is asked");
    let answer = |answer, comment: &str| {
        let (environment, comment) = ("prod eu".to_owned(), comment.to_owned());
        Report::ProtectionRule(ProtectionReport { workflow_run: run, environment, answer, comment })
    };
    let long = answer(ProtectionAnswer::NotYet, &"waits. ".repeat(300));
    adapter.publish(&repo, &long, &Known::Never).await.expect("it is told");
    github.fault(Fault::on("actions/review-custom-gates-for-run", Effect::CutAfter).once());
    let yes = answer(ProtectionAnswer::Approved, "all gates passed");
    assert!(adapter.publish(&repo, &yes, &Known::Id(run)).await.is_err());
    assert_eq!(adapter.publish(&repo, &yes, &Known::Maybe).await, Ok(Published { id: run }));
    let (decided, comments) = github.told_workflow(run);
    assert_eq!((decided.as_deref(), comments.len(), comments[1].as_str()), (Some("approved"), 2, "all gates passed"));
    assert!(comments[0].chars().count() <= 1_024);
    github.assert_valid();
}

#[tokio::test]
async fn the_comment_of_a_release_is_another_one_than_that_of_the_gates() {
    let (github, repo, adapter) = with_repo().await;
    github.commit(REPO, "topic", "alice", "x", [("x", "x")]);
    let number = github.open_pull(REPO, PullSpec::of("alice", "topic"));
    let said = |marker: &str, body: &str| {
        let (marker, body) = (marker.to_owned(), body.to_owned());
        Report::Comment(CommentReport { on: ItemRef::Pull { number }, marker, body, holds: Holds::Yes })
    };
    adapter.publish(&repo, &said("<!-- gatewright:sticky -->", "gates"), &Known::Maybe).await.expect("it is made");
    for body in ["v1 goes to staging", "v1 is live"] {
        adapter.publish(&repo, &said(RELEASE_COMMENT_MARKER, body), &Known::Maybe).await.expect("it is shown");
    }
    assert_eq!(github.release_comment(REPO, number).as_deref(), Some("v1 is live"));
    assert_eq!(github.bot_comments(REPO, number).len(), 2);
    github.assert_valid();
}

#[tokio::test]
async fn the_fake_deploys_as_github_does_where_it_is_not_told_otherwise() {
    let (github, _, _) = with_repo().await;
    let sha = pushed(&github, "one");
    github.push_tag(REPO, "v1", &sha, "alice");
    pushed(&github, "two");
    let bot = Client::bot(&github, REPO);
    let send = async |body: Value| bot.send(Method::POST, "/repos/octo/app/deployments", body).await.0;
    assert_eq!(send(json!({"ref": "v1", "required_contexts": []})).await, 409, "the default branch would be merged");
    assert_eq!(send(json!({"ref": "v1", "auto_merge": false, "required_contexts": ["ci"]})).await, 409);
    assert_eq!(send(json!({"ref": "v1", "auto_merge": false})).await, 201, "there is no status yet");
    let (status, _) =
        bot.send(Method::POST, &format!("/repos/octo/app/statuses/{sha}"), json!({"state": "pending", "context": "ci"})).await;
    assert_eq!(status, 201);
    assert_eq!(send(json!({"ref": "v1", "auto_merge": false})).await, 409, "a status is not green");
    assert_eq!(send(json!({"ref": "v1", "auto_merge": false, "required_contexts": []})).await, 201);
    assert_eq!(send(json!({"ref": "v9", "auto_merge": false})).await, 422);
    github.assert_valid();
    let (status, _) =
        bot.send(Method::POST, "/repos/octo/app/releases", json!({"tag_name": "v5", "draft": true, "make_latest": "true"})).await;
    assert_eq!(status, 422);
    assert_eq!(github.take_violations().len(), 1);
    let (status, _) = bot.send(Method::POST, "/repos/octo/app/releases", json!({"tag_name": "v5"})).await;
    assert_eq!((status, github.take_violations()), (201, Vec::<String>::new()));
    assert!(github.releases(REPO).starts_with("v5 \"\" latest"), "GitHub makes the tag");
    let (status, _) = bot.send(Method::POST, "/repos/octo/app/releases", json!({"tag_name": "v5"})).await;
    assert_eq!(status, 422, "it is taken");
}
