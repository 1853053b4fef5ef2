//! Benchmarks of base and head in turn, as people see them, in a real container.
//!
//! What is measured here is what files say and no time of the machine's: with six rounds all of them have to agree, and one in which a busy
//! machine holds a process up would decide. How well slower code is told from equal code is measured by `--bench interleaved` of the engine.
//!
//! GitLab shows what a gate says at length only where it failed, so of what passed that is looked at on GitHub.

use gatewright_core::ForgeKind;
use gatewright_tests::on_every_forge;
use gatewright_tests::stage::Scene;

const FILE: &str = "\
image: gatewright-sandbox:local
gates:
  speed:
    when: { events: pull_request }
    run: sh bench.sh
    benchmark: out.json
    compare: interleaved
    rounds: 6
    require: { slower-at-most: 50 }
";

/// Takes as many milliseconds as the file `work` says, and up to four more.
const BENCH: &str = r#"echo >> rounds
n=$(wc -l < rounds)
echo "[{\"name\": \"count\", \"unit\": \"ms\", \"value\": $(($(cat work) + n * 7 % 5))}]" > out.json
"#;

const WORK: &str = "100\n";
const FOUR_TIMES_THE_WORK: &str = "400\n";

on_every_forge!(
    a_change_that_makes_a_benchmark_slower_fails(FILE),
    a_change_that_changes_no_benchmark_passes(FILE),
    a_base_without_the_benchmark_is_inconclusive_and_no_failure(FILE),
);

/// Opens a change of these files against a base that has a benchmark.
async fn changed(scene: &Scene, files: &[(&str, &str)]) -> (u64, String) {
    scene.forge.commit("main", "alice", &[("bench.sh", BENCH), ("work", WORK)]);
    // The branch starts where the main branch is now.
    let head = scene.forge.commit("topic", "alice", files);
    let number = scene.forge.open("alice", "topic");
    scene.idle().await;
    (number, head)
}

async fn a_change_that_makes_a_benchmark_slower_fails(scene: Scene) {
    let (number, head) = changed(&scene, &[("work", FOUR_TIMES_THE_WORK)]).await;
    let check = &scene.forge.shown(&head)["gatewright/speed"];
    assert_eq!((check.state.as_str(), check.title.as_str()), ("failure", "1 of 1 benchmark more than 50 % slower"));
    let text = scene.forge.text_of(number, &head, "gatewright/speed");
    assert!(text.contains("measured in turn in the same sandbox, 6 rounds"), "{text}");
    assert!(text.contains("| `count` |") && text.contains("| **too slow** |"), "{text}");
    scene.end().await;
}

async fn a_change_that_changes_no_benchmark_passes(scene: Scene) {
    let (number, head) = changed(&scene, &[("README", "about\n")]).await;
    let check = &scene.forge.shown(&head)["gatewright/speed"];
    assert_eq!(check.state, "success", "{}", check.title);
    if scene.forge.kind() == ForgeKind::Github {
        let text = scene.forge.text_of(number, &head, "gatewright/speed");
        assert!(text.contains("| `count` |") && !text.contains("too slow"), "{text}");
    }
    scene.end().await;
}

async fn a_base_without_the_benchmark_is_inconclusive_and_no_failure(scene: Scene) {
    let head = scene.forge.commit("topic", "alice", &[("bench.sh", BENCH), ("work", "10\n")]);
    let number = scene.forge.open("alice", "topic");
    scene.idle().await;
    let check = &scene.forge.shown(&head)["gatewright/speed"];
    assert_eq!((check.state.as_str(), check.title.as_str()), ("success", "inconclusive: 1 benchmark, none compared"));
    if scene.forge.kind() == ForgeKind::Github {
        let text = scene.forge.text_of(number, &head, "gatewright/speed");
        assert!(text.contains("Measured were 0 of 6 rounds: the command fails on the base, with exit code 2."), "{text}");
    }
    scene.end().await;
}
