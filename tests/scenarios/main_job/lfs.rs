//! Files that are kept in the forge's Git LFS.

use gatewright_tests::on_every_forge;
use gatewright_tests::stage::Scene;
use insta::assert_snapshot;
use sha2::{Digest, Sha256};

const FILE: &str = "\
image: gatewright-sandbox:local
gates:
  whole:
    run: test \"$(sha256sum < data.bin | cut -d' ' -f1)\" = \"$(cat digest)\"
    checkout: { lfs: true }
  pointer:
    run: grep -q '^oid sha256:' data.bin
";

on_every_forge!(a_gate_reads_what_is_kept_in_git_lfs_where_it_asks_for_it_and_is_told_what_is_missing(FILE));

async fn a_gate_reads_what_is_kept_in_git_lfs_where_it_asks_for_it_and_is_told_what_is_missing(scene: Scene) {
    let content = "content of some size\n".repeat(20_000);
    let digest = hex::encode(Sha256::digest(&content));
    let pointer = scene.forge.keep_in_lfs(content.as_bytes());
    let files = [(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n"), ("data.bin", &pointer), ("digest", &digest)];
    let head = scene.forge.commit("topic", "alice", &files);
    let number = scene.forge.open("alice", "topic");
    scene.idle().await;
    assert_snapshot!(scene.checks(&head), @"
    gatewright: success
    gatewright/pointer: success
    gatewright/whole: success
    ");
    let never_pushed = pointer.replace("size ", "size 1");
    let head = scene.forge.commit("topic", "alice", &[("data.bin", &never_pushed)]);
    scene.idle().await;
    assert_snapshot!(scene.checks(&head), @"
    gatewright: failure
    gatewright/pointer: success
    gatewright/whole: failure
    ");
    let text = scene.forge.text_of(number, &head, "gatewright/whole");
    assert!(text.contains("`data.bin`") && text.contains("is not in the forge's Git LFS"), "{text}");
    scene.end().await;
}
