//! `fix` mends a failing test, and what it comes to.

use gatewright_tests::on_every_forge;
use gatewright_tests::service::Setting;
use gatewright_tests::stage::Scene;
use insta::assert_snapshot;

use super::{FILE, MENDED, broken, proposed, reference, said, script, steady};

/// Agents that mend the sum. The words of the first are what nobody wants to read as they are.
const MENDS: &str = r#"
conversations:
  - match: ["Find out why the gates fail", "gate tests: verdict"]
    exchanges:
      - expect: { tools: [read, shell, finish] }
        reply: { text: "I look.", calls: [{ tool: read, arguments: { path: add.sh } }, { tool: shell, arguments: { command: sh test.sh } }], usage: { input: 2000, output: 50 } }
      - expect: { last: ["$1 - $2", "2 + 3 is not -1", "It ended with 1."] }
        reply: { calls: [{ tool: finish, arguments: { summary: "`add.sh` subtracts. @everybody, see https://evil.example" } }], usage: { input: 2500, output: 60 } }
  - match: ["Mend what was diagnosed"]
    exchanges:
      - expect: { last: "`add.sh` subtracts" }
        reply: { calls: [{ tool: patch, arguments: { path: add.sh, old: "$1 - $2", new: "$1 + $2" } }, { tool: shell, arguments: { command: sh test.sh } }], usage: { input: 3000, output: 80 } }
      - expect: { last: ["replaced", "It ended with 0."] }
        reply: { calls: [{ tool: finish, arguments: { summary: "It adds now.", title: "Add instead of subtract" } }], usage: { input: 3200, output: 40 } }
  - match: []
    exchanges:
      - reply: { calls: [{ tool: finish, arguments: { summary: "Nothing to do." } }], usage: { input: 1000, output: 20 } }
"#;

on_every_forge!(a_failing_test_is_mended_and_proposed_as_a_draft_whose_gates_pass(FILE, |setting: &mut Setting| script(
    setting, MENDS
)),);

async fn a_failing_test_is_mended_and_proposed_as_a_draft_whose_gates_pass(scene: Scene) {
    let (number, head) = broken(&scene).await;
    let comment = scene.say(number, "wendy", "/gw fix").await;
    assert_eq!(scene.forge.reactions(number, comment), ["eyes", "+1"]);
    let proposal = proposed(&scene);
    assert_snapshot!(said(&scene, number, &head).replace(&reference(&scene, proposal.item.number()), "NUMBER"), @r"
    ### fix: a pull request is proposed

    | | stage | turns | |
    |---|---|--:|---|
    | ✅ | diagnose | 2 |  |
    | ✅ | repair | 2 |  |
    | ✅ | verify: tests |  |  |
    | ✅ | quality | 1 |  |
    | ✅ | documentation | 1 |  |
    | ✅ | final check: tests |  |  |

    **diagnose**: \`add.sh\` subtracts. &#64;&#8203;everybody, see https&#58;//evil.example

    **repair**: It adds now.

    **quality**: Nothing to do.

    **documentation**: Nothing to do.

    - Proposed as NUMBER, a draft. Passed in a fresh sandbox: tests.
    ");
    assert!(proposal.draft && proposal.open && proposal.labels == ["gatewright-agent"], "{proposal:?}");
    assert_snapshot!(format!("{}\n\n{}", proposal.title, steady(&proposal.body, &head).replace(&reference(&scene, number), "PULL")), @r"
    Add instead of subtract

    **diagnose**: \`add.sh\` subtracts. &#64;&#8203;everybody, see https&#58;//evil.example

    **repair**: It adds now.

    **quality**: Nothing to do.

    **documentation**: Nothing to do.

    **Verified**: Passed in a fresh sandbox: tests.

    **Changed**:

    - `add.sh`

    <sub>Made by the pipeline fix of Gatewright for PULL, asked for by wendy, on commit HEAD. 6 turns, 12970 tokens, 0.0421 USD · [everything that was asked, answered and done](https://ci.example.com/runs/RUN). Written by a program: review it like a stranger's.</sub>
    ");
    let commit = scene.forge.head_of(&proposal.branch).unwrap_or_default();
    assert_eq!(scene.forge.file(&commit, "add.sh").as_deref(), Some(MENDED));
    assert_snapshot!(scene.checks(&commit), @"
    gatewright: success
    gatewright/tests: success
    ");
    scene.end().await;
}
