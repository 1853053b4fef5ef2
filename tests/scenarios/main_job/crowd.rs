//! Many at once, on a bad day.

use gatewright_tests::github::{HookEffect, When};
use gatewright_tests::on_every_forge;
use gatewright_tests::stage::{Scene, Told};

/// How many pull requests are open at once.
const PULLS: usize = 200;

on_every_forge!(two_hundred_pull_requests_with_duplicates_and_faults_end_right(
    "image: gatewright-sandbox:local\ngates:\n  docs:\n    when: { changed: ['docs/**'] }\n    run: 'true'\n"
));

async fn two_hundred_pull_requests_with_duplicates_and_faults_end_right(scene: Scene) {
    // Deliveries come several times at once; some of the API's answers are errors, before or after the deed.
    scene.forge.hook_fault(Told::OfPull, HookEffect::Duplicate(5), When::Chance { percent: 20, seed: 1 });
    scene.forge.fault_now_and_then();
    let pulls: Vec<(u64, String)> = (0..PULLS).map(|n| scene.open(&format!("topic-{n}"), "a", &n.to_string())).collect();
    scene.idle().await;
    for (number, head) in pulls {
        let checks = scene.forge.checks(&head);
        let states: Vec<(&str, &str)> = checks.iter().map(|(name, state)| (name.as_str(), state.as_str())).collect();
        assert_eq!(states, [("gatewright", "success"), ("gatewright/docs", "skipped")], "#{number}");
        assert_eq!(scene.forge.checks_made(&head), 2, "#{number}: no check was made twice");
        scene.only_comment(number);
    }
    let pull_runs = scene.service.runs().await.into_iter().filter(|run| run.subject.contains("/pull/")).count();
    assert_eq!(pull_runs, PULLS, "a delivery that comes five times makes one run");
    scene.end().await;
}
