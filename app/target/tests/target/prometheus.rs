//! Queries to a real Prometheus that scrapes real instances.

use gatewright_core::target::{MetricSource, TargetError};
use gatewright_target::prometheus::{Config, Prometheus, Unit};

use crate::site::load::Connection;
use crate::site::{Scraper, until};
use crate::world::{World, pool, pool_with};

fn config(scraper: &Scraper) -> Config {
    Config {
        url: scraper.url(),
        token: None,
        requests: r#"sum(app_requests_total{pool="{{ pool }}"})"#.parse().unwrap(),
        errors: r#"sum(app_errors_total{pool="{{ pool }}"})"#.parse().unwrap(),
        latency: Some(r#"sum by (le) (app_duration_ms_bucket{pool="{{ pool }}"})"#.parse().unwrap()),
        unit: Unit::Milliseconds,
    }
}

#[tokio::test]
async fn counters_of_each_pool_are_what_its_instances_have_counted() {
    let world = World::new();
    let (stable, canary) = (pool("1.0.0"), pool_with("1.1.0", &[("FAIL_PERCENT", "50")]));
    let mut instances = world.ready(&stable, 2).await;
    instances.extend(world.ready(&canary, 1).await);
    for instance in &instances {
        let mut connection = Connection::open(&instance.address.clone().unwrap()).await.unwrap();
        for _ in 0..10 {
            connection.get("/", "").await.unwrap().unwrap();
        }
    }
    let labelled: Vec<(String, String)> =
        instances.iter().map(|instance| (instance.address.clone().unwrap(), instance.pool.to_string())).collect();
    let scraper = Scraper::start(&labelled).await;
    let source = Prometheus::new(config(&scraper)).unwrap();
    let pools = [stable.id.clone(), canary.id.clone(), "none".parse().unwrap()];
    let counts = || async {
        let reading = source.read(&world.place, &pools).await.unwrap();
        pools.iter().map(|pool| reading.pools.get(pool).map(|totals| (totals.requests, totals.errors))).collect::<Vec<_>>()
    };
    until("they are scraped", || async { counts().await == [Some((20, 0)), Some((10, 5)), None] }).await;
    let reading = source.read(&world.place, &pools).await.unwrap();
    let latency = reading.pools[&stable.id].latency.clone().unwrap();
    assert_eq!(latency.bounds_ms, [5.0, 20.0, 50.0, 100.0, 500.0, 2000.0]);
    assert_eq!(latency.counts.iter().sum::<u64>(), 20);

    let wrong = Config { requests: r#"sum({{ pool }}"#.parse().unwrap(), ..config(&scraper) };
    let refused = Prometheus::new(wrong).unwrap().read(&world.place, &pools).await.unwrap_err();
    assert!(matches!(&refused, TargetError::Refused { cause, .. } if cause.contains("parse error")), "{refused}");
    drop(scraper);
    let gone = source.read(&world.place, &pools).await.unwrap_err();
    assert!(matches!(gone, TargetError::Unavailable { .. }), "{gone}");
}
