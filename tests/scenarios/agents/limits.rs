//! Agents that go in circles or never end, budgets that end, and models that cannot be asked: what there is then, and what is said.

use std::sync::Arc;

use gatewright_core::run::Run;
use gatewright_core::store::Store;
use gatewright_tests::on_every_forge;
use gatewright_tests::service::Setting;
use gatewright_tests::stage::Scene;
use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{SHORT, broken, conversations, mend, proposed, reference, said, script, scripted, uses};

/// An agent that looks at something else in every turn.
fn wanders() -> Vec<Value> {
    (1..60).map(|n| uses(&[("read", json!({ "path": "add.sh", "from_line": n }))])).collect()
}

/// The same with answers that cost 0.06 dollars.
fn wanders_dearly() -> Vec<Value> {
    let dear = |mut exchange: Value| {
        exchange["reply"]["usage"] = json!({ "input": 20_000, "output": 0 });
        exchange
    };
    wanders().into_iter().map(dear).collect()
}

const FIVE_TURNS: &str = with_agents!(
    "
  fix: { steps: [repair, verify], budget: { turns: 5 } }
"
);

/// A turn could cost more than what remains after some.
const LITTLE_MONEY: &str = with_agents!(
    "
  fix: { steps: [repair, verify], budget: { usd: 0.60, turns: 40 } }
"
);

/// The second agent never ends.
const TWO_AGENTS: &str = with_agents!(
    "
  fix: { steps: [repair, verify, quality], budget: { turns: 6 } }
"
);

on_every_forge!(
    on this machine:
    an_agent_that_goes_in_circles_is_ended(SHORT, |setting: &mut Setting| {
        let same = || uses(&[("read", json!({ "path": "add.sh" }))]);
        script(setting, &conversations(&[(&[], (0..30).map(|_| same()).collect())]));
    }),
    an_agent_that_never_ends_stops_within_its_turns(FIVE_TURNS, |setting: &mut Setting| {
        script(setting, &conversations(&[(&[], wanders())]));
    }),
    an_agent_that_never_ends_stops_within_its_money(LITTLE_MONEY, |setting: &mut Setting| {
        script(setting, &conversations(&[(&[], wanders_dearly())]));
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
    assert_snapshot!(fixed(&scene).await, @"
    ### fix: stopped early, with nothing to propose

    | | stage | turns | |
    |---|---|--:|---|
    | ❌ | repair | 3 | it did the same again and again |
    | ⏭️ | verify: tests |  |  |
    | ⏭️ | final check: tests |  |  |

    Stopped: repair: it did the same again and again.

    - Nothing was changed.
    ");
    assert_eq!(scene.forge.proposed(), []);
    scene.end().await;
}

async fn an_agent_that_never_ends_stops_within_its_turns(scene: Scene) {
    assert_snapshot!(fixed(&scene).await, @"
    ### fix: stopped early, with nothing to propose

    | | stage | turns | |
    |---|---|--:|---|
    | ❌ | repair | 5 | it was not done after 5 turns |
    | ⏭️ | verify: tests |  |  |
    | ⏭️ | final check: tests |  |  |

    Stopped: repair: it was not done after 5 turns.

    - Nothing was changed.
    ");
    assert_eq!(scene.forge.proposed(), []);
    scene.end().await;
}

async fn an_agent_that_never_ends_stops_within_its_money(scene: Scene) {
    let said = fixed(&scene).await;
    assert!(said.contains("Stopped: what is left of the budget of money is less than the next question may cost."), "{said}");
    let mut spent = 0;
    for record in scene.service.runs().await {
        let (_, journal) = scene.service.store.journal(record.id).await.expect("it is there");
        let run = Run::replay(record.id, &journal).expect("it is whole");
        spent += run.agent().map_or(0, |of| of.spent.micro_usd);
    }
    assert!((120_000..600_000).contains(&spent), "{spent} millionths of a dollar");
    assert_eq!(scene.forge.proposed(), []);
    scene.end().await;
}

async fn what_gates_have_passed_is_proposed_where_the_budget_ends(scene: Scene) {
    let said = fixed(&scene).await;
    let number = proposed(&scene).item.number();
    assert_snapshot!(said.replace(&reference(&scene, number), "NUMBER"), @"
    ### fix: a pull request is proposed, and it was stopped early

    | | stage | turns | |
    |---|---|--:|---|
    | ✅ | repair | 1 |  |
    | ✅ | verify: tests |  |  |
    | ⏭️ | quality | 5 |  |
    | ✅ | final check: tests |  |  |

    Stopped: the budget of turns is used up.

    **repair**: It adds.

    - Proposed as NUMBER, a draft. Passed in a fresh sandbox: tests.
    ");
    scene.end().await;
}

async fn without_a_model_nothing_is_started(scene: Scene) {
    assert_snapshot!(fixed(&scene).await, @"
    ### agents: not started

    Not started: no model is configured: the server file needs `[[model]]` and `models` in `[agents]`.
    ");
    scene.end().await;
}

async fn a_model_without_a_price_is_not_asked_where_money_is_limited(scene: Scene) {
    assert_snapshot!(fixed(&scene).await, @"
    ### agents: not started

    Not started: nobody has said what the model `scripted/model` costs, so no limit of money can be kept: name its price in the server file, or write `usd: none` in the pipeline's `budget`.
    ");
    scene.end().await;
}

async fn a_model_that_does_not_answer_is_said_to(scene: Scene) {
    assert_snapshot!(fixed(&scene).await, @"
    ### fix: stopped early, with nothing to propose

    | | stage | turns | |
    |---|---|--:|---|
    | ❌ | repair |  | no model answers now: the script acts out a failure: overloaded |
    | ⏭️ | verify: tests |  |  |
    | ⏭️ | final check: tests |  |  |

    Stopped: repair: no model answers now: the script acts out a failure: overloaded.

    - Nothing was changed.
    ");
    scene.end().await;
}
