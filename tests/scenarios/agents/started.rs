//! What starts a pipeline, and who; and what becomes of what it hands over.

use gatewright_core::{ForgeKind, ItemRef};
use gatewright_tests::on_every_forge;
use gatewright_tests::service::Setting;
use gatewright_tests::stage::{Role, Scene};
use insta::assert_snapshot;
use serde_json::json;

use super::{BROKEN, MENDED, TEST, broken, conversations, finish, mend, proposed, reference, said, script, steady, uses};

const BY_LABEL: &str = with_agents!(
    "
  mend: { on: { label: [mend me] }, steps: [repair, verify] }
"
);

const BY_ISSUE: &str = "\
image: gatewright-sandbox:local
gates:
  tests: { run: 'true' }
agents:
  build: { on: { issue: opened }, steps: [coder, verify], may: [pull-request, comment] }
";

const BY_WORD: &str = "\
image: gatewright-sandbox:local
gates:
  tests: { run: 'true' }
agents:
  build: { on: { command: do }, steps: [coder, verify], may: [pull-request, comment] }
";

/// `other` fails on what is proposed too.
const BY_FAILURE: &str = "\
image: gatewright-sandbox:local
gates:
  tests: { run: sh test.sh }
  other: { run: exit 3 }
agents:
  fix: { on: { failed: [tests, other] }, steps: [repair, { verify: [tests] }] }
";

const REVIEW: &str = with_agents!(
    "
  review: {}
"
);

const COMMITS: &str = with_agents!(
    "
  fix: { steps: [repair, verify], may: [commit, comment] }
"
);

/// Mends the sum in one turn.
fn mends(setting: &mut Setting) {
    let turn = uses(&[mend(), ("finish", json!({ "summary": "It adds.", "title": "Add" }))]);
    script(setting, &conversations(&[(&[], vec![turn])]));
}

on_every_forge!(
    on this machine:
    a_label_starts_a_pipeline_where_somebody_put_it_who_may_push(BY_LABEL, mends),
    an_issue_starts_a_pipeline_where_somebody_opened_it_who_may_push(BY_ISSUE, |setting: &mut Setting| {
        let write = ("write", json!({ "path": "greet.sh", "content": "echo hello\n" }));
        let done = ("finish", json!({ "summary": "It greets. Closes #1", "title": "Greet people" }));
        script(setting, &conversations(&[(&["Say hello to people"], vec![uses(&[write, done])])]));
    }),
    agents_do_on_an_issue_what_somebody_says_who_may(BY_WORD, |setting: &mut Setting| {
        let write = ("write", json!({ "path": "greet.sh", "content": "echo hello\n" }));
        let done = ("finish", json!({ "summary": "It greets.", "title": "Greet people" }));
        script(setting, &conversations(&[(&["in English", "Say hello to people"], vec![uses(&[write, done])])]));
    }),
    gates_that_fail_start_a_pipeline_once_for_each_commit_and_never_for_what_agents_made(BY_FAILURE, mends),
    what_a_review_finds_is_on_its_check_with_suggestions(REVIEW, |setting: &mut Setting| {
        let found = json!({
            "summary": "One thing is wrong.",
            "findings": [
                { "path": "add.sh", "line": 2, "severity": "error", "message": "It subtracts.", "replacement": "echo $(($1 + $2))" },
                { "path": "gone.sh", "line": 7, "severity": "notice", "message": "Who calls this, @octo/reviewers?", "replacement": "x" },
            ],
        });
        let nothing = finish("Nobody can attack a sum.");
        let all: [(&[&str], _); 2] = [(&["You are the security-review"], vec![nothing]), (&[], vec![uses(&[("finish", found)])])];
        script(setting, &conversations(&all));
    }),
    a_pipeline_that_may_commit_pushes_to_the_pull_requests_branch(COMMITS, mends),
);

async fn a_label_starts_a_pipeline_where_somebody_put_it_who_may_push(scene: Scene) {
    let (number, head) = broken(&scene).await;
    for (user, label) in [("rita", "mend me"), ("wendy", "something else")] {
        scene.forge.advance(2);
        scene.forge.label(ItemRef::Pull { number }, user, label);
        scene.idle().await;
        assert_eq!(said(&scene, number, &head), "", "{user} starts nothing by {label}");
    }
    let (other, _) = {
        let head = scene.forge.commit("second", "alice", &[("add.sh", BROKEN), ("test.sh", TEST)]);
        (scene.forge.open("alice", "second"), head)
    };
    scene.idle().await;
    scene.forge.advance(2);
    scene.forge.label(ItemRef::Pull { number: other }, "wendy", "mend me");
    scene.idle().await;
    let proposal = proposed(&scene);
    let commit = scene.forge.head_of(&proposal.branch).expect("the branch is there");
    assert_eq!(scene.forge.file(&commit, "add.sh").as_deref(), Some(MENDED));
    assert_eq!(said(&scene, number, &head), "");
    scene.end().await;
}

