//! Tags, releases and deployments: the adapter for GitLab against the fake, and the fake's own strictness.

use gatewright_core::forge::{Forge, ForgeError, Protection, Releases, Signature};
use gatewright_core::report::{
    AssetReport, Channel, CommentReport, DeploymentReport, DeploymentState, Holds, Known, Latest, Life, ProtectionAnswer,
    ProtectionReport, Published, RELEASE_COMMENT_MARKER, ReleaseReport, ReleaseStage, Report, Tier,
};
use gatewright_core::{CommitId, ItemRef, RepoRef, Timestamp};
use gatewright_forge_gitlab::GitLab;
use gatewright_tests::gitlab::{Effect, Fault, Signing};
use insta::assert_snapshot;

use super::adapter::{adapter, repo_ref};
use super::*;

const RELEASE: &str = "POST /projects/:id/releases";
const LINK: &str = "POST /projects/:id/releases/:tag_name/assets/links";
const DEPLOYMENT: &str = "POST /projects/:id/deployments";
const STATUS: &str = "PUT /projects/:id/deployments/:deployment_id";

async fn with_project() -> (FakeGitLab, RepoRef, GitLab) {
    let gitlab = FakeGitLab::start().await;
    let id = gitlab.create_project(REPO);
    let (repo, adapter) = (repo_ref(id, REPO), adapter(&gitlab));
    (gitlab, repo, adapter)
}

fn commit(sha: &str) -> CommitId {
    sha.parse().expect("the fake's commits are commits")
}

fn pushed(gitlab: &FakeGitLab, message: &str) -> String {
    gitlab.commit(REPO, "main", "alice", message, [("f", message)])
}

