//! Versions that turn out bad only once they are used, and a router that is gone in the middle.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use gatewright_core::target::{Instance, Observed, Place, Planned, Pool, Site, Sites, Target, TargetError};
use gatewright_tests::service::until;
use gatewright_tests::site::engine::Engine;
use gatewright_tests::site::load::{Load, People};
use gatewright_tests::site::{Router, Shape};

use crate::world::{World, site_on};

fn canary(steps: &str, analysis: &str) -> String {
    format!(
        "    strategy: {{ canary: {{ steps: [{steps}], every: 3s, keep: 0s }} }}\n    analysis: {{ warm-up: 0s, {analysis} }}\n"
    )
}

/// So short a time is too little to compare errors in.
const NOTHING: &str = "errors: none, extend-at-most: 20s";

/// People, while a version comes that is not to stay. What is said of its end.
async fn goes_back(world: &World, file: &str) -> String {
    let load = Load::start(&world.router.address(), People { eager: 4, slow: 0, talking: 0 });
    load.more(20).await;
    world.tag("v1.1.0", file);
    world.idle().await;
    load.stop().await;
    let after = world.answers(30).await;
    assert!(after.bad.is_empty() && after.good() == after.of("1.0.0"), "everything is as it was: {after:?}");
    assert_eq!(world.containers(), ["1.0.0", "1.0.0"]);
    world.steps("production").pop().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_leaks_memory_reaches_its_bound_and_goes() {
    let world = World::start().await;
    let bounded = |env: &str| {
        world
            .file(&canary("50, 100", NOTHING), env)
            .replace("        replicas: 2\n", "        replicas: 2\n        memory-mib: 32\n")
    };
    world.tag("v1.0.0", &bounded(""));
    world.idle().await;
    let last = goes_back(&world, &bounded(", LEAK_KIB: '256'")).await;
    assert!(last.starts_with("rolled back: ") && last.contains("out of memory"), "{last}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_answers_late_goes() {
    let world = World::start().await;
    let file =
        |env: &str| world.file(&canary("50, 100", "errors: none, latency-p95: { worse-at-most: 2 }, extend-at-most: 20s"), env);
    world.tag("v1.0.0", &file(""));
    world.idle().await;
    let last = goes_back(&world, &file(", DELAY_MS: '900'")).await;
    assert!(last.starts_with("rolled back: Slow requests"), "{last}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_crashes_at_half_of_the_requests_goes() {
    let world = World::start().await;
    let file = |env: &str| world.file(&canary("10, { percent: 50, hold: 60s }, 100", NOTHING), env);
    world.tag("v1.0.0", &file(""));
    world.idle().await;
    // So many that it does not come to them at 10 %.
    world.tag("v1.1.0", &file(", CRASH_AFTER_REQUESTS: '400'"));
    let load = Load::start(&world.router.address(), People { eager: 2, slow: 0, talking: 0 });
    world.until_at("v1.1.0", "production", "at 50 %").await;
    world.until_says("production", "rolled back: ").await;
    load.stop().await;
    world.idle().await;
    let last = world.steps("production").pop().unwrap_or_default();
    assert!(last.contains("of 2 new instances are ready") && last.contains("restarted"), "{last}");
    let after = world.answers(30).await;
    assert!(after.bad.is_empty() && after.good() == after.of("1.0.0"), "{after:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_router_and_counters_are_gone_a_version_neither_gets_more_nor_goes() {
    let mut world = World::start().await;
    let canary = "    strategy: { canary: { steps: [50, 100], every: 2s, keep: 0s } }\n    analysis: { errors: { worse-at-most: 3 }, warm-up: 0s, extend-at-most: 2s }\n";
    world.tag("v1.0.0", &world.file(canary, ""));
    world.idle().await;
    let load = Load::start(&world.router.address(), People { eager: 2, slow: 0, talking: 0 });
    let pull = world.merge("v1.1.0", &world.file(canary, ""));
    world.until_at("v1.1.0", "production", "at 50 %").await;
    load.stop().await;
    world.router.stop();
    let last = || world.steps("production").pop().unwrap_or_default();
    until("it stays where it is", || async { last() != "at 50 %" }).await;
    assert!(!last().contains("rolled back") && !last().contains("live"), "{}", last());
    world.router.restart().await;
    let seen = world.answers(60).await;
    assert!(seen.bad.is_empty() && seen.of("1.0.0") > 0 && seen.of("1.1.0") > 0, "it is at 50 % still: {seen:?}");
    world.say(pull, "max", "/gw promote production").await;
    world.idle().await;
    assert_eq!(world.steps("production").last().map(String::as_str), Some("v1.1.0 is live"));
    world.end().await;
}

/// A place where a version cannot be had: its image went away, or the registry is down.
struct Without {
    version: &'static str,
    inner: Arc<dyn Target>,
}

#[async_trait]
impl Target for Without {
    async fn plan(&self, place: &Place, pool: &Pool) -> Result<Planned, TargetError> {
        self.inner.plan(place, pool).await
    }

    async fn deploy(&self, place: &Place, pool: &Pool, replicas: u32) -> Result<Vec<Instance>, TargetError> {
        if pool.id.to_string().contains(self.version) {
            return Err(TargetError::Unavailable { what: "the image".to_owned(), cause: "nobody has it".to_owned() });
        }
        self.inner.deploy(place, pool, replicas).await
    }

    async fn observe(&self, place: &Place) -> Result<Observed, TargetError> {
        self.inner.observe(place).await
    }

    async fn remove(&self, place: &Place, instances: &[String]) -> Result<(), TargetError> {
        self.inner.remove(place, instances).await
    }

    async fn changed(&self) -> Result<(), TargetError> {
        self.inner.changed().await
    }
}

struct SitesWithout {
    version: &'static str,
    inner: Arc<dyn Sites>,
}

impl Sites for SitesWithout {
    fn site(&self, place: &Place) -> Result<Site, TargetError> {
        let site = self.inner.site(place)?;
        Ok(Site { target: Arc::new(Without { version: self.version, inner: site.target }), ..site })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_cannot_be_had_is_given_up_after_some_tries_and_the_next_one_may_come() {
    let world = World::start_with(|setting| {
        setting.move_failures_max = 3;
        setting.sites = Arc::new(SitesWithout { version: "1.1.0", inner: Arc::clone(&setting.sites) });
    })
    .await;
    world.tag("v1.0.0", &world.file(&canary("100", NOTHING), ""));
    world.idle().await;
    let end = goes_back(&world, &world.file(&canary("50, 100", NOTHING), "")).await;
    assert!(end.contains("rolled back") && end.contains("it was tried 3 times") && end.contains("nobody has it"), "{end}");
    world.end().await;
}

/// One site, and the place that was released to there.
struct Noted {
    site: Site,
    place: Mutex<Option<Place>>,
}

impl Sites for Noted {
    fn site(&self, place: &Place) -> Result<Site, TargetError> {
        *self.place.lock().expect("nobody fails while holding it") = Some(place.clone());
        Ok(self.site.clone())
    }
}

impl Noted {
    /// Where each instance is, and where the router sends what is meant for it.
    async fn addresses(&self) -> Option<(BTreeMap<String, String>, BTreeMap<String, String>)> {
        let place = self.place.lock().expect("nobody fails while holding it").clone()?;
        let observed = self.site.target.observe(&place).await.ok()?;
        let routes = self.site.router.read(&place).await.ok()?;
        let are = observed.instances.into_iter().filter_map(|instance| Some((instance.id, instance.address?))).collect();
        let routed =
            routes.servers.into_iter().filter(|server| server.up).map(|server| (server.instance, server.address)).collect();
        Some((are, routed))
    }

    async fn until_routed(&self, instances: usize) {
        let told = Mutex::new(None);
        let routed = async {
            while {
                let seen = self.addresses().await;
                let routed = seen.as_ref().is_some_and(|(are, routed)| are.len() == instances && are == routed);
                *told.lock().expect("nobody fails while holding it") = seen;
                !routed
            } {
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
        };
        let within = tokio::time::timeout(std::time::Duration::from_secs(40), routed).await;
        assert!(
            within.is_ok(),
            "instances, and where the router has them: {:?}",
            told.lock().expect("nobody fails while holding it")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_are_somewhere_else_after_the_engine_was_restarted_get_what_is_meant_for_them() {
    let (mut engine, router) = (Engine::start().await, Router::start(Shape::default()).await);
    let site = site_on(Some(engine.address()), &router);
    let sites = Arc::new(Noted { site, place: Mutex::default() });
    let world = World::start_with(|setting| setting.sites = Arc::clone(&sites) as Arc<dyn Sites>).await;
    let file = world.file(&canary("{ percent: 50, hold: manual }, 100", NOTHING), "");
    world.tag("v1.0.0", &file);
    world.idle().await;
    let pull = world.merge("v1.1.0", &file);
    world.until_at("v1.1.0", "production", "until somebody says").await;
    sites.until_routed(4).await;
    engine.restart().await;
    sites.until_routed(4).await;
    // One after the other in another order, each gets the next address that is free: those of two versions are exchanged.
    let before = sites.addresses().await;
    let ids = engine.docker(&["ps", "-q"]);
    let ids: Vec<&str> = ids.split_whitespace().collect();
    engine.docker(&[&["stop", "--time", "1"], ids.as_slice()].concat());
    ids.iter().for_each(|id| drop(engine.docker(&["start", id])));
    sites.until_routed(4).await;
    assert_ne!(sites.addresses().await, before, "they are somewhere else");
    let load = Load::start(&router.address(), People { eager: 2, slow: 0, talking: 0 });
    load.more(60).await;
    let seen = load.stop().await;
    assert!(seen.bad.is_empty() && seen.of("1.0.0") > 0 && seen.of("1.1.0") > 0, "it is at 50 % still: {seen:?}");
    world.say(pull, "max", "/gw promote production").await;
    world.idle().await;
    assert_eq!(world.steps("production").last().map(String::as_str), Some("v1.1.0 is live"));
    sites.until_routed(2).await;
    world.end().await;
}
