//! Instances that are not where they were.

use gatewright_core::target::{Instance, TrafficRouter};

use super::*;

#[tokio::test]
async fn an_instance_that_was_made_anew_is_reached_at_its_new_address() {
    let bench = Bench::start(Shape::default()).await;
    let old = Local::several("stable", 2).await;
    bench.attach(&old).await;
    bench.all_to("stable").await;
    let anew = Local::start("stable", 0).await;
    bench.attach(std::slice::from_ref(&anew)).await;
    let server = || async { bench.read().await.servers[0].clone() };
    assert_eq!(server().await.address, anew.instance.address.clone().unwrap());
    until("it is up", || async { server().await.up }).await;
    // With the weight that it had: nobody has to share out anything again.
    assert_eq!(weights(&bench.read().await).values().copied().collect::<Vec<_>>(), [256, 256]);
    for _ in 0..4 {
        assert_eq!(bench.get("").await.0, 200);
    }
}

#[tokio::test]
async fn an_address_of_an_instance_that_is_gone_does_not_bring_its_share_to_another_pool() {
    let bench = Bench::start(Shape::default()).await;
    let (old, new) = (Local::several("stable", 2).await, Local::start("canary", 0).await);
    bench.attach(&old).await;
    bench.all_to("stable").await;
    // The canary is given the address of a stable instance that has ended.
    let taken = Instance { address: old[0].instance.address.clone(), ..new.instance.clone() };
    bench.haproxy.attach(&bench.place, &[taken]).await.unwrap();
    let routes = bench.read().await;
    let up: Vec<(&str, u32)> =
        routes.servers.iter().filter(|server| server.up).map(|s| (s.instance.as_str(), s.weight)).collect();
    assert!(
        up.iter().all(|(instance, weight)| *instance != "local-stable-0" && (*instance != "local-canary-0" || *weight == 0)),
        "{up:?}"
    );
}

#[tokio::test]
async fn instances_of_two_versions_that_have_exchanged_their_addresses_are_each_reached_with_their_own_share() {
    let bench = Bench::start(Shape::default()).await;
    let (old, new) = (Local::start("stable", 0).await, Local::start("canary", 0).await);
    bench.attach(std::slice::from_ref(&old)).await;
    bench.attach(std::slice::from_ref(&new)).await;
    bench.split(&canary(25)).await;
    let before = bench.read().await;
    let at = |instance: &Instance, of: &Instance| Instance { address: of.address.clone(), ..instance.clone() };
    let exchanged = [at(&old.instance, &new.instance), at(&new.instance, &old.instance)];
    bench.haproxy.attach(&bench.place, &exchanged).await.unwrap();
    for instance in &exchanged {
        let server = || async { bench.read().await.servers.into_iter().find(|server| server.instance == instance.id).unwrap() };
        assert_eq!(Some(server().await.address), instance.address);
        until("it is up", || async { server().await.up }).await;
    }
    assert_eq!(weights(&bench.read().await), weights(&before));
}