#[tokio::test]
async fn a_tag_leads_to_its_commit_and_gitlab_tells_whether_they_are_signed() {
    let (gitlab, repo, adapter) = with_project().await;
    let sha = pushed(&gitlab, "feat: a");
    gitlab.push_tag(REPO, "v1.0.0-rc.1", &sha, "alice");
    assert_eq!(adapter.tag(&repo, "v1.0.0").await, Ok(None), "another one begins like it");
    gitlab.push_tag(REPO, "v1.0.0", &sha, "alice");
    let light = adapter.tag(&repo, "v1.0.0").await.expect("it answers").expect("it is there");
    assert_eq!(
        (light.commit.as_str(), light.object, light.message, light.signature),
        (sha.as_str(), None, None, Signature::Unsigned)
    );
    let object = gitlab.push_annotated_tag(REPO, "releases/v1.1.0", &sha, "the second one", "alice");
    let annotated = adapter.tag(&repo, "releases/v1.1.0").await.expect("it answers").expect("it is there");
    assert_eq!((annotated.commit.as_str(), annotated.object.as_ref()), (sha.as_str(), Some(&commit(&object))));
    assert_eq!(annotated.message.as_deref(), Some("the second one"));
    assert_eq!((annotated.signature, annotated.commit_signature), (Signature::Unsigned, Signature::Unsigned));
    gitlab.sign_as(&object, "verified");
    gitlab.sign_as(&sha, "unknown_key");
    let signed = adapter.tag(&repo, "releases/v1.1.0").await.expect("it answers").expect("it is there");
    assert_eq!(signed.signature, Signature::Verified { by: Some("alice@example.com".to_owned()) });
    assert_eq!(signed.commit_signature, Signature::Unverified { reason: "unknown_key".to_owned() });
    let tags = adapter.tags(&repo).await.expect("it answers");
    assert_eq!((tags.tags.len(), tags.incomplete), (3, false));
    assert!(tags.tags.iter().all(|(_, at)| at.as_str() == sha), "annotated tags name their commits");
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_push_of_a_tag_is_told_whatever_kind_it_is() {
    let (gitlab, _, _) = with_project().await;
    let receiver = Receiver::start().await;
    gitlab.set_webhook(&receiver.url, Signing::Token("a secret of some length".to_owned()));
    let (first, second) = (pushed(&gitlab, "one"), pushed(&gitlab, "two"));
    gitlab.push_tag(REPO, "v1", &first, "alice");
    let object = gitlab.push_annotated_tag(REPO, "v1", &second, "moved", "alice");
    gitlab.delete_tag(REPO, "v1", "alice");
    gitlab.deliveries_settled().await;
    let tags = gitlab.deliveries().into_iter().filter(|delivery| delivery.event == "Tag Push Hook");
    let told: Vec<_> =
        tags.map(|one| one.payload()).map(|t| [t["before"].clone(), t["after"].clone(), t["checkout_sha"].clone()]).collect();
    let zero = json!("0".repeat(40));
    assert_eq!(
        told,
        [
            [zero.clone(), json!(first), json!(first)],
            [json!(first), json!(object), json!(second)],
            [json!(object), zero, Value::Null]
        ]
    );
}

#[tokio::test]
async fn the_default_branch_and_those_that_it_was_merged_into_are_looked_at() {
    let (gitlab, repo, adapter) = with_project().await;
    let on_main = pushed(&gitlab, "one");
    pushed(&gitlab, "two");
    let ahead = gitlab.commit(REPO, "topic", "alice", "not merged", [("t", "t")]);
    let protection = async |sha: &str| adapter.protection(&repo, &commit(sha)).await.expect("it answers");
    let off = |looked_at: &[&str]| Protection::Off {
        looked_at: looked_at.iter().map(|name| (*name).to_owned()).collect(),
        incomplete: true,
    };
    let on = |branch: &str| Protection::On { branch: branch.to_owned() };
    assert_eq!(protection(&on_main).await, off(&[]), "nothing is protected");
    gitlab.protect(REPO, "main");
    assert_eq!(protection(&on_main).await, on("main"));
    assert_eq!(protection(&gitlab.branch(REPO, "main")).await, on("main"));
    assert_eq!(protection(&ahead).await, off(&["main"]));
    gitlab.commit(REPO, "release/1.x", "alice", "backport", [("b", "b")]);
    gitlab.protect(REPO, "release/1.x");
    let fix = gitlab.commit(REPO, "fix", "alice", "fix: x", [("x", "x")]);
    let iid = gitlab.open_merge_request(REPO, &MergeRequestSpec::of("alice", "fix").to("release/1.x"));
    let merge = gitlab.merge(REPO, iid, "alice").expect("no conflict");
    for sha in [fix, merge] {
        assert_eq!(protection(&sha).await, on("release/1.x"));
    }
    gitlab.assert_valid();
}

#[tokio::test]
async fn what_lies_between_two_releases_is_told_with_its_merge_requests() {
    let (gitlab, repo, adapter) = with_project().await;
    let from = pushed(&gitlab, "chore: start");
    let topic = gitlab.commit(REPO, "topic", "bob", "feat: search\n\nBREAKING CHANGE: all of it", [("s", "s")]);
    let iid = gitlab.open_merge_request(REPO, &MergeRequestSpec::of("bob", "topic").titled("Search"));
    let merge = gitlab.merge(REPO, iid, "alice").expect("no conflict");
    let direct = pushed(&gitlab, "fix: at once");
    let found = adapter.commits_between(&repo, Some(&commit(&from)), &commit(&direct)).await.expect("it answers");
    let ids: Vec<&str> = found.commits.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, [&topic, &merge, &direct]);
    assert_eq!((found.more, found.pulls_incomplete), (0, false));
    assert!(found.compare_url.as_deref().is_some_and(|url| url.contains("/-/compare/")));
    for told in &found.commits[..2] {
        let pull = told.pulls.first().expect("it came by a merge request");
        assert_eq!((pull.number, pull.title.as_str(), pull.author.as_str()), (iid, "Search", "bob"));
    }
    assert_eq!((found.commits[0].author.as_str(), found.commits[2].pulls.len()), ("bob", 0));
    assert_eq!(adapter.pull_of(&repo, &commit(&merge)).await, Ok(Some(iid)));
    assert_eq!(adapter.pull_of(&repo, &commit(&direct)).await, Ok(None));
    let all = adapter.commits_between(&repo, None, &commit(&direct)).await.expect("it answers");
    assert_eq!((all.commits.len(), all.more, all.compare_url), (5, 0, None));
    assert_eq!(all.commits[4].id.as_str(), direct);
    gitlab.assert_valid();
}

