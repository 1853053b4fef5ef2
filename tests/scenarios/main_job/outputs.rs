//! Files that gates are asked to keep.

use gatewright_core::run::{Run, StepState};
use gatewright_core::store::{Blobs, Store};
use gatewright_core::verdict::VerdictStatus;
use gatewright_tests::on_every_forge;
use gatewright_tests::service::until;
use gatewright_tests::stage::Scene;
use insta::assert_snapshot;

const FILE: &str = "\
image: gatewright-sandbox:local
gates:
  pages:
    run: mkdir out && echo one > out/1.html && echo two > out/2.html && ln -s /etc/passwd out/3.html && truncate -s 70000000 out/4.html; exit 1
    outputs: ['out/*.html', out/1.html, nothing/*.png]
";

const SLOW: &str = "\
image: gatewright-sandbox:local
gates:
  slow:
    run: test -f quick || (echo it works; sleep 600)
";

on_every_forge!(
    what_a_gate_has_left_is_kept_also_where_it_failed_and_what_is_too_large_is_named(FILE),
    what_a_gate_writes_is_seen_while_it_runs_and_kept_where_it_is_stopped(SLOW),
);

async fn what_a_gate_writes_is_seen_while_it_runs_and_kept_where_it_is_stopped(scene: Scene) {
    let (number, _) = scene.open("topic", "a", "1");
    let gate = "slow".parse().expect("a gate's name");
    let of_pull = async || {
        let runs = scene.service.runs().await;
        runs.into_iter().rfind(|run| run.subject.ends_with(&format!("pull/{number}"))).map(|run| run.id)
    };
    let seen = || async {
        let so_far = of_pull().await.and_then(|run| scene.service.engine.log_so_far(run, &gate));
        so_far.is_some_and(|log| log.as_ref() == b"it works\n")
    };
    until("what it has written is seen", seen).await;
    let stopped = of_pull().await.expect("it is known");
    scene.forge.commit("topic", "alice", &[("quick", "1")]);
    scene.idle().await;
    assert_eq!(scene.service.engine.log_so_far(stopped, &gate), None);
    let (_, journal) = scene.service.store.journal(stopped).await.expect("it is there");
    let run = Run::replay(stopped, &journal).expect("it is whole");
    let StepState::Done { outcome, .. } = &run.gates().expect("it runs gates").steps[0].state else { panic!("{run:?}") };
    assert_eq!((outcome.verdict.status, outcome.duration_ms > 0), (VerdictStatus::Cancelled, true));
    let log = outcome.log.as_ref().expect("its log is kept");
    let bytes = scene.service.store.get(&log.blob).await.expect("it can be read").expect("it is there");
    assert_eq!(bytes.as_ref(), b"it works\n");
    scene.end().await;
}

async fn what_a_gate_has_left_is_kept_also_where_it_failed_and_what_is_too_large_is_named(scene: Scene) {
    let (number, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    let mut kept = Vec::new();
    for record in scene.service.runs().await {
        let (_, journal) = scene.service.store.journal(record.id).await.expect("it is there");
        let run = Run::replay(record.id, &journal).expect("it is whole");
        for step in &run.gates().expect("it runs gates").steps {
            let StepState::Done { outcome, .. } = &step.state else { panic!("{step:?}") };
            for output in &outcome.outputs {
                let bytes = scene.service.store.get(&output.blob).await.expect("it can be read").expect("it is there");
                assert_eq!(bytes.len() as u64, output.bytes);
                let text: String = String::from_utf8_lossy(&bytes).trim().chars().take(100).collect();
                kept.push(format!("{}: {text}", output.path));
            }
        }
    }
    assert_eq!(kept, ["out/1.html: one", "out/2.html: two"]);
    let text = scene.forge.text_of(number, &head, "gatewright/pages");
    assert!(text.contains("2 files are kept on the run's page."), "{text}");
    let said: Vec<&str> = text.lines().filter(|line| line.contains("4.html")).collect();
    assert_snapshot!(said.join("\n"), @"- `out/4.html has 70000000 bytes; of a file up to 64 MiB are kept`");
    scene.end().await;
}