async fn an_issue_starts_a_pipeline_where_somebody_opened_it_who_may_push(scene: Scene) {
    let strange = scene.forge.open_issue("rita", "Greet", "Say hello to people");
    scene.idle().await;
    assert_eq!(scene.forge.replies_on_issue(strange), []);
    assert_eq!(scene.forge.proposed(), []);
    scene.forge.advance(2);
    let number = scene.forge.open_issue("wendy", "Greet", "Say hello to people");
    scene.idle().await;
    let proposal = proposed(&scene);
    let main = scene.forge.head_of("main").expect("it is there");
    assert_snapshot!(format!("{}\n\n{}", proposal.title, steady(&proposal.body, &main)), @"
    Greet people

    **coder**: It greets. Closes &#35;&#8203;1

    **Verified**: Passed in a fresh sandbox: tests.

    **Changed**:

    - `greet.sh`

    <sub>Made by the pipeline build of Gatewright for #2, asked for by wendy, on commit HEAD. 1 turn, 2050 tokens, 0.0067 USD · [everything that was asked, answered and done](https://ci.example.com/runs/RUN). Written by a program: review it like a stranger's.</sub>
    ");
    let commit = scene.forge.head_of(&proposal.branch).expect("the branch is there");
    assert_eq!(scene.forge.file(&commit, "greet.sh").as_deref(), Some("echo hello\n"));
    assert_eq!(scene.forge.replies_on_issue(number).len(), 1);
    scene.end().await;
}

async fn agents_do_on_an_issue_what_somebody_says_who_may(scene: Scene) {
    let number = scene.forge.open_issue("rita", "Greet", "Say hello to people");
    scene.idle().await;
    let mut said = Vec::new();
    for (user, words) in [("rita", "/gw do it in English"), ("wendy", "/gw review"), ("wendy", "/gw do it in English")] {
        scene.forge.advance(2);
        scene.forge.comment_on_issue(number, user, words);
        scene.idle().await;
        said.push(format!("{user}: {} proposed", scene.forge.proposed().len()));
    }
    assert_eq!(said, ["rita: 0 proposed", "wendy: 0 proposed", "wendy: 1 proposed"]);
    let proposal = proposed(&scene);
    let commit = scene.forge.head_of(&proposal.branch).expect("the branch is there");
    assert_eq!(scene.forge.file(&commit, "greet.sh").as_deref(), Some("echo hello\n"));
    let last = scene.forge.replies_on_issue(number).pop().map(|seen| seen.text).unwrap_or_default();
    assert_snapshot!(last.replace(&reference(&scene, proposal.item.number()), "NUMBER"), @"
    ### build: a pull request is proposed

    | | stage | turns | |
    |---|---|--:|---|
    | ✅ | coder | 1 |  |
    | ✅ | verify: tests |  |  |
    | ✅ | final check: tests |  |  |

    **coder**: It greets.

    - Proposed as NUMBER, a draft. Passed in a fresh sandbox: tests.
    ");
    scene.end().await;
}

async fn gates_that_fail_start_a_pipeline_once_for_each_commit_and_never_for_what_agents_made(scene: Scene) {
    scene.forge.set_role("alice", Role::Write);
    let (number, head) = broken(&scene).await;
    let proposal = proposed(&scene);
    let commit = scene.forge.head_of(&proposal.branch).expect("the branch is there");
    assert_eq!(scene.forge.checks(&commit)["gatewright/other"], "failure", "and nobody mends that");
    scene.say(number, "wendy", "/gw rerun").await;
    assert_eq!(scene.forge.checks(&head)["gatewright/tests"], "failure");
    proposed(&scene);
    scene.forge.commit("topic", "alice", &[("more", "1")]);
    scene.idle().await;
    assert_eq!(scene.forge.proposed().len(), 2, "another commit is another matter");
    scene.end().await;
}

async fn what_a_review_finds_is_on_its_check_with_suggestions(scene: Scene) {
    let (number, head) = broken(&scene).await;
    scene.say(number, "wendy", "/gw review").await;
    assert_snapshot!(said(&scene, number, &head), @"
    ### review: changes are suggested

    | | stage | turns | |
    |---|---|--:|---|
    | ✅ | review | 1 |  |
    | ✅ | security-review | 1 |  |

    **review**: One thing is wrong.

    **security-review**: Nobody can attack a sum.

    - What was found is on the check, place by place.
    - What could stand there instead is suggested on the changed lines.
    ");
    assert_snapshot!(scene.shown(&head), @"
    gatewright: failure (1 of 1 gate failed)
    gatewright agent: review: success (review: changes are suggested)
    gatewright/tests: failure (exit code 1)
    ");
    let at = |path: &str, line: u64| (path.to_owned(), line);
    let remarks = match scene.forge.kind() {
        ForgeKind::Github => [at("add.sh", 2), at("gone.sh", 7)],
        // Remarks are on changed lines alone; what is suggested is one of them.
        ForgeKind::Gitlab => [at("add.sh", 2), at("add.sh", 2)],
    };
    assert_eq!(scene.forge.remarks(number, &head), remarks);
    assert_eq!(scene.forge.proposed(), []);
    scene.end().await;
}

async fn a_pipeline_that_may_commit_pushes_to_the_pull_requests_branch(scene: Scene) {
    let (number, head) = broken(&scene).await;
    scene.say(number, "wendy", "/gw fix").await;
    let now = scene.forge.head_of("topic").expect("it is there");
    assert_ne!(now, head);
    assert_eq!(scene.forge.file(&now, "add.sh").as_deref(), Some(MENDED));
    assert_eq!(scene.forge.checks(&now)["gatewright/tests"], "success");
    assert_eq!(scene.forge.proposed(), []);
    assert_snapshot!(said(&scene, number, &head), @"
    ### fix: a commit was made

    | | stage | turns | |
    |---|---|--:|---|
    | ✅ | repair | 1 |  |
    | ✅ | verify: tests |  |  |
    | ✅ | final check: tests |  |  |

    **repair**: It adds.

    - Committed to the pull request's branch. Passed in a fresh sandbox: tests.
    ");
    scene.end().await;
}
