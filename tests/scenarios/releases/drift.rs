//! What somebody changes by hand where releases run: it is found within seconds, told once, mended where that is asked for, and a
//! rollout's own doing is none of it.

use std::process::Command;
use std::time::{Duration, Instant};

use gatewright_core::store::StoreUpkeep;
use gatewright_core::{RepoRef, Timestamp};
use gatewright_engine::overview::{self, DriftOverview, EnvironmentOverview};
use gatewright_tests::service::until;
use gatewright_tests::site::load::{Load, People};

use crate::world::World;

const REPORT: &str = "    strategy: recreate\n";
const RESTORE: &str = "    strategy: recreate\n    drift: restore\n";

/// So often a change is made to see how long it takes until it is found.
const CHANGES: u32 = 10;

impl World {
    pub(crate) async fn environment(&self) -> EnvironmentOverview {
        let repo: RepoRef = self.service.runs().await.first().expect("something ran").repo.clone();
        let name = "production".parse().expect("a name");
        overview::environment(self.service.store.as_ref(), &repo, &name, Timestamp::now()).await.expect("the store answers")
    }

    async fn until_drifts(&self) -> DriftOverview {
        until("drift is found", || async { self.environment().await.drift.is_some() }).await;
        self.environment().await.drift.expect("it was there just now")
    }

    async fn until_as_released(&self) {
        until("what runs is what was released", || async { self.environment().await.drift.is_none() }).await;
    }

    /// What was told of drift so far, the oldest first: what the audit log has.
    pub(crate) async fn drift_told(&self) -> Vec<String> {
        let lines = self.service.store.audited(1_000).await.expect("the store answers");
        let drift = lines.into_iter().filter(|line| line.action.starts_with("environment.drift"));
        let mut told: Vec<String> = drift.map(|line| format!("{}: {}", line.action, line.outcome)).collect();
        told.reverse();
        told
    }

    /// The name of an instance, in the order of the names.
    pub(crate) fn container(&self, n: usize) -> String {
        let own = names(&self.name);
        own.get(n).cloned().unwrap_or_else(|| panic!("there is no instance {n}: {own:?}"))
    }
}

/// The names of a service's instances, in their order.
pub(crate) fn names(service: &str) -> Vec<String> {
    let place = format!("/{service}");
    let listed = docker(&["ps", "-a", "--format", "{{.Names}} {{.Label \"gatewright.place\"}}"]);
    let own = listed.lines().filter(|line| line.ends_with(&place));
    let mut own: Vec<String> = own.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect();
    own.sort();
    own
}

pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().expect("the docker client is installed by tests/setup/all.sh");
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changes_by_hand_is_told_once_and_told_to_be_gone_once() {
    let world = World::start().await;
    world.tag("v1.0.0", &world.file(REPORT, ""));
    world.idle().await;
    let changed = world.container(1);
    docker(&["update", "--pids-limit", "77", &changed]);
    let drift = world.until_drifts().await;
    assert_eq!(drift.differences, [format!("{changed} is configured otherwise than it was released")]);
    assert_eq!(drift.restored_by, None, "nobody asked for that");
    // What is changed once more is the same drift, after a restart too.
    let world = world.restarted().await;
    docker(&["update", "--pids-limit", "78", &changed]);
    docker(&["update", "--pids-limit", "4096", &changed]);
    world.until_as_released().await;
    let told = world.drift_told().await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("environment.drift: ") && told[1].starts_with("environment.drift-gone: "), "{told:?}");
    assert_eq!(world.service.open_runs().await, Some(0), "nothing was started");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_that_somebody_changes_in_the_router_are_drift_too_and_are_set_right() {
    // A router tells nothing by itself.
    let world = World::start_with(|setting| setting.drift_secs = 1).await;
    world.tag("v1.0.0", &world.file(RESTORE, ""));
    world.idle().await;
    let servers = world.router.ask("show servers state web").await.expect("the router answers");
    let server = servers.lines().filter_map(|line| line.split(' ').nth(3)).find(|name| name.starts_with("1.0.0-"));
    let server = server.expect("there is a server").to_owned();
    world.router.ask(&format!("set server web/{server} weight 0")).await.expect("the router answers");
    until("the drift was told", || async { !world.drift_told().await.is_empty() }).await;
    world.until_as_released().await;
    world.idle().await;
    let told = world.drift_told().await;
    assert!(told[0].contains("the router does not send requests to"), "{told:?}");
    assert_eq!(world.containers(), ["1.0.0", "1.0.0"], "no instance was made anew for it");
    let answers = world.answers(20).await;
    assert!(answers.bad.is_empty(), "{answers:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_were_changed_are_made_anew_while_users_notice_nothing() {
    let world = World::start().await;
    world.tag("v1.0.0", &world.file(RESTORE, ""));
    world.idle().await;
    let (deployed, since) = (world.steps("production"), world.environment().await.live.expect("something is live").since);
    let load = Load::start(&world.router.address(), People { eager: 3, slow: 1, talking: 0 });
    load.more(20).await;
    let changed = [world.container(0), world.container(1)];
    for container in &changed {
        docker(&["update", "--pids-limit", "77", container]);
    }
    until("the drift was told", || async { !world.drift_told().await.is_empty() }).await;
    world.until_as_released().await;
    world.idle().await;
    load.more(20).await;
    let seen = load.stop().await;
    assert!(seen.bad.is_empty(), "{seen:?}");
    assert_eq!(world.containers(), ["1.0.0", "1.0.0"]);
    assert!(!changed.contains(&world.container(0)) && !changed.contains(&world.container(1)), "they are other containers");
    let environment = world.environment().await;
    assert_eq!(environment.live.expect("something is live").since, since, "the release has been there since it came");
    assert_eq!(environment.held, None, "the next release may come");
    assert_eq!(world.steps("production"), deployed, "nothing was deployed that the forge should show");
    world.tag("v1.1.0", &world.file(RESTORE, ""));
    world.idle().await;
    assert_eq!(world.containers(), ["1.1.0", "1.1.0"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_somebody_removes_comes_back_but_not_against_somebody_who_goes_on_removing_it() {
    let world = World::start().await;
    world.tag("v1.0.0", &world.file(RESTORE, ""));
    world.idle().await;
    for _ in 0..3 {
        docker(&["rm", "-f", &world.container(0)]);
        let told = world.drift_told().await.len();
        until("it is told, and gone again", || async { world.drift_told().await.len() >= told + 2 }).await;
        world.idle().await;
        assert_eq!(world.containers(), ["1.0.0", "1.0.0"]);
    }
    docker(&["rm", "-f", &world.container(0)]);
    let drift = world.until_drifts().await;
    assert_eq!(drift.restored_by, None, "two who undo what the other does would take turns for ever");
    assert_eq!(world.containers(), ["1.0.0"]);
    // A release mends it all the same.
    world.tag("v1.1.0", &world.file(RESTORE, ""));
    world.idle().await;
    world.until_as_released().await;
    assert_eq!(world.containers(), ["1.1.0", "1.1.0"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rollouts_do_themselves_is_no_drift() {
    let world = World::start_with(|setting| setting.drift_secs = 1).await;
    let canary =
        "    strategy: { canary: { steps: [50, 100], every: 1s, keep: 3s } }\n    analysis: { errors: none, warm-up: 0s }\n";
    for version in ["v1.0.0", "v1.1.0"] {
        world.tag(version, &world.file(canary, ""));
        world.idle().await;
    }
    let pull =
        world.merge("v1.2.0", &world.file(canary, ", HEALTH_STATUS: '500'").replace("ready-within: 20s", "ready-within: 3s"));
    world.idle().await;
    world.say(pull, "max", "/gw rollback production").await;
    world.idle().await;
    assert_eq!(world.drift_told().await, Vec::<String>::new());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_found_by_what_the_engine_tells() {
    // By looking now and then nothing would be found in time.
    let world = World::start_with(|setting| setting.drift_secs = 3600).await;
    world.tag("v1.0.0", &world.file(REPORT, ""));
    world.idle().await;
    let container = world.container(0);
    let mut took: Vec<Duration> = Vec::new();
    for _ in 0..CHANGES {
        docker(&["update", "--pids-limit", "77", &container]);
        let begun = Instant::now();
        world.until_drifts().await;
        took.push(begun.elapsed());
        docker(&["update", "--pids-limit", "4096", &container]);
        world.until_as_released().await;
    }
    took.sort();
    let (middle, worst) = (took[took.len() / 2], took[took.len() - 1]);
    eprintln!("drift found after p50 {} ms, the worst of {CHANGES} {} ms", middle.as_millis(), worst.as_millis());
    world.end().await;
}
