//! The process is killed, for real, at places all over a release and its canary, and started again: what users get and people see in the
//! end is what they would have had without.

use gatewright_engine::Point;
use gatewright_tests::process::{Crash, Home, places};
use gatewright_tests::site::load::{Load, People};
use gatewright_tests::site::{Router, Shape};
use gatewright_tests::stage::{GitHubStage, REPO, Stage};

use gatewright_tests::service::until;

use crate::drift::{docker, names};
use crate::world::{Containers, containers, file};

/// Nobody asks for anything meanwhile, so errors are not compared.
const CANARY: &str =
    "    strategy: { canary: { steps: [50, 100], every: 1s, keep: 1s } }\n    analysis: { errors: none, warm-up: 0s }\n";

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_appends_a_release_arrives_once() {
    killed_at_some(Point::Appended, 8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_effects_before_they_are_journaled_a_release_arrives_once() {
    killed_at_some(Point::Performed, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_makes_again_what_is_live_it_ends_with_what_was_released() {
    let forge = GitHubStage::start().await;
    forge.github.protect(REPO, "main");
    let name = format!("s{:x}", uuid::Uuid::new_v4().as_fields().0);
    let _containers = Containers(name.clone());
    let router = Router::start(Shape::default()).await;
    let home = Home::on(&forge);
    open_target(&home, &router, &name);
    release(&forge, &home, &file(&name, "    strategy: recreate\n    drift: restore\n", ""), "1.0.0", None).await;
    let program = env!("CARGO_BIN_EXE_service-under-test");
    let as_released = || home.log().matches("what runs is what was released").count();
    for (nth, point) in [(2, Point::Performed), (4, Point::Performed), (5, Point::Appended)] {
        let told = as_released();
        let mut service = home.start(program, Some(Crash { point, nth })).await;
        let changed = names(&name);
        docker(&["update", "--pids-limit", "77", &changed[0]]);
        service.dies().await;
        let mut service = home.start(program, None).await;
        until("what is live was made again", || async { as_released() > told }).await;
        assert!(!service.dies_or_idles_on(&forge).await, "it lives on: {}", home.log());
        service.kill().await;
        let there = names(&name);
        assert!(there.len() == 2 && !there.contains(&changed[0]), "{point:?} {nth}: {there:?}, of {changed:?}");
        let load = Load::start(&router.address(), People { eager: 2, slow: 0, talking: 0 });
        load.more(20).await;
        let seen = load.stop().await;
        assert!(seen.bad.is_empty(), "{point:?} {nth}: {seen:?}");
    }
    forge.assert_valid();
}

/// A release and its canary have some forty places of each kind; a crash beyond the last one does not happen, and ends the series.
const PLACES_MAX: u64 = 60;

/// A release after the other, each with a crash some places further.
async fn killed_at_some(point: Point, from: u64) {
    let forge = GitHubStage::start().await;
    forge.github.protect(REPO, "main");
    let name = format!("s{:x}", uuid::Uuid::new_v4().as_fields().0);
    let _containers = Containers(name.clone());
    let router = Router::start(Shape::default()).await;
    let home = Home::on(&forge);
    open_target(&home, &router, &name);
    release(&forge, &home, &file(&name, CANARY, ""), "1.0.0", None).await;
    let mut reached = 0;
    for nth in places(from, 20, PLACES_MAX) {
        let version = format!("1.{nth}.0");
        let died = release(&forge, &home, &file(&name, CANARY, ""), &version, Some(Crash { point, nth })).await;
        let place = format!("{point:?} {nth}");
        assert_eq!(forge.github.releases(REPO).matches(&format!("v{version} ")).count(), 1, "{place}: one release");
        let told = forge.github.deployments(REPO);
        assert_eq!(told.matches(&format!("v{version} to production")).count(), 1, "{place}: one deployment: {told}");
        let (of, state) = forge.github.deployed(REPO, "production").pop().unwrap_or_default();
        assert_eq!((of, state), (format!("v{version}"), "success".to_owned()), "{place}: {told}");
        assert_eq!(containers(&name), [version.clone(), version.clone()], "{place}: nothing is left over");
        let load = Load::start(&router.address(), People { eager: 2, slow: 0, talking: 0 });
        load.more(20).await;
        let seen = load.stop().await;
        assert!(seen.bad.is_empty() && seen.good() == seen.of(&version), "{place}: {seen:?}");
        if !died {
            break;
        }
        reached = nth;
    }
    assert!(reached > 24, "a release has more places than {reached}");
    assert!(reached + 20 < PLACES_MAX, "the series came to its end");
    forge.assert_valid();
}

/// Tags a version over a service that may kill itself, and starts it again. Whether it did.
async fn release(forge: &GitHubStage, home: &Home, file: &str, version: &str, crash: Option<Crash>) -> bool {
    let program = env!("CARGO_BIN_EXE_service-under-test");
    let mut service = home.start(program, crash).await;
    let commit = forge.commit("main", "alice", &[(".gatewright.yml", file), ("f", version)]);
    forge.github.push_tag(REPO, &format!("v{version}"), &commit, "alice");
    let died = service.dies_or_idles_on(forge).await;
    assert!(crash.is_some() || !died, "it dies of nothing else: {}", home.log());
    service.kill().await;
    let mut service = home.start(program, None).await;
    forge.send_again();
    assert!(!service.dies_or_idles_on(forge).await, "without a crash it lives on: {}", home.log());
    service.kill().await;
    died
}

fn open_target(home: &Home, router: &Router, name: &str) {
    let path = home.dir().join("gatewright.toml");
    let config = std::fs::read_to_string(&path).expect("it was written");
    let target = format!(
        "\n[rollout]\nmeasure_secs = 1\nbaseline_secs = 1\ndrain_secs = 5\n\n[[target]]\nservice = \"{name}\"\nenvironment = \
         \"production\"\nrepository = \"{REPO}\"\ndriver = \"docker\"\npull = \"never\"\n\n[target.router]\nkind = \
         \"haproxy\"\nsocket = \"unix://{}\"\nbackend = \"web\"\nservers_file = \"{}\"\nserver_options = \"check inter 300ms \
         fastinter 100ms downinter 100ms rise 1 fall 2\"\n",
        router.socket().display(),
        router.servers_file().display(),
    );
    std::fs::write(path, config + &target).expect("the folder is ours");
}
