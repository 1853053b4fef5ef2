//! From one environment to the next, each with a router of its own.

use std::sync::Arc;

use gatewright_core::target::{Place, Site, Sites, TargetError};
use gatewright_tests::site::load::{Load, People};
use gatewright_tests::site::{Router, Shape};

use crate::world::{REPO, World, site_behind};

struct TwoSites {
    staging: Site,
    production: Site,
}

impl Sites for TwoSites {
    fn site(&self, place: &Place) -> Result<Site, TargetError> {
        Ok(if place.environment.as_str() == "staging" { self.staging.clone() } else { self.production.clone() })
    }
}

const AT_ONCE: &str = "    strategy: { blue-green: { watch: 0s, keep: 0s } }\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_release_goes_on_once_it_has_stood_its_time_and_one_that_fails_goes_no_further() {
    let (staging, production) = (Router::start(Shape::default()).await, Router::start(Shape::default()).await);
    let sites = TwoSites { staging: site_behind(&staging), production: site_behind(&production) };
    let world = World::start_with(|setting| setting.sites = Arc::new(sites)).await;
    let then = format!("{AT_ONCE}  production:\n    after: staging\n    soak: 3s\n{AT_ONCE}");
    let file = |env: &str| world.file(&then, env).replacen("  production:\n", "  staging:\n", 1);
    world.tag("v1.0.0", &file(""));
    world.until_at("v1.0.0", "production", "its time in staging, until").await;
    assert_eq!(world.github.deployed(REPO, "staging"), [("v1.0.0".to_owned(), "success".to_owned())]);
    world.idle().await;
    assert_eq!(world.steps("production").last().map(String::as_str), Some("v1.0.0 is live"));
    let load = Load::start(&production.address(), People { eager: 2, slow: 0, talking: 0 });
    load.more(20).await;
    let pull = world.merge("v1.1.0", &file(", CRASH: start"));
    world.idle().await;
    let failed = ("v1.1.0".to_owned(), "failure".to_owned());
    assert_eq!(world.github.deployed(REPO, "staging").pop(), Some(failed));
    let comment = world.github.release_comment(REPO, pull).unwrap_or_default();
    assert!(comment.contains("| production | not rolled out: ") && comment.contains("staging"), "{comment}");
    let seen = load.stop().await;
    assert!(seen.bad.is_empty() && seen.good() == seen.of("1.0.0"), "production has noticed nothing: {seen:?}");
    assert_eq!(world.containers(), ["1.0.0"; 4], "two instances in each");
    world.end().await;
}
