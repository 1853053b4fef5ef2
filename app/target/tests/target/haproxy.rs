//! HAProxy.

use gatewright_core::target::{Cut, Detached, Shares, TrafficRouter};

use crate::site::load::{Load, People};
use crate::site::{Router, Shape, until};
use crate::world::{World, haproxy, pool};

#[tokio::test]
async fn a_release_goes_through_and_comes_back_without_a_failed_request() {
    let (world, router) = (World::new(), Router::start(Shape::default()).await);
    let haproxy = haproxy(&router);
    let (stable, canary) = (pool("1.0.0"), pool("1.1.0"));
    let old = world.ready(&stable, 3).await;
    haproxy.attach(&world.place, &old).await.unwrap();
    until("stable is up", || async { haproxy.split(&world.place, &Shares::all_to(stable.id.clone())).await.is_ok() }).await;
    let load = Load::start(&router.address(), People { eager: 8, slow: 4, talking: 4 });
    load.more(200).await;
    let new = world.ready(&canary, 2).await;
    haproxy.attach(&world.place, &new).await.unwrap();
    for percent in [1, 10, 50, 100] {
        let shares = Shares::split(canary.id.clone(), percent, stable.id.clone());
        until("the canary is up", || async { haproxy.split(&world.place, &shares).await.is_ok() }).await;
        let routes = TrafficRouter::read(&haproxy, &world.place).await.unwrap();
        assert_eq!(routes.share_millipercent(&canary.id), u64::from(percent) * 1000);
        load.more(200).await;
    }
    haproxy.split(&world.place, &Shares::all_to(stable.id.clone())).await.unwrap();
    load.more(200).await;
    let seen = load.stop().await;
    assert_eq!(seen.bad, Default::default(), "{seen:?}");
    let ids: Vec<String> = new.iter().map(|instance| instance.id.clone()).collect();
    until("nothing is in flight", || async { haproxy.detach(&world.place, &ids, Cut::Nothing).await.unwrap() == Detached::Done })
        .await;
}
