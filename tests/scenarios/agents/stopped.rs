//! Pipelines that are stopped, that the world goes on around, and those of strangers.

use std::sync::Arc;

use gatewright_tests::service::{Setting, until};
use gatewright_tests::stage::{GitHubStage, GitLabStage, Role, Scene, Stage};
use insta::assert_snapshot;
use serde_json::json;

use super::{BROKEN, Held, MENDED, SHORT, TEST, broken, conversations, mend, proposed, reference, said, steady, uses};

/// Mends the sum in one turn and says so in the next.
fn mends() -> String {
    let done = uses(&[("finish", json!({ "summary": "It adds.", "title": "Add" }))]);
    conversations(&[(&[], vec![uses(&[mend()]), done])])
}

macro_rules! held_on_every_forge {
    ($($scenario:ident($answers:expr)),* $(,)?) => {
        mod on_github {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $scenario() {
                let (scene, model) = held(Arc::new(GitHubStage::start().await), $answers).await;
                super::$scenario(scene, model).await;
            })*
        }
        mod on_gitlab {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $scenario() {
                let (scene, model) = held(Arc::new(GitLabStage::start().await), $answers).await;
                super::$scenario(scene, model).await;
            })*
        }
    };
}

held_on_every_forge!(
    a_pull_request_that_is_closed_stops_its_agents(1),
    cancel_stops_agents(1),
    a_push_while_agents_work_leaves_them_at_the_commit_that_they_began_with(1),
    one_pipeline_is_at_work_on_a_pull_request_at_a_time(0),
    a_forks_commit_is_worked_on_once_just_that_one_is_approved(1_000),
    an_approval_of_somebody_who_may_not_approve_any_more_starts_no_agents(1_000),
);

