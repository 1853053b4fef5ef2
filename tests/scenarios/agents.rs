//! Pipelines of agents, from what starts them to what people see: the same scenarios on every forge, with models that follow a script.

use std::sync::Arc;

use gatewright_core::model::Price;
use gatewright_model::{Script, Scripted};
use gatewright_tests::service::Setting;
use gatewright_tests::stage::{Proposed, Scene};

#[path = "agents/fix.rs"]
mod fix;
#[path = "agents/started.rs"]
mod started;

/// A repository whose test fails: the sum of two numbers is their difference.
const FILE: &str = "\
image: gatewright-sandbox:local
gates:
  tests: { run: sh test.sh }
agents:
  fix: { budget: { usd: 2.00, turns: 20, minutes: 5 } }
";

/// What is broken.
const BROKEN: &str = "#!/bin/sh\necho $(($1 - $2))\n";

/// The test that says so.
const TEST: &str = "test \"$(sh add.sh 2 3)\" = 5 || { echo \"2 + 3 is not $(sh add.sh 2 3)\"; exit 1; }\n";

/// The model of scenarios follows this script.
fn script(setting: &mut Setting, script: &str) {
    let price = Price { input: 3_000_000, cache_read: 300_000, cache_write: 3_750_000, output: 15_000_000 };
    let script = Script::read(script).unwrap_or_else(|error| panic!("{error}"));
    setting.models = Arc::new(Scripted::new(script).with_price(price));
}

/// Opens a pull request that breaks the sum, and waits until its gates have said so. Its number, and its head.
async fn broken(scene: &Scene) -> (u64, String) {
    let head = scene.forge.commit("topic", "alice", &[("add.sh", BROKEN), ("test.sh", TEST)]);
    let number = scene.forge.open("alice", "topic");
    scene.idle().await;
    assert_eq!(scene.forge.checks(&head).get("gatewright/tests").map(String::as_str), Some("failure"));
    (number, head)
}

/// What the service has proposed, which is one thing.
fn proposed(scene: &Scene) -> Proposed {
    let mut all = scene.forge.proposed();
    let one = all.pop().unwrap_or_else(|| panic!("nothing was proposed"));
    assert!(all.is_empty(), "{all:?}");
    one
}
