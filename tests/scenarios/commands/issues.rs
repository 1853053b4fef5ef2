//! What is said on issues, and pull requests that the service itself opens.

use std::sync::Arc;

use gatewright_core::forge::Forge;
use gatewright_core::report::{Known, ProposalReport, Report};
use gatewright_core::secret::SecretString;
use gatewright_core::tree::{FileChange, FileMode};
use gatewright_core::{ForgeKind, ItemRef, RepoRef};
use gatewright_forge_github::{GitHub, GitHubConfig};
use gatewright_forge_gitlab::{GitLab, GitLabConfig};
use gatewright_tests::gitlab::TOKEN;
use gatewright_tests::on_every_forge;
use gatewright_tests::stage::{GitHubStage, GitLabStage, REPO, Scene};
use insta::assert_snapshot;

use super::TWO_GATES;

const GOOD: &str = "image: gatewright-sandbox:local\ngates:\n  good: { run: test -f fixed }\n";

on_every_forge!(on this machine: what_is_about_a_change_is_refused_on_an_issue_and_nobody_else_is_answered(TWO_GATES));

async fn what_is_about_a_change_is_refused_on_an_issue_and_nobody_else_is_answered(scene: Scene) {
    let number = scene.forge.open_issue("rita", "It is slow", "Since Monday.");
    scene.forge.comment_on_issue(number, "rita", "Does anybody know why?");
    scene.forge.label(ItemRef::Issue { number }, "wendy", "bug");
    scene.idle().await;
    assert_eq!(scene.forge.replies_on_issue(number), [], "no pipeline is there for any of that");
    scene.forge.advance(2);
    let comment = scene.forge.comment_on_issue(number, "wendy", "/gw run bad");
    scene.idle().await;
    let replies: Vec<String> = scene.forge.replies_on_issue(number).into_iter().map(|seen| seen.text).collect();
    assert_snapshot!(replies.join("\n"), @"**run bad** was not done: it is about a change, and this is an issue. Say it on a pull request; here there are `/gw fix [TEXT]`, `/gw do TEXT` and `/gw cancel`.");
    assert_eq!(scene.forge.reactions(number, comment), ["eyes", "confused"]);
    scene.end().await;
}

/// A branch with a file that the gate wants, as an agent hands it in.
async fn propose(scene: &Scene, adapter: &dyn Forge, repo: &RepoRef) -> (u64, String) {
    let parent = scene.forge.head_of("main").expect("it is there");
    let proposal = ProposalReport {
        branch: "gatewright/fix-1-0192ab".to_owned(),
        parent: parent.parse().expect("a commit"),
        changes: vec![FileChange { path: "fixed".to_owned(), now: Some((FileMode::Plain, "yes\n".into())) }],
        message: "fix: it".to_owned(),
        target: "main".to_owned(),
        title: "Fix it".to_owned(),
        body: "It is fixed.".to_owned(),
        labels: vec!["gatewright".to_owned()],
        draft: true,
        external_id: "0192ab".to_owned(),
    };
    let published = adapter.publish(repo, &Report::Proposal(Box::new(proposal)), &Known::Never).await.expect("it is taken");
    scene.idle().await;
    (published.id, scene.forge.head_of("gatewright/fix-1-0192ab").expect("it is there"))
}

async fn is_gated(scene: Scene, number: u64, head: &str) {
    let proposed = scene.forge.proposed();
    assert_eq!(proposed.len(), 1);
    assert!(proposed[0].draft && proposed[0].item == (ItemRef::Pull { number }), "{proposed:?}");
    assert_eq!(scene.forge.file(head, "fixed").as_deref(), Some("yes\n"));
    assert_snapshot!(scene.checks(head), @r"
    gatewright: success
    gatewright/good: success
    ");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gates_run_on_a_draft_that_the_service_proposes_itself_on_github() {
    let stage = Arc::new(GitHubStage::start().await);
    let scene = Scene::with_file(stage.clone(), GOOD).await;
    let github = &stage.github;
    let config = GitHubConfig::new(github.url(), github.app_id(), github.private_key_pem().into());
    let adapter = GitHub::new(config).expect("the configuration is right");
    let (id, installation) = (github.repo_id(REPO), Some(github.installation(REPO)));
    let repo = RepoRef { forge: ForgeKind::Github, id, path: REPO.to_owned(), installation };
    let (number, head) = propose(&scene, &adapter, &repo).await;
    is_gated(scene, number, &head).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gates_run_on_a_draft_that_the_service_proposes_itself_on_gitlab() {
    let stage = Arc::new(GitLabStage::start().await);
    let scene = Scene::with_file(stage.clone(), GOOD).await;
    let adapter = GitLab::new(GitLabConfig::new(stage.gitlab.url(), SecretString::from(TOKEN.to_owned())));
    let adapter = adapter.expect("the configuration is right");
    let repo = RepoRef { forge: ForgeKind::Gitlab, id: stage.gitlab.project_id(REPO), path: REPO.to_owned(), installation: None };
    let (number, head) = propose(&scene, &adapter, &repo).await;
    is_gated(scene, number, &head).await;
}