/// One pipeline is at work and may still use up the day: the other is not begun on the same tokens.
#[tokio::test(flavor = "multi_thread")]
async fn two_pipelines_at_once_do_not_share_out_a_day_twice() {
    let model = Held::after(0, &mends());
    let given = Arc::clone(&model);
    let forge = Arc::new(GitHubStage::start().await);
    let scene = Scene::with(forge, SHORT, |setting: &mut Setting| {
        setting.models = given;
        setting.agents_day_tokens = Some(1_000_000);
    })
    .await;
    let (first, head) = broken(&scene).await;
    let other = scene.forge.commit("other", "alice", &[("add.sh", BROKEN), ("test.sh", TEST), ("more", "1")]);
    let second = scene.forge.open("alice", "other");
    scene.idle().await;
    scene.forge.advance(2);
    scene.forge.comment(first, "wendy", "/gw fix");
    model.until_asked(1).await;
    scene.forge.comment(second, "wendy", "/gw fix");
    let over = || async { said(&scene, second, &other).contains("stopped") };
    until("the second is over", over).await;
    assert_snapshot!(said(&scene, second, &other), @"
    ### fix: stopped early

    | | stage | turns | |
    |---|---|--:|---|
    | ⏭️ | repair |  |  |
    | ⏭️ | verify: tests |  |  |
    | ⏭️ | final check: tests |  |  |

    Stopped: what the repository may spend on a day is used up, or set aside for agents at work.
    ");
    model.let_answer();
    scene.idle().await;
    assert!(said(&scene, first, &head).contains("a pull request is proposed"));
    // What the first has not used is there again.
    scene.say(second, "wendy", "/gw fix").await;
    assert!(said(&scene, second, &other).contains("a pull request is proposed"));
    scene.end().await;
}

/// A scene whose model answers so often before it is let again.
async fn held(forge: Arc<dyn Stage>, answers: usize) -> (Scene, Arc<Held>) {
    let model = Held::after(answers, &mends());
    let given = Arc::clone(&model);
    let scene = Scene::with(forge, SHORT, |setting: &mut Setting| setting.models = given).await;
    (scene, model)
}

/// Starts the agents of a broken pull request, which then wait for their model's second answer.
async fn at_work(scene: &Scene, model: &Held) -> (u64, String) {
    let (number, head) = broken(scene).await;
    scene.forge.advance(2);
    scene.forge.comment(number, "wendy", "/gw fix");
    model.until_asked(2).await;
    (number, head)
}

async fn a_pull_request_that_is_closed_stops_its_agents(scene: Scene, model: Arc<Held>) {
    let (number, head) = at_work(&scene, &model).await;
    scene.forge.close(number, "alice");
    scene.idle().await;
    assert_eq!(scene.forge.proposed(), []);
    assert_snapshot!(said(&scene, number, &head), @"
    ### fix: stopped, since it was closed

    | | stage | turns | |
    |---|---|--:|---|
    | ⏭️ | repair | 2 |  |
    | ⏭️ | verify: tests |  |  |
    | ⏭️ | final check: tests |  |  |
    ");
    scene.end().await;
}

async fn cancel_stops_agents(scene: Scene, model: Arc<Held>) {
    let (number, head) = at_work(&scene, &model).await;
    scene.say(number, "wendy", "/gw cancel").await;
    assert_eq!(scene.forge.proposed(), []);
    assert_snapshot!(said(&scene, number, &head), @"
    ### fix: stopped by wendy

    | | stage | turns | |
    |---|---|--:|---|
    | ⏭️ | repair | 2 |  |
    | ⏭️ | verify: tests |  |  |
    | ⏭️ | final check: tests |  |  |
    ");
    scene.end().await;
}

async fn a_push_while_agents_work_leaves_them_at_the_commit_that_they_began_with(scene: Scene, model: Arc<Held>) {
    let (_, head) = at_work(&scene, &model).await;
    let newer = scene.forge.commit("topic", "alice", &[("other", "of no interest")]);
    until("the push is checked", || async { scene.forge.checks(&newer).get("gatewright").is_some_and(|s| s == "failure") }).await;
    model.let_answer();
    scene.idle().await;
    let proposal = proposed(&scene);
    assert!(proposal.body.contains(&head[..7]), "{}", proposal.body);
    let commit = scene.forge.head_of(&proposal.branch).expect("the branch is there");
    assert_eq!(scene.forge.file(&commit, "add.sh").as_deref(), Some(MENDED));
    assert_eq!(scene.forge.file(&commit, "other"), None, "nobody has looked at that with it");
    assert_eq!(scene.forge.head_of("topic"), Some(newer), "the branch itself is left alone");
    scene.end().await;
}

async fn one_pipeline_is_at_work_on_a_pull_request_at_a_time(scene: Scene, model: Arc<Held>) {
    let (number, head) = broken(&scene).await;
    scene.forge.advance(2);
    scene.forge.comment(number, "wendy", "/gw fix");
    model.until_asked(1).await;
    scene.forge.advance(2);
    let second = scene.forge.comment(number, "ada", "/gw fix");
    until("it is answered", || async { scene.forge.reactions(number, second).len() == 2 }).await;
    model.let_answer();
    scene.idle().await;
    assert_eq!(scene.forge.reactions(number, second), ["eyes", "confused"]);
    let proposal = reference(&scene, proposed(&scene).item.number());
    assert_snapshot!(said(&scene, number, &head).replace(&proposal, "NUMBER"), @"
    ### fix: a pull request is proposed

    | | stage | turns | |
    |---|---|--:|---|
    | ✅ | repair | 2 |  |
    | ✅ | verify: tests |  |  |
    | ✅ | final check: tests |  |  |

    **repair**: It adds.

    - Proposed as NUMBER, a draft. Passed in a fresh sandbox: tests.
    **fix** was not done: agents are at work here already (fix: repair; run RUN). Wait for them, or write `/gw cancel`.
    ");
    scene.end().await;
}

async fn a_forks_commit_is_worked_on_once_just_that_one_is_approved(scene: Scene, _: Arc<Held>) {
    let head = scene.forge.commit_to_fork("topic", "mallory", &[("add.sh", BROKEN), ("test.sh", TEST)]);
    let number = scene.forge.open_from_fork("mallory", "topic");
    scene.idle().await;
    scene.say(number, "wendy", &format!("/gw approve {head}")).await;
    let newer = scene.forge.commit_to_fork("topic", "mallory", &[("more", "1")]);
    scene.idle().await;
    let refused = scene.say(number, "wendy", "/gw fix").await;
    assert_eq!(scene.forge.reactions(number, refused), ["eyes", "confused"]);
    assert_eq!(scene.forge.proposed(), [], "the commit that was approved is not the one that is there");
    scene.say(number, "wendy", &format!("/gw approve {newer}")).await;
    let taken = scene.say(number, "wendy", "/gw fix").await;
    assert_eq!(scene.forge.reactions(number, taken), ["eyes", "+1"]);
    let proposal = proposed(&scene);
    assert_snapshot!(format!("{}\n\n{}", proposal.title, steady(&proposal.body, &newer).replace(&reference(&scene, number), "PULL")), @"
    Add

    **repair**: It adds.

    **Verified**: Passed in a fresh sandbox: tests.

    **Changed**:

    - `add.sh`

    <sub>Made by the pipeline fix of Gatewright for PULL, asked for by wendy, on commit HEAD. 2 turns, 4100 tokens, 0.0135 USD · [everything that was asked, answered and done](https://ci.example.com/runs/RUN). Written by a program: review it like a stranger's.</sub>
    ");
    let commit = scene.forge.head_of(&proposal.branch).expect("the branch is there");
    assert_eq!(scene.forge.file(&commit, "add.sh").as_deref(), Some(MENDED));
    scene.end().await;
}

async fn an_approval_of_somebody_who_may_not_approve_any_more_starts_no_agents(scene: Scene, _: Arc<Held>) {
    let head = scene.forge.commit_to_fork("topic", "mallory", &[("add.sh", BROKEN), ("test.sh", TEST)]);
    let number = scene.forge.open_from_fork("mallory", "topic");
    scene.idle().await;
    scene.say(number, "wendy", &format!("/gw approve {head}")).await;
    scene.forge.set_role("wendy", Role::Read);
    scene.say(number, "ada", "/gw fix").await;
    assert_eq!(scene.forge.proposed(), []);
    assert_snapshot!(said(&scene, number, &head), @"
    ### agents: not started

    Not started: it comes from a fork, and wendy may not approve it any more.
    ");
    scene.end().await;
}
