//! Files in Git LFS, of which agents have the pointers, and gates that look at their work what they ask for.

use gatewright_tests::on_every_forge;
use gatewright_tests::stage::Scene;

use super::{MENDED, broken_with, proposed};

const FILE: &str = "image: gatewright-sandbox:local
gates:
  tests: { run: 'sh test.sh && grep -q whole data.bin', checkout: { lfs: true } }
agents:
  fix:
    tries: 1
    steps:
      - agent: { name: sed, run: \"grep -q '^oid' data.bin && sed -i 's/[$]1 - [$]2/$1 + $2/' add.sh\" }
      - verify
";

on_every_forge!(gates_that_verify_have_what_they_ask_for_of_git_lfs_and_none_of_it_is_proposed(FILE));

async fn gates_that_verify_have_what_they_ask_for_of_git_lfs_and_none_of_it_is_proposed(scene: Scene) {
    let pointer = scene.forge.keep_in_lfs(b"the whole content\n");
    let (number, _) = broken_with(&scene, &[(".gitattributes", "*.bin filter=lfs -text\n"), ("data.bin", &pointer)]).await;
    scene.say(number, "wendy", "/gw fix").await;
    let proposal = proposed(&scene);
    assert!(proposal.body.contains("Passed in a fresh sandbox: tests."), "{}", proposal.body);
    let commit = scene.forge.head_of(&proposal.branch).expect("the branch is there");
    assert_eq!(scene.forge.file(&commit, "add.sh").as_deref(), Some(MENDED));
    assert_eq!(scene.forge.file(&commit, "data.bin"), Some(pointer));
    assert_eq!(scene.forge.checks(&commit).get("gatewright/tests").map(String::as_str), Some("success"));
    scene.end().await;
}
