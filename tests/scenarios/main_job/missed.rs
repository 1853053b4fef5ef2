//! What never arrived is found, and what cannot be done is said.

use std::path::Path;
use std::time::Duration;

use gatewright_core::event::User;
use gatewright_core::run::{Cause, GatesSpec, NewRun, Run, RunSpec, Work};
use gatewright_core::store::{Acceptance, LeaseRequest, Release, RunFilter, Store};
use gatewright_core::{RepoRef, RunId, Subject, Timestamp};
use gatewright_store::{EmbeddedStore, Options};
use gatewright_tests::on_every_forge;
use gatewright_tests::stage::Scene;
use insta::assert_snapshot;
use jiff::SignedDuration;

const FILE: &str = "image: gatewright-sandbox:local\ngates:\n  tests: { run: 'true' }\n";

on_every_forge!(
    an_open_pull_request_of_which_no_delivery_arrived_is_caught_up_with(FILE),
    the_checks_of_a_run_that_is_given_up_say_so(FILE, |setting| setting.sandboxes = 1),
);

async fn an_open_pull_request_of_which_no_delivery_arrived_is_caught_up_with(scene: Scene) {
    let (_, known) = scene.open("known", "a", "1");
    scene.idle().await;
    // A hook that leads nowhere: what the forge has tried and given up is not offered again.
    scene.forge.lose_webhooks();
    let head = scene.forge.commit("topic", "alice", &[("b", "1")]);
    scene.forge.open("alice", "topic");
    let (forge, now) = (scene.forge.kind(), Timestamp::now());
    let later = now + SignedDuration::from_mins(20);
    let at_once = scene.service.engine.catch_up(forge, now, now).await.expect("the forge answers");
    assert_eq!((at_once.started, at_once.unsettled), (0, 1), "its delivery may be under way; it is looked at again");
    let caught_up = scene.service.engine.catch_up(forge, later, now).await;
    assert_eq!(caught_up.map(|all| all.started), Ok(1), "the one that is known is not started again");
    let passed = || async { scene.forge.checks(&head).get("gatewright").is_some_and(|state| state == "success") };
    gatewright_tests::service::until("it was checked", passed).await;
    assert_eq!(scene.service.engine.catch_up(forge, later, now).await.map(|all| all.started), Ok(0));
    assert_eq!(scene.forge.checks_made(&known), 2);
    scene.service.stop().await;
}

async fn the_checks_of_a_run_that_is_given_up_say_so(scene: Scene) {
    let (number, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    // The run of one that kills its worker each time: leased as often as it may be, and never released.
    let repo = repo_of_a_run(&scene.service.store).await;
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
    let dir = scene.setting.dir.join("store");
    let scene = scene.restarted(async |_| give_up(&dir, NewRun { id: run, spec }).await).await;
    tokio::time::timeout(Duration::from_secs(60), scene.idle()).await.expect("it comes to rest");
    assert_eq!(scene.service.runs().await[0].id, run);
    assert_snapshot!(scene.shown(&head).lines().next().unwrap_or_default(), @"gatewright: failure (given up: it was tried 5 times; the last time: it broke)");
    let text = scene.forge.text_of(number, &head, "gatewright");
    assert!(text.contains(&format!("gatewright runs retry {run}")), "{text}");
    assert!(scene.service.engine.retry(run, Timestamp::now()).await.expect("it answers"), "it was set aside");
    scene.idle().await;
    assert_eq!(scene.forge.checks(&head)["gatewright"], "success");
    scene.end().await;
}

async fn repo_of_a_run(store: &EmbeddedStore) -> RepoRef {
    let runs = store.list(&RunFilter::default(), 1).await.expect("it answers");
    let (_, journal) = store.journal(runs[0].id).await.expect("it is there");
    Run::replay(runs[0].id, &journal).expect("it is whole").repo
}

/// Leases a run as often as it may be, and breaks each time.
async fn give_up(dir: &Path, run: NewRun) {
    let store = EmbeddedStore::open(dir, &Options::default()).expect("nobody else has it open");
    let now = Timestamp::now();
    let acceptance = Acceptance { run: Some(run), ..Acceptance::internal("a test", now) };
    store.accept(acceptance).await.expect("there is room");
    for _ in 0..5 {
        let request = LeaseRequest { worker: "dies".to_owned(), now, lease_secs: 3, per_repo_max: 10, attempts_max: 5 };
        let leased = store.lease(&request).await.expect("it answers").expect("it is ready");
        let how = Release::Failed { retry_at: now, cause: "it broke".to_owned() };
        store.release(&leased.lease, how, now).await.expect("it is ours");
    }
}
