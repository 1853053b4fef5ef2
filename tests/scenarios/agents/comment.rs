//! The one comment of a pull request has gates in it and agents: neither takes the other's part away, whoever is at work when.

use std::sync::Arc;

use gatewright_core::ItemRef;
use gatewright_tests::on_every_forge;
use gatewright_tests::service::{Setting, until};
use gatewright_tests::stage::{GitHubStage, GitLabStage, Scene, Stage};
use insta::assert_snapshot;
use serde_json::json;

use super::{Held, MENDED, SHORT, broken, conversations, finish, mend, reference, script, steady, uses};

/// What is reviewed and mended, and what is done for a label.
const SEVERAL: &str = with_agents!(
    "
  review: { steps: [review], may: [comment] }
  fix: { steps: [repair, verify], tries: 2 }
  explain: { on: { label: explain }, steps: [architect], may: [comment] }
"
);

/// Each agent says what it is for.
fn says(setting: &mut Setting) {
    let mends = uses(&[mend(), ("finish", json!({ "summary": "It adds.", "title": "Add" }))]);
    let all: [(&[&str], _); 3] = [
        (&["You are the review"], vec![finish("It subtracts. </details> <b>Look</b> at it.")]),
        (&["You are the architect"], vec![finish("It is a sum.")]),
        (&[], vec![mends]),
    ];
    script(setting, &conversations(&all));
}

on_every_forge!(on this machine: each_pipeline_has_its_part_of_the_one_comment(SEVERAL, says),);

async fn each_pipeline_has_its_part_of_the_one_comment(scene: Scene) {
    let (number, head) = broken(&scene).await;
    scene.say(number, "wendy", "/gw review").await;
    scene.say(number, "wendy", "/gw fix").await;
    let proposal = super::proposed(&scene);
    let shown = || {
        let comment = steady(&scene.only_comment(number), &head).replace(&reference(&scene, proposal.item.number()), "NUMBER");
        let lines: Vec<&str> = comment.lines().filter(|line| !line.is_empty()).collect();
        lines.join("\n")
    };
    let fixed = shown();
    assert_snapshot!(fixed, @"
    ### Gatewright: 1 of 1 gate failed
    | | Gate | Result | Time |
    |---|---|---|---:|
    | ❌ | tests | exit code 1 | T |
    ### fix: a pull request is proposed
    | | stage | turns | |
    |---|---|--:|---|
    | ✅ | repair | 1 |  |
    | ✅ | verify: tests |  |  |
    | ✅ | final check: tests |  |  |
    **repair**: It adds.
    - Proposed as NUMBER, a draft. Passed in a fresh sandbox: tests.
    <details><summary>review: nothing was found to change</summary>
    | | stage | turns | |
    |---|---|--:|---|
    | ✅ | review | 1 |  |
    **review**: It subtracts. &lt;/details&gt; &lt;b&gt;Look&lt;/b&gt; at it.
    - Nothing was changed.
    </details>
    ");
    // What is drawn anew for the gates' sake alone keeps what agents have to say.
    scene.say(number, "max", "/gw hold not yet").await;
    assert_eq!(shown().split_once("### fix").map(|(_, agents)| agents), fixed.split_once("### fix").map(|(_, agents)| agents));
    assert!(shown().contains("Held by max: not yet"), "{}", shown());
    // What was done again takes the place of what it said before.
    scene.forge.advance(2);
    scene.forge.label(ItemRef::Pull { number }, "wendy", "explain");
    scene.idle().await;
    scene.say(number, "wendy", "/gw review").await;
    let parts: Vec<String> =
        shown().lines().filter(|line| line.contains("### ") || line.contains("<summary>")).map(str::to_owned).collect();
    assert_snapshot!(parts.join("\n"), @"
    ### Gatewright: held by max; 1 of 1 gate failed
    ### review: nothing was found to change
    <details><summary>explain: nothing was found to change</summary>
    <details><summary>fix: a pull request is proposed</summary>
    ");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gates_and_agents_at_work_at_once_keep_each_others_part_on_github() {
    both_at_work(Arc::new(GitHubStage::start().await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gates_and_agents_at_work_at_once_keep_each_others_part_on_gitlab() {
    both_at_work(Arc::new(GitLabStage::start().await)).await;
}

/// Agents wait for their model while gates look at a push, the service is started anew in between, and the agents end last.
async fn both_at_work(forge: Arc<dyn Stage>) {
    let done = uses(&[("finish", json!({ "summary": "It adds.", "title": "Add" }))]);
    let model = Held::after(1, &conversations(&[(&[], vec![uses(&[mend()]), done])]));
    let given = Arc::clone(&model);
    let scene = Scene::with(forge, SHORT, |setting: &mut Setting| setting.models = given).await;
    let (number, _) = broken(&scene).await;
    scene.forge.advance(2);
    scene.forge.comment(number, "wendy", "/gw fix");
    model.until_asked(2).await;
    let newer = scene.forge.commit("topic", "alice", &[("add.sh", MENDED)]);
    let headings = |scene: &Scene| -> Vec<String> {
        let comment = scene.only_comment(number);
        comment.lines().filter(|line| line.starts_with("### ")).map(str::to_owned).collect()
    };
    let passed = || async { headings(&scene).iter().any(|line| line.contains("1 gate passed")) };
    until("the push is checked", passed).await;
    assert_eq!(headings(&scene), ["### Gatewright: 1 gate passed", "### fix: repair"]);
    let scene = scene.restarted(async |_| ()).await;
    model.let_answer();
    scene.idle().await;
    assert_eq!(headings(&scene), ["### Gatewright: 1 gate passed", "### fix: a pull request is proposed"]);
    assert_eq!(scene.forge.checks(&newer)["gatewright"], "success");
    scene.end().await;
}
