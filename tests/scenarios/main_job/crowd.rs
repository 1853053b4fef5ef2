//! Many at once, on a bad day.

use super::{REPO, Scene};
use gatewright_tests::github::{Effect, Fault, HookEffect, HookFault, PullSpec, When};

/// How many pull requests are open at once.
const PULLS: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_pull_requests_with_duplicates_and_faults_end_right() {
    let file = "image: gatewright-sandbox:local\ngates:\n  docs:\n    when: { changed: ['docs/**'] }\n    run: 'true'\n";
    let scene = Scene::with_file(file).await;
    // Deliveries come several times at once; of the API's answers one in twenty is an error, before or after the deed.
    scene.github.hook_fault(HookFault::on("pull_request", HookEffect::Duplicate(5)).when(When::Chance { percent: 20, seed: 1 }));
    scene.github.fault(Fault::on("/repos/**", Effect::ServerError).when(When::Chance { percent: 3, seed: 2 }));
    scene.github.fault(Fault::on("/repos/**", Effect::BadGatewayAfter).method("POST").when(When::Chance { percent: 3, seed: 3 }));
    let mut pulls = Vec::new();
    for n in 0..PULLS {
        let branch = format!("topic-{n}");
        let head = scene.github.commit(REPO, &branch, "alice", "a change", [("a", n.to_string().as_str())]);
        pulls.push((scene.github.open_pull(REPO, PullSpec::of("alice", &branch)), head));
    }
    scene.idle().await;
    for (number, head) in pulls {
        let checks = scene.github.check_runs(REPO, &head);
        let states: Vec<(&str, &str)> = checks.values().map(|check| (check.name.as_str(), check.state())).collect();
        assert_eq!(states, [("gatewright", "success"), ("gatewright/docs", "skipped")], "#{number}");
        assert_eq!(scene.github.all_check_runs(REPO, &head).len(), 2, "#{number}: no check was made twice");
        assert_eq!(scene.github.bot_comments(REPO, number).len(), 1, "#{number}: one comment");
    }
    let pull_runs = scene.service.runs().await.into_iter().filter(|run| run.subject.contains("/pull/")).count();
    assert_eq!(pull_runs, PULLS, "a delivery that comes five times makes one run");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_that_were_missed_while_the_service_was_down_are_asked_for_and_taken() {
    let scene = Scene::with_file("image: gatewright-sandbox:local\ngates:\n  tests:\n    run: 'true'\n").await;
    scene.idle().await;
    let Scene { github, service, setting, _dir } = scene;
    service.stop().await;
    let head = github.commit(REPO, "topic", "alice", "a change", [("a", "1")]);
    github.open_pull(REPO, PullSpec::of("alice", "topic"));
    github.deliveries_settled().await;
    let service = gatewright_tests::service::Service::start(&github, &setting).await;
    gatewright_tests::service::until("the missed delivery's run is over", || async {
        github.check_runs(REPO, &head).get("gatewright").is_some_and(|check| check.state() == "success")
    })
    .await;
    service.idle(&github).await;
    service.stop().await;
    github.assert_valid();
}