fn release(tag: &str, sha: &str, stage: ReleaseStage) -> ReleaseReport {
    let (tag, commit) = (tag.to_owned(), commit(sha));
    let (name, body) = (tag.clone(), "## Fixes\n\n- a".to_owned());
    ReleaseReport { tag, commit, name, body, stage, channel: Channel::Stable, latest: Latest::Yes }
}

async fn publish(adapter: &GitLab, repo: &RepoRef, report: &ReleaseReport, known: &Known) -> Result<Published, ForgeError> {
    adapter.publish(repo, &Report::Release(Box::new(report.clone())), known).await
}

fn asset(name: &str, url: Option<&str>) -> Report {
    Report::Asset(Box::new(AssetReport {
        tag: "v1.0.0".to_owned(),
        name: name.parse().expect("a name"),
        content_type: "application/gzip".to_owned(),
        content: "all of it".into(),
        sha256: "0".repeat(64),
        url: url.map(str::to_owned),
    }))
}

#[tokio::test]
async fn a_release_is_made_once_however_often_it_is_tried() {
    let (gitlab, repo, adapter) = with_project().await;
    let sha = pushed(&gitlab, "one");
    gitlab.push_tag(REPO, "v1.0.0", &sha, "alice");
    let draft = release("v1.0.0", &sha, ReleaseStage::Draft);
    publish(&adapter, &repo, &draft, &Known::Never).await.expect("there is nothing to do");
    assert_eq!(gitlab.releases(REPO), "", "there are no drafts");
    let out = release("v1.0.0", &sha, ReleaseStage::Published);
    gitlab.fault(Fault::on(RELEASE, Effect::CutAfter).once());
    assert!(matches!(publish(&adapter, &repo, &out, &Known::Never).await, Err(ForgeError::Unavailable { .. })));
    for known in [Known::Maybe, Known::Id(0), Known::Never] {
        publish(&adapter, &repo, &out, &known).await.expect("it is found");
    }
    assert_eq!((gitlab.calls(RELEASE), gitlab.calls("PUT /projects/:id/releases/:tag_name")), (1, 0));
    publish(&adapter, &repo, &ReleaseReport { body: "more".to_owned(), ..out }, &Known::Maybe).await.expect("it is changed");
    assert_eq!(gitlab.release_body(REPO, "v1.0.0").as_deref(), Some("<!-- gatewright:notes -->\nmore"));
    let link = asset("app.tar.gz", Some("https://ci.example/artefacts/1"));
    gitlab.fault(Fault::on(LINK, Effect::CutAfter).once());
    assert!(adapter.publish(&repo, &link, &Known::Never).await.is_err());
    let made = adapter.publish(&repo, &link, &Known::Maybe).await.expect("it is found");
    assert_eq!(adapter.publish(&repo, &link, &Known::Id(made.id)).await, Ok(made));
    for refused in [asset("app.tar.gz", Some("https://ci.example/artefacts/2")), asset("other", None)] {
        assert!(matches!(adapter.publish(&repo, &refused, &Known::Never).await, Err(ForgeError::Refused { .. })));
    }
    assert_snapshot!(gitlab.releases(REPO), @r#"
    v1.0.0 "v1.0.0", by gatewright-bot
      app.tar.gz (package): https://ci.example/artefacts/1
    "#);
    gitlab.assert_valid();
}

#[tokio::test]
async fn nothing_is_published_for_a_tag_that_was_moved_or_deleted() {
    let (gitlab, repo, adapter) = with_project().await;
    let first = pushed(&gitlab, "one");
    gitlab.push_tag(REPO, "v1.0.0", &first, "alice");
    let second = pushed(&gitlab, "two");
    gitlab.push_annotated_tag(REPO, "v1.0.0", &second, "moved", "mallory");
    let out = release("v1.0.0", &first, ReleaseStage::Published);
    let moved = publish(&adapter, &repo, &out, &Known::Never).await.expect_err("it is refused").to_string();
    assert!(moved.contains("was moved from"), "{moved}");
    gitlab.delete_tag(REPO, "v1.0.0", "mallory");
    let gone = publish(&adapter, &repo, &out, &Known::Maybe).await.expect_err("it is refused").to_string();
    assert!(gone.contains("was deleted"), "{gone}");
    assert_eq!(gitlab.releases(REPO), "");
    gitlab.assert_valid();
}

#[tokio::test]
async fn what_a_person_has_released_stays_as_it_is() {
    let (gitlab, repo, adapter) = with_project().await;
    let sha = pushed(&gitlab, "one");
    gitlab.push_tag(REPO, "v1.0.0", &sha, "alice");
    gitlab.write_release(REPO, "v1.0.0", "All by myself.", "alice");
    publish(&adapter, &repo, &release("v1.0.0", &sha, ReleaseStage::Published), &Known::Never).await.expect("it is there");
    assert_eq!(gitlab.release_body(REPO, "v1.0.0").as_deref(), Some("All by myself."));
    gitlab.assert_valid();
}

fn deployment(tag: &str, sha: &str, environment: &str, state: DeploymentState) -> DeploymentReport {
    DeploymentReport {
        key: format!("run-1/{environment}"),
        environment: environment.parse().expect("a name"),
        tag: tag.to_owned(),
        commit: commit(sha),
        since: Timestamp::from_second(Timestamp::now().as_second() - 1).expect("in range"),
        state,
        description: String::new(),
        log_url: None,
        environment_url: Some(format!("https://{environment}.example")),
        tier: if environment == "live" { Tier::Production } else { Tier::Before },
        life: Life::Permanent,
    }
}

async fn deploy(adapter: &GitLab, repo: &RepoRef, report: &DeploymentReport, known: &Known) -> Result<Published, ForgeError> {
    adapter.publish(repo, &Report::Deployment(Box::new(report.clone())), known).await
}

#[tokio::test]
async fn a_deployment_is_made_when_it_begins_and_set_to_each_state_once() {
    let (gitlab, repo, adapter) = with_project().await;
    let sha = pushed(&gitlab, "one");
    gitlab.push_tag(REPO, "v1", &sha, "alice");
    let at = |state| deployment("v1", &sha, "staging", state);
    for waits in [DeploymentState::Queued, DeploymentState::Waiting, DeploymentState::Cancelled] {
        assert_eq!(deploy(&adapter, &repo, &at(waits), &Known::Never).await, Ok(Published { id: 0 }));
    }
    assert_eq!(gitlab.deployments(REPO), "", "nothing has begun");
    gitlab.fault(Fault::on(DEPLOYMENT, Effect::CutAfter).once());
    let runs = at(DeploymentState::InProgress);
    assert!(matches!(deploy(&adapter, &repo, &runs, &Known::Id(0)).await, Err(ForgeError::Unavailable { .. })));
    let made = deploy(&adapter, &repo, &runs, &Known::Maybe).await.expect("it is found");
    let known = Known::Id(made.id);
    gitlab.fault(Fault::on(STATUS, Effect::BadGatewayAfter).once());
    for state in [
        DeploymentState::InProgress,
        DeploymentState::Success,
        DeploymentState::Success,
        DeploymentState::InProgress,
        DeploymentState::Inactive,
    ] {
        assert_eq!(deploy(&adapter, &repo, &at(state), &known).await, Ok(made.clone()), "{state:?}");
    }
    // The same tag once more, later: another rollout.
    gitlab.advance(400);
    let again = DeploymentReport { since: Timestamp::from_second(Timestamp::now().as_second() + 400).expect("in range"), ..runs };
    let second = deploy(&adapter, &repo, &again, &Known::Maybe).await.expect("it is made");
    assert_ne!(second, made);
    let failed = DeploymentReport { state: DeploymentState::Failure, ..again };
    deploy(&adapter, &repo, &failed, &Known::Id(second.id)).await.expect("it is set");
    assert_snapshot!(gitlab.deployments(REPO), @r"
    v1 to staging (staging) at https://staging.example: running, success
    v1 to staging (staging) at https://staging.example: running, failed
    ");
    gitlab.assert_valid();
}

#[tokio::test]
async fn an_environment_has_its_address_and_its_tier() {
    let (gitlab, repo, adapter) = with_project().await;
    let sha = pushed(&gitlab, "one");
    gitlab.push_tag(REPO, "v1", &sha, "alice");
    for environment in ["live", "test.eu"] {
        deploy(&adapter, &repo, &deployment("v1", &sha, environment, DeploymentState::Success), &Known::Never)
            .await
            .expect("made");
    }
    let moved = DeploymentReport {
        environment_url: Some("https://elsewhere.example".to_owned()),
        ..deployment("v1", &sha, "live", DeploymentState::InProgress)
    };
    deploy(&adapter, &repo, &moved, &Known::Never).await.expect("made");
    // The tag is not what it was: the commit is deployed, by its own name.
    let second = pushed(&gitlab, "two");
    gitlab.push_tag(REPO, "v1", &second, "mallory");
    let pinned = deploy(&adapter, &repo, &deployment("v1", &sha, "test.eu", DeploymentState::Failure), &Known::Never).await;
    assert!(pinned.is_ok());
    assert_snapshot!(gitlab.deployments(REPO).replace(&sha, "COMMIT"), @r"
    v1 to live (production) at https://elsewhere.example: success
    v1 to test.eu (testing) at https://test.eu.example: success
    v1 to live (production) at https://elsewhere.example: running
    COMMIT to test.eu (testing) at https://test.eu.example: failed
    ");
    gitlab.assert_valid();
}

#[tokio::test]
async fn nobody_is_asked_for_leave() {
    let (_gitlab, repo, adapter) = with_project().await;
    let answer = ProtectionReport {
        workflow_run: 1,
        environment: "live".to_owned(),
        answer: ProtectionAnswer::Approved,
        comment: String::new(),
    };
    let refused = adapter.publish(&repo, &Report::ProtectionRule(answer), &Known::Never).await;
    assert!(matches!(refused, Err(ForgeError::Refused { .. })));
}

#[tokio::test]
async fn the_note_of_a_release_is_another_one_than_that_of_the_gates() {
    let (gitlab, repo, adapter) = with_project().await;
    gitlab.commit(REPO, "topic", "alice", "x", [("x", "x")]);
    let iid = gitlab.open_merge_request(REPO, &MergeRequestSpec::of("alice", "topic"));
    let said = |marker: &str, body: &str| {
        let (marker, body) = (marker.to_owned(), body.to_owned());
        Report::Comment(CommentReport { on: ItemRef::Pull { number: iid }, marker, body, holds: Holds::Yes })
    };
    adapter.publish(&repo, &said("<!-- gatewright:sticky -->", "gates"), &Known::Maybe).await.expect("it is made");
    for body in ["v1 goes to staging", "v1 is live"] {
        adapter.publish(&repo, &said(RELEASE_COMMENT_MARKER, body), &Known::Maybe).await.expect("it is shown");
    }
    assert_eq!(gitlab.release_comment(REPO, iid).as_deref(), Some("v1 is live"));
    assert_eq!(gitlab.bot_notes(REPO, iid).len(), 2);
    gitlab.assert_valid();
}
