//! What never arrived is found, and what cannot be done is said.

use std::time::Duration;

use gatewright_core::event::User;
use gatewright_core::run::{Cause, GatesSpec, NewRun, RunSpec, Work};
use gatewright_core::store::{Acceptance, LeaseRequest, Release, Store};
use gatewright_core::{ForgeKind, RepoRef, RunId, Subject, Timestamp};
use gatewright_tests::github::PullSpec;
use insta::assert_snapshot;
use jiff::SignedDuration;

use super::{REPO, Scene};

const FILE: &str = "image: gatewright-sandbox:local\ngates:\n  tests: { run: 'true' }\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_open_pull_request_of_which_no_delivery_arrived_is_caught_up_with() {
    let scene = Scene::with_file(FILE).await;
    let (_, known) = scene.open("known", "a", "1");
    scene.idle().await;
    // A hook that leads nowhere: the forge has tried, failed, and offers nothing to be sent again after three days.
    scene.github.move_webhook("http://127.0.0.1:1/webhooks/github");
    let head = scene.github.commit(REPO, "topic", "alice", "a change", [("b", "1")]);
    scene.github.open_pull(REPO, PullSpec::of("alice", "topic"));
    let now = Timestamp::now();
    let later = now + SignedDuration::from_mins(20);
    let caught_up = scene.service.engine.catch_up(ForgeKind::Github, later, now).await;
    assert_eq!(caught_up, Ok(1), "the one that is known is not started again");
    gatewright_tests::service::until("it was checked", || async { scene.checks(&head).contains("gatewright: success") }).await;
    assert_eq!(scene.service.engine.catch_up(ForgeKind::Github, later, now).await, Ok(0));
    assert_eq!(scene.github.all_check_runs(REPO, &known).len(), 2);
    scene.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_checks_of_a_run_that_is_given_up_say_so() {
    let scene = Scene::with(FILE, |setting| setting.sandboxes = 1).await;
    let head = scene.github.commit(REPO, "topic", "alice", "a change", [("a", "1")]);
    let number = scene.github.open_pull(REPO, PullSpec::of("alice", "topic"));
    scene.idle().await;
    // The run of one that kills its worker each time: leased as often as it may be, and never released.
    let repo = RepoRef {
        forge: ForgeKind::Github,
        id: scene.github.repo_id(REPO),
        path: REPO.to_owned(),
        installation: Some(scene.github.installation(REPO)),
    };
    let spec = GatesSpec {
        head: head.parse().expect("a commit"),
        base_ref: "main".to_owned(),
        base: None,
        config_ref: None,
        compare_from: None,
        cause: Cause::Rerequested { by: User { id: 1, login: "alice".to_owned() } },
        changed_at: None,
        only: None,
        rerun_of: None,
    };
    let run = RunId::new();
    let spec = RunSpec { repo, subject: Subject::Pull { number }, work: Work::Gates(spec) };
    let store = scene.service.store.clone();
    scene.service.stop().await;
    let now = Timestamp::now();
    let acceptance = Acceptance { run: Some(NewRun { id: run, spec }), ..Acceptance::internal("a test", now) };
    store.accept(acceptance).await.expect("there is room");
    for _ in 0..5 {
        let request = LeaseRequest { worker: "dies".to_owned(), now, lease_secs: 3, per_repo_max: 10, attempts_max: 5 };
        let leased = store.lease(&request).await.expect("it answers").expect("it is ready");
        let how = Release::Failed { retry_at: now, cause: "it broke".to_owned() };
        store.release(&leased.lease, how, now).await.expect("it is ours");
    }
    drop(store);
    let service = gatewright_tests::service::Service::start(&scene.github, &scene.setting).await;
    tokio::time::timeout(Duration::from_secs(60), service.idle(&scene.github)).await.expect("it comes to rest");
    assert_eq!(service.runs().await[0].id, run);
    let check = &scene.github.check_runs(REPO, &head)["gatewright"];
    assert_snapshot!(format!("{}: {}", check.state(), check.title), @"failure: given up: it was tried 5 times; the last time: it broke");
    assert!(check.summary.contains(&format!("gatewright runs retry {run}")), "{}", check.summary);
    assert!(service.engine.retry(run, Timestamp::now()).await.expect("it answers"), "it was set aside");
    service.idle(&scene.github).await;
    assert_eq!(scene.github.check_runs(REPO, &head)["gatewright"].state(), "success");
    service.stop().await;
    scene.github.assert_valid();
}
