//! Agents that go in circles or never end, budgets that end, and models that cannot be asked: what there is then, and what is said.

use std::sync::Arc;

use gatewright_tests::on_every_forge;
use gatewright_tests::service::Setting;
use gatewright_tests::stage::Scene;
use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{SHORT, broken, conversations, mend, proposed, said, script, scripted, uses};

/// An agent that looks at something else in every turn.
fn wanders() -> Vec<Value> {
    (1..60).map(|n| uses(&[("read", json!({ "path": "add.sh", "from_line": n }))])).collect()
}

const FIVE_TURNS: &str = "\
image: gatewright-sandbox:local
gates:
  tests: { run: sh test.sh }
agents:
  fix: { steps: [repair, verify], budget: { turns: 5 } }
";

/// A turn could cost more than what remains after some.
const LITTLE_MONEY: &str = "\
image: gatewright-sandbox:local
gates:
  tests: { run: sh test.sh }
agents:
  fix: { steps: [repair, verify], budget: { usd: 0.60, turns: 40 } }
";

/// The second agent never ends.
const TWO_AGENTS: &str = "\
image: gatewright-sandbox:local
gates:
  tests: { run: sh test.sh }
agents:
  fix: { steps: [repair, verify, quality], budget: { turns: 6 } }
";

on_every_forge!(
    an_agent_that_goes_in_circles_is_ended(SHORT, |setting: &mut Setting| {
        let same = || uses(&[("read", json!({ "path": "add.sh" }))]);
        script(setting, &conversations(&[(&[], (0..30).map(|_| same()).collect())]));
    }),
    an_agent_that_never_ends_stops_within_its_turns(FIVE_TURNS, |setting: &mut Setting| {
        script(setting, &conversations(&[(&[], wanders())]));
    }),
    an_agent_that_never_ends_stops_within_its_money(LITTLE_MONEY, |setting: &mut Setting| {
        script(setting, &conversations(&[(&[], wanders())]));
    }),
    what_gates_have_passed_is_proposed_where_the_budget_ends(TWO_AGENTS, |setting: &mut Setting| {
        let repair = uses(&[mend(), ("finish", json!({ "summary": "It adds.", "title": "Add" }))]);
        script(setting, &conversations(&[(&["Mend what was diagnosed"], vec![repair]), (&[], wanders())]));
    }),
    without_a_model_nothing_is_started(SHORT),
    a_model_without_a_price_is_not_asked_where_money_is_limited(SHORT, |setting: &mut Setting| {
        setting.models = Arc::new(scripted(&conversations(&[(&[], wanders())])));
    }),
    a_model_that_does_not_answer_is_said_to(SHORT, |setting: &mut Setting| {
        let busy = json!({ "fails": [{ "kind": "overloaded" }] });
        script(setting, &conversations(&[(&[], vec![busy])]));
    }),
);

async fn fixed(scene: &Scene) -> String {
    let (number, head) = broken(scene).await;
    scene.say(number, "wendy", "/gw fix").await;
    said(scene, number, &head)
}

async fn an_agent_that_goes_in_circles_is_ended(scene: Scene) {
    assert_snapshot!(fixed(&scene).await, @"");
    assert_eq!(scene.forge.proposed(), []);
    scene.end().await;
}

async fn an_agent_that_never_ends_stops_within_its_turns(scene: Scene) {
    assert_snapshot!(fixed(&scene).await, @"");
    assert_eq!(scene.forge.proposed(), []);
    scene.end().await;
}

async fn an_agent_that_never_ends_stops_within_its_money(scene: Scene) {
    assert_snapshot!(fixed(&scene).await, @"");
    assert_eq!(scene.forge.proposed(), []);
    scene.end().await;
}

async fn what_gates_have_passed_is_proposed_where_the_budget_ends(scene: Scene) {
    let said = fixed(&scene).await;
    let number = proposed(&scene).item.number().to_string();
    assert_snapshot!(said.replace(&number, "NUMBER"), @"");
    scene.end().await;
}

async fn without_a_model_nothing_is_started(scene: Scene) {
    assert_snapshot!(fixed(&scene).await, @"");
    scene.end().await;
}

async fn a_model_without_a_price_is_not_asked_where_money_is_limited(scene: Scene) {
    assert_snapshot!(fixed(&scene).await, @"");
    scene.end().await;
}

async fn a_model_that_does_not_answer_is_said_to(scene: Scene) {
    assert_snapshot!(fixed(&scene).await, @"");
    scene.end().await;
}
