//! Where a signature is asked for, the forge's word decides.

use gatewright_tests::on_every_forge;
use gatewright_tests::stage::Scene;

const FILE: &str =
    "image: gatewright-sandbox:local\ngates:\n  good: { run: 'true' }\nreleases:\n  on: { tag: 'v*' }\n  signed: commit\n";

on_every_forge!(a_tag_is_released_once_the_forge_vouches_for_its_commit(FILE));

async fn a_tag_is_released_once_the_forge_vouches_for_its_commit(scene: Scene) {
    scene.forge.commit("topic", "alice", &[("f", "1")]);
    let number = scene.forge.open("alice", "topic");
    let commit = scene.forge.merge(number, "max");
    scene.forge.tag("alice", "v1.0.0", &commit);
    scene.idle().await;
    let said = scene.replies(number).join("\n");
    assert!(said.contains("the tag's commit is to be signed: it is not"), "{said}");
    scene.forge.sign(&commit);
    scene.forge.tag("alice", "v1.0.1", &commit);
    scene.idle().await;
    let said = scene.replies(number).join("\n");
    assert!(said.contains("Release v1.0.1: published"), "{said}");
    scene.end().await;
}
