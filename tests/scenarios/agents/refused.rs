//! What agents do that is not taken: nothing, what gates do not pass, what is protected, what holds a secret.

use gatewright_tests::on_every_forge;
use gatewright_tests::service::Setting;
use gatewright_tests::stage::Scene;
use insta::assert_snapshot;
use serde_json::json;

use super::{MENDED, SHORT, broken, broken_with, conversations, finish, mend, on_hearing, proposed, said, script, uses};

on_every_forge!(
    an_agent_that_changes_nothing_proposes_nothing(SHORT, |setting: &mut Setting| {
        let told = on_hearing(&["2 + 3 is not -1"], finish("I still see nothing."));
        script(setting, &conversations(&[(&[], vec![finish("I see nothing that is wrong."), told])]));
    }),
    what_gates_do_not_pass_is_tried_again_and_then_not_proposed(SHORT, |setting: &mut Setting| {
        let wrong = |old: &str, new: &str| ("patch", json!({ "path": "add.sh", "old": old, "new": new }));
        let done = ("finish", json!({ "summary": "It multiplies." }));
        let again = uses(&[wrong("$1 * $2", "$1 / $2"), ("finish", json!({ "summary": "It divides." }))]);
        let exchanges = vec![uses(&[wrong("$1 - $2", "$1 * $2"), done]), on_hearing(&["2 + 3 is not 6"], again)];
        script(setting, &conversations(&[(&[], exchanges)]));
    }),
    a_test_is_not_mended_by_changing_it(SHORT, |setting: &mut Setting| {
        let weaken = uses(&[
            ("write", json!({ "path": "test.sh", "content": "exit 0\n" })),
            ("patch", json!({ "path": "test.sh", "old": "= 5", "new": "= -1" })),
            ("shell", json!({ "command": "echo exit 0 > test.sh; rm -f test.sh; ls" })),
        ]);
        let told = ["`test.sh` is protected: nobody but people may change it", "your change there does not count"];
        let done = || finish("I changed the test.");
        let exchanges = vec![weaken, on_hearing(&told, done()), on_hearing(&["2 + 3 is not -1"], done())];
        script(setting, &conversations(&[(&["`**/{test,tests,spec}.*`"], exchanges)]));
    }),
    protected_files_are_not_changed_by_any_tool(SHORT, |setting: &mut Setting| {
        let write = |path: &str| ("write", json!({ "path": path, "content": "mine\n" }));
        let first = uses(&[
            write(".github/workflows/ci.yml"),
            write("docs/CODEOWNERS"),
            write(".gatewright.yml"),
            write("web/Package.JSON"),
            ("patch", json!({ "path": "CODEOWNERS", "old": "@octo/owners", "new": "@mallory" })),
            ("patch", json!({ "path": "./sub/../package.json", "old": "{}", "new": "{\"scripts\":{\"install\":\"x\"}}" })),
            (
                "shell",
                json!({ "command": "mkdir -p .github/workflows; for f in .github/workflows/ci.yml .gitlab-ci.yml CODEOWNERS package.json .gatewright.yml; do echo mine > $f; done; ln -s .github linked; rm -f CODEOWNERS" }),
            ),
            mend(),
        ]);
        let told = [
            "`.github/workflows/ci.yml` is protected",
            "`docs/CODEOWNERS` is protected",
            "`.gatewright.yml` is protected",
            "`web/Package.JSON` is protected",
            "`CODEOWNERS` is protected",
        ];
        let second = on_hearing(&told, uses(&[("shell", json!({ "command": "rm -f linked; echo gone" }))]));
        script(setting, &conversations(&[(&[], vec![first, second, finish("It adds.")])]));
    }),
    what_gates_leave_behind_is_no_part_of_a_change(REPORTING, |setting: &mut Setting| {
        let leave =
            "mkdir -p out/a; for i in $(seq 150); do echo x > out/a/TEST-$i.xml; done; echo x > shot.png; echo x > kept.log";
        let write = |path: &str| ("write", json!({ "path": path, "content": "mine\n" }));
        let first = uses(&[mend(), ("shell", json!({ "command": leave })), write("by-name.png"), write("notes.md")]);
        let told = ["`by-name.png` is where a gate leaves its files: a new file there does not count"];
        script(setting, &conversations(&[(&[], vec![first, on_hearing(&told, finish("It adds."))])]));
    }),
    a_change_that_adds_a_secret_is_not_proposed(SHORT, |setting: &mut Setting| {
        let leak = (
            "shell",
            json!({ "command": "printf '#!/bin/sh\\n# gh''p_0123456789abcdefghijABCDEFGHIJ456789\\necho $(($1 + $2))\\n' > add.sh" }),
        );
        // Written as it is, it is not even kept of what the model said.
        let plain = ("write", json!({ "path": "token.txt", "content": "ghp_0123456789abcdefghijABCDEFGHIJ456789" }));
        let told = ["what looks like a secret, so nothing was done"];
        let exchanges = vec![uses(&[plain]), on_hearing(&told, uses(&[leak])), finish("It adds.")];
        script(setting, &conversations(&[(&[], exchanges)]));
    }),
);

