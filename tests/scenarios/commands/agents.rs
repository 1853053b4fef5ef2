//! Commands that start agents, and why none start. What agents do once they are started is tried with their models.

use gatewright_tests::on_every_forge;
use gatewright_tests::stage::Scene;
use insta::assert_snapshot;

use super::TWO_GATES;

/// A pipeline for one of the three commands.
const FOR_FIX: &str = "\
image: gatewright-sandbox:local
gates:
  good: { run: 'true' }
  bad: { run: exit 3 }
agents:
  fix: {}
";

on_every_forge!(
    on this machine:
    a_command_that_starts_no_pipeline_says_what_to_write(TWO_GATES),
    the_base_branchs_file_says_what_is_started(FOR_FIX),
    agents_work_on_a_fork_once_its_commit_is_approved(FOR_FIX),
);

async fn a_command_that_starts_no_pipeline_says_what_to_write(scene: Scene) {
    let (number, _) = scene.open("topic", "a", "1");
    scene.idle().await;
    let comment = scene.say(number, "wendy", "/gw fix\n/gw do\n/gw do it").await;
    assert_eq!(scene.forge.reactions(number, comment), ["eyes", "confused"]);
    assert_snapshot!(scene.replies(number).join("\n"), @r"
    **fix** was not done: no pipeline is started by it. Add `agents: { fix: {} }` to `.gatewright.yml` on the base branch.

    **do** was not done: it is written `/gw do TEXT`.

    **do it** was not done: no pipeline is started by it. Add `agents: { help: { on: { command: do }, steps: [coder, verify] } }` to `.gatewright.yml` on the base branch.
    ");
    scene.end().await;
}

/// What the change itself says of agents starts none.
async fn the_base_branchs_file_says_what_is_started(scene: Scene) {
    let more = FOR_FIX.replace("fix: {}", "review: {}");
    let (number, _) = scene.open("topic", ".gatewright.yml", &more);
    scene.idle().await;
    scene.say(number, "wendy", "/gw review").await;
    assert_snapshot!(scene.replies(number).join("\n"), @"**review** was not done: no pipeline is started by it. Add `agents: { review: {} }` to `.gatewright.yml` on the base branch.");
    scene.end().await;
}

async fn agents_work_on_a_fork_once_its_commit_is_approved(scene: Scene) {
    let head = scene.forge.commit_to_fork("topic", "mallory", &[("a", "1")]);
    let number = scene.forge.open_from_fork("mallory", "topic");
    scene.idle().await;
    scene.say(number, "wendy", "/gw fix").await;
    assert_snapshot!(scene.replies(number).join("\n").replace(&head[..7], "HEAD"), @"**fix** was not done: this comes from a fork, and HEAD is not approved. Look at it, then write `/gw approve HEAD`.");
    scene.end().await;
}
