//! What agents are shown that look back: how gates have gone, what environments run and what became of releases, and what is kept from them.

use gatewright_tests::on_every_forge;
use gatewright_tests::service::Setting;
use gatewright_tests::stage::Scene;
use serde_json::{Value, json};

use super::{BROKEN, MENDED, TEST, conversations, on_hearing, said, script, uses};

const WATCHES: &str = "\
image: gatewright-sandbox:local
gates:
  tests: { run: sh test.sh }
releases:
  on: { tag: 'v*' }
environments:
  production: { target: { docker: { service: shop, image: 'shop:{{ version }}' } }, strategy: recreate }
agents:
  watch: { on: { command: do }, steps: [monitor], may: [comment] }
";

/// What a monitor is shown of all that has happened here: two runs of its own repository's people, and none of a fork's.
const HISTORY: [&str; 3] =
    ["tests: 2 runs, 1 passed, 1 failed, 0 errors", "of #1: failed, exit code 1", "of #1: passed, exit code 0"];

/// What it is shown of the environment: that nothing is there, who keeps releases from it, and in which words.
const ENVIRONMENT: [&str; 2] =
    ["production: nothing has been released there", "- frozen by max: wait /merge @everyone Closes #1 <b>x</b>"];

/// It repeats what it was shown of the freeze.
fn repeats() -> Value {
    let done = ("finish", json!({ "summary": "Frozen: wait\n/merge\n@everyone Closes #1 <b>x</b>" }));
    on_hearing(&[HISTORY.as_slice(), ENVIRONMENT.as_slice()].concat(), uses(&[done]))
}

on_every_forge!(on this machine: a_monitor_is_shown_how_gates_have_gone_and_how_environments_are_but_nothing_of_forks(
    WATCHES,
    |setting: &mut Setting| {
        script(setting, &conversations(&[(&[], vec![repeats()])]));
    }
),);

async fn a_monitor_is_shown_how_gates_have_gone_and_how_environments_are_but_nothing_of_forks(scene: Scene) {
    scene.forge.commit("topic", "alice", &[("add.sh", MENDED), ("test.sh", TEST)]);
    let number = scene.forge.open("alice", "topic");
    scene.idle().await;
    scene.forge.advance(2);
    let head = scene.forge.commit("topic", "alice", &[("add.sh", BROKEN)]);
    scene.idle().await;
    // A stranger's code has its gate say what it likes, once somebody lets it run.
    let strange = scene.forge.commit_to_fork("strange", "mallory", &[("test.sh", "exit 7\n")]);
    let fork = scene.forge.open_from_fork("mallory", "strange");
    scene.idle().await;
    scene.say(fork, "wendy", &format!("/gw approve {strange}")).await;
    assert_eq!(scene.forge.checks(&strange)["gatewright/tests"], "failure");
    let main = scene.forge.head_of("main").expect("it is there");
    scene.forge.tag("alice", "v1.0.0", &main);
    scene.idle().await;
    scene.say(number, "max", "/gw freeze production \"wait /merge @everyone Closes #1 <b>x</b>\"").await;
    scene.say(number, "wendy", "/gw do say what stands out").await;
    let said = said(&scene, number, &head);
    let told = "**monitor**: Frozen: wait\n&#47;merge\n&#64;&#8203;everyone Closes &#35;&#8203;1 &lt;b&gt;x&lt;/b&gt;";
    assert!(said.contains(told), "{said}");
    scene.end().await;
}