/// A repository whose gates leave reports and pictures, one of which is kept.
const REPORTING: &str = "\
image: gatewright-sandbox:local
gates:
  tests: { run: sh test.sh }
  other: { run: 'true', junit: 'out/**/TEST-*.xml', outputs: ['*.png', '*.log'], when: { changed: 'never/**' } }
agents:
  fix: { steps: [repair, { verify: [tests] }], tries: 2 }
";

/// Nothing is proposed, and this is said.
async fn nothing_comes_of_it(scene: &Scene) -> String {
    let (number, head) = broken(scene).await;
    scene.say(number, "wendy", "/gw fix").await;
    assert_eq!(scene.forge.proposed(), []);
    assert_eq!(scene.forge.head_of("topic").as_deref(), Some(head.as_str()), "the branch is as it was");
    said(scene, number, &head)
}

async fn an_agent_that_changes_nothing_proposes_nothing(scene: Scene) {
    assert_snapshot!(nothing_comes_of_it(&scene).await, @"
    ### fix: stopped early, with nothing to propose

    | | stage | turns | |
    |---|---|--:|---|
    | ✅ | repair | 2 | after 2 tries |
    | ❌ | verify: tests |  | tests did not pass |
    | ⏭️ | final check: tests |  |  |

    Stopped: tests did not pass.

    **repair**: I still see nothing.

    - Nothing was changed.
    ");
    scene.end().await;
}

async fn what_gates_do_not_pass_is_tried_again_and_then_not_proposed(scene: Scene) {
    assert_snapshot!(nothing_comes_of_it(&scene).await, @"
    ### fix: stopped early, with nothing to propose

    | | stage | turns | |
    |---|---|--:|---|
    | ✅ | repair | 2 | after 2 tries |
    | ❌ | verify: tests |  | tests did not pass |
    | ⏭️ | final check: tests |  |  |

    Stopped: tests did not pass.

    **repair**: It divides.

    - Nothing was changed.
    ");
    scene.end().await;
}

async fn a_test_is_not_mended_by_changing_it(scene: Scene) {
    assert_snapshot!(nothing_comes_of_it(&scene).await, @"
    ### fix: stopped early, with nothing to propose

    | | stage | turns | |
    |---|---|--:|---|
    | ✅ | repair | 3 | after 2 tries |
    | ❌ | verify: tests |  | tests did not pass |
    | ⏭️ | final check: tests |  |  |

    Stopped: tests did not pass.

    **repair**: I changed the test.

    - Nothing was changed.
    ");
    scene.end().await;
}

async fn a_change_that_adds_a_secret_is_not_proposed(scene: Scene) {
    assert_snapshot!(nothing_comes_of_it(&scene).await, @"
    ### fix: what it changed is not proposed

    | | stage | turns | |
    |---|---|--:|---|
    | ✅ | repair | 3 |  |
    | ✅ | verify: tests |  |  |
    | ✅ | final check: tests |  |  |

    **repair**: It adds.

    - Not shown: the change, since it adds what looks like a secret.
    ");
    scene.end().await;
}

async fn protected_files_are_not_changed_by_any_tool(scene: Scene) {
    let files = [("CODEOWNERS", "* @octo/owners\n"), ("package.json", "{}\n")];
    let (number, _) = broken_with(&scene, &files).await;
    scene.say(number, "wendy", "/gw fix").await;
    let proposal = proposed(&scene);
    let commit = scene.forge.head_of(&proposal.branch).expect("the branch is there");
    assert_eq!(scene.forge.file(&commit, "add.sh").as_deref(), Some(MENDED), "the honest part is taken");
    for (path, content) in files {
        assert_eq!(scene.forge.file(&commit, path).as_deref(), Some(content), "{path}");
    }
    assert_eq!(scene.forge.file(&commit, ".gatewright.yml").as_deref(), Some(SHORT));
    for path in [".github/workflows/ci.yml", "docs/CODEOWNERS", ".gitlab-ci.yml", "web/Package.JSON", "linked"] {
        assert_eq!(scene.forge.file(&commit, path), None, "{path}");
    }
    scene.end().await;
}

async fn what_gates_leave_behind_is_no_part_of_a_change(scene: Scene) {
    let (number, _) = broken_with(&scene, &[("kept.log", "1\n")]).await;
    scene.say(number, "wendy", "/gw fix").await;
    let commit = scene.forge.head_of(&proposed(&scene).branch).expect("the branch is there");
    let file = |path: &str| scene.forge.file(&commit, path);
    assert_eq!(file("add.sh").as_deref(), Some(MENDED));
    assert_eq!(
        (file("notes.md").as_deref(), file("kept.log").as_deref()),
        (Some("mine\n"), Some("x\n")),
        "work, and what was there before"
    );
    assert_eq!((file("out/a/TEST-1.xml"), file("shot.png"), file("by-name.png")), (None, None, None));
    scene.end().await;
}
